"""A scorer of one's own, in one file.

    trad-array localize night.wav --layout pack-corners --scorer examples/kurtosis.py:Kurtosis

How peaked the spectrum above the noise floor is: a whistle has a high kurtosis over the bands, noise a low one.
"""

from dataclasses import dataclass, field

import numpy as np

from trad_array.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class Kurtosis:
    """Kurtosis over the mel bands, scaled so that stationary noise scores about 0 +- 1."""

    features: FeatureSpec = field(default_factory=FeatureSpec)

    @property
    def context(self) -> int:
        """It looks at one frame at a time."""
        return 1

    def score(self, log_mel: np.ndarray) -> np.ndarray:
        """See `trad_array.scoring.FrameScorer`."""
        frames = log_mel[:, :, -1, :].astype(np.float64)
        spread = frames - frames.mean(axis=-1, keepdims=True)
        variance = np.maximum((spread**2).mean(axis=-1), 1e-6)
        return (spread**4).mean(axis=-1) / variance**2 / 0.7 - 3.4 / 0.7
