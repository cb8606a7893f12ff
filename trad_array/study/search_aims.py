"""What a search makes better, previewed for any layout and simulated for a few, and what its cables cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.study.outcomes import Outcome, simulate
from trad_array.study.pair_tables import PreviewSpec
from trad_array.study.previews import Previewer, previewer
from trad_array.study.ranking import apart
from trad_array.study.records import Choice, Condition, Points
from trad_array.study.search_records import SearchPlan

if TYPE_CHECKING:
    from trad_array.study.world import World

# Durations of the aim "time-to-alarm", s, and the P(right) that counts as an alarm with a name. Our choice.
DURATIONS_S = (0.1, 0.2, 0.5, 1.0)
ENOUGH = 0.9
# Shorter than this, the spectral engine cannot hear every array, s.
_SHORT_S = 0.15
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Previews layouts for one aim; higher is better.

    previewers : one, or one for each of `DURATIONS_S`
    """

    points: Points
    plan: SearchPlan
    previewers: tuple[Previewer, ...]

    def __call__(self, layouts: NDArray[np.intp]) -> NDArray[np.float64]:
        """Value of each layout, cables paid for; -inf where two microphones are too near; (n_layouts,)."""
        values = np.full(len(layouts), -np.inf)
        good = np.flatnonzero(apart(self.points, layouts))
        if len(good):
            values[good] = self._previewed(layouts[good]) - self.plan.cable_price * cable_lengths_m(
                self.points, layouts[good], self.plan
            )
        return values

    def _previewed(self, layouts: NDArray[np.intp]) -> NDArray[np.float64]:
        aim = self.plan.aim
        if aim == "time-to-alarm":
            # P(right), mean over durations: the sooner it is high, the higher. The estimate is too rough for a time.
            sums = sum(judge.margins(layouts).mean(axis=1) for judge in self.previewers)
            return np.asarray(sums / len(self.previewers), dtype=np.float64)
        (judge,) = self.previewers
        if not aim.startswith("one-dead"):
            cells = judge.margins(layouts)
            return np.asarray(cells.min(axis=1) if aim == "worst-cell" else cells.mean(axis=1), dtype=np.float64)
        n_mics = layouts.shape[1]
        left = np.concatenate([np.delete(layouts, lost, axis=1) for lost in range(n_mics)])
        cells = judge.margins(left)
        each = cells.min(axis=1) if aim.endswith("worst-cell") else cells.mean(axis=1)
        return np.asarray(each.reshape(n_mics, -1).min(axis=0), dtype=np.float64)


def judge_of(
    world: "World",
    plan: SearchPlan,
    condition: Condition,
    *,
    spec: PreviewSpec | None = None,
    workers: int = 1,
    tell: Tell,
) -> Judge:
    """Make ready to preview layouts for an aim; errors as `previewer`."""
    found = [
        previewer(world, each, n_mics=plan.mics, spec=spec, workers=workers, progress=lambda k, n: tell("tables", k, n))
        for each in conditions_of(plan, condition)
    ]
    return Judge(world.study.points, plan, tuple(found))


def conditions_of(plan: SearchPlan, condition: Condition) -> tuple[Condition, ...]:
    """The conditions that an aim looks at, no microphone lost."""
    if plan.aim == "time-to-alarm":
        return tuple(replace(condition, duration_s=duration_s) for duration_s in DURATIONS_S)
    return (condition,)


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """One layout as simulated for an aim.

    value : without cables; minus the time in s for "time-to-alarm"
    whole : with all microphones in the plan's condition
    decisive : of the events that the value is counted on: with the worst loss for "one-dead"
    """

    choice: Choice
    value: float
    whole: Outcome
    decisive: Outcome


