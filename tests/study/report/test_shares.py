"""Counted shares, their words, and the difference of two."""

import numpy as np
import pytest

from trad_array.study.report.shares import Difference, Share, added, difference, percent, points_words, share_words


def test_the_interval_is_wilsons():
    # Worked by hand: 8 of 10, z = 1.96: centre (0.8 + 0.19208) / 1.38416, half width 0.22662.
    share = Share(8, 10)
    assert share.p == 0.8
    assert share.low == pytest.approx(0.4902, abs=2e-4)
    assert share.high == pytest.approx(0.9433, abs=2e-4)


def test_of_nothing_nothing_is_known():
    assert (Share(0, 0).low, Share(0, 0).high) == (0.0, 1.0)
    assert np.isnan(Share(0, 0).p)
    assert share_words(Share(0, 0)) == "no vents"


def test_shares_are_counted_together():
    assert added([Share(1, 2), Share(3, 4)]) == Share(4, 6)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (Share(8, 10), "80 % (49 to 94)"),
        (Share(7080, 10_000), "70.8 % (69.9 to 71.7)"),
        (Share(10, 10), "100 % (72 to 100)"),
        (Share(0, 10), "0 % (0 to 28)"),
        # Hardly ever wrong is not never wrong.
        (Share(9_999, 10_000), "99.99 % (99.94 to 99.998)"),
    ],
)
def test_a_share_is_said_with_as_many_digits_as_its_interval_deserves(share, words):
    assert share_words(share) == words


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "100 %"), (0.9991, "99.9 %"), (0.9999, "99.99 %"), (0.0, "0 %"), (1e-5, "0.001 %"), (0.5, "50 %")],
)
def test_all_and_none_are_said_of_all_and_none_alone(p, text):
    assert percent(p) == text


def test_the_difference_covers_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(4)
    first, second, n = 0.93, 0.88, 300
    hits = [
        difference(Share(int(a), n), Share(int(b), n))
        for a, b in zip(rng.binomial(n, first, 2000), rng.binomial(n, second, 2000), strict=True)
    ]
    covered = np.mean([gap.low <= first - second <= gap.high for gap in hits])
    assert 0.935 <= covered <= 0.97


def test_a_difference_is_clear_when_its_interval_leaves_out_nought():
    assert difference(Share(90, 100), Share(50, 100)).is_clear
    assert not difference(Share(50, 100), Share(49, 100)).is_clear
    assert points_words(Difference(0.042, 0.026, 0.058)) == "4.2 points (2.6 to 5.8)"
    assert points_words(Difference(0.01, -0.05, 0.07)) == "1 point (-5 to 7)"
