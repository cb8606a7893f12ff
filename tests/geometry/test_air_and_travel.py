"""Speed of sound and travel times against numbers worked out by hand."""

import numpy as np
import pytest

from trad_array_geometry import LayoutError, max_pair_delays, mic_pairs, pair_delays, speed_of_sound, travel_times
from trad_array_geometry.air import speed_sigma, temperature_from_speed


# 343.2 * sqrt((t + 273.15) / 293.15), ISO 9613-1:1993 (A.5), on paper.
@pytest.mark.parametrize(("temperature_c", "m_s"), [(20.0, 343.2), (0.0, 331.29), (-20.0, 318.93), (50.0, 360.33)])
def test_speed_of_sound_is_that_of_iso_9613_1(temperature_c, m_s):
    assert speed_of_sound(temperature_c) == pytest.approx(m_s, abs=0.02)


@pytest.mark.parametrize("temperature_c", [-20.1, 50.1, 1000.0, float("nan"), float("inf")])
def test_outside_the_valid_range_is_an_error(temperature_c):
    with pytest.raises(LayoutError, match="temperature_c: expected -20 to 50 degrees Celsius, found"):
        speed_of_sound(temperature_c)


def test_travel_time_is_distance_by_speed():
    points = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 12.0]])
    mics = np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 6.8]])
    times_s = travel_times(points, mics, speed_of_sound=340.0)
    assert times_s[0] == pytest.approx([5.0 / 340.0, 0.02])
    assert times_s[1] == pytest.approx([12.0 / 340.0, np.sqrt(9 + 16 + 5.2**2) / 340.0])


def test_a_positive_pair_delay_means_that_the_first_microphone_hears_it_later():
    mics = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    delays_s = pair_delays(np.array([[5.0, 0.0, 0.0]]), mics, speed_of_sound=340.0)
    assert mic_pairs(3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert delays_s[0, 0] == pytest.approx(1.0 / 340.0)
    assert delays_s[0, 1] == pytest.approx((5.0 - np.sqrt(26)) / 340.0)
    assert delays_s[0, 2] == pytest.approx((4.0 - np.sqrt(26)) / 340.0)


def test_no_pair_delay_exceeds_the_distance_of_its_microphones(rng):
    mics, points = rng.uniform(0, 3, (5, 3)), rng.uniform(-10, 10, (500, 3))
    limits_s = max_pair_delays(mics, speed_of_sound=340.0)
    delays_s = pair_delays(points, mics, speed_of_sound=340.0)
    assert limits_s.shape == (10,)
    assert (np.abs(delays_s) <= limits_s + 1e-12).all()
    on_the_axis = pair_delays(mics[:1] + 100 * (mics[:1] - mics[1:2]), mics, speed_of_sound=340.0)
    assert on_the_axis[0, 0] == pytest.approx(-limits_s[0])


@pytest.mark.parametrize("temperature_c", [-20.0, 0.0, 25.0, 50.0])
def test_temperature_from_speed_is_the_inverse(temperature_c):
    assert temperature_from_speed(speed_of_sound(temperature_c)) == pytest.approx(temperature_c, abs=1e-9)
    # Ends of the range stand for everything beyond them.
    assert (temperature_from_speed(100.0), temperature_from_speed(1000.0)) == (-20.0, 50.0)


def test_speed_sigma_is_the_slope_of_the_speed():
    slope = (speed_of_sound(25.5) - speed_of_sound(24.5)) * 8.0
    assert speed_sigma(25.0, 8.0) == pytest.approx(slope, rel=1e-4)
