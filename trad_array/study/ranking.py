"""Ranking thousands of layouts: all of them previewed, the best simulated, the best of those heard as sound.

Every layout is judged on the same events (common random numbers), so that their order is known better than the height
of each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.study.outcomes import Share, share, simulate
from trad_array.study.pair_tables import PreviewSpec
from trad_array.study.previews import Preview, checked_layouts, previewer
from trad_array.study.records import Choice, Condition, Points
from trad_array.study.search_records import RankPlan, condition_at

if TYPE_CHECKING:
    from trad_array.study.world import World

# Stage ("tables", "previews", "simulated", "finalists"), done, all.
Tell = Callable[[str, int, int], None]
# Two microphones nearer than this are no layout.
APART_M = 0.05
# Drawing layouts without repeats ends after so many times as many as were asked for.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Ranked:
    """One layout that was simulated.

    margin, margin_worst : estimate of the preview, mean over cells and worst cell; log_det, log_det_worst : nats
    place : among all that were previewed, from 1 on
    role : "reference", "shortlist" or "spread"
    simulated : by the spectral engine; final : of a finalist, by the time engine
    """

    choice: Choice
    role: str
    place: int
    margin: float
    margin_worst: float
    log_det: float
    log_det_worst: float
    simulated: Share
    final: Share | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What `rank` found.

    condition : at which; n_possible : layouts that there are; preview_of : which preview ranks
    layouts : (n_layouts, n_mics), every layout that was previewed, and preview of each
    rows : what was simulated, best first
    spearman, spearman_log_det : rank correlation of each preview with P simulated, over layouts from best to worst;
        NaN where fewer than three were simulated
    """

    condition: Condition
    n_possible: int
    preview_of: str
    layouts: NDArray[np.intp]
    preview: Preview
    rows: tuple[Ranked, ...]
    spearman: float
    spearman_log_det: float


def rank(
    world: "World",
    plan: RankPlan,
    *,
    free: Sequence[int] | None = None,
    workers: int = 1,
    folder: Path | None = None,
    spec: PreviewSpec | None = None,
    tell: Tell | None = None,
) -> Ranking:
    """Rank layouts of a study's points.

    Parameters
    ----------
    world : World
    plan : RankPlan
    free : indices of the points that layouts are made of; None takes all
    workers : threads of the previews and processes of the simulations
    folder : where simulated layouts are kept and found again, or None
    tell : told of each step

    Raises
    ------
    ConfigError
        If there are fewer points than microphones, or no condition is as the plan asks.
    """
    tell = tell or (lambda _stage, _done, _total: None)
    study, condition = world.study, condition_at(world.study, plan)
    points = np.arange(len(study.points)) if free is None else np.asarray(free, dtype=np.intp)
    layouts = possible_layouts(study.points, points, plan.mics, most=plan.layouts, seed=study.seed)
    reference = study.choices[0]
    judge = previewer(
        world, condition, n_mics=plan.mics, spec=spec, workers=workers, progress=lambda k, n: tell("tables", k, n)
    )
    preview = Preview(
        judge.margins(layouts, progress=lambda k, n: tell("previews", k, n)),
        judge.log_dets(layouts),
    )
    key = (preview.margin if plan.preview == "margin" else preview.log_det).mean(axis=1)
    order = np.argsort(-key, kind="stable")
    short = order[: plan.shortlist]
    spread = order[np.unique(np.linspace(0, len(order) - 1, min(plan.spread, len(order))).round().astype(int))]
    chosen = list(dict.fromkeys([*map(int, short), *map(int, spread)]))
    choices = [_choice(study.points, layouts[k]) for k in chosen]
    found = simulate(
        world,
        [reference, *choices],
        condition,
        events=plan.events,
        workers=workers,
        folder=folder,
        progress=lambda k, n: tell("simulated", k, n),
    )
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(1, len(order) + 1)
    shares = [share(study, outcome) for outcome in found]
    in_short = set(map(int, short))
    rows = [
        _ranked(choice, "shortlist" if k in in_short else "spread", int(place[k]), preview, k, counted)
        for k, choice, counted in zip(chosen, choices, shares[1:], strict=True)
    ]
    by_place = {k: counted.p for k, counted in zip(chosen, shares[1:], strict=True)}
    even = [int(k) for k in spread]
    p = np.array([by_place[k] for k in even])
    rows.append(_reference_row(reference, judge([reference.points]), key, preview, plan, shares[0]))
    rows = _with_finals(world, rows, condition, plan, workers=workers, folder=folder, tell=tell)
    return Ranking(
        condition,
        comb(len(points), plan.mics),
        plan.preview,
        layouts,
        preview,
        tuple(rows),
        spearman(preview.margin.mean(axis=1)[even], p),
        spearman(preview.log_det.mean(axis=1)[even], p),
    )


