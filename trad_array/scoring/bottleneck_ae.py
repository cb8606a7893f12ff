"""Autoencoder of five frames with a bottleneck of 8, in the manner of the DCASE task 2 baseline; runs on NumPy alone.

320-128-128-128-128-8-128-128-128-128-320, batch normalisation and ReLU after every layer but the last (baseline of
DCASE 2020 to 2023 task 2; there with 128 bands, so 640 inputs). The score is the mean squared error of the
reconstruction. Batch normalisation is folded into the layers when a model is exported, so none is left here.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import FloatArray
from trad_array.scoring.attention_ae import Linear
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

# Frames that are reconstructed together, and widths of the layers between (DCASE baseline).
N_CONTEXT = 5
HIDDEN = (128, 128, 128, 128, 8, 128, 128, 128, 128)
# Frames worked on at once; bounds memory to a few MB.
_CHUNK_FRAMES = 512


@dataclass(frozen=True, slots=True, eq=False)
class BottleneckAE:
    """Mean squared error of five frames, in standard deviations of each band squared.

    features : what it must be fed
    band_mean, band_std : (n_mels,), dB, of the training frames; inputs are standardised with them (our choice)
    layers : ten, with a ReLU between them
    """

    features: FeatureSpec
    band_mean: NDArray[np.float64]
    band_std: NDArray[np.float64]
    layers: tuple[Linear, ...]

    def __post_init__(self) -> None:
        for name in ("band_mean", "band_std"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        if self.band_std.min() <= 0:
            raise ValueError(f"band_std: expected numbers above 0, found {self.band_std.min():g}")

    @property
    def context(self) -> int:
        """Five."""
        return N_CONTEXT

    @property
    def streamable(self) -> bool:
        """True: a score depends on nothing but its own context."""
        return True

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Error of each frame's context; see `FrameScorer.score`."""
        n_mics, n_frames = log_mel.shape[:2]
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            for first in range(0, n_frames, _CHUNK_FRAMES):
                part = slice(first, first + _CHUNK_FRAMES)
                scores[mic, part] = self._errors(log_mel[mic, part, -N_CONTEXT:])
        return scores

    def _errors(self, frames: FloatArray) -> NDArray[np.float64]:
        """Contexts, shape (n, 5, n_mels), to errors, shape (n,)."""
        wanted = ((frames - self.band_mean) / self.band_std).reshape(len(frames), -1)
        x = wanted
        for layer in self.layers[:-1]:
            x = layer(x)
            np.maximum(x, 0.0, out=x)
        error = self.layers[-1](x) - wanted
        squared: NDArray[np.float64] = np.vecdot(error, error) / error.shape[-1]
        return squared

    def settings(self) -> dict[str, Any]:
        """Nothing: its numbers say it all."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name; weights are stored as float32, which is what training ends with."""
        found: dict[str, NDArray[Any]] = {"band_mean": self.band_mean, "band_std": self.band_std}
        for k, layer in enumerate(self.layers):
            found[f"layers/{k}/weight"] = layer.weight.astype(np.float32)
            found[f"layers/{k}/bias"] = layer.bias.astype(np.float32)
        return found

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError or ValueError when they do not fit."""
        n = features.n_mels
        layers = tuple(
            Linear(
                weight=require(arrays, f"layers/{k}/weight", (n_in, n_out), np.float64),
                bias=require(arrays, f"layers/{k}/bias", (n_out,), np.float64),
            )
            for k, (n_in, n_out) in enumerate(layer_sizes(n))
        )
        return cls(
            features=features,
            band_mean=require(arrays, "band_mean", (n,), np.float64),
            band_std=require(arrays, "band_std", (n,), np.float64),
            layers=layers,
        )


def layer_sizes(n_mels: int) -> tuple[tuple[int, int], ...]:
    """Inputs and outputs of every layer."""
    widths = (N_CONTEXT * n_mels, *HIDDEN, N_CONTEXT * n_mels)
    return tuple(zip(widths[:-1], widths[1:], strict=True))
