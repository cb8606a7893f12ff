"""Coverage and reliability, counted on probabilities whose truth is known."""

import numpy as np
import pytest

from trad_array.reliability import Answers, coverage, reliability_bins, wilson


def drawn_answers(rng, *, n, true_power):
    """Random probabilities; the cell is drawn from them raised to a power: 1 is truthful, less is over-confident."""
    shares = rng.dirichlet(np.full(8, 0.3), size=n)
    truth = np.maximum(shares, 1e-12) ** true_power
    truth /= truth.sum(axis=1, keepdims=True)
    cells = (truth.cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return Answers(shares, np.minimum(cells, 7))


def test_truthful_maps_cover_exactly_their_mass_when_the_last_cell_counts_in_part(rng):
    found = coverage(drawn_answers(rng, n=20_000, true_power=1.0))
    assert found.randomised.mean() == pytest.approx(0.9, abs=0.006)
    assert found.covered.mean() > 0.92


def test_maps_that_are_too_sure_cover_less(rng):
    found = coverage(drawn_answers(rng, n=5_000, true_power=0.4))
    assert found.randomised.mean() < 0.8
    assert found.covered.mean() < 0.88


def test_sets_by_hand():
    found = coverage(Answers(np.array([[0.6, 0.36, 0.04], [0.6, 0.36, 0.04], [0.04, 0.0, 0.96]]), np.array([0, 1, 2])))
    assert found.size.tolist() == [2, 2, 1]
    assert found.covered.tolist() == [1.0, 1.0, 1.0]
    assert found.randomised == pytest.approx([1.0, 0.3 / 0.36, 0.9 / 0.96])


def test_bins_of_truthful_probabilities_lie_on_the_diagonal(rng):
    bins = reliability_bins(*drawn_answers(rng, n=20_000, true_power=1.0).predicted_and_hits())
    assert bins.n.sum() == 160_000
    assert np.abs(bins.observed - bins.predicted).max() < 0.03
    assert ((bins.low <= bins.observed) & (bins.observed <= bins.high)).all()


def test_wilson():
    # 8 of 10: 49.0 to 94.3 %, as in Brown, Cai & DasGupta, Statistical Science 16, 2001.
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0


def test_rows_must_be_probabilities():
    with pytest.raises(ValueError, match="sums to 1"):
        Answers(np.array([[0.5, 0.1]]), np.array([0]))
