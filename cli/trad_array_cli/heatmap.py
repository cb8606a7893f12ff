"""`trad-array heatmap`: the map of an event that was written earlier."""

import json
from pathlib import Path
from typing import Any

import click

from trad_array_cli.figures import check_suffix, save_heatmap
from trad_array_cli.options import layout_option, out_option
from trad_array_cli.report import say


@click.command()
@click.argument("event_file", metavar="EVENT.json", type=click.Path(path_type=Path))
@out_option(metavar="FILE.png", what="Where to draw (png, pdf or svg).")
@layout_option(required=False)
@click.option("--id", "event_id", metavar="ID", help="Which event of a file with several lines; without it the first.")
def command(event_file: Path, out: Path, layout_name: str | None, event_id: str | None) -> None:
    """Draw the cells of an event by probability.

    EVENT.json holds one event, or one a line, as `trad-array localize --json` writes them. The layout is the shipped
    one that the event names, unless --layout says otherwise.

    \b
    Example:
      trad-array localize night.wav --layout pack-corners --json > events.jsonl
      trad-array heatmap events.jsonl -o cells.png
    """
    from trad_array.errors import AudioError, TradArrayError
    from trad_array_geometry import load_layout

    check_suffix(out)
    record = _read_event(event_file, event_id)
    layout = load_layout(layout_name or record["layout"]["id"])
    try:
        save_heatmap(record, layout, out, fs=16_000)
    except TradArrayError:
        raise
    except KeyError as trouble:
        raise AudioError(f"{event_file}: expected a whole event object, found one without {trouble}") from trouble
    except (AttributeError, IndexError, TypeError, ValueError, OverflowError) as trouble:
        raise AudioError(f"{event_file}: expected an event object, found other values in it: {trouble}") from trouble
    say(f"drawn: {out}")


def _read_event(path: Path, event_id: str | None) -> dict[str, Any]:
    """The wanted event object of a file."""
    from trad_array.errors import AudioError
    from trad_array.events import SCHEMA

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as trouble:
        raise AudioError(f"{path}: expected JSON, found bytes that are no text") from trouble
    records = [_parsed(path, n, line) for n, line in enumerate(_objects(text), start=1)]
    events = [r for r in records if isinstance(r, dict) and r.get("schema") == SCHEMA]
    if event_id is not None:
        events = [r for r in events if r.get("id") == event_id]
    if not events:
        wanted = f"event {event_id}" if event_id else f'an object with "schema": "{SCHEMA}"'
        raise AudioError(f"{path}: expected {wanted}, found none")
    record = events[0]
    if not isinstance(record.get("layout"), dict) or not isinstance(record["layout"].get("id"), str):
        raise AudioError(f"{path}: layout.id: expected the layout's name, found none")
    return record


def _objects(text: str) -> list[str]:
    """One object a line; or the whole text, when it is one object over several lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    return (
        lines
        if lines and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines)
        else [text]
    )


def _parsed(path: Path, number: int, text: str) -> Any:
    from trad_array.errors import AudioError

    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as trouble:
        raise AudioError(f"{path}: object {number}: expected JSON, found {text[:40]!r}") from trouble
