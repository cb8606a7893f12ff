"""Ranking and searching: the best is found, the same seed finds the same, what was tried is kept."""

import json
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.study.draws import event_draws
from trad_array.study.outcomes import Outcome, paired_difference, share, simulate
from trad_array.study.pair_tables import PreviewSpec
from trad_array.study.previews import previewer
from trad_array.study.ranking import possible_layouts, rank, spearman
from trad_array.study.records import MISMATCHES, Choice, Condition
from trad_array.study.search import HISTORY, optimise
from trad_array.study.search_aims import cable_lengths_m, time_to_alarm_s, worst_cell_difference
from trad_array.study.search_history import History
from trad_array.study.search_records import At, RankPlan, SearchPlan, condition_at
from trad_array.study.search_results import write_found, write_ranking
from trad_array.study.tasks import CellCounts
from trad_array.study.world import World
from trad_array_geometry import load_layout

SPEC = PreviewSpec(draws=4)
HARD = Condition(0.2, -22.0, 0.4, mismatch=MISMATCHES["M1"])
PLAN = SearchPlan(mics=4, aim="mean", trials=100, shortlist=3, events=64, confirm_events=96)


@pytest.fixture(scope="module")
def world(small_study, small_cache):
    return World(replace(small_study, conditions=(HARD,)), small_cache)


def _outcome(cell, named):
    none = CellCounts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Outcome("", none, np.array(cell), np.array(named))


def test_an_exhaustive_search_finds_the_best_of_all(world, tmp_path):
    found = optimise(world, PLAN, spec=SPEC, folder=tmp_path)
    everything = list(combinations(range(6), 4))
    values = previewer(world, HARD, n_mics=4, spec=SPEC).margins(everything).mean(axis=1)
    by_value = [everything[k] for k in np.argsort(-values)[:3]]
    assert (found.method, found.n_tried, found.n_possible) == ("exhaustive", 15, 15)
    assert {c.choice.points for c in found.candidates} == set(by_value)
    simulated = simulate(world, [Choice("", points) for points in by_value], HARD, events=64)
    shares = [outcome.right.mean() for outcome in simulated]
    assert found.best.choice.points == by_value[int(np.argmax(shares))]
    assert max(shares) > min(shares), "the order is that of the simulation"


@pytest.mark.parametrize("method", ["exchange", "optuna"])
def test_a_search_finds_what_is_best_by_preview_and_the_same_for_the_same_seed(world, method):
    plan = replace(PLAN, method=method, trials=15, shortlist=1, events=8, confirm_events=8)
    one, two = (optimise(world, plan, spec=SPEC) for _ in range(2))
    np.testing.assert_array_equal(one.history[0], two.history[0])
    np.testing.assert_array_equal(one.history[1], two.history[1])
    values = previewer(world, HARD, n_mics=4, spec=SPEC).margins(list(combinations(range(6), 4))).mean(axis=1)
    assert one.history[1].max() == pytest.approx(values.max())


def test_one_dead_is_judged_by_the_loss_that_hurts_most(world):
    plan = replace(PLAN, aim="one-dead", shortlist=15)
    found = optimise(world, plan, spec=SPEC)
    judge = previewer(world, HARD, n_mics=4, spec=SPEC)
    layout = found.history[0][3]
    worst = min(judge.margins([np.delete(layout, lost)]).mean() for lost in range(4))
    assert found.history[1][3] == pytest.approx(worst)
    events = simulate(world, [found.best.choice], replace(HARD, dead=0), events=96, fresh=True)
    assert found.best.decisive.p <= events[0].right.mean()
    assert found.best.value == found.best.decisive.p


def test_the_winner_is_confirmed_on_events_that_no_search_has_seen(world):
    choice = world.study.choices[1]
    (searched,), (confirmed,) = (simulate(world, [choice], HARD, events=64, fresh=fresh) for fresh in (False, True))
    draws = event_draws(world.study.site, HARD, seed=world.study.seed, first=0, n=128)
    np.testing.assert_array_equal(searched.cell, draws.cell[:64])
    np.testing.assert_array_equal(confirmed.cell, draws.cell[64:])


