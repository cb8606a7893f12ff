"""Days in minutes: the whole watch, store and outputs on, over simulated sound that never ends; is its memory flat?

Run as a program it watches and prints what it found; `part` runs it as one, so that nothing else is in its memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import rows
from cabin import as_int16, cabin_loop, everyday
from measured import FS, LAYOUT, Part, Settings, one, resident_mb
from numpy.typing import NDArray

from trad_array.alarm.health import HealthRule
from trad_array.alarm.outputs import make_output
from trad_array.alarm.outputs.dispatch import Dispatcher
from trad_array.alarm.retention import RetentionRule
from trad_array.alarm.store import Store
from trad_array.audio.captured import Captured, Piece
from trad_array.audio.to_rate import ToRate
from trad_array.chain import make_chain
from trad_array.events import Origin
from trad_array.monitor.keeper import Keeper, Provenance
from trad_array.monitor.runner import Surroundings, run_watch
from trad_array.monitor.watch import Watch, WatchOutput, WatchState
from trad_array_geometry import load_layout

HOUR_S, DAY_S = 3_600.0, 86_400.0
# Everyday sounds an hour, and the part of the time that counts as warming up.
_SOUNDS_AN_HOUR, _WARM_UP_H = 1.0, 3.0
_LOOK_H = 0.25
_TEXT = """Two minutes of simulated cabin noise come again and again, an everyday sound an hour (door, contactor, air
tool, ventilation, speech) is added at random times, and the watch hears them as fast as it can in one process, in
pieces of {block_s:g} s, with its store, evidence (but for the pictures, which a process of its own draws) and a JSON
file as output. The first {warm:g} simulated hours, in which levels and lags are learned, are warming up. Growth is the
median of the last tenth of the looks at resident memory less the median of as many just after warming up; low and high
are those of all looks after warming up. The simulator that made the sound is in the memory, too."""
BLOCK_S = 1.0


class Endless:
    """Cabin noise and everyday sounds, as fast as somebody takes them; a `SoundSource`."""

    name, fs = "simulated cabin", FS

    def __init__(self, *, seconds: float, block_s: float, seed: int) -> None:
        rng, layout = np.random.default_rng(seed), load_layout(LAYOUT)
        self._loop = as_int16(cabin_loop(layout, seconds=120.0, rng=rng)).T.copy()
        self._sounds = [as_int16(sound.samples).T.copy() for sound in everyday(layout, rng=rng)]
        self._size, self._seconds, self._rng = round(block_s * FS), seconds, rng

    def pieces(self) -> Iterator[Piece]:
        """All of it."""
        at, sound, since = 0, self._sounds[0], 0
        following = self._pause()
        while at < self._seconds * FS:
            samples = self._part(self._loop, at)
            if at >= following:
                sound, since, following = self._sounds[self._rng.integers(len(self._sounds))], at, at + self._pause()
            left = sound[:, at - since : at - since + self._size]
            samples[:, : left.shape[1]] += left
            yield Captured(samples, at, FS)
            at += self._size

    def _part(self, loop: NDArray[np.int16], at: int) -> NDArray[np.int16]:
        first = at % loop.shape[1]
        part = loop[:, first : first + self._size].copy()
        if part.shape[1] < self._size:
            part = np.concatenate([part, loop[:, : self._size - part.shape[1]]], axis=1)
        return part

    def _pause(self) -> int:
        return round(self._rng.exponential(HOUR_S / _SOUNDS_AN_HOUR) * FS)

    def close(self) -> None:
        """There is nothing to let go of."""


def watched(*, hours: float, seed: int) -> dict[str, object]:
    """Watch so many simulated hours in this process."""
    layout = load_layout(LAYOUT)
    source, chain = Endless(seconds=hours * HOUR_S, block_s=BLOCK_S, seed=seed), make_chain(layout)
    health = HealthRule(mics=layout.mic_names)
    watch = Watch(chain, ToRate(FS, chain.features.fs), Origin(source.name, "excess"), health)
    looks: list[tuple[float, float]] = []
    levels: dict[str, int] = {}

    def on_step(state: WatchState, output: WatchOutput) -> None:
        for message in output.messages:
            key = message["level"] if message["schema"].startswith("trad-array/event/") else message["schema"]
            levels[key] = levels.get(key, 0) + 1
        if state.now_s >= _LOOK_H * HOUR_S * (len(looks) + 1):
            looks.append((state.now_s / HOUR_S, resident_mb()))

    with tempfile.TemporaryDirectory(prefix="week-") as folder:
        store = Store(Path(folder) / "store")
        dispatcher = Dispatcher(store, [make_output(f"json:{folder}/told.jsonl")])
        provenance = Provenance(layout_toml="", config={})
        keeper = Keeper(store, dispatcher, provenance=provenance, retention=RetentionRule(), health=health, draw=False)
        began_s = time.monotonic()
        run_watch(watch, watch.start(), source, Surroundings(keeper, keeper, None, on_step), stop=Event())
        took_s = time.monotonic() - began_s
        keeper.close()
    return {"looks": looks, "took_s": took_s, "levels": levels}


def part(settings: Settings) -> Part:
    """A simulated day, or a week."""
    hours = settings.amount(24.0, 7 * 24.0)
    command = [sys.executable, __file__, str(hours), str(settings.seed)]
    path = ":".join([str(Path(__file__).parents[1]), *sys.path])
    import os

    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})
    found = json.loads(done.stdout)
    looks = found["looks"]
    warm = min(_WARM_UP_H, hours / 3)
    memory = [mb for at_h, mb in looks if at_h >= warm]
    n = max(1, len(memory) // 10)
    first, last = float(np.median(memory[:n])), float(np.median(memory[-n:]))
    form = "week" if settings.full else "day"
    speed = hours * HOUR_S / found["took_s"]
    results = [
        one(f"simulated {form}, replay: speed", speed, unit="x real time", goal=300, better="higher"),
        rows.Row(
            # The goal is that of a week; a day that stays below it has not reached it.
            f"simulated {form}, replay: growth of resident memory", last - first, "MB", 2 if settings.full else None,
            "lower", len(memory),
            min(memory) - first, max(memory) - first,
        ),
        one(f"simulated {form}, replay: resident memory at the end", last, unit="MB", n=n),
    ]  # fmt: skip
    text = _TEXT.format(block_s=BLOCK_S, warm=round(warm, 2))
    heard = ", ".join(f"{number} {name}" for name, number in sorted(found["levels"].items()))
    table = "\n".join(rows.lines(results))
    page = f"## Flat over a simulated week\n\n{text}\n\n{hours:g} hours were heard; messages: {heard}.\n\n{table}"
    return Part(page, tuple(results))


if __name__ == "__main__":
    print(json.dumps(watched(hours=float(sys.argv[1]), seed=int(sys.argv[2]))))
