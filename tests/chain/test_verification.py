"""From detection to alarm: sounds that last, maps that contradict each other, and what an event says of its gate."""

import json
from dataclasses import replace

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import StepOutput, make_chain, run
from trad_array.detection.trigger import Trigger
from trad_array.events import Event, OpenEvents, Origin, event_json, event_step, events_of, map_from_json, map_json
from trad_array.features import FeatureSpec
from trad_array.hearing import Heard
from trad_array.localization.gate import DIFFUSE, ELSEWHERE, UNPLACED
from trad_array.localization.place import Placed
from trad_array.records import CellMap, Detection, Fused, Lasting, Recording, Scores
from trad_array.words import map_words
from trad_array_geometry import load_layout

FS = 16_000
ORIGIN = Origin("x", "x")
LAYOUT = load_layout("row-corners")
CHAIN = make_chain(LAYOUT)
ONSET = 40_000


def lasting_at(picture, rule):
    """Samples at which it is told that an event lasts: `.` is quiet, `-` between off and on, `#` above on."""
    values = np.array([{".": 0.0, "-": 2.0, "#": 5.0}[c] for c in picture])
    starts = np.arange(len(values)) * rule.fresh
    _, found = rule.step(rule.start(), Fused(values, starts, np.ones(1, dtype=bool)), Scores(values[None, :], starts))
    assert all(x.onset in {d.onset for d in found.detections} for x in found.lasting)
    return [x.at for x in found.lasting]


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        ("..########..", [70]),  # five frames from the onset in frame 2: the end of frame 6
        ("..##---------", [70]),
        ("..####...", []),
        ("..####.##---", [80]),  # not in a dip, but right after it
        ("..####..####", [90]),
        ("..######" + 30 * "#", [70]),  # once
        ("..#########....########", [70, 200]),  # each event once
    ],
)
def test_that_a_sound_lasts_is_told_once_and_not_in_a_dip(picture, told):
    rule = Trigger(on=4, off=1, hold_frames=2, release_frames=4, verify_frames=5, fresh=10, old=0)
    assert lasting_at(picture, rule) == told


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 512), (512, 160), (1600, 800), (16_000, 8_000)])
def test_times_of_the_trigger_hold_for_frames_of_any_length(n_fft, hop):
    rule = Trigger.for_features(FeatureSpec(n_fft=n_fft, hop=hop, front_end="waveform"))
    frame_s = hop / FS
    for frames, seconds in (
        (rule.release_frames, 2.0),
        (rule.verify_frames, 2.0),
        (rule.max_frames, 120.0),
        (rule.hold_frames, max(0.096, frame_s)),  # at least one frame
    ):
        assert frames * frame_s == pytest.approx(seconds, abs=0.5001 * frame_s)
    assert (rule.fresh, rule.old) == (hop, n_fft - hop)


def placed(*, elsewhere, otherwise=ELSEWHERE, sharpness=5.0, gate=0.0, place_m=(0.5, 1.7, 1.0), final=True):
    """A map written by hand: one cell has what elsewhere has not."""
    probability = (1.0 - elsewhere) * np.eye(LAYOUT.n_cells)[4]
    cell_map = CellMap(
        probability,
        probability,
        elsewhere,
        "room",
        ONSET,
        343.0,
        np.zeros(1),
        np.array([[0, 1]]),
        place_m=place_m,
        sharpness=sharpness,
        otherwise=otherwise,
        gate=gate,
    )
    none = np.zeros(4)
    used = np.ones(4, dtype=bool)
    return Placed(ONSET, cell_map, None, none, ~used, used, heard_until=ONSET + FS, final=final)


DETECTION = Detection(ONSET, ONSET + 2_000, 9.0, (9.0,) * 4)


@pytest.mark.parametrize(
    ("found", "at_once", "when_it_lasts"),
    [
        (None, "alert", "alarm"),
        (placed(elsewhere=0.1), "alarm", "alarm"),
        (placed(elsewhere=0.9, otherwise=UNPLACED), "alert", "alarm"),
        (placed(elsewhere=0.9, otherwise=ELSEWHERE), "report", "report"),
        (placed(elsewhere=0.9, otherwise=DIFFUSE), "report", "report"),
    ],
)
def test_how_loud_an_event_cries(found, at_once, when_it_lasts):
    event = Event(DETECTION, found)
    assert (event.level, replace(event, lasts=True).level) == (at_once, when_it_lasts)


def step(state, *, detections=(), maps=(), lasting=()):
    nothing = np.zeros(0)
    heard = Heard(
        Scores(np.zeros((4, 0)), nothing),
        Fused(nothing, nothing, np.ones(4, dtype=bool)),
        detections=detections,
        lasting=lasting,
    )
    return event_step(state, StepOutput(heard, placed=maps))


@pytest.mark.parametrize(("otherwise", "levels"), [(UNPLACED, ["alarm"]), (DIFFUSE, []), (ELSEWHERE, [])])
def test_lasting_is_told_when_it_changes_the_level(otherwise, levels):
    state, _ = step(OpenEvents(), detections=(DETECTION,))
    state, told = step(state, maps=(placed(elsewhere=0.9, otherwise=otherwise),))
    assert [event.level for event in told] == ["alert" if otherwise == UNPLACED else "report"]
    state, told = step(state, lasting=(Lasting(ONSET, ONSET + 2 * FS),))
    assert [event.level for event in told] == levels
    assert state.events[0].lasts


