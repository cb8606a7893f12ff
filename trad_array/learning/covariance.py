"""Mean and shrunk covariance of normal frames, as the Mahalanobis scorers need them."""

import numpy as np
from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.learning.frames import Corpus, thinned
from trad_array.learning.job import Job
from trad_array.records import FloatArray
from trad_array.scoring.gaussian import Gaussian

# Frames that a covariance is estimated from at most; more change nothing but the memory needed. Our choice.
MAX_COVARIANCE_FRAMES = 200_000

# Relative to the largest eigenvalue: where double precision ends.
_EIGENVALUE_FLOOR = 1e-12


def fit_whitening(values: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and whitening of normal values.

    Parameters
    ----------
    values : array, shape (n_frames, n)

    Returns
    -------
    centre : array, shape (n,)
    whitening : array, shape (n, n); whitening @ whitening.T is the inverse of the covariance

    Notes
    -----
    The covariance is shrunk as Ledoit and Wolf (2004) do: that of log-mel frames and of codes has condition numbers
    up to 1e11 and must not be inverted as it is.
    """
    from sklearn.covariance import LedoitWolf

    fitted = LedoitWolf(store_precision=False).fit(values.astype(np.float64))
    eigenvalues, directions = np.linalg.eigh(fitted.covariance_)
    # Digital silence has no variance at all; the smallest number keeps its distances finite.
    lowest = max(_EIGENVALUE_FLOOR * float(eigenvalues[-1]), 1e-12)
    whitening = directions / np.sqrt(np.maximum(eigenvalues, lowest))
    return np.asarray(fitted.location_, dtype=np.float64), whitening


def fit_gaussian(corpus: Corpus, features: FeatureSpec) -> Gaussian:
    """The `gaussian` scorer: mean and covariance of normal log-mel frames of all channels."""
    rows = [frames.reshape(-1, frames.shape[-1]) for frames in thinned(corpus, max_frames=MAX_COVARIANCE_FRAMES)]
    centre, whitening = fit_whitening(np.concatenate(rows))
    return Gaussian(features=features, centre=centre, whitening=whitening)


def fit_kind(job: Job) -> tuple[Gaussian, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`."""
    return fit_gaussian(job.corpus, job.options.features), ()
