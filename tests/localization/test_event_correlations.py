"""Correlations of an event: right delays, background taken away, nothing that depends on gains or batches."""

import tracemalloc

import numpy as np
import pytest

from trad_array.errors import AudioError
from trad_array.features.log_mel import hann_window
from trad_array.localization import event_correlations as module
from trad_array.localization.event_correlations import MARGIN_S, EventSpec, event_correlations
from trad_array.localization.gcc_phat import PhatSpec, pair_correlations
from trad_array_geometry import load_layout, max_pair_delays, mic_pairs, pair_delays

LAYOUT = load_layout("row-corners")
MAX_DELAY_S = float(max_pair_delays(LAYOUT.mics, speed_of_sound=LAYOUT.speed_of_sound).max())


def delays_from(point_m):
    return pair_delays(np.asarray(point_m)[None], LAYOUT.mics, speed_of_sound=LAYOUT.speed_of_sound)[0]


def correlated(samples, *, onset=0, fs=16_000):
    return event_correlations(samples, onset=onset, fs=fs, spec=EventSpec(), max_delay_s=MAX_DELAY_S)


def correlations(recording, *, onset_s=0.6):
    return correlated(recording.samples, onset=round(onset_s * recording.fs), fs=recording.fs)


def height_at(found, delays_s):
    """Largest value within one step of each pair's delay, shape (n_pairs,)."""
    near = np.abs(found.delays_s[None] - delays_s[:, None]) <= found.step_s
    return np.where(near, found.values, -np.inf).max(axis=1)


def peaks_s(found):
    return found.delays_s[found.values.argmax(axis=1)]


