"""The watch on a virtual clock: pieces in, messages and evidence out."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from trad_array.alarm.clip import ClipRule
from trad_array.alarm.clip_file import write_clip
from trad_array.alarm.health import HealthRule
from trad_array.alarm.limits import AlarmRule
from trad_array.alarm.state import Action
from trad_array.audio.captured import Captured, NoSound
from trad_array.audio.files import find_source
from trad_array.audio.playback import Playback
from trad_array.audio.to_rate import ToRate
from trad_array.chain import make_chain
from trad_array.events import Origin
from trad_array.monitor.watch import Watch, watch_act, watch_finish, watch_step
from trad_array_geometry import load_layout

LAYOUT = load_layout("row-frame")
CELL = LAYOUT.cell_names[5]
BEGAN_UTC_S = 1_800_000_000.0


def make_watch(fs: int = 16_000) -> Watch:
    return Watch(
        chain=make_chain(LAYOUT),
        rate=ToRate(fs, 16_000),
        origin=Origin("card", "excess"),
        health=HealthRule(mics=LAYOUT.mic_names),
        alarm=AlarmRule(cells=LAYOUT.cell_names, mics=LAYOUT.mic_names),
        clips=ClipRule(before_s=5.0),
    )


@pytest.fixture
def vent(hiss):
    """Integers, (4, n), the same each time: a cell hisses from 12 to 14 s."""

    @cache
    def made(fs: int = 16_000, *, seconds: float = 20.0) -> np.ndarray:
        recording = hiss.recording(LAYOUT, LAYOUT.cells[5], seconds=seconds, spans_s=((12.0, 14.0),), fs=fs)
        return np.round(recording.samples * 32_767).astype(np.int16)

    return made


def pieces(samples: np.ndarray, fs: int, size: int, *, first: int = 0):
    for at in range(0, samples.shape[1], size):
        yield Captured(samples[:, at : at + size].copy(), first + at, fs, received_s=0.0)


def watched(watch: Watch, stream, state=None):
    """All messages and all sounds of events; arrival times as if each piece came 50 ms late."""
    state = state or watch.start()
    messages, sounded = [], []
    for piece in stream:
        arrived = BEGAN_UTC_S + piece.end / piece.fs + 0.05 if isinstance(piece, Captured) else None
        state, output = watch_step(watch, state, piece, machine=None, arrived_utc_s=arrived)
        messages += output.messages
        sounded += output.sounded
    state, output = watch_finish(watch, state, machine=None)
    return [*messages, *output.messages], [*sounded, *output.sounded]


def of(kind: str, messages) -> list[dict]:
    return [dict(m) for m in messages if m["schema"] == f"trad-array/{kind}/1"]


def test_a_vent_is_an_event_an_alarm_and_a_clip(vent):
    messages, sounded = watched(make_watch(), pieces(vent(), 16_000, 800))
    events = of("event", messages)
    assert {e["id"] for e in events} == {events[0]["id"]}
    assert (events[0]["state"], events[-1]["state"], events[-1]["best"]) == ("new", "end", CELL)
    (state,) = [s for s in of("state", messages) if "alarm" in {why["kind"] for why in s["why"]}]
    assert (state["level"], state["sounder"], state["first_cell"]) == ("alarm", "alarm", CELL)
    (found,) = sounded
    assert found.clip.event == events[0]["id"]
    onset_s = events[0]["onset_s"]
    assert found.clip.start / 16_000 == pytest.approx(onset_s - 5.0, abs=0.6)
    assert found.clip.end / 16_000 > 14.0 + 2.0
    np.testing.assert_array_equal(
        np.concatenate(list(found.clip.stretches()), axis=1), vent()[:, found.clip.start : found.clip.end]
    )


@pytest.mark.parametrize("size", [160, 512, 4_000, 16_000])
def test_however_sound_is_cut_into_pieces_the_events_are_the_same(vent, size):
    """Times of the day aside: they follow what arrived when."""
    one, _ = watched(make_watch(), pieces(vent(), 16_000, 800))
    other, _ = watched(make_watch(), pieces(vent(), 16_000, size))
    without = {"onset_utc", "id"}
    told, again = ([{k: v for k, v in e.items() if k not in without} for e in of("event", m)] for m in (one, other))
    assert told == again


@pytest.mark.parametrize("fs", [16_000, 48_000, 44_100])
def test_a_clip_is_heard_again_as_it_was_also_through_the_resampler(vent, fs):
    watch = make_watch(fs)
    messages, (found,) = watched(watch, pieces(vent(fs), fs, 2_000))
    assert found.replay is not None
    clip = np.concatenate(list(found.clip.stretches()), axis=1)
    again = replace(watch, origin=found.replay.origin)
    stream = pieces(clip, fs, 777, first=found.replay.clip_start)
    heard, _ = watched(again, (replace(piece, received_s=None) for piece in stream), again.start_at(found.replay))
    assert of("event", heard) == of("event", messages)


@pytest.mark.parametrize(
    ("before_s", "spans_s"),
    [
        (0.0, ((12.0, 14.0),)),  # no pre-roll asked for
        (5.0, ((6.0, 7.0), (10.5, 12.0))),  # the array was busy until shortly before the second
        (5.0, ((6.0, 7.0), (12.5, 14.0))),
        (5.0, ((2.0, 3.0),)),  # soon after the beginning
    ],
)
def test_a_clip_is_heard_again_as_it_was_or_has_no_replay(hiss, before_s, spans_s):
    samples = hiss.recording(LAYOUT, LAYOUT.cells[5], seconds=17.0, spans_s=spans_s).samples
    samples = np.round(samples * 32_767).astype(np.int16)
    watch = replace(make_watch(), clips=ClipRule(before_s=before_s))
    messages, sounded = watched(watch, pieces(samples, 16_000, 1_600))
    assert len(sounded) == len(spans_s)
    assert any(found.replay is not None for found in sounded)
    for found in sounded:
        if found.replay is None:
            continue
        clip = np.concatenate(list(found.clip.stretches()), axis=1)
        stream = (replace(p, received_s=None) for p in pieces(clip, 16_000, 777, first=found.replay.clip_start))
        again = replace(watch, origin=found.replay.origin)
        heard, _ = watched(again, stream, again.start_at(found.replay))
        told, same = ([e for e in of("event", m) if e["id"] == found.clip.event] for m in (messages, heard))
        assert same == told


def test_a_clip_with_a_gap_in_it_is_heard_again_with_the_gap(vent, tmp_path):
    watch, samples = make_watch(), vent()
    before = pieces(samples[:, : 13 * 16_000], 16_000, 1_600)
    after = pieces(samples[:, 13 * 16_000 + 4_000 :], 16_000, 1_600, first=13 * 16_000 + 4_000)
    messages, sounded = watched(watch, [*before, *(replace(p, lost=4_000 * (k == 0)) for k, p in enumerate(after))])
    assert "gap" in {fault["kind"] for fault in of("fault", messages)}
    found = sounded[0]
    assert found.clip.gaps == ((13 * 16_000 - found.clip.start, 4_000),)
    write_clip(found.clip, tmp_path)
    source = find_source(str(tmp_path / "clip.flac"), channels=(1, 2, 3, 4))
    again = replace(watch, origin=found.replay.origin)
    played = Playback(source, block_s=0.3, first=found.replay.clip_start, gaps=found.clip.gaps)
    heard, _ = watched(again, (replace(p, received_s=None) for p in played.pieces()), again.start_at(found.replay))
    event = found.clip.event
    told, same = ([e for e in of("event", m) if e["id"] == event] for m in (messages, heard))
    assert same == told


def test_no_sound_is_a_fault_within_ten_seconds_and_over_when_it_is_back(vent):
    watch, state = make_watch(), make_watch().start()
    told = []
    for piece in pieces(vent(seconds=15.0)[:, : 4 * 16_000], 16_000, 1_600):
        state, _ = watch_step(watch, state, piece, machine=None)
    for second in range(1, 12):
        state, output = watch_step(watch, state, NoSound(float(second), "cable"), machine=None)
        told += output.messages
    (raised,) = of("fault", told)
    assert (raised["kind"], raised["state"]) == ("no-audio", "raised")
    assert raised["at_s"] <= 4.0 + 10.0
    assert "cable" in raised["detail"]
    assert [h["faults"] for h in of("heartbeat", told)][-1] == ["fault:no-audio"]
    back = []
    for piece in pieces(vent(seconds=15.0)[:, : 5 * 16_000], 16_000, 1_600, first=15 * 16_000):
        state, output = watch_step(watch, state, replace(piece, lost=11 * 16_000), machine=None)
        back += output.messages
    assert ("no-audio", "restored") in {(f["kind"], f["state"]) for f in of("fault", back)}
    assert {f["kind"] for f in of("fault", back) if f["state"] == "noticed"} == {"gap"}


def test_what_an_operator_does_is_told_with_name_and_comment_and_a_refusal_too(vent):
    watch, state = make_watch(), make_watch().start()
    for piece in pieces(vent()[:, : 13 * 16_000], 16_000, 1_600):
        state, _ = watch_step(watch, state, piece, machine=None)
    state, refused = watch_act(watch, state, Action("reset", "Ada", "too early"))
    (told,) = of("action", refused.messages)
    assert (told["granted"], told["by"], told["comment"]) == (False, "Ada", "too early")
    state, done = watch_act(watch, state, Action("ack", "Ada", "on my way"))
    assert [a["granted"] for a in of("action", done.messages)] == [True]
    assert of("state", done.messages)[-1]["incident"][0]["acknowledged"]["by"] == "Ada"


def test_a_disabled_microphone_has_no_say_and_no_part_in_the_map(vent):
    watch = make_watch()
    state, _ = watch_act(watch, watch.start(), Action("disable", "Ada", "noisy", f"mic:{LAYOUT.mic_names[3]}"))
    messages, _ = watched(watch, pieces(vent(), 16_000, 1_600), state)
    end = [e for e in of("event", messages) if e["state"] == "end"][-1]
    assert [channel["used"] for channel in end["channels"]] == [True, True, True, False]


@pytest.mark.parametrize("nonsense", [1e25, 1e20, -np.inf, np.nan])
def test_what_no_microphone_can_say_does_not_make_the_array_deaf(vent, rng, nonsense):
    """A third of a second of it in a card that gives floats; the vent comes eight seconds later."""
    samples = (vent() / 32_768).astype(np.float32)
    spoiled = samples.copy()
    spoiled[:, 4 * 16_000 : 4 * 16_000 + 4_800] = np.float32(nonsense) * np.sign(rng.standard_normal((4, 4_800)))
    messages, _ = watched(make_watch(), pieces(spoiled, 16_000, 1_600))
    ends = [e for e in of("event", messages) if e["state"] == "end" and e["verdict"] == "cell"]
    assert CELL in {e["best"] for e in ends}


def test_a_fault_that_health_still_takes_for_present_is_shown_from_the_start():
    """Health may have been noted before the end of a fault, and the alarm's state after it."""
    watch = make_watch()
    silent = np.zeros((4, 30 * 16_000), np.int16)
    silent[:3] = 300
    silent[:3, ::2] = -300
    state = watch.start()
    for piece in pieces(silent, 16_000, 1_600):
        state, _ = watch_step(watch, state, piece, machine=None)
    assert [fault.code for fault in state.alarm.faults] == ["mic-silent"]
    again = watch.start(alarm=None, health=state.health)
    assert [(f.code, f.subject) for f in again.alarm.faults] == [("mic-silent", LAYOUT.mic_names[3])]


def test_signs_of_life_come_every_ten_seconds_with_and_without_sound(vent):
    watch, state = make_watch(), make_watch().start()
    beats = []
    for piece in pieces(vent(), 16_000, 1_600):
        state, output = watch_step(watch, state, piece, machine=None)
        beats += [m["at_s"] for m in of("heartbeat", output.messages)]
    for second in range(1, 26):
        state, output = watch_step(watch, state, NoSound(float(second), "gone"), machine=None)
        beats += [m["at_s"] for m in of("heartbeat", output.messages)]
    assert np.diff([0.0, *beats]).max() <= 11.0
    assert len(beats) >= 4
