"""Previews of layouts: the compiled margin is its plain twin, evidence is the localizer's, bad layouts rank last."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.localization.event_correlations import EventCorrelations
from trad_array.localization.evidence import UNHEARD, tolerant
from trad_array.study.pair_tables import PreviewSpec, expected_evidence, pair_tables
from trad_array.study.previews import arrival_information, previewer
from trad_array.study.records import MISMATCHES, Condition, Points
from trad_array.study.world import World

SPEC = PreviewSpec(draws=4)
HARD = Condition(0.2, -22.0, 0.4, mismatch=MISMATCHES["M1"])
LAYOUTS = [(0, 1, 2, 3), (0, 1, 4, 5), (1, 2, 3, 5)]


@pytest.fixture(scope="module")
def world(small_study, small_cache):
    return World(small_study, small_cache)


@pytest.fixture(scope="module")
def judge(world):
    return previewer(world, HARD, n_mics=4, spec=SPEC)


def _chance(z):
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def _look(table, x):
    k = min(max(int(x), 0), len(table) - 2)
    return table[k] + (x - k) * (float(table[k + 1]) - table[k])


def _margin_of_one_draw(t, layout, cell, draw):
    """P(right) of one cell and one draw of errors, as the module says it, in plain loops."""
    pairs = list(combinations(range(len(layout)), 2))
    rows = [t.pair_of[layout[i], layout[j]] for i, j in pairs]
    late = [float(t.errors[draw, cell, i]) - float(t.errors[draw, cell, j]) for i, j in pairs]
    n_airs = len(t.places)
    air, source = draw % n_airs, cell * t.n_heights + (draw // n_airs) % t.n_heights
    best, heard, centre = [], [], []
    for rival in t.rivals[cell]:
        sums = [
            sum(
                float(t.units[0]) * _look(t.evidence[row, source], float(t.places[air, row, rival, h]) + error)
                for row, error in zip(rows, late, strict=True)
            )
            + float(t.log_prior[h])
            for h in range(t.places.shape[3])
        ]
        h = int(np.argmax(sums))
        at = [float(t.places[air, row, rival, h]) + error for row, error in zip(rows, late, strict=True)]
        nearest = [min(max(int(x + 0.5), 0), t.evidence.shape[2] - 2) for x in at]
        nats = [float(t.units[0]) * t.evidence[row, source, k] for row, k in zip(rows, nearest, strict=True)]
        best.append(sums[h])
        heard.append([1.0 - UNHEARD * math.exp(-value) for value in nats])
        centre.append(
            [x + float(t.units[1]) * t.shift[row, source, k] for x, row, k in zip(at, rows, nearest, strict=True)]
        )
    var = [float(t.variance[row, source]) for row in rows]
    own = sum(v * p * p for v, p in zip(var, heard[0], strict=True))
    total = 0.0
    for node, weight in ((-math.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (math.sqrt(3.0), 1 / 6)):
        right = 1.0
        for k in range(1, len(best)):
            theirs = sum(v * p * p for v, p in zip(var, heard[k], strict=True))
            shared = sum(
                v * p * q * float(t.alike[row, min(int(abs(a - b) + 0.5), t.alike.shape[1] - 1)])
                for v, p, q, row, a, b in zip(var, heard[k], heard[0], rows, centre[0], centre[k], strict=True)
            )
            rest = math.sqrt(max(theirs - shared**2 / own, 1e-6))
            right *= _chance((best[0] - best[k] + node * (own - shared) / math.sqrt(own)) / rest)
        total += weight * right
    return total


def test_the_margin_is_that_of_its_plain_twin(judge):
    got = judge.margins(LAYOUTS[:2])
    t = judge.tables
    expected = [
        [
            np.mean([_margin_of_one_draw(t, layout, cell, draw) for draw in range(SPEC.draws)])
            for cell in range(len(t.cells))
        ]
        for layout in LAYOUTS[:2]
    ]
    np.testing.assert_allclose(got, expected, atol=2e-3)
    assert 0.02 < got.mean() < 0.999, "the condition says something"


def test_evidence_is_what_the_localizer_makes_of_the_same_correlations():
    rng = np.random.default_rng(3)
    steps = np.arange(-200, 201)
    values = np.exp(-0.5 * ((steps - np.array([[-20.0], [35.0], [0.0]])) / 6.0) ** 2) * [[0.5], [0.3], [0.4]]
    values = values + 0.01 * rng.standard_normal(values.shape)
    noise = np.array([0.05, 0.06, 0.04])
    step_s, sigmas = 1.0 / 64_000, np.array([2.0, 3.6, 2.0])
    found = EventCorrelations(steps * step_s, values, noise, np.zeros(3))
    got, _, _ = expected_evidence(values, noise, sigmas[None], np.ones(1), factor=0.4)
    height = float(np.median(values.max(axis=1)))
    expected = tolerant(found, height=height, pair_sigmas_s=sigmas * step_s, factor=0.4)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_the_shift_of_the_evidence_is_the_mean_error_given_the_correlation():
    """The mean over all errors, each weighed by how likely it makes the correlation."""
    steps = np.arange(-100, 101)
    values = 0.5 * np.exp(-0.5 * (steps / 8.0) ** 2)[None]
    noise, sigma, factor = np.array([0.08]), 4.0, 0.4
    _, shift, slope = expected_evidence(values, noise, np.array([[sigma]]), np.ones(1), factor=factor)
    likelihood = np.exp(slope[0] * values[0])
    for place in (100, 103, 106):
        error = steps[place - 12 : place + 13] - steps[place]
        weight = np.exp(-0.5 * (error / sigma) ** 2) * likelihood[place - 12 : place + 13]
        # The derivative is taken over whole steps, and the blur ends after three standard deviations.
        assert shift[0, place] == pytest.approx((weight * error).sum() / weight.sum(), abs=0.15)


def test_microphones_all_in_one_place_rank_last(small_study, small_cache):
    together = np.array([0.5, 0.5, 1.0]) + 0.03 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    positions = np.vstack([small_study.points.positions_m, together])
    n = len(positions)
    points = Points(tuple(f"p{k}" for k in range(n)), positions, ("x",) * n, np.full(n, 0.005), np.full(n, 30e-6))
    world = World(replace(small_study, points=points), small_cache)
    layouts = [*LAYOUTS, (6, 7, 8, 9)]
    judge = previewer(world, HARD, n_mics=4, spec=SPEC)
    assert judge.margins(layouts).mean(axis=1).argmin() == 3
    assert judge.log_dets(layouts).mean(axis=1).argmin() == 3
    assert judge.margins(layouts)[3].mean() < 0.5


def test_louder_vents_are_named_more_often(world):
    quiet, loud = (
        previewer(world, replace(HARD, snr_db=snr_db), n_mics=4, spec=SPEC).margins(LAYOUTS)
        for snr_db in (-26.0, -18.0)
    )
    assert (loud.mean(axis=1) > quiet.mean(axis=1)).all()


def test_the_determinant_is_that_of_place_and_time_together(judge, world):
    """The full information of place and time of emission, the time eliminated by a Schur complement."""
    information, towards = arrival_information(world.study, HARD, judge.tables)
    got = judge.log_dets(LAYOUTS)
    for row, layout in zip(got, LAYOUTS, strict=True):
        for cell in range(len(judge.tables.cells)):
            full = np.zeros((4, 4))
            for mic in layout:
                slope = np.append(towards[mic, cell], 1.0)
                full += information[mic, cell] * np.outer(slope, slope)
            place = full[:3, :3] - np.outer(full[:3, 3], full[3, :3]) / full[3, 3]
            assert row[cell] == pytest.approx(np.linalg.slogdet(place + np.eye(3) / 0.25)[1], rel=1e-9)


def test_the_same_preview_on_any_number_of_threads(world):
    one, two = (previewer(world, HARD, n_mics=4, spec=SPEC, workers=n).margins(LAYOUTS * 40) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("layouts", "message"),
    [
        ([tuple(range(7))], "mics: expected 2 to 6 of 6 points, found 7"),
        ([(0, 1, 2, 6)], "layouts: expected points from 0 to 5, found 0 to 6"),
        ([(0, 1, 2, 2)], "layouts: expected every point at most once in a layout, found one twice"),
    ],
)
def test_a_layout_that_cannot_be_is_told(judge, layouts, message):
    with pytest.raises(ConfigError, match=message):
        judge.margins(layouts)


def test_too_many_points_for_the_memory_are_told_before_any_work(world):
    with pytest.raises(ConfigError, match="points: expected tables of all pairs under 0.0 GB, found 6 points"):
        pair_tables(world, HARD, n_mics=4, spec=PreviewSpec(most_bytes=1_000))