def test_a_search_that_was_stopped_goes_on_with_what_it_has(tmp_path):
    judged = []

    def judge(layouts):
        judged.extend(map(tuple, layouts.tolist()))
        return layouts.sum(axis=1) / 10

    path, layouts = tmp_path / "history.jsonl", np.array(list(combinations(range(5), 3)))
    first = History(judge, 100, path, "a")
    first.values(layouts[:4])
    with path.open("a") as file:
        file.write("[[0, 2")
    second = History(judge, 100, path, "a")
    np.testing.assert_allclose(second.values(layouts), layouts.sum(axis=1) / 10)
    assert judged == [tuple(row) for row in layouts.tolist()], "none is judged twice"
    assert len(path.read_text().splitlines()) == 1 + len(layouts)
    third = History(judge, 100, path, "another digest")
    third.values(layouts[:1])
    assert len(judged) == len(layouts) + 1
    assert len(path.read_text().splitlines()) == 2


def test_no_more_layouts_are_tried_than_allowed():
    history = History(lambda layouts: layouts[:, 0] * 1.0, 3)
    values = history.values(np.array([[k, 9] for k in range(5)]))
    np.testing.assert_array_equal(values, [0, 1, 2, -np.inf, -np.inf])
    assert history.best(2) == [(2, 9), (1, 9)]


def test_the_same_layout_differs_by_nothing(world):
    found = optimise(world, replace(PLAN, confirm_events=64), free=[0, 1, 2, 3], spec=SPEC)
    assert found.best.choice.points == found.reference.choice.points
    assert found.difference.difference == 0.0
    assert found.difference.low < 0.0 < found.difference.high


def test_a_difference_counts_events_that_only_one_of_them_names():
    cell = np.zeros(1000, dtype=int)
    ours, theirs = np.zeros(1000, dtype=int), np.zeros(1000, dtype=int)
    ours[:20], theirs[10:70] = 1, 1
    found = paired_difference(_outcome(cell, ours), _outcome(cell, theirs))
    # 50 events only we name, 10 only they: (50 - 10) / 1000, and McNemar's variance.
    assert found.difference == pytest.approx(0.040)
    half = 1.96 * math.sqrt(60 - 40**2 / 1000) / 1000
    assert (found.low, found.high) == (pytest.approx(0.040 - half, abs=2e-4), pytest.approx(0.040 + half, abs=2e-4))


def test_the_interval_of_a_difference_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(5), 0
    for _ in range(400):
        luck = rng.random(300)
        ours, theirs = luck + 0.3 * rng.random(300) > 0.5, luck + 0.3 * rng.random(300) > 0.55
        found = paired_difference(_outcome(np.ones(300), ours), _outcome(np.ones(300), theirs))
        held += found.low <= 0.05 <= found.high
    assert 0.91 < held / 400 < 0.985


def test_the_worst_cell_is_compared_on_the_same_events():
    rng = np.random.default_rng(6)
    cell = rng.integers(4, size=4_000)
    bad = np.where((cell == 2) & (rng.random(4_000) < 0.5), 9, cell)
    value, low, high = worst_cell_difference(_outcome(cell, cell), _outcome(cell, bad), seed=1, draws=200)
    assert low < value < high
    assert value == pytest.approx(0.5, abs=0.05)
    assert high - low < 0.15


def test_a_ranking_is_ordered_and_written_with_layouts_that_can_be_loaded(world, tmp_path):
    plan = RankPlan(mics=4, shortlist=2, spread=4, finalists=1, events=64, final_events=8)
    one, two = (rank(world, plan, spec=SPEC, folder=folder) for folder in (tmp_path / "kept", None))
    assert one.rows == two.rows
    assert {row.role for row in one.rows} == {"reference", "shortlist", "spread"}
    assert [row.simulated.p for row in one.rows] == sorted((row.simulated.p for row in one.rows), reverse=True)
    assert sum(row.final is not None for row in one.rows) == 2
    files = write_ranking(tmp_path, world.study, one)
    layout = load_layout(files[0])
    best = next(row.choice for row in one.rows if row.role != "reference")
    np.testing.assert_allclose(layout.mics, world.study.points.positions_m[list(best.points)], atol=1e-6)
    np.testing.assert_allclose(layout.cells, world.study.site.layout.cells, atol=1e-6)
    assert layout.cell_names == world.study.site.layout.cell_names
    record = json.loads((tmp_path / "ranking.json").read_text())
    assert record["layouts"][0]["simulated"]["n"] == 64
    assert len((tmp_path / "previews.csv").read_text().splitlines()) == 16


