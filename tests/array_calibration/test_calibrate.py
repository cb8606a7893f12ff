"""After a calibration the delays of the cells are right, whatever the layout said before."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.array_calibration.calibrate import calibrate, hear_sounds
from trad_array.array_calibration.expected import plan_sounds
from trad_array.array_calibration.known import known_sound, sounds_from_labels
from trad_array.audio.labels import Label
from trad_array.errors import AudioError, ConfigError, LayoutError
from trad_array.records import Recording
from trad_array_geometry import load_layout, travel_times


def in_true_order(found, order):
    """The found layout with microphone k of the truth at place k: channels say which is which."""
    return found.with_mics([found.mic_channels.index(k + 1) for k in order])


def test_delays_at_all_cells_and_exchanged_channels_in_a_room(pack, corner_visit, errors_us):
    found = calibrate(pack, corner_visit.heard(pack))
    assert found.order == (0, 2, 1, 3)
    assert found.layout.mic_channels == (1, 3, 2, 4)
    # Microphone B of the layout is microphone B of the truth; only its channel was wrong.
    before, after = errors_us(pack, corner_visit.truth), errors_us(found.layout, corner_visit.truth)
    assert before.max() > 200
    assert after.max() < 40
    assert np.median(after) < 20
    assert found.n_used == 7
    assert found.residual_us < 15


@pytest.mark.parametrize("name", ["row-corners", "row-frame"])
@pytest.mark.parametrize("sound", ["chirp", "tap"])
def test_a_row_of_cells_with_sounds_beside_the_valves(name, sound, make_visit, errors_us):
    layout = load_layout(name)
    cells = [step.cell for step in plan_sounds(layout, n_sounds=8)[1]]
    made = make_visit(layout, cells, seed=3, sound=sound, rt60_s=0.4, snr_db=10.0, aside_m=0.003)
    found = calibrate(layout, made.heard(layout))
    assert errors_us(layout, made.truth).max() > 150
    # Exchanges that mirror the row are the same for all its cells: the delays are right by channel.
    after = errors_us(in_true_order(found.layout, range(4)), made.truth)
    assert after.max() < 40


def test_expected_errors_are_those_that_are_found(pack, make_visit, errors_us):
    ratios = []
    for seed in range(4):
        made = make_visit(pack, ["R1C01", "R4C13", "R2C07", "R3C02"], seed=seed, rt60_s=0.0, snr_db=20.0)
        found = calibrate(pack, made.heard(pack))
        ratios.append(np.median(errors_us(found.layout, made.truth)) / found.after.median_us)
    assert 0.1 < np.mean(ratios) < 2.0


def test_a_sound_at_another_cell_is_left_out_and_the_right_cell_named(pack, corner_visit, errors_us):
    at = ("R1C05@" + corner_visit.at[0].split("@")[1], *corner_visit.at[1:])
    found = calibrate(pack, replace(corner_visit, at=at).heard(pack))
    wrong = found.sounds[0]
    assert (wrong.name, wrong.used, wrong.better_cell) == ("R1C05", False, "R1C01")
    assert all(sound.used for sound in found.sounds[1:])
    assert errors_us(found.layout, corner_visit.truth).max() < 60


def test_a_microphone_that_hears_nothing_keeps_its_place(pack, true_visit):
    samples = true_visit.recording.samples.copy()
    samples[2] = 0.0
    made = replace(true_visit, recording=Recording(samples, true_visit.recording.fs))
    found = calibrate(pack, made.heard(pack))
    assert np.linalg.norm(found.moved_m[2]) < 1e-9
    assert found.layout.mic_sigma_m[2] == pytest.approx(0.02)
    assert found.order == (0, 1, 2, 3)


def test_a_plan_promises_less_error_with_every_sound(shipped_layout):
    before, steps = plan_sounds(shipped_layout, n_sounds=6)
    medians = [before.median_us, *(step.error.median_us for step in steps)]
    assert all(later < earlier for earlier, later in zip(medians, medians[1:], strict=False))
    assert before.worst_us > 150
    assert steps[-1].error.worst_us < 60
    with pytest.raises(ConfigError, match="n_sounds: expected 1 to 50, found 0"):
        plan_sounds(shipped_layout, n_sounds=0)


def test_arrival_times_are_those_of_the_geometry(pack, true_visit):
    for text, heard in zip(true_visit.at, true_visit.heard(pack), strict=True):
        place = pack.cells[pack.cell_index(text.split("@")[0])] + (0.0, 0.0, 0.02)
        truth = true_visit.truth
        times = travel_times(place[None], truth.mics, speed_of_sound=truth.speed_of_sound)[0] + truth.mic_delay_s
        assert heard.arrivals.times_s[0] == pytest.approx(times - times.mean(), abs=10e-6)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("R9C01@1", LayoutError, "expected one of R1C01 to R4C13, found 'R9C01'"),
        ("R1C01", ConfigError, "expected a cell and a time like R1C01@3.2"),
        ("R1C01@", ConfigError, "expected a cell and a time"),
        ("R1C01@-3", ConfigError, "expected a cell and a time"),
        ("R1C01@nan", ConfigError, "expected a cell and a time"),
        ("@3", ConfigError, "expected a cell and a time"),
        ("", ConfigError, "expected a cell and a time"),
    ],
)
def test_what_names_no_sound_is_refused(pack, text, error, message):
    with pytest.raises(error, match=message):
        known_sound(pack, text)


def test_guard_points_are_known_places_and_labels_are_sounds(pack):
    door = known_sound(pack, "door@1.5")
    assert door.position_m == pytest.approx([6.0, 1.4, 1.2])
    assert not door.lifted
    (tap,) = sounds_from_labels(pack, [Label(2.0, 2.5, " R2C07 ")])
    assert (tap.name, tap.at_s, tap.end_s) == ("R2C07", 2.0, 2.5)
    with pytest.raises(LayoutError, match="found ''"):
        sounds_from_labels(pack, [Label(2.0, 2.5)])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((4, 32_000)), "expected a sound that stands out"),
        (np.zeros((1, 32_000)), "expected 4 channels"),
        (np.zeros((4, 100)), "expected a time within"),
        (np.zeros((4, 0)), "expected a time within"),
        (0.01 * np.random.default_rng(1).standard_normal((4, 32_000)), "expected a sound"),
        (np.ones((4, 32_000)), "expected a sound"),
    ],
)
def test_recordings_without_the_sound_are_refused(pack, samples, message):
    with pytest.raises(AudioError, match=message):
        hear_sounds(Recording(samples.astype(np.float32), 16_000, source="x"), pack, [known_sound(pack, "R1C01@1")])


def test_an_unheard_sound_is_told_and_the_others_are_used(pack, true_visit):
    sounds = [known_sound(pack, text) for text in (*true_visit.at, "R1C01@600")]
    heard, trouble = hear_sounds(true_visit.recording, pack, sounds)
    assert len(heard) == 4
    assert len(trouble) == 1
    assert trouble[0].startswith("R1C01@600: expected a time within")
    with pytest.raises(ConfigError):
        hear_sounds(true_visit.recording, pack, [])
    with pytest.raises(ConfigError):
        calibrate(pack, [])