def test_an_alarm_is_not_taken_back_and_comes_late_when_it_must():
    cell = placed(elsewhere=0.1, sharpness=3.0, final=False)
    other = placed(elsewhere=0.9, sharpness=30.0)
    state, _ = step(OpenEvents(), detections=(DETECTION,))
    state, _ = step(state, maps=(cell,))
    state, told = step(state, maps=(other,))
    assert told == ()
    assert (state.events[0].placed, state.events[0].settled) == (cell, True)
    state, _ = step(OpenEvents(), detections=(DETECTION,))
    state, told = step(state, maps=(other, cell))
    assert [event.level for event in told] == ["report", "alarm"]
    assert state.events[0].placed is cell


def levels(recording, layout=LAYOUT):
    state, told = OpenEvents(), []
    for output in run(make_chain(layout), blocks(recording, size=512)):
        state, events = event_step(state, output)
        told += events
    return [event.level for event in told], told[-1]


def test_what_nobody_can_place_is_an_alarm_when_it_lasts(hiss):
    """One microphone left: heard, but from where?"""
    for seconds, expected in ((1.0, "alert"), (3.0, "alarm")):
        samples = hiss.recording(LAYOUT, LAYOUT.cells[3], seconds=8.0, spans_s=((2.5, 2.5 + seconds),)).samples.copy()
        samples[1:] = 0.0
        found, last = levels(Recording(samples, FS))
        assert (found[0], found[-1]) == ("alert", expected)
        assert found == sorted(found, reverse=True)  # never quieter again
        assert last.lasts is (expected == "alarm")


def test_a_hose_elsewhere_stays_a_report_however_long(hiss):
    recording = hiss.recording(LAYOUT, LAYOUT.guards[0], seconds=9.0, spans_s=((2.5, 6.5),), snr_db=12.0)
    found, last = levels(recording)
    assert "alarm" not in found
    assert (last.level, last.lasts) == ("report", True)


@pytest.mark.parametrize("otherwise", [ELSEWHERE, DIFFUSE, UNPLACED])
@pytest.mark.parametrize("elsewhere", [0.1, 0.9])
def test_verdict_and_gate_go_to_json_and_back(otherwise, elsewhere):
    event = Event(DETECTION, placed(elsewhere=elsewhere, otherwise=otherwise, gate=-4.321), lasts=True)
    record = json.loads(json.dumps(event_json(event, CHAIN, ORIGIN), allow_nan=False))
    again = map_from_json(record, LAYOUT, fs=FS)
    assert record["verdict"] == event.verdict == again.verdict == ("cell" if elsewhere < 0.5 else otherwise)
    assert record["gate"] == again.gate == -4.321
    assert record["lasts"] is True
    assert record["level"] == event.level
    moved = event_json(replace(event, placed=replace(event.placed, cell_map=again)), CHAIN, ORIGIN)
    assert moved["side"] == record["side"]


def test_a_record_of_before_the_gate_is_still_read():
    event = Event(DETECTION, placed(elsewhere=0.9))
    record = event_json(event, CHAIN, ORIGIN)
    old = {key: value for key, value in record.items() if key not in ("verdict", "gate", "lasts", "side")}
    again = map_from_json(old, LAYOUT, fs=FS)
    assert (again.verdict, again.gate) == (ELSEWHERE, 0.0)


@pytest.mark.parametrize(
    ("offset_m", "side"),
    [
        ((-1.0, 0.0, 0.0), "left of the row"),
        ((1.0, 0.3, 0.2), "right of the row"),
        ((0.1, -1.0, 0.0), "in front of the row"),
        ((0.0, 1.0, -0.5), "behind the row"),
        ((0.0, 0.2, 1.0), "above the row"),
        ((0.0, 0.0, -0.6), "below the row"),
        ((0.0, 0.0, 0.0), "between the cells of the row"),
    ],
)
def test_the_side_is_where_it_is_farthest_out(offset_m, side):
    """Steps from the edge of the cells along x, from their line along y and z."""
    place = LAYOUT.cells.mean(axis=0)
    place[0] += np.sign(offset_m[0]) * np.ptp(LAYOUT.cells[:, 0]) / 2 if abs(offset_m[0]) > 0.5 else 0.0
    x, y, z = (float(v) for v in place + offset_m)
    event = Event(DETECTION, placed(elsewhere=0.95, place_m=(x, y, z)))
    record = event_json(event, CHAIN, ORIGIN)
    assert record["side"] == side
    assert map_words(record).startswith(f"heard, not from a cell: {side}, from ")


def test_among_the_cells_of_a_pack_there_is_no_side():
    pack = load_layout("pack-corners")
    probability = np.zeros(pack.n_cells)
    x, y, z = (float(v) for v in pack.cells.mean(axis=0))
    cell_map = replace(placed(elsewhere=1.0).cell_map, power=probability, probability=probability, place_m=(x, y, z))
    assert map_json(cell_map, pack)["side"] == "between the cells of the pack"


def test_words_of_what_has_no_side():
    words = {
        kind: map_words(event_json(Event(DETECTION, placed(elsewhere=0.9, otherwise=kind)), CHAIN, ORIGIN))
        for kind in (DIFFUSE, UNPLACED)
    }
    assert words[DIFFUSE].startswith("heard, not from a cell: from no single place")
    assert words[UNPLACED].startswith("heard, not placed (elsewhere 90 %)")


def test_every_event_of_the_chain_says_its_gate(hiss):
    (cell,) = events_of(run(CHAIN, blocks(hiss.recording(LAYOUT, LAYOUT.cells[4]))))
    (guard,) = events_of(run(CHAIN, blocks(hiss.recording(LAYOUT, LAYOUT.guards[0], snr_db=12.0))))
    records = [event_json(event, CHAIN, ORIGIN) for event in (cell, guard)]
    assert [record["verdict"] for record in records] == ["cell", ELSEWHERE]
    assert records[0]["gate"] > CHAIN.localizer.certainty.gate.threshold > records[1]["gate"]
