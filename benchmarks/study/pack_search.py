"""Four microphones for the pack, searched, against the shipped four."""

import time

import rows
from pieces import Part, Settings, one
from sites import PACK, pack_study

from trad_array.study.outcomes import Difference, paired_difference, share, simulate
from trad_array.study.records import MISMATCHES, Choice, Condition
from trad_array.study.search import Found, optimise
from trad_array.study.search_records import SearchPlan
from trad_array.study.world import World

_M1 = MISMATCHES["M1"]
CONDITIONS = (Condition(0.5, -12.0, mismatch=_M1), Condition(0.5, -20.0, mismatch=_M1))
_TEXT = """`trad_array.study.search.optimise`, aim: mean P(right cell); four microphones from 44 places (forty on a
frame around the pack, ceiling and long walls, and those of `pack-corners`), against `pack-corners`, which has as many.
RT60 0.5 s, vents of 0.5 s, mismatch M1. At most {trials} layouts are previewed, the best {short} simulated with
{events} vents each. Both are then compared on vents that the search has not seen, {confirm} by the spectral engine and
{heard} by the time engine, the same ones for both; low and high of the difference are its 95 % interval, event by
event. Whether a sound from above the pack would be given to a cell is not weighed: for that `pack-corners` has
its raised microphone.

{said}"""


def part(settings: Settings) -> Part:
    """Both levels."""
    plan = SearchPlan(
        mics=4,
        aim="mean",
        trials=settings.number(3_000, 20_000, least=40),
        shortlist=settings.number(12, 40, least=2),
        events=settings.number(2_000, 10_000, least=50),
        confirm_events=settings.number(20_000, 200_000, least=50),
    )
    heard = settings.number(1_000, 20_000, least=20)
    found: list[rows.Row] = []
    said = []
    for condition in CONDITIONS:
        study = pack_study(seed=settings.seed, conditions=(condition,))
        world = World(study, settings.cache, workers=settings.workers)
        world.noise(condition.rt60_s, condition.fan)
        began = time.perf_counter()
        best = optimise(world, plan, workers=settings.workers)
        seconds = time.perf_counter() - began
        found += _rows(world, best, seconds=seconds, heard=heard, settings=settings)
        said.append(_said(world, best.best.choice, condition, method=best.method, tried=best.n_tried))
    text = _TEXT.format(
        trials=plan.trials,
        short=plan.shortlist,
        events=plan.events,
        confirm=plan.confirm_events,
        heard=heard,
        said="\n\n".join(said),
    )
    quoted = tuple(row for row in found if "points" in row.unit)
    title = "## Four microphones for the pack, searched"
    return Part(f"{title}\n\n{text}\n\n" + "\n".join(rows.lines(found)), tuple(found), quoted)


def _rows(world: World, best: Found, *, seconds: float, heard: int, settings: Settings) -> list[rows.Row]:
    words = f"M1, {best.condition.snr_db:g} dB"
    ours, theirs = best.best.share, best.reference.share
    by_sound = simulate(
        world,
        [best.best.choice, best.reference.choice],
        best.condition,
        events=heard,
        fresh=True,
        engine="time",
        workers=settings.workers,
    )
    sounds = [share(world.study, outcome) for outcome in by_sound]
    found = [
        _difference(f"{words}: searched four less {PACK}", best.difference),
        _difference(f"{words}: the same, heard by the time engine", paired_difference(*by_sound)),
    ]
    for engine, (first, second) in (("spectral", (ours, theirs)), ("time", (sounds[0], sounds[1]))):
        for layout, counted in (("searched four", first), (PACK, second)):
            name = f"{words}: right cell, {layout}, {engine} engine"
            found.append(rows.share(name, round(counted.p * counted.n), counted.n, goal=None))
    return [*found, one(f"{words}: search, wall clock", seconds, unit="s")]


def _difference(name: str, found: Difference) -> rows.Row:
    value, low, high = (100 * v for v in (found.difference, found.low, found.high))
    return rows.Row(name, value, "points", None, "higher", found.n, low, high)


def _said(world: World, best: Choice, condition: Condition, *, method: str, tried: int) -> str:
    points = world.study.points
    places = "; ".join(
        f"{points.names[k]} ({', '.join(f'{v:.2f}' for v in points.positions_m[k])}) m" for k in best.points
    )
    return f"{condition.snr_db:g} dB: found by {method} among {tried} layouts: {places}."
