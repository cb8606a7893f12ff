"""The socket of a running watch."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from trad_array.errors import ConfigError, ControlError
from trad_array.monitor.control import ControlServer, ask


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "mine" / "watch.sock"


@pytest.fixture
def server(path):
    server = ControlServer(path, answer_s=1.0)
    yield server
    server.close()


def asked(path: Path, request: dict, server: ControlServer, how) -> dict:
    """Ask from another thread while this one is the watch."""
    found: list[dict | Exception] = []

    def client() -> None:
        try:
            found.append(ask(path, request))
        except ControlError as trouble:
            found.append(trouble)

    thread = threading.Thread(target=client)
    thread.start()
    while thread.is_alive():
        server.answer(how)
        thread.join(0.01)
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def test_the_watch_answers_in_its_own_thread(path, server):
    answered_in = []

    def how(request):
        answered_in.append(threading.current_thread())
        return {"level": "alarm", "you": request["by"]}

    assert asked(path, {"do": "status", "by": "Ada"}, server, how) == {"level": "alarm", "you": "Ada"}
    assert answered_in == [threading.current_thread()]


def test_a_refusal_is_an_error_with_its_reason(path, server):
    with pytest.raises(ControlError, match="the condition holds"):
        asked(path, {"do": "reset"}, server, lambda request: {"error": "the condition holds"})


def test_a_watch_that_stumbles_over_a_request_says_so_and_goes_on(path, server):
    def how(request):
        raise OverflowError("too large \udcfc")

    with pytest.raises(ControlError, match="OverflowError: too large"):
        asked(path, {"do": "status"}, server, how)
    assert asked(path, {"do": "status"}, server, lambda request: {"fine": True}) == {"fine": True}


def test_only_the_owner_may_speak_to_it(path, server):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_watch_that_hangs_is_told_as_such(path, server):
    with pytest.raises(ControlError, match="has not answered for 1 s"):
        ask(path, {"do": "status"})


def test_no_watch_is_told_as_such(path):
    with pytest.raises(ControlError, match="found none that answers"):
        ask(path, {"do": "status"})


@pytest.mark.parametrize("line", [b"\n", b"[1, 2]\n", b"{" * 100_000 + b"\n", b"\xff\xfe\n"])
def test_nonsense_is_answered_and_the_watch_goes_on(path, server, line):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5.0)
        connection.connect(str(path))
        connection.sendall(line)
        assert b"error" in connection.makefile("rb").readline()
    assert asked(path, {"do": "status"}, server, lambda request: {"fine": True}) == {"fine": True}


def test_who_hangs_up_disturbs_nobody(path, server):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b'{"do": "status"}\n')
    assert asked(path, {"do": "status"}, server, lambda request: {"fine": True}) == {"fine": True}


def test_a_second_watch_at_the_same_place_is_refused_and_what_a_dead_one_left_is_not_in_the_way(path, server):
    with pytest.raises(ConfigError, match="found one that listens"):
        ControlServer(path)
    left = path.with_name("left.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    again = ControlServer(left)
    again.close()
    assert not left.exists()


def test_a_file_in_its_place_stays(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="found a file"):
        ControlServer(path)
    assert path.read_text() == "mine"


def test_a_path_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        ControlServer(tmp_path / ("x" * (108 - len(os.fsencode(tmp_path)))))
