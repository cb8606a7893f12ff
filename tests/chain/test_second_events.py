"""Cells that vent while another sound lasts: an event each, however the stream is cut; one vent stays one event."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.events import OpenEvents, Origin, event_json, event_step, events_of
from trad_array.localization.cut import CutRule
from trad_array.localization.place import Placed
from trad_array.localization.watch import WatchRule, WatchState, begin, first_place
from trad_array.records import Block, CellMap, Detection
from trad_array.simulation import simulate_scene
from trad_array_geometry import load_layout

FS = 16_000
ORIGIN = Origin("x", "x")


def hear(chain, recording, size=4096):
    return list(events_of(run(chain, blocks(recording, size=size))))


def begins_s(event):
    return event.detection.onset / FS


@pytest.mark.parametrize("seed", range(3))
def test_a_second_vent_during_the_first_is_an_event_of_its_own(shipped_layout, hiss, seed):
    hiss.rng = np.random.default_rng(seed)
    first, second = shipped_layout.cells[1], shipped_layout.cells[-2]
    recording = hiss.several(shipped_layout, [(first, 2.0, 6.0, 6.0), (second, 3.7, 6.0, 6.0)], seconds=8.5)
    chain = make_chain(shipped_layout)
    events = hear(chain, recording)
    assert [event.cell_map.best for event in events] == [1, shipped_layout.n_cells - 2]
    assert [event.level for event in events] == ["alarm", "alarm"]
    records = [event_json(event, chain, ORIGIN) for event in events]
    assert len({record["id"] for record in records}) == 2
    # Its onset is the beginning of the window that held it: up to a window early, up to a hop late.
    assert -1.0 < begins_s(events[1]) - 3.7 < 0.5
    assert {event.ended.end for event in events} == {events[0].ended.end}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("snr_db", [-3.0, 6.0, 20.0])
def test_one_vent_alone_is_one_event(hiss, seed, snr_db):
    layout = load_layout("pack-corners")
    hiss.rng = np.random.default_rng([1, seed])
    cell = int(hiss.rng.integers(layout.n_cells))
    recording = hiss.recording(layout, layout.cells[cell], seconds=8.0, spans_s=((2.0, 7.0),), snr_db=snr_db)
    (event,) = hear(make_chain(layout), recording)
    assert event.cell_map.best == cell


def test_a_vent_that_grows_louder_step_by_step_is_one_event(shipped_layout, hiss):
    place_m = shipped_layout.cells[3]
    steps = [(place_m, 2.0 + k, 3.0 + k, 3.0 * k) for k in range(4)]
    (event,) = hear(make_chain(shipped_layout), hiss.several(shipped_layout, steps, seconds=8.5))
    assert event.cell_map.best == 3


@pytest.mark.parametrize("guard", [0, 1])
def test_a_hose_elsewhere_hides_no_cell(shipped_layout, hiss, guard):
    """What the map of a sound from elsewhere says about cells is not where that sound comes from."""
    cell = shipped_layout.n_cells // 2
    sounds = [(shipped_layout.guards[guard], 2.0, 5.0, 6.0), (shipped_layout.cells[cell], 3.7, 5.0, 6.0)]
    first, second = hear(make_chain(shipped_layout), hiss.several(shipped_layout, sounds, seconds=7.5))
    assert first.level == "report"
    assert (second.level, second.cell_map.best) == ("alarm", cell)


def test_a_hose_elsewhere_alone_is_one_event(shipped_layout, hiss):
    recording = hiss.recording(shipped_layout, shipped_layout.guards[0], seconds=8.0, spans_s=((2.0, 7.0),))
    (event,) = hear(make_chain(shipped_layout), recording)
    assert event.level == "report"


def test_a_first_map_that_is_wide_hides_no_other_cell():
    """The map of the first tenth of a second may leave every cell possible; the sharper one that follows counts."""
    rule = CutRule()
    state = begin(WatchState(), (Detection(32_000, 34_000, 9.0, ()),), (), rule=rule, fs=16_000)
    wide = _placed(np.full(52, 1.0 / 52), sharpness=3.0)
    sharp = _placed(np.eye(52)[7], sharpness=12.0)
    assert len(first_place(state, wide).sounds[0].known) > 40
    assert first_place(first_place(state, wide), sharp).sounds[0].known == (7,)
    assert first_place(first_place(state, sharp), wide).sounds[0].known == (7,)


def _placed(probability, *, sharpness):
    none = np.zeros(0)
    cell_map = CellMap(probability, probability, 0.0, None, 32_000, 343.0, none, none.astype(int), sharpness=sharpness)
    return Placed(32_000, cell_map, None, none, none.astype(bool), none.astype(bool))


def test_three_vents_are_three_events(hiss):
    layout = load_layout("row-frame")
    places = [layout.cells[k] for k in (0, 6, 12)]
    sounds = [(places[0], 2.0, 9.0, 3.0), (places[1], 4.2, 9.0, 6.0), (places[2], 6.9, 9.0, 9.0)]
    chain = make_chain(layout)
    events = hear(chain, hiss.several(layout, sounds, seconds=11.5))
    assert [event.cell_map.best for event in events] == [0, 6, 12]
    assert len({event_json(event, chain, ORIGIN)["id"] for event in events}) == 3


@pytest.fixture
def two_vents(hiss):
    hiss.rng = np.random.default_rng(4)
    layout = load_layout("row-corners")
    sounds = [(layout.cells[1], 1.5, 4.5, 6.0), (layout.cells[10], 2.9, 4.5, 6.0)]
    return hiss.several(layout, sounds, seconds=7.0)


@pytest.mark.parametrize("size", [160, 512, 1000, 4096])
def test_how_the_stream_is_cut_changes_nothing(two_vents, size):
    chain = make_chain(load_layout("row-corners"))
    whole, cut = hear(chain, two_vents, two_vents.samples.shape[1]), hear(chain, two_vents, size)
    assert len(whole) == 2
    records = [[event_json(event, chain, ORIGIN) for event in events] for events in (whole, cut)]
    for one, other in zip(*records, strict=True):
        for key in ("id", "state", "level", "best", "onset_s", "end_s", "heard_s", "sure_after_s", "credible_set"):
            assert one[key] == other[key], key
        np.testing.assert_allclose([c["p"] for c in one["cells"]], [c["p"] for c in other["cells"]], atol=1e-5)


@pytest.mark.parametrize("size", [512, 112_000])
def test_every_event_is_told_new_then_updated_then_ended(two_vents, size):
    state, told = OpenEvents(), {}
    for output in run(make_chain(load_layout("row-corners")), blocks(two_vents, size=size)):
        state, events = event_step(state, output)
        for event in events:
            told.setdefault(event.detection.onset, []).append(event.state)
    assert state.events == ()
    assert len(told) == 2
    for states in told.values():
        assert (states[0], set(states[1:-1]), states[-1]) == ("new", {"update"}, "end")


@pytest.mark.parametrize("last_s", [3.9, 4.5])
def test_a_sound_that_lasts_to_the_end_of_the_stream(two_vents, last_s):
    samples = two_vents.samples[:, : round(last_s * FS)]
    events = hear(make_chain(load_layout("row-corners")), replace(two_vents, samples=samples))
    assert [event.cell_map.best for event in events] == [1, 10]
    assert all(event.ended.end == samples.shape[1] for event in events)
    assert all(event.settled for event in events)


def test_a_stream_that_ends_before_the_second_can_be_told_has_one_event(two_vents):
    samples = two_vents.samples[:, : round(2.95 * FS)]
    (event,) = hear(make_chain(load_layout("row-corners")), replace(two_vents, samples=samples))
    assert event.cell_map.best == 1


def test_a_gap_in_the_middle_ends_both_and_the_rest_is_heard_anew(hiss):
    layout = load_layout("row-corners")
    sounds = [(layout.cells[1], 1.5, 8.0, 6.0), (layout.cells[10], 2.9, 8.0, 9.0)]
    samples = hiss.several(layout, sounds, seconds=10.5).samples
    first, rest = round(4.5 * FS), round(5.0 * FS)
    stream = [
        Block(samples[:, :first], 0, FS),
        Block(samples[:, rest:], rest, FS, lost=rest - first),
    ]
    events = list(events_of(run(make_chain(layout), stream)))
    before = [event for event in events if event.detection.onset < first]
    after = [event for event in events if event.detection.onset >= rest]
    assert [event.cell_map.best for event in before] == [1, 10]
    assert all(event.ended.end <= first for event in before)
    assert len(after) == 1  # both sound from the gap on: nothing tells them apart
    assert after[0].cell_map.best in (1, 10)


def test_a_window_longer_than_the_release_is_awaited(hiss):
    """The sound is over and said to be over before its last window is; the event ends when both are known."""
    layout = load_layout("row-corners")
    recording = hiss.recording(layout, layout.cells[4], seconds=9.0, spans_s=((2.0, 2.5),))
    chain = replace(make_chain(layout), window=CutRule(window_s=4.0))
    state, ends = OpenEvents(), []
    for number, output in enumerate(run(chain, blocks(recording, size=512))):
        state, events = event_step(state, output)
        ends += [(number * 512 / FS, event) for event in events if event.state == "end"]
    ((told_s, event),) = ends
    assert event.cell_map.best == 4
    assert 5.9 < told_s < 6.2
    assert event.ended.end / FS == pytest.approx(2.5, abs=0.07)


def test_a_second_vent_can_be_waited_for_with_other_numbers(two_vents):
    chain = replace(make_chain(load_layout("row-corners")), watch=WatchRule(sharpness=1e9))
    assert [event.cell_map.best for event in hear(chain, two_vents)] == [1]
    chain = replace(chain, watch=WatchRule(hop_s=0.25))
    assert [event.cell_map.best for event in hear(chain, two_vents)] == [1, 10]


@pytest.mark.slow
@pytest.mark.parametrize("duration_s", [0.05, 8.0])
def test_a_click_of_fifty_milliseconds_and_a_long_hiss_are_both_named(shipped_layout, duration_s):
    rng = np.random.default_rng(int(1_000 * duration_s))
    scene = simulate_scene(
        shipped_layout,
        rng=rng,
        cell=shipped_layout.cell_names[9],
        rt60_s=0.4,
        snr_db=10.0,
        seconds=4.0 + duration_s,
        onset_s=2.5,
        duration_s=duration_s,
    )
    (event,) = hear(make_chain(shipped_layout), scene.recording)
    assert event.cell_map.best == 9
    assert event.detection.onset / 16_000 == pytest.approx(2.5, abs=0.1)
