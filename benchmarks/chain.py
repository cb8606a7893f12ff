"""Numbers of the whole chain: speed, memory, start-up, and simulated events heard and named.

Everything that is heard here is simulated; the layouts' coordinates are assumed. Run it with `make bench-chain`, which
sets one thread. Options: --events N (per layout), --seed N.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rows

from trad_array.audio.files import blocks, write_recording
from trad_array.chain import make_chain, run
from trad_array.events import events_of
from trad_array.hearing import Hearing
from trad_array.records import Block, Recording
from trad_array.simulation import simulate_scene
from trad_array.testing import hiss_cut
from trad_array_geometry import Layout, layout_names, load_layout

COMMAND = Path(sys.executable).with_name("trad-array")
FS = 16_000


def main() -> None:
    """Measure everything and write benchmarks/results/chain.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100, help="simulated events per layout")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = [*speed(), *memory(), *start_up(), *demo()]
    for layout in map(load_layout, layout_names()):
        if len(layout.pack_names) == 1:
            found += heard_and_named(layout, n=options.events, seed=options.seed)
    rows.write("chain", found)


def speed() -> list[rows.Row]:
    """Chain on simulated cabin noise without an event, and a plain version beside it in the same run."""
    layout = load_layout("pack-corners")
    noise = simulate_scene(layout, rng=np.random.default_rng(0), seconds=60.0).recording
    chain = make_chain(layout)
    fast, plain = [], []
    for _ in range(7):
        fast.append(60.0 / _seconds(lambda: list(run(chain, blocks(noise, size=FS)))))
        plain.append(60.0 / _seconds(lambda: _frame_by_frame(chain.hearing, noise)))
    ratios = [a / b for a, b in zip(fast, plain, strict=True)]
    return [
        rows.median("chain without an event, 4 channels", fast, unit="x real time", goal=300, better="higher"),
        rows.median("the same over one-hop blocks (live)", plain, unit="x real time", goal=None, better="higher"),
        rows.median("1 s blocks against one-hop blocks", ratios, unit="x", goal=None, better="higher"),
    ]


def memory() -> list[rows.Row]:
    """Peak resident memory of `monitor --replay` with one event, for a short and a long recording."""
    short, long = _peak_mb(seconds=60), _peak_mb(seconds=1800)
    return [
        rows.Row("peak memory, monitor --replay, 1 minute", short, "MB", 200, "lower", 1, short, short),
        rows.Row("peak memory, monitor --replay, 30 minutes", long, "MB", 200, "lower", 1, long, long),
    ]


def start_up() -> list[rows.Row]:
    """Time of `trad-array --help`."""
    times = [_seconds(lambda: subprocess.run([COMMAND, "--help"], check=True, capture_output=True)) for _ in range(9)]
    return [rows.median("trad-array --help", times, unit="s", goal=0.35, better="lower")]


def demo() -> list[rows.Row]:
    """Time of `trad-array demo`, start to end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [COMMAND, "demo", "--out", folder]
        times = [_seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(3)]
    return [rows.median("trad-array demo", times, unit="s", goal=45, better="lower")]


def heard_and_named(layout: Layout, *, n: int, seed: int) -> list[rows.Row]:
    """1 s vents of random cells, RT60 0.2 to 0.6 s, full-band SNR -10 to 10 dB, exact delays."""
    chain = make_chain(layout)
    detected = right = extra = 0
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        cell = int(rng.integers(layout.n_cells))
        rt60_s, snr_db = float(rng.uniform(0.2, 0.6)), float(rng.uniform(-10.0, 10.0))
        scene = simulate_scene(
            layout, rng=rng, cell=layout.cell_names[cell], rt60_s=rt60_s, snr_db=snr_db, seconds=6.0, duration_s=1.0
        )
        onset = float(scene.truth["onset_s"]) * FS
        events = list(events_of(run(chain, blocks(scene.recording))))
        hits = [event for event in events if abs(event.detection.onset - onset) < 0.5 * FS]
        extra += len(events) - len(hits)
        detected += bool(hits)
        right += bool(hits) and hits[0].cell_map is not None and hits[0].cell_map.best == cell
        print(f"\r{layout.id}: {k + 1}/{n}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return [
        rows.share(f"{layout.id}: detected", detected, n, goal=99),
        rows.share(f"{layout.id}: best cell right", right, n, goal=99),
        rows.Row(f"{layout.id}: events beside the vent", extra, "events", None, "lower", n, extra, extra),
    ]


def _frame_by_frame(hearing: Hearing, recording: Recording) -> None:
    """The plain version: one hop of samples at a time, as a live stream brings them."""
    state = hearing.start()
    for first in range(0, recording.samples.shape[1], 512):
        state, _ = hearing.step(state, Block(recording.samples[:, first : first + 512], first, FS))


def _peak_mb(*, seconds: int) -> float:
    rng = np.random.default_rng(0)
    layout = load_layout("pack-corners")
    noise = (0.01 * rng.standard_normal((4, seconds * FS))).astype(np.float32)
    middle = seconds * FS // 2
    noise[:, middle : middle + FS] += hiss_cut(layout, layout.cells[7], rng).samples
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.wav"
        write_recording(path, noise, fs=FS)
        del noise
        command = [str(COMMAND), "monitor", "--replay", str(path), "--layout", "pack-corners", "--fast"]
        found = subprocess.run([sys.executable, "-c", _LAUNCHER, *command], check=True, capture_output=True, text=True)
    return float(found.stdout) / 1024  # kilobytes on Linux


# Linux counts the memory of the process that starts a command towards the command's peak: let a small one start it.
_LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
