"""Commands to a running watch, through a local socket that belongs to its owner: one JSON line in, one back.

The watch itself answers, between two pieces of sound. When it does not, whoever asks is told so: a socket that answers
for a watch that hangs would be a false "all well".
"""

import json
import os
import queue
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trad_array.errors import ConfigError, ControlError

# Longest line in either direction, and how long the watch may take to answer; our choice.
MAX_BYTES = 1_000_000
ANSWER_S = 5.0
# The operating system's limit for the path of a socket, bytes.
_MAX_PATH = 107

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that waits for its answer."""

    request: Mapping[str, Any]
    answers: "queue.Queue[Mapping[str, Any]]"


class ControlServer:
    """The watch's end of the socket: takes requests in threads of its own, and hands them over in `answer`.

    Raises
    ------
    ConfigError
        If another watch answers at this path, or the path is too long or cannot be used.
    """

    def __init__(self, path: Path, *, answer_s: float = ANSWER_S) -> None:
        self.path = path
        self._asked: queue.Queue[_Asked] = queue.Queue()
        _make_room(path)
        asked = self._asked

        class Handler(socketserver.StreamRequestHandler):
            timeout = 5.0

            def handle(self) -> None:
                reply = _reply(self.rfile.readline(MAX_BYTES), asked, answer_s)
                self.wfile.write(json.dumps(reply).encode() + b"\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever asked has gone; the watch does not care."""

        before = os.umask(0o177)
        try:
            self._server = Server(str(path), Handler)
        except OSError as trouble:
            raise ConfigError(f"{path}: cannot be a socket: {trouble.strerror or trouble}") from trouble
        finally:
            os.umask(before)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="control", daemon=True)
        self._thread.start()

    def answer(self, how: Answer) -> int:
        """Answer everything that was asked since the last call; gives back how much that was."""
        n = 0
        while True:
            try:
                asked = self._asked.get_nowait()
            except queue.Empty:
                return n
            try:
                reply = how(asked.request)
            except Exception as trouble:  # nothing that is asked may end the watch
                reply = {"error": f"{type(trouble).__name__}: {trouble}".encode(errors="replace").decode()}
            asked.answers.put(reply)
            n += 1

    def close(self) -> None:
        """Stop listening and take the socket away."""
        self._server.shutdown()
        self._server.server_close()
        self.path.unlink(missing_ok=True)


def ask(path: Path, request: Mapping[str, Any], *, timeout_s: float = ANSWER_S + 2.0) -> dict[str, Any]:
    """Ask the watch at this socket.

    Raises
    ------
    ControlError
        If no watch answers, or it answers with an error.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(dict(request)).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline(MAX_BYTES)
        reply = json.loads(line)
    except (OSError, ValueError) as trouble:
        raise ControlError(f"{path}: expected a running watch, found none that answers: {_why(trouble)}") from trouble
    if not isinstance(reply, dict):
        raise ControlError(f"{path}: expected an answer of the watch, found something else")
    if "error" in reply:
        raise ControlError(f"{path}: {reply['error']}")
    return reply


def default_socket() -> Path:
    """Where a watch listens when nobody says otherwise: a folder of the user's own."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base or f"/tmp/trad-array-{os.getuid()}") / "trad-array.sock"


def _reply(line: bytes, asked: "queue.Queue[_Asked]", answer_s: float) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except ValueError:
        return {"error": "expected one line of JSON, found something else"}
    if not isinstance(request, dict):
        return {"error": "expected a JSON object, found something else"}
    answers: queue.Queue[Mapping[str, Any]] = queue.Queue(1)
    asked.put(_Asked(request, answers))
    try:
        return answers.get(timeout=answer_s)
    except queue.Empty:
        return {"error": f"the watch has not answered for {answer_s:g} s: it hangs or is overloaded"}


def _make_room(path: Path) -> None:
    """A folder of the owner's, and no socket of a watch that has gone."""
    if len(os.fsencode(path)) > _MAX_PATH:
        raise ConfigError(f"{path}: expected a path of at most {_MAX_PATH} bytes for a socket")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as trouble:
        raise ConfigError(f"{path.parent}: cannot be made: {trouble.strerror or trouble}") from trouble
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError(f"{path}: expected a socket or nothing, found a file")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ConfigError(f"{path}: expected no other watch, found one that listens here")


def _why(trouble: Exception) -> str:
    if isinstance(trouble, OSError):
        return trouble.strerror or str(trouble) or type(trouble).__name__
    return "what it says is not JSON"
