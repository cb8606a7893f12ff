"""Log-mel against librosa, the floor tracker, and the default scorer's scale."""

import librosa
import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec, NoiseFloor, log_mel
from trad_array.features.noise_floor import (
    above_floor,
    learn_floor,
    quiet_frames_above_floor,
    relearn_floor,
    start_floor,
)
from trad_array.scoring.excess import EXCESS_CALIBRATION, Excess

SPEC = FeatureSpec()


@pytest.mark.parametrize("gain", [1.0, 0.01, 1e-4])
def test_log_mel_equals_librosa(rng, gain):
    samples = (gain * rng.standard_normal((4, 40_000))).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=samples, sr=16_000, n_fft=1024, hop_length=512, n_mels=64, center=False)
    expected = np.swapaxes(librosa.power_to_db(mel, ref=1.0, top_db=None), 1, 2)
    np.testing.assert_allclose(log_mel(samples, SPEC), expected, atol=1e-3)


def test_frames_are_neither_centred_nor_padded():
    assert log_mel(np.zeros((2, 1023), np.float32), SPEC).shape == (2, 0, 64)
    assert log_mel(np.zeros((2, 1024), np.float32), SPEC).shape == (2, 1, 64)
    assert log_mel(np.zeros((2, 1535), np.float32), SPEC).shape == (2, 1, 64)


def test_an_hour_in_one_block_is_transformed_in_batches(rng):
    samples = rng.standard_normal((1, 512 * 700)).astype(np.float32)
    parts = [log_mel(samples[:, 512 * k : 512 * k + 1024], SPEC) for k in range(690, 699)]
    np.testing.assert_allclose(log_mel(samples, SPEC)[:, 690:699], np.concatenate(parts, axis=1), atol=1e-4)


@pytest.mark.parametrize("wrong", [{"hop": 2000}, {"f_max_hz": 9_000.0}, {"front_end": "floored"}])
def test_features_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match="expected .* found"):
        FeatureSpec(**wrong)


def test_the_floor_follows_a_step_down_faster_than_a_step_up():
    rule = NoiseFloor(rise_ticks=20, fall_ticks=5)
    quiet, loud = np.full((1, 16, 3), -60.0), np.full((1, 16, 3), -50.0)
    settled = start_floor(1, 3)
    for _ in range(100):
        settled = learn_floor(rule, settled, quiet)
    assert settled.level == pytest.approx(-60.0)
    # One tick moves the floor by a share 1 / time constant of the step.
    assert learn_floor(rule, settled, loud).level == pytest.approx(-60 + 10 / 20)
    assert learn_floor(rule, settled, quiet - 10).level == pytest.approx(-60 - 10 / 5)


def test_before_the_warm_up_nothing_stands_above_the_floor(rng):
    frames = rng.normal(-60, 3, (2, 16, 64)).astype(np.float32)
    rule, state = NoiseFloor(warm_up_ticks=2), start_floor(2, 64)
    assert not above_floor(rule, state, frames).any()
    state = learn_floor(rule, learn_floor(rule, state, frames), frames)
    np.testing.assert_allclose(above_floor(rule, state, frames), frames - frames.mean(axis=1, keepdims=True), atol=1e-4)


def test_only_the_microphones_that_came_back_relearn_their_floor():
    state = learn_floor(NoiseFloor(), start_floor(2, 3), np.full((2, 16, 3), -60.0))
    again = relearn_floor(state, np.full((2, 16, 3), -40.0), np.array([False, True]))
    assert again.level.tolist() == [[-60.0] * 3, [-40.0] * 3]


@pytest.mark.parametrize("slope", [0.0, -0.5, -1.0])
def test_excess_is_calibrated_for_stationary_noise_of_any_colour(rng, slope):
    spectrum = np.fft.rfft(rng.standard_normal((4, 16_000 * 60)))
    spectrum *= np.arange(1, spectrum.shape[1] + 1) ** slope
    samples = np.fft.irfft(spectrum)
    frames = log_mel((0.01 * samples / samples.std()).astype(np.float32), SPEC)
    z = EXCESS_CALIBRATION(Excess().score(quiet_frames_above_floor(frames, NoiseFloor())[:, :, None, :]))
    assert abs(np.median(z)) < 0.15
    assert 0.85 < 1.4826 * np.median(np.abs(z - np.median(z))) < 1.15


def test_excess_needs_the_floor():
    with pytest.raises(ConfigError, match='expected "floor", found "absolute"'):
        Excess(features=FeatureSpec(front_end="absolute"))
