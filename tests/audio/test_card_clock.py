"""Frames against the clock, on a virtual clock: what is lost is told, what is late or drifts is not."""

import numpy as np
import pytest

from trad_array.audio.card_clock import ClockRule, Place, clock_start, clock_step, drift_of, place_step

FS, BLOCK = 16_000, 800
RULE = ClockRule(FS)


def listen(arrivals, *, rule=RULE):
    """(s of the clock, samples) of each callback; gives what was told as (s, samples) and the last state."""
    state, heard, told = None, 0, []
    for at_s, n in arrivals:
        heard += n
        if state is None:
            state = clock_start(rule, clock_s=at_s, heard=heard)
            continue
        state, lost = clock_step(rule, state, clock_s=at_s, heard=heard)
        heard += lost
        if lost:
            told.append((at_s, lost))
    return told, state


def steady(seconds, *, ppm=0.0, began_s=1_000.0, jitter=None):
    """Blocks as they come from a card that runs that much too fast."""
    step_s = BLOCK / FS / (1 + 1e-6 * ppm)
    late = np.zeros(10**6) if jitter is None else jitter
    return [(began_s + k * step_s + late[k], BLOCK) for k in range(1, int(seconds / step_s))]


def test_a_card_that_drifts_is_measured_and_loses_nothing(rng):
    for ppm in (-500.0, -20.0, 0.0, 150.0):
        told, state = listen(steady(300, ppm=ppm, jitter=np.abs(rng.normal(0, 0.004, 10**4))))
        drift = drift_of(state)
        assert told == []
        assert drift.ppm == pytest.approx(ppm, abs=5.0)
        assert abs(drift.ppm - ppm) < drift.sure_ppm < 50.0
        assert drift.over_s == pytest.approx(299, abs=2)


def test_a_stall_that_comes_back_short_is_told_by_what_it_is_short_of():
    before = steady(60)
    end_s = before[-1][0]
    # 45 s of nothing, 33 of them delivered at once, then as before.
    burst = [(end_s + 45.0, BLOCK)] * int(33 * FS / BLOCK)
    after = [(at_s + 45.0, n) for at_s, n in steady(20, began_s=end_s)]
    told, _ = listen(before + burst + after)
    assert [lost for _, lost in told] == [12 * FS]
    assert told[0][0] - (end_s + 45.0) < 4.0


def test_a_stall_that_is_made_up_for_is_no_loss():
    before = steady(30)
    end_s = before[-1][0]
    burst = [(end_s + 1.5 + 0.001 * k, BLOCK) for k in range(30)]
    after = [(at_s + 1.5, n) for at_s, n in steady(20, began_s=end_s)]
    told, state = listen(before + burst + after)
    assert told == []
    assert abs(drift_of(state).ppm) < 2.0


def test_two_losses_are_told_apart_and_time_stays_with_the_clock():
    arrivals, at_s = [], 500.0
    for gap_s in (0.0, 0.5, 0.25):
        at_s += gap_s
        arrivals += [(at_s + k * BLOCK / FS, BLOCK) for k in range(1, 301)]
        at_s = arrivals[-1][0]
    told, _ = listen(arrivals)
    assert [lost / FS for _, lost in told] == pytest.approx([0.5, 0.25], abs=0.002)
    heard = sum(n for _, n in arrivals) + sum(lost for _, lost in told)
    assert (heard - BLOCK) / FS == pytest.approx(arrivals[-1][0] - arrivals[0][0], abs=0.005)


def test_a_jump_within_a_block_is_no_loss_and_leaves_the_drift_unsure():
    before = steady(12)
    end_s = before[-1][0]
    after = [(at_s + 0.05, n) for at_s, n in steady(12, began_s=end_s)]
    told, state = listen(before + after)
    assert told == []
    assert abs(drift_of(state).ppm) < drift_of(state).sure_ppm


def test_a_drift_is_not_made_up_from_a_few_seconds():
    _, state = listen(steady(3.5))
    assert drift_of(state) is None


def placed(pieces):
    """Places of (s of the clock, dropped, overflow, fresh) blocks; gives (start, lost) of each."""
    place, out = Place(), []
    for at_s, dropped, overflow, fresh in pieces:
        place, lost = place_step(RULE, place, frames=BLOCK, at_s=at_s, dropped=dropped, overflow=overflow, fresh=fresh)
        out.append((place.index - BLOCK, lost))
    return out


BEGUN = ((10.0, 0, False, True), (10.05, 0, False, False))


def test_what_the_queue_dropped_and_what_the_driver_threw_away_is_lost_at_once():
    told = placed(
        [(10.0, 0, False, True), (10.05, 0, False, False), (10.2, 1600, False, False), (10.25, 0, True, False)]
    )
    assert told == [(0, 0), (800, 0), (3200, 1600), (4001, 1)]


def test_a_stream_that_was_opened_anew_goes_on_where_the_clock_is():
    told = placed(
        [(10.0, 0, False, True), (10.05, 0, False, False), (610.05, 0, False, True), (610.1, 0, False, False)]
    )
    assert told == [(0, 0), (800, 0), (800 + 600 * FS, 600 * FS - BLOCK), (1600 + 600 * FS, 0)]
    # Never backwards, and never as if nothing had been.
    assert placed([(10.0, 0, False, True), (10.01, 0, False, True)]) == [(0, 0), (801, 1)]
