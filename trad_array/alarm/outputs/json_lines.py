"""One JSON object a line: on a stream, or at the end of a file that is rotated."""

import errno
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from trad_array.alarm.disk import json_text, sync_folder
from trad_array.errors import OutputError

# The only lines that need not be on the disk at once.
_HEARTBEAT = "trad-array/heartbeat/"


class JsonStream:
    """Lines on an open stream, each passed on at once."""

    def __init__(self, name: str, stream: IO[str]) -> None:
        self.name = name
        self._stream = stream

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line; raises `OutputError` when nobody reads any more."""
        try:
            try:
                self._stream.write(json_text(message) + "\n")
            except UnicodeEncodeError:
                # A terminal that does not know all letters; JSON has a way to write them without.
                self._stream.write(json.dumps(message, allow_nan=False) + "\n")
            self._stream.flush()
        except (OSError, ValueError) as trouble:
            raise OutputError(f"{self.name}: {getattr(trouble, 'strerror', None) or trouble}") from trouble

    def close(self) -> None:
        """The stream belongs to somebody else."""


def standard_output(name: str) -> JsonStream:
    """Lines on standard output."""
    return JsonStream(name, sys.stdout)


class JsonFile:
    """Lines at the end of a file; a full one becomes FILE.1, FILE.1 becomes FILE.2, and so on, and the oldest goes.

    Only whole lines are in it: one that the disk cut off is taken back, one that a power cut left behind is ended. A
    file that somebody moved away or removed is begun anew. A line that must arrive is on the disk when `send` returns;
    heartbeats get there when the system writes them.

    Parameters
    ----------
    name : for messages
    path : of the file
    rotate_bytes : the file does not grow larger, but for a single line that is
    rotate_files : FILE.1 to FILE.n are kept
    """

    def __init__(self, name: str, path: Path, *, rotate_bytes: int, rotate_files: int) -> None:
        self.name = name
        self._path = path
        self._rotate_bytes, self._rotate_files = rotate_bytes, rotate_files
        self._handle: int | None = None
        # The name of a file that was just begun may be lost in a power cut, and the file with it.
        self._is_new = True

    def send(self, message: Mapping[str, Any]) -> None:
        """Append one line; raises `OutputError` when the disk refuses it."""
        line = (json_text(message) + "\n").encode()
        try:
            handle, size = self._opened()
            if size and size + len(line) > self._rotate_bytes:
                self.close()
                self._rotate()
                handle, size = self._opened()
            self._append(handle, size, line)
            if not str(message.get("schema")).startswith(_HEARTBEAT):
                self._sync(handle)
        except OSError as trouble:
            self.close()
            raise OutputError(f"{self.name}: {trouble.strerror or trouble}") from trouble

    def close(self) -> None:
        """Close the file; the next message opens it again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _opened(self) -> tuple[int, int]:
        """The file that is under the name now, and its size."""
        if self._handle is not None:
            mine = os.fstat(self._handle)
            if self._path.exists() and os.path.samestat(mine, self._path.stat()):
                return self._handle, mine.st_size
            self.close()
        self._is_new = True
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")
            size += 1
        return self._handle, size

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n + 1}") for n in range(self._rotate_files))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)
        if not self._rotate_files:
            self._path.unlink(missing_ok=True)

    def _sync(self, handle: int) -> None:
        """Wait until all lines are on the disk, and the name of their file is."""
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return  # a pipe or a terminal has nothing on a disk
        os.fsync(handle)
        if self._is_new:
            sync_folder(self._path.absolute().parent)
            self._is_new = False

    @staticmethod
    def _append(handle: int, size: int, line: bytes) -> None:
        written = os.write(handle, line)
        if written < len(line):
            os.ftruncate(handle, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
