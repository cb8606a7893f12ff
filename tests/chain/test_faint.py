"""Sounds too faint for the trigger: means of scores, and what the map makes of them."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.detection.faint import FaintRule
from trad_array.detection.listed import Listed
from trad_array.detection.trigger import Trigger
from trad_array.events import events_of
from trad_array.features import FeatureSpec
from trad_array.localization.faint_watch import (
    FaintEvent,
    FaintWatch,
    FaintWatchRule,
    faint_ends,
    from_a_cell,
    loud,
    take_up,
)
from trad_array.localization.place import Placed
from trad_array.records import CellMap, Detection, Ended, Fused, Scores
from trad_array_geometry import load_layout

FS = 16_000
RULE = FaintWatchRule()
LAYOUT = load_layout("row-corners")
CELL = 5
# Mean level over the noise of the hiss at which no frame reaches the trigger, but half a second of them stands out.
FAINT_DB = -8.0


def scores(values, first=0):
    return Scores(values, (first + np.arange(values.shape[1])) * 512)


@pytest.mark.parametrize("size", [1, 3, 15, 16, 17, 100])
def test_means_are_a_plain_moving_average_however_the_scores_are_cut(rng, size):
    rule, values = FaintRule(), rng.standard_normal((3, 100))
    state, parts = rule.start(3), []
    for first in range(0, 100, size):
        state, means = rule.means(state, scores(values[:, first : first + size], first))
        parts.append(means.values)
    found = np.concatenate(parts, axis=1)
    n = rule.mean_frames
    expected = np.stack([np.convolve(row, np.full(n, 1.0 / n), mode="valid") for row in values])
    np.testing.assert_allclose(found[:, n - 1 :], expected, atol=1e-12)
    assert (found[:, : n - 1] == 0.0).all()  # until there are enough frames
    assert state.recent.shape == (3, n - 1)


def through(rule, values):
    """Detections and ends of one microphone's scores."""
    state, means = rule.means(rule.start(1), scores(values[None]))
    state, found = rule.step(state, Fused(means.values[0], means.starts, np.ones(1, dtype=bool)), means)
    return found, rule.finish(state, len(values) * 512 + 512)


def test_an_onset_is_moved_to_where_the_mean_begins():
    rule = FaintRule()
    quiet_frames = 60
    values = np.where(np.arange(200) >= quiet_frames, 2.0, 0.0)
    found, last = through(rule, values)
    (detection,) = found.detections
    # The mean passes 1.1 when 9 of 16 frames hold 2: the onset told lies at the first frame of that mean.
    assert detection.onset == (quiet_frames + 8 - 15) * 512 + 512
    assert detection.onset <= quiet_frames * 512 <= detection.decided_at
    assert detection.decided_at - detection.onset <= rule.lag
    assert [end.onset for end in last.ended] == [detection.onset]


def test_an_onset_is_never_before_the_stream():
    rule = replace(FaintRule(), mean_frames=4)
    (detection,) = through(rule, np.full(20, 5.0))[0].detections
    assert detection.onset == 512
    early = replace(rule, trigger=replace(rule.trigger, old=0))
    assert through(early, np.full(20, 5.0))[0].detections[0].onset == 0


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 512), (400, 160), (1600, 1600), (64_000, 32_000)])
def test_half_a_second_is_half_a_second_for_frames_of_any_length(n_fft, hop):
    rule = FaintRule.for_features(FeatureSpec(n_fft=n_fft, hop=hop, front_end="waveform"))
    assert rule.mean_frames >= 2
    assert abs(rule.mean_frames * hop / FS - 0.51) <= max(hop / FS, 2 * hop / FS if hop > 8_000 else 0)
    assert rule.trigger.fresh == hop
    if (n_fft, hop) == (1024, 512):
        assert (rule.mean_frames, rule.trigger.release_frames) == (16, 31)


def detection(onset_s, *, after_s=0.6):
    return Detection(round(onset_s * FS), round((onset_s + after_s) * FS), 1.5, (1.5,) * 4)


def ended(onset_s, end_s):
    return Ended(round(onset_s * FS), round(end_s * FS), round((end_s + 1.0) * FS), 2.0, (2.0,) * 4)


def placed(onset_s, *, best=0.9, elsewhere=0.1, final=False, heard_s=1.0):
    probability = np.zeros(13)
    probability[CELL], probability[CELL + 1] = best, 1.0 - best - elsewhere
    none = np.zeros(0)
    onset = round(onset_s * FS)
    cell_map = CellMap(probability, probability, elsewhere, None, onset, 343.0, none, none.astype(int))
    flags = none.astype(bool)
    heard_until = onset + round(heard_s * FS)
    return Placed(onset, cell_map, None, none, flags, flags, heard_until=heard_until, final=final)


