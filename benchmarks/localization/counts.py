"""From answers to rows: shares, differences and sets, each with its interval."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import rows
from numpy.typing import NDArray
from trials import BEFORE, DEAD, ORACLE, PLAIN, Answer

from trad_array.reliability import Answers, Coverage, coverage

MASS = 0.9
# Truthful sets cover their mass to within this, points.
_ALLOWED_POINTS = 2.0


class Found:
    """All answers, by group."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._by_group: dict[str, list[Answer]] = {}
        for answer in answers:
            self._by_group.setdefault(answer.group, []).append(answer)

    def of(self, group: str, *, snr_db: float | None = None, at_least_db: float | None = None) -> list[Answer]:
        """Answers of one group, at one level, or from one on."""
        return [
            answer
            for answer in self._by_group.get(group, ())
            if (snr_db is None or answer.condition.snr_db == snr_db)
            and (at_least_db is None or answer.condition.snr_db >= at_least_db)
        ]

    def groups(self) -> list[str]:
        """Names of the groups that have answers."""
        return list(self._by_group)

    def methods(self) -> list[str]:
        """Other people's methods that were heard, and plain SRP first."""
        names = {name for answers in self._by_group.values() for answer in answers for name in answer.others}
        return [PLAIN, *sorted(names - {PLAIN, ORACLE, DEAD, BEFORE})]


def right(name: str, answers: Sequence[Answer], *, goal: float | None) -> rows.Row:
    """Share whose best cell is the one."""
    return rows.share(name, sum(answer.right for answer in answers), len(answers), goal=goal)


def right_of(name: str, answers: Sequence[Answer], method: str, *, goal: float | None = None) -> rows.Row | None:
    """The same of another method, over the scenes that it heard; None where it heard none."""
    named = [answer.others[method] == answer.cell for answer in answers if method in answer.others]
    return rows.share(name, sum(named), len(named), goal=goal) if named else None


def difference(name: str, answers: Sequence[Answer], method: str) -> rows.Row:
    """Our right answers less those of another method in the same scenes, points; the interval is of the pairs."""
    steps = np.array([float(a.right) - float(a.others[method] == a.cell) for a in answers])
    return _mean(name, 100.0 * steps, unit="points", goal=0.0, better="higher")


def sets(answers: Sequence[Answer]) -> Coverage:
    """90 % credible sets of vents."""
    stacked = np.stack([answer.probability for answer in answers]).astype(np.float64)
    stacked /= stacked.sum(axis=1, keepdims=True)
    return coverage(Answers(stacked, np.array([answer.cell for answer in answers])), MASS)


def covered(name: str, answers: Sequence[Answer], *, goal: float | None) -> rows.Row:
    """Share whose 90 % set holds the cell."""
    return rows.share(name, int(sets(answers).covered.sum()), len(answers), goal=goal)


def covered_randomised(name: str, answers: Sequence[Answer]) -> rows.Row:
    """The same, the set's last cell counted in part."""
    return _mean(name, 100.0 * sets(answers).randomised, unit="%", goal=None, better="higher")


def off_by(name: str, row: rows.Row) -> rows.Row:
    """How far a coverage is from its mass, points; the interval tells how little and how much it could be."""
    low, high = row.low - 100.0 * MASS, row.high - 100.0 * MASS
    least = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    value = abs(row.value - 100.0 * MASS)
    return rows.Row(name, value, "points", _ALLOWED_POINTS, "lower", row.n, least, max(abs(low), abs(high)))


def set_size(name: str, answers: Sequence[Answer], *, goal: float | None) -> rows.Row:
    """Mean number of cells in the 90 % set."""
    return _mean(name, sets(answers).size.astype(np.float64), unit="cells", goal=goal, better="lower")


def counted(
    name: str, answers: Sequence[Answer], said: Callable[[Answer], bool], *, goal: float | None = None, better: str
) -> rows.Row:
    """Share of answers of which something is true."""
    return rows.share(name, sum(said(answer) for answer in answers), len(answers), goal=goal, better=better)


def worst(found: Sequence[rows.Row]) -> rows.Row:
    """The row that is farthest from good."""
    return (min if found[0].better == "higher" else max)(found, key=lambda row: row.value)


def _mean(name: str, values: NDArray[np.float64], *, unit: str, goal: float | None, better: str) -> rows.Row:
    """Mean with its 95 % interval, normal."""
    mean, half = float(values.mean()), 1.96 * float(values.std()) / np.sqrt(len(values))
    high = min(mean + half, 100.0) if unit == "%" else mean + half
    return rows.Row(name, mean, unit, goal, better, len(values), mean - half, high)
