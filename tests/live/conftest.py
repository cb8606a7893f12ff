"""A private audio server, and processes that listen to it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "monitor"
# Short waits, so that tests are; the limits themselves are the rule's.
QUICK = {
    "silent_s": 0.6,
    "again_s": 0.1,
    "longest_again_s": 0.4,
    "give_up_s": 20.0,
    "close_s": 1.0,
    "queue_s": 5.0,
    "window_s": 0.3,
}
FORMAT = {"samplerate_hz": 16_000, "dtype": "int16", "open_channels": 4, "channel_map": [1, 2, 3, 4], "block_s": 0.02}


@pytest.fixture
def start_server(monkeypatch):
    """Start a server with other settings than the usual."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from audio_server import AudioServer

    running = []

    def start(**settings):
        running.append(AudioServer(**settings).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def server(start_server):
    return start_server()


class Listener:
    """A process that listens; what it tells is kept, in order."""

    def __init__(self, server, keep, device, *, form, rule, slow_s):
        settings = json.dumps({"format": FORMAT | form, "rule": QUICK | rule, "slow_s": slow_s})
        self.keep, self.told = keep, []
        command = [sys.executable, str(Path(__file__).with_name("listen.py")), device, str(keep), settings]
        self.process = subprocess.Popen(
            command, env=server.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def of(self, kind, *, after=0):
        return [t for t in self.told[after:] if t["kind"] == kind]

    def wait_for(self, what, *, within_s, after=0):
        """The first thing told that fits, once it is told."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for told in self.told[after:]:
                if what(told):
                    return told
            time.sleep(0.01)
        raise AssertionError(f"not told within {within_s} s; last: {self.told[-3:]}")

    def wait_for_sound(self, *, within_s=5.0, after=0):
        return self.wait_for(lambda t: t["kind"] == "sound", within_s=within_s, after=after)

    def end(self, *, within_s=5.0):
        """Close the card; gives the samples, (n_mics, n)."""
        self.process.stdin.close()
        assert self.process.wait(within_s) == 0
        self._reader.join(2.0)
        with np.load(self.keep) as kept:
            return kept["samples"]


@pytest.fixture
def listen(server_of, tmp_path):
    running = []

    def start(device="trad_array", *, server=None, form=None, rule=None, slow_s=0.0):
        keep = tmp_path / f"heard-{len(running)}.npz"
        running.append(Listener(server_of(server), keep, device, form=form or {}, rule=rule or {}, slow_s=slow_s))
        return running[-1]

    yield start
    for listener in running:
        if listener.process.poll() is None:
            listener.process.kill()
        listener.process.wait()
        for pipe in (listener.process.stdin, listener.process.stdout):
            pipe.close()


@pytest.fixture
def server_of(request):
    """The server that was named, or the usual one."""
    return lambda named: named or request.getfixturevalue("server")
