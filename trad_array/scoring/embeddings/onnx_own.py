"""Any ONNX network that turns sound or log-mel frames into a vector."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import WeightsError
from trad_array.features import FeatureSpec, log_mel
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.encoder import FS
from trad_array.scoring.embeddings.onnx_session import open_session

# Fewer samples are no sound but a single frame of something.
_LEAST_SAMPLES = 400
# Bands that a log-mel input may have: fewer are no spectrum, more are the number of frames in a wrong place.
_BANDS = range(8, 257)
_EXPECTED = (
    "expected one input of float32: 16 kHz sound (batch, samples) or (batch, 1, samples), or log-mel frames "
    "(batch, frames, mels) or (batch, 1, frames, mels) with a fixed number of 8 to 256 mels"
)


@dataclass(frozen=True, slots=True)
class InputForm:
    """What a network takes.

    shape : of one window as it is fed, with the batch of one
    window : samples
    features : log-mel frames as of these, or None for samples
    """

    shape: tuple[int, ...]
    window: int
    features: FeatureSpec | None


@dataclass(frozen=True, slots=True, eq=False)
class OwnOnnx:
    """See `encoder.Encoder`. Log-mel frames are the project's own: window 1024, hop 512, dB re full scale.

    path : of the file, for messages
    session : of the network
    form : what that takes
    """

    path: Path
    session: Any
    form: InputForm
    n_values: int

    @property
    def window(self) -> int:
        """See `Encoder`."""
        return self.form.window

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        """See `Encoder`; one window at a time, since a network may have a fixed batch."""
        return np.stack([_vector(self.path, self.session, self.form, window) for window in windows])


def load(path: Path, window: int | None) -> OwnOnnx:
    """See `encoder.LoadEncoder`; `window` counts only where the network takes any length."""
    session = open_session(path)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        raise WeightsError(f"{path}: {_EXPECTED}, found {_described(inputs)}")
    form = _form(path, list(inputs[0].shape), FS if window is None else window, _described(inputs))
    silence = np.zeros(form.window, dtype=np.float32)
    try:
        vector = _vector(path, session, form, silence)
    except WeightsError:
        raise
    except Exception as trouble:
        raise WeightsError(
            f"{path}: cannot be run on windows of shape {form.shape} ({type(trouble).__name__}): {_EXPECTED}"
        ) from trouble
    return OwnOnnx(path, session, form, len(vector))


def _form(path: Path, shape: list[Any], window: int, described: str) -> InputForm:
    """How the network wants to be fed, from the shape of its input; what is not a number there is free."""
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape]
    if len(sizes) >= 2 and sizes[0] in (None, 1):
        # The 1 of (batch, 1, ...) says nothing, nor does the one of (batch, frames, mels, 1).
        inner = [size for place, size in enumerate(sizes[1:], 1) if not (size == 1 and _is_filler(place, len(sizes)))]
        if len(inner) == 1:
            n_samples = inner[0] or window
            if n_samples >= _LEAST_SAMPLES:
                return InputForm(_filled(sizes, [n_samples]), n_samples, None)
        bands = inner[1] if len(inner) == 2 else None
        if bands is not None and bands in _BANDS:
            spec = FeatureSpec(n_mels=bands, front_end="absolute")
            n_frames = inner[0] or 1 + (window - spec.n_fft) // spec.hop
            n_samples = spec.n_fft + (n_frames - 1) * spec.hop if inner[0] else window
            if n_frames >= 1:
                return InputForm(_filled(sizes, [n_frames, bands]), n_samples, spec)
    raise WeightsError(f"{path}: {_EXPECTED}, found {described}")


def _is_filler(place: int, n_sizes: int) -> bool:
    """Whether a 1 at that place is a channel: the second of three or four sizes, or the last of four."""
    return (place == 1 and n_sizes in (3, 4)) or (place == 3 and n_sizes == 4)


def _filled(sizes: list[int | None], inner: list[int]) -> tuple[int, ...]:
    """Shape of one window: sizes that are 1 stay, the others are those of the window in their order."""
    rest = iter(inner)
    return (
        1,
        *(1 if size == 1 and _is_filler(place, len(sizes)) else next(rest) for place, size in enumerate(sizes[1:], 1)),
    )


def _vector(path: Path, session: Any, form: InputForm, window: FloatArray) -> NDArray[np.float32]:
    """The network's first output as a vector; of a series of vectors the mean."""
    values = np.asarray(window, dtype=np.float32)
    if form.features is not None:
        values = log_mel(values[None], form.features)[0]
    found = np.asarray(session.run(None, {session.get_inputs()[0].name: values.reshape(form.shape)})[0])
    sizes = [size for size in found.shape[1:] if size != 1] if found.ndim > 1 else []
    if found.ndim < 2 or found.shape[0] != 1 or len(sizes) not in (1, 2) or found.dtype.kind != "f":
        raise WeightsError(
            f"{path}: expected it to give a vector (1, n) or a series of them (1, steps, n), found {found.shape}"
        )
    series = found.reshape(-1, sizes[-1]).astype(np.float32)
    if not np.isfinite(series).all():
        raise WeightsError(f"{path}: expected it to give finite vectors, found NaN or infinities")
    mean: NDArray[np.float32] = series.mean(axis=0)
    return mean


def _described(inputs: Any) -> str:
    return ", ".join(f"{entry.name} {entry.type} {list(entry.shape)}" for entry in inputs) or "no input"
