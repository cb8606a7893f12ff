"""The whole chain over simulated sound: what a study says of detection."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.chain import run
from trad_array.errors import ConfigError
from trad_array.events import events_of
from trad_array.records import Block
from trad_array.simulation.places import CLEAR_OF_CELLS_M, guards_of
from trad_array.study.detection import _lead, _outcome, _sound, _stage, detected
from trad_array.study.elsewhere import N_PLACES, elsewhere_m, negative_places
from trad_array.study.records import MISMATCHES, Condition
from trad_array.study.world import World

LOUD = Condition(0.2, 0.0, 1.0)


@pytest.fixture(scope="module")
def world(small_study, small_cache):
    return World(small_study, small_cache)


def test_a_loud_vent_is_put_in_its_cell_within_half_a_second(world):
    found = detected(world, world.study.choices[0], LOUD, kind="vent", first=0, n=6)
    assert (found.n, found.detected, found.alarmed, found.in_a_cell, found.right) == (6, 6, 6, 6, 6)
    assert len(found.alarm_s) == 6
    # The first map needs a tenth of a second of sound; an onset may be told a frame of 64 ms too early.
    assert 0.1 - 0.064 <= min(found.alarm_s) <= max(found.alarm_s) < 0.6
    assert found.heard_s == 0.0


def test_what_nobody_can_hear_is_not_detected(world):
    found = detected(world, world.study.choices[0], replace(LOUD, snr_db=-50.0), kind="vent", first=0, n=4)
    assert (found.detected, found.alarmed, found.in_a_cell, found.right, found.alarm_s) == (0, 0, 0, 0, ())


def test_a_sound_from_elsewhere_is_heard_and_raises_no_alarm_in_a_cell(world):
    found = detected(world, world.study.choices[0], LOUD, kind="air-tool", first=0, n=4)
    assert (found.n, found.detected, found.in_a_cell, found.right) == (4, 4, 0, 0)
    assert found.heard_s == 4.0
    assert found.alarm_s == ()


@pytest.mark.parametrize("kind", ["vent", "door"])
def test_events_are_the_same_however_they_are_cut_into_shards(world, kind):
    choice, condition = world.study.choices[1], replace(LOUD, snr_db=-14.0, mismatch=MISMATCHES["M1"])
    whole = detected(world, choice, condition, kind=kind, first=0, n=5)
    parts = [detected(world, choice, condition, kind=kind, first=first, n=n) for first, n in ((0, 2), (2, 3))]
    for name in ("n", "right", "detected", "alarmed", "in_a_cell", "heard_s"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts), name
    assert whole.alarm_s == parts[0].alarm_s + parts[1].alarm_s


@pytest.mark.parametrize("event", [0, 1])
def test_branching_after_the_noise_is_the_same_as_hearing_it_all(world, event):
    stage = _stage(world, world.study.choices[0], replace(LOUD, snr_db=-6.0), "vent", first=0, n=2)
    lead = _lead(stage, event)
    sound, onset = _sound(stage, event)
    before = 2 * stage.fs
    room = stage.noise.shape[1] - before - stage.heard
    begin = room * event // 7
    noise = stage.noise[:, begin : begin + before + stage.heard]
    whole = noise + np.pad(sound, ((0, 0), (before, 0)))
    stream = (Block(whole[:, k : k + 512].astype(np.float32), k, stage.fs) for k in range(0, whole.shape[1], 512))
    events = [e for e in events_of(run(stage.chain, stream)) if e.verdict == "cell"]
    outcome = _outcome(stage, lead, event)
    assert outcome.right
    assert [e.cell_map.best for e in events] == [stage.draws.cell[event]]
    assert abs(events[0].detection.onset - before - onset) < 0.1 * stage.fs


def test_a_vent_is_as_loud_to_a_microphone_in_every_layout(world):
    # The two layouts share their first two microphones.
    stages = [_stage(world, choice, LOUD, "vent", first=0, n=3) for choice in world.study.choices]
    for event in range(3):
        one, other = (_sound(stage, event)[0] for stage in stages)
        # Not bit for bit: another number of channels may be added up in another order.
        np.testing.assert_allclose(one[:2], other[:2], rtol=1e-9, atol=1e-12)


def test_six_db_more_are_six_db_more(world):
    choice = world.study.choices[0]
    quiet, loud = (
        _sound(_stage(world, choice, replace(LOUD, snr_db=snr), "vent", first=0, n=1), 0)[0] for snr in (-6.0, 0.0)
    )
    np.testing.assert_allclose(loud, quiet * 10**0.3, rtol=1e-9)


@pytest.mark.parametrize("kind", ["air-tool", "rain", "extinguisher"])
def test_the_reference_hears_other_sounds_as_loud_as_was_asked(world, kind):
    condition = replace(LOUD, snr_db=-12.0)
    stage = _stage(world, world.study.choices[0], condition, kind, first=0, n=3)
    noise = np.mean(stage.noise.astype(np.float64) ** 2)
    for event in range(3):
        energy = np.cumsum((_sound(stage, event)[0] ** 2).mean(axis=0))
        # While it lasts: until all but a little of its energy is over.
        lasts = np.searchsorted(energy, 0.995 * energy[-1]) - np.searchsorted(energy, 1e-6 * energy[-1])
        assert 10 * np.log10(energy[-1] / lasts / noise) == pytest.approx(-12.0, abs=2.0)


def test_a_lost_microphone_is_left_out(world):
    stage = _stage(world, world.study.choices[0], replace(LOUD, dead=1), "vent", first=0, n=1)
    assert stage.true.mic_names == ("p0", "p2", "p3")
    found = detected(world, world.study.choices[0], replace(LOUD, dead=1), kind="vent", first=0, n=3)
    assert found.detected == 3


def test_places_elsewhere_are_clear_of_cells_and_microphones(small_study):
    at = elsewhere_m(small_study)
    low, high = small_study.site.layout.box_m
    assert ((at > low) & (at < high)).all()
    places = at[:N_PLACES]
    cells, mics = small_study.site.layout.cells, small_study.points.positions_m
    assert np.linalg.norm(places[:, None] - cells[None], axis=-1).min() >= CLEAR_OF_CELLS_M
    assert np.linalg.norm(places[:, None] - mics[None], axis=-1).min() >= 0.3
    np.testing.assert_array_equal(elsewhere_m(small_study), at)
    assert not np.array_equal(elsewhere_m(replace(small_study, seed=8)), at)


def test_a_door_sounds_where_the_door_is(small_study):
    layout = small_study.site.layout
    door = guards_of(layout, "door")
    assert [layout.guard_names[k] for k in door] == [name for name in layout.guard_names if "door" in name]
    np.testing.assert_array_equal(negative_places(small_study, "door"), layout.guards[door])


def test_a_sound_longer_than_the_noise_is_refused(world):
    with pytest.raises(ConfigError, match=r"detection.duration_s: expected at most 27.5 s over 30 s of noise"):
        detected(world, world.study.choices[0], replace(LOUD, duration_s=28.0), kind="vent", first=0, n=1)
