"""From samples to the time of day."""

import numpy as np
import pytest

from trad_array.monitor.stream_clock import StreamClock, clock_step

BEGAN = 1_800_000_000.0


def test_nobody_knows_before_the_first_sound():
    assert StreamClock().started_at is None


def test_a_card_that_drifts_for_a_week_is_followed_and_late_pieces_do_not_count(rng):
    """100 parts in a million fast, pieces late by 30 to 300 ms; what counts is the time of a sound of now."""
    clock = StreamClock()
    for heard_s in np.arange(0.0, 7 * 86_400, 9.7):
        really = BEGAN + heard_s / 1.0001
        clock = clock_step(clock, end_s=heard_s, arrived_utc_s=really + rng.uniform(0.03, 0.3))
    assert clock.started_at is not None
    assert clock.started_at.timestamp() + heard_s == pytest.approx(really, abs=0.3)
    assert len(clock.seen) < 20


def test_after_the_clock_of_the_machine_is_set_the_new_time_counts_within_a_minute():
    clock = StreamClock()
    for second in range(200):
        step = 3600.0 if second >= 100 else 0.0
        clock = clock_step(clock, end_s=float(second), arrived_utc_s=BEGAN + second + step)
        if second in (99, 165):
            assert clock.started_at is not None
            assert clock.started_at.timestamp() == pytest.approx(BEGAN + step)
