"""Faults with a time and with hysteresis, whatever is seen in whatever order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trad_array.alarm.as_json import restored, saved
from trad_array.alarm.conditions import Look, judge
from trad_array.alarm.fault_table import FaultChange, fault_kind, fault_table
from trad_array.alarm.health import active_faults
from trad_array.alarm.health_json import restored_health, saved_health
from trad_array.alarm.rule import AlarmRule, AlarmState, alarm_step

LOOK = {"x": True, "o": False, "?": None}


def judged(picture, code="mic-silent"):
    """What is told, second by second: `+` raised, `-` over, `.` nothing."""
    conditions, told = {}, ""
    for character in picture:
        conditions, changes = judge(conditions, [Look(code, "C", LOOK[character], 1.0)])
        told += "".join("+" if change.raised else "-" for change in changes) or "."
    return told


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ("o" * 5 + "x" * 15, "." * 19 + "+"),
        ("x" * 14 + "o" * 30, "." * 44),
        ("x" * 20 + "o" * 10, "." * 14 + "+" + "." * 14 + "-"),
        # What cannot be told neither raises nor ends.
        ("x" * 10 + "?" * 100 + "x" * 5, "." * 114 + "+"),
        ("x" * 15 + "?" * 100 + "o" * 10, "." * 14 + "+" + "." * 109 + "-"),
        # On the way back a little trouble puts the end off.
        ("x" * 15 + "o" * 5 + "x" * 3 + "o" * 6, "." * 14 + "+" + "." * 14),
    ],
)
def test_times_and_hysteresis(seen, told):
    assert judged(seen) == told


looks = st.builds(
    Look,
    code=st.sampled_from([kind.code for kind in fault_table()]),
    subject=st.sampled_from(["", "A"]),
    bad=st.sampled_from([True, True, False, None]),
    for_s=st.sampled_from([0.0, 0.032, 1.0, 60.0, 600.0, float("inf")]),
)


@given(st.lists(looks, max_size=60))
@settings(max_examples=120, deadline=None)
def test_raised_and_over_take_turns_and_need_their_time(seen):
    conditions, on, bad_s, good_s = {}, set(), {}, {}
    for look in seen:
        conditions, changes = judge(conditions, [look])
        key, kind = (look.code, look.subject), fault_kind(look.code)
        if look.bad is not None:
            times = bad_s if look.bad else good_s
            times[key] = times.get(key, 0.0) + look.for_s
        for change in changes:
            assert (change.code, change.subject) == key
            assert change.raised == look.bad
            assert change.raised != (key in on)
            assert change.detail
            times, needed_s = (bad_s, kind.after_s) if change.raised else (good_s, kind.restored_s)
            assert times.get(key, 0.0) >= needed_s * (1 - 1e-6)
            times[key] = 0.0
            on ^= {key}
    assert {key for key, condition in conditions.items() if condition.active} == on


def test_a_restart_keeps_a_fault_its_acknowledgement_and_the_one_that_ends_it(watchman):
    def silent(samples):
        samples[2] = 0.0
        return samples

    watchman.hear(30.0, silent)
    ((_, change),) = watchman.told
    stale = FaultChange("output", "siren", True, "exit 1")
    rule = AlarmRule()
    state, _ = alarm_step(rule, AlarmState(), now_s=30.0, faults=[change, stale])
    records = saved(state), saved_health(watchman.rule, watchman.state)
    # The monitor starts again, without that output.
    watchman.state = restored_health(watchman.rule, records[1])
    watchman.now_s, watchman.at = 0.0, 0
    watchman.told.clear()
    state = restored(records[0], 0.0, away_s=5.0, faults=active_faults(watchman.state))
    assert [fault.code for fault in state.trouble] == ["mic-silent"]
    assert state.trouble[0].since_s == -5.0
    watchman.hear(20.0)
    ((_, over),) = watchman.told
    state, told = alarm_step(rule, state, now_s=20.0, faults=[over])
    assert [c.kind for c in told] == ["restored", "sounder"]
    assert state.trouble == ()
