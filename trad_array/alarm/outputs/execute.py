"""A command for each message: no shell, the message on standard input, and no longer than it is allowed to take."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from trad_array.alarm.disk import json_text
from trad_array.errors import OutputError

# So much of what a command said on standard error is told, letters from the end.
_MOST_SAID = 500
# A command that failed has so long to have its last words read, s (our choice).
_LAST_WORDS_S = 0.5


class Execute:
    """Runs a command for each message and waits for it.

    It has taken the message when it ends with exit code 0. After the time limit it is killed together with everything
    that it started in its process group.

    Parameters
    ----------
    name : for messages
    command : program and arguments
    limit_s : s
    """

    def __init__(self, name: str, command: Sequence[str], *, limit_s: float) -> None:
        self.name = name
        self._command, self._limit_s = list(command), limit_s
        self._running: subprocess.Popen[bytes] | None = None
        self._closed = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Run the command once; raises `OutputError` with what it said when it fails or takes too long."""
        errors = _Errors()
        try:
            running = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors.handle,
                start_new_session=True,
            )
        except OSError as trouble:
            raise OutputError(f"{self.name}: cannot be run: {trouble.strerror or trouble}") from trouble
        finally:
            errors.handed_over()
        self._running = running
        try:
            if self._closed:
                _kill(running)
            running.communicate((json_text(message) + "\n").encode(), timeout=self._limit_s)
        except subprocess.TimeoutExpired as trouble:
            _kill(running)
            raise OutputError(f"{self.name}: killed: not done after {self._limit_s:g} s{errors.said()}") from trouble
        finally:
            self._running = None
        if running.returncode:
            raise OutputError(f"{self.name}: {_ending(running.returncode)}{errors.said()}")

    def close(self) -> None:
        """Kill what runs."""
        self._closed = True
        running = self._running
        if running is not None:
            _signal(running)


class _Errors:
    """What a command says on standard error: the end of it, read through a pipe by a thread.

    The thread reads until nobody holds the pipe any more, so that what the command leaves behind may go on writing;
    nobody waits for that. Without a pipe or a thread the command runs all the same, and nothing is known of its words.
    """

    def __init__(self) -> None:
        self.handle = subprocess.DEVNULL
        self._end = b""
        self._reader: threading.Thread | None = None
        try:
            read, write = os.pipe()
        except OSError:
            return
        reader = threading.Thread(target=self._read, args=(read,), name="standard error", daemon=True)
        try:
            reader.start()
        except RuntimeError:
            os.close(read)
            os.close(write)
            return
        self.handle, self._reader = write, reader

    def handed_over(self) -> None:
        """The command has the pipe now, or never will."""
        if self._reader is not None:
            os.close(self.handle)

    def said(self) -> str:
        """The end of what it said, on one line."""
        if self._reader is not None:
            self._reader.join(_LAST_WORDS_S)
        words = " ".join(self._end.decode(errors="replace").split())
        return f": {words}" if words else ""

    def _read(self, handle: int) -> None:
        with os.fdopen(handle, "rb", buffering=0) as pipe:
            while some := pipe.read(65_536):
                self._end = (self._end + some)[-_MOST_SAID:]


def _kill(running: subprocess.Popen[bytes]) -> None:
    _signal(running)
    running.wait()
    if running.stdin is not None and not running.stdin.closed:
        try:
            running.stdin.close()
        except BrokenPipeError:
            return  # it died with part of the message unread


def _signal(running: subprocess.Popen[bytes]) -> None:
    try:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended in this very moment


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
