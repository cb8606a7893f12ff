"""Whole scenes: what the truth says must be found in the samples."""

import dataclasses
import json

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.simulation import NEGATIVE_KINDS, simulate_scene
from trad_array_geometry import LayoutError, load_layout, speed_of_sound

FS = 16_000


def scene(layout, *, seed=1, **settings):
    return simulate_scene(layout, rng=np.random.default_rng(seed), **{"seconds": 5.0, **settings})


def event_and_noise(layout, **settings):
    """What the event alone and the noise alone sound like: the same seed without an event has the same noise."""
    whole = scene(layout, **settings)
    kept = {
        k: v for k, v in settings.items() if k in ("seed", "seconds", "rt60_s", "temperature_c", "fs", "noise_dbfs")
    }
    quiet = scene(layout, **kept)
    noise = quiet.recording.samples.astype(np.float64)
    return whole, whole.recording.samples - noise, noise


def power(samples):
    return float(np.mean(samples**2))


def test_truth_has_its_keys_and_is_json(pack):
    truth = scene(pack, cell="R2C07", snr_db=-3.0, rt60_s=0.5, duration_s=1.0).truth
    assert json.loads(json.dumps(truth, allow_nan=False)) == truth
    assert truth["kind"] == "vent"
    assert truth["simulated"] is True
    assert truth["cell"] == "R2C07"
    assert truth["source_m"] == pytest.approx(pack.cells[pack.cell_index("R2C07")])
    assert truth["layout"] == "pack-corners"
    assert (truth["fs"], truth["seconds"]) == (FS, 5.0)
    assert truth["rt60_requested_s"] == 0.5
    assert truth["rt60_s"] == pytest.approx(0.5, rel=0.15)
    assert truth["speed_of_sound_m_s"] == speed_of_sound(truth["temperature_c"])
    assert truth["clipped"] == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["pack-corners", "row-corners", "row-frame"])
@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 12.0])
def test_signal_to_noise_ratio_is_the_one_asked_for(name, snr_db):
    layout = load_layout(name)
    whole, event, noise = event_and_noise(layout, cell=layout.cell_names[3], snr_db=snr_db, duration_s=1.0, onset_s=2.5)
    stretch = slice(int(whole.truth["onset_s"] * FS), int(whole.truth["end_s"] * FS))
    found_db = 10 * np.log10(power(event[:, stretch]) / power(noise[:, stretch]))
    assert found_db == pytest.approx(snr_db, abs=0.5)
    assert whole.truth["snr_db"] == pytest.approx(snr_db, abs=0.5)


def test_the_ratio_from_2_to_7_khz_is_about_10_db_higher(pack):
    gains = []
    for seed in range(12):
        truth = scene(pack, seed=seed, cell="R1C01", duration_s=1.0, seconds=4.0).truth
        gains.append(truth["snr_2_7khz_db"] - truth["snr_db"])
    assert np.mean(gains) == pytest.approx(10.5, abs=1.5)


