"""What an event says of itself: how long it was heard, how soon it was sure, doubts and directions."""

import json
import re

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.events import SURE, Event, OpenEvents, Origin, event_json, event_step, events_of, map_from_json
from trad_array.localization.place import Placed
from trad_array.records import CellMap, Detection, Recording
from trad_array.words import percent
from trad_array_cli.report import event_line, json_line, place_words
from trad_array_geometry import load_layout

FS = 16_000
ORIGIN = Origin("pack.wav", "excess")
LAYOUT = load_layout("row-corners")
CHAIN = make_chain(LAYOUT)


def told(recording, chain=CHAIN):
    state, messages = OpenEvents(), []
    for output in run(chain, blocks(recording, size=512)):
        state, events = event_step(state, output)
        messages += [(event, event_json(event, chain, ORIGIN)) for event in events]
    return messages


def last_record(recording, chain=CHAIN):
    (event,) = list(events_of(run(chain, blocks(recording))))
    return event, event_json(event, chain, ORIGIN)


def made(probability, elsewhere, **more):
    """An event with a map that is written by hand."""
    probability = np.asarray(probability, dtype=np.float64)
    cell_map = CellMap(
        power=probability,
        probability=probability,
        elsewhere=elsewhere,
        place=more.pop("place", None),
        onset=1_000,
        speed_of_sound=343.0,
        pair_delays_s=np.zeros(6),
        pairs=np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]),
        place_m=more.pop("place_m", None),
        sharpness=more.pop("sharpness", 1.0),
    )
    return placed(cell_map, **more)


def placed(cell_map, **more):
    nothing = np.zeros(4)
    return Placed(1_000, cell_map, None, nothing, nothing.astype(bool), np.ones(4, dtype=bool), **more)


def words(placed_):
    event = Event(Detection(1_000, 2_000, 9.0, (9.0,) * 4), placed_)
    return place_words(event_json(event, CHAIN, ORIGIN))


def test_maps_sharpen_while_the_sound_lasts(hiss):
    messages = told(hiss.recording(LAYOUT, LAYOUT.cells[4], snr_db=0.0, spans_s=((2.5, 4.0),), seconds=6.5))
    updates = [(event, record) for event, record in messages if record["state"] == "update"]
    assert [record["heard_s"] for _, record in updates] == [0.1, 0.25, 0.5, 1.0]
    sharpness = [event.cell_map.sharpness for event, _ in updates]
    assert sharpness == sorted(sharpness)
    assert [event.settled for event, _ in updates] == [False, False, False, True]
    assert messages[0][1]["heard_s"] is None


def test_sure_after_is_the_first_map_that_is_sure(hiss):
    hiss.rng = np.random.default_rng(3)
    messages = told(hiss.recording(LAYOUT, LAYOUT.cells[4], snr_db=-3.0, spans_s=((2.5, 4.0),), seconds=6.5))
    sure = [
        record["heard_s"] for event, record in messages if event.cell_map and event.cell_map.probability.max() >= SURE
    ]
    assert messages[-1][1]["sure_after_s"] == min(sure)


def test_a_short_hiss_keeps_the_map_of_the_window_that_is_full_of_it(hiss):
    recording = hiss.recording(LAYOUT, LAYOUT.cells[4], snr_db=10.0, spans_s=((2.5, 2.72),))
    event, record = last_record(recording)
    assert event.settled
    assert record["heard_s"] < 0.6
    assert record["best"] == LAYOUT.cell_names[4]


def test_a_sound_that_no_cell_makes_is_never_sure(hiss):
    record = last_record(hiss.recording(LAYOUT, LAYOUT.guards[0]))[1]
    assert record["sure_after_s"] is None
    assert (record["level"], record["verdict"]) == ("report", "elsewhere")


