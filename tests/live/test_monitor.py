"""The whole watch over a real audio server: a vent is heard, named, kept, told, and heard again the same."""

import json
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import soxr

from trad_array.simulation import simulate_scene
from trad_array_geometry import load_layout

CELL = "R2C07"
TRAD_ARRAY = Path(sys.executable).with_name("trad-array")
COMMAND = "monitor --device trad_array --layout pack-corners -o json:-"


class Monitor:
    """The very command, in a folder of its own; what it tells is kept."""

    def __init__(self, server, folder):
        self.environment, self.store = server.environment, folder / "trad-array-watch"
        self.told: list[dict] = []
        self.process = subprocess.Popen(
            [str(TRAD_ARRAY), *COMMAND.split()],
            env=self.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def of(self, kind):
        return [message for message in list(self.told) if message["schema"] == f"trad-array/{kind}/1"]

    def wait_for(self, kind, fits, *, within_s):
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for message in self.of(kind):
                if fits(message):
                    return message
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.02)
        raise AssertionError(f"no such {kind} within {within_s} s; told: {self.told[-3:]}")

    def ask(self, *arguments, check=True):
        command = [str(TRAD_ARRAY), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=check, timeout=20)

    def end(self):
        self.process.terminate()
        code = self.process.wait(30)
        self._reader.join(5)
        return code


@pytest.fixture
def start_monitor(tmp_path):
    running = []

    def start(server):
        running.append(Monitor(server, tmp_path))
        return running[-1]

    yield start
    for monitor in running:
        if monitor.process.poll() is None:
            monitor.process.kill()
        monitor.process.wait()
        monitor.process.stdout.close()
        monitor.process.stderr.close()


@pytest.fixture(scope="session")
def vent() -> np.ndarray:
    """Simulated: 15 s of a cabin, 7 s from its beginning a cell vents; shape (n, 4), 48 kHz, 24 bits in 32."""
    layout = load_layout("pack-corners")
    scene = simulate_scene(
        layout, rng=np.random.default_rng(11), cell=CELL, seconds=15.0, onset_s=7.0, rt60_s=0.4, snr_db=0.0
    )
    samples = soxr.resample(scene.recording.samples.T, 16_000, 48_000)
    return np.round(samples * (2**23 - 1) * 0.3 / np.abs(samples).max()).astype(np.int32) << 8


def test_a_vent_on_a_virtual_card_is_heard_named_stored_told_and_heard_again_the_same(
    start_server, start_monitor, vent
):
    server = start_server(fs=48_000, dtype="int32")
    monitor = start_monitor(server)
    monitor.wait_for("heartbeat", lambda m: True, within_s=20)
    server.play(vent)
    alarm = monitor.wait_for("event", lambda m: m["level"] == "alarm", within_s=20)
    assert alarm["best"] == CELL
    status = json.loads(monitor.ask("status", "--json").stdout)
    assert (status["level"], status["first_cell"], status["latched"]) == ("alarm", CELL, True)
    refused = monitor.ask("reset", "--by", "Ada", check=False)
    assert refused.returncode == 1
    assert "refused" in refused.stderr
    monitor.ask("ack", "--by", "Ada", "--comment", "on my way")
    action = monitor.wait_for("action", lambda m: m["action"] == "ack", within_s=5)
    assert (action["by"], action["comment"]) == ("Ada", "on my way")
    end = monitor.wait_for("event", lambda m: m["state"] == "end" and m["id"] == alarm["id"], within_s=20)
    bundle = monitor.store / "events" / alarm["id"]
    until = time.monotonic() + 120
    while not (bundle / "heatmap.png").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert monitor.end() == 0
    kept = json.loads((bundle / "event.json").read_text())
    assert kept == end
    names = {path.name for path in bundle.iterdir()}
    assert {"clip.flac", "heatmap.png", "index.html", "replay.npz", "layout.toml", "trad-array.toml"} <= names
    live = [m for m in monitor.of("event") if m["id"] == alarm["id"]]
    assert replayed(bundle, alarm["id"]) == live


def replayed(bundle: Path, name: str) -> list[dict]:
    """Messages about an event when its clip is heard again with the settings it was heard with."""
    command = [TRAD_ARRAY, "monitor", "--replay", "clip.flac", "--config", "trad-array.toml", "--fast", "--json"]
    done = subprocess.run(list(map(str, command)), cwd=bundle, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return [m for m in messages if m["schema"] == "trad-array/event/1" and m["id"] == name]
