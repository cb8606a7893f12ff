"""A command for each message: no shell, the message on standard input, and no longer than it is allowed to take."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any

from trad_array.alarm.disk import json_text
from trad_array.errors import OutputError

# So much of what a command said on standard error is told, letters from the end.
_MOST_SAID = 500


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
        # A file, not a pipe: a grandchild that lives on would keep a pipe open, and the watch waiting.
        with tempfile.TemporaryFile() as errors:
            try:
                running = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as trouble:
                raise OutputError(f"{self.name}: cannot be run: {trouble.strerror or trouble}") from trouble
            self._running = running
            try:
                if self._closed:
                    _kill(running)
                running.communicate((json_text(message) + "\n").encode(), timeout=self._limit_s)
            except subprocess.TimeoutExpired as trouble:
                _kill(running)
                said = _said(errors)
                raise OutputError(f"{self.name}: killed: not done after {self._limit_s:g} s{said}") from trouble
            finally:
                self._running = None
            if running.returncode:
                raise OutputError(f"{self.name}: {_ending(running.returncode)}{_said(errors)}")

    def close(self) -> None:
        """Kill what runs."""
        self._closed = True
        running = self._running
        if running is not None:
            _signal(running)


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


def _said(errors: IO[bytes]) -> str:
    """The end of what it said, on one line."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _MOST_SAID))
    words = " ".join(errors.read().decode(errors="replace").split())
    return f": {words}" if words else ""
