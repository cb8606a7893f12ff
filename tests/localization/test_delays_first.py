"""Denoising keeps a hiss that begins in the cut, and one that lasts; delays are right between samples."""

import numpy as np
import pytest

from trad_array.errors import AudioError
from trad_array.localization.delays_first import DelaysFirst, denoised, peak_delays
from trad_array.records import Block
from trad_array.testing import hiss_cut
from trad_array_geometry import load_layout

FS = 16_000


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("n", [16_000, 15_991])
def test_a_threshold_silences_the_background_and_keeps_the_event(rng, n):
    sound = 0.01 * rng.normal(size=(2, n))
    sound[:, 8_000:] += 0.3 * rng.normal(size=(2, n - 8_000))
    clean = denoised(sound, thresholded=True)
    assert clean.shape == sound.shape
    assert np.std(clean[:, 1_000:7_000]) < 0.05 * np.std(sound[:, 1_000:7_000])
    assert np.corrcoef(clean[0, 9_000:], sound[0, 9_000:])[0, 1] > 0.95


def test_a_sound_that_lasts_is_not_taken_for_noise(rng):
    sound = rng.normal(size=(4, 16_000))
    np.testing.assert_allclose(denoised(sound, thresholded=True), denoised(sound, thresholded=False))
    share = np.var(denoised(sound, thresholded=True)) / np.var(sound)
    assert share == pytest.approx(0.75, abs=0.05)  # above fs / 8


@pytest.mark.parametrize("delay", [0.0, 3.0, -7.3, 11.5])
def test_delays_between_samples(rng, delay):
    n = 8_000
    spectrum = np.fft.rfft(rng.normal(size=n)) * np.exp(-((np.fft.rfftfreq(n) / 0.2) ** 2))
    shifted = np.fft.irfft(spectrum * np.exp(-2j * np.pi * np.fft.rfftfreq(n) * delay), n)
    sound = np.stack([shifted, np.fft.irfft(spectrum, n)])
    for late in (0.0, 5.0):
        found = peak_delays(sound, fs=FS, limits_s=np.array([20 / FS]), late_s=np.array([late / FS]))
        assert found[0] * FS == pytest.approx(delay, abs=0.1)


def test_delays_that_no_place_explains_are_from_elsewhere(rng):
    layout = load_layout("pack-corners")
    parts = [hiss_cut(layout, layout.cells[cell], rng).samples[mic] for mic, cell in enumerate((0, 12, 39, 51))]
    found = DelaysFirst()(Block(np.stack(parts), 0, FS), layout, speed_of_sound=layout.speed_of_sound)
    assert not found.from_a_cell


def test_silence_gives_a_map_and_too_short_a_cut_an_error():
    layout = load_layout("pack-corners")
    silent = Block(np.zeros((4, FS), np.float32), 0, FS)
    assert np.isfinite(DelaysFirst()(silent, layout, speed_of_sound=340.0).probability).all()
    with pytest.raises(AudioError, match="expected at least .* samples to compare the microphones, found 20"):
        DelaysFirst()(Block(silent.samples[:, :20], 0, FS), layout, speed_of_sound=340.0)
