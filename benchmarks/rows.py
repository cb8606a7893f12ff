"""Rows of benchmark results: one number each, with its goal, its interval and how many trials stand behind it."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trad_array.reliability import wilson

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"


@dataclass(frozen=True, slots=True)
class Row:
    """name, value, unit, goal, better ("higher" or "lower"), n trials, low to high: see `share` and `median`."""

    name: str
    value: float
    unit: str
    goal: float | None
    better: str
    n: int
    low: float
    high: float

    @property
    def reached(self) -> bool | None:
        """Whether the value meets its goal; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def share(name: str, hits: int, n: int, *, goal: float | None, better: str = "higher") -> Row:
    """Share of trials, per cent, with its 95 % Wilson interval."""
    low, high = wilson(hits, n)
    return Row(name, 100 * hits / n, "%", goal, better, n, 100 * float(low), 100 * float(high))


def median(name: str, values: Sequence[float], *, unit: str, goal: float | None, better: str) -> Row:
    """Median of repeated measurements, with their 5 and 95 % quantiles."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return Row(name, float(middle), unit, goal, better, len(values), float(low), float(high))


def write(name: str, rows: Sequence[Row], *, quoted: Sequence[Row] | None = None) -> Path:
    """Write benchmarks/results/NAME.json, print the rows as a table, and renew the README's copy of it.

    quoted : what is printed and copied, when that is not all rows
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    print(f"\n{machine()}\n")
    table = "\n".join(lines(rows if quoted is None else quoted))
    print(table)
    print(f"\nwritten: {path}")
    _quote(name, table)
    return path


def machine() -> str:
    """What the numbers were measured on."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load}"


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as a Markdown table."""
    yield "| what | value | low to high | n | goal | reached |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows:
        goal = "-" if row.goal is None else f"{'>=' if row.better == 'higher' else '<='} {row.goal:g} {row.unit}"
        reached = {None: "-", True: "yes", False: "NO"}[row.reached]
        interval = f"{row.low:.4g} to {row.high:.4g}"
        yield f"| {row.name} | {row.value:.4g} {row.unit} | {interval} | {row.n} | {goal} | {reached} |"


def _quote(name: str, table: str) -> None:
    """Put the table between the README's marks."""
    text = README.read_text(encoding="utf-8")
    mark = f"<!-- table: benchmarks/results/{name}.json -->\n"
    before, _, rest = text.partition(mark)
    _, _, after = rest.partition("<!-- end -->")
    README.write_text(f"{before}{mark}{table}\n<!-- end -->{after}", encoding="utf-8")
