"""Figures of alarms against counting by hand, against known tables, and against what a trigger does."""

import numpy as np
import pytest
from scipy.stats import chi2

from trad_array.detection.trigger import Trigger
from trad_array.learning.alarm_metrics import (
    alarm_curve,
    block_peaks,
    by_snr,
    event_f1,
    false_alarms_at_recall,
    fooled_by,
    held,
    latency,
    partial_auc,
    poisson_interval,
    scored_event,
    threshold_at_recall,
)
from trad_array.records import Fused, Scores


def event(scores, *, kind="vent", snr_db=None, onset_s=None, end_s=None):
    """Scores known at 0.1, 0.2, ... s."""
    return scored_event(
        np.array(scores, dtype=float),
        0.1 * np.arange(1, len(scores) + 1),
        kind=kind,
        snr_db=snr_db,
        onset_s=onset_s,
        end_s=end_s,
    )


def test_poisson_interval_is_garwoods():
    # Table in Garwood's paper (1936), 95 %: no event 0 to 3.69, ten events 4.80 to 18.39.
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert poisson_interval(10) == pytest.approx((4.795, 18.391), abs=1e-3)
    for count in (1, 7, 200):
        assert poisson_interval(count) == pytest.approx(
            (chi2.ppf(0.025, 2 * count) / 2, chi2.ppf(0.975, 2 * count + 2) / 2), rel=1e-9
        )


def test_false_alarms_a_day_at_a_recall():
    events, normal = np.arange(1.0, 21.0), np.array([0.5, 1.5, 2.0, 2.5, 30.0])
    rate = false_alarms_at_recall(events, normal, 48.0, 0.95)
    # 19 of 20 events reach 2, and so do three pieces of normal sound in two days.
    assert (rate.threshold, rate.recall, rate.n_events, rate.count) == (2.0, 0.95, 20, 3)
    assert rate.value == 1.5
    assert (rate.low, rate.high) == pytest.approx(tuple(0.5 * limit for limit in poisson_interval(3)))
    every = false_alarms_at_recall(events, normal, 48.0, 0.99)
    assert (every.threshold, every.recall, every.count) == (1.0, 1.0, 4)


def test_an_event_that_gave_no_score_makes_everything_an_alarm():
    rate = false_alarms_at_recall(np.array([-np.inf, 5.0]), np.array([0.0, 1.0]), 24.0, 0.99)
    assert (rate.threshold, rate.count, rate.recall) == (-np.inf, 2, 1.0)


@pytest.mark.parametrize(
    ("events", "hours", "recall"), [([], 1.0, 0.9), ([1.0], 0.0, 0.9), ([1.0], 1.0, 0.0), ([1.0], 1.0, 1.1)]
)
def test_what_cannot_be_counted_is_an_error(events, hours, recall):
    with pytest.raises(ValueError, match="expected"):
        false_alarms_at_recall(np.array(events), np.zeros(3), hours, recall)


def test_threshold_at_recall_is_the_highest_that_keeps_it(rng):
    peaks = rng.normal(size=137)
    for recall in (0.5, 0.95, 1.0):
        threshold = threshold_at_recall(peaks, recall)
        assert (peaks >= threshold).mean() >= recall
        assert (peaks > threshold).mean() < recall


def test_an_event_knows_when_it_first_reached_any_threshold():
    found = event([9.0, 1.0, 3.0, 2.0, 5.0, 4.0, 7.0], onset_s=0.15, end_s=0.3)
    # 9 was known before the onset; 7 at 0.7 s is within half a second of the end.
    assert found.peak == 7.0
    assert [found.first_above(t) for t in (1.0, 2.5, 3.0, 5.0, 6.0)] == pytest.approx([0.2, 0.3, 0.3, 0.5, 0.7])
    assert found.first_above(7.1) is None
    assert event([]).peak == -np.inf
    assert event([1.0, 8.0], onset_s=0.0, end_s=-1.0).first_above(0.0) is None


