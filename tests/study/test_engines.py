"""Both engines on a small site: what they mean is the same, and it is what the localizer does."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.localization.event_correlations import EventSpec, event_correlations
from trad_array.localization.hypotheses import Prior, cell_delays
from trad_array.localization.robust import Robust
from trad_array.records import Block
from trad_array.simulation.trials import delayed
from trad_array.study import spectral_engine, time_engine
from trad_array.study.agreement import Agreement, difference_interval, sample
from trad_array.study.draws import event_draws, layout_file
from trad_array.study.records import FANS, MISMATCHES, Choice, Condition, Points, Site, Study
from trad_array.study.time_engine import PRE_ROLL_S, heard
from trad_array.study.world import World
from trad_array_geometry import load_layout

HARD = Condition(0.2, -21.0, 0.4, mismatch=MISMATCHES["M1"])


@pytest.fixture(scope="module")
def world(small_study: Study, small_cache) -> World:
    every_cell = replace(small_study.site, cells=np.arange(13), jet_heights_m=(0.0,))
    return World(replace(small_study, site=every_cell), small_cache)


def test_the_time_engine_names_the_cell_that_the_localizer_names(world):
    """The same sound, given to the shipped localizer with two seconds before the onset and a file that is wrong."""
    choice, study = world.study.choices[0], world.study
    room = heard(world, choice, HARD)
    draws = event_draws(study.site, HARD, seed=study.seed, first=0, n=12)
    engine = time_engine._TimeEngine(world, HARD, room, draws)
    names, said = time_engine.localized(world, choice, HARD, first=0, n=12).named, []
    for event in range(12):
        begin = room.stretch(float(draws.moment[event]), fs=16_000, duration_s=HARD.duration_s)
        onset = round(PRE_ROLL_S * 16_000)
        samples, _ = engine._sound(event, begin, lead=0)
        cut = Block(np.concatenate([room.noise[:, begin : begin + onset], samples], axis=1), 0, 16_000)
        file = layout_file(room.layout, HARD, draws, event, room.slots)
        said.append(Robust()(cut, file, speed_of_sound=file.speed_of_sound, onset=onset).best)
    np.testing.assert_array_equal(names, said)


def test_a_late_channel_is_the_same_as_a_file_that_says_it_were_early(world):
    """The engines write a channel's delay into the file with the other sign, instead of delaying sound."""
    layout = world.study.site.layout
    late_s = np.array([30e-6, -30e-6, 30e-6, 30e-6])
    noise = np.random.default_rng(4).standard_normal(24_000)
    travel = np.linalg.norm(layout.mics - layout.cells[5], axis=1) / layout.speed_of_sound
    samples = delayed(np.tile(noise, (4, 1)), travel, fs=16_000)[:, 4_000:20_000]
    cut = delayed(np.tile(noise, (4, 1)), travel + late_s, fs=16_000)[:, 4_000:20_000]
    spec = EventSpec()
    tops = []
    for heard_samples, file in ((cut, layout), (samples, replace(layout, mic_delay_s=layout.mic_delay_s - late_s))):
        known = cell_delays(file, file.speed_of_sound, Prior())
        found = event_correlations(heard_samples, onset=0, fs=16_000, spec=spec, max_delay_s=known.max_delay_s)
        # Less what the file says of the channels, both hear the same delays.
        tops.append(found.delays_s[found.values.argmax(axis=1)] - known.offset_s)
    np.testing.assert_allclose(tops[0], tops[1], atol=1.01 / 16_000 / spec.upsample)


@pytest.mark.parametrize("engine", [time_engine, spectral_engine])
def test_events_are_the_same_however_they_are_cut_into_shards(engine, world):
    choice = world.study.choices[0]
    whole = engine.localized(world, choice, HARD, first=0, n=90)
    parts = [engine.localized(world, choice, HARD, first=first, n=n) for first, n in ((0, 1), (1, 40), (41, 49))]
    for name in ("cell", "named"):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))


