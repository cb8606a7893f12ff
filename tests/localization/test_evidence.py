"""Evidence against plain twins: sums that are written out, integrals that are taken step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trad_array.localization.event_correlations import EventCorrelations
from trad_array.localization.evidence import log_sum, peak_height, places, summed, temper, tolerant, within

STEP_S = 1.0 / 128_000
LAGS = 300


def made(values):
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    reach = values.shape[1] // 2
    noise = 1.4826 * np.median(np.abs(values), axis=1)
    silent = np.zeros(2)
    return EventCorrelations(np.arange(-reach, reach + 1) * STEP_S, values, noise, silent)


def peak_in_noise(rng, *, height, at, noise=0.02, n_pairs=3):
    """A peak of the shape of a 2 to 7 kHz band over noise of the same band."""
    lags = np.arange(-LAGS, LAGS + 1)
    envelope = np.sinc(5_000 * (lags - at) * STEP_S) * np.cos(2 * np.pi * 4_500 * (lags - at) * STEP_S)
    rough = rng.standard_normal((n_pairs, 2 * LAGS + 1 + 2 * LAGS))
    shape = np.sinc(5_000 * lags * STEP_S) * np.cos(2 * np.pi * 4_500 * lags * STEP_S)
    smooth = np.stack([np.convolve(row, shape, mode="valid") for row in rough])
    return made(height * envelope + noise * smooth / smooth.std())


def integral(found, *, height, sigma_s, factor, pair, at, reach_sigmas):
    """Logarithm of the integral of exp(evidence(tau + error)) times the normal density of the error, by Riemann sum."""
    values, noise = found.values[pair], found.noise[pair]
    total = area = 0.0
    for k in range(len(values)):
        error_s = (k - at) * STEP_S
        if abs(error_s) > reach_sigmas * sigma_s + STEP_S / 2:
            continue
        density = np.exp(-0.5 * (error_s / sigma_s) ** 2) / (sigma_s * np.sqrt(2.0 * np.pi))
        total += np.exp(factor * (height * values[k] - height**2 / 2) / noise**2) * density * STEP_S
        area += density * STEP_S
    return np.log(total / area)


@pytest.mark.parametrize("sigma_us", [12.0, 30.0, 85.0])
@pytest.mark.parametrize(("height", "reach_sigmas"), [(0.05, 6.0), (0.2, 3.0)])
def test_the_error_is_integrated_out_with_a_normal_prior(rng, sigma_us, height, reach_sigmas):
    """A low peak: the whole integral. A high one outweighs any tail: errors beyond three deviations do not happen."""
    found = peak_in_noise(rng, height=height, at=20)
    log = tolerant(found, height=height, pair_sigmas_s=np.full(3, sigma_us * 1e-6), factor=temper(4), unheard=0.0)
    # The truncated kernel ends at a whole step, so look where the integrand does not jump there: near the peak.
    for pair in range(3):
        for at in (LAGS + 20, LAGS + 22, LAGS + 16):
            expected = integral(
                found,
                height=height,
                sigma_s=sigma_us * 1e-6,
                factor=temper(4),
                pair=pair,
                at=at,
                reach_sigmas=reach_sigmas,
            )
            assert log[pair, at] == pytest.approx(expected, abs=0.02)


def test_pairs_of_different_errors_each_get_their_own(rng):
    found = peak_in_noise(rng, height=0.1, at=0)
    sigmas_s = np.array([12e-6, 85e-6, 12e-6])
    together = tolerant(found, height=0.1, pair_sigmas_s=sigmas_s, factor=0.4, unheard=0.0)
    for pair, sigma_s in enumerate(sigmas_s):
        one = EventCorrelations(found.delays_s, found.values[[pair]], found.noise[[pair]], np.zeros(2))
        alone = tolerant(one, height=0.1, pair_sigmas_s=np.array([sigma_s]), factor=0.4, unheard=0.0)
        np.testing.assert_allclose(together[pair], alone[0], rtol=1e-12)


def test_without_error_it_is_the_matched_filter_itself(rng):
    found = peak_in_noise(rng, height=0.1, at=-40)
    log = tolerant(found, height=0.1, pair_sigmas_s=np.full(3, 1e-9), factor=0.4, unheard=0.0)
    np.testing.assert_allclose(log, 0.4 * (0.1 * found.values - 0.005) / found.noise[:, None] ** 2, rtol=1e-9)


def test_an_error_lowers_the_top_and_lifts_the_slopes(rng):
    found = peak_in_noise(rng, height=0.3, at=0)
    sharp, wide = (
        tolerant(found, height=0.3, pair_sigmas_s=np.full(3, s), factor=0.4, unheard=0.0).mean(axis=0)
        for s in (12e-6, 85e-6)
    )
    assert wide[LAGS] < sharp[LAGS]
    assert wide[LAGS + 25] > sharp[LAGS + 25]


def test_a_very_loud_sound_stays_finite():
    found = made(np.where(np.arange(601) == 300, 1.0, 1e-4))
    log = tolerant(found, height=1.0, pair_sigmas_s=np.array([12e-6]), factor=0.4, unheard=0.0)
    assert np.isfinite(log).all()
    assert log.argmax() == 300


def test_sums_at_places_against_plain_loops(rng):
    found = peak_in_noise(rng, height=0.2, at=10)
    delays_s = rng.uniform(-1.2 * LAGS, 1.2 * LAGS, (3, 4, 5)) * STEP_S  # some beyond the axis: its ends count
    result = summed(found.values, places(found, delays_s))
    assert result.shape == (4, 5)
    for a in range(4):
        for b in range(5):
            expected = sum(
                found.values[pair, np.abs(found.delays_s - delays_s[pair, a, b]).argmin()] for pair in range(3)
            )
            assert result[a, b] == pytest.approx(expected)


numbers = st.lists(st.floats(-2_000, 2_000), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(numbers, st.floats(-1_000, 1_000))
def test_log_sum_is_between_the_largest_and_all_alike_and_moves_along(values, shift):
    array = np.array(values)
    total = float(log_sum(array))
    assert max(values) - 1e-9 <= total <= max(values) + np.log(len(values)) + 1e-9
    assert float(log_sum(array + shift)) == pytest.approx(total + shift, abs=1e-9)


def test_log_sum_over_axes(rng):
    values = rng.standard_normal((3, 4, 5))
    np.testing.assert_allclose(log_sum(values), np.log(np.exp(values).sum()))
    np.testing.assert_allclose(log_sum(values, axis=1), np.log(np.exp(values).sum(axis=1)))
    np.testing.assert_allclose(log_sum(values, axis=(0, 2)), np.log(np.exp(values).sum(axis=(0, 2))))


@pytest.mark.parametrize("height", [0.15, 0.3, 0.8])
def test_a_peak_keeps_its_height_whatever_the_noise(rng, height):
    found = peak_in_noise(rng, height=height, at=33, n_pairs=6)
    measured, z = peak_height(found, np.full(6, 100 * STEP_S), np.zeros(6))
    assert measured == pytest.approx(height, abs=0.04)
    # The noise was made with a spread of 0.02; the peak's own slopes add a little to what is measured.
    assert height / 0.02 * 0.5 < z < height / 0.02 * 1.3


def test_noise_alone_has_hardly_a_height(rng):
    heights = [
        peak_height(peak_in_noise(rng, height=0.0, at=0, n_pairs=6), np.full(6, 100 * STEP_S), np.zeros(6))
        for _ in range(20)
    ]
    assert np.median([height for height, _ in heights]) < 2 * 0.02
    assert all(z < 4.0 for _, z in heights)


def test_only_possible_delays_count(rng):
    found = peak_in_noise(rng, height=0.8, at=200)
    narrow, wide = np.full(3, 100 * STEP_S), np.full(3, 220 * STEP_S)
    none = np.zeros(3)
    assert peak_height(found, narrow, none)[0] < 0.2
    assert peak_height(found, wide, none)[0] == pytest.approx(0.8, abs=0.05)
    late = np.full(3, 150 * STEP_S)  # channels known to be late move the possible delays
    assert peak_height(found, narrow, late)[0] == pytest.approx(0.8, abs=0.05)
    inside = np.abs(found.delays_s) <= 101 * STEP_S + 1e-12
    np.testing.assert_array_equal(within(found, narrow, none)[:, inside], found.values[:, inside])
    assert (within(found, narrow, none)[:, ~inside] == -1.0).all()