def test_json_and_back_keeps_the_place_elsewhere_and_the_direction_points_there(hiss):
    layout = load_layout("pack-corners")
    chain = make_chain(layout)
    event, record = last_record(hiss.recording(layout, layout.guards[0], snr_db=12.0), chain)
    record = json.loads(json_line(record))
    again = map_from_json(record, layout, fs=FS)
    assert again.place == event.cell_map.place == record["elsewhere"]
    np.testing.assert_allclose(again.place_m, event.cell_map.place_m, atol=5e-4)
    np.testing.assert_allclose(again.probability, event.cell_map.probability, atol=1e-5)
    assert again.elsewhere == pytest.approx(event.cell_map.elsewhere, abs=1e-5)
    way = record["direction"]
    around, up = np.radians(way["azimuth_deg"]), np.radians(way["elevation_deg"])
    unit = np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
    pointed_at = layout.mics.mean(axis=0) + way["distance_m"] * unit
    np.testing.assert_allclose(pointed_at, event.cell_map.place_m, atol=0.02)
    away = layout.guards[0] - layout.mics.mean(axis=0)
    assert unit @ away / np.linalg.norm(away) > np.cos(np.radians(5.0))


def test_an_event_without_a_map_goes_there_and_back():
    record = event_json(Event(Detection(1_000, 2_000, 9.0, (9.0,) * 4)), CHAIN, ORIGIN)
    assert map_from_json(json.loads(json_line(record)), LAYOUT, fs=FS) is None
    assert place_words(record) == "heard, not placed yet"
    assert record["doubts"] == []


def test_doubts_stand_in_the_record_and_in_the_words(hiss):
    recording = hiss.recording(LAYOUT, LAYOUT.cells[4])
    samples = recording.samples.copy()
    samples[2] = samples[1]
    record = last_record(Recording(samples, FS))[1]
    assert len(record["doubts"]) == 2
    assert [channel["used"] for channel in record["channels"]] == [True, False, False, True]
    line = event_line(record)
    for doubt in record["doubts"]:
        assert doubt in line


def test_cannot_tell_says_among_how_many_cells_and_how_far_apart():
    spread = np.zeros(13)
    spread[3:7] = 0.2375
    text = words(made(spread, 0.05))
    assert re.match(r"cannot tell: 4 cells within 0\.22 m \(best R1C04, 24 %\)", text)  # three steps of 73 mm


def test_one_cell_and_its_neighbours_in_words():
    most = np.zeros(13)
    most[3], most[4] = 0.8, 0.15
    assert words(made(most, 0.05)) == "cell R1C04, 80 % (elsewhere 5 %; 90 % set also R1C05)"
    sure = np.zeros(13)
    sure[3] = 0.998
    assert words(made(sure, 0.002)) == "cell R1C04, > 99 % (elsewhere < 1 %)"


def test_elsewhere_in_words_with_and_without_a_direction():
    little = np.zeros(13)
    little[3] = 0.1
    middle = LAYOUT.mics.mean(axis=0)
    up_left = tuple(middle + np.array([-1.0, 0.0, 1.0]))
    assert words(made(little, 0.9, place="fan", place_m=up_left)) == (
        "heard, not from a cell: above the row, perhaps fan, from 180 degrees around, 45 up, 1.4 m away; "
        "best cell R1C04"
    )
    assert words(made(little, 0.9, place="room")) == "heard, not from a cell: elsewhere; best cell R1C04"


def test_why_an_event_was_not_placed_in_words():
    assert words(placed(None, why_not="too short")) == "not localizable: too short"


@pytest.mark.parametrize("p", np.linspace(0.0, 1.0, 101))
def test_a_percentage_is_never_a_bare_certainty(p):
    text = percent(float(p))
    assert text not in ("0 %", "100 %")
    assert text in ("> 99 %", "< 1 %") or abs(float(text.removesuffix(" %")) / 100 - p) <= 0.0051


def test_a_duller_map_does_not_replace_a_sharper_one_and_an_absent_one_never_does():
    from trad_array.events import _with_map

    sure, unsure = np.zeros(13), np.full(13, 0.07)
    sure[3], unsure[3] = 0.95, 0.08
    event = Event(Detection(1_000, 2_000, 9.0, (9.0,) * 4))
    first = _with_map(event, made(sure, 0.05, sharpness=9.0, heard_until=2_600, final=False))
    assert (first.sure_at, first.settled) == (2_600, False)
    duller = _with_map(first, made(unsure, 0.08, sharpness=5.0, heard_until=9_000))
    assert duller.placed is first.placed
    assert (duller.sure_at, duller.settled) == (2_600, True)
    absent = _with_map(first, placed(None, why_not="nothing"))
    assert absent.placed is first.placed
    sharper = _with_map(first, made(unsure, 0.08, sharpness=9.5, heard_until=9_000))
    assert sharper.cell_map.sharpness == 9.5
