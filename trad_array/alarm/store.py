"""The store: what was heard, what was wrong, what was done, kept in one folder that one monitor writes.

An event is in the store, on the disk, before anybody is told of it: `add_event` returns after the commit. When the disk
is full, read-only or gone, what could not be written waits in memory and is written as soon as that works again.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trad_array.alarm import disk
from trad_array.alarm.store_file import (
    FILE,
    FULL,
    cause,
    disk_cause,
    identity,
    is_damage,
    is_full,
    is_the_disks,
    open_file,
    transaction,
    utc_now,
)
from trad_array.alarm.store_index import clear_half_written, index_bundles
from trad_array.alarm.store_queue import WriteQueue
from trad_array.alarm.store_records import Write, kind_of, message_write, read_outbox, whole_text
from trad_array.alarm.store_view import Result, StoreView
from trad_array.errors import StoreError

EVENTS, LOCK = "events", "watch.lock"
# So many writes wait in memory while the disk refuses them; at about 4 kB each, 40 MB at most (our choice).
MOST_WAITING = 10_000
# While the disk refuses, a new message tries it no sooner than this after the last try, s; so the watch is not slowed.
RETRY_S = 1.0
# Writes in one transaction.
_AT_ONCE = 64
# What no database takes is shown as trouble for so long, s (our choice): somebody who looks now and then shall see it.
_SHOWN_S = 60.0


class Store(StoreView):
    """The folder of one monitor, opened by the one process that writes it. Safe to use from several threads.

    Parameters
    ----------
    folder : made when it does not exist
    most_waiting : so many writes are kept in memory while the disk refuses them

    Raises
    ------
    StoreError
        If another monitor writes there, a newer trad-array made the file, or the folder cannot be written; but not when
        the disk is only full: the watch begins all the same, `trouble` says so, and what comes waits in memory.
    """

    def __init__(self, folder: str | Path, *, most_waiting: int = MOST_WAITING) -> None:
        self.folder = Path(folder)
        self._guard = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._waiting = WriteQueue(most=most_waiting)
        self._next = 0
        self._cause: str | None = None
        self._tried_at = 0.0
        self._to_check = True
        self._closed = False
        self._said: list[str] = []
        # Rows of the outbox that hold no message, by output and number; each is said once.
        self._rotten: set[tuple[str, int]] = set()
        # Writes that no database takes: how many, the last one's reason, and when that was.
        self._refused, self._refusal, self._refused_at = 0, "", 0.0
        try:
            self.bundles.mkdir(parents=True, exist_ok=True)
            self._lock = disk.take_lock(self.folder / LOCK)
            self._device = self.folder.stat().st_dev
            halves = clear_half_written(self.bundles)
        except OSError as trouble:
            raise StoreError(f"{self.folder}: cannot keep events there: {cause(trouble)}") from trouble
        self._said += [f"{half}: was half written when the monitor ended: removed" for half in halves]
        try:
            self._flush()
        except StoreError:
            if self._cause != FULL:
                self._lock.close()
                raise
        # Numbers of messages only grow, also when a full disk hides the last one.
        self._next = self._next or time.time_ns() // 1_000

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, if that is possible, and let another monitor have the folder; may be called twice."""
        with self._guard:
            try:
                self.retry()
            finally:
                self._closed = True
                self._disconnect()
                self._lock.close()

    @property
    def bundles(self) -> Path:
        """Where the folders of the events are."""
        return self.folder / EVENTS

    @property
    def trouble(self) -> str | None:
        """Why the last write failed, for a person; None when all is well. Never waits for the disk."""
        cause, number = self._cause, len(self._waiting)
        if cause is None:
            is_shown = self._refused and time.monotonic() - self._refused_at < _SHOWN_S
            return f"{self.folder / FILE}: {self._refusal}" if is_shown else None
        return f"{self.folder / FILE}: {cause}" + (f"; {number} writes wait in memory" if number else "")

    @property
    def waiting(self) -> int:
        """How many writes wait in memory; they are lost if the process ends now. Never waits for the disk."""
        return len(self._waiting)

    @property
    def dropped(self) -> int:
        """How many writes were lost because too many waited; 0 again when that has been told by `take_notes`."""
        return self._waiting.dropped

    def take_notes(self) -> tuple[str, ...]:
        """What a person should know about the store itself, since this was last asked: one line each."""
        with self._guard:
            notes, self._said = tuple(self._said), []
        return notes

    def free_bytes(self) -> int:
        """Room left on the disk; raises `StoreError` when the folder is gone."""
        try:
            return disk.free_bytes(self.folder)
        except OSError as trouble:
            raise StoreError(f"{self.folder}: {cause(trouble)}") from trouble

    def keep(self, record: Mapping[str, Any], *, to: Sequence[str] = ()) -> int:
        """Store a message of any kind, and note that it is to be delivered to the outputs `to`; give its number.

        It never raises for the disk's sake: look at `trouble` afterwards. When that is None, message and notes are on
        the disk.

        Raises
        ------
        ValueError, TypeError
            If it is no message, or not JSON.
        """
        with self._guard:
            seq = self._next or time.time_ns() // 1_000
            write = message_write(seq, record, at_utc=utc_now(), to=to)
            self._next = seq + 1
            self._waiting.add(write)
            if self._cause is None or time.monotonic() - self._tried_at > RETRY_S:
                self.retry()
        return seq

    def add_event(self, record: Mapping[str, Any], *, to: Sequence[str] = ()) -> int:
        """Store a message of an event; give its number in the log.

        Raises
        ------
        StoreError
            If it could not be written. It waits in memory then and need not be added again.
        """
        return self._add("event", record, to)

    def add_fault(self, record: Mapping[str, Any], *, to: Sequence[str] = ()) -> int:
        """Store a fault, shown or restored; as `add_event`."""
        return self._add("fault", record, to)

    def add_action(self, record: Mapping[str, Any], *, to: Sequence[str] = ()) -> int:
        """Store what a person did; as `add_event`."""
        return self._add("action", record, to)

    def add_state(self, record: Mapping[str, Any], *, to: Sequence[str] = ()) -> int:
        """Store a change of the state of the alarm; as `add_event`."""
        return self._add("state", record, to)

    def add_deletion(self, record: Mapping[str, Any], *, to: Sequence[str] = ()) -> int:
        """Store what was deleted and why; as `add_event`."""
        return self._add("deletion", record, to)

    def set_value(self, key: str, value: Any) -> None:
        """Keep a JSON value over restarts; raises `StoreError` as `add_event`."""
        text = whole_text(json.dumps(value, allow_nan=False, ensure_ascii=False))
        sql = 'INSERT OR REPLACE INTO "values" (key, json) VALUES (?, ?)'
        self._write(Write(((sql, (key, text)),), key=key))

    def lock(self, event: str) -> None:
        """Never delete an event; raises `StoreError`, also when there is no such event."""
        self._change(event, "UPDATE events SET locked = 1 WHERE id = ?", (event,))

    def unlock(self, event: str) -> None:
        """Let an event go when its time comes; as `lock`."""
        self._change(event, "UPDATE events SET locked = 0 WHERE id = ?", (event,))

    def set_bundle(self, event: str, folder: Path | None) -> None:
        """Note which folder below `events` holds the evidence of an event, or that none does any more."""
        name, size = (None, 0) if folder is None else (folder.name, disk.size_of(folder))
        self._change(event, "UPDATE events SET bundle = ?, bundle_bytes = ? WHERE id = ?", (name, size, event))

    def forget_event(self, event: str) -> None:
        """Remove the row of an event; its messages stay in the log for as long as the log goes back."""
        self._change(event, "DELETE FROM events WHERE id = ?", (event,))

    def trim_log(self, number: int) -> None:
        """Remove the oldest messages, delivered or not; raises `StoreError`."""
        oldest = "SELECT seq FROM messages ORDER BY seq LIMIT ?"
        statements = tuple((f"DELETE FROM {t} WHERE seq IN ({oldest})", (number,)) for t in ("outbox", "messages"))
        self._write(Write(statements))

    def delivered(self, output: str, seq: int) -> None:
        """An output has taken a message. A power cut may undo this: it is delivered again then."""
        sql = "DELETE FROM outbox WHERE output = ? AND seq = ?"
        self._write(Write(((sql, (output, seq)),), weight=0, durable=False))

    def undelivered(self, output: str, *, limit: int) -> tuple[list[tuple[int, Mapping[str, Any]]], int]:
        """As `outbox`, and how many rows were let go of, which is said, because they hold no message any more."""
        with self._guard:
            found, rotten = self._read(lambda db: read_outbox(db, output, limit=limit))
            new = [seq for seq in rotten if (output, seq) not in self._rotten]
            for seq in new:
                self._rotten.add((output, seq))
                sql = "DELETE FROM outbox WHERE output = ? AND seq = ?"
                self._waiting.add(Write(((sql, (output, seq)),), weight=0))
                self._said.append(f"{self.folder / FILE}: message {seq} for {output} cannot be read: let go of")
            if new:
                self.retry()
        return found, len(new)

    def drop_outbox(self, output: str, *, most: int = 0) -> int:
        """Let go of all but the newest messages for an output; give how many that were. Raises `StoreError`."""
        number = max(0, self.outbox_size(output) - most)
        oldest = "SELECT seq FROM outbox WHERE output = ? ORDER BY seq LIMIT ?"
        if number:
            sql = f"DELETE FROM outbox WHERE output = ? AND seq IN ({oldest})"
            self._write(Write(((sql, (output, output, number)),)))
        return number

    def retry(self) -> bool:
        """Try to write what waits in memory; whether all is written. Call it now and then while there is trouble."""
        try:
            self._flush()
        except StoreError as trouble:
            self._cause = self._cause or str(trouble)
            return False
        return True

    def _add(self, kind: str, record: Mapping[str, Any], to: Sequence[str]) -> int:
        if kind_of(record) != kind:
            raise ValueError(f"message: expected one of kind {kind!r}, found {kind_of(record)!r}")
        with self._guard:
            refused = self._refused
            seq = self.keep(record, to=to)
            if self._cause is not None or self._refused != refused:
                raise StoreError(str(self.trouble))
        return seq

    def _change(self, event: str, sql: str, values: tuple[Any, ...]) -> None:
        if not self._read(lambda db: db.execute("SELECT 1 FROM events WHERE id = ?", (event,)).fetchone()):
            raise StoreError(f"{self.folder}: expected an event that is kept there, found no {event!r}")
        self._write(Write(((sql, values),)))

    def _write(self, write: Write) -> None:
        with self._guard:
            self._waiting.add(write)
            if self._cause is not None and time.monotonic() - self._tried_at < RETRY_S:
                raise StoreError(str(self.trouble))
            refused = self._refused
            self._flush()
            if self._refused != refused:
                raise StoreError(str(self.trouble))

    def _flush(self) -> None:
        """Write all that waits, in its order; what belongs to one message is written together or not at all.

        What no database takes is let go of, and said: it would hold up everything after it for ever.
        """
        with self._guard:
            try:
                db = self._connected()
                # A disk that is still full is known after few of them.
                while some := self._waiting.first(_AT_ONCE):
                    try:
                        _write_all(db, some)
                    except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as trouble:
                        if is_the_disks(trouble):
                            raise
                        some = self._write_singly(db, some)
                    self._waiting.written(some)
            except (sqlite3.Error, OSError) as trouble:
                raise self._in_trouble(trouble) from trouble
            self._cause = None
            if number := self._waiting.take_dropped():
                self._said.append(f"{self.folder}: {number} records were lost while the disk could not be written")

    def _write_singly(self, db: sqlite3.Connection, writes: Sequence[Write]) -> Sequence[Write]:
        """Write the first one, or let go of it when it is to blame; return what needs not be written any more."""
        first = writes[:1]
        try:
            _write_all(db, first)
        except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as trouble:
            if is_the_disks(trouble):
                raise
            self._refusal = f"not stored, no database takes it: {type(trouble).__name__}: {trouble}"
            self._refused, self._refused_at = self._refused + 1, time.monotonic()
            self._said.append(f"{self.folder}: {self._refusal}")
        return first

    def _read(self, ask: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._guard:
            try:
                return ask(self._connected())
            except (sqlite3.Error, OSError) as trouble:
                raise self._in_trouble(trouble) from trouble
            except ValueError as trouble:  # a row that is not JSON any more, or a question that is no text
                raise StoreError(f"{self.folder / FILE}: cannot be read: {trouble}") from trouble

    def _in_trouble(self, trouble: Exception) -> StoreError:
        """Remember what is wrong; the file is opened anew next time unless the disk is only full."""
        self._to_check = self._to_check or is_damage(trouble)
        if not is_full(trouble):
            self._disconnect()
        self._cause = cause(trouble) if is_full(trouble) else disk_cause(self.folder) or cause(trouble)
        self._tried_at = time.monotonic()
        return StoreError(str(self.trouble))

    def _connected(self) -> sqlite3.Connection:
        """The open file; opened anew when it is no longer the one under its name."""
        path = self.folder / FILE
        if self._closed:
            raise OSError("the store is closed")
        if self._db is not None:
            if identity(path) == self._identity:
                return self._db
            self._disconnect()
        if self._identity is not None and self.folder.stat().st_dev != self._device:
            raise OSError(f"the disk of {self.folder} is gone")
        is_lost = self._identity is not None and not path.exists()
        db, said = open_file(self.folder, check=self._to_check)
        if is_lost:
            said = f"{path}: somebody removed it: a new one begun"
        self._db, self._identity, self._to_check = db, identity(path), False
        highest = int(db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])
        self._next = max(self._next, highest + 1)
        found, not_events = index_bundles(db, self.bundles)
        self._said += [f"{name}: expected an event in event.json, found something else" for name in not_events]
        if said is not None:
            self._said.append(f"{said}; {found} events known again from their bundles")
        return db

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except sqlite3.Error as trouble:
                self._said.append(f"{self.folder / FILE}: closed in trouble: {trouble}")


def _write_all(db: sqlite3.Connection, writes: Sequence[Write]) -> None:
    """All of them in one transaction, or none."""
    with transaction(db, durable=any(write.durable for write in writes)):
        for sql, values in (statement for write in writes for statement in write.statements):
            db.execute(sql, values)
