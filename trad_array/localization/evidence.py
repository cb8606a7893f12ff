"""How much better a place explains the correlations than no place at all: evidence in nats, errors summed over.

For one pair, take the correlation near the true delay to be a peak of height `a` on a noise floor of spread `sigma`
whose own correlation has the width of the peak (both come from the band). The log-likelihood ratio of "a peak at tau"
against "noise only" is then that of a matched filter, ``(a R(tau) - a^2 / 2) / sigma^2`` (Kay, Fundamentals of
Statistical Signal Processing II, 1998, chapter 4). The true delay is the modelled one plus an error of the microphones
and channels; summing over that error with a normal prior gives, for each pair, the logarithm of a blurred exponential.
It is a sum, not the largest value: an envelope would reward every peak of the noise. Pairs share microphones and are
not independent, so their sum is a composite likelihood and is tempered (Varin, Reid & Firth, Statistica Sinica 21,
2011) by a fixed factor.
"""

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.event_correlations import EventCorrelations

# Temper of the sum over pairs, per independent delay: (n - 1) of the n (n - 1) / 2 pairs are independent. Our choice on
# simulated scenes that are not reported.
TEMPER = 0.8
# The highest of the correlations that noise alone gives lies about this many spreads up.
_NOISE_PEAK = 2.5


def temper(n_mics: int) -> float:
    """Factor on the sum over all pairs of `n_mics` microphones."""
    return TEMPER * 2.0 / n_mics


def peak_height(
    found: EventCorrelations, pair_max_s: NDArray[np.float64], offset_s: NDArray[np.float64]
) -> tuple[float, float]:
    """Height of the sound's peaks without the part that noise has in them, and the same over the noise.

    Arguments as those of `within`.

    Returns
    -------
    height : float, of the scale of the correlations
    z : float, median peak over spread of the noise
    """
    peaks = within(found, pair_max_s, offset_s).max(axis=1)
    noise = float(found.noise.mean())
    top = float(np.median(peaks))
    height = np.sqrt(max(top**2 - (_NOISE_PEAK * noise) ** 2, (0.5 * noise) ** 2))
    return float(height), top / noise


def within(
    found: EventCorrelations, pair_max_s: NDArray[np.float64], offset_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlations at the delays that each pair can have, shape (n_pairs, n_delays); -1 elsewhere.

    pair_max_s : (n_pairs,), s, largest delay of the sound itself
    offset_s : (n_pairs,), s, what the channels' known delays add to it
    """
    possible = np.abs(found.delays_s[None, :] - offset_s[:, None]) <= pair_max_s[:, None] + found.step_s
    return np.where(possible, found.values, -1.0)


def tolerant(
    found: EventCorrelations, *, height: float, pair_sigmas_s: NDArray[np.float64], factor: float
) -> NDArray[np.float64]:
    """Log-evidence of each pair for each delay, its error summed over; shape (n_pairs, n_delays), nats.

    height : of the peak
    pair_sigmas_s : (n_pairs,), s, standard deviation of the delay error
    factor : temper
    """
    from scipy.ndimage import gaussian_filter1d

    log = factor * (height * found.values - 0.5 * height**2) / found.noise[:, None] ** 2
    top = log.max(axis=1, keepdims=True)
    likelihood = np.exp(log - top)
    # Pairs of one width are blurred together; most layouts have one width for all.
    for sigma_s in np.unique(pair_sigmas_s):
        alike = pair_sigmas_s == sigma_s
        likelihood[alike] = gaussian_filter1d(likelihood[alike], sigma_s / found.step_s, axis=1, truncate=3.0)
    return np.asarray(np.log(np.maximum(likelihood, 1e-300)) + top)


def at_delays(
    values: NDArray[np.float64], found: EventCorrelations, delays_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum over pairs of `values` (n_pairs, n_delays) at delays of shape (..., n_pairs), nearest step; shape (...)."""
    n = values.shape[1]
    index = np.rint((delays_s - found.delays_s[0]) / found.step_s).astype(np.intp)
    np.clip(index, 0, n - 1, out=index)
    index += np.arange(len(values), dtype=np.intp) * n
    total: NDArray[np.float64] = values.ravel()[index].sum(axis=-1)
    return total


def log_sum(values: NDArray[np.float64], axis: int | tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials."""
    top = values.max(axis=axis, keepdims=True)
    total = np.log(np.exp(values - top).sum(axis=axis, keepdims=True)) + top
    return np.asarray(np.squeeze(total, axis=axis))