def test_a_search_is_written(world, tmp_path):
    found = optimise(world, replace(PLAN, aim="worst-cell"), spec=SPEC, folder=tmp_path)
    layout = load_layout(write_found(tmp_path, world.study, found))
    assert layout.n_mics == 4
    record = json.loads((tmp_path / "search.json").read_text())
    low, high = record["worst_cell_difference"][1:]
    assert low <= high
    assert record["n_tried"] == len((tmp_path / HISTORY).read_text().splitlines()) - 1


def test_layouts_are_all_there_are_or_a_sample_with_the_seed(small_points):
    every = possible_layouts(small_points, np.arange(6), 3, most=20, seed=1)
    assert [tuple(row) for row in every] == list(combinations(range(6), 3))
    some = possible_layouts(small_points, np.arange(6), 3, most=12, seed=1)
    assert len({tuple(row) for row in some}) == 12
    np.testing.assert_array_equal(some, possible_layouts(small_points, np.arange(6), 3, most=12, seed=1))
    assert not np.array_equal(some, possible_layouts(small_points, np.arange(6), 3, most=12, seed=2))


def test_cables_run_along_the_axes(small_points):
    plan = replace(PLAN, cable_to_m=(0.0, 0.0, 0.0))
    at = np.array([[1.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    points = replace(small_points, positions_m=np.vstack([at, at + 5.0]))
    layouts = np.array([[0, 1, 2]])
    assert cable_lengths_m(points, layouts, plan)[0] == pytest.approx(1 + 3 + 3)
    assert cable_lengths_m(points, layouts, replace(plan, cable="tree"))[0] == pytest.approx(1 + 2 + 3)
    assert cable_lengths_m(points, layouts, PLAN)[0] == 0.0


def test_a_price_of_cable_is_taken_off(world):
    free, paid = (
        optimise(world, replace(PLAN, cable_to_m=(0.0, 0.0, 0.0), cable_price=price), spec=SPEC).history
        for price in (0.0, 0.01)
    )
    lengths = cable_lengths_m(world.study.points, free[0], replace(PLAN, cable_to_m=(0.0, 0.0, 0.0)))
    np.testing.assert_allclose(free[1] - paid[1], 0.01 * lengths, atol=1e-9)


def test_the_time_to_an_alarm_lies_between_the_durations():
    assert time_to_alarm_s([0.5, 0.8, 1.0, 1.0]) == pytest.approx(0.2 * math.sqrt(2.5))
    assert time_to_alarm_s([0.95, 0.99, 1.0, 1.0]) == 0.1
    assert time_to_alarm_s([0.1, 0.2, 0.3, 0.4]) == math.inf


def test_the_worst_cell_of_a_share_is_named(small_study):
    cell = np.array([0, 0, 6, 6, 6, 6, 12, 12])
    found = share(small_study, _outcome(cell, np.array([0, 0, 6, 5, 5, 6, 12, 0])))
    assert (found.p, found.n) == (5 / 8, 8)
    assert (found.worst, found.worst_cell, found.worst_n) == (0.5, small_study.site.layout.cell_names[6], 4)


def test_rank_correlation():
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.5, 0.6, 0.9])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
    assert math.isnan(spearman(np.ones(5), np.arange(5.0)))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (replace(PLAN, mics=7), "mics: expected 3 to 6 for 6 points, found 7"),
        (replace(PLAN, method="exhaustive", trials=10), "trials: expected at least 15"),
        (replace(PLAN, snr_db=-3.0), "snr_db: expected one of the study's, -22.0, found -3.0"),
    ],
)
def test_a_search_that_cannot_be_is_told(world, plan, message):
    with pytest.raises(ConfigError, match=message):
        optimise(world, plan, spec=SPEC)


def test_the_condition_is_the_last_that_fits(small_study):
    grid = tuple(Condition(rt60_s, snr_db) for rt60_s in (0.2, 0.4) for snr_db in (-20.0, -12.0))
    study = replace(small_study, conditions=grid)
    assert condition_at(study, At()) == grid[3]
    assert condition_at(study, At(rt60_s=0.2)) == grid[1]
    assert condition_at(study, At(snr_db=-20.0)) == grid[2]
