"""Rows and folders made to agree again, after a process that ended at any moment or a file that was lost."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trad_array.alarm.disk import OLD, PART, size_of
from trad_array.alarm.store_file import transaction, utc_now
from trad_array.alarm.store_records import indexed_write, sendable, whole_text


def clear_half_written(bundles: Path) -> list[Path]:
    """Remove what nobody finished writing or removing; only while nobody writes there.

    A bundle that was about to be replaced or deleted comes back.
    """
    for old in bundles.glob(f"*{OLD}{PART}"):
        before = old.with_name(old.name.removesuffix(f"{OLD}{PART}"))
        if not before.exists():
            old.rename(before)
    halves = sorted(bundles.glob(f"*{PART}"))
    for half in halves:
        shutil.rmtree(half)
    return halves


def index_bundles(db: sqlite3.Connection, bundles: Path) -> tuple[int, list[Path]]:
    """Note bundles that no row knows, and forget those that are gone.

    Returns
    -------
    how many events are known again, and folders that hold no event
    """
    bundles.mkdir(exist_ok=True)
    # A folder whose name is no text was made by somebody else.
    names = {folder.name for folder in bundles.iterdir() if (folder / "event.json").is_file()}
    there = {name for name in names if whole_text(name) == name}
    known = {row[0] for row in db.execute("SELECT bundle FROM events WHERE bundle IS NOT NULL")}
    new = {name: _record(bundles / name / "event.json") for name in sorted(there - known)}
    with transaction(db):
        for name, record in new.items():
            if record is not None:
                write = indexed_write(record, bundle=name, size=size_of(bundles / name), at_utc=utc_now())
                for sql, values in write.statements:
                    db.execute(sql, values)
        for name in known - there:
            db.execute("UPDATE events SET bundle = NULL, bundle_bytes = 0 WHERE bundle = ?", (name,))
    not_events = [bundles / name for name, record in new.items() if record is None]
    return len(new) - len(not_events), not_events


def _record(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return sendable(found) if isinstance(found, dict) and {"id", "level"} <= set(found) else None
    except (OSError, ValueError):
        return None
