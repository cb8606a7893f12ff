"""The default scorer: how far the hiss band stands above the tracked noise floor. Needs no training."""

from dataclasses import dataclass, field

import numpy as np

from trad_array.detection.calibration import Calibration
from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec, band_centres_hz
from trad_array.records import FloatArray


@dataclass(frozen=True, slots=True)
class Excess:
    """One-sided excess over the tracked floor, averaged over the bands from 2 to 8 kHz.

    One-sided: a band that falls silent says nothing, and must not outweigh one that rises. The band is where a vent's
    hiss is and a cabin's fans are not.
    """

    features: FeatureSpec = field(default_factory=FeatureSpec)
    low_hz: float = 2_000.0
    high_hz: float = 8_000.0

    def __post_init__(self) -> None:
        if self.features.front_end != "floor":
            raise ConfigError(f'excess: features.front_end: expected "floor", found "{self.features.front_end}"')
        if not self._bands().any():
            raise ConfigError(f"excess: expected mel bands between {self.low_hz:g} and {self.high_hz:g} Hz, found none")

    @property
    def context(self) -> int:
        """See `FrameScorer`."""
        return 1

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Mean excess, dB; see `FrameScorer`."""
        above: FloatArray = np.maximum(log_mel[:, :, -1, :], 0)[:, :, self._bands()].mean(axis=-1)
        return above

    def _bands(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        centres = band_centres_hz(self.features)
        return (centres >= self.low_hz) & (centres <= self.high_hz)


# Robust z of stationary noise under the default front end: median and 1.4826 MAD of the mean excess of white and of
# pink noise alike (tests/chain/test_excess.py measures them).
EXCESS_CALIBRATION = Calibration(centre=np.array([0.67]), scale=np.array([0.20]))
