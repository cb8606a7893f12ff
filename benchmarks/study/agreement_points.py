"""Where the engines are held against each other: ten points that were looked at, ten that were drawn."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from sites import EIGHT, PACK, POSTS, SIX, study_of

from trad_array.study import spectral_engine
from trad_array.study.records import ALL_MICS, FANS, MISMATCHES, Choice, Condition, FanState, Mismatch
from trad_array.study.world import World

NONE, M1, M2 = (MISMATCHES[name] for name in ("none", "M1", "M2"))


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point. site : a shipped layout; layout : one of its choices."""

    site: str
    layout: str
    condition: Condition


def _pack(
    rt60_s: float,
    snr_db: float,
    wrong: Mismatch = NONE,
    *,
    duration_s: float = 0.5,
    layout: str = PACK,
    fan: FanState = FANS["normal"],
    dead: int = ALL_MICS,
) -> Point:
    return Point(PACK, layout, Condition(rt60_s, snr_db, duration_s, fan, wrong, dead))


LOOKED_AT = (
    _pack(0.3, -22.0),
    _pack(0.5, -23.0),
    _pack(0.5, -21.0, M1),
    _pack(0.5, -24.0, M1, duration_s=1.0),
    _pack(0.5, -18.0, M2),
    _pack(0.5, -19.0, M1, duration_s=0.25),
    _pack(0.5, -21.0, dead=0),
    _pack(0.5, -20.0, M1, layout="two posts"),
    _pack(0.3, -15.0, M1, fan=FANS["fast"]),
    Point("row-frame", "row-frame", Condition(0.4, -12.0, mismatch=M1)),
)

# The rule by which ten more are drawn; numbers are our choice.
N_DRAWN = 10
LAYOUTS = (("row-corners", "row-corners"), ("row-frame", "row-frame"), (PACK, "pack, 6"), (PACK, "pack, 8"))
RT60_S = (0.25, 0.35, 0.45, 0.6, 0.7)
DURATION_S = (0.1, 1.0)
SHARE = (0.3, 0.95)
RULE = """The layouts come in turn: `row-corners`, `row-frame`, the pack with six and with eight microphones. Drawn for
each point from a generator seeded with the seed of the benchmark: RT60 from 0.25, 0.35, 0.45, 0.6 and 0.7 s, the
duration from 0.1 to 1 s, evenly on a logarithmic scale, mismatch none, M1 or M2, fans normal or fast, and the share of
right cells that is aimed at, 30 to 95 %. The loudness is where the spectral engine, by bisection from -40 to 0 dB over
500 events that are not counted below, comes nearest to that share, rounded to half a decibel."""
_TRIAL_FIRST, _TRIAL_EVENTS, _STEPS = 1_000_000, 500, 8


@lru_cache(maxsize=8)
def world_of(site: str, seed: int, cache: Path, workers: int = 1) -> World:
    """The world of a site, once in a process."""
    if site != PACK:
        return World(study_of(site, seed=seed), cache, workers=workers)
    study = study_of(PACK, seed=seed, extra={"two posts": POSTS}, added={"pack, 6": SIX, "pack, 8": EIGHT})
    return World(study, cache, workers=workers)


def choice_of(world: World, name: str) -> Choice:
    """A layout of the world's study by its name."""
    return next(choice for choice in world.study.choices if choice.name == name)


def drawn(n: int, *, seed: int, cache: Path, workers: int) -> tuple[Point, ...]:
    """Points by `RULE`."""
    rng = np.random.default_rng([seed, 0xA9])
    found = []
    for number in range(n):
        site, layout = LAYOUTS[number % len(LAYOUTS)]
        rt60_s = float(rng.choice(RT60_S))
        duration_s = round(float(np.exp(rng.uniform(*np.log(DURATION_S)))), 2)
        wrong = (NONE, M1, M2)[rng.integers(3)]
        fan = FANS[("normal", "fast")[rng.integers(2)]]
        share = float(rng.uniform(*SHARE))
        condition = Condition(rt60_s, 0.0, duration_s, fan, wrong)
        snr_db = _loudness(world_of(site, seed, cache, workers), layout, condition, share=share)
        found.append(Point(site, layout, replace(condition, snr_db=snr_db)))
    return tuple(found)


def _loudness(world: World, layout: str, condition: Condition, *, share: float) -> float:
    """Where about this share of events is named right, dB."""
    low, high = -40.0, 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        answers = spectral_engine.localized(
            world,
            choice_of(world, layout),
            replace(condition, snr_db=middle),
            first=_TRIAL_FIRST,
            n=_TRIAL_EVENTS,
        )
        enough = (answers.cell == answers.named).mean() > share
        low, high = (low, middle) if enough else (middle, high)
    return round(2 * (low + high) / 2) / 2