@pytest.mark.parametrize("kind", [None, *NEGATIVE_KINDS])
def test_nothing_sounds_before_the_onset_and_something_at_once_after(pack, kind):
    settings = {"cell": "R3C05"} if kind is None else {"negative": kind}
    whole, event, _ = event_and_noise(pack, **settings, snr_db=20.0, onset_s=2.5, duration_s=1.0, rt60_s=0.0)
    first = round(whole.truth["onset_s"] * FS)
    assert whole.truth["onset_s"] == pytest.approx(2.5, abs=1 / FS)
    loudest = np.abs(event).max()
    # A fractional delay rings for 40 samples on either side; before that there is only rounding to float32.
    assert np.abs(event[:, : first - 41]).max() < 1e-5 * max(loudest, 1.0)
    assert np.abs(event[:, first : first + FS // 2]).max() > 0.1 * loudest
    last = int(whole.truth["end_s"] * FS)
    spread = int(0.02 * FS)
    assert power(event[:, first : last + spread]) * (last + spread - first) > 0.99 * power(event) * event.shape[1]


def test_a_one_second_vent_is_over_after_one_second(row):
    whole, event, _ = event_and_noise(row, cell="R1C07", snr_db=20.0, onset_s=2.0, duration_s=1.0, rt60_s=0.0)
    assert 0.8 < whole.truth["end_s"] - whole.truth["onset_s"] <= 1.0
    over = int(3.02 * FS)
    assert np.abs(event[:, over:]).max() < 1e-5


def test_arrivals_at_the_microphones_differ_as_the_cell_says(pack):
    whole, event, _ = event_and_noise(pack, cell="R4C13", snr_db=30.0, duration_s=1.0, rt60_s=0.0, temperature_c=5.0)
    c = whole.truth["speed_of_sound_m_s"]
    assert c == speed_of_sound(5.0)
    distances = np.linalg.norm(pack.mics - pack.cells[pack.cell_index("R4C13")], axis=1)
    n, upsample = 1 << 17, 8
    spectra = np.fft.rfft(event, n)
    for mic in (1, 2, 3):
        correlation = np.fft.irfft(spectra[mic] * spectra[0].conj(), n * upsample)
        delay = (int(correlation.argmax()) + n * upsample // 2) % (n * upsample) - n * upsample // 2
        assert delay / upsample == pytest.approx((distances[mic] - distances[0]) / c * FS, abs=0.1)


def test_clipping_is_counted_and_never_scaled_away(pack):
    whole = scene(pack, cell="R2C07", snr_db=45.0, duration_s=1.0)
    samples = whole.recording.samples
    assert np.abs(samples).max() == 1.0
    assert whole.truth["clipped"] == [int((np.abs(channel) >= 1.0).sum()) for channel in samples]
    assert sum(whole.truth["clipped"]) > 100
    assert whole.truth["snr_db"] == pytest.approx(45.0, abs=0.5)
    quiet = scene(pack, snr_db=45.0)
    before = int((whole.truth["onset_s"] - 0.01) * FS)
    assert np.allclose(samples[:, :before], quiet.recording.samples[:, :before], atol=1e-6)


def test_the_noise_is_steady_from_the_first_sample_and_at_its_level(row):
    truth, samples = (s := scene(row, seconds=10.0)).truth, s.recording.samples.astype(np.float64)
    assert truth["kind"] == "normal"
    assert truth["onset_s"] is truth["snr_db"] is truth["cell"] is truth["source_m"] is None
    assert 10 * np.log10(power(samples)) == pytest.approx(-45.0, abs=0.2)
    levels = [10 * np.log10(power(part)) for part in np.array_split(samples, 20, axis=1)]
    assert max(levels) - min(levels) < 2.0
    assert np.argmax(levels) != 0 or levels[0] - np.mean(levels) < 1.0
    assert 10 * np.log10(power(samples[:, :800])) == pytest.approx(-45.0, abs=4.0)


def test_the_noise_is_coherent_between_microphones_but_not_wholly(row):
    samples = scene(row, seconds=10.0).recording.samples.astype(np.float64)
    spectra = np.fft.rfft(samples[:, : 150 * 1024].reshape(4, 150, 1024) * np.hanning(1024), axis=-1)
    cross = np.abs((spectra[0] * spectra[1].conj()).mean(axis=0))
    coherence = cross / np.sqrt((np.abs(spectra[0]) ** 2).mean(axis=0) * (np.abs(spectra[1]) ** 2).mean(axis=0))
    assert 0.3 < coherence[6:20].mean() < 0.999
    assert coherence[128:448].mean() > 2 * np.sqrt(np.pi / 4 / 150)


@pytest.mark.parametrize("name", ["pack-corners", "row-corners", "row-frame"])
@pytest.mark.parametrize("kind", NEGATIVE_KINDS)
def test_no_negative_is_at_a_cell(name, kind):
    layout = load_layout(name)
    for seed in range(5):
        truth = scene(layout, seed=seed, negative=kind, seconds=1.0, rt60_s=0.0).truth
        assert truth["kind"] == kind
        assert truth["cell"] is None
        if kind == "rain":
            assert truth["source_m"] is None
        else:
            assert np.linalg.norm(layout.cells - truth["source_m"], axis=1).min() >= 0.6


def test_the_door_is_at_the_door(pack):
    truth = scene(pack, negative="door").truth
    assert truth["source_m"] == pytest.approx(pack.guards[pack.guard_names.index("door")])


def test_rain_comes_from_many_places(pack):
    _, event, _ = event_and_noise(pack, negative="rain", snr_db=20.0, rt60_s=0.0)
    x, y = (np.fft.rfft(event[m], 1 << 17) for m in (0, 2))
    cross = x * y.conj()
    assert np.fft.irfft(cross / np.maximum(np.abs(cross), 1e-12)).max() < 0.15


@pytest.mark.parametrize("seed", range(6))
def test_drawn_onsets_leave_two_seconds_of_noise_and_let_the_event_end(row, seed):
    truth = scene(row, seed=seed, cell="R1C01", seconds=6.0).truth
    assert truth["onset_s"] >= 2.0
    assert truth["end_s"] <= 6.0


def test_same_seed_same_scene_other_seed_other_scene(row):
    first, again, other = (scene(row, seed=s, cell="R1C02", seconds=2.0) for s in (3, 3, 4))
    assert np.array_equal(first.recording.samples, again.recording.samples)
    assert first.truth == again.truth
    assert not np.array_equal(first.recording.samples, other.recording.samples)
    assert first.recording.samples.dtype == np.float32


def test_a_source_can_be_put_beside_its_valve(pack):
    place = tuple(pack.cells[0] + [0.01, 0.02, 0.05])
    truth = scene(pack, cell="R1C01", source_m=place).truth
    assert truth["cell"] == "R1C01"
    assert truth["source_m"] == pytest.approx(place)


def test_fans_without_guard_points_stand_in_corners(pack):
    bare = dataclasses.replace(pack, guards=np.zeros((0, 3)), guard_names=())
    sources = scene(bare, seconds=1.0).truth["noise_sources"]
    assert len(sources) == 3
    assert len({tuple(s["position_m"]) for s in sources}) == 3


def test_another_fan_speed_is_another_spectrum(row):
    slow, fast = (scene(row, fan_speed=speed, seconds=4.0).recording.samples.astype(np.float64) for speed in (0.7, 1.6))
    frequencies = np.fft.rfftfreq(slow.shape[1], 1 / FS)
    centroids = [
        (frequencies * p).sum() / p.sum() for p in ((np.abs(np.fft.rfft(s)) ** 2).sum(axis=0) for s in (slow, fast))
    ]
    assert centroids[1] > 1.2 * centroids[0]


def test_other_sampling_rates(pack):
    made = scene(pack, cell="R1C01", fs=48_000, seconds=2.0)
    assert made.recording.samples.shape == (4, 96_000)
    assert made.recording.fs == 48_000


def test_a_layout_without_a_room_is_refused(pack):
    with pytest.raises(LayoutError, match="pack-corners: room: expected min_m and max_m"):
        scene(dataclasses.replace(pack, box_m=None), cell="R1C01")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "R1C01", "negative": "door"}, "at most one"),
        ({"cell": "R9C01"}, "expected one of R1C01 to R4C13"),
        ({"negative": "dog"}, "found 'dog'"),
        ({"cell": "R1C01", "onset_s": 4.9, "duration_s": 1.0}, "onset_s: expected"),
        ({"cell": "R1C01", "onset_s": 0.0}, "onset_s: expected"),
        ({"cell": "R1C01", "duration_s": 9.0}, "duration_s: expected"),
        ({"cell": "R1C01", "snr_db": float("nan")}, "snr_db: expected"),
        ({"cell": "R1C01", "source_m": (0.0, 0.0, 99.0)}, "source_m: expected"),
        ({"seconds": 0.0}, "seconds: expected"),
        ({"fs": 100}, "fs: expected"),
        ({"fan_speed": 0.0}, "fan_speed: expected"),
        ({"temperature_c": 90.0}, "temperature_c: expected"),
    ],
)
def test_settings_that_cannot_be_are_refused(pack, settings, message):
    with pytest.raises((ConfigError, LayoutError), match=message):
        scene(pack, **settings)
