"""The fit: robust maximum a posteriori by Gauss-Newton steps, choosing among the arrival sets as it goes.

The time of emission is taken out exactly (weighted mean over microphones). Arrival errors are Cauchy distributed: an
arrival that does not fit counts less and less. Textbook: Björck, Numerical Methods for Least Squares Problems, 1996;
weights: Holland & Welsch, Commun. Stat. A6, 1977.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.arrivals import Arrivals
from trad_array.array_calibration.problem import ARRIVAL_SIGMA_S, Problem, State, without_emission

# Tuning constant of the Cauchy weights: 95 % efficiency for Gaussian errors.
_CAUCHY = 2.385
# How much the assumed arrival error counts against the one that is seen, in numbers of observations (our choice).
_SIGMA_WEIGHT = 6.0
# Arrival sets may change in the first steps; then weights and state settle. No step is longer than 3 deviations.
_CHOOSING, _STEPS, _LONGEST_STEP = 4, 14, 3.0
# What half the squared support counts against twice the log-likelihood of the times (our choice).
_SUPPORT_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The most probable state and how sure it is.

    state : everything that was not known; channel delays have mean 0 over the microphones of the array
    covariance : (4 n_mics + 1, 4 n_mics + 1), of positions (m), delays (s) and speed of sound (m/s)
    times_s : (n_sounds, n_mics), s, the arrival sets that were chosen
    weights : (n_sounds, n_mics), 0 to 1, what each arrival counted
    sigma_s : s, standard deviation of an arrival time
    cost : twice the negative logarithm of the posterior density, but for a constant
    """

    state: State
    covariance: NDArray[np.float64]
    times_s: NDArray[np.float64]
    weights: NDArray[np.floating]
    sigma_s: float
    cost: float


def fit_array(problem: Problem, arrivals: Sequence[Arrivals], *, sigma_s: float = ARRIVAL_SIGMA_S) -> Fit:
    """Fit everything to the arrivals of the problem's sounds; with no sounds the answer is what was believed before.

    Parameters
    ----------
    sigma_s : float, s, standard deviation of an arrival time, as assumed before
    """
    unknowns, noise_s = np.zeros(len(problem.scale)), sigma_s
    covariance = np.eye(len(unknowns))
    times_s: NDArray[np.float64] = np.zeros((problem.n_sounds, problem.n_mics))
    weights: NDArray[np.floating] = np.ones_like(times_s)
    lost = 0.0
    for step in range(_STEPS):
        state = problem.state(unknowns)
        expected, slopes = problem.arrivals(state), problem.slopes(state)
        if step < _CHOOSING:
            times_s, lost = _choose(arrivals, expected, slopes @ covariance @ slopes.transpose(0, 2, 1), noise_s)
        heard = np.isfinite(times_s).astype(np.float64)
        weights = heard if step == 0 else heard * weights
        residuals = without_emission(times_s - expected, weights)
        flat = without_emission(slopes, weights).reshape(-1, len(unknowns))
        scaled = flat * np.sqrt(weights.reshape(-1, 1)) / noise_s
        covariance = np.linalg.inv(scaled.T @ scaled + np.eye(len(unknowns)))
        aim = covariance @ (scaled.T @ (np.sqrt(weights) * residuals / noise_s).ravel() - unknowns)
        unknowns = unknowns + np.clip(aim, -_LONGEST_STEP, _LONGEST_STEP)
        left = without_emission(times_s - problem.arrivals(problem.state(unknowns)), weights)
        dof = float(weights.sum()) - problem.n_sounds - float(np.trace(scaled @ covariance @ scaled.T))
        noise_s = _noise(left, weights, dof, sigma_s)
        weights = heard / (1.0 + (left / (_CAUCHY * noise_s)) ** 2)
    state = problem.state(unknowns)
    left = without_emission(times_s - problem.arrivals(state), weights)
    return Fit(
        state=_centred(problem, state),
        covariance=_array_covariance(problem, covariance),
        times_s=times_s,
        weights=weights,
        sigma_s=noise_s,
        cost=_cost(left, unknowns, sigma_s) + lost,
    )


def _choose(
    arrivals: Sequence[Arrivals],
    expected: NDArray[np.float64],
    spread: NDArray[np.float64],
    noise_s: float,
) -> tuple[NDArray[np.float64], float]:
    """For each sound the set that fits best, by Mahalanobis distance and support; and what they cost in support."""
    times = np.full_like(expected, np.nan)
    lost = 0.0
    for s, sound in enumerate(arrivals):
        heard = sound.heard
        inverse = np.linalg.inv(spread[s][np.ix_(heard, heard)] + noise_s**2 * np.eye(int(heard.sum())))
        # Nothing is known of the time of emission: the direction in which all arrive later costs nothing.
        ones = inverse.sum(axis=1)
        inverse = inverse - np.outer(ones, ones) / ones.sum()
        off = sound.times_s[:, heard] - expected[s, heard]
        unsupported = _SUPPORT_WEIGHT * (sound.support[0] ** 2 - sound.support**2)
        cost = np.einsum("ki,ij,kj->k", off, inverse, off) + unsupported
        best = int(cost.argmin())
        times[s] = sound.times_s[best]
        lost += float(unsupported[best])
    return times, lost


def _noise(left: NDArray[np.float64], weights: NDArray[np.floating], dof: float, sigma_s: float) -> float:
    """Deviation of an arrival: the assumed one and the seen one, each by its number of observations."""
    seen = float((weights * left**2).sum())
    return float(np.sqrt((_SIGMA_WEIGHT * sigma_s**2 + seen) / (_SIGMA_WEIGHT + max(dof, 0.0))))


def _cost(left: NDArray[np.float64], unknowns: NDArray[np.float64], sigma_s: float) -> float:
    robust = _CAUCHY**2 * np.log1p((left / (_CAUCHY * sigma_s)) ** 2)
    return float(robust.sum() + (unknowns**2).sum())


def _centred(problem: Problem, state: State) -> State:
    """Only differences of delays are observable: their mean over the array is put to 0."""
    return replace(state, delays_s=state.delays_s - state.delays_s[problem.layout.array_mics].mean())


def _array_covariance(problem: Problem, covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of positions, centred delays and speed of sound, in their units."""
    n, array = problem.n_mics, problem.layout.array_mics
    scale = problem.scale[: problem.n_array]
    centre = np.eye(problem.n_array)
    centre[np.ix_(np.arange(3 * n, 4 * n), 3 * n + array)] -= 1.0 / len(array)
    metric = centre * scale
    found: NDArray[np.float64] = metric @ covariance[: problem.n_array, : problem.n_array] @ metric.T
    return found