def watched(*onsets_s):
    return take_up(FaintWatch(), tuple(detection(onset_s) for onset_s in onsets_s), ())


def with_event(onset_s=3.0):
    return from_a_cell(watched(onset_s), placed(onset_s), rule=RULE)[0]


def test_a_candidate_from_a_cell_is_an_event_from_then_on():
    state, event, told = from_a_cell(watched(3.0), placed(3.0), rule=RULE)
    assert told
    assert (event.onset, event.decided_at) == (3 * FS, 4 * FS)  # known once the map is
    assert (state.candidates, state.events) == ((), (FaintEvent(event),))
    state, again, told = from_a_cell(state, placed(3.0, heard_s=2.0, final=True), rule=RULE)
    assert (again, told, state.events) == (None, True, (FaintEvent(event, settled=True),))


@pytest.mark.parametrize("why", [{"best": 0.2, "elsewhere": 0.7}, {"best": 0.4, "elsewhere": 0.2}])
def test_a_candidate_from_no_cell_waits_for_its_last_map_and_is_forgotten(why):
    state, event, told = from_a_cell(watched(3.0), placed(3.0, **why), rule=RULE)
    assert (event, told, len(state.candidates)) == (None, False, 1)
    state, event, told = from_a_cell(state, placed(3.0, **why, final=True), rule=RULE)
    assert (event, told, state.candidates) == (None, False, ())
    assert from_a_cell(state, placed(3.0), rule=RULE) == (state, None, False)  # nobody waits for it any more


def test_a_candidate_without_a_map_is_forgotten():
    nothing = replace(placed(3.0, final=True), cell_map=None)
    assert from_a_cell(watched(3.0), nothing, rule=RULE) == (FaintWatch(), None, False)


@pytest.mark.parametrize(("later_s", "new"), [(0.0, False), (1.0, False), (3.0, False), (3.001, True), (-0.001, True)])
def test_a_sound_that_becomes_loud_soon_after_is_the_same_event(later_s, new):
    onset_s = 3.0 + later_s
    state, told = loud(with_event(), detection(onset_s, after_s=0.1), rule=RULE, fs=FS)
    assert told is new
    assert state.absorbed == (() if new else (round(onset_s * FS),))


def test_a_sound_that_becomes_loud_after_the_end_is_an_event_of_its_own():
    """What counts is when the end was certain, however late it is looked at."""
    over = take_up(with_event(), (), (ended(3.0, 3.5),))  # certain at 4.5 s
    assert loud(over, detection(4.0, after_s=0.4), rule=RULE, fs=FS)[1] is False
    assert loud(over, detection(4.0, after_s=0.5), rule=RULE, fs=FS)[1] is True


def test_a_candidate_that_becomes_loud_is_not_heard_twice():
    before, after = detection(3.0, after_s=0.5), detection(3.9)
    state = take_up(FaintWatch(), (before, after), ())
    state, told = loud(state, detection(3.4, after_s=0.2), rule=RULE, fs=FS)
    assert told
    assert state.candidates == (after,)
    assert from_a_cell(state, placed(3.0), rule=RULE)[1:] == (None, False)


def test_an_end_before_the_map_is_told_when_the_map_makes_it_an_event():
    state, told = faint_ends(take_up(watched(3.0, 4.0), (), (ended(3.0, 3.7), ended(1.0, 1.5))))
    assert told == ()
    assert [end.onset for end in state.over] == [3 * FS]  # the other one is nobody's
    state, event, _ = from_a_cell(state, placed(3.0), rule=RULE)
    assert event is not None
    state, told = faint_ends(state)
    assert told == (ended(3.0, 3.7),)
    assert faint_ends(state)[1] == ()  # once


def test_an_event_that_is_over_still_waits_for_its_last_map():
    state, told = faint_ends(take_up(with_event(), (), (ended(3.0, 3.5),)))
    assert told == (ended(3.0, 3.5),)
    state, _, known = from_a_cell(state, placed(3.0, heard_s=2.0, final=True), rule=RULE)
    assert known
    assert faint_ends(state) == (FaintWatch(), ())


def heard(recording, layout=LAYOUT):
    outputs = list(run(make_chain(layout), blocks(recording, size=2048)))
    return outputs, list(events_of(outputs))


