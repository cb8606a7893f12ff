"""A scorer of one's own that is fitted, in one file.

    trad-array evaluate --protocol libtrad --data segments --scorers ae,examples/band_outlier.py:BandOutlier -o compared

For every mel band it learns how loud normal sound gets, and scores a frame by how far its bands go beyond that. Unlike
the `gaussian` it does not mind bands that are quieter than usual: a vent adds sound, it takes none away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from trad_array.features import FeatureSpec


@dataclass(frozen=True, slots=True, eq=False)
class BandOutlier:
    """Mean excess over each band's normal level, in spreads of that band.

    features : what it is fed, here decibels above the tracked noise floor
    level, spread : (n_mels,) or a number for all bands, dB; the median of normal sound and its robust deviation
    """

    features: FeatureSpec = field(default_factory=FeatureSpec)
    level: np.ndarray | float = 0.0
    spread: np.ndarray | float = 5.0

    @property
    def context(self) -> int:
        """It looks at one frame at a time."""
        return 1

    @classmethod
    def fit(cls, normal_frames: Sequence[np.ndarray]) -> Self:
        """Learn from normal recordings: one array of shape (n_mics, n_frames, n_mels) for each."""
        rows = np.concatenate([frames.reshape(-1, frames.shape[-1]) for frames in normal_frames])
        level = np.median(rows, axis=0)
        spread = 1.4826 * np.median(np.abs(rows - level), axis=0)
        return cls(level=level, spread=np.maximum(spread, 0.1))

    def score(self, log_mel: np.ndarray) -> np.ndarray:
        """See `trad_array.scoring.FrameScorer`."""
        beyond = (log_mel[:, :, -1, :].astype(np.float64) - self.level) / self.spread
        return np.maximum(beyond, 0.0).mean(axis=-1)
