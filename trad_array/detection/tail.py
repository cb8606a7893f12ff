"""The tail of independent maxima: every generalised Pareto distribution, weighed by how well it goes with them.

Pickands, Ann. Stat. 3, 1975; Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, chapters 4, 9.1.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

HOURS_A_DAY = 24.0
# Ends of a 95 % interval, and its middle.
LOW, MIDDLE, HIGH = 0.025, 0.5, 0.975
# Deviation of the normal prior on the shape, our choice: wide enough for bounded and for heavy tails.
_SHAPE_SIGMA = 0.4
# Steps of the grid, and quantiles that stand for the rate of exceedances.
_SHAPES, _SCALES, _RATES = 41, 49, 15
# Cells of the grid whose log posterior is so far below the best one do not count.
_DEEP = 10.0

Interval = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Tails that go with the exceedances, each with its weight.

    level : maxima above it were fitted
    scale, shape : (n_tails,), of the generalised Pareto distribution
    rate : (n_tails,), a day, of maxima above `level`
    weight : (n_tails,), sum 1
    n : exceedances
    misfit : sqrt(n) times the Kolmogorov distance of the best tail
    """

    level: float
    scale: NDArray[np.float64]
    shape: NDArray[np.float64]
    rate: NDArray[np.float64]
    weight: NDArray[np.float64]
    n: int
    misfit: float

    def levels(self, per_day: float) -> Interval:
        """Level that is exceeded so often (Coles 2001, equation 4.12): low, middle and high."""
        above = self.scale * np.expm1(self.shape * np.log(self.rate / per_day)) / self.shape
        low, middle, high = (self.level + v for v in _quantiles(above, self.weight))
        return low, middle, high

    def rates(self, level: float) -> Interval:
        """How often a day a level is exceeded: low, middle and high."""
        inside = np.maximum(1.0 + self.shape * max(level - self.level, 0.0) / self.scale, 0.0)
        with np.errstate(divide="ignore"):
            survival = np.exp(-np.log(inside) / self.shape)
        return _quantiles(self.rate * survival, self.weight)


def _quantiles(values: NDArray[np.float64], weight: NDArray[np.float64]) -> Interval:
    order = np.argsort(values)
    upto = np.cumsum(weight[order])
    low, middle, high = (float(values[order[np.searchsorted(upto, q * upto[-1])]]) for q in (LOW, MIDDLE, HIGH))
    return low, middle, high


def tail_of(values: NDArray[np.float64], weights: NDArray[np.float64], hours: float, *, n: int) -> Tail | None:
    """Tails above the n-th maximum after the highest one; None when the maxima hardly differ.

    Parameters
    ----------
    values, weights : array, shape (n_maxima,), the highest first, and how many each stands for
    hours : that were heard
    n : exceedances, fewer than there are maxima
    """
    if not 1 <= n < len(values):
        return None
    level = float(values[n])
    higher = values > level
    above, weights = values[higher] - level, weights[higher]
    if len(above) < 2 or len(np.unique(above)) < 0.5 * len(above) or above.max() <= 1e-9 * max(abs(level), 1.0):
        return None
    shape, scale, posterior = _grid(above, weights)
    best = np.unravel_index(posterior.argmax(), posterior.shape)
    rates = scipy.special.gammaincinv(weights.sum() + 0.5, (np.arange(_RATES) + 0.5) / _RATES)
    heavy = posterior > 1e-9
    each = int(heavy.sum())
    shapes = np.broadcast_to(shape[:, None], scale.shape)[heavy]
    return Tail(
        level=level,
        scale=np.repeat(scale[heavy], _RATES),
        shape=np.repeat(shapes, _RATES),
        rate=np.tile(rates * HOURS_A_DAY / hours, each),
        weight=np.repeat(posterior[heavy] / posterior[heavy].sum() / _RATES, _RATES),
        n=len(above),
        misfit=_misfit(above, weights, scale=float(scale[best]), shape=float(shape[best[0]])),
    )


def _grid(
    above: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Posterior of shapes (n_shapes,) and scales (n_shapes, n_scales), prior flat in log scale; sum 1.

    A coarse grid around the scale that gives the median its place finds where the mass is; a fine one covers it.
    """
    shape = np.linspace(-1.0, 1.0, _SHAPES + 1)[:-1] + 1.0 / _SHAPES
    shape = np.where(np.abs(shape) < 1e-6, 1e-6, shape)
    centre = np.log(np.median(above) * shape / np.expm1(shape * math.log(2.0)))
    steps = np.linspace(-1.5, 1.5, _SCALES)
    coarse = _log_posterior(centre[:, None] + steps, shape, above, weights)
    near = coarse > coarse.max() - _DEEP
    any_near = near.any(axis=1)
    first = centre + steps[near.argmax(axis=1)] - (steps[1] - steps[0])
    last = centre + steps[_SCALES - 1 - near[:, ::-1].argmax(axis=1)] + (steps[1] - steps[0])
    log_scale = first[:, None] + (last - first)[:, None] * np.linspace(0.0, 1.0, _SCALES)
    fine = _log_posterior(log_scale, shape, above, weights) + np.log(last - first)[:, None]
    fine = np.where(any_near[:, None], fine, -np.inf)
    posterior = np.exp(fine - fine.max())
    return shape, np.exp(log_scale), posterior / posterior.sum()


def _log_posterior(
    log_scale: NDArray[np.float64],
    shape: NDArray[np.float64],
    above: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    total = weights.sum()
    found = np.empty_like(log_scale)
    # Shape by shape: all at once would need megabytes that no cache holds.
    for k, (each, logs) in enumerate(zip(shape, log_scale, strict=True)):
        inside = 1.0 + np.outer(each * np.exp(-logs), above)
        likelihood = -total * logs - (1.0 + 1.0 / each) * (np.log(np.maximum(inside, 1e-300)) @ weights)
        found[k] = np.where(inside.min(axis=1) > 0.0, likelihood - 0.5 * (each / _SHAPE_SIGMA) ** 2, -np.inf)
    return found


def _misfit(above: NDArray[np.float64], weights: NDArray[np.float64], *, scale: float, shape: float) -> float:
    order = np.argsort(above)
    fitted = 1.0 - np.maximum(1.0 + shape * above[order] / scale, 0.0) ** (-1.0 / shape)
    heard = np.concatenate([[0.0], np.cumsum(weights[order]) / weights.sum()])
    distance = max(float((fitted - heard[:-1]).max()), float((heard[1:] - fitted).max()))
    return distance * math.sqrt(len(above))
