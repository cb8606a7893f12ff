"""The benchmark of the live watch counts what it says, and writes results, page and the README's table."""

import importlib
import json
import time
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / "monitor")
    return importlib.import_module


def trial(bench, *, shown_s, recovered_s, same_process=True):
    faults = bench("faults")
    (fault,) = (f for f in faults.faults_of(gone_s=600.0) if f.name == "server killed")
    said = dict.fromkeys(("json:-", "json:FILE", "exec:CMD", faults.STATUS), shown_s)
    return faults.Trial(fault, shown_s, recovered_s, same_process, said)


def test_a_fault_that_is_not_shown_is_late_or_needs_a_restart_is_missed(bench):
    trials = [
        trial(bench, shown_s=4.0, recovered_s=5.0),
        trial(bench, shown_s=10.5, recovered_s=5.0),
        trial(bench, shown_s=4.0, recovered_s=None),
        trial(bench, shown_s=4.0, recovered_s=5.0, same_process=False),
    ]
    assert [t.good for t in trials] == [True, False, False, False]
    faults = bench("faults")
    line = faults.table([trials[0].fault], trials).splitlines()[-1]
    assert line == "| server killed | `no-audio` | 10 s | 4.0 s (10.5 s) | 5.0 s (5.0 s) | 4 | 3 |"


def test_the_week_is_as_long_as_it_says_and_never_clicks_at_the_seam(bench):
    week = bench("week")
    source = week.Endless(seconds=300.0, block_s=0.7, seed=3)
    pieces = list(source.pieces())
    assert [piece.start for piece in pieces] == [k * 11_200 for k in range(len(pieces))]
    assert pieces[-1].end >= 300 * 16_000 > pieces[-1].start
    around = np.concatenate([p.samples for p in pieces if 118 * 16_000 < p.end < 122 * 16_000], axis=1).astype(float)
    steps = np.abs(np.diff(around, axis=1))
    assert steps.max() < 12 * steps.mean()


def test_a_feeder_plays_its_loop_in_real_time_and_adds_sound_where_it_says(bench, tmp_path):
    import os
    from threading import Thread

    fifo, heard = tmp_path / "fifo", []
    os.mkfifo(fifo)
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def read():
        while True:
            try:
                data = os.read(handle, 65_536)
            except BlockingIOError:
                data = b""
            if data:
                heard.append(data)
            elif over:
                return
            time.sleep(0.001)

    over = []
    reader = Thread(target=read)
    reader.start()
    loop = np.tile(np.arange(100, dtype=np.int16)[:, None], (1, 4))
    began_s = time.monotonic()
    feeder = bench("feeder").Feeder(fifo, loop, fs=16_000)
    time.sleep(0.1)
    at_s = feeder.add(np.full((50, 4), 1_000, np.int16))
    time.sleep(0.2)
    feeder.kill_channel(1)
    time.sleep(0.1)
    feeder.close()
    took_s = time.monotonic() - began_s
    over.append(True)
    reader.join()
    os.close(handle)
    samples = np.frombuffer(b"".join(heard), np.int16).reshape(-1, 4)
    assert len(samples) / 16_000 == pytest.approx(took_s, abs=0.05)
    (first, *_), _ = np.nonzero(samples >= 1_000)
    added = samples[first : first + 50, 0]
    assert np.array_equal(added - 1_000, np.arange(first, first + 50) % 100)
    assert first / 16_000 == pytest.approx(at_s - began_s, abs=0.02)
    assert samples[-100:, 1].max() == 0
    assert samples[-100:, 2].max() > 0


def test_parts_are_kept_and_put_together(bench, tmp_path, monkeypatch, capsys):
    run, rows, measured = bench("live"), bench("rows"), bench("measured")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: benchmarks/results/monitor.json -->\nold\n<!-- end -->\nafter\n")
    for module, name, value in (
        (rows, "RESULTS", tmp_path / "results"),
        (rows, "README", readme),
        (run, "PAGE", tmp_path / "monitor-results.md"),
        (run, "LAST", tmp_path / "results" / "monitor-parts"),
    ):
        monkeypatch.setattr(module, name, value)
    for part, value in (("week", 1.0), ("load", 4.5), ("week", 3.0)):
        row = measured.one(f"{part}: growth", value, unit="MB", goal=2.0)
        run.write({part: measured.Part(f"## {part}", (row,))}, measured.Settings())
    found = json.loads((tmp_path / "results" / "monitor.json").read_text())
    assert [(row["name"], row["value"]) for row in found] == [("load: growth", 4.5), ("week: growth", 3.0)]
    text = readme.read_text()
    assert "old" not in text
    assert "| week: growth | 3 MB | 3 to 3 | 1 | <= 2 MB | NO |" in text
    page = (tmp_path / "monitor-results.md").read_text()
    assert page.index("## load") < page.index("## week")
    assert "quick form, seed 1" in page
