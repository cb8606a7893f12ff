"""Thresholds from maxima of known distributions: intervals cover, rates are met, too little is refused."""

import math
from functools import cache

import numpy as np
import pytest

from trad_array.detection.threshold import (
    LEAST_MAXIMA,
    LONGEST_REACH,
    Maxima,
    TooLittleSound,
    cluster_maxima,
    counted_hours,
    find_threshold,
    poisson_interval,
)
from trad_array.errors import ConfigError


def normal_tail(z):
    return 0.5 * math.erfc(z / math.sqrt(2.0))


# How maxima are drawn, and the share of them above a level.
KINDS = {
    "exponential": (lambda rng, n: rng.exponential(size=n), lambda z: math.exp(-max(z, 0.0))),
    "gaussian": (lambda rng, n: rng.normal(size=n), normal_tail),
    "gaussian maxima": (lambda rng, n: rng.normal(size=(n, 20)).max(axis=1), lambda z: 1 - (1 - normal_tail(z)) ** 20),
    "uniform": (lambda rng, n: rng.uniform(size=n), lambda z: min(max(1.0 - z, 0.0), 1.0)),
    "pareto": (lambda rng, n: rng.pareto(2.0, size=n), lambda z: (1.0 + max(z, 0.0)) ** -2.0),
}
A_DAY = 150


def drawn(kind, rng, *, days, a_day=A_DAY):
    values = KINDS[kind][0](rng, int(rng.poisson(a_day * days)))
    return Maxima(values, np.ones_like(values), 24.0 * days)


@cache
def trials(kind, *, days, per_day, n=100):
    """Thresholds of n seeds, and how often a day each is truly exceeded, at the threshold and at both its ends."""
    tail = KINDS[kind][1]
    found = [find_threshold(drawn(kind, np.random.default_rng(seed), days=days), per_day=per_day) for seed in range(n)]
    return found, np.array([[A_DAY * tail(z) for z in (t.low, t.value, t.high)] for t in found])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("days", "per_day"), [(3.0, 1.0), (2.5, 0.1)])
def test_the_interval_of_the_threshold_covers_the_true_one(kind, days, per_day):
    found, rates = trials(kind, days=days, per_day=per_day)
    covered = (rates[:, 0] >= per_day) & (rates[:, 2] <= per_day)
    assert covered.mean() >= 0.88  # 95 % of 100, three deviations down
    assert all(t.low <= t.value <= t.high and t.way == "fitted" for t in found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("days", "per_day"), [(3.0, 1.0), (2.5, 0.1)])
def test_the_interval_of_the_rate_covers_the_true_one(kind, days, per_day):
    found, rates = trials(kind, days=days, per_day=per_day)
    inside = [t.per_day_low <= rate <= t.per_day_high for t, rate in zip(found, rates[:, 1], strict=True)]
    assert np.mean(inside) >= 0.88


@pytest.mark.parametrize("kind", KINDS)
def test_on_seven_unseen_days_one_a_day_is_exceeded_between_0_3_and_3_times_a_day(kind):
    _, rates = trials(kind, days=7.0, per_day=1.0)
    unseen = np.random.default_rng(1).poisson(7.0 * rates[:, 1]) / 7.0
    assert ((unseen >= 0.3) & (unseen <= 3.0)).mean() >= 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_longest_reach_the_rate_is_met_within_a_factor_of_three_or_kept_below_in_most_trials(kind):
    days = 1.0 / 0.1 / LONGEST_REACH
    _, rates = trials(kind, days=days, per_day=0.1)
    assert (rates[:, 1] <= 0.3).mean() >= 0.65
    if kind != "uniform":  # beyond its end nothing is ever heard, and nothing is what was asked for
        assert ((rates[:, 1] >= 0.03) & (rates[:, 1] <= 0.3)).mean() >= 0.5


def test_no_maximum_bounds_the_rate_by_three_over_the_time():
    assert counted_hours(1.0) == pytest.approx(72.0, rel=0.002)
    nothing = Maxima(np.zeros(0), np.zeros(0), 72.0)
    found = find_threshold(nothing, per_day=1.0, lowest=0.0)
    assert (found.value, found.way, found.per_day) == (0.0, "counted", 0.0)
    with pytest.raises(TooLittleSound, match=r"1 false alarms a day: expected 71\.9 h .* found 20\.0 h: 51\.9 h are"):
        find_threshold(Maxima(np.zeros(0), np.zeros(0), 20.0), per_day=1.0)


def test_few_maxima_in_enough_hours_are_counted_and_the_threshold_is_above_them():
    found = find_threshold(Maxima(np.array([1.0, 2.0, 5.0]), np.ones(3), 80.0), per_day=1.0)
    assert (found.way, found.value) == ("counted", 5.0)
    assert found.per_day_high == pytest.approx(3.689 * 24 / 80, rel=1e-3)  # Garwood, no event, two-sided 95 %


def test_what_is_missing_is_time_to_reach_or_sounds_to_fit():
    rng = np.random.default_rng(2)
    many = Maxima(rng.exponential(size=200), np.ones(200), 20.0)
    with pytest.raises(TooLittleSound, match=r"40\.0 h are missing \(a tail may be followed to 4 times") as refused:
        find_threshold(many, per_day=0.1)
    assert refused.value.hours_missing == pytest.approx(240.0 / LONGEST_REACH - 20.0)
    few = Maxima(rng.exponential(size=30), np.ones(30), 10.0)
    with pytest.raises(TooLittleSound, match=r"a tail needs 60 sounds, found 30") as refused:
        find_threshold(few, per_day=1.0)
    assert refused.value.hours_missing == pytest.approx(10.0 * LEAST_MAXIMA / 30 - 10.0)