@pytest.mark.parametrize("fs", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("cell", [0, 7, 12])
def test_each_pair_peaks_at_its_delay_at_any_rate(hiss, fs, cell):
    recording = hiss.recording(LAYOUT, LAYOUT.cells[cell], seconds=1.6, spans_s=((0.6, 1.6),), fs=fs)
    found = correlations(recording)
    assert found.values.shape == (6, len(found.delays_s))
    np.testing.assert_allclose(peaks_s(found), delays_from(LAYOUT.cells[cell]), atol=found.step_s)


def test_the_axis_is_centred_and_reaches_past_every_possible_delay(hiss):
    found = correlations(hiss.recording(LAYOUT, LAYOUT.cells[3], seconds=1.6, spans_s=((0.6, 1.6),)))
    np.testing.assert_allclose(found.delays_s, -found.delays_s[::-1], atol=1e-15)
    assert 0.0 <= found.delays_s[-1] - (MAX_DELAY_S + MARGIN_S) < found.step_s
    np.testing.assert_allclose(np.diff(found.delays_s), found.step_s, rtol=1e-9)


def test_gains_and_level_change_nothing(hiss):
    recording = hiss.recording(LAYOUT, LAYOUT.cells[3], seconds=1.6, spans_s=((0.6, 1.6),))
    plain = correlations(recording)
    gains = np.array([[0.03], [1.0], [2.5], [10.0]], np.float32)
    scaled = correlated(recording.samples * gains, onset=9_600)
    np.testing.assert_allclose(scaled.values, plain.values, atol=1e-5)
    np.testing.assert_allclose(scaled.noise, plain.noise, rtol=1e-3)
    quiet = correlated(recording.samples * np.float32(1e-4), onset=9_600)
    np.testing.assert_allclose(quiet.values, plain.values, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_a_fan_that_was_there_before_is_taken_away(hiss, seed):
    """The fan is 9 dB louder than the event and hisses all the time."""
    hiss.rng = np.random.default_rng(seed)
    fan, cell = LAYOUT.guards[0], LAYOUT.cells[4]
    recording = hiss.several(LAYOUT, [(fan, 0.0, 2.0, 15.0), (cell, 1.0, 2.0, 6.0)], seconds=2.0)
    with_background = correlations(recording, onset_s=1.0)
    without = correlated(recording.samples[:, 16_000:])
    fan_s, cell_s = delays_from(fan), delays_from(cell)
    assert (height_at(without, fan_s) > height_at(without, cell_s)).all()
    # The louder fan is noise to the event: a peak may be moved by another step.
    np.testing.assert_allclose(peaks_s(with_background), cell_s, atol=2 * with_background.step_s)
    left = np.abs(height_at(with_background, fan_s)).mean()
    assert left < 0.35 * height_at(with_background, cell_s).mean()


def test_without_background_the_weighting_is_plain_phat(hiss):
    """One stationary stretch, all frames alike: the magnitude of the mean cross-spectrum, by auto-spectra, is out."""
    recording = hiss.recording(LAYOUT, LAYOUT.cells[4], seconds=1.0, spans_s=((0.0, 1.0),), snr_db=40.0)
    found = correlations(recording, onset_s=0.0)
    delays_s, phat = pair_correlations(
        recording.samples, fs=16_000, spec=PhatSpec(hop=256, upsample=8), max_delay_s=MAX_DELAY_S
    )
    same = np.isin(np.rint(found.delays_s / found.step_s), np.rint(delays_s / found.step_s))
    np.testing.assert_array_equal(found.values[:, same].argmax(axis=1), phat.argmax(axis=1))
    # At 40 dB over the noise only the length of the delay, not noise, makes a pair's frames differ.
    np.testing.assert_allclose(found.values[:, same].max(axis=1), phat.max(axis=1), atol=0.1)


def test_coherence_weighting_against_plain_loops(hiss):
    """Twin: mean cross-spectrum over the root of the product of mean powers, one frame and one bin after the other."""
    samples = hiss.recording(LAYOUT, LAYOUT.cells[4], seconds=0.3, spans_s=((0.0, 0.3),), snr_db=0.0).samples
    n, hop = 1024, 256
    window = hann_window(n)
    frames = [samples[:, k : k + n] * window for k in range(0, samples.shape[1] - n + 1, hop)]
    spectra = [np.fft.rfft(frame, axis=1) for frame in frames]
    used = [k for k in range(n // 2) if 2_000.0 <= k * 16_000 / n <= 7_000.0]
    found = correlated(samples)
    for pair, (i, j) in enumerate(mic_pairs(4)):
        for at in range(0, len(found.delays_s), 97):
            total = 0.0
            for k in used:
                cross = np.mean([s[i, k] * np.conj(s[j, k]) for s in spectra])
                size = np.sqrt(np.mean([abs(s[i, k]) ** 2 for s in spectra]))
                size *= np.sqrt(np.mean([abs(s[j, k]) ** 2 for s in spectra]))
                total += (cross / size * np.exp(2j * np.pi * k * 16_000 / n * found.delays_s[at])).real
            assert found.values[pair, at] == pytest.approx(total / len(used), abs=1e-4)


def test_noise_is_the_spread_where_nothing_sounds(rng):
    samples = (0.01 * rng.standard_normal((4, 32_000))).astype(np.float32)
    found = correlated(samples)
    # Every value here is noise, and its median size is that of a normal variable of this deviation.
    np.testing.assert_allclose(found.noise, found.values.std(axis=1), rtol=0.15)


@pytest.mark.parametrize("n", [1, 10, 47])
def test_too_little_sound_is_said(rng, n):
    assert 47 < MAX_DELAY_S * 16_000 < 48
    samples = rng.standard_normal((4, 8_000 + n)).astype(np.float32)
    with pytest.raises(AudioError, match="expected more sound than the largest delay"):
        correlated(samples, onset=8_000)


def test_a_band_above_half_the_rate_is_said(rng):
    samples = rng.standard_normal((4, 8_000)).astype(np.float32)
    with pytest.raises(AudioError, match="found a rate of 2000 Hz"):
        correlated(samples, fs=2_000)


@pytest.mark.parametrize("background", [True, False])
def test_batches_give_what_one_go_gives(hiss, monkeypatch, background):
    recording = hiss.recording(LAYOUT, LAYOUT.cells[3], seconds=1.6, spans_s=((0.6, 1.2),))
    onset_s = 0.6 if background else 0.0
    whole = correlations(recording, onset_s=onset_s)
    monkeypatch.setattr(module, "_BATCH_FRAMES", 5)
    parts = correlations(recording, onset_s=onset_s)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-5)


def test_a_minute_of_eight_channels_stays_in_modest_memory(rng):
    samples = rng.standard_normal((8, 60 * 16_000), dtype=np.float32)
    size = samples.nbytes
    tracemalloc.start()
    correlated(samples, onset=8_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All spectra at once would be eight times the sound.
    assert most < 2 * size
