"""The chain on sounds with a known answer: onsets, dead microphones, gaps, sounds that stay."""

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.errors import ConfigError
from trad_array.events import OpenEvents, Origin, event_json, event_step, events_of, map_from_json
from trad_array.features import NoiseFloor
from trad_array.hearing import Hearing
from trad_array.records import Block, Recording
from trad_array.scoring.excess import Excess
from trad_array_geometry import LayoutError, load_layout, speed_of_sound


def hear(chain, recording):
    outputs = list(run(chain, blocks(recording, size=1000)))
    faults = [fault for output in outputs for fault in output.heard.faults]
    return list(events_of(outputs)), faults


def test_a_hissing_cell_is_heard_on_time_and_named(shipped_layout, hiss):
    cell = shipped_layout.n_cells // 2
    events, faults = hear(make_chain(shipped_layout), hiss.recording(shipped_layout, shipped_layout.cells[cell]))
    (event,) = events
    assert faults == []
    assert event.cell_map.best == cell
    assert event.level == "alarm"
    assert event.detection.onset / 16_000 == pytest.approx(2.5, abs=0.035)
    assert event.ended.end / 16_000 == pytest.approx(3.5, abs=0.07)
    assert event.placed.position.position_m == pytest.approx(tuple(shipped_layout.cells[cell]), abs=0.03)


def test_the_right_temperature_names_the_right_cell_and_is_reported(hiss):
    layout = load_layout("row-frame")
    cold = speed_of_sound(-15.0)
    recording = hiss.recording(layout, layout.cells[12], speed_of_sound=cold)
    chain = make_chain(layout, temperature_c=-15.0)
    (event,) = hear(chain, recording)[0]
    assert event.cell_map.best == 12
    assert event_json(event, chain, Origin("x", "x"))["speed_of_sound_m_s"] == pytest.approx(cold, abs=1e-3)


def test_two_vents_with_quiet_between_are_two_events(hiss):
    layout = load_layout("row-corners")
    recording = hiss.recording(layout, layout.cells[3], seconds=9.0, spans_s=((2.0, 2.8), (6.0, 6.5)))
    events, _ = hear(make_chain(layout), recording)
    assert [event.cell_map.best for event in events] == [3, 3]


def test_a_sound_at_the_very_end_is_still_placed(hiss):
    layout = load_layout("row-corners")
    (event,) = hear(make_chain(layout), hiss.recording(layout, layout.cells[3], spans_s=((4.5, 5.0),)))[0]
    assert event.cell_map.best == 3


def test_a_guard_point_is_heard_but_is_no_alarm(hiss):
    layout = load_layout("pack-corners")
    (event,) = hear(make_chain(layout), hiss.recording(layout, layout.guards[2], snr_db=15))[0]
    assert (event.level, event.verdict) == ("report", "elsewhere")
    assert event.cell_map.elsewhere > 0.9


def test_a_dead_microphone_is_said_left_out_and_relearned_when_it_comes_back(hiss):
    layout = load_layout("pack-corners")
    recording = hiss.recording(layout, layout.cells[20], seconds=9.0, spans_s=((4.0, 5.0),))
    samples = recording.samples.copy()
    samples[1, 2 * 16_000 : 7 * 16_000] = 0.0
    events, faults = hear(make_chain(layout), Recording(samples, 16_000))
    assert [(f.kind, f.channel) for f in faults] == [("dead", 1), ("alive", 1)]
    assert faults[0].at / 16_000 == pytest.approx(2.5, abs=0.55)
    assert faults[1].at / 16_000 == pytest.approx(7.25, abs=0.55)
    (event,) = events  # the microphone's return is no event
    assert event.placed.used.tolist() == [True, False, True, True]
    assert event.cell_map.best == 20
    assert set(event.cell_map.pairs.ravel().tolist()) == {0, 2, 3}


def test_one_microphone_left_is_heard_and_said_not_localizable(hiss):
    layout = load_layout("pack-corners")
    samples = hiss.recording(layout, layout.cells[20]).samples.copy()
    samples[1:] = 0.0
    (event,) = hear(make_chain(layout), Recording(samples, 16_000))[0]
    record = event_json(event, make_chain(layout), Origin("x", "x"))
    assert (record["level"], record["best"], record["p_elsewhere"]) == ("alert", None, None)
    assert record["why_not_placed"].endswith("expected sound from at least two microphones, found 1")
    assert record["doubts"] == [f"microphone {name} is silent" for name in "BCD"]


def test_a_gap_is_said_and_nothing_is_glued_across_it(hiss):
    layout = load_layout("row-corners")
    recording = hiss.recording(layout, layout.cells[5], seconds=8.0, spans_s=((5.0, 6.0),))
    first = Block(recording.samples[:, :40_000], 0, 16_000)
    second = Block(recording.samples[:, 48_000:], 48_000, 16_000, lost=8_000)
    outputs = list(run(make_chain(layout), [first, second]))
    faults = [fault for output in outputs for fault in output.heard.faults]
    assert [(f.kind, f.at, f.detail) for f in faults] == [("gap", 40_000, "8000 samples are missing")]
    starts = np.concatenate([o.heard.scores.starts for o in outputs])
    assert not ((starts > 40_000 - 1024) & (starts < 48_000)).any()
    (event,) = list(events_of(outputs))
    assert event.cell_map.best == 5
    assert event.detection.onset / 16_000 == pytest.approx(5.0, abs=0.035)


