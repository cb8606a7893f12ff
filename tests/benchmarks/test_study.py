"""Every part of the benchmark of studies runs, in a small amount, and gives the rows that are asked for."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trad_array.study.agreement import Agreement
from trad_array_geometry import load_layout

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    """Programs that parts start find the modules of the benchmark, too."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / "study")


@pytest.fixture
def bench(on_the_path):
    return importlib.import_module


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("bench-cache")


@pytest.fixture
def few(bench, cache):
    return bench("pieces").Settings(times=0.002, cache=cache)


def by_name(part):
    return {row.name: row for row in part.rows}


def test_the_cost_of_an_event_is_told_for_each_method(bench, few):
    part = bench("event_cost").part(few)
    found = by_name(part)
    for name in ("plain script", "plain script with the shipped localizer", "time engine", "spectral engine, ready"):
        row = found[f"{name}: CPU time of an event"]
        assert 0 < row.low <= row.value <= row.high
    plain, ready = (found[f"{name}: CPU time of an event"].value for name in ("plain script", "spectral engine, ready"))
    assert found["plain script / spectral engine, ready"].value == pytest.approx(plain / ready, rel=0.7)
    assert {row.goal for row in part.quoted} >= {2.5, 0.12}


def test_the_plain_script_names_the_cell_of_a_loud_vent(bench):
    script = bench("plain_script")
    layout = load_layout("pack-corners")
    room = replace(script.make_room(layout, rt60_s=0.3, seed=3), file=layout)
    right = 0
    for number in range(20):
        cell, samples, onset = script.event(room, np.random.default_rng([3, number]), snr_db=10.0, duration_s=0.5)
        assert samples.shape == (4, 40_000)
        assert onset == 32_000
        right += script.name_cell(samples[:, onset:], layout) == cell
    # A jet of 50 mm is none of its hypotheses.
    assert right >= 14


@pytest.mark.slow
def test_a_million_events_are_counted_as_many_as_there_are(bench, few):
    part = bench("million").part(few)
    (row,) = (row for row in part.rows if "wall clock" in row.name)
    assert row.name.startswith("2000 events, 2 processes")
    # Only the whole million has a goal.
    assert row.goal is None
    assert row.value > 0


def test_the_engines_are_held_against_each_other_at_both_sets_of_points(bench, few):
    part = bench("engine_agreement").part(few)
    largest = [row for row in part.rows if "largest difference" in row.name]
    assert [row.goal for row in largest] == [0.01, 0.01]
    assert all(row.n == 20 and row.low <= row.value <= row.high for row in largest)
    assert "| pack-corners | 0.3 s | -22 dB | 0.5 s | normal | none | - |" in part.page
    assert "| row-corners |" in part.page


def test_points_are_drawn_as_the_rule_says(bench, cache):
    points = bench("agreement_points")
    drawn = points.drawn(1, seed=5, cache=cache, workers=1)
    assert drawn == points.drawn(1, seed=5, cache=cache, workers=1)
    (point,) = drawn
    assert (point.site, point.layout) == ("row-corners", "row-corners")
    assert point.condition.rt60_s in points.RT60_S
    assert 0.1 <= point.condition.duration_s <= 1.0
    assert (2 * point.condition.snr_db).is_integer()
    assert len(points.LOOKED_AT) == 10


def test_a_difference_that_the_interval_leaves_out_is_said(bench):
    module, points = bench("engine_agreement"), bench("agreement_points")
    far = module.Measured(points.LOOKED_AT[6], Agreement(10_000, time=8000, spectral=7600))
    near = module.Measured(points.LOOKED_AT[0], Agreement(10_000, time=8000, spectral=7950))
    assert (far.excludes, near.excludes) == (True, False)
    lines = module.table([far, near]).splitlines()
    assert "| none | A | 0.8000 | 0.7600 | -0.0400 |" in lines[2]
    assert [line.split("|")[-2].strip() for line in lines[2:]] == ["left out", "possible"]


