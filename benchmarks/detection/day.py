"""A day of everyday sounds, and vents of all kinds, through the whole chain as `trad-array monitor` runs it.

The day is a schedule: so many air tools, doors, contactors, extinguishers and starts of the air conditioner, an hour of
speech, two hours of rain, and the cabin's own noise with its converter's whine all the time. Every sound of it is
simulated by itself, in a cabin of its own with fans, level and echoes drawn anew, at a place at least 0.6 m from every
cell. What is counted are alarms: a map that puts the sound in a cell, or a sound that lasts and is placed nowhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from hear import Heard, hear
from parts import Part, Settings
from takes import FS, NORMAL, VENT, Surroundings, Wish, make_pair, make_take, rng_of
from workers import results_of

from trad_array.chain import Chain, make_chain
from trad_array.records import Recording
from trad_array_geometry import load_layout

LAYOUTS = ("row-corners", "pack-corners", "row-frame")
# Everyday sounds a day, and levels they are heard at, full band, dB: our choice.
SHORT = {"air-tool": 20, "door": 50, "contactor": 200, "extinguisher": 1, "hvac": 48}
SHORT_SNR_DB = (-10.0, 20.0)
LONG_HOURS = {"speech": 1.0, "rain": 2.0, NORMAL: 21.0}
LONG_SNR_DB = {"speech": (-10.0, 15.0), "rain": (0.0, 20.0), NORMAL: (0.0, 0.0)}
LONG_S = 60.0
# Few of a kind a day: so many more are heard of them, and each counts so much less.
AT_LEAST = 20
VENT_SNRS_DB = (-20.0, -15.0, -10.0)
FRAME_RT60_S = (0.4, 0.4)
# Whose days the thresholds of a site are learned from; nothing is reported of them.
LEARN_SEED = 300
PLAIN, AIR, MIC, DEAD, DURING_RAIN, DURING_TOOL = "plain", "air", "mic", "dead", "rain", "air-tool"
WRONG = {AIR: "air 15 K off", MIC: "microphones 10 mm off", DEAD: "one microphone dead"}


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is heard.

    days : of short sounds, counted; learn_days : of those that thresholds are learned from
    speech_s, rain_s, normal_s : seconds of long sounds for each layout
    vents, wrong, pairs : vents for each layout: plain, in a layout that is wrong, during another sound
    """

    days: float
    learn_days: float
    speech_s: float
    rain_s: float
    normal_s: float
    vents: int
    wrong: int
    pairs: int

    @classmethod
    def parsed(cls, text: str) -> "Amount":
        """From eight numbers with commas between them, in the order above; raises ValueError for anything else."""
        numbers = [float(part) for part in text.split(",")]
        if len(numbers) != len(fields(cls)) or min(numbers) < 0:
            raise ValueError(f"expected {len(fields(cls))} numbers from 0, found {text!r}")
        return cls(*numbers[:5], *(round(number) for number in numbers[5:]))


QUICK = Amount(0.3, 0.0, 120.0, 120.0, 240.0, 20, 10, 8)
FULL = Amount(7.0, 3.5, 3600.0, 7200.0, 7200.0, 200, 100, 60)


@dataclass(frozen=True, slots=True)
class Task:
    """One take, heard at one or several levels."""

    layout: str
    group: str
    kind: str
    number: int
    seed: int


def part(settings: Settings) -> Part:
    """See `command`."""
    from day_tables import day_part

    amount = Amount.parsed(settings.amount) if settings.amount else FULL if settings.full else QUICK
    tasks = list(_tasks(amount, settings.seed))
    heard = results_of(work, tasks, workers=settings.workers, label="a day and its vents", price=_price)
    return day_part([(task, h) for task, found in zip(tasks, heard, strict=True) for h in found], amount)


def work(task: Task) -> list[Heard]:
    """What the chain says about a take."""
    chain = chain_of(task.layout)
    rng = rng_of(f"day {task.group}", chain.layout, task.kind, seed=task.seed, number=task.number)
    if task.kind != VENT:
        return [_everyday(chain, task, rng)]
    return list(_pair(chain, task, rng) if task.group in (DURING_RAIN, DURING_TOOL) else _vents(chain, task, rng))


