"""What the array would hear of each place: signs, channels, air, weights."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.localization.hypotheses import Prior, differences_m, hypotheses
from trad_array_geometry import load_layout, max_pair_delays, pair_delays, speed_of_sound


def tables(layout, speed):
    return hypotheses(layout, speed, Prior(), layout)


@pytest.fixture
def layout():
    return load_layout("row-corners")


def test_delays_have_the_sign_and_size_of_the_travel_times(shipped_layout):
    speed = shipped_layout.speed_of_sound
    known = hypotheses(shipped_layout, speed, Prior(), shipped_layout)
    prior = Prior()
    middle = len(prior.air_sigmas) // 2
    shape = (-1, shipped_layout.n_cells, len(prior.jet_heights_m), len(prior.air_sigmas))
    by_height = known.cell_delays_s.reshape(shape)
    for number, height_m in enumerate(prior.jet_heights_m):
        points = shipped_layout.cells + [0.0, 0.0, height_m]
        expected = pair_delays(points, shipped_layout.mics, speed_of_sound=speed)
        np.testing.assert_allclose(by_height[:, :, number, middle].T, expected, atol=1e-12)
    np.testing.assert_allclose(
        known.grid_delays_s.T, pair_delays(known.grid_m, shipped_layout.mics, speed_of_sound=speed), atol=1e-12
    )
    np.testing.assert_array_equal(known.grid_m[: shipped_layout.n_guards], shipped_layout.guards)


def test_paths_are_first_minus_second(layout):
    paths = differences_m(layout.cells, layout.mics)
    distance = np.linalg.norm(layout.cells[4] - layout.mics, axis=1)
    assert paths[0, 4] == pytest.approx(distance[0] - distance[1])
    assert paths[-1, 4] == pytest.approx(distance[2] - distance[3])


def test_a_late_channel_shifts_its_pairs_and_no_others(layout):
    late = replace(layout, mic_delay_s=np.array([0.0, 2e-3, 0.0, 0.0]))
    plain, shifted = (hypotheses(x, layout.speed_of_sound, Prior(), x) for x in (layout, late))
    # Pairs AB, AC, AD, BC, BD, CD; microphone B hears everything 2 ms later.
    change = np.array([-2e-3, 0.0, 0.0, 2e-3, 2e-3, 0.0])
    np.testing.assert_allclose(
        shifted.cell_delays_s - plain.cell_delays_s, np.broadcast_to(change[:, None, None], (6, 13, 28))
    )
    np.testing.assert_allclose(
        shifted.grid_delays_s - plain.grid_delays_s, np.tile(change[:, None], (1, len(plain.grid_m)))
    )
    assert shifted.max_delay_s == pytest.approx(np.max(plain.pair_max_s + np.abs(change)))


def test_speeds_are_those_of_the_temperatures_around_the_layouts(layout):
    known = hypotheses(layout, layout.speed_of_sound, Prior(), layout)
    temperatures = layout.temperature_c + np.array(Prior().air_sigmas) * layout.temperature_sigma_c
    expected = [speed_of_sound(t) for t in temperatures]
    np.testing.assert_allclose(known.speeds, expected, rtol=1e-9)
    np.testing.assert_allclose(known.pair_max_s, max_pair_delays(layout.mics, speed_of_sound=min(expected)), rtol=1e-9)


def test_a_wider_temperature_is_a_wider_range_of_speeds_and_none_is_one(layout):
    widths = []
    for sigma_c in (2.0, 4.0, 8.0):
        known = tables(replace(layout, temperature_sigma_c=sigma_c), layout.speed_of_sound)
        widths.append(np.ptp(known.speeds))
    np.testing.assert_allclose(np.array(widths) / widths[0], [1.0, 2.0, 4.0], rtol=0.01)
    known = tables(replace(layout, temperature_sigma_c=0.0), layout.speed_of_sound)
    np.testing.assert_array_equal(known.speeds, [layout.speed_of_sound])
    np.testing.assert_array_equal(known.log_air_prior, [0.0])
    assert known.cell_delays_s.shape == (6, 13, len(Prior().jet_heights_m))


@pytest.mark.parametrize(
    "prior",
    [
        Prior(),
        Prior(jet_heights_m=(0.0,), jet_weights=(1.0,)),
        Prior(error_scales=(0.0, 2.0), error_weights=(3.0, 1.0), air_sigmas=(-1.0, 0.0, 1.0)),
    ],
)
def test_prior_weights_sum_to_one(layout, prior):
    known = hypotheses(layout, layout.speed_of_sound, prior, layout)
    for log in (known.log_prior, known.log_scale_prior, known.log_air_prior):
        assert np.exp(log).sum() == pytest.approx(1.0)
    assert len(known.log_prior) == known.cell_delays_s.shape[2]


def test_the_spread_of_a_pair_is_that_of_two_microphones_and_two_channels(layout):
    speed = layout.speed_of_sound
    said = replace(
        layout,
        mic_sigma_m=np.array([0.003, 0.010, 0.003, 0.003]),
        mic_delay_sigma_s=np.array([0.0, 0.0, 40e-6, 0.0]),
    )
    prior = Prior(error_scales=(0.0, 2.0), error_weights=(0.5, 0.5), timing_s=8e-6)
    known = hypotheses(said, speed, prior, said)
    np.testing.assert_allclose(known.pair_sigmas_s[0], np.sqrt(2) * 8e-6)
    # Pair BC, everything twice its size but the 8 us of each arrival.
    variance_s2 = 2 * 8e-6**2 + 4 * ((0.010 / speed) ** 2 + (0.003 / speed) ** 2 + 40e-6**2)
    assert known.pair_sigmas_s[1, 3] == pytest.approx(np.sqrt(variance_s2))


def test_reference_microphones_are_left_out(layout):
    roles = ("array", "reference", "array", "array")
    known = tables(replace(layout, mic_roles=roles), layout.speed_of_sound)
    expected = pair_delays(layout.cells, layout.mics[[0, 2, 3]], speed_of_sound=layout.speed_of_sound)
    np.testing.assert_allclose(known.cell_delays_s[:, :, len(Prior().air_sigmas) // 2].T, expected, atol=1e-12)


def test_places_elsewhere_are_inside_the_room_and_away_from_the_cells(shipped_layout):
    prior = Prior()
    grid = hypotheses(shipped_layout, shipped_layout.speed_of_sound, prior, shipped_layout).grid_m[
        shipped_layout.n_guards :
    ]
    low, high = shipped_layout.box_m
    assert ((grid > low) & (grid < high)).all()
    apart = np.linalg.norm(grid[:, None] - shipped_layout.cells[None], axis=-1).min(axis=1)
    assert apart.min() >= prior.clearance_m


def test_a_layout_without_room_is_taken_to_have_some_space_around_it(layout):
    bare = replace(layout, box_m=None, guards=np.zeros((0, 3)), guard_names=())
    grid = tables(bare, layout.speed_of_sound).grid_m
    known = np.concatenate([layout.cells, layout.mics])
    assert (grid.min(axis=0) < known.min(axis=0) - 1.0).all()
    assert (grid.max(axis=0) > known.max(axis=0) + 1.0).all()