def test_held_scores_reach_a_threshold_where_the_trigger_detects(rng):
    """A detection at any `on` is where the held score exceeds it."""
    scores = np.convolve(rng.normal(size=400), np.ones(4))[:400]
    starts = np.arange(400) * 512
    for on in (1.0, 2.5, 4.0):
        trigger = Trigger(on=on, off=on, hold_frames=3, release_frames=1, max_frames=4000)
        _, found = trigger.step(trigger.start(), Fused(scores, starts, np.ones(1, bool)), Scores(scores[None], starts))
        above = np.flatnonzero(np.diff((held(scores, 3) > on).astype(int), prepend=0) == 1)
        assert [d.decided_at // 512 - 2 for d in found.detections] == above.tolist()
    assert held(scores[:2], 3).tolist() == [-np.inf, -np.inf]


def test_block_peaks():
    assert block_peaks(np.array([1.0, 5.0, 2.0, 3.0, 9.0]), 2).tolist() == [5.0, 3.0, 9.0]
    assert block_peaks(np.zeros(0), 2).tolist() == []


def test_events_by_snr():
    events = [event([1.0], snr_db=snr_db) for snr_db in (-12.4, -7.6, -10.0, 2.4, None)]
    found = by_snr(events)
    assert list(found) == [-10.0, 0.0]
    assert [e.snr_db for e in found[-10.0]] == [-12.4, -7.6, -10.0]


def test_latency_is_of_the_events_that_were_detected():
    events = [event([0.0] * n + [5.0], onset_s=0.1) for n in (1, 2, 3)] + [event([0.0, 1.0], onset_s=0.1)]
    found = latency([*events, event([9.0])], 5.0)
    assert (found.n_detected, found.n) == (3, 4)
    assert found.median_s == pytest.approx(0.2)
    assert found.q95_s == pytest.approx(0.29)
    assert latency(events, 6.0).median_s is None


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        ([1.0], [1.4], (1, 0, 0)),
        ([1.0], [1.6], (0, 1, 1)),
        ([1.0, 1.2], [1.1], (1, 1, 0)),
        ([1.4, 0.9], [1.0, 1.8], (2, 0, 0)),  # a greedy nearest match would lose one
        ([], [1.0], (0, 0, 1)),
        ([1.0], [], (0, 1, 0)),
    ],
)
def test_event_f1_matches_one_to_one(found, true, expected):
    score = event_f1([(found, true)], tolerance_s=0.5)
    assert (score.hits, score.extra, score.missed) == expected
    hits, extra, missed = expected
    assert score.f1 == pytest.approx(hits / (hits + (extra + missed) / 2))


def test_event_f1_of_silence_is_nothing():
    assert event_f1([((), ())]).f1 is None
    assert event_f1([((), ()), ((1.0,), (1.0,))]).f1 == 1.0


def test_partial_auc_of_simple_cases(rng):
    assert partial_auc(np.zeros(10), np.ones(10)) == 1.0
    assert partial_auc(np.zeros(10), np.zeros(10)) == pytest.approx(0.5)
    assert partial_auc(np.zeros(0), np.zeros(10)) is None
    # Everything in the first tenth is lost: half of 1 - 0.005 / 0.095, less than guessing.
    assert partial_auc(np.ones(10), np.zeros(10)) == pytest.approx(0.5 * (1 - 0.005 / 0.095))


def test_alarm_curve_counts_at_every_threshold(rng):
    events, normal = rng.normal(2.0, 1.0, 30), np.append(rng.normal(size=200), -np.inf)
    curve = alarm_curve(events, normal, 12.0)
    assert (np.diff(curve.threshold) < 0).all()
    for n in (0, 17, 150, len(curve.threshold) - 1):
        assert curve.false_alarms_per_day[n] == 2.0 * (normal >= curve.threshold[n]).sum()
        assert curve.recall[n] == pytest.approx((events >= curve.threshold[n]).mean())
    assert alarm_curve(np.zeros(0), normal, 12.0) is None
    assert alarm_curve(events, np.zeros(0), 12.0).false_alarms_per_day.max() == 0.0


def test_which_sound_fools_it():
    negatives = [event([peak], kind=kind) for kind, peak in [("rain", 1), ("door", 5), ("rain", 3), ("rain", 4)]]
    door, rain = fooled_by(negatives, 3.0)
    assert (door.kind, door.n, door.n_above, door.share) == ("door", 1, 1, 1.0)
    assert (rain.kind, rain.n, rain.n_above) == ("rain", 3, 2)
    assert rain.low < rain.share < rain.high
    with pytest.raises(ValueError, match="finite threshold"):
        fooled_by(negatives, -np.inf)