def test_the_missing_hours_are_enough_once_they_are_heard():
    rng = np.random.default_rng(5)
    some = drawn("exponential", rng, days=0.5)
    with pytest.raises(TooLittleSound) as refused:
        find_threshold(some, per_day=0.2)
    hours = some.hours + refused.value.hours_missing
    assert find_threshold(drawn("exponential", rng, days=hours / 24.0), per_day=0.2).way == "fitted"


def test_forced_takes_the_upper_end_and_says_so():
    some = drawn("exponential", np.random.default_rng(6), days=1.0)
    with pytest.raises(TooLittleSound):
        find_threshold(some, per_day=0.1)
    forced = find_threshold(some, per_day=0.1, force=True)
    assert forced.way == "forced"
    assert forced.value == forced.high > forced.low
    assert forced.per_day < 0.1


def test_forced_with_hardly_any_maxima_stays_above_them_and_claims_a_bound_only():
    three = Maxima(np.array([1.0, 2.0, 3.0]), np.ones(3), 2.0)
    assert find_threshold(three, per_day=0.1, careful=2.5, force=True).value == 3.0
    found = find_threshold(three, per_day=0.1, careful=4.5, force=True)
    assert (found.value, found.per_day) == (4.5, 0.0)
    assert found.per_day_high == pytest.approx(poisson_interval(0, 2.0)[2]) == pytest.approx(44.27, rel=1e-3)
    with pytest.raises(TooLittleSound):
        find_threshold(Maxima(np.zeros(0), np.zeros(0), 0.0), per_day=1.0, force=True)


def test_a_quiet_site_gets_the_lowest_threshold_that_is_allowed():
    quiet = Maxima(-5.0 + 0.1 * np.random.default_rng(3).normal(size=500), np.ones(500), 200.0)
    found = find_threshold(quiet, per_day=1.0, lowest=0.0)
    assert (found.value, found.way) == (0.0, "counted")
    assert found.per_day_high < 1.0


def test_two_populations_are_not_followed_beyond_what_was_heard():
    rng = np.random.default_rng(4)
    mixed = np.concatenate([rng.normal(0.0, 0.1, 400), rng.normal(10.0, 0.1, 30)])
    with pytest.raises(TooLittleSound, match="follow no one tail"):
        find_threshold(Maxima(mixed, np.ones(430), 60.0), per_day=0.1)


@pytest.mark.parametrize("values", [np.full(500, 3.0), np.repeat([1.0, 2.0, 3.0], 200)])
def test_equal_maxima_are_counted_never_fitted(values):
    some = Maxima(values, np.ones(len(values)), 100.0)
    found = find_threshold(some, per_day=1.0)
    assert (found.way, found.value) == ("counted", 3.0)
    with pytest.raises(TooLittleSound):
        find_threshold(some, per_day=0.1)
    assert find_threshold(some, per_day=0.1, force=True).value == 3.0


def test_shift_and_scale_of_the_statistic_shift_and_scale_the_threshold():
    some = drawn("gaussian", np.random.default_rng(8), days=3.0)
    once = find_threshold(some, per_day=1.0)
    other = find_threshold(Maxima(40.0 + 7.0 * some.values, some.weights, some.hours), per_day=1.0)
    assert other.value == pytest.approx(40.0 + 7.0 * once.value, rel=1e-9)
    assert other.per_day == pytest.approx(once.per_day, rel=1e-9)


def test_weights_count_like_repeats_of_hours_and_thinning_keeps_the_tail():
    some = drawn("exponential", np.random.default_rng(9), days=20.0)
    assert find_threshold(some.faded(0.5), per_day=1.0).hours == 240.0
    thinned = some.thinned()
    assert len(thinned.values) == 600
    assert thinned.count == pytest.approx(some.count)
    assert find_threshold(thinned, per_day=1.0).value == pytest.approx(find_threshold(some, per_day=1.0).value, rel=0.1)
    assert find_threshold(thinned, per_day=70.0).value == pytest.approx(
        find_threshold(some, per_day=70.0).value, abs=0.02
    )


def test_what_comes_in_quick_succession_is_one_maximum():
    at, values = cluster_maxima(np.array([50.0, 0.0, 10.0, 200.0]), np.array([3.0, 1.0, 2.0, 0.0]), gap_s=45.0)
    assert at.tolist() == [50.0, 200.0]
    assert values.tolist() == [3.0, 0.0]
    assert cluster_maxima(np.zeros(0), np.zeros(0), gap_s=1.0)[0].size == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Maxima(np.array([np.nan]), np.ones(1), 1.0),
        lambda: Maxima(np.ones(2), np.ones(1), 1.0),
        lambda: Maxima(np.ones(1), np.zeros(1), 1.0),
        lambda: Maxima(np.ones(1), np.ones(1), -1.0),
        lambda: find_threshold(Maxima(np.ones(1), np.ones(1), 1.0), per_day=0.0),
    ],
)
def test_bad_input_is_one_clear_line(make):
    with pytest.raises(ConfigError, match="expected"):
        make()
