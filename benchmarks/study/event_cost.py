"""CPU time of one event: a plain script, the same with the shipped localizer, and both engines, in turn in one run."""

import time
from collections.abc import Callable

import numpy as np
import plain_script
import rows
from pieces import Part, Settings, with_goals
from sites import PACK, study_of

from trad_array.localization.robust import Robust
from trad_array.records import Block
from trad_array.study import spectral_engine, time_engine
from trad_array.study.draws import event_draws
from trad_array.study.records import MISMATCHES, Condition, Study
from trad_array.study.world import World
from trad_array_geometry import load_layout

CONDITION = Condition(0.5, -20.0, 0.5, mismatch=MISMATCHES["M1"])
PLAIN, ROBUST, TIME = "plain script", "plain script with the shipped localizer", "time engine"
SPECTRAL, SHARD = "spectral engine, ready", "spectral engine, shards with their set-up"
_TEXT = """Four microphones of `pack-corners`, 52 cells, vents of 0.5 s, RT60 0.5 s, -20 dB, mismatch M1, in one process
on one thread; CPU time of the process. The methods take turns, batch by batch; an event is the batch over its events,
low and high are the 5 and 95 % quantiles over the batches. The plain script
(`benchmarks/study/plain_script.py`) keeps responses and noise, takes each spectrum once and cuts 0.5 s; with the
shipped localizer it also hands over the two seconds before the event, which that one uses. Its layout file is wrong
once for all events, since the shipped localizer makes tables of every new file; the engines draw the mismatch for each
event. The engines take a shard of {shard} events at a time (a study's default is 2000). *Ready*: what a layout in a
condition needs has been prepared; the set-up is told by itself, for the first condition in a room and for further
levels in the same room. Compiled code comes from numba's cache; it is made once, the first time the engine is used.

Right cells (of the plain script for one draw of the mismatch): {right}."""


def part(settings: Settings) -> Part:
    """Every method in every batch."""
    batches = settings.number(7, 40, least=2)
    shard = settings.number(2000, 2000, least=64)
    study = study_of(PACK, seed=settings.seed, conditions=(CONDITION,))
    world = World(study, settings.cache)
    world.noise(CONDITION.rt60_s, CONDITION.fan)
    methods = _methods(world, settings, n_plain=settings.number(60, 60, least=4), shard=shard)
    for run, n in methods.values():
        run(min(n, 64), 0)  # compiled code is loaded, tables are filled
    ms: dict[str, list[float]] = {name: [] for name in methods}
    right = dict.fromkeys(methods, 0)
    for batch in range(batches):
        for name, (run, n) in methods.items():
            began = time.process_time()
            right[name] += run(n, batch * n)
            ms[name].append(1000.0 * (time.process_time() - began) / n)
    goals = {TIME: 2.5, SPECTRAL: 0.12, SHARD: 0.12}
    found = [
        rows.median(f"{name}: CPU time of an event", values, unit="ms", goal=goals.get(name), better="lower")
        for name, values in ms.items()
    ]
    for name in (ROBUST, TIME, SPECTRAL, SHARD):
        ratios = [plain / own for plain, own in zip(ms[PLAIN], ms[name], strict=True)]
        found.append(rows.median(f"plain script / {name}", ratios, unit="x", goal=None, better="higher"))
    found += _set_ups(study, settings, times=batches)
    said = ", ".join(f"{name} {100 * right[name] / (batches * n):.0f} %" for name, (_, n) in methods.items())
    page = f"## CPU time of an event\n\n{_TEXT.format(shard=shard, right=said)}\n\n" + "\n".join(rows.lines(found))
    quoted = (found[0], *with_goals(found), *(row for row in found if row.name.startswith("plain script / ")))
    return Part(page, tuple(found), quoted)


def _methods(
    world: World, settings: Settings, *, n_plain: int, shard: int
) -> dict[str, tuple[Callable[[int, int], int], int]]:
    """Of each method: a function of (events, first event) that gives the number of right cells, and its batch."""
    choice, seed = world.study.choices[0], settings.seed
    room = plain_script.make_room(load_layout(PACK), rt60_s=CONDITION.rt60_s, seed=seed)
    engine = spectral_engine.spectral_engine(world, choice, CONDITION)

    def plain(n: int, first: int, *, shipped: bool = False) -> int:
        return sum(_plainly(room, [seed, first + k], shipped=shipped) for k in range(n))

    def ready(n: int, first: int) -> int:
        draws = event_draws(world.study.site, CONDITION, seed=seed, first=first, n=n)
        return int((engine.named(draws, first=first, n=n) == draws.cell).sum())

    def localized(localize: Callable[..., time_engine.Answers], n: int, first: int) -> int:
        answers = localize(world, choice, CONDITION, first=first, n=n)
        return int((answers.named == answers.cell).sum())

    return {
        PLAIN: (plain, n_plain),
        ROBUST: (lambda n, first: plain(n, first, shipped=True), n_plain),
        TIME: (lambda n, first: localized(time_engine.localized, n, first), shard),
        SPECTRAL: (ready, shard),
        SHARD: (lambda n, first: localized(spectral_engine.localized, n, first), shard),
    }


def _plainly(room: plain_script.Room, seed: list[int], *, shipped: bool) -> bool:
    """Whether the plain script names the right cell of one event."""
    rng = np.random.default_rng(seed)
    cell, samples, onset = plain_script.event(room, rng, snr_db=CONDITION.snr_db, duration_s=CONDITION.duration_s)
    if shipped:
        cut = Block(samples, 0, plain_script.FS)
        return Robust()(cut, room.file, speed_of_sound=room.file.speed_of_sound, onset=onset).best == cell
    return plain_script.name_cell(samples[:, onset:], room.file) == cell


def _set_ups(study: Study, settings: Settings, *, times: int) -> list[rows.Row]:
    """What the spectral engine needs before its first event, with the room on disk."""
    first, further = [], []
    for _ in range(times):
        world = World(study, settings.cache)
        world.noise(CONDITION.rt60_s, CONDITION.fan)
        for kept in (first, further):
            began = time.process_time()
            spectral_engine.spectral_engine(world, study.choices[0], CONDITION)
            kept.append(1000.0 * (time.process_time() - began))
    name = "spectral engine: CPU time of the set-up of a layout"
    return [
        rows.median(f"{name}, first condition in a room", first, unit="ms", goal=None, better="lower"),
        rows.median(f"{name}, further ones", further, unit="ms", goal=None, better="lower"),
    ]
