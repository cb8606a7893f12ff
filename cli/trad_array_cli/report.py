"""Records to text lines for people (standard error) and JSON lines for programs (standard output)."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trad_array.records import Fault
    from trad_array_geometry import Layout


def say(text: str) -> None:
    """One line for a person, on standard error; that it cannot be written there is no reason to end."""
    with suppress(OSError):
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
    from trad_array.words import map_words

    if record["best"] is None:
        return f"not localizable: {record['why_not_placed']}" if record["why_not_placed"] else "heard, not placed yet"
    return f"{map_words(record)}{_doubts(record)}"


def _doubts(record: Mapping[str, Any]) -> str:
    doubts = record.get("doubts") or ()
    return "".join(f"; {doubt}" for doubt in doubts)


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
