"""Wavelet denoising as a detector, after Lyu et al. 2021: what is left of a frame above the usual noise of each level.

Lyu et al. hear the vent in the sound that a wavelet threshold leaves over, and locate it by cross-correlation
(`localization.delays_first`). The description leaves the details open; ours are: db4 to level 5, the universal
threshold, the noise of each level from normal recordings, the energy of what is left over in decibels. In most normal
frames nothing is; the largest coefficient is added, so that these have an order too.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.features.wavelets import DB4, decomposed, soft_threshold, universal_factor
from trad_array.records import FloatArray
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

N_LEVELS = 5
# What a largest coefficient counts as at least, per deviation: silence is a number too.
_LEAST = 1e-3
# Frames worked on at once; bounds memory to about 20 MB.
_CHUNK_FRAMES = 256


@dataclass(frozen=True, slots=True, eq=False)
class WaveletThreshold:
    """Energy above the threshold and of the largest coefficient, relative to the noise, dB.

    features : what it must be fed: samples, a multiple of 32 to a frame
    noise : (6,), full scale = 1, standard deviation of the coefficients of normal sound: approximation, then details
        from level 5 to level 1
    """

    features: FeatureSpec
    noise: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", frozen_array(self.noise, np.float64))
        if self.features.front_end != "waveform" or self.features.n_fft % 2**N_LEVELS:
            raise ValueError(f"features: expected waveform, a multiple of 32 samples, found {self.features}")
        if not self.noise.min() > 0:
            raise ValueError(f"noise: expected numbers above 0, found {self.noise.min():g}")

    @property
    def context(self) -> int:
        """One: every frame is scored by itself."""
        return 1

    @property
    def streamable(self) -> bool:
        """True: a score depends on nothing but its own frame."""
        return True

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Energy left over by each frame; see `FrameScorer.score`."""
        n_mics, n_frames = log_mel.shape[:2]
        scores = np.empty((n_mics, n_frames))
        for mic in range(n_mics):
            for first in range(0, n_frames, _CHUNK_FRAMES):
                part = slice(first, first + _CHUNK_FRAMES)
                scores[mic, part] = self._left_over_db(log_mel[mic, part, -1])
        return scores

    def _left_over_db(self, frames: FloatArray) -> NDArray[np.float64]:
        """Frames of samples, shape (n, n_fft), to dB, shape (n,)."""
        factor = universal_factor(frames.shape[-1])
        left, largest = np.zeros(len(frames)), np.full(len(frames), _LEAST)
        for values, noise in zip(decomposed(frames, DB4, levels=N_LEVELS), self.noise, strict=True):
            relative = values / noise
            np.maximum(largest, np.abs(relative).max(axis=-1), out=largest)
            over = soft_threshold(relative, factor)
            left += np.vecdot(over, over)
        decibels: NDArray[np.float64] = 10.0 * np.log10(left + largest**2)
        return decibels

    def settings(self) -> dict[str, Any]:
        """Nothing: its numbers say it all."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        return {"noise": self.noise}

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError or ValueError when they do not fit."""
        return cls(features=features, noise=require(arrays, "noise", (N_LEVELS + 1,), np.float64))
