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
# Probability that a pair does not hear the direct sound at all: behind an obstacle, or under an echo. Our choice.
UNHEARD = 0.05
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
    noise = float(found.noise.mean())
    top = float(np.median(within(found, pair_max_s, offset_s).max(axis=1)))
    return float(_without_noise(np.array(top), np.array(noise))), top / noise


def own_heights(found: EventCorrelations) -> NDArray[np.float64]:
    """The same for each pair by itself, shape (n_pairs,): some pairs of a large array do not hear the sound at all."""
    return _without_noise(found.values.max(axis=1), found.noise)


def _without_noise(top: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.maximum(top**2 - (_NOISE_PEAK * noise) ** 2, (0.5 * noise) ** 2)))


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
    found: EventCorrelations,
    *,
    height: float | NDArray[np.float64],
    pair_sigmas_s: NDArray[np.float64],
    factor: float,
    unheard: float = UNHEARD,
) -> NDArray[np.float64]:
    """Log-evidence of each pair for each delay, its error summed over; shape (n_pairs, n_delays), nats.

    height : of the peak, of all pairs or (n_pairs,) of each
    pair_sigmas_s : (n_pairs,), s, standard deviation of the delay error
    factor : temper
    unheard : probability that a pair does not hear the direct sound; it then speaks neither for nor against a place
    """
    log = _log_likelihood(found, height, factor)
    top = log.max(axis=1, keepdims=True)
    return _blurred(np.exp(log - top), top, pair_sigmas_s / found.step_s, unheard)


def tolerant_scales(
    found: EventCorrelations, *, height: float, sigmas_s: NDArray[np.float64], factor: float, unheard: float = UNHEARD
) -> list[NDArray[np.float64]]:
    """`tolerant` for several scales of errors, (n_scales, n_pairs), s, at little more than the price of one."""
    log = _log_likelihood(found, height, factor)
    top = log.max(axis=1, keepdims=True)
    likelihood = np.exp(log - top)
    return [_blurred(likelihood, top, sigmas / found.step_s, unheard) for sigmas in sigmas_s]


def _log_likelihood(
    found: EventCorrelations, height: float | NDArray[np.float64], factor: float
) -> NDArray[np.float64]:
    size = np.broadcast_to(height, len(found.values))[:, None]
    return np.asarray(factor * (size * found.values - 0.5 * size**2) / found.noise[:, None] ** 2)


def _blurred(
    likelihood: NDArray[np.float64], top: NDArray[np.float64], sigmas: NDArray[np.float64], unheard: float
) -> NDArray[np.float64]:
    """Errors of so many steps summed over, and pairs that hear nothing; back to logarithms."""
    from scipy.ndimage import gaussian_filter1d

    blurred = np.empty_like(likelihood)
    # Pairs of one width are blurred together; most layouts have one width for all.
    for sigma in np.unique(sigmas):
        alike = sigmas == sigma
        blurred[alike] = gaussian_filter1d(likelihood[alike], sigma, axis=1, truncate=3.0)
    heard = (1.0 - unheard) * blurred + unheard * np.exp(np.maximum(-top, -600.0))
    return np.asarray(np.log(np.maximum(heard, 1e-300)) + top)


def places(found: EventCorrelations, delays_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where the nearest steps to delays of shape (n_pairs, ...) stand in a flat table (n_pairs, n_delays).

    Pairs come first here, because adding up a few long rows is much faster than many short ones.
    """
    n = found.values.shape[1]
    index = np.rint((delays_s - found.delays_s[0]) * (1.0 / found.step_s)).astype(np.int64)
    np.clip(index, 0, n - 1, out=index)
    rows = n * np.arange(len(delays_s), dtype=np.int64)
    return np.asarray(index + rows.reshape(-1, *(1,) * (delays_s.ndim - 1)))


def summed(values: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over pairs of a table (n_pairs, n_delays) at `places` of shape (n_pairs, ...); shape (...)."""
    total: NDArray[np.float64] = values.ravel().take(index).sum(axis=0)
    return total


def log_sum(values: NDArray[np.float64], axis: int | tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials."""
    top = values.max(axis=axis, keepdims=True)
    total = np.log(np.exp(values - top).sum(axis=axis, keepdims=True)) + top
    return np.asarray(np.squeeze(total, axis=axis))