@pytest.mark.parametrize("engine", [time_engine, spectral_engine])
def test_loud_vents_are_named_and_faint_ones_are_not(engine, world):
    choice = world.study.choices[0]
    loud, faint = (
        engine.localized(world, choice, replace(HARD, snr_db=snr_db), first=0, n=60) for snr_db in (0.0, -45.0)
    )
    assert (loud.named == loud.cell).mean() == 1.0
    assert (faint.named == faint.cell).mean() < 0.4


def test_layouts_and_levels_hear_the_same_vents(world):
    first, other = world.study.choices
    cells = [
        time_engine.localized(world, choice, replace(HARD, snr_db=snr_db), first=7, n=5).cell
        for choice, snr_db in ((first, -21.0), (other, -21.0), (first, 0.0))
    ]
    np.testing.assert_array_equal(cells[0], cells[1])
    np.testing.assert_array_equal(cells[0], cells[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mismatch": MISMATCHES["none"], "snr_db": -24.0},
        {"dead": 1, "snr_db": -19.0},
        {"fan": FANS["fast"], "snr_db": -14.0},
        {"duration_s": 0.2, "snr_db": -19.0},
    ],
    ids=["M1", "no mismatch", "one lost", "fast fans", "short"],
)
def test_engines_agree(world, changes):
    """Small form; docs/study-results.md has the full one. At most one interval in twenty misses 0 by chance."""
    condition, n = replace(HARD, **changes), 700
    right = []
    for engine in (time_engine, spectral_engine):
        answers = engine.localized(world, world.study.choices[0], condition, first=0, n=n)
        right.append(int((answers.cell == answers.named).sum()))
    found = Agreement(n, *right)
    low, high = found.interval
    # 0.01 is what the engines owe each other; the rest is chance.
    assert low - 0.01 <= 0.0 <= high + 0.01, f"{found.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    assert 0.15 < found.time / n < 0.995, "a point at which a difference would show"


def test_an_interval_of_a_difference_that_is_known():
    """Newcombe, 1998, table II, example (a): 56/70 against 48/80 gives 0.0524 to 0.3339 by method 10."""
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert Agreement(100, time=50, spectral=50).interval[0] < 0 < Agreement(100, time=50, spectral=50).interval[1]
    assert Agreement(10_000, time=5000, spectral=5600).interval[0] > 0.04


def test_the_sample_of_conditions_goes_through_layouts_levels_and_lost_microphones(small_study):
    conditions = tuple(Condition(0.2, snr_db) for snr_db in (-20.0, -16.0, -12.0, -8.0))
    chosen = sample(replace(small_study, conditions=conditions, each_dead=True))
    assert {choice.name for choice, _ in chosen} == {"corners", "other"}
    assert {condition.snr_db for _, condition in chosen} >= {-20.0, -8.0}
    assert {condition.dead for _, condition in chosen} > {-1}


def test_the_spectral_engine_refuses_what_it_cannot_represent(world, small_cache):
    with pytest.raises(ConfigError, match=r'duration_s: .* found 0.03; use engine = "time"'):
        spectral_engine.localized(world, world.study.choices[0], replace(HARD, duration_s=0.03), first=0, n=1)
    layout = load_layout("row-corners")
    spots = np.linspace(layout.mics.min(axis=0), layout.mics.max(axis=0), 9)
    points = Points(tuple("abcdefghi"), spots, ("z",) * 9, np.full(9, 0.005), np.full(9, 30e-6))
    study = Study("nine", 1, Site(layout, np.array([3])), points, (Choice("nine", tuple(range(9))),), (HARD,))
    with pytest.raises(ConfigError, match=r'nine: .* at most 8 microphones.*found 9; use engine = "time"'):
        spectral_engine.localized(World(study, small_cache), study.choices[0], HARD, first=0, n=1)
