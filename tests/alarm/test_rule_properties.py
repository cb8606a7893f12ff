"""What holds of the alarm logic whatever happens, in whatever order."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trad_array.alarm.as_json import restored, saved, state_json
from trad_array.alarm.fault_table import FaultChange, fault_table
from trad_array.alarm.rule import ACTIONS, Action, AlarmRule, AlarmState, Sound, alarm_step
from trad_array.errors import ConfigError

CELLS, MICS, OUTPUTS = ("R1C01", "R1C02", "R1C03"), ("A", "B", "C", "D"), ("json",)
RULE = AlarmRule(cells=CELLS, mics=MICS, outputs=OUTPUTS)
RANK = {"normal": 0, "alert": 1, "alarm": 2}

sounds = st.builds(
    Sound,
    id=st.sampled_from("abcd"),
    level=st.sampled_from(["alarm", "alert", "report"]),
    cell=st.sampled_from([None, *CELLS]),
    over=st.booleans(),
    among=st.lists(st.sampled_from(CELLS), unique=True, max_size=2).map(tuple),
)
faults = st.builds(
    FaultChange,
    code=st.sampled_from([kind.code for kind in fault_table()]),
    subject=st.sampled_from(["", "A", "json"]),
    raised=st.booleans(),
    detail=st.sampled_from(["", "since noon"]),
)
subjects = st.sampled_from(
    ["", "test", "R1C01", "unplaced:a", *(f"cell:{c}" for c in CELLS), *(f"mic:{m}" for m in MICS), "fault:disk", "?"]
)
actions = st.builds(
    Action,
    kind=st.sampled_from(ACTIONS),
    by=st.sampled_from(["Ada", ""]),
    comment=st.just("why"),
    subject=subjects,
    until_s=st.none() | st.floats(0.0, 1e5),
)
waits = st.sampled_from([0.0, 0.5, 1.0, 9.5, 10.0, 300.0, 1_800.0, 30_000.0, 86_400.0])
days = st.lists(st.tuples(waits, sounds | faults | actions), max_size=25)


def step(state, now_s, thing=None):
    return alarm_step(
        RULE,
        state,
        now_s=now_s,
        sounds=[thing] if isinstance(thing, Sound) else [],
        faults=[thing] if isinstance(thing, FaultChange) else [],
        actions=[thing] if isinstance(thing, Action) else [],
    )


def lived(day):
    """State before and after each thing of a day, the thing, and what was told."""
    state, now_s = AlarmState(), 0.0
    for wait_s, thing in day:
        now_s += wait_s
        before, _ = step(state, now_s)
        state, changes = step(before, now_s, thing)
        yield before, thing, state, changes


def end_of(day):
    """State after a day."""
    states = [AlarmState(), *(state for _, _, state, _ in lived(day))]
    return states[-1]


@given(days)
@settings(max_examples=120, deadline=None)
def test_an_alarm_is_lost_by_nothing_but_a_reset(day):
    latched = False
    for before, thing, state, changes in lived(day):
        reset = any(change.kind == "reset" for change in changes)
        assert not latched or before.latched
        if before.latched and not state.latched:
            assert reset
            assert isinstance(thing, Action)
            assert thing.by
        latched = bool(state.latched)
        if not reset:
            cells = {item.cell for item in state.latched}
            assert {item.cell for item in before.latched} - {None} <= cells


@given(days)
@settings(max_examples=120, deadline=None)
def test_an_alarm_sound_is_always_latched_unless_all_cells_it_may_be_are_disabled(day):
    for before, thing, state, _ in lived(day):
        if not isinstance(thing, Sound) or thing.level != "alarm":
            continue
        cells = [] if thing.cell is None else thing.among or [thing.cell]
        if not cells or not all(before.is_disabled(f"cell:{cell}") for cell in cells):
            assert state.level == "alarm"
            assert thing.cell in {item.cell for item in state.latched}


@given(days)
@settings(max_examples=120, deadline=None)
def test_a_reset_happens_only_when_no_alarm_sounds_or_did_so_within_the_off_time(day):
    for before, thing, state, changes in lived(day):
        if any(change.kind == "reset" for change in changes):
            assert not any(before.holds(sound) for sound in before.sounds)
        if isinstance(thing, Action) and thing.kind == "reset" and any(before.holds(s) for s in before.sounds):
            assert [change.kind for change in changes] == ["refused"]
            assert state == before


@given(days)
@settings(max_examples=120, deadline=None)
def test_the_level_is_the_highest_of_what_sounds_and_what_is_latched(day):
    for _, _, state, _ in lived(day):
        levels = ["alarm"] * bool(state.latched)
        off = {mark.key.removeprefix("cell:") for mark in state.disabled}
        levels += [s.level for s in state.sounds if s.cell is None or not set(s.among or [s.cell]) <= off]
        assert RANK[state.level] == max((RANK[level] for level in levels), default=0)


@given(days)
@settings(max_examples=120, deadline=None)
def test_a_sounder_that_is_on_has_something_unacknowledged_and_only_then(day):
    for _, _, state, _ in lived(day):
        quiet = {mark.key for mark in (*state.acknowledged, *state.silenced)}
        alarms = [item for item in state.latched if item.key not in quiet and not item.test]
        troubles = [item for item in state.trouble if item.key not in quiet]
        assert (state.sounder == "alarm") == bool(alarms)
        assert state.sounder != "fault" or troubles
        # Nothing is acknowledged that is not there.
        assert quiet <= {item.key for item in (*state.latched, *state.trouble)}


@given(days)
@settings(max_examples=120, deadline=None)
def test_level_and_sounder_are_told_whenever_they_change(day):
    level, sounder, state, now_s = "normal", "off", AlarmState(), 0.0
    for wait_s, thing in day:
        now_s += wait_s
        state, changes = step(state, now_s, thing)
        for change in changes:
            level = change.subject if change.kind == "level" else level
            sounder = change.subject if change.kind == "sounder" else sounder
        assert (level, sounder) == (state.level, state.sounder)
        assert [c.at_s for c in changes] == sorted(c.at_s for c in changes)
        if isinstance(thing, Action):
            done = [c for c in changes if c.kind in (*ACTIONS, "refused")]
            assert done
            assert all((c.by, c.comment) == (thing.by, "why") for c in done)


@given(days, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4))
@settings(max_examples=120, deadline=None)
def test_calling_more_often_changes_nothing(day, cuts):
    plain, cut, now_s = AlarmState(), AlarmState(), 0.0
    for wait_s, thing in day:
        told_plain, told_cut = [], []
        for share in sorted(cuts):
            cut, changes = step(cut, now_s + share * wait_s)
            told_cut += changes
        now_s += wait_s
        plain, changes = step(plain, now_s, thing)
        told_plain += changes
        cut, changes = step(cut, now_s, thing)
        told_cut += changes
        assert cut == plain
        assert told_cut == told_plain


@given(st.lists(st.tuples(sounds, faults, actions), max_size=8))
@settings(max_examples=100, deadline=None)
def test_one_step_with_all_is_the_same_as_one_for_each(day):
    whole, parts, now_s = AlarmState(), AlarmState(), 0.0
    for sound, fault, action in day:
        now_s += 5.0
        whole, told = alarm_step(RULE, whole, now_s=now_s, sounds=[sound], faults=[fault], actions=[action])
        told_parts = []
        for thing in (sound, fault, action):
            parts, changes = step(parts, now_s, thing)
            told_parts += changes
        assert (parts, tuple(told_parts)) == (whole, told)


@given(days, st.floats(-1e6, 1e6), st.floats(0.0, 1e6))
@settings(max_examples=120, deadline=None)
def test_what_was_saved_comes_back_after_a_restart(day, now_s, away_s):
    state = end_of(day)
    record = json.loads(json.dumps(saved(state), allow_nan=False))
    over = tuple(replace(s, ended_s=state.at_s if s.ended_s is None else s.ended_s) for s in state.sounds)
    assert restored(record, state.at_s) == replace(state, sounds=over)
    later = restored(record, now_s, away_s=away_s)
    assert (later.level, later.sounder, later.first_cell) == (state.level, state.sounder, state.first_cell)
    assert [m.key for m in later.disabled] == [m.key for m in state.disabled]
    for before, after in zip(state.disabled, later.disabled, strict=True):
        assert after.until_s - now_s == pytest.approx(before.until_s - state.at_s - away_s, abs=1e-3)


@given(days)
@settings(max_examples=100, deadline=None)
def test_status_is_json_and_says_what_the_state_says(day):
    state = end_of(day)
    record = json.loads(json.dumps(state_json(state, state.at_s + 1.0), allow_nan=False))
    assert record["schema"] == "trad-array/state/1"
    assert (record["level"], record["sounder"], record["latched"]) == (state.level, state.sounder, bool(state.latched))
    assert [item["cell"] for item in record["incident"]] == [item.cell for item in state.latched]
    assert len(record["faults"]) + len(record["supervisory"]) == len(state.trouble)
    assert all(item["ends_in_s"] is not None for item in record["disabled"])
    assert all(item["for_s"] >= 1.0 for item in record["faults"])


def test_faults_that_nobody_would_clear_are_not_restored():
    disk, dead = FaultChange("disk", "", True, "full"), FaultChange("mic-silent", "A", True, "dead")
    state, _ = alarm_step(RULE, AlarmState(), now_s=1.0, faults=[disk, dead], actions=[Action("ack", "Ada")])
    back = restored(saved(state), 0.0, faults=[dead])
    assert [fault.code for fault in back.trouble] == ["mic-silent"]
    assert [mark.key for mark in back.acknowledged] == ["fault:mic-silent:A"]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"schema": "trad-array/state/1"},
        {"schema": "trad-array/saved-state/1", "at_s": 1.0},
        {**saved(AlarmState()), "sounds": [{"id": 3, "among": []}]},
        {**saved(AlarmState()), "at_s": "noon"},
        {**saved(AlarmState()), "latched": 7},
    ],
)
def test_a_damaged_state_is_refused(record):
    with pytest.raises(ConfigError, match="saved state: expected"):
        restored(record, 0.0)
