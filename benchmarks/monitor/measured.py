"""What every part of the benchmark of the watch shares: settings, what it found, and looks at running processes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rows import Row

LAYOUT = "pack-corners"
FS = 16_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for. full : hours instead of minutes; times : of the usual amount, for a try; lanes : watches that
    break at once.
    """

    full: bool = False
    seed: int = 1
    times: float = 1.0
    lanes: int = 6

    def amount(self, quick: float, full: float) -> float:
        """How much of something this run takes."""
        return self.times * (full if self.full else quick)

    def number(self, quick: int, full: int) -> int:
        """How many of something, at least one."""
        return max(1, round(self.amount(quick, full)))


@dataclass(frozen=True, slots=True)
class Part:
    """What a part found. page : Markdown with a title, for docs; rows : all; those with a goal are quoted."""

    page: str
    rows: tuple[Row, ...]


def measured_s(name: str, values: Sequence[float], *, quantile: float, goal: float | None) -> Row:
    """A quantile of times; low and high are the shortest and the longest."""
    value = float(np.quantile(values, quantile, method="inverted_cdf"))
    return Row(name, value, "s", goal, "lower", len(values), float(min(values)), float(max(values)))


def one(name: str, value: float, *, unit: str, goal: float | None = None, better: str = "lower", n: int = 1) -> Row:
    """A number without an interval."""
    return Row(name, value, unit, goal, better, n, value, value)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, s; children it still waits for are not in it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid}: expected VmRSS, found none")


def loads(pid: int, library: str) -> bool:
    """Whether a process has a library of this name in memory."""
    return library in Path(f"/proc/{pid}/maps").read_text()
