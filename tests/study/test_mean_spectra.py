"""Means and degrees of freedom of cross-spectra, against sound that is really made and cut."""

import numpy as np
import pytest
import scipy.signal

from trad_array.localization.event_correlations import EventSpec, _all_frames, _cross_spectra, _standing_out
from trad_array.study.frame_weights import BIN_OVERLAP, NEXT_BINS, event_frames, weighing
from trad_array.study.hiss import PEAK_HZ, hiss, hiss_density, peak_hz
from trad_array.study.pair_spectra import noise_spectra, signal_spectra
from trad_array.study.spectral_tables import array_frames

FS = 16_000
FRAMES = array_frames(EventSpec(), 0.003, FS)
DURATION, AFTER = 6_000, 800


def diagonal(matrices):
    return np.einsum("fii->fi", matrices).real


def test_noise_spectra_are_the_mean_over_all_frames(rng):
    noise = rng.standard_normal((3, 40_000)).astype(np.float32)
    expected = _cross_spectra(noise, _all_frames, n=FRAMES.n, hop=FRAMES.n // 2, bins=FRAMES.bins)
    np.testing.assert_allclose(noise_spectra(noise, FRAMES), expected, rtol=1e-3, atol=0.02)


@pytest.fixture(scope="module")
def echoes():
    """Two microphones: direct sound, an echo, a tail that is longer than a frame."""
    rng = np.random.default_rng(2)
    response = 0.15 * rng.standard_normal((2, 5_000)) * np.exp(-np.arange(5_000) / 1_500)
    response[0, 3] += 1.0
    response[1, 17] += 0.8
    response[1, 400] += 0.5
    return response.astype(np.float32)


def test_signal_spectra_are_what_frames_of_an_event_add_up_to(echoes):
    """Events of white noise, cut and weighed as the localizer does, in noise of the same power."""
    rng = np.random.default_rng(3)
    lead = 3 * FRAMES.n // 4
    power = np.full((len(FRAMES.bins), 2, 2), 0.0)
    noise_rms = 1.2
    noise_power = np.full(2, noise_rms**2 * (np.hanning(FRAMES.n) ** 2).sum())
    total, n = np.zeros(power.shape, dtype=complex), 150
    for _ in range(n):
        sound = scipy.signal.fftconvolve(echoes, rng.standard_normal((1, DURATION)), axes=1)[:, : DURATION + AFTER]
        heard = noise_rms * rng.standard_normal((2, lead + DURATION + AFTER))
        heard[:, lead:] += sound

        def weigh(frame_power):
            return _standing_out(frame_power, noise_power=noise_power)

        total += _cross_spectra(heard.astype(np.float32), weigh, n=FRAMES.n, hop=FRAMES.hop, bins=FRAMES.bins)
    event = event_frames(FRAMES, duration=DURATION, after=AFTER)
    white, heard = signal_spectra(echoes, event.lag_weights, FRAMES), event.heard(echoes)
    flat = signal_spectra(echoes, np.ones(DURATION + AFTER), FRAMES)
    excess = float((diagonal(flat).mean(axis=0) / noise_power).mean())
    share = weighing(event, heard, excess=excess, n_mics=2).louder
    found = total / n - noise_power[0] * np.eye(2)
    for i, j in ((0, 0), (1, 1), (0, 1)):
        scale = np.vdot(white[:, i, j], found[:, i, j]).real / np.vdot(white[:, i, j], white[:, i, j]).real
        assert scale == pytest.approx(share, rel=0.03)
        left = found[:, i, j] - share * white[:, i, j]
        assert np.sqrt(np.mean(np.abs(left) ** 2)) < 0.12 * np.sqrt(np.mean(np.abs(found[:, i, j]) ** 2))


def test_neighbouring_bins_are_as_alike_as_a_window_makes_them():
    window = np.hanning(FRAMES.n + 1)[:-1]

    def ambiguity(frames: int, bins: int) -> float:
        lag = frames * FRAMES.hop
        product = window[: FRAMES.n - lag] * window[lag:]
        turn = np.exp(-2j * np.pi * bins * np.arange(len(product)) / FRAMES.n)
        return float(np.abs((product * turn).sum()) ** 2 / (window @ window) ** 2)

    alike = [sum(ambiguity(abs(m), bins) for m in range(-3, 4)) for bins in range(4)]
    np.testing.assert_allclose(NEXT_BINS, np.array(alike[1:3]) / alike[0], atol=1e-5)
    assert alike[3] / alike[0] < 0.001
    # Frames at quarters of a window hold everything four times.
    assert alike[0] * BIN_OVERLAP == pytest.approx(4.0, rel=0.001)


@pytest.mark.parametrize("duration", [1_600, 8_000, 16_000])
def test_degrees_of_freedom_are_those_of_steered_noise(duration, rng):
    """The mean over bins of a cross-spectrum of noise scatters as if so many independent frames were in every bin."""
    event = event_frames(FRAMES, duration=duration, after=AFTER)
    dof = weighing(event, np.ones(len(event.plain)), excess=1e-6, n_mics=2).dof
    length, n = 3 * FRAMES.n // 4 + duration + AFTER, 600
    noise = rng.standard_normal((n, 2, length)).astype(np.float32)
    means = [
        (_cross_spectra(x, _all_frames, n=FRAMES.n, hop=FRAMES.hop, bins=FRAMES.bins)[:, 0, 1]).mean() for x in noise
    ]
    power = (np.hanning(FRAMES.n) ** 2).sum()
    found = power**2 / len(FRAMES.bins) / np.mean(np.abs(means) ** 2)
    assert dof / BIN_OVERLAP == pytest.approx(found, rel=0.1)


def test_echoes_later_than_the_event_are_not_heard():
    event = event_frames(FRAMES, duration=DURATION, after=AFTER)
    weights = event.lag_weights
    assert len(weights) == DURATION + AFTER
    assert (np.diff(weights) <= 1e-12).all()
    assert weights[-1] < 0.05


def test_a_hiss_has_the_density_that_the_spectral_engine_is_told():
    frequencies = np.fft.rfftfreq(512, 1 / FS)
    found = np.mean(
        [scipy.signal.welch(hiss(3, k, fs=FS, duration_s=1.0), FS, nperseg=512)[1] for k in range(40)], axis=0
    )
    expected = np.mean([hiss_density(frequencies, peak_hz(3, k), fs=FS) for k in range(40)], axis=0) * 2 / FS
    used = (frequencies > 1_000) & (frequencies < 7_500)
    np.testing.assert_allclose(found[used], expected[used], rtol=0.12)
    assert all(PEAK_HZ[0] <= peak_hz(3, k) <= PEAK_HZ[1] for k in range(40))
