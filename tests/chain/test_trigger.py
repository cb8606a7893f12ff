"""The trigger, drawn: `.` below off, `-` between off and on, `#` above on."""

import numpy as np
import pytest

from trad_array.detection.listed import Listed
from trad_array.detection.trigger import Trigger
from trad_array.errors import ConfigError
from trad_array.records import Fused, Scores

LEVEL = {".": 0.0, "-": 2.0, "#": 5.0}
HOP = 10


def watch(rule, picture, block):
    values = np.array([LEVEL[c] for c in picture])
    starts = np.arange(len(values)) * HOP
    state, seen = rule.start(), []
    for i in range(0, len(values), block):
        part = slice(i, i + block)
        scores = Scores(np.stack([values[part], values[part] / 2]), starts[part])
        state, found = rule.step(state, Fused(values[part], starts[part], np.ones(2, dtype=bool)), scores)
        seen.append(found)
    return state, [*seen, rule.finish(state, len(values) * HOP)]


@pytest.mark.parametrize(
    ("picture", "onsets", "ends"),
    [
        ("......", (), ()),
        ("..#...", (), ()),  # a knock: shorter than hold
        ("..##....", (2,), (4,)),
        ("..##--##....", (2,), (8,)),  # a dip above off does not end an event
        ("..##..##....", (2,), (8,)),  # nor does a dip shorter than the release
        ("..##...##...", (2, 7), (4, 9)),
        ("#-#-#-", (), ()),
        ("..####", (2,), (6,)),  # still on when the stream ends
        ("..###.", (2,), (5,)),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 5, 100])
def test_one_onset_per_event_however_the_stream_is_cut(picture, onsets, ends, block):
    rule = Trigger(on=4, off=1, hold_frames=2, release_frames=3, max_frames=50, fresh=0, old=0)
    _, seen = watch(rule, picture, block)
    assert tuple(d.onset // HOP for f in seen for d in f.detections) == onsets
    assert tuple(e.end // HOP for f in seen for e in f.ended) == ends


def test_the_onset_is_the_first_sample_that_the_quiet_frame_before_did_not_hear():
    _, seen = watch(Trigger(on=4, off=1, hold_frames=2, release_frames=3, fresh=7, old=7), "..##....", 100)
    assert seen[0].detections[0].onset == 2 * HOP + 7


def test_an_event_carries_the_highest_scores_of_each_channel():
    _, seen = watch(Trigger(on=1, off=1, hold_frames=2, release_frames=3, fresh=0, old=0), ".--#-...", 3)
    (ended,) = [e for f in seen for e in f.ended]
    assert (ended.peak, ended.channels) == (5.0, (5.0, 2.5))


def test_a_sound_that_never_ends_is_ended_and_said():
    rule = Trigger(on=4, off=1, hold_frames=2, release_frames=3, max_frames=20, fresh=0, old=0)
    state, seen = watch(rule, "..." + "#" * 20, 4)
    assert [at // HOP for f in seen for at in f.too_long] == [22]
    assert not rule.active(state)


@pytest.mark.parametrize(
    "settings", [{"on": 2, "off": 3}, {"hold_frames": 0}, {"release_frames": 0}, {"hold_frames": 9, "max_frames": 9}]
)
def test_settings_that_contradict_each_other_are_refused(settings):
    with pytest.raises(ConfigError, match="expected"):
        Trigger(**settings)


@pytest.mark.parametrize("block", [1, 3, 100])
def test_listed_events_are_followed_whatever_the_scores(block):
    rule = Listed(((0, 25), (28, 60), (30, 31), (75, 200), (300, 400)))
    _, seen = watch(rule, "...#....", block)
    assert [d.onset for f in seen for d in f.detections] == [0, 28, 30, 75]
    assert sorted((e.onset, e.end) for f in seen for e in f.ended) == [(0, 25), (28, 60), (30, 31), (75, 80)]
    assert {e.onset: e.peak for f in seen for e in f.ended} == {0: 0.0, 28: 5.0, 30: 5.0, 75: 0.0}


@pytest.mark.parametrize("events", [((5, 5),), ((-1, 4),), ((9, 12), (3, 5)), ((3, 5), (3, 9))])
def test_listed_events_that_make_no_sense_are_refused(events):
    with pytest.raises(ConfigError, match="expected"):
        Listed(events)
