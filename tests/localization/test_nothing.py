"""No confident cell from nothing: silence, noise, wires, clipping, and cuts that are too short."""

import numpy as np
import pytest

from trad_array.localization.place import place
from trad_array.localization.robust import Robust
from trad_array.records import Block
from trad_array_geometry import load_layout

N, ONSET = 25_600, 9_600
LAYOUT = load_layout("row-corners")


def placed(samples, layout=LAYOUT):
    cut = Block(np.asarray(samples, np.float32), 0, 16_000)
    return place(Robust(), cut, layout, onset=ONSET, speed_of_sound=layout.speed_of_sound)


def steady(rng):
    return 0.01 * rng.standard_normal((4, N))


def louder(rng):
    return steady(rng) * np.where(np.arange(N) >= ONSET, 5.0, 1.0)


def tone(rng):
    return 0.1 * np.sin(2 * np.pi * 3_000 * np.arange(N) / 16_000) + 0.001 * rng.standard_normal((4, N))


def last_bit(rng):
    return 0.3 + np.rint(rng.standard_normal((4, N))) * 2.0**-23


def pop_on_one_channel(rng):
    pop = (np.arange(N) == 12_000) * np.array([[1.0], [0.0], [0.0], [0.0]])
    return 1e-4 * rng.standard_normal((4, N)) + pop


@pytest.mark.parametrize("nothing", [steady, louder, tone, last_bit, pop_on_one_channel])
def test_what_every_microphone_hears_for_itself_is_no_cell(shipped_layout, nothing):
    for seed in range(20 if nothing is steady else 6):
        found = placed(nothing(np.random.default_rng(seed)), shipped_layout).cell_map
        assert found.probability.max() < 0.5
        assert not found.from_a_cell
        assert found.sharpness < 4.5  # below what makes a second event


@pytest.mark.parametrize("level", [0.0, 0.3, -1.0])
def test_a_constant_is_silence(level):
    found = placed(np.full((4, N), level))
    assert found.cell_map is None
    assert found.doubts == tuple(f"microphone {name} is silent" for name in LAYOUT.mic_names)
    assert found.why_not.endswith("found 0")
    assert not found.used.any()


def test_not_a_number_is_silence_and_not_a_crash(rng):
    samples = steady(rng)
    samples[1, 12_000] = np.nan
    found = placed(samples)
    assert found.used.tolist() == [True, False, True, True]
    assert np.isfinite(found.cell_map.probability).all()


@pytest.mark.parametrize("gains", [(1.0, 1.0, 1.0, 1.0), (1.0, 0.1, -3.0, 0.5)])
def test_one_signal_on_all_channels_is_a_wiring_fault(rng, gains):
    found = placed(0.05 * rng.standard_normal(N) * np.array(gains)[:, None])
    assert found.cell_map is None
    assert "channels 1, 2, 3, 4 carry the same signal, a wiring fault" in found.why_not


def test_two_channels_with_one_signal_are_left_out_and_the_others_asked(hiss):
    samples = hiss.recording(LAYOUT, LAYOUT.cells[3], seconds=1.6, spans_s=((0.6, 1.6),)).samples.copy()
    samples[2] = 0.5 * samples[1]
    found = placed(samples)
    assert found.used.tolist() == [True, False, False, True]
    assert found.cell_map.probability.max() < 0.5  # A and D: a line of places
    assert 3 in found.cell_map.credible_set()
    assert [doubt.split(":")[0] for doubt in found.doubts] == [
        "channels 2, 3 carry the same signal, a wiring fault",
        "two microphones are left",
    ]


@pytest.mark.parametrize("after", [0, 1, 20, 48])
def test_a_cut_shorter_than_the_largest_delay_is_said(rng, after):
    found = placed(steady(rng)[:, : ONSET + after])
    assert found.cell_map is None
    assert "expected more sound than the largest delay" in found.why_not


def test_a_cut_just_longer_than_that_gives_a_map(rng):
    assert placed(steady(rng)[:, : ONSET + 49]).cell_map is not None


@pytest.mark.parametrize("gain", [5.0, 50.0, 500.0])
def test_a_clipped_hiss_is_still_found_and_said(shipped_layout, hiss, gain):
    samples = hiss.recording(
        shipped_layout, shipped_layout.cells[6], seconds=1.6, spans_s=((0.6, 1.6),), snr_db=12.0
    ).samples
    found = placed(np.clip(gain * samples, -1.0, 1.0), shipped_layout)
    assert (found.cell_map.best, found.cell_map.from_a_cell) == (6, True)
    assert found.doubts == (() if gain == 5.0 else ("the sound is overloaded",))


def test_one_overloaded_microphone_is_left_out(hiss):
    samples = hiss.recording(LAYOUT, LAYOUT.cells[6], seconds=1.6, spans_s=((0.6, 1.6),), snr_db=6.0).samples.copy()
    samples[1] = np.clip(300.0 * samples[1], -1.0, 1.0)
    found = placed(samples)
    assert found.used.tolist() == [True, False, True, True]
    assert found.clipped.tolist() == [False, True, False, False]
    assert found.doubts == ("microphone B is overloaded and left out",)
    assert found.cell_map.best == 6
