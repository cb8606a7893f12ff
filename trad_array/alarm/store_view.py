"""Looking into the store: for the monitor that writes it, and for somebody who does not."""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from trad_array.alarm.store_file import FILE, open_for_reading
from trad_array.alarm.store_records import LogEntry, StoredEvent, read_events, read_log, read_outbox
from trad_array.errors import StoreError

Result = TypeVar("Result")


class StoreView(ABC):
    """Questions to a store; whoever holds the open file says how they are asked."""

    @abstractmethod
    def _read(self, ask: Callable[[sqlite3.Connection], Result]) -> Result:
        """Ask the open file; raises `StoreError`."""

    def value(self, key: str, default: Any = None) -> Any:
        """The value kept under a key; the default when there is none. Raises `StoreError`."""
        found = self._read(lambda db: db.execute('SELECT json FROM "values" WHERE key = ?', (key,)).fetchone())
        return default if found is None else json.loads(found[0])

    def events(
        self,
        *,
        ids: Sequence[str] = (),
        kept_as: Sequence[str] = (),
        since_utc: str | None = None,
        until_utc: str | None = None,
        locked: bool | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> list[StoredEvent]:
        """Events by their onset (by when they were stored, where nobody knows that); raises `StoreError`.

        Times are compared as text, `2026-01-31T12:00:00.000Z`; the first belongs to the stretch, the last does not.
        """
        return self._read(
            lambda db: read_events(
                db,
                ids=ids,
                kept_as=kept_as,
                since_utc=since_utc,
                until_utc=until_utc,
                locked=locked,
                limit=limit,
                newest_first=newest_first,
            )
        )

    def log(
        self,
        *,
        kinds: Sequence[str] = (),
        event: str | None = None,
        after: int = 0,
        since_utc: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[LogEntry]:
        """Messages in their order, of some kinds or one event, after a number, since a time; raises `StoreError`."""
        return self._read(
            lambda db: read_log(
                db,
                kinds=kinds,
                event=event,
                after=after,
                since_utc=since_utc,
                limit=limit,
                newest_first=newest_first,
            )
        )

    def log_size(self, *, before_utc: str) -> tuple[int, int]:
        """How many messages there are, and how many of them were stored before a time; raises `StoreError`."""
        sql = "SELECT count(*), coalesce(sum(at_utc < ?), 0) FROM messages"
        row = self._read(lambda db: db.execute(sql, (before_utc,)).fetchone())
        return int(row[0]), int(row[1])

    def outbox(self, output: str, *, limit: int = 100) -> list[tuple[int, Mapping[str, Any]]]:
        """What an output has not taken yet, oldest first: numbers and messages; raises `StoreError`."""
        return self._read(lambda db: read_outbox(db, output, limit=limit))[0]

    def outbox_size(self, output: str | None = None) -> int:
        """How many messages wait for an output, or for any; raises `StoreError`."""
        sql = "SELECT count(*) FROM outbox" + ("" if output is None else " WHERE output = ?")
        values = () if output is None else (output,)
        return int(self._read(lambda db: db.execute(sql, values).fetchone())[0])

    def outbox_names(self) -> tuple[str, ...]:
        """Outputs for which something waits, also those that nobody uses any more; raises `StoreError`."""
        return tuple(r[0] for r in self._read(lambda db: db.execute("SELECT DISTINCT output FROM outbox").fetchall()))


class StoreReader(StoreView):
    """The folder of a monitor, seen by somebody who does not write it, also while a monitor runs.

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
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _read(self, ask: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return ask(self._db)
        except (sqlite3.Error, ValueError) as trouble:
            raise StoreError(f"{self.folder / FILE}: cannot be read: {trouble}") from trouble
