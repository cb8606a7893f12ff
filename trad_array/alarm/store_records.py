"""What is in the store: messages to rows, rows to records."""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trad_array.alarm.disk import json_text

KINDS = ("event", "fault", "state", "action", "deletion")
# From what is missed least to what is missed most.
CLASSES = ("report", "alert", "alarm")
Statement = tuple[str, tuple[Any, ...]]

_ADD_MESSAGE = "INSERT INTO messages (seq, at_utc, kind, event, json) VALUES (?, ?, ?, ?, ?)"
_ADD_OUTBOX = "INSERT OR IGNORE INTO outbox (output, seq) VALUES (?, ?)"
# An event that was an alarm once is kept as one, whatever is said of it later.
_ADD_EVENT = """
INSERT INTO events (id, first, last, level, class, verdict, cell, onset_utc, stored_utc)
VALUES (:id, :json, :json, :level, :level, :verdict, :cell, :onset_utc, :at_utc)
ON CONFLICT (id) DO UPDATE SET
    last = excluded.last, level = excluded.level, verdict = excluded.verdict, cell = excluded.cell,
    class = CASE WHEN events.class = 'alarm' THEN 'alarm' ELSE excluded.class END
"""
# Halves of letters: what Python makes of bytes that are not UTF-8. Neither a database nor an output takes them.
_HALVES = re.compile("[\ud800-\udfff]")
_EVENT_COLUMNS = "id, first, last, level, class, verdict, cell, onset_utc, stored_utc, locked, bundle, bundle_bytes"


@dataclass(frozen=True, slots=True)
class Write:
    """Statements that belong together.

    statements : SQL and its values
    weight : how much is lost with it: 0 what can be had again, 1 reports, 2 what was announced
    durable : it has to be on the disk before anybody hears of it
    key : a later write with the same key makes this one needless
    """

    statements: tuple[tuple[str, Any], ...]
    weight: int = 2
    durable: bool = True
    key: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it is kept.

    id : sortable by time
    first, last : its first and last message
    level : of the last message
    kept_as : "alarm" when it ever was one, otherwise its last level; how long it is kept goes by that
    verdict, cell, onset_utc : of the last message; the cell only where the verdict is "cell"
    stored_utc : when it was first heard of
    locked : it is never deleted
    bundle, bundle_bytes : name of its folder below `events`, or None, and how large that is
    """

    id: str
    first: Mapping[str, Any]
    last: Mapping[str, Any]
    level: str
    kept_as: str
    verdict: str | None
    cell: str | None
    onset_utc: str | None
    stored_utc: str
    locked: bool
    bundle: str | None
    bundle_bytes: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One message as it is kept: a number that only grows, when it was stored, what kind, of which event."""

    seq: int
    at_utc: str
    kind: str
    event: str | None
    record: Mapping[str, Any]


def kind_of(record: Mapping[str, Any]) -> str:
    """What a message is, from its schema: `trad-array/fault/1` is a fault; raises `ValueError` for anything else."""
    parts = str(record.get("schema")).split("/")
    if len(parts) != 3 or parts[0] != "trad-array":
        raise ValueError(f"message: expected a schema such as 'trad-array/fault/1', found {record.get('schema')!r}")
    return parts[1]


def whole_text(text: str) -> str:
    """A text with U+FFFD for each half of a letter in it: an alarm is not lost for a wrong letter."""
    return _HALVES.sub("\ufffd", text)


