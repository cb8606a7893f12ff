"""Distance of a log-mel frame from normal sound under one Gaussian; needs no network and no epochs."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import FloatArray
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """Mahalanobis distance of each frame from the normal frames.

    features : what it must be fed
    centre : (n_mels,), dB, mean of normal frames
    whitening : (n_mels, n_mels), 1 / dB; whitening @ whitening.T is the inverse of the Ledoit-Wolf covariance
    """

    features: FeatureSpec
    centre: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("centre", "whitening"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    @property
    def context(self) -> int:
        """One: every frame is scored by itself."""
        return 1

    @property
    def streamable(self) -> bool:
        """True: a score depends on nothing but its own frame."""
        return True

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Distance of each frame, in standard deviations; see `FrameScorer.score`."""
        return mahalanobis(log_mel[..., -1, :], self.centre, self.whitening)

    def settings(self) -> dict[str, Any]:
        """Nothing: its numbers say it all."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        return {"centre": self.centre, "whitening": self.whitening}

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError or ValueError when they do not fit."""
        n = features.n_mels
        return cls(
            features=features,
            centre=require(arrays, "centre", (n,), np.float64),
            whitening=require(arrays, "whitening", (n, n), np.float64),
        )


def mahalanobis(values: FloatArray, centre: NDArray[np.float64], whitening: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from a Gaussian, in standard deviations (equation 4 of the LiB-TRAD paper).

    Computed in double precision: covariances of log-mel frames and of codes have condition numbers up to 1e11.

    Parameters
    ----------
    values : array, shape (..., n)
    centre : array, shape (n,)
    whitening : array, shape (n, k), a square root of the inverse covariance

    Returns
    -------
    array, shape (...,)
    """
    white = product(values - centre, whitening)
    distance: NDArray[np.float64] = np.sqrt(np.vecdot(white, white))
    return distance


def product(x: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix product on the last axis; shape (..., n), (n, k) to (..., k)."""
    # `dot` is quicker to start than `@`, which counts when frames come one by one, but slow beyond two dimensions.
    found: NDArray[np.float64] = x.dot(weight) if x.ndim == 2 else x @ weight
    return found
