"""Noise at every point, and the world that opens noise and responses."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from trad_array.errors import StoreError
from trad_array.study.bank import open_bank
from trad_array.study.noise import open_noise
from trad_array.study.records import FANS, Choice, FanState
from trad_array.study.world import World

REFERENCE = Choice("corners", (0, 1, 2, 3))


def noise_of(site, points, cache, *, fan=FANS["normal"], reference=REFERENCE, seed=7):
    bank = open_bank(site, points, rt60_s=0.2, seed=seed, cache=cache)
    return open_noise(site, points, reference, bank, fan, seed=seed, cache=cache)


def level_db(noise):
    return 10 * np.log10(np.mean(np.asarray(noise, dtype=float) ** 2))


@pytest.mark.parametrize("fan", FANS.values(), ids=FANS)
def test_the_reference_layout_hears_the_level_asked_for(small_site, small_points, small_cache, fan):
    noise = noise_of(small_site, small_points, small_cache, fan=fan)
    assert noise.shape == (6, 30 * 16_000)
    assert noise.dtype == np.float32
    assert level_db(noise[:4]) == pytest.approx(small_site.noise_dbfs + fan.level_db, abs=0.01)
    assert abs(level_db(noise[4:]) - small_site.noise_dbfs - fan.level_db) > 0.05


def test_noise_at_a_point_does_not_depend_on_other_points(small_site, small_points, small_cache, tmp_path, points_at):
    noise = noise_of(small_site, small_points, small_cache)
    fewer = noise_of(small_site, points_at(small_points.positions_m[:4]), tmp_path)
    assert np.array_equal(noise[:4], fewer)
    grown = noise_of(small_site, small_points, tmp_path)
    assert np.array_equal(noise, grown)
    turned = points_at(small_points.positions_m[::-1])
    assert np.array_equal(noise_of(small_site, turned, tmp_path, reference=Choice("c", (5, 4, 3, 2)))[::-1], noise)


def test_points_that_are_known_are_taken_over(small_site, small_points, tmp_path, points_at):
    noise_of(small_site, points_at(small_points.positions_m[:4]), tmp_path)
    kept = next((tmp_path / "noise").rglob("*.npy"))
    marked = np.load(kept)
    marked[2] = 0.25
    np.save(kept, marked)
    grown = noise_of(small_site, small_points, tmp_path)
    assert (grown[2] == 0.25).all()
    assert not (grown[4] == 0.25).any()


def test_fans_are_one_sound_for_all_and_moving_air_is_not(small_site, small_points, small_cache):
    noise = np.asarray(noise_of(small_site, small_points, small_cache)[:2], dtype=float)
    frames = noise[:, : 468 * 1024].reshape(2, 468, 1024)
    spectra = np.fft.rfft(frames * np.hanning(1024), axis=-1)
    cross = np.abs((spectra[0] * spectra[1].conj()).mean(axis=0)) ** 2
    coherence = cross / (np.abs(spectra) ** 2).mean(axis=1).prod(axis=0)
    hz = np.fft.rfftfreq(1024, 1 / 16_000)
    # Of sounds that have nothing in common it would be 1 / 468.
    assert coherence[(hz > 250) & (hz < 1_000)].mean() > 20 / 468
    assert coherence.max() < 0.9999


def test_a_full_disk_leaves_no_noise_behind(small_site, small_points, tmp_path, files_up_to):
    open_bank(small_site, small_points, rt60_s=0.2, seed=7, cache=tmp_path)
    with files_up_to(3_000_000), pytest.raises(StoreError, match="no space left on the disk"):
        noise_of(small_site, small_points, tmp_path)
    assert not [path for path in (tmp_path / "noise").rglob("*") if path.is_file()]


def test_a_world_opens_each_thing_once_and_again_in_another_process(small_study, small_cache):
    world = World(small_study, small_cache)
    assert world.bank(0.2) is world.bank(0.2)
    assert world.noise(0.2, FANS["normal"]) is world.noise(0.2, FANS["normal"])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(world.bank, 0.2).result(timeout=60)
        heard = pool.submit(world.noise, 0.2, FANS["normal"]).result(timeout=60)
    rows = world.bank(0.2).noise_rows
    assert np.array_equal(there.responses(rows, [5, 0]), world.bank(0.2).responses(rows, [5, 0]))
    assert np.array_equal(heard, world.noise(0.2, FANS["normal"]))


def test_a_fan_state_of_its_own_and_another_level_are_other_noise(small_study, small_cache):
    slow = FanState("slow", speed=0.6, level_db=-6.0)
    world = World(small_study, small_cache)
    louder = World(replace(small_study, site=replace(small_study.site, noise_dbfs=-40.0)), small_cache)
    assert level_db(world.noise(0.2, slow)[:4]) == pytest.approx(-51.0, abs=0.01)
    assert level_db(louder.noise(0.2, slow)[:4]) == pytest.approx(-46.0, abs=0.01)


def test_a_room_without_walls_has_noise_as_well(small_study, small_cache):
    noise = World(small_study, small_cache).noise(0.0, FANS["normal"])
    assert np.isfinite(noise).all()
    assert level_db(noise[:4]) == pytest.approx(small_study.site.noise_dbfs, abs=0.01)
