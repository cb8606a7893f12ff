"""A threshold from normal sound for a wanted number of false alarms a day.

Two ways, the sharper one that holds is taken.

*Fitted.* Peaks over threshold: what the highest maxima stand above a high level follows a generalised Pareto
distribution (Pickands, Ann. Stat. 3, 1975; Coles, An Introduction to Statistical Modeling of Extreme Values, 2001,
chapters 4 and 9.1). Instead of one fit, all shapes and scales are weighed by their likelihood on a grid, with a wide
normal prior on the shape that keeps it away from -1 and 1; their number a day is a gamma variable. The threshold is the
median of the levels that are exceeded as often as wanted, and the interval is that of their middle 95 %. Nothing is
random here: no seed, the same answer each time.

*Counted.* No model: the threshold above which so few maxima were heard that the 95 % Poisson bound of their rate is
below the one wanted. Without any maximum that bound is 3 / T (-log 0.05), hence 72 hours for one a day.

Anything else is refused, with the hours that are missing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from trad_array.detection.tail import HIGH, HOURS_A_DAY, LOW, Interval, Tail, tail_of
from trad_array.errors import ConfigError
from trad_array.records import FloatArray
from trad_array_geometry import frozen_array

# The maxima of a site are kept as this many of the highest, and as many that stand for the rest.
KEPT = 300
# Our choices, from what tests/learn/test_threshold.py measures: with fewer exceedances, or further beyond the time that
# was heard, fewer than half of the thresholds are exceeded between a third and three times as often as asked.
LEAST_EXCEEDANCES, MOST_EXCEEDANCES, LEAST_MAXIMA = 40, 200, 60
LONGEST_REACH = 4.0
# A forced fit takes the careful end of an interval from this many exceedances.
_LEAST_FORCED = 10
# Largest misfit of a tail that counts as one: 1 % of samples of 40 to 200 from Pareto tails are above 1.0 to 1.2 (shape
# -0.2 to 0.5) or 1.7 (shape -1) when shape and scale come from the same sample (our simulation).
_MISFIT = 1.7


@dataclass(frozen=True, slots=True, eq=False)
class Maxima:
    """Independent maxima of a statistic, and the time that was heard.

    values : (n,), any order; kept sorted, the highest first
    weights : (n,), how many maxima each stands for: 1, less for what was heard long ago
    hours : of normal sound behind them, weighted alike
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    hours: float

    def __post_init__(self) -> None:
        values, weights = (np.asarray(a, dtype=np.float64) for a in (self.values, self.weights))
        if values.ndim != 1 or values.shape != weights.shape:
            raise ConfigError(f"maxima: expected a weight for each, found shapes {values.shape} and {weights.shape}")
        if not np.isfinite(values).all() or not (np.isfinite(weights) & (weights > 0)).all():
            raise ConfigError("maxima: expected finite values with weights above 0, found others")
        if not (math.isfinite(self.hours) and self.hours >= 0):
            raise ConfigError(f"maxima: hours: expected at least 0, found {self.hours:g}")
        order = np.argsort(-values, kind="stable")
        object.__setattr__(self, "values", frozen_array(values[order]))
        object.__setattr__(self, "weights", frozen_array(weights[order]))

    @property
    def count(self) -> float:
        """How many maxima there were."""
        return float(self.weights.sum())

    def above(self, level: float) -> float:
        """How many maxima are above a level."""
        return float(self.weights[self.values > level].sum())

    def faded(self, factor: float) -> "Maxima":
        """The same, counting less: 0 < factor <= 1."""
        return Maxima(self.values, factor * self.weights, factor * self.hours)

    def with_more(self, other: "Maxima") -> "Maxima":
        """Both together."""
        return Maxima(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.weights, other.weights]),
            self.hours + other.hours,
        )

    def thinned(self, keep: int = KEPT) -> "Maxima":
        """The `keep` highest as they are, and of the rest as many, each standing for its neighbours."""
        if len(self.values) <= 2 * keep:
            return self
        groups = np.array_split(np.arange(keep, len(self.values)), keep)
        middles = np.array([self.values[group[len(group) // 2]] for group in groups])
        sums = np.array([self.weights[group].sum() for group in groups])
        return Maxima(
            np.concatenate([self.values[:keep], middles]), np.concatenate([self.weights[:keep], sums]), self.hours
        )


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold, and what can be expected of it.

    value : a maximum above it is an alarm
    low, high : 95 % interval of the threshold that gives the wanted rate; infinite where nothing is known
    per_day, per_day_low, per_day_high : expected alarms a day at `value`, with 95 % interval
    wanted_per_day : what was asked for
    way : "fitted", "counted", "forced" (too little sound; the careful end of what is known) or "kept" (not set at all)
    hours : of normal sound behind it
    maxima, used : maxima that were heard, and those that the tail was fitted to (0 when counted)
    """

    value: float
    low: float
    high: float
    per_day: float
    per_day_low: float
    per_day_high: float
    wanted_per_day: float
    way: str
    hours: float
    maxima: float
    used: int


class TooLittleSound(ConfigError):
    """Too little normal sound for the rate that is wanted.

    hours_missing : h, of sound like that which was heard
    """

    def __init__(self, message: str, *, hours_missing: float) -> None:
        super().__init__(message)
        self.hours_missing = hours_missing


def cluster_maxima(
    at_s: FloatArray, values: FloatArray, *, gap_s: float, longest_s: float = math.inf
) -> tuple[FloatArray, FloatArray]:
    """Times and heights of the highest value of each run of values.

    What comes in quick succession has one cause and is one maximum (Coles 2001, section 5.3.2).

    Parameters
    ----------
    at_s : array, shape (n,), s, any order
    values : array, shape (n,)
    gap_s, longest_s : see `runs_of`
    """
    order = np.argsort(at_s, kind="stable")
    times, heights = np.asarray(at_s, dtype=np.float64)[order], np.asarray(values, dtype=np.float64)[order]
    runs = runs_of(times.tolist(), gap_s=gap_s, longest_s=longest_s)
    best = np.array([first + heights[first:last].argmax() for first, last in runs], dtype=np.intp)
    return times[best], heights[best]


def runs_of(at_s: Sequence[float], *, gap_s: float, longest_s: float = math.inf) -> list[tuple[int, int]]:
    """First and last index (exclusive) of each run of sorted times.

    A run ends before a gap of `gap_s`, and `longest_s` after it began: what never stops is more than one.
    """
    runs: list[tuple[int, int]] = []
    first = 0
    for k in range(1, len(at_s) + 1):
        if k == len(at_s) or at_s[k] - at_s[k - 1] >= gap_s or at_s[k] - at_s[first] >= longest_s:
            runs.append((first, k))
            first = k
    return runs


def find_threshold(
    maxima: Maxima, *, per_day: float, lowest: float = -math.inf, careful: float = math.nan, force: bool = False
) -> Threshold:
    """Threshold that normal sound exceeds `per_day` times a day.

    Parameters
    ----------
    maxima : Maxima
    per_day : wanted rate, above 0
    lowest : the threshold is not set lower, however quiet it was
    careful : with `force` and hardly any maxima, the threshold is at least this
    force : where there is too little sound, take the careful end of what is known

    Raises
    ------
    TooLittleSound
        If the rate is too small for the time that was heard.
    ConfigError
        If the rate is not above 0.
    """
    if not (math.isfinite(per_day) and per_day > 0):
        raise ConfigError(f"false alarms a day: expected a rate above 0, found {per_day:g}")
    if maxima.hours > 0 and _bound(maxima, lowest) <= per_day:
        return _counted(maxima, lowest, per_day=per_day, lowest=lowest)
    reach = HOURS_A_DAY / per_day / maxima.hours if maxima.hours > 0 else math.inf
    tail = _fitted_tail(maxima, per_day=per_day)
    if tail is not None and reach <= LONGEST_REACH:
        low, middle, high = tail.levels(per_day)
        value = max(middle, lowest)
        return _threshold(maxima, value, (low, high), tail.rates(value), per_day, "fitted", tail.n)
    if maxima.hours >= counted_hours(per_day):
        return _counted(maxima, _counted_level(maxima, per_day), per_day=per_day, lowest=lowest)
    if not force:
        raise _refusal(maxima, per_day=per_day, bad_fit=tail is None and _enough(maxima))
    return _forced(maxima, per_day=per_day, lowest=lowest, careful=careful)


def kept_threshold(maxima: Maxima, value: float, *, per_day: float) -> Threshold:
    """A threshold that stays what it is, with the rate that was counted above it."""
    rates = poisson_interval(maxima.above(value), maxima.hours) if maxima.hours > 0 else (0.0, 0.0, math.inf)
    return _threshold(maxima, value, (-math.inf, math.inf), rates, per_day, "kept", 0)


def counted_hours(per_day: float) -> float:
    """Hours without any alarm that bound the rate below `per_day` with 95 %: 72 for one a day."""
    return -math.log(0.05) * HOURS_A_DAY / per_day


def poisson_interval(count: float, hours: float) -> Interval:
    """Rate a day of `count` events in some hours: lower end, estimate, upper end of 95 % (Garwood 1936)."""
    days = hours / HOURS_A_DAY
    low = float(scipy.special.gammaincinv(count, LOW)) if count > 0 else 0.0
    return low / days, count / days, float(scipy.special.gammaincinv(count + 1.0, HIGH)) / days


def _bound(maxima: Maxima, level: float) -> float:
    """One-sided 95 % bound of how often a day a level is exceeded."""
    return float(scipy.special.gammaincinv(maxima.above(level) + 1.0, 0.95)) * HOURS_A_DAY / maxima.hours


def _counted_level(maxima: Maxima, per_day: float, *, at: float = 0.95) -> float:
    """The lowest maximum that few enough stand above; the highest one when none is low enough."""
    expected = per_day * maxima.hours / HOURS_A_DAY
    above = np.concatenate([[0.0], np.cumsum(maxima.weights)[:-1]])
    few = scipy.special.gammaincinv(above + 1.0, at) <= expected
    return float(maxima.values[np.flatnonzero(few)[-1] if few.any() else 0])


def _counted(maxima: Maxima, level: float, *, per_day: float, lowest: float) -> Threshold:
    value = max(level, lowest)
    ends = (-math.inf, value)
    if len(maxima.values):
        ends = (_counted_level(maxima, per_day, at=LOW), _counted_level(maxima, per_day, at=HIGH))
    rates = poisson_interval(maxima.above(value), maxima.hours)
    return _threshold(maxima, value, ends, rates, per_day, "counted", 0)


def _forced(maxima: Maxima, *, per_day: float, lowest: float, careful: float) -> Threshold:
    """The careful end of the interval; with hardly any maxima, above all of them, and only a bound is claimed."""
    if not maxima.hours > 0:
        raise TooLittleSound("no normal sound was heard", hours_missing=counted_hours(per_day))
    tail = tail_of(maxima.values, maxima.weights, maxima.hours, n=min(MOST_EXCEEDANCES, len(maxima.values) - 1))
    if tail is not None and tail.n >= _LEAST_FORCED:
        low, _, high = tail.levels(per_day)
        value = max(high, lowest)
        return _threshold(maxima, value, (low, high), tail.rates(value), per_day, "forced", tail.n)
    value = float(np.nanmax([lowest, careful, *maxima.values[:1]]))
    rates = poisson_interval(maxima.above(value), maxima.hours)
    return _threshold(maxima, value, (-math.inf, math.inf), rates, per_day, "forced", 0)


def _threshold(
    maxima: Maxima, value: float, ends: tuple[float, float], rates: Interval, wanted: float, way: str, used: int
) -> Threshold:
    return Threshold(
        value=value,
        low=ends[0],
        high=ends[1],
        per_day=rates[1],
        per_day_low=rates[0],
        per_day_high=rates[2],
        wanted_per_day=wanted,
        way=way,
        hours=maxima.hours,
        maxima=maxima.count,
        used=used,
    )


def _enough(maxima: Maxima) -> bool:
    return len(maxima.values) >= LEAST_MAXIMA and maxima.count >= LEAST_MAXIMA


def _refusal(maxima: Maxima, *, per_day: float, bad_fit: bool) -> TooLittleSound:
    """What is missing: time to reach so far, maxima to fit a tail to, or the time to count."""
    to_count = counted_hours(per_day)
    needed = HOURS_A_DAY / per_day / LONGEST_REACH
    why = f"a tail may be followed to {LONGEST_REACH:g} times the time that was heard"
    to_fit = 0.0 if _enough(maxima) else math.inf
    if maxima.count > 0 and not _enough(maxima):
        to_fit = maxima.hours * LEAST_MAXIMA / min(maxima.count, len(maxima.values))
    if to_fit > needed:
        needed, why = to_fit, f"a tail needs {LEAST_MAXIMA} sounds, found {maxima.count:.0f}"
    if bad_fit:
        needed, why = to_count, "the highest maxima follow no one tail, so they can only be counted"
    needed = min(needed, to_count)
    missing = max(needed - maxima.hours, 0.0)
    return TooLittleSound(
        f"{per_day:g} false alarms a day: expected {needed:.1f} h of normal sound, found {maxima.hours:.1f} h: "
        f"{missing:.1f} h are missing ({why}; without a tail {to_count:.0f} h)",
        hours_missing=missing,
    )


def _fitted_tail(maxima: Maxima, *, per_day: float) -> Tail | None:
    """Tail of as many of the highest maxima as one tail fits, a fifth of all at most; None when there is none."""
    if not _enough(maxima):
        return None
    n = max(LEAST_EXCEEDANCES, min(MOST_EXCEEDANCES, len(maxima.values) // 5))
    while n >= LEAST_EXCEEDANCES:
        tail = tail_of(maxima.values, maxima.weights, maxima.hours, n=n)
        if tail is not None and tail.n >= LEAST_EXCEEDANCES and tail.misfit <= _MISFIT:
            rate = float(np.dot(tail.rate, tail.weight))
            return tail if rate >= per_day else None
        n = min(n - 1, max(LEAST_EXCEEDANCES, round(0.7 * n)))
    return None
