"""The sounds themselves, without a room."""

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.simulation import NEGATIVE_KINDS, fan, hum, negative, pcs_whine, vent
from trad_array.simulation.synthesis import jet_noise, shaped_noise

FS = 16_000


def rng(seed=1):
    return np.random.default_rng(seed)


def power_spectrum(signal, fs=FS):
    return np.fft.rfftfreq(len(signal), 1 / fs), np.abs(np.fft.rfft(np.asarray(signal, dtype=float))) ** 2


def centroid_hz(signal):
    frequencies, power = power_spectrum(signal)
    return float((frequencies * power).sum() / power.sum())


def share(signal, low_hz, high_hz, fs=FS):
    frequencies, power = power_spectrum(signal, fs)
    return float(power[(frequencies >= low_hz) & (frequencies <= high_hz)].sum() / power.sum())


def level_db(signal):
    return 10 * np.log10(np.mean(np.asarray(signal, dtype=float) ** 2) + 1e-20)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0])
def test_the_hump_of_a_vent_falls(seed, seconds):
    sound = vent(rng(seed), fs=FS, seconds=seconds, whistle=False)
    hiss = sound[int(0.02 * FS) : int(0.95 * seconds * FS)]
    parts = np.array_split(hiss, 4)
    assert centroid_hz(parts[0]) > centroid_hz(parts[2]) > centroid_hz(parts[3])
    assert centroid_hz(parts[0]) > 1.15 * centroid_hz(parts[3])


@pytest.mark.parametrize("seed", range(8))
def test_a_vent_pops_then_decays_then_is_over(seed):
    sound = vent(rng(seed), fs=FS, seconds=1.0)
    assert len(sound) == FS
    assert np.abs(sound).argmax() < 0.003 * FS
    assert level_db(sound[: int(0.02 * FS)]) > level_db(sound[int(0.1 * FS) : int(0.3 * FS)])
    assert level_db(sound[int(0.1 * FS) : int(0.3 * FS)]) > level_db(sound[int(0.7 * FS) : int(0.95 * FS)])
    assert np.abs(sound[-10:]).max() < 0.02


def test_a_vent_that_repeats_has_a_second_pop_after_a_pause():
    sound = vent(rng(), fs=FS, seconds=2.0, repeat=True, whistle=False)
    quiet = np.flatnonzero(sound == 0.0)
    assert len(quiet) > 0.05 * FS
    assert 0.4 * len(sound) < quiet[0] < 0.65 * len(sound)
    again = sound[quiet[-1] + 1 :]
    assert np.abs(again).argmax() < 0.003 * FS
    assert level_db(again[: FS // 20]) > level_db(sound[quiet[0] - FS // 20 : quiet[0]]) + 3


def test_a_whistle_is_a_line_above_the_hiss():
    def narrowness(whistle):
        _, power = power_spectrum(vent(rng(3), fs=FS, seconds=4.0, whistle=whistle)[FS : FS + 1600])
        return power.max() / np.median(power[200:])

    assert narrowness(True) > 3 * narrowness(False)


@pytest.mark.parametrize("peak_hz", [1_500.0, 3_000.0, 6_000.0])
def test_jet_noise_has_its_hump_where_it_should_and_rms_one(peak_hz):
    sound = jet_noise(rng(), np.full(20 * FS, peak_hz), fs=FS)
    frequencies, power = power_spectrum(sound)
    thirds = [
        power[(frequencies > f / 1.12) & (frequencies < f * 1.12)].mean() for f in (peak_hz / 3, peak_hz, peak_hz * 1.3)
    ]
    assert int(np.argmax(thirds)) == 1 or thirds[1] > 0.85 * max(thirds)
    assert level_db(sound) == pytest.approx(0.0, abs=0.3)


def test_shaped_noise_follows_its_density():
    sound = shaped_noise(rng(), n=20 * FS, fs=FS, power=lambda f: 1.0 / (1.0 + (f / 500.0) ** 4))
    frequencies, power = power_spectrum(sound)
    low, high = (power[(frequencies > f / 1.1) & (frequencies < f * 1.1)].mean() for f in (500.0, 2_000.0))
    assert 10 * np.log10(low / high) == pytest.approx(10 * np.log10((1 + 4.0**4) / 2), abs=1.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_fan_is_steady_low_and_has_blade_pass_lines(seed):
    sound = fan(rng(seed), fs=FS, seconds=10.0, blades=7)
    levels = [level_db(part) for part in np.array_split(sound, 10)]
    assert max(levels) - min(levels) < 1.5
    assert share(sound, 2_000, 7_000) < 0.15
    assert share(sound, 0, 1_000) > 0.75
    frequencies, power = power_spectrum(sound)
    first = (frequencies > 7 * 1400 / 60 * 0.97) & (frequencies < 7 * 2900 / 60 * 1.03)
    assert power[first].max() > 100 * np.median(power[first])


def test_hum_and_whine_stand_where_they_should():
    assert share(hum(rng(), fs=FS, seconds=2.0), 95, 705) > 0.9
    assert share(hum(rng(), fs=FS, seconds=2.0, mains_hz=60.0), 119, 121) > 0.4
    whine = pcs_whine(rng(), fs=FS, seconds=2.0, carrier_hz=5_000.0)
    assert share(whine, 4_790, 5_210) > 0.99
    assert share(whine, 4_899, 4_901) > 0.05


@pytest.mark.parametrize("kind", NEGATIVE_KINDS)
@pytest.mark.parametrize("fs", [8_000, 16_000, 48_000])
def test_every_negative_is_finite_audible_and_follows_its_seed(kind, fs):
    sound = negative(kind, rng(), fs=fs, seconds=1.5)
    assert sound.shape == (round(1.5 * fs),)
    assert np.isfinite(sound).all()
    assert level_db(sound) == pytest.approx(0.0, abs=0.01)
    assert np.array_equal(sound, negative(kind, rng(), fs=fs, seconds=1.5))
    assert not np.array_equal(sound, negative(kind, rng(2), fs=fs, seconds=1.5))


def test_there_are_six_kinds_of_negatives_and_more():
    assert {"air-tool", "door", "contactor", "extinguisher", "rain", "speech"} <= set(NEGATIVE_KINDS)


def test_the_hump_of_an_air_tool_stays_put():
    moved = []
    for seed in range(10):
        sound = negative("air-tool", rng(seed), fs=FS, seconds=2.0)
        loud = [part for part in np.array_split(sound, 8) if level_db(part) > -3]
        moved.append(centroid_hz(loud[-1]) / centroid_hz(loud[0]))
    assert np.abs(np.log(moved)).max() < 0.1


def test_short_and_unknown_sounds_are_refused():
    with pytest.raises(ConfigError, match="seconds: expected at least 0.02 s"):
        vent(rng(), fs=FS, seconds=0.001)
    with pytest.raises(ConfigError, match="found 'dog'"):
        negative("dog", rng(), fs=FS, seconds=1.0)
    with pytest.raises(ConfigError, match="seconds"):
        negative("door", rng(), fs=FS, seconds=float("nan"))