def test_the_floor_stands_still_during_an_event(hiss):
    layout = load_layout("row-corners")
    recording = hiss.recording(layout, layout.cells[5], seconds=30.0, spans_s=((3.0, 28.0),))
    (event,) = hear(make_chain(layout), recording)[0]
    assert event.ended.end / 16_000 == pytest.approx(28.0, abs=0.07)


def test_a_fan_that_stays_on_becomes_the_background(hiss):
    from trad_array.detection.trigger import Trigger

    layout = load_layout("row-corners")
    recording = hiss.recording(layout, layout.guards[0], seconds=16.0, spans_s=((3.0, 16.0),))
    rule = Trigger(max_frames=156)  # 5 s
    events, faults = hear(make_chain(layout, events=rule), recording)
    assert [fault.kind for fault in faults] == ["steady"]
    assert len(events) == 1
    assert events[0].ended.end / 16_000 == pytest.approx(8.0, abs=0.07)


def test_silence_and_too_little_sound_raise_no_alarm():
    layout = load_layout("row-corners")
    events, faults = hear(make_chain(layout), Recording(np.zeros((4, 64_000), np.float32), 16_000))
    assert events == []
    assert [fault.kind for fault in faults] == ["dead"] * 4
    assert hear(make_chain(layout), Recording(np.zeros((4, 100), np.float32), 16_000)) == ([], [])


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Block(np.zeros((3, 512), np.float32), 0, 16_000), "expected 4 channels, found 3"),
        (Block(np.zeros((4, 512), np.float32), 0, 48_000), "expected sound at 16000 Hz, found 48000 Hz"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(block, message):
    chain = make_chain(load_layout("row-corners"))
    with pytest.raises(ConfigError, match=message):
        chain.step(chain.start(), block)


def test_a_step_leaves_the_state_it_was_given_untouched(hiss):
    layout = load_layout("row-corners")
    chain = make_chain(layout)
    recording = hiss.recording(layout, layout.cells[5])
    first, second = list(blocks(recording, size=41_000))
    state, _ = chain.step(chain.start(), first)
    once, again = chain.step(state, second)[1], chain.step(state, second)[1]
    np.testing.assert_array_equal(once.heard.scores.values, again.heard.scores.values)
    with pytest.raises(ValueError, match="read-only"):
        state.hearing.carry[:] = 0


def test_an_event_is_told_under_one_id_until_it_ends_and_its_map_survives_json(hiss):
    layout = load_layout("pack-corners")
    chain = make_chain(layout)
    state, told = OpenEvents(), []
    for output in run(chain, blocks(hiss.recording(layout, layout.cells[9], seconds=7.0), size=512)):
        state, events = event_step(state, output)
        told += [(event, event_json(event, chain, Origin("x.wav", "excess"))) for event in events]
    states = [record["state"] for _, record in told]
    assert (states[0], set(states[1:-1]), states[-1]) == ("new", {"update"}, "end")
    heard_s = [record["heard_s"] for _, record in told[1:-1]]
    assert heard_s == sorted(heard_s)
    assert heard_s[0] <= told[-1][1]["sure_after_s"] <= 1.0
    assert len({record["id"] for _, record in told}) == 1
    event, record = told[-1]
    again = map_from_json(record, layout, fs=16_000)
    np.testing.assert_allclose(again.probability, event.cell_map.probability, atol=1e-5)
    np.testing.assert_allclose(again.pair_delays_s, event.cell_map.pair_delays_s, atol=1e-8)
    assert again.credible_set() == event.cell_map.credible_set()
    with pytest.raises(LayoutError, match="expected the 52 cells of the event"):
        map_from_json(record, load_layout("row-corners"), fs=16_000)


def test_a_scorer_that_finds_the_warm_up_odd_does_not_go_deaf(hiss):
    class Upside:
        """Scores frames that are exactly at the floor as highest of all, and otherwise as `Excess` does."""

        features, context = Excess().features, 1

        def score(self, log_mel):
            return np.where(np.abs(log_mel[:, :, -1]).max(axis=-1) == 0.0, 99.0, 5.0 * Excess().score(log_mel) - 3.35)

    layout = load_layout("row-corners")
    chain = make_chain(layout, scorer=Upside())
    (event,) = hear(chain, hiss.recording(layout, layout.cells[4]))[0]
    assert event.cell_map.best == 4
    assert event.detection.onset / 16_000 == pytest.approx(2.5, abs=0.035)


def test_reference_microphones_have_no_vote(rng):
    samples = 0.01 * rng.standard_normal((3, 64_000))
    samples[1:, 40_000:50_000] += 0.1 * rng.standard_normal((2, 10_000))
    block = Block(samples.astype(np.float32), 0, 16_000)
    for voters, expected in ((None, 1), ((0, 1), 0)):
        hearing = Hearing(3, voters=voters, floor=NoiseFloor())
        assert len(hearing.step(hearing.start(), block)[1].detections) == expected
