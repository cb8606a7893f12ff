"""Scores of each channel to one common scale: the robust z of normal sound."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.records import FloatArray
from trad_array_geometry import frozen_array

# Median absolute deviation to standard deviation for normally distributed values.
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Linear scale that makes normal sound score 0 +- 1.

    centre, scale : (n_channels,), one for each microphone or a single one for all
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("centre", "scale"):
            object.__setattr__(self, name, frozen_array(np.atleast_1d(getattr(self, name)), np.float64))
        fits = self.centre.ndim == 1 and self.centre.shape == self.scale.shape and len(self.centre) > 0
        if not fits or not np.isfinite(self.centre).all() or not np.isfinite(self.scale).all() or self.scale.min() <= 0:
            raise ConfigError(
                "calibration: expected finite centres and scales above 0, one each per channel, found "
                f"shapes {self.centre.shape} and {self.scale.shape}"
            )

    @classmethod
    def identity(cls) -> "Calibration":
        """For scores that are on the common scale already."""
        return cls(centre=np.zeros(1), scale=np.ones(1))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Calibrate raw scores, shape (n_mics, n_frames)."""
        return (values - self.centre[:, None]) / self.scale[:, None]

    def for_mics(self, n_mics: int) -> "Calibration":
        """The same for an array of `n_mics`: as it is when the numbers agree, else the median channel for all."""
        if len(self.centre) in (1, n_mics):
            return self
        return Calibration(centre=np.median(self.centre, keepdims=True), scale=np.median(self.scale, keepdims=True))


def fit_calibration(values: FloatArray) -> Calibration:
    """Calibration from raw scores of normal sound.

    Parameters
    ----------
    values : array, shape (n_channels, n_frames)

    Returns
    -------
    Calibration, one centre (median) and scale (1.4826 x median absolute deviation) per channel. A channel whose scores
    hardly vary takes a scale of a thousandth of its centre, so that no score becomes infinite.
    """
    centre = np.median(values, axis=1)
    deviation = _MAD_TO_SIGMA * np.median(np.abs(values - centre[:, None]), axis=1)
    scale = np.maximum(deviation, 1e-3 * np.abs(centre) + 1e-9)
    return Calibration(centre=centre.astype(np.float64), scale=scale.astype(np.float64))