def _tasks(amount: Amount, seed: int) -> Iterator[Task]:
    for layout in LAYOUTS:
        for group, number_seed, days in (("day", seed, amount.days), ("learn", LEARN_SEED, amount.learn_days)):
            for kind in SHORT:
                yield from (Task(layout, group, kind, n, number_seed) for n in range(n_short(kind, days)))
        for kind, seconds in (("speech", amount.speech_s), ("rain", amount.rain_s), (NORMAL, amount.normal_s)):
            yield from (Task(layout, "day", kind, n, seed) for n in range(round(seconds / LONG_S)))
        yield from (Task(layout, PLAIN, VENT, n, seed) for n in range(amount.vents))
        for group in WRONG:
            yield from (Task(layout, group, VENT, n, seed) for n in range(amount.wrong))
        for group in (DURING_RAIN, DURING_TOOL):
            yield from (Task(layout, group, VENT, n, seed) for n in range(amount.pairs))


def n_short(kind: str, days: float) -> int:
    """How many of a kind are heard for so many days."""
    if days == 0:
        return 0
    return max(round(SHORT[kind] * days), AT_LEAST if days >= 1 else 4)


def _everyday(chain: Chain, task: Task, rng: np.random.Generator) -> Heard:
    long = task.kind in LONG_HOURS
    seconds = LONG_S + 3.0 if long else 8.0 if task.kind == "extinguisher" else 6.0
    around = _around(task)
    wish = Wish(task.kind, duration_s=LONG_S if long else None, seconds=seconds, around=around)
    take = make_take(chain.layout, wish, rng)
    snr_db = float(rng.uniform(*(LONG_SNR_DB[task.kind] if long else SHORT_SNR_DB)))
    return hear(chain, take, number=task.number, snr_db=snr_db)


def _vents(chain: Chain, task: Task, rng: np.random.Generator) -> Iterator[Heard]:
    mismatch = task.group if task.group in (AIR, MIC) else "none"
    take = make_take(chain.layout, Wish(VENT, seconds=8.0, around=replace(_around(task), mismatch=mismatch)), rng)
    for snr_db in VENT_SNRS_DB if task.group == PLAIN else VENT_SNRS_DB[-1:]:
        recording = take.at(snr_db)
        if task.group == DEAD:
            samples = recording.samples.copy()
            samples[task.number % len(samples)] = 0.0
            recording = Recording(samples, FS)
        yield hear(chain, take, number=task.number, snr_db=snr_db, recording=recording)


def _pair(chain: Chain, task: Task, rng: np.random.Generator) -> Iterator[Heard]:
    around = replace(_around(task), mismatch="none")
    during = Wish(task.group, duration_s=9.0, place="tool", seconds=12.0, around=around)
    vent = Wish(VENT, seconds=12.0, onset_s=6.6, around=around)
    take, recording = make_pair(chain.layout, during, vent, rng=rng)
    yield hear(chain, take, number=task.number, snr_db=0.0, recording=recording)


def _around(task: Task) -> Surroundings:
    return Surroundings(rt60_s=FRAME_RT60_S) if task.layout == "row-frame" else Surroundings()


@lru_cache(maxsize=8)
def chain_of(name: str) -> Chain:
    """The default chain, once for each process."""
    return make_chain(load_layout(name))


def _price(task: Task) -> float:
    """Seconds, roughly, on a core that does nothing else."""
    if task.kind in LONG_HOURS:
        return {"rain": 3.5, NORMAL: 0.7}.get(task.kind, 2.5)
    return {DURING_RAIN: 2.5, DURING_TOOL: 1.5}.get(task.group, 0.3)


def of(heard: Sequence[tuple[Task, Heard]], *, layout: str, group: str, kind: str = VENT) -> list[Heard]:
    """What was heard of one kind in one group."""
    return [h for task, h in heard if (task.layout, task.group, task.kind) == (layout, group, kind)]
