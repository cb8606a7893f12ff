"""Counted shares with their intervals, and the difference of two."""

from collections.abc import Iterable
from dataclasses import dataclass

from trad_array.reliability import wilson
from trad_array.study.agreement import difference_interval

_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many; low, high: 95 % interval (Wilson)."""

    hits: int
    n: int

    @property
    def p(self) -> float:
        """The share itself; NaN of nothing."""
        return self.hits / self.n if self.n else float("nan")

    @property
    def low(self) -> float:
        """Lower end of the interval, 0 of nothing."""
        return self._interval()[0]

    @property
    def high(self) -> float:
        """Upper end of the interval, 1 of nothing."""
        return self._interval()[1]

    def _interval(self) -> tuple[float, float]:
        if not self.n:
            return 0.0, 1.0
        low, high = wilson(self.hits, self.n)
        return float(low), float(high)

    def __str__(self) -> str:
        return share_words(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """One share less another; low, high: 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out nought."""
        return self.low > 0.0 or self.high < 0.0


def added(shares: Iterable[Share]) -> Share:
    """All of them counted together."""
    several = list(shares)
    return Share(sum(s.hits for s in several), sum(s.n for s in several))


def difference(first: Share, second: Share) -> Difference:
    """First less second.

    Notes
    -----
    Newcombe, Stat. Med. 17, 1998, method 10, for independent shares. Layouts of a study hear the same vents, which
    makes their differences surer than this says.
    """
    if not (first.n and second.n):
        return Difference(float("nan"), -1.0, 1.0)
    return Difference(first.p - second.p, *difference_interval(first.hits, first.n, second.hits, second.n))


def share_words(share: Share) -> str:
    """The share and its interval for a person: "87.3 % (86.1 to 88.4)"."""
    if not share.n:
        return "no vents"
    digits = _digits(share.high - share.low)
    low, high = (_number(end, digits) for end in (share.low, share.high))
    return f"{percent(share.p, digits)} ({low} to {high})"


def percent(p: float, digits: int = 0) -> str:
    """A counted share in per cent; 100 and 0 are only said of all and of none, so some get more digits."""
    return f"{_number(p, digits)} %"


def _number(p: float, digits: int) -> str:
    if p in (0.0, 1.0):
        return f"{100 * p:.0f}"
    while digits < _MOST_DIGITS and f"{100 * p:.{digits}f}" in (f"{100:.{digits}f}", f"{0:.{digits}f}"):
        digits += 1
    return f"{100 * p:.{digits}f}"


def points_words(gap: Difference) -> str:
    """A difference in percentage points with its interval: "4.2 points (2.6 to 5.8)"."""
    digits = _digits(gap.high - gap.low)
    value, low, high = (f"{100 * v + 0.0:.{digits}f}" for v in (gap.value, gap.low, gap.high))
    return f"{value} {'point' if value == '1' else 'points'} ({low} to {high})"


def _digits(width: float) -> int:
    """As many digits as the interval deserves."""
    return 0 if width >= 0.05 else 1 if width >= 0.002 else 2