def possible_layouts(points: Points, free: NDArray[np.intp], n_mics: int, *, most: int, seed: int) -> NDArray[np.intp]:
    """Every set of so many free points, or a sample of them drawn with the seed; (n_layouts, n_mics), ascending.

    Sets with two microphones nearer than 5 cm are left out.

    Raises
    ------
    ConfigError
        If there are not enough points.
    """
    if not 2 <= n_mics <= len(free):
        raise ConfigError(f"mics: expected 2 to {len(free)}, the number of points, found {n_mics}")
    if comb(len(free), n_mics) <= most:
        layouts = np.array(list(combinations(np.sort(free), n_mics)), dtype=np.intp)
    else:
        layouts = _drawn(np.sort(free), n_mics, most, np.random.default_rng([seed, 0x524B]))
    layouts = layouts[apart(points, layouts)]
    if not len(layouts):
        raise ConfigError(f"candidates: expected {n_mics} points at least {APART_M} m apart, found none")
    return checked_layouts(layouts, n_points=len(points))


def apart(points: Points, layouts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether all microphones of each layout stand far enough from each other."""
    distances = np.linalg.norm(points.positions_m[:, None] - points.positions_m[None], axis=-1)
    good = np.ones(len(layouts), dtype=np.bool_)
    for i, j in combinations(range(layouts.shape[1]), 2):
        good &= distances[layouts[:, i], layouts[:, j]] >= APART_M
    return good


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Rank correlation; NaN with fewer than three values or where all are equal."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def layout_name(points: Points, layout: Sequence[int] | NDArray[np.integer]) -> str:
    """The names of its points."""
    return " + ".join(points.names[int(k)] for k in layout)


def _drawn(free: NDArray[np.intp], n_mics: int, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """So many different sets, in the order in which they were drawn."""
    found: dict[tuple[int, ...], None] = {}
    for _ in range(_TRIES):
        keys = rng.random((most, len(free)))
        sets = np.sort(free[np.argpartition(keys, n_mics - 1, axis=1)[:, :n_mics]], axis=1)
        found |= dict.fromkeys(map(tuple, sets.tolist()))
        if len(found) >= most:
            break
    return np.array(list(found)[:most], dtype=np.intp)


def _choice(points: Points, layout: NDArray[np.intp]) -> Choice:
    return Choice(layout_name(points, layout), tuple(int(k) for k in layout))


def _ranked(choice: Choice, role: str, place: int, preview: Preview, k: int, counted: Share) -> Ranked:
    margin, log_det = preview.margin[k], preview.log_det[k]
    return Ranked(
        choice,
        role,
        place,
        float(margin.mean()),
        float(margin.min()),
        float(log_det.mean()),
        float(log_det.min()),
        counted,
    )


def _reference_row(
    reference: Choice, own: Preview, key: NDArray[np.floating], preview: Preview, plan: RankPlan, counted: Share
) -> Ranked:
    value = (own.margin if plan.preview == "margin" else own.log_det).mean()
    return _ranked(reference, "reference", int((key > value).sum()) + 1, own, 0, counted)


def _with_finals(
    world: "World",
    rows: list[Ranked],
    condition: Condition,
    plan: RankPlan,
    *,
    workers: int,
    folder: Path | None,
    tell: Tell,
) -> list[Ranked]:
    """Best first, the finalists and the reference simulated by the time engine as well."""
    rows = sorted(rows, key=lambda row: (-row.simulated.p, row.place))
    finalists = [row for row in rows if row.role != "reference"][: plan.finalists]
    if not finalists:
        return rows
    finalists += [row for row in rows if row.role == "reference"]
    heard = simulate(
        world,
        [row.choice for row in finalists],
        condition,
        events=plan.final_events,
        engine="time",
        workers=workers,
        folder=folder,
        progress=lambda k, n: tell("finalists", k, n),
    )
    finals = {row.choice.points: share(world.study, found) for row, found in zip(finalists, heard, strict=True)}
    return [replace(row, final=finals.get(row.choice.points)) for row in rows]
