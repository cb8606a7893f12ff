"""Records to text lines for people (standard error) and JSON lines for programs (standard output)."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trad_array.records import Fault
    from trad_array_geometry import Layout


def say(text: str) -> None:
    """One line for a person, on standard error."""
    click.echo(text, err=True)


def emit(record: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output, at once."""
    click.echo(json_line(record))


def json_line(record: Mapping[str, Any]) -> str:
    """The object as one line; a NaN would be an error, not a line that nobody can parse."""
    return json.dumps(record, allow_nan=False, ensure_ascii=False, separators=(", ", ": "))


def event_line(record: Mapping[str, Any]) -> str:
    """One event for a person: where, when, how sure."""
    when = f"{record['onset_s']:.2f} s"
    if record["end_s"] is not None:
        when += f" to {record['end_s']:.2f} s"
    return f"{record['source']}: {when}: {record['level'].upper()}: {place_words(record)}"


def place_words(record: Mapping[str, Any]) -> str:
    """Where an event's sound came from, in words."""
    if record["best"] is None:
        return f"not localizable: {record['why_not_placed']}" if record["why_not_placed"] else "heard, not placed yet"
    likely = next(cell["p"] for cell in record["cells"] if cell["id"] == record["best"])
    elsewhere = record["p_elsewhere"]
    if record["level"] != "alarm":
        near = record["elsewhere"]
        hint = f", perhaps {near}" if near not in (None, "room") else ""
        words = f"heard, not placed in a cell (elsewhere {percent(elsewhere)}{hint}{_direction(record)}; best cell "
        return f"{words}{record['best']}){_doubts(record)}"
    if likely < 0.5 * (1.0 - elsewhere):
        number, span_m = len(record["credible_set"]), record["credible_span_m"]
        among = f"{number} cells within {span_m:.2f} m" if span_m is not None else f"{number} cells"
        return f"cannot tell: {among} (best {record['best']}, {percent(likely)}){_doubts(record)}"
    also = [name for name in record["credible_set"] if name != record["best"]]
    doubt = f"; 90 % set also {', '.join(also)}" if also else ""
    return f"cell {record['best']}, {percent(likely)} (elsewhere {percent(elsewhere)}{doubt}){_doubts(record)}"


def _direction(record: Mapping[str, Any]) -> str:
    """Where a sound from elsewhere comes from, seen from the array."""
    way = record.get("direction")
    if way is None or way["azimuth_deg"] is None:
        return ""
    return (
        f", from {way['azimuth_deg']:.0f} degrees around, {way['elevation_deg']:.0f} up, {way['distance_m']:.1f} m away"
    )


def _doubts(record: Mapping[str, Any]) -> str:
    doubts = record.get("doubts") or ()
    return "".join(f"; {doubt}" for doubt in doubts)


def percent(p: float) -> str:
    """A probability for a person; never a bare 0 or 100 %."""
    if p >= 0.995:
        return "> 99 %"
    return "< 1 %" if p < 0.01 else f"{100 * p:.0f} %"


def fault_line(fault: "Fault", layout: "Layout", *, fs: int, source: str) -> str:
    """One fault for a person."""
    who = "" if fault.channel is None else f"microphone {layout.mic_names[fault.channel]}: "
    return f"{source}: {fault.at / fs:.2f} s: FAULT {fault.kind}: {who}{fault.detail}"


def fault_json(fault: "Fault", layout: "Layout", *, fs: int, source: str) -> dict[str, Any]:
    """JSON object of a fault."""
    return {
        "schema": "trad-array/fault/1",
        "kind": fault.kind,
        "mic": None if fault.channel is None else layout.mic_names[fault.channel],
        "at_s": round(fault.at / fs, 6),
        "detail": fault.detail,
        "source": source,
    }