def simulate_aim(
    world: "World",
    choices: Sequence[Choice],
    plan: SearchPlan,
    condition: Condition,
    *,
    events: int,
    fresh: bool = False,
    workers: int = 1,
    folder: Path | None = None,
    tell: Tell,
) -> tuple[Simulated, ...]:
    """Simulate layouts for an aim; arguments as `outcomes.simulate`."""

    def run(each: Condition, some: Sequence[Choice]) -> tuple[Outcome, ...]:
        return simulate(
            world,
            some,
            each,
            events=events,
            fresh=fresh,
            engine="time" if each.duration_s < _SHORT_S else "spectral",
            workers=workers,
            folder=folder,
            progress=lambda k, n: tell("confirmed" if fresh else "simulated", k, n),
        )

    whole = run(condition, choices)
    if plan.aim == "time-to-alarm":
        by_duration = [run(each, choices) for each in conditions_of(plan, condition)]
        return tuple(
            Simulated(choice, -time_to_alarm_s([float(o.right.mean()) for o in each]), found, found)
            for choice, found, each in zip(choices, whole, zip(*by_duration, strict=True), strict=True)
        )
    statistic = worst_share if plan.aim.endswith("worst-cell") else mean_share
    if not plan.aim.startswith("one-dead"):
        return tuple(Simulated(c, statistic(o), o, o) for c, o in zip(choices, whole, strict=True))
    lost: list[list[Outcome]] = [[] for _ in choices]
    for dead in range(max(len(choice.points) for choice in choices)):
        some = [k for k, choice in enumerate(choices) if dead < len(choice.points)]
        for k, found in zip(some, run(replace(condition, dead=dead), [choices[k] for k in some]), strict=True):
            lost[k].append(found)
    worst = [min(each, key=statistic) for each in lost]
    return tuple(Simulated(c, statistic(w), o, w) for c, o, w in zip(choices, whole, worst, strict=True))


def mean_share(found: Outcome) -> float:
    """P(right) over all events."""
    return float(found.right.mean())


def worst_share(found: Outcome) -> float:
    """P(right) of the cell with the lowest; of few events for each cell it is lower than the truth."""
    return _worst_of(found.cell, found.right)


def _worst_of(cell: NDArray[np.intp], right: NDArray[np.bool_]) -> float:
    each = np.bincount(cell)
    hits = np.bincount(cell, weights=right)
    return float((hits[each > 0] / each[each > 0]).min())


def worst_cell_difference(
    first: Outcome, second: Outcome, *, seed: int, draws: int = 1_000
) -> tuple[float, float, float]:
    """Worst cell's P(right) of the first minus that of the second on the same events, with its 95 % interval.

    Notes
    -----
    The interval is that of a bootstrap over events (Efron & Tibshirani, An Introduction to the Bootstrap, 1993), both
    layouts drawn together.
    """
    rng = np.random.default_rng([seed, 0x574F])
    n = len(first.cell)
    drawn = np.empty(draws)
    for k in range(draws):
        some = rng.integers(n, size=n)
        cell = first.cell[some]
        drawn[k] = _worst_of(cell, first.right[some]) - _worst_of(cell, second.right[some])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return worst_share(first) - worst_share(second), float(low), float(high)


def time_to_alarm_s(shares: Sequence[float]) -> float:
    """Shortest duration with P(right) of `ENOUGH`, between `DURATIONS_S` on a logarithmic scale; inf if none has."""
    for k, p in enumerate(shares):
        if p < ENOUGH:
            continue
        if k == 0 or shares[k - 1] >= p:
            return DURATIONS_S[k]
        part = (ENOUGH - shares[k - 1]) / (p - shares[k - 1])
        return float(DURATIONS_S[k - 1] * (DURATIONS_S[k] / DURATIONS_S[k - 1]) ** part)
    return float("inf")


def cable_lengths_m(points: Points, layouts: NDArray[np.intp], plan: SearchPlan) -> NDArray[np.float64]:
    """Cable of each layout, m, laid along the axes: to `cable_to_m` from each microphone, or in one tree; (n_layouts,).

    The tree is the shortest that connects microphones and end without further branches (Prim, Bell Syst. Tech. J. 36,
    1957).
    """
    if plan.cable_to_m is None:
        return np.zeros(len(layouts))
    at = points.positions_m[layouts]
    end = np.array(plan.cable_to_m)
    if plan.cable == "star":
        return np.asarray(np.abs(at - end).sum(axis=(1, 2)))
    return np.array([_tree_m(np.vstack([end, mics])) for mics in at])


def _tree_m(places: NDArray[np.float64]) -> float:
    distances = np.abs(places[:, None] - places[None]).sum(axis=-1)
    nearest, left, total = distances[0].copy(), set(range(1, len(places))), 0.0
    while left:
        k = min(left, key=lambda i: (nearest[i], i))
        total += float(nearest[k])
        left.remove(k)
        nearest = np.minimum(nearest, distances[k])
    return total
