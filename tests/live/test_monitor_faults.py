"""Every fault of live sound, broken for real, is shown by the real watch within its limit, and over without a restart.

Three watches run side by side, so that all of it takes little more than a minute: of lost sound a watch speaks for a
minute. How long each takes, of many trials, is in docs/monitor-results.md.
"""

import importlib
import json
import subprocess
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# One watch hears these one after the other.
SESSIONS = (
    ("server killed", "module unloaded (silent stall)", "feeder stopped"),
    ("server stands still for 8 s", "all channels digitally silent", "one channel dead"),
    ("server stands still for 3 s",),
)


class Session:
    """One watch on a server of its own, and what it told of one fault after the other."""

    def __init__(self, bench, names):
        faults = {fault.name: fault for fault in bench.faults.faults_of(gone_s=30.0, long_stall_s=8.0)}
        self.bench, self.faults = bench, [faults[name] for name in names]
        self.trials, self.trouble = [], None
        self.thread = Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self._break_all()
        except Exception as trouble:  # raised in the fixture
            self.trouble = trouble

    def _break_all(self):
        bench = self.bench
        noise = np.random.default_rng(3).normal(0.0, 300.0, (5 * 16_000, 4)).astype(np.int16)
        with bench.audio_server.AudioServer(devices=("pipe",)) as server:
            feeder = bench.feeder.Feeder(server.fifo, noise, fs=16_000)
            try:
                with bench.running.RunningMonitor(server, server.pipe, *bench.running.AS_16_KHZ) as monitor:
                    broken = bench.faults.Bench(server, feeder, monitor.ready())
                    for fault in self.faults:
                        self.trials.append(bench.faults.try_fault(broken, fault, then_all_well=False))
                    self.well = self._status(monitor)
                    stopped_s = time.monotonic()
                    feeder.stop()
                    raised = bench.running.is_kind("fault", kind="no-audio", state="raised")
                    monitor.wait_for(raised, within_s=10.0, after_s=stopped_s)
                    self.stopped = self._status(monitor)
                    self.stands_still_s = bench.faults.stand_still(broken)
            finally:
                feeder.close()

    def _status(self, monitor):
        """Exit code of `trad-array status --check`, and the faults it names."""
        command = [self.bench.running.TRAD_ARRAY, "status", "--check", "--json", "--socket", str(monitor.socket)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return done.returncode, {fault["code"] for fault in json.loads(done.stdout)["faults"]}


@pytest.fixture(scope="module")
def sessions():
    with pytest.MonkeyPatch.context() as patch:
        for folder in (BENCHMARKS, BENCHMARKS / "monitor"):
            patch.syspath_prepend(folder)
        names = ("audio_server", "faults", "feeder", "running")
        bench = SimpleNamespace(**{name: importlib.import_module(name) for name in names})
        running = [Session(bench, names) for names in SESSIONS]
        for session in running:
            session.thread.join()
    for session in running:
        if session.trouble is not None:
            raise session.trouble
    return running


@pytest.fixture
def trials(sessions):
    return {trial.fault.name: trial for session in sessions for trial in session.trials}


@pytest.mark.parametrize(
    ("name", "code", "limit_s"),
    [
        ("server killed", "no-audio", 10.0),
        ("module unloaded (silent stall)", "no-audio", 10.0),
        ("feeder stopped", "no-audio", 10.0),
        ("server stands still for 8 s", "no-audio", 10.0),
        ("all channels digitally silent", "no-audio", 10.0),
        ("server stands still for 3 s", "lost-audio", 100.0),
        ("one channel dead", "mic-silent", 30.0),
    ],
)
def test_a_fault_is_shown_and_over_within_its_limit_by_the_same_process(trials, name, code, limit_s):
    trial = trials[name]
    assert trial.fault.code == code
    assert trial.same_process
    assert 0.0 < trial.shown_s < limit_s
    assert 0.0 < trial.recovered_s < limit_s


@pytest.mark.parametrize("name", [name for names in SESSIONS[:2] for name in names if name != "one channel dead"])
def test_every_output_and_the_status_say_that_no_sound_arrives_within_ten_seconds(trials, name):
    said_s = trials[name].said_s
    assert set(said_s) == {"json:-", "json:FILE", "exec:CMD", "trad-array status"}
    assert all(0.0 < value < 10.0 for value in said_s.values())


def test_the_status_is_a_fault_while_sound_is_stopped_and_none_once_all_is_well(sessions):
    # Sound was lost a moment ago in the others, and they say so for a minute.
    assert sessions[2].well == (0, set())
    assert all(session.well == (12, {"lost-audio"}) for session in sessions[:2])
    for session in sessions:
        code, faults = session.stopped
        assert code == 12
        assert "no-audio" in faults


def test_a_watch_that_stands_still_itself_is_an_error_within_ten_seconds(sessions):
    assert all(0.0 < session.stands_still_s < 10.0 for session in sessions)