@pytest.mark.parametrize("seed", range(3))
def test_a_hiss_too_faint_for_the_trigger_is_one_alarm_from_its_cell(hiss, seed):
    hiss.rng = np.random.default_rng([5, seed])
    recording = hiss.recording(LAYOUT, LAYOUT.cells[CELL], seconds=9.0, spans_s=((3.0, 6.0),), snr_db=FAINT_DB)
    outputs, (event,) = heard(recording)
    assert max(output.heard.fused.values.max(initial=0.0) for output in outputs) < Trigger().on
    assert (event.level, event.cell_map.best) == ("alarm", CELL)
    assert event.detection.onset / FS == pytest.approx(3.0, abs=0.55)
    assert event.ended.end / FS == pytest.approx(6.0, abs=0.55)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [512, 2048, 200_000])
def test_a_short_faint_hiss_is_told_to_its_end(hiss, seed, size):
    """It is over before its last map, and the last map still settles it."""
    hiss.rng = np.random.default_rng([6, seed])
    recording = hiss.recording(LAYOUT, LAYOUT.cells[CELL], seconds=9.0, spans_s=((3.0, 3.5),), snr_db=FAINT_DB + 2.0)
    outputs = list(run(make_chain(LAYOUT), blocks(recording, size=size)))
    began = {d.onset for output in outputs for d in output.heard.detections}
    assert [event.detection.onset for event in events_of(outputs)] == sorted(began)
    assert len(began) == 1


def test_a_loud_part_that_ends_before_its_window_belongs_to_the_faint_event_all_the_same(hiss):
    """A click in a faint hiss: its own end comes long before its last window is complete."""
    hiss.rng = np.random.default_rng([5, 2])
    place_m = LAYOUT.cells[CELL]
    sounds = [(place_m, 3.0, 9.0, FAINT_DB), (place_m, 5.0, 5.2, 10.0)]
    recording = hiss.several(LAYOUT, sounds, seconds=12.0)
    chain = make_chain(LAYOUT)
    quick = chain.with_events(Trigger.for_features(chain.features, release_s=0.05))
    found = [list(events_of(run(quick, blocks(recording, size=size)))) for size in (512, 4096, 200_000)]
    for (event,) in found:
        assert event.detection.onset == found[0][0].detection.onset
        assert event.cell_map.best == CELL


def test_where_a_person_has_named_all_events_no_faint_sound_is_one(hiss):
    hiss.rng = np.random.default_rng([5, 0])
    recording = hiss.recording(LAYOUT, LAYOUT.cells[CELL], seconds=9.0, spans_s=((3.0, 6.0),), snr_db=FAINT_DB)
    chain = make_chain(LAYOUT, events=Listed(((0, 16_000),)))
    (event,) = events_of(run(chain, blocks(recording, size=2048)))
    assert event.detection.onset == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_same_hiss_at_a_guard_point_is_nothing(hiss, seed):
    hiss.rng = np.random.default_rng([5, seed])
    recording = hiss.recording(LAYOUT, LAYOUT.guards[0], seconds=9.0, spans_s=((3.0, 6.0),), snr_db=FAINT_DB)
    outputs, events = heard(recording)
    assert sum(len(output.heard.faint) for output in outputs) >= 1  # it was noticed
    assert events == []


def grown(hiss, loud_from_s):
    """A faint hiss from 3.0 s on that becomes loud."""
    hiss.rng = np.random.default_rng([5, 2])
    place_m = LAYOUT.cells[CELL]
    sounds = [(place_m, 3.0, 9.0, FAINT_DB), (place_m, loud_from_s, 9.0, 6.0)]
    return heard(hiss.several(LAYOUT, sounds, seconds=12.0))


@pytest.mark.parametrize("loud_from_s", [3.3, 5.0])
def test_a_faint_hiss_that_becomes_loud_is_one_event(hiss, loud_from_s):
    outputs, (event,) = grown(hiss, loud_from_s)
    assert max(output.heard.fused.values.max(initial=0.0) for output in outputs) > Trigger().on
    assert (event.level, event.cell_map.best) == ("alarm", CELL)
    assert event.ended.end / FS == pytest.approx(9.0, abs=0.55)
    told = {x.onset for output in outputs for x in output.heard.lasting}
    assert told <= {event.detection.onset}


def test_a_loud_hiss_long_after_the_faint_one_is_an_event_of_its_own(hiss):
    _, events = grown(hiss, 7.0)
    assert [event.cell_map.best for event in events] == [CELL, CELL]
    assert [event.detection.onset / FS for event in events] == pytest.approx([3.0, 7.0], abs=0.55)
