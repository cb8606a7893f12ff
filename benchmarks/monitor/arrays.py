"""Many arrays in one process: what each costs, and how many one core carries in real time.

Run as a program it watches and prints what it found; `part` runs it as one, so that nothing else is in its memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import rows
from cabin import as_int16, cabin_loop
from measured import FS, LAYOUT, Part, Settings, cpu_s, one, resident_mb
from numpy.typing import NDArray

from trad_array.alarm.health import HealthRule
from trad_array.alarm.outputs import make_output
from trad_array.audio.captured import Captured, Piece
from trad_array.audio.to_rate import ToRate
from trad_array.chain import make_chain
from trad_array.events import Origin
from trad_array.monitor.runner import Straight, Surroundings, run_watch
from trad_array.monitor.watch import Watch
from trad_array_geometry import load_layout

ARRAYS, BLOCK_S, _SETTLES_S = 32, 0.1, 10.0
_TEXT = f"""{ARRAYS} arrays of four microphones, each a watch in a thread of its own of one process, with an output
file and without a store; the same simulated cabin noise, from other places on, is played to them in real time in
pieces of {BLOCK_S:g} s. CPU is that of the process over the number of arrays; so is memory, less what the process had
before the first array (Python, libraries, the noise). How many one core carries is one over the CPU of an array, not
tried; Python runs one thread at a time, so a process carries no more than that. Late is the longest that a piece had
to wait."""


class Paced:
    """Sound that is handed on in its own time, as a sound card does; a `SoundSource`."""

    fs = FS

    def __init__(self, name: str, loop: NDArray[np.int16], *, first: int, until_s: float) -> None:
        self.name, self._loop, self._first, self._until_s = name, loop, first, until_s
        self.late_s: list[float] = []

    def pieces(self) -> Iterator[Piece]:
        """Until the time is over."""
        size, at, began_s = round(BLOCK_S * FS), 0, time.monotonic()
        while (due_s := began_s + (at + size) / FS) < self._until_s:
            time.sleep(max(0.0, due_s - time.monotonic()))
            late_s = time.monotonic() - due_s
            self.late_s.append(late_s)
            samples = self._loop[:, (self._first + np.arange(at, at + size)) % self._loop.shape[1]]
            yield Captured(samples, at, FS, received_s=due_s, queued_s=max(0.0, late_s))
            at += size

    def close(self) -> None:
        """There is nothing to let go of."""


def watched(loop: NDArray[np.int16], folder: Path, *, for_s: float) -> dict[str, float]:
    """Watch all arrays for a while in this process."""
    layout = load_layout(LAYOUT)
    chain, health = make_chain(layout), HealthRule(mics=layout.mic_names)
    before_mb = resident_mb()
    until_s = time.monotonic() + _SETTLES_S + for_s
    sources, threads = [], []
    for k in range(ARRAYS):
        source = Paced(f"array {k}", loop, first=k * FS, until_s=until_s)
        watch = Watch(chain, ToRate(FS, FS), Origin(source.name, "excess"), health)
        around = Surroundings(Straight((make_output(f"json:{folder}/{k}.jsonl"),)))
        arguments = (watch, watch.start(), source, around)
        threads.append(Thread(target=run_watch, args=arguments, kwargs={"stop": Event()}))
        sources.append(source)
        threads[-1].start()
    time.sleep(_SETTLES_S)
    spent_s, at_s = cpu_s(os.getpid()), time.monotonic()
    time.sleep(for_s - 1.0)
    share = 100.0 * (cpu_s(os.getpid()) - spent_s) / (time.monotonic() - at_s)
    memory_mb = resident_mb()
    for thread in threads:
        thread.join()
    settled = round(_SETTLES_S / BLOCK_S)
    late_s = max(max(source.late_s[settled:]) for source in sources)
    return {"share": share, "before_mb": before_mb, "memory_mb": memory_mb, "late_s": late_s}


def part(settings: Settings) -> Part:
    """All of them at once."""
    with tempfile.TemporaryDirectory(prefix="arrays-") as name_of_folder:
        folder = Path(name_of_folder)
        loop = as_int16(cabin_loop(load_layout(LAYOUT), seconds=60.0, rng=np.random.default_rng([settings.seed, 32])))
        np.save(folder / "loop.npy", loop.T.copy())
        command = [sys.executable, __file__, str(folder), str(settings.amount(45, 600))]
        path = ":".join([str(Path(__file__).parents[1]), *sys.path])
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found = json.loads(done.stdout)
    each = found["share"] / ARRAYS
    name = f"{ARRAYS} arrays in one process, real time"
    results = [
        one(f"{name}: CPU of each", each, unit="% of a core", n=ARRAYS),
        one(f"{name}: memory of each", (found["memory_mb"] - found["before_mb"]) / ARRAYS, unit="MB", n=ARRAYS),
        one(f"{name}: memory of the process", found["memory_mb"], unit="MB"),
        one(f"{name}: late at most", found["late_s"], unit="s"),
        one(
            "arrays that one core carries in real time, extrapolated from 32",
            float(int(100.0 / each)),
            unit="arrays",
            better="higher",
        ),
    ]
    table = "\n".join(rows.lines(results))
    return Part(f"## Many arrays\n\n{_TEXT}\n\n{table}", tuple(results))


if __name__ == "__main__":
    where = Path(sys.argv[1])
    print(json.dumps(watched(np.load(where / "loop.npy"), where, for_s=float(sys.argv[2]))))
