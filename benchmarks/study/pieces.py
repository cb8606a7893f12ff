"""What every part of the benchmark of studies shares: settings, and what it found."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rows import Row


def own_cache() -> Path:
    """Folder of rooms and noise when none is named."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trad-array" / "bench-study"


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for. full : hours instead of minutes; times : of the usual amount, for a try.

    Operating points of the engines were looked at with seed 1 while these were made; so the usual one is another.
    """

    full: bool = False
    seed: int = 2
    times: float = 1.0
    workers: int = 2
    cache: Path = field(default_factory=own_cache)

    def number(self, quick: int, full: int, *, least: int = 1) -> int:
        """How many of something, at least `least`."""
        return max(least, round(self.times * (full if self.full else quick)))


@dataclass(frozen=True, slots=True)
class Part:
    """What a part found. page : Markdown with a title, for docs; rows : all; quoted : those that the README shows."""

    page: str
    rows: tuple[Row, ...]
    quoted: tuple[Row, ...]


def one(name: str, value: float, *, unit: str, goal: float | None = None, better: str = "lower", n: int = 1) -> Row:
    """A number without an interval."""
    return Row(name, value, unit, goal, better, n, value, value)


def with_goals(found: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that have a goal."""
    return tuple(row for row in found if row.goal is not None)
