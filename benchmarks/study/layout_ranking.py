"""Ten thousand layouts ranked, and how far the preview is right."""

import time
from dataclasses import dataclass, replace

import numpy as np
import rows
from numpy.typing import NDArray
from pieces import Part, Settings, one, with_goals
from sites import free_points, pack_study

from trad_array.study.ranking import Ranking, rank, spearman
from trad_array.study.records import MISMATCHES, Condition, Study
from trad_array.study.search_records import RankPlan
from trad_array.study.world import World

_M1 = MISMATCHES["M1"]
CONDITIONS = (Condition(0.5, -20.0, mismatch=_M1), Condition(0.5, -12.0, mismatch=_M1), Condition(0.3, -22.0))
_RESAMPLED = 4000
_TEXT = """`trad_array.study.ranking.rank`: {layouts} layouts of four, drawn from the {possible:,} that {points} places
around the pack allow (a frame around it, ceiling, long walls), are previewed; the best {short} and {spread} more,
evenly from the best to the worst, are simulated with {events} vents each by the spectral engine, five finalists with
{final} by the time engine. {workers} processes; rooms and noise are ready. The rank correlation is over the layouts
from best to worst alone; low and high are the 2.5 and 97.5 % quantiles over layouts drawn anew. What is simulated has
chance in it, too, which lowers the correlation a little.

{conditions}"""


@dataclass(slots=True)
class Clock:
    """Seconds by stage."""

    last: float
    seconds: dict[str, float]

    def tell(self, stage: str, _done: int, _total: int) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def part(settings: Settings) -> Part:
    """One condition, in the full form three."""
    found: list[rows.Row] = []
    texts, plan = [], _plan(settings)
    for condition in CONDITIONS[: 3 if settings.full else 1]:
        study = replace(pack_study(seed=settings.seed, conditions=(condition,)), agreement_events=0)
        ranking, clock, seconds = _ranked(study, plan, settings)
        words = f"{condition.mismatch.name}, RT60 {condition.rt60_s:g} s, {condition.snr_db:g} dB"
        found += _rows(ranking, plan, seconds=seconds, words=words, settings=settings)
        texts.append(_said(ranking, clock, words=words))
    text = _TEXT.format(
        layouts=len(ranking.layouts),
        possible=ranking.n_possible,
        points=len(free_points(study)),
        short=plan.shortlist,
        spread=plan.spread,
        events=plan.events,
        final=plan.final_events,
        workers=settings.workers,
        conditions="\n\n".join(texts),
    )
    return Part(f"## Ranking layouts\n\n{text}\n\n" + "\n".join(rows.lines(found)), tuple(found), with_goals(found))


def _plan(settings: Settings) -> RankPlan:
    return RankPlan(
        mics=4,
        layouts=settings.number(10_000, 10_000, least=40),
        shortlist=settings.number(30, 30, least=2),
        spread=settings.number(120, 200, least=8),
        finalists=5,
        events=settings.number(2_000, 5_000, least=50),
        final_events=settings.number(500, 500, least=10),
    )


def _ranked(study: Study, plan: RankPlan, settings: Settings) -> tuple[Ranking, Clock, float]:
    world = World(study, settings.cache, workers=settings.workers)
    condition = study.conditions[0]
    world.noise(condition.rt60_s, condition.fan)
    clock = Clock(time.perf_counter(), {})
    began = clock.last
    ranking = rank(world, plan, free=free_points(study), workers=settings.workers, tell=clock.tell)
    return ranking, clock, time.perf_counter() - began


def even_ones(ranking: Ranking, spread: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Margin, log-determinant and simulated P of the layouts that are evenly spread from the best to the worst."""
    n = len(ranking.layouts)
    places = set(map(int, np.linspace(0, n - 1, min(spread, n)).round().astype(int) + 1))
    chosen = [row for row in ranking.rows if row.role != "reference" and row.place in places]
    margin, log_det, p = np.array([(row.margin, row.log_det, row.simulated.p) for row in chosen]).T
    return margin, log_det, p


def correlation(a: NDArray[np.float64], b: NDArray[np.float64], *, seed: int) -> tuple[float, float, float]:
    """Spearman's rank correlation with its interval, by layouts drawn anew."""
    rng = np.random.default_rng([seed, 0xB0])
    again = [rng.integers(len(a), size=len(a)) for _ in range(_RESAMPLED)]
    low, high = np.nanquantile([spearman(a[k], b[k]) for k in again], [0.025, 0.975])
    return spearman(a, b), float(low), float(high)


def _rows(ranking: Ranking, plan: RankPlan, *, seconds: float, words: str, settings: Settings) -> list[rows.Row]:
    margin, log_det, p = even_ones(ranking, plan.spread)
    n = len(ranking.layouts)
    goal = 300.0 if n >= 9_900 else None
    name = f"{n} layouts of 4 ranked, {words}"
    found = [one(f"{name}: wall clock, {settings.workers} processes", seconds, unit="s", goal=goal)]
    for preview, value, wanted in (("margin", margin, 0.95), ("log-determinant", log_det, None)):
        middle, low, high = correlation(value, p, seed=settings.seed)
        text = f"{name}: Spearman of the {preview} with P simulated"
        found.append(rows.Row(text, middle, "", wanted, "higher", len(p), low, high))
    return found


def _said(ranking: Ranking, clock: Clock, *, words: str) -> str:
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in clock.seconds.items())
    by_p = [row for row in ranking.rows if row.role != "reference"]
    own = next(row for row in ranking.rows if row.role == "reference")
    best = by_p[0]
    return (
        f"{words}: {stages}. P(right cell) as simulated goes from {by_p[-1].simulated.p:.3f} to "
        f"{best.simulated.p:.3f} (place {best.place} of the preview); `pack-corners` has {own.simulated.p:.3f} "
        f"and would be at place {own.place}."
    )
