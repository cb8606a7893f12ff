"""Files that are whole or not there, and on the disk when the call returns."""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from trad_array.errors import StoreError

# Ends the names of what is not finished, or about to be removed; nobody reads such files and folders.
PART = ".part"
# Before that, in the name of what is about to go; it comes back when the process ends before that was certain.
OLD = ".old"


def write_file(path: Path, content: bytes, *, in_part: bool = False) -> None:
    """Write a file that survives a power cut; under its name there is the old content or the new one.

    `in_part`: its folder is not finished, and whoever finishes it waits for the names in it.

    Raises
    ------
    OSError
        If the disk refuses it.
    """
    part = path.with_name(path.name + PART)
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if not in_part:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 when it is gone."""
    if path.is_dir():
        return sum(size_of(below) for below in path.iterdir())
    return path.stat().st_size if path.exists() else 0


def hide(folder: Path) -> Path:
    """Give a folder that is about to go a name that nobody reads, at once; return it."""
    hidden = folder.with_name(f"{folder.name}{OLD}{PART}")
    if hidden.exists():
        shutil.rmtree(hidden)
    folder.rename(hidden)
    sync_folder(folder.parent)
    return hidden


def free_bytes(path: Path) -> int:
    """Bytes that may still be written to the disk of a path; raises `OSError` when it is gone."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def json_text(record: Mapping[str, Any]) -> str:
    """One JSON object on one line; raises `ValueError` or `TypeError` for what JSON does not know."""
    return json.dumps(record, allow_nan=False, ensure_ascii=False)


def take_lock(path: Path, *, who: str = "monitor") -> IO[str]:
    """Become the only one who writes beside this file, for as long as it stays open.

    The kernel lets go of it when the process ends, however it ends.

    Raises
    ------
    StoreError
        If another process has it.
    OSError
        If the file cannot be made.
    """
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as trouble:
        file.seek(0)
        other = file.read().strip() or "unknown"
        file.close()
        raise StoreError(
            f"{path.parent}: expected to be the only {who} that writes there, found another one (process {other})"
        ) from trouble
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError:
        # On a full disk the lock holds all the same; only the number is missing.
        os.ftruncate(file.fileno(), 0)
    return file
