"""Channels above each other: the delays are those of the place, and the numbers beside them are true."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from trad_array.errors import AudioError
from trad_array.plotting_aligned import align, aligned_channels, loudest_stretch
from trad_array.records import CellMap
from trad_array_geometry import load_layout, mic_pairs, pair_delays

LAYOUT = load_layout("pack-corners")
FS = 16_000
ONSET = 2 * FS
CELL = LAYOUT.cell_index("R1C02")  # no two microphones are equally far


def map_of(cell, *, elsewhere=0.0, place_m=None):
    probability = np.zeros(LAYOUT.n_cells)
    probability[cell] = 1.0 - elsewhere
    return CellMap(
        power=probability,
        probability=probability,
        elsewhere=elsewhere,
        place="room",
        place_m=place_m,
        onset=ONSET,
        speed_of_sound=LAYOUT.speed_of_sound,
        pair_delays_s=pair_delays(LAYOUT.cells[[cell]], LAYOUT.mics, speed_of_sound=LAYOUT.speed_of_sound)[0],
        pairs=mic_pairs(4),
    )


@pytest.fixture
def heard(hiss):
    return hiss.recording(LAYOUT, LAYOUT.cells[CELL], seconds=3.0, spans_s=((2.0, 2.9),), snr_db=20.0).samples


def test_channels_agree_after_the_shift_of_the_true_cell_only(heard):
    right = align(heard, map_of(CELL), LAYOUT, fs=FS, onset=ONSET)
    # 20 dB over independent noise: a correlation of 100 / 101 of two channels.
    assert right.after.min() > 0.95
    assert np.abs(right.before).max() < 0.3
    assert right.disagreement_s == pytest.approx(0.0, abs=1e-9)
    wrong = align(heard, map_of(CELL + 2), LAYOUT, fs=FS, onset=ONSET)
    assert wrong.after.mean() < 0.5
    tau = LAYOUT.mics - LAYOUT.cells[CELL]
    tau = np.linalg.norm(tau, axis=1) / LAYOUT.speed_of_sound
    assert right.delays_s == pytest.approx(tau - tau.mean(), abs=1e-9)


def test_known_delays_of_channels_are_part_of_the_shift(heard):
    late = np.array([0.0, 0.0, 250e-6, 0.0])
    moved = heard.copy()
    moved[2] = np.roll(heard[2], 4)
    without = align(moved, map_of(CELL), LAYOUT, fs=FS, onset=ONSET)
    within = align(moved, map_of(CELL), replace(LAYOUT, mic_delay_s=late), fs=FS, onset=ONSET)
    assert without.after[2] < 0.5
    assert within.after.min() > 0.95


def test_a_sound_from_elsewhere_is_shifted_by_that_place(hiss):
    point = np.array([2.2, 1.9, 1.3])
    heard = hiss.recording(LAYOUT, point, seconds=3.0, spans_s=((2.0, 2.9),), snr_db=20.0).samples
    found = align(heard, map_of(CELL, elsewhere=0.9, place_m=tuple(point)), LAYOUT, fs=FS, onset=ONSET)
    assert found.after.min() > 0.95
    assert found.place.startswith("the best place elsewhere (2.20, 1.90, 1.30 m)")
    assert align(heard, map_of(CELL), LAYOUT, fs=FS, onset=ONSET).after.mean() < 0.5


def test_the_picture_has_a_row_for_each_microphone_and_says_the_numbers(heard):
    ax, below = Figure(figsize=(12, 8)).subplots(2, 1)
    aligned_channels(heard, map_of(CELL), LAYOUT, ax, fs=FS, onset=ONSET, start_s=10.0, envelope_ax=below)
    labels = [text.get_text().split("\n")[0] for text in ax.get_yticklabels()]
    assert labels == ["A", "B", "C", "D", "mean"]
    assert "cell R1C02 at 346.1 m/s" in ax.get_title()
    assert "measured delays are 0 us off" in ax.get_title()
    first_ms, last_ms = ax.get_xlim()
    assert 12_000 <= first_ms < last_ms <= 12_910
    assert last_ms - first_ms == pytest.approx(6.0, abs=0.1)
    assert sum("→" in text.get_text() for text in ax.texts) == 4
    lows = [line.get_ydata()[:8000].min() for line in below.lines]
    assert len(lows) == 4
    # The mean of the shifted channels is nearly as large as each of them, the mean of the others is not.
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    assert lines["mean of the shifted"].std() > 1.6 * lines["as recorded"].std()


def test_the_loudest_stretch_is_where_the_pop_is(rng):
    samples = 0.01 * rng.standard_normal((4, FS))
    samples[:, 9_000:9_040] += 0.5
    first, last = loudest_stretch(samples, fs=FS, onset=0, length_s=0.006)
    assert last - first == 96
    assert first <= 9_000
    assert last >= 9_040


def test_too_little_sound_is_refused(heard):
    with pytest.raises(AudioError, match="expected 4 channels, found 3"):
        align(heard[:3], map_of(CELL), LAYOUT, fs=FS)
    with pytest.raises(AudioError, match="expected 10 ms"):
        align(heard[:, :100], map_of(CELL), LAYOUT, fs=FS)
