"""How far the spectral engine is from the time engine, at twenty operating points."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import rows
from agreement_points import LOOKED_AT, N_DRAWN, RULE, Point, choice_of, drawn, world_of
from pieces import Part, Settings, one

from trad_array.study import spectral_engine, time_engine
from trad_array.study.agreement import Agreement
from trad_array.study.records import ALL_MICS

# What the engines owe each other, of P(right cell).
OWED = 0.01
# Events that a process takes at once: some seconds of the time engine.
_PIECE = 1000
_CHANCE_RUNS = 20_000
_TEXT = """The same vents through both engines, {n} at each point; what is drawn inside an engine is its own, so their
shares scatter like those of two samples. The interval is Newcombe's (95 %). *0.01*: whether the interval leaves room
for a difference of at most 0.01. With {n} events, engines that are equal would show a largest difference of
{chance:.4f} or more in one of twenty such runs over the first ten points, {chance_drawn:.4f} over the others: a smaller
one does not tell them apart. The mean over all points is known better.

The first ten points were looked at while the spectral engine was made, with seed 1; here the seed is {seed}: other
tails of the rooms, other vents, other noise.

{looked}

The others nobody has looked at. {rule}

{others}"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A point and how often each engine was right there."""

    point: Point
    found: Agreement

    @property
    def excludes(self) -> bool:
        """Whether a difference of at most `OWED` is outside the interval."""
        low, high = self.found.interval
        return low > OWED or high < -OWED


def part(settings: Settings) -> Part:
    """Both sets of points."""
    n, n_drawn = settings.number(2_000, 10_000, least=20), max(1, min(N_DRAWN, round(N_DRAWN * settings.times)))
    looked_at = LOOKED_AT[: max(1, min(len(LOOKED_AT), round(len(LOOKED_AT) * settings.times)))]
    others = drawn(n_drawn, seed=settings.seed, cache=settings.cache, workers=settings.workers)
    measured = measure([*looked_at, *others], n=n, settings=settings)
    sets = {"ten points looked at before": measured[: len(looked_at)], "ten other points": measured[len(looked_at) :]}
    rng = np.random.default_rng([settings.seed, 0xC4])
    chances = {name: chance(some, rng=rng) for name, some in sets.items()}
    found = [row for name, some in sets.items() for row in _rows(name, some, chances[name])]
    found.append(_mean(measured))
    text = _TEXT.format(
        n=n,
        seed=settings.seed,
        rule=RULE,
        chance=chances["ten points looked at before"],
        chance_drawn=chances["ten other points"],
        looked=table(sets["ten points looked at before"]),
        others=table(sets["ten other points"]),
    )
    quoted = tuple(row for row in found if row.goal is not None or "mean" in row.name or "chance" in row.name)
    return Part(f"## Agreement of the engines\n\n{text}\n\n" + "\n".join(rows.lines(found)), tuple(found), quoted)


def measure(points: Sequence[Point], *, n: int, settings: Settings) -> list[Measured]:
    """Both engines at every point, in pieces on several processes."""
    for point in points:
        world = world_of(point.site, settings.seed, settings.cache, settings.workers)
        world.noise(point.condition.rt60_s, point.condition.fan)
    pieces = [(k, first, min(_PIECE, n - first)) for k in range(len(points)) for first in range(0, n, _PIECE)]
    right = np.zeros((len(points), 2), dtype=int)
    with ProcessPoolExecutor(settings.workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(counts, points[k], settings.seed, settings.cache, first=first, n=some)
            for k, first, some in pieces
        ]
        for (k, _, _), job in zip(pieces, jobs, strict=True):
            right[k] += job.result()
    return [
        Measured(point, Agreement(n, time=int(time), spectral=int(spectral)))
        for point, (time, spectral) in zip(points, right, strict=True)
    ]


def counts(point: Point, seed: int, cache: Path, *, first: int, n: int) -> tuple[int, int]:
    """Right cells of the time engine and of the spectral engine."""
    world = world_of(point.site, seed, cache)
    both = [
        engine.localized(world, choice_of(world, point.layout), point.condition, first=first, n=n)
        for engine in (time_engine, spectral_engine)
    ]
    time, spectral = (int((answers.cell == answers.named).sum()) for answers in both)
    return time, spectral


def chance(measured: Sequence[Measured], *, rng: np.random.Generator) -> float:
    """Largest difference over the points that equal engines exceed in one of twenty runs."""
    n = measured[0].found.n
    shares = np.array([(m.found.time + m.found.spectral) / (2 * n) for m in measured])
    pairs = rng.binomial(n, shares, (2, _CHANCE_RUNS, len(shares))) / n
    return float(np.quantile(np.abs(pairs[0] - pairs[1]).max(axis=1), 0.95))


def table(measured: Sequence[Measured]) -> str:
    """Every point, in Markdown."""
    lines = [
        "| layout | RT60 | SNR | duration | fans | mismatch | lost "
        "| time | spectral | difference | 95 % interval | 0.01 |",
        "| --- " * 12 + "|",
    ]
    for m in measured:
        c, found = m.point.condition, m.found
        low, high = found.interval
        lost = "-" if c.dead == ALL_MICS else "ABCDEFGH"[c.dead]
        lines.append(
            f"| {m.point.layout} | {c.rt60_s:g} s | {c.snr_db:g} dB | {c.duration_s:g} s | {c.fan.name} "
            f"| {c.mismatch.name} | {lost} | {found.time / found.n:.4f} | {found.spectral / found.n:.4f} "
            f"| {found.difference:+.4f} | {low:+.4f} to {high:+.4f} | {'left out' if m.excludes else 'possible'} |"
        )
    return "\n".join(lines)


def _rows(name: str, measured: Sequence[Measured], by_chance: float) -> list[rows.Row]:
    worst = max(measured, key=lambda m: abs(m.found.difference))
    low, high = worst.found.interval
    sizes = sorted((abs(low), abs(high)))
    n, words = worst.found.n, f"engines, {name}"
    largest = rows.Row(
        f"{words}: largest difference in P(right cell)",
        abs(worst.found.difference),
        "",
        OWED,
        "lower",
        n,
        0.0 if low <= 0.0 <= high else sizes[0],
        sizes[1],
    )
    excluded = sum(m.excludes for m in measured)
    return [
        largest,
        one(f"{words}: that chance alone exceeds in one of twenty runs", by_chance, unit="", n=n),
        one(f"{words}: points whose interval leaves out 0.01", excluded, unit="points", goal=0.0, n=len(measured)),
    ]


def _mean(measured: Sequence[Measured]) -> rows.Row:
    """Mean difference over all points, with a normal interval."""
    n = measured[0].found.n
    shares = np.array([[m.found.time, m.found.spectral] for m in measured]) / n
    mean = float(np.mean([m.found.difference for m in measured]))
    half = 1.96 * float(np.sqrt((shares * (1 - shares) / n).sum())) / len(measured)
    name = "engines, all points: P(right cell), spectral less time, mean"
    return rows.Row(name, mean, "", None, "lower", n * len(measured), mean - half, mean + half)
