"""The file behind the store: how it is laid out, opened, checked, and put aside when it is damaged."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from trad_array.alarm.disk import sync_folder
from trad_array.errors import StoreError

SCHEMA_VERSION = 1
FILE = "watch.db"
FULL, READ_ONLY = "the disk is full", "the disk is read-only"
# Pages of the file that are kept in memory; and how long a writer waits for somebody who looks at the file with another
# program, s (our choice).
_CACHE_KB, _PATIENCE_S = 512, 2.0
# What SQLite needs to open a file at all, with room to spare.
_NO_ROOM_BYTES = 100_000

# Faults, actions, states and deletions are the messages of one kind, seen through a view: said once, kept once.
_SCHEMA = """
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    level TEXT NOT NULL,
    class TEXT NOT NULL,
    verdict TEXT,
    cell TEXT,
    onset_utc TEXT,
    stored_utc TEXT NOT NULL,
    locked INTEGER NOT NULL DEFAULT 0,
    bundle TEXT,
    bundle_bytes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    at_utc TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT,
    json TEXT NOT NULL
);
CREATE INDEX messages_by_event ON messages (event) WHERE event IS NOT NULL;
CREATE INDEX messages_by_kind ON messages (kind, seq);
CREATE TABLE outbox (output TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (output, seq)) WITHOUT ROWID;
CREATE TABLE "values" (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
CREATE VIEW faults AS SELECT seq, at_utc, json FROM messages WHERE kind = 'fault';
CREATE VIEW actions AS SELECT seq, at_utc, json FROM messages WHERE kind = 'action';
CREATE VIEW states AS SELECT seq, at_utc, json FROM messages WHERE kind = 'state';
CREATE VIEW deletions AS SELECT seq, at_utc, json FROM messages WHERE kind = 'deletion';
"""


def utc_now() -> str:
    """Now, as it stands in every record."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def open_file(folder: Path, *, check: bool = True) -> tuple[sqlite3.Connection, str | None]:
    """Open the file for its one writer, or begin it; a damaged one is put aside first.

    Parameters
    ----------
    folder : of the store
    check : look for damage in the whole file, about a second for each gigabyte

    Returns
    -------
    the connection, and one line for a person when a damaged file was put aside

    Raises
    ------
    StoreError
        If a newer version of trad-array made the file.
    sqlite3.Error, OSError
        If the disk refuses.
    """
    path = folder / FILE
    try:
        return _open(path, check=check), None
    except sqlite3.DatabaseError as trouble:
        if not is_damage(trouble):
            raise
        aside = _put_aside(path)
        said = f"{path}: damaged ({trouble}): put aside as {aside.name}, a new one begun"
    return _open(path, check=False), said


def is_damage(trouble: BaseException) -> bool:
    """Whether the file itself is broken, and not the disk full or gone."""
    name = getattr(trouble, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def is_full(trouble: BaseException) -> bool:
    """Whether there is only no room left."""
    name = getattr(trouble, "sqlite_errorname", "") or ""
    return name == "SQLITE_FULL" or getattr(trouble, "errno", None) in (28, 122)  # ENOSPC, EDQUOT


def is_the_disks(trouble: Exception) -> bool:
    """Whether a later try may go well; otherwise it is the written thing itself that no database takes."""
    if isinstance(trouble, sqlite3.ProgrammingError):
        return "closed" in str(trouble)
    return not isinstance(trouble, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.InterfaceError) and isinstance(
        trouble, sqlite3.Error | OSError
    )


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Open the file beside its writer, or after him.

    Raises
    ------
    StoreError
        If there is none, it is damaged, or a newer version made it.
    """
    path = folder / FILE
    if not path.is_file():
        raise StoreError(f"{path}: expected the store of a monitor, found none")
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S, isolation_level=None)
        _check_version(db, path)
    except sqlite3.Error as trouble:
        raise StoreError(f"{path}: cannot be read: {trouble}") from trouble
    return db


def _open(path: Path, *, check: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    try:
        version = _check_version(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # In kB: a watch that runs for months shall not grow by pages that nobody reads again.
        db.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        if version == 0:
            _begin(db, path.parent)
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0] if check else "ok"
        if found != "ok":
            # SQLite tells this as an answer, not as an error; for us it is the same.
            damage = sqlite3.DatabaseError(str(found).splitlines()[-1])
            damage.sqlite_errorname = "SQLITE_CORRUPT"
            raise damage
    except BaseException:
        db.close()
        raise
    return db


def _check_version(db: sqlite3.Connection, path: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: expected a store of version {SCHEMA_VERSION} or older, found {version}: "
            "a newer trad-array made it; use that one, or another folder"
        )
    return version


def _begin(db: sqlite3.Connection, folder: Path) -> None:
    """The empty tables, all or none of them."""
    db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
    sync_folder(folder)


def _put_aside(path: Path) -> Path:
    """Rename a damaged file with its journal; return its new name, which no file had."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside


@contextmanager
def transaction(db: sqlite3.Connection, *, durable: bool = True) -> Iterator[None]:
    """All of the statements or none; when `durable`, on the disk before it ends.

    What is not durable survives the end of the process, but perhaps not a power cut.
    """
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def cause(trouble: Exception) -> str:
    """What went wrong, in words for a person."""
    if is_full(trouble):
        return FULL
    name = getattr(trouble, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_READONLY"):
        return READ_ONLY
    if is_damage(trouble):
        return f"the file is damaged: {trouble}"
    if isinstance(trouble, OSError):
        return trouble.strerror or str(trouble)
    return str(trouble)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is under a name; None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def disk_cause(folder: Path) -> str | None:
    """What is wrong with the disk itself, which SQLite often tells as an I/O error; None when nothing is seen."""
    try:
        found = os.statvfs(folder)
    except OSError as trouble:
        return trouble.strerror or str(trouble)
    if found.f_flag & os.ST_RDONLY:
        return READ_ONLY
    return FULL if found.f_bavail * found.f_frsize < _NO_ROOM_BYTES else None
