"""A million events through a whole run of a study, rooms ready, on two processes."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import rows
from pieces import Part, Settings, one, with_goals
from sites import CEILING, PACK, POSTS, WALLS, study_of

from trad_array.study.records import MISMATCHES, Condition, Study
from trad_array.study.running import run
from trad_array.study.world import World

_M1 = MISMATCHES["M1"]
CONDITIONS = (
    Condition(0.3, -22.0),
    Condition(0.3, -16.0, mismatch=_M1),
    Condition(0.5, -22.0),
    Condition(0.5, -20.0, mismatch=_M1),
    Condition(0.5, -12.0, mismatch=_M1),
)
_TEXT = """`trad_array.study.running.run`, from an empty run folder to the table: {events} vents of 0.5 s, {layouts}
layouts of four microphones ({names}) under {conditions} conditions (RT60 0.3 and 0.5 s, -22 to -12 dB, no mismatch and
M1), spectral engine, {workers} processes, shards of {shard} events. Rooms and noise are in the cache before; the start
of the processes, the set-up of every layout and the table are in the time, the comparison of the engines is not asked
for. Right cells over all of it: {right:.1f} %."""


def part(settings: Settings) -> Part:
    """One run, in the full form three."""
    study = _study(settings)
    _make_rooms(study, settings)
    seconds, right, n = [], 0, 0
    for _ in range(settings.number(1, 3)):
        with tempfile.TemporaryDirectory(prefix="million-") as folder:
            began = time.perf_counter()
            table = run(study, Path(folder), cache=settings.cache, workers=settings.workers)
            seconds.append(time.perf_counter() - began)
        right, n = int(np.asarray(table["right"]).sum()), int(np.asarray(table["n"]).sum())
    name = f"{n} events, {settings.workers} processes, bank ready: wall clock"
    goal = 120.0 if n >= 1_000_000 else None
    found = [
        rows.median(name, seconds, unit="s", goal=goal, better="lower"),
        one("the same: events a second", n / float(np.median(seconds)), unit="/ s", better="higher", n=len(seconds)),
    ]
    text = _TEXT.format(
        events=n,
        layouts=len(study.choices),
        names=", ".join(choice.name for choice in study.choices),
        conditions=len(study.conditions),
        workers=settings.workers,
        shard=study.shard_events,
        right=100 * right / n,
    )
    return Part(f"## A million events\n\n{text}\n\n" + "\n".join(rows.lines(found)), tuple(found), with_goals(found))


def _study(settings: Settings) -> Study:
    study = study_of(
        PACK,
        seed=settings.seed,
        extra={"two posts": POSTS, "ceiling": CEILING, "walls": WALLS},
        conditions=CONDITIONS,
    )
    events = settings.number(1_000_000, 1_000_000) // (len(study.choices) * len(CONDITIONS))
    return replace(study, events=max(events, 1), shard_events=10_000, agreement_events=0)


def _make_rooms(study: Study, settings: Settings) -> None:
    world = World(study, settings.cache, workers=settings.workers)
    for condition in study.conditions:
        world.noise(condition.rt60_s, condition.fan)
