"""A reference microphone outside the rack votes against what it hears louder than the array."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.events import Origin, event_json, events_of
from trad_array.localization.place import OUTSIDE
from trad_array.simulation import simulate_scene
from trad_array.words import map_words
from trad_array_geometry import load_layout

FS = 16_000
PACK = load_layout("pack-corners")
CELL = 20


def with_reference(layout, place_m):
    """The layout with one more microphone that only serves as a reference."""
    mics = np.concatenate([layout.mics, np.asarray(place_m, dtype=np.float64)[None]])
    return replace(
        layout,
        mics=mics,
        mic_sigma_m=np.full(len(mics), 0.005),
        mic_delay_s=np.zeros(len(mics)),
        mic_delay_sigma_s=np.full(len(mics), 30e-6),
        mic_names=(*layout.mic_names, "outside"),
        mic_channels=(*layout.mic_channels, max(layout.mic_channels) + 1),
        mic_roles=("array",) * layout.n_mics + ("reference",),
    )


def heard(layout, recording):
    chain = make_chain(layout)
    (event,) = list(events_of(run(chain, blocks(recording))))
    return event, event_json(event, chain, Origin("x", "x"))


FAR = PACK.cells[CELL] + [2.0, 0.3, 0.8]
NEAR = PACK.cells[CELL] + [0.03, 0.02, 0.08]


def test_a_cell_that_the_array_hears_better_stays_a_cell(hiss):
    event, record = heard(with_reference(PACK, FAR), hiss.recording(with_reference(PACK, FAR), PACK.cells[CELL]))
    assert (record["level"], event.cell_map.best, record["doubts"]) == ("alarm", CELL, [])
    assert [channel["used"] for channel in record["channels"]] == [True] * 4 + [False]


def test_what_the_reference_hears_better_is_outside(hiss):
    layout = with_reference(PACK, NEAR)
    event, record = heard(layout, hiss.recording(layout, PACK.cells[CELL]))
    assert (record["level"], record["verdict"], record["elsewhere"]) == ("report", "elsewhere", OUTSIDE)
    assert event.cell_map.best == CELL  # where it would be without the vote
    assert event.cell_map.elsewhere >= 0.5
    assert event.cell_map.probability.sum() + event.cell_map.elsewhere == pytest.approx(1.0)
    (doubt,) = record["doubts"]
    assert doubt.startswith("reference microphone outside hears it rise ")
    assert doubt.endswith("dB more: not from a cell")
    assert map_words(record).startswith("heard, not from a cell: outside the array; best cell ")


@pytest.mark.parametrize("gain", [0.03, 20.0])
def test_the_gain_of_the_reference_does_not_count(hiss, gain):
    for place_m, level in ((NEAR, "report"), (FAR, "alarm")):
        layout = with_reference(PACK, place_m)
        recording = hiss.recording(layout, PACK.cells[CELL])
        samples = recording.samples * np.array([[1.0]] * 4 + [[gain]], np.float32)
        assert heard(layout, replace(recording, samples=samples))[1]["level"] == level


@pytest.mark.parametrize("broken", [0.0, np.nan])
def test_a_broken_reference_has_no_vote(hiss, broken):
    layout = with_reference(PACK, NEAR)
    recording = hiss.recording(layout, PACK.cells[CELL])
    samples = recording.samples.copy()
    samples[4] = broken
    event, record = heard(layout, replace(recording, samples=samples))
    assert (record["level"], event.cell_map.best, record["doubts"]) == ("alarm", CELL, [])


def test_without_a_background_there_is_no_vote(hiss):
    from trad_array.localization.place import place
    from trad_array.localization.robust import Robust
    from trad_array.records import Block

    layout = with_reference(PACK, NEAR)
    samples = hiss.recording(layout, PACK.cells[CELL]).samples[:, round(2.5 * FS) : round(3.5 * FS)]
    found = place(Robust(), Block(samples, 0, FS), layout, onset=0, speed_of_sound=layout.speed_of_sound)
    assert found.cell_map.place != OUTSIDE
    assert found.doubts == ()


@pytest.mark.parametrize("seed", range(3))
def test_in_a_simulated_cabin_a_vent_is_believed_beside_a_reference(seed):
    layout = with_reference(PACK, FAR)
    scene = simulate_scene(
        layout,
        rng=np.random.default_rng([11, seed]),
        cell=PACK.cell_names[CELL],
        snr_db=-5.0,
        seconds=5.0,
        onset_s=2.5,
        duration_s=1.5,
    )
    event, record = heard(layout, scene.recording)
    assert (record["level"], event.cell_map.best) == ("alarm", CELL)
