"""What the parts of the detection benchmark are given, and what each of them hands back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from corpus import QUICK, Size
from rows import Row


@dataclass(frozen=True, slots=True)
class Settings:
    """One run.

    size : how much of everything; full : whether it is the full form
    seed, workers : see `command`
    also : detectors of one's own, "file.py:Class"; encoders : paths of weights by the name of the encoder
    only : first letters of the names of systems to run, () for all
    amount : how much of a day is heard, see `day.Amount.parsed`, "" for what the form says
    """

    size: Size = QUICK
    full: bool = False
    seed: int = 2
    workers: int = 2
    also: tuple[str, ...] = ()
    encoders: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of the benchmark found.

    table : Markdown that is printed at the end of the run
    page : Markdown for docs/detection-results.md, its headings at the second level
    rows : for benchmarks/results/detection.json; quoted : those that the README shows
    draw : draws its pictures, docs/figures/detection-*.png, into the folder it is given
    """

    table: str
    page: str
    rows: tuple[Row, ...]
    quoted: tuple[Row, ...]
    draw: Callable[[Path], None] | None = None
