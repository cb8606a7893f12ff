"""Distances of vectors from normal ones, and a bank without outliers."""

import numpy as np
import pytest

from trad_array.errors import AudioError, ConfigError
from trad_array.scoring.embeddings.back_ends import (
    MAX_BANK,
    N_NEIGHBOURS,
    BackEnd,
    clean_bank,
    neighbour_distance,
    neighbours_back_end,
)


def test_neighbour_distance_is_the_plain_one(rng):
    vectors = 3.0 + rng.standard_normal((600, 7))
    expected = []
    for n, vector in enumerate(vectors):
        distance = np.sort(np.linalg.norm(np.delete(vectors, n, axis=0) - vector, axis=1))
        expected.append(distance[:4].mean())
    np.testing.assert_allclose(neighbour_distance(vectors, n_neighbours=4), expected, rtol=1e-9)


def test_knn_is_1_for_normal_vectors_wherever_they_are_dense(rng):
    """Two clouds, one ten times as wide: both are as far from the bank as a bank is from itself."""
    narrow, wide = rng.standard_normal((2, 900, 6))
    wide = 10.0 * wide + 200.0
    back_end = neighbours_back_end("knn", np.concatenate([narrow[:800], wide[:800]]), rng)
    for held_out in (narrow[800:], wide[800:]):
        assert np.median(back_end(held_out)) == pytest.approx(1.0, abs=0.15)
    assert back_end(np.full((1, 6), 30.0))[0] > 4.0


def test_cosine_looks_at_the_direction_alone(rng):
    bank = np.array([1.0, 0.0, 0.0]) + 0.01 * rng.standard_normal((40, 3))
    back_end = neighbours_back_end("cosine", bank, rng)
    near, longer, across, against = back_end(np.array([[1.0, 0, 0], [50.0, 0, 0], [0, 0, 3.0], [-2.0, 0, 0]]))
    assert near == pytest.approx(longer, abs=1e-9)
    assert near == pytest.approx(0.0, abs=1e-3)
    assert across == pytest.approx(1.0, abs=0.05)
    assert against == pytest.approx(2.0, abs=1e-3)
    assert np.isfinite(back_end(np.zeros((1, 3)))).all()


@pytest.fixture
def clicks(rng):
    """800 normal windows and 12 of three clicks, each heard by four channels, in random order, and which are clicks."""
    places = 12.0 * rng.standard_normal((3, 16))
    clicked = np.repeat(places, 4, axis=0) + 0.5 * rng.standard_normal((12, 16))
    order = rng.permutation(812)
    vectors = np.concatenate([rng.standard_normal((800, 16)), clicked])[order]
    return vectors, order >= 800, places


def test_clicks_are_left_out_of_a_bank(clicks):
    vectors, is_click, _ = clicks
    kept = clean_bank(vectors)
    assert not kept[is_click].any()
    assert kept[~is_click].mean() > 0.99


def test_a_bank_with_clicks_calls_what_is_near_them_normal(clicks, rng):
    """Why a bank is cleaned: an outlier's own neighbours are far, so distances from it are divided by a lot."""
    vectors, is_click, places = clicks
    single = np.concatenate([vectors[~is_click], places[:1]])
    near_it = places[:1] + 2.0 * rng.standard_normal((20, 16))
    dirty, clean = (neighbours_back_end("knn", bank, rng) for bank in (single, single[clean_bank(single)]))
    assert np.median(clean(near_it)) > 1.1 * np.median(dirty(near_it))
    assert np.median(clean(near_it)) > 3.0 * np.median(clean(rng.standard_normal((50, 16))))


def test_at_most_a_tenth_is_left_out(rng):
    vectors = np.concatenate([rng.standard_normal((60, 4)), 1e3 * rng.standard_normal((40, 4))])
    assert np.count_nonzero(~clean_bank(vectors)) <= 10


def test_windows_that_are_all_alike_all_stay():
    assert clean_bank(np.ones((50, 8))).all()


def test_a_bank_is_bounded_and_follows_the_seed(rng):
    vectors = rng.standard_normal((MAX_BANK + 500, 3)).astype(np.float32)
    one, same, other = (neighbours_back_end("knn", vectors, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.bank.shape == (MAX_BANK, 3)
    assert np.array_equal(one.bank, same.bank)
    assert not np.array_equal(one.bank, other.bank)


def test_equal_vectors_give_finite_distances(rng):
    back_end = neighbours_back_end("knn", np.ones((50, 8)), rng)
    assert np.isfinite(back_end(np.stack([np.ones(8), np.zeros(8)]))).all()


def test_mahalanobis_is_the_textbook_distance(rng):
    vectors = rng.standard_normal((4, 3))
    covariance = np.diag([1.0, 4.0, 9.0])
    back_end = BackEnd("mahalanobis", np.array([[1.0, 2.0, 3.0]]), np.diag(1 / np.array([1.0, 2.0, 3.0])))
    apart = vectors - [1.0, 2.0, 3.0]
    expected = np.sqrt(np.einsum("ij,jk,ik->i", apart, np.linalg.inv(covariance), apart))
    np.testing.assert_allclose(back_end(vectors), expected, rtol=1e-12)


def test_too_few_windows_are_an_error():
    with pytest.raises(AudioError, match="expected at least 6 windows of normal sound, found 5"):
        clean_bank(np.zeros((N_NEIGHBOURS, 3)))


@pytest.mark.parametrize(
    ("name", "bank", "spread", "says"),
    [
        ("nearest", np.zeros((9, 3)), np.ones(9), "back_end: expected one of knn, mahalanobis, cosine"),
        ("knn", np.zeros((4, 3)), np.ones(4), "bank: expected at least 5 vectors, found 4"),
        ("knn", np.zeros((9, 3)), np.zeros(9), "spread: expected numbers above 0, found 0"),
    ],
)
def test_what_does_not_fit_is_said(name, bank, spread, says):
    with pytest.raises(ConfigError, match=says):
        BackEnd(name, bank, spread)
