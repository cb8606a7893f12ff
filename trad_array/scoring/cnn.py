"""The paper's supervised network: three conv-BN-ReLU-maxpool blocks, average pooling, one logit; runs on NumPy alone.

Batch normalisation is folded into the convolutions when a model is exported, so none is left here.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import FloatArray
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

# Channels after each block. The paper names the blocks, not their widths: our choice.
BLOCK_CHANNELS = (16, 32, 64)
# Three poolings by two leave nothing of a smaller patch.
MIN_CONTEXT = 8
# Patches worked on at once; bounds memory to about 5 MB for the largest block.
_CHUNK_FRAMES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """3 x 3 convolution, same size out as in, batch normalisation folded in.

    weight : (3, 3, n_in, n_out)
    bias : (n_out,)
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("weight", "bias"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float32))

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter images, shape (n, rows, columns, n_in) to (n, rows, columns, n_out); zeros lie around them."""
        n, rows, columns, n_in = x.shape
        padded = np.zeros((n, rows + 2, columns + 2, n_in), dtype=np.float32)
        padded[:, 1:-1, 1:-1] = x
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 9 * n_in)
        filtered = patches @ self.weight.reshape(9 * n_in, -1) + self.bias
        return filtered.reshape(n, rows, columns, -1)


@dataclass(frozen=True, slots=True, eq=False)
class CNN:
    """Logit that a patch of `context` frames holds a venting cell; the patch ends with the frame to be scored.

    features : what it must be fed
    context : frames per patch
    band_mean, band_std : (n_mels,), dB, of the training frames; inputs are standardised with them (our choice)
    blocks : three convolutions, each followed by a ReLU and a 2 x 2 maximum
    weight, bias : (64,), (), from the pooled channels to the logit
    """

    features: FeatureSpec
    context: int
    band_mean: NDArray[np.float32]
    band_std: NDArray[np.float32]
    blocks: tuple[Convolution, Convolution, Convolution]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("band_mean", "band_std", "weight", "bias"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float32))
        _check_context(self.context)
        if self.band_std.min() <= 0:
            raise ValueError(f"band_std: expected numbers above 0, found {self.band_std.min():g}")

    @property
    def streamable(self) -> bool:
        """True: a score depends on nothing but its own patch."""
        return True

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Logit of each frame's patch; see `FrameScorer.score`."""
        n_mics, n_frames = log_mel.shape[:2]
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            for first in range(0, n_frames, _CHUNK_FRAMES):
                part = slice(first, first + _CHUNK_FRAMES)
                scores[mic, part] = self._logits(log_mel[mic, part, -self.context :])
        return scores

    def _logits(self, patches: FloatArray) -> NDArray[np.float64]:
        """Patches, shape (n, context, n_mels), to logits, shape (n,)."""
        x = ((patches - self.band_mean) / self.band_std).astype(np.float32)[..., None]
        for block in self.blocks:
            # A maximum and a ReLU commute; the smaller image is rectified.
            x = np.maximum(_pool(block(x)), np.float32(0))
        # Large terms cancel in the last sum: double precision keeps the logit independent of the batch.
        logits: NDArray[np.float64] = x.mean(axis=(1, 2), dtype=np.float64) @ self.weight.astype(np.float64) + self.bias
        return logits

    def settings(self) -> dict[str, Any]:
        """What is not an array, as JSON values."""
        return {"context": self.context}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        found: dict[str, NDArray[Any]] = {
            name: getattr(self, name) for name in ("band_mean", "band_std", "weight", "bias")
        }
        for i, block in enumerate(self.blocks):
            found[f"blocks/{i}/weight"], found[f"blocks/{i}/bias"] = block.weight, block.bias
        return found

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError, TypeError or ValueError when they do not fit."""
        n_mels, context = features.n_mels, settings["context"]
        _check_context(context)
        if n_mels < MIN_CONTEXT:
            raise ValueError(f"features.n_mels: expected at least {MIN_CONTEXT} for three poolings, found {n_mels}")
        first, second, third = (
            Convolution(
                weight=require(arrays, f"blocks/{i}/weight", (3, 3, n_in, n_out)),
                bias=require(arrays, f"blocks/{i}/bias", (n_out,)),
            )
            for i, (n_in, n_out) in enumerate(zip((1, *BLOCK_CHANNELS[:-1]), BLOCK_CHANNELS, strict=True))
        )
        return cls(
            features=features,
            context=context,
            band_mean=require(arrays, "band_mean", (n_mels,)),
            band_std=require(arrays, "band_std", (n_mels,)),
            blocks=(first, second, third),
            weight=require(arrays, "weight", (BLOCK_CHANNELS[-1],)),
            bias=require(arrays, "bias", ()),
        )


def _check_context(context: object) -> None:
    if not isinstance(context, int) or isinstance(context, bool):
        raise TypeError(f"context: expected a whole number, found {context!r}")
    if not MIN_CONTEXT <= context <= 1024:
        raise ValueError(f"context: expected {MIN_CONTEXT} to 1024 frames, found {context}")


def _pool(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest of each 2 x 2 square; a last odd row or column is left out, as torch does."""
    rows, columns = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = np.maximum(x[:, 0:rows:2], x[:, 1:rows:2])
    return np.maximum(x[:, :, 0:columns:2], x[:, :, 1:columns:2])
