"""A chirp tells which microphone is deaf, quiet or late, and what the air is, through noise and echoes."""

import numpy as np
import pytest

from trad_array.audio.selftest import ChirpRule, chirp, judge_chirp
from trad_array.errors import AudioError, ConfigError
from trad_array_geometry import load_layout

FS = 48_000
LAYOUT = load_layout("pack-corners")
# Beside one corner, so that the four distances differ.
PLACE_M = LAYOUT.mics[0] + np.array([-0.4, -0.3, 0.2])


def recording(rng, *, speed_m_s=LAYOUT.speed_of_sound, gains=(1, 1, 1, 1), late_s=(0, 0, 0, 0), noise=0.001, echo=0.0):
    """Two seconds in which the loudspeaker chirps at 0.6 s, in a free field or with one echo 4 ms later."""
    sound, n = chirp(ChirpRule(), fs=FS).astype(float), 2 * FS
    hz = np.fft.rfftfreq(n, 1 / FS)
    distance_m = np.linalg.norm(LAYOUT.mics - PLACE_M, axis=1)
    at_s = 0.6 + distance_m / speed_m_s + np.asarray(late_s) + LAYOUT.mic_delay_s
    turn = sum(a * np.exp(-2j * np.pi * hz * (at_s[:, None] + t)) for a, t in ((1.0, 0.0), (echo, 0.004)))
    heard = np.fft.irfft(np.fft.rfft(sound, n) * turn, n) * 0.1 * (np.asarray(gains) / distance_m)[:, None]
    return (heard + noise * rng.standard_normal(heard.shape)).astype(np.float32)


def judged(samples):
    return judge_chirp(samples, LAYOUT, PLACE_M, fs=FS)


@pytest.mark.parametrize("echo", [0.0, 0.8])
def test_an_array_as_its_layout_says_is_fine(rng, echo):
    result = judged(recording(rng, echo=echo, noise=0.01))
    assert result.fine
    assert result.speed_m_s == pytest.approx(LAYOUT.speed_of_sound, rel=0.01)
    assert all(abs(mic.gain_db) < 0.5 and abs(mic.late_s) < 10e-6 for mic in result.mics)


def test_a_quiet_and_a_deaf_microphone_are_named(rng):
    result = judged(recording(rng, gains=(1, 0.3, 1, 0)))
    assert [mic.faults for mic in result.mics] == [
        (), ("hears it 10.5 dB quieter than the others",), (), ("does not hear the chirp",)
    ]  # fmt: skip
    assert not result.fine


def test_a_late_microphone_is_named_by_how_much(rng):
    result = judged(recording(rng, late_s=(0, 0, 200e-6, 0)))
    assert [bool(mic.faults) for mic in result.mics] == [False, False, True, False]
    assert result.mics[2].late_s == pytest.approx(200e-6, abs=20e-6)
    assert "later than the others" in result.mics[2].faults[0]


def test_warm_air_is_told_as_air_and_not_as_late_microphones(rng):
    speed_m_s = 1.06 * LAYOUT.speed_of_sound
    result = judged(recording(rng, speed_m_s=speed_m_s))
    assert not any(mic.faults for mic in result.mics)
    assert result.speed_m_s == pytest.approx(speed_m_s, rel=0.01)
    assert len(result.faults) == 1
    assert "speed of sound: expected" in result.faults[0]


def test_without_a_chirp_nothing_is_made_up(rng):
    for samples in (recording(rng, gains=(0, 0, 0, 0)), np.zeros((4, 2 * FS), np.float32)):
        result = judged(samples)
        assert [mic.gain_db for mic in result.mics] == [None] * 4
        assert result.faults == ("no microphone hears the chirp: is the loudspeaker on?",)


def test_the_chirp_starts_and_ends_in_silence_and_fits_its_rate():
    sound = chirp(ChirpRule(), fs=FS)
    assert (len(sound), abs(sound[0]), abs(sound[-1]) < 1e-3) == (24_000, 0.0, True)
    assert 0.6 < np.abs(sound).max() <= 0.7
    with pytest.raises(ConfigError, match="over 15400 Hz for the chirp, found 8000 Hz"):
        chirp(ChirpRule(), fs=8_000)
    with pytest.raises(AudioError, match="expected 4 channels of at least 24000 samples"):
        judge_chirp(np.zeros((3, 2 * FS)), LAYOUT, PLACE_M, fs=FS)
