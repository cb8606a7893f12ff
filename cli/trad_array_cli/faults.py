"""`trad-array faults`: every fault that a watch shows, with its limits, and what was measured of them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.options import json_option
from trad_array_cli.report import emit

if TYPE_CHECKING:
    from trad_array.alarm.fault_table import FaultKind

# What `make bench-monitor` measured; only a source tree has it.
MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "monitor.json"
_PREFIX, _SHOWN, _RECOVERED = "fault: ", "shown after, longest", "recovered after, longest"


@click.command()
@json_option()
def command(as_json: bool) -> int:
    """List the faults that a watch shows: after how long, and within which limit, each is shown and is over.

    In a source tree also what `make bench-monitor` measured: what was broken, and the longest times of all trials.
    The limits are our own; no standard is claimed.

    \b
    Examples:
      trad-array faults
      trad-array faults --json
    """
    from trad_array.alarm.fault_table import fault_table

    measured = list(_measured(_results()))
    if as_json:
        for kind in fault_table():
            emit(_kind_json(kind))
        for row in measured:
            emit(row)
        return 0
    for line in _table(
        ["fault", "shown after", "over after", "limit", "kind", "what it says"],
        [
            [k.code, f"{k.after_s:g} s", f"{k.restored_s:g} s", f"{k.limit_s:g} s", _severity(k), _says(k)]
            for k in fault_table()
        ],
    ):
        click.echo(line)
    if measured:
        click.echo("\nmeasured, longest of n trials:")
        cells = [
            [r["broken"], f"{r['shown_s']:.1f} s", f"{r['recovered_s']:.1f} s", f"{r['limit_s']:g} s", str(r["n"])]
            for r in measured
        ]
        for line in _table(["what breaks", "shown after", "recovered after", "limit", "n"], cells):
            click.echo(line)
    return 0


def _kind_json(kind: "FaultKind") -> dict[str, Any]:
    from dataclasses import asdict

    return {"schema": "trad-array/fault-kind/1", **asdict(kind)}


def _results() -> list[Mapping[str, Any]]:
    """Rows of the benchmark; none where there is no source tree, or it was not measured yet."""
    try:
        found: list[Mapping[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return found


def _measured(found: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One object for everything that was broken."""
    rows = {row["name"]: row for row in found}
    for name, shown in rows.items():
        broken = name.removeprefix(_PREFIX).removesuffix(f": {_SHOWN}")
        recovered = rows.get(f"{_PREFIX}{broken}: {_RECOVERED}")
        if recovered is None or not name.endswith(_SHOWN):
            continue
        yield {
            "schema": "trad-array/fault-measured/1",
            "broken": broken,
            "shown_s": round(shown["value"], 3),
            "recovered_s": round(recovered["value"], 3),
            "limit_s": shown["goal"],
            "n": shown["n"],
        }


def _severity(kind: "FaultKind") -> str:
    return "supervisory" if kind.supervisory else "fault"


def _says(kind: "FaultKind") -> str:
    return f"{kind.says} ({kind.note})" if kind.note else kind.says


def _table(head: list[str], cells: list[list[str]]) -> Iterator[str]:
    """Columns side by side."""
    widths = [max(len(row[k]) for row in [head, *cells]) for k in range(len(head))]
    for row in [head, *cells]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
