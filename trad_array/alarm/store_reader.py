"""A look into the store by somebody who does not write it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from trad_array.alarm.store_file import FILE, open_for_reading
from trad_array.alarm.store_records import LogEntry, StoredEvent, read_events, read_log
from trad_array.errors import StoreError


class StoreReader:
    """The same folder, seen by somebody who does not write it, also while a monitor runs.

    Raises
    ------
    StoreError
        If there is no store, it is damaged, or a newer trad-array made it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._db = open_for_reading(self.folder)

    def __enter__(self) -> "StoreReader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._db.close()

    def events(self, *, kept_as: Sequence[str] = (), limit: int | None = None) -> list[StoredEvent]:
        """Events, newest first; raises `StoreError`."""
        try:
            return read_events(self._db, kept_as=kept_as, limit=limit)
        except sqlite3.Error as trouble:
            raise StoreError(f"{self.folder / FILE}: cannot be read: {trouble}") from trouble

    def log(self, *, kinds: Sequence[str] = (), event: str | None = None, limit: int | None = None) -> list[LogEntry]:
        """Messages, newest first; raises `StoreError`."""
        try:
            return read_log(self._db, kinds=kinds, event=event, limit=limit, newest_first=True)
        except sqlite3.Error as trouble:
            raise StoreError(f"{self.folder / FILE}: cannot be read: {trouble}") from trouble