def sendable(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record, with `whole_text` wherever that is needed; raises `ValueError` or `TypeError` if it is not JSON."""
    text = json_text(record)
    if _HALVES.search(text) is None:
        return record
    whole: Mapping[str, Any] = json.loads(whole_text(text))
    return whole


def check_message(record: Mapping[str, Any]) -> str:
    """What a message is, if it can be kept and sent; raises `ValueError` or `TypeError` otherwise."""
    kind = kind_of(record)
    json_text(record)
    if kind == "event" and not {"id", "level"} <= set(record):
        raise ValueError(f"event: expected an id and a level, found {', '.join(record)}")
    return kind


def message_write(seq: int, record: Mapping[str, Any], *, at_utc: str, to: Sequence[str] = ()) -> Write:
    """What it takes to keep a message and to have it delivered to outputs; text in it is made whole."""
    record = sendable(record)
    kind, text = check_message(record), json_text(record)
    if kind not in KINDS:
        raise ValueError(f"message: expected one of {', '.join(KINDS)} to be kept, found {kind!r}")
    event = str(record["id"]) if kind == "event" else None
    statements: list[tuple[str, Any]] = [(_ADD_MESSAGE, (seq, at_utc, kind, event, text))]
    if event is not None:
        statements.append((_ADD_EVENT, event_row(record, text=text, at_utc=at_utc)))
    statements += [(_ADD_OUTBOX, (output, seq)) for output in to]
    is_report = kind == "event" and record["level"] == "report"
    return Write(tuple(statements), weight=1 if is_report else 2)


def event_row(record: Mapping[str, Any], *, text: str, at_utc: str) -> dict[str, Any]:
    """The values of an event's row."""
    return {
        "id": str(record["id"]),
        "json": text,
        "level": str(record["level"]),
        "verdict": _text(record.get("verdict")),
        "cell": _text(record.get("best")) if record.get("verdict") == "cell" else None,
        "onset_utc": _text(record.get("onset_utc")),
        "at_utc": at_utc,
    }


def indexed_write(record: Mapping[str, Any], *, bundle: str, size: int, at_utc: str) -> Write:
    """What it takes to know an event again of which only the bundle is left, or to know its bundle."""
    record = sendable(record)
    row = event_row(record, text=json_text(record), at_utc=_text(record.get("onset_utc")) or at_utc)
    known = _ADD_EVENT.split("ON CONFLICT")[0] + "ON CONFLICT (id) DO NOTHING"
    return Write(
        ((known, row), ("UPDATE events SET bundle = ?, bundle_bytes = ? WHERE id = ?", (bundle, size, row["id"])))
    )


def read_events(
    db: sqlite3.Connection,
    *,
    ids: Sequence[str] = (),
    kept_as: Sequence[str] = (),
    since_utc: str | None = None,
    until_utc: str | None = None,
    locked: bool | None = None,
    limit: int | None = None,
    newest_first: bool = True,
) -> list[StoredEvent]:
    """Events by time; see `Store.events`."""
    when: list[str] = []
    values: list[Any] = []
    for column, wanted in (("id", ids), ("class", kept_as)):
        if wanted:
            when.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    for condition, value in (
        ("coalesce(onset_utc, stored_utc) >= ?", since_utc),
        ("coalesce(onset_utc, stored_utc) < ?", until_utc),
        ("locked = ?", locked),
    ):
        if value is not None:
            when.append(condition)
            values.append(value)
    direction = "DESC" if newest_first else "ASC"
    order = f"coalesce(onset_utc, stored_utc) {direction}, id {direction}"
    where = f"WHERE {' AND '.join(when)}" if when else ""
    sql = f"SELECT {_EVENT_COLUMNS} FROM events {where} ORDER BY {order} LIMIT ?"
    rows = db.execute(sql, (*values, -1 if limit is None else limit))
    return [_stored_event(row) for row in rows]


def _stored_event(row: Sequence[Any]) -> StoredEvent:
    name, first, last, level, kept_as, verdict, cell, onset_utc, stored_utc, locked, bundle, size = row
    return StoredEvent(
        id=name,
        first=json.loads(first),
        last=json.loads(last),
        level=level,
        kept_as=kept_as,
        verdict=verdict,
        cell=cell,
        onset_utc=onset_utc,
        stored_utc=stored_utc,
        locked=bool(locked),
        bundle=bundle,
        bundle_bytes=size,
    )


def read_log(
    db: sqlite3.Connection,
    *,
    kinds: Sequence[str] = (),
    event: str | None = None,
    after: int = 0,
    since_utc: str | None = None,
    limit: int | None = None,
    newest_first: bool = False,
) -> list[LogEntry]:
    """Messages in the order in which they were stored; see `Store.log`."""
    when, values = ["seq > ?"], [after, *kinds]
    if kinds:
        when.append(f"kind IN ({', '.join('?' * len(kinds))})")
    for condition, value in (("event = ?", event), ("at_utc >= ?", since_utc)):
        if value is not None:
            when.append(condition)
            values.append(value)
    order = "DESC" if newest_first else "ASC"
    sql = f"SELECT seq, at_utc, kind, event, json FROM messages WHERE {' AND '.join(when)} ORDER BY seq {order} LIMIT ?"
    rows = db.execute(sql, (*values, -1 if limit is None else limit))
    return [LogEntry(seq, at, kind, name, json.loads(text)) for seq, at, kind, name, text in rows]


def read_outbox(
    db: sqlite3.Connection, output: str, *, limit: int
) -> tuple[list[tuple[int, Mapping[str, Any]]], list[int]]:
    """What an output has not taken yet, oldest first: numbers and messages; and numbers of what is none any more."""
    found: list[tuple[int, Mapping[str, Any]]] = []
    rotten: list[int] = []
    rows = db.execute(
        "SELECT seq, json FROM outbox LEFT JOIN messages USING (seq) WHERE output = ? ORDER BY seq", (output,)
    )
    for seq, text in rows:
        if len(found) == limit:
            break
        if (message := _message(text)) is None:
            rotten.append(seq)
        else:
            found.append((seq, message))
    rows.close()
    return found, rotten


def _message(text: object) -> Mapping[str, Any] | None:
    """The message that a row holds; None when it holds none."""
    try:
        found = json.loads(str(text))
        kind_of(found)
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str | None:
    """What a column of text takes: nothing that somebody writes into a message may block those after it."""
    return None if value is None else str(value)