def test_what_chance_alone_gives_is_that_of_two_binomials(bench):
    module, points = bench("engine_agreement"), bench("agreement_points")
    one = module.Measured(points.LOOKED_AT[0], Agreement(2000, time=1000, spectral=1000))
    # 1.96 standard deviations of the difference of two shares of one half.
    expected = 1.96 * np.sqrt(2 * 0.25 / 2000)
    assert module.chance([one], rng=np.random.default_rng(1)) == pytest.approx(expected, rel=0.06)
    assert module.chance([one] * 10, rng=np.random.default_rng(1)) > 1.3 * expected


@pytest.mark.slow
def test_layouts_are_ranked_and_the_rank_correlation_has_an_interval(bench, few):
    part = bench("layout_ranking").part(few)
    wall, margin, log_det = part.rows
    assert "40 layouts of 4 ranked" in wall.name
    assert margin.goal == 0.95
    assert -1 <= margin.low <= margin.value <= margin.high <= 1
    assert margin.n == log_det.n == 8


def test_there_are_forty_places_clear_of_each_other_and_inside_the_room(bench):
    at = np.array(list(bench("sites").candidates().values()))
    low, high = load_layout("pack-corners").box_m
    assert at.shape == (40, 3)
    assert ((at > low) & (at < high)).all()
    apart = np.linalg.norm(at[:, None] - at, axis=-1) + 10 * np.eye(40)
    assert apart.min() > 0.3


@pytest.mark.slow
def test_a_searched_layout_is_compared_with_the_shipped_one(bench, few):
    part = bench("pack_search").part(few)
    found = by_name(part)
    for level in ("-12 dB", "-20 dB"):
        row = found[f"M1, {level}: searched four less pack-corners"]
        ours, theirs = (
            found[f"M1, {level}: right cell, {name}, spectral engine"] for name in ("searched four", "pack-corners")
        )
        assert row.value == pytest.approx(ours.value - theirs.value)
        assert row.low <= row.value <= row.high
        assert row.unit == "points"


def test_memory_of_a_session_is_that_of_all_its_processes(bench, tmp_path):
    import subprocess
    import sys

    program = "import sys; b = b'x' * 50_000_000; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        assert 50 < bench("peak_memory").session_mb(process.pid) < 90
        process.stdin.close()


@pytest.mark.slow
def test_memory_is_told_for_the_bank_both_engines_and_the_other_simulator(bench, few):
    part = bench("peak_memory").part(few)
    goals = [row for row in part.rows if row.goal == 2048.0]
    assert len(goals) == 4
    assert all(20 < row.value < 2048 for row in goals)
    assert any(row.name.startswith("pyroomacoustics, 2 responses") for row in part.rows)


@pytest.mark.slow
def test_a_killed_run_computes_at_most_a_shard_a_process_again(bench, few):
    part = bench("kill_and_resume").part(few)
    again, same, _ = part.rows
    assert 0 <= again.value <= 1
    assert same.value == 100


def test_parts_are_kept_and_put_together(bench, tmp_path, monkeypatch):
    run, rows, pieces = bench("study_bench"), bench("rows"), bench("pieces")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: benchmarks/results/study.json -->\nold\n<!-- end -->\nafter\n")
    for module, name, value in (
        (rows, "RESULTS", tmp_path / "results"),
        (rows, "README", readme),
        (run, "PAGE", tmp_path / "study-results.md"),
        (run, "LAST", tmp_path / "results" / "study-parts"),
    ):
        monkeypatch.setattr(module, name, value)
    for part, value in (("million", 1.0), ("event_cost", 4.5), ("million", 3.0)):
        shown = pieces.one(f"{part}: time", value, unit="s", goal=2.0)
        other = pieces.one(f"{part}: aside", value, unit="s")
        run.write({part: pieces.Part(f"## {part}", (shown, other), (shown,))}, pieces.Settings())
    found = json.loads((tmp_path / "results" / "study.json").read_text())
    assert [(row["name"], row["value"]) for row in found if "time" in row["name"]] == [
        ("event_cost: time", 4.5),
        ("million: time", 3.0),
    ]
    text = readme.read_text()
    assert "old" not in text
    assert "aside" not in text
    assert "| million: time | 3 s | 3 to 3 | 1 | <= 2 s | NO |" in text
    page = (tmp_path / "study-results.md").read_text()
    assert page.index("## event_cost") < page.index("## million")
    assert "quick form, seed 2" in page
