"""Which channel belongs to which microphone, told from known sounds."""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.arrivals import Arrivals
from trad_array.array_calibration.fit import Fit, fit_array
from trad_array.array_calibration.problem import ARRIVAL_SIGMA_S, Problem

# Twice the log-likelihood by which another order must be better before it is believed: odds of 20 000; more with fewer
# than three sounds, of which one wrong set of arrivals is enough to mislead (our choice).
CLEARLY_BETTER, CLEARLY_BETTER_FEW = 20.0, 60.0
# All orders are tried up to this many microphones, beyond it one exchange after the other.
_ALL_UP_TO = 4
_LOOK_CLOSER = 3
# One sound can say no more than this against an order, however wrong it is: it may be the sound that is wrong.
_MOST_AGAINST = 400.0

Order = tuple[int, ...]


def find_order(problem: Problem, arrivals: Sequence[Arrivals]) -> tuple[Order, Fit, tuple[Order, ...]]:
    """The order of channels that explains the sounds best.

    Returns
    -------
    order : microphone k of the layout is heard in what was taken for microphone `order[k]`
    fit : with that order
    rivals : other orders that explain the sounds as well; they cannot be told apart
    """
    straight: Order = tuple(range(problem.n_mics))
    scored = sorted((quick_cost(problem, arrivals, order), order) for order in _candidates(problem, arrivals))
    fits = {order: _fit(problem, arrivals, order) for _, order in scored[:_LOOK_CLOSER]}
    fits.setdefault(straight, _fit(problem, arrivals, straight))
    best = min(fits, key=lambda order: fits[order].cost)
    needed = CLEARLY_BETTER if len(arrivals) >= 3 else CLEARLY_BETTER_FEW
    if fits[best].cost > fits[straight].cost - needed:
        best = straight
    rivals = tuple(order for order, fit in fits.items() if order != best and fit.cost < fits[best].cost + needed)
    return best, fits[best], rivals


def quick_cost(problem: Problem, arrivals: Sequence[Arrivals], order: Order) -> float:
    """How badly an order explains the sounds, each judged alone by what was believed beforehand (linearised)."""
    state = problem.state(np.zeros(len(problem.scale)))
    expected, slopes = problem.arrivals(state), problem.slopes(state)
    total = 0.0
    for s, sound in enumerate(arrivals):
        times = sound.times_s[:, list(order)]
        heard = np.isfinite(times[0])
        spread = slopes[s, heard] @ slopes[s, heard].T + ARRIVAL_SIGMA_S**2 * np.eye(int(heard.sum()))
        total += min(float(_distances(times[:, heard] - expected[s, heard], spread).min()), _MOST_AGAINST)
    return total


def _distances(off: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Mahalanobis distance of each row, whatever the time of emission."""
    inverse = np.linalg.inv(spread)
    ones = inverse.sum(axis=1)
    inverse = inverse - np.outer(ones, ones) / ones.sum()
    found: NDArray[np.float64] = np.einsum("ki,ij,kj->k", off, inverse, off)
    return found


def _candidates(problem: Problem, arrivals: Sequence[Arrivals]) -> set[Order]:
    n = problem.n_mics
    straight: Order = tuple(range(n))
    if n <= _ALL_UP_TO:
        return set(permutations(range(n)))
    seen, here = {straight}, straight
    cost = quick_cost(problem, arrivals, here)
    while True:
        near = {_exchanged(here, a, b) for a, b in combinations(range(n), 2)} - seen
        seen |= near
        if not near:
            return seen
        best_cost, best = min((quick_cost(problem, arrivals, order), order) for order in near)
        if best_cost >= cost:
            return seen
        cost, here = best_cost, best


def _exchanged(order: Order, a: int, b: int) -> Order:
    changed = list(order)
    changed[a], changed[b] = changed[b], changed[a]
    return tuple(changed)


def _fit(problem: Problem, arrivals: Sequence[Arrivals], order: Order) -> Fit:
    return fit_array(problem, [sound.reordered(np.array(order)) for sound in arrivals])
