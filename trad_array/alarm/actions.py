"""What operators may do, and when it is refused. Every wish is logged with its name and comment, granted or not."""

import math
from collections.abc import Sequence
from dataclasses import replace

from trad_array.alarm.incident import Stepped, enabled, end_test, without_marks
from trad_array.alarm.limits import AlarmRule
from trad_array.alarm.state import ACTIONS, Action, AlarmState, Change, Mark

# Names that a refusal lists in full; our choice.
_FEW = 12


def act(rule: AlarmRule, state: AlarmState, action: Action) -> Stepped:
    """Do what an operator wants, or refuse it with a reason."""
    if action.kind not in ACTIONS:
        return _refused(state, action, f"expected one of {', '.join(ACTIONS)}")
    if not action.by.strip():
        return _refused(state, action, "expected the name of who does it, found none")
    if action.kind in ("ack", "silence"):
        return _quiet(rule, state, action)
    if action.kind == "reset":
        return _reset(state, action)
    if action.kind == "disable":
        return _disable(rule, state, action)
    if action.kind == "enable":
        return _enable(state, action)
    return _test(rule, state, action)


def _refused(state: AlarmState, action: Action, reason: str) -> Stepped:
    detail = f"{action.kind} refused: {reason}"
    return state, (Change("refused", state.at_s, action.subject, detail, action.by, action.comment),)


def _done(state: AlarmState, action: Action, key: str, detail: str) -> Change:
    return Change(action.kind, state.at_s, key, detail, action.by, action.comment)


def _quiet(rule: AlarmRule, state: AlarmState, action: Action) -> Stepped:
    """Acknowledge or silence what holds now; what comes later sounds."""
    at_s = state.at_s
    if action.until_s is not None and not at_s < action.until_s < math.inf:
        return _refused(state, action, "its end lies in the past, or never comes")
    before = state.acknowledged if action.kind == "ack" else state.silenced
    there = [item.key for item in state.latched] + [fault.key for fault in state.trouble]
    if action.subject:
        meant = [key for key in there if action.subject in (key, key.partition(":")[2])]
        if not meant:
            return _refused(state, action, f"expected one of {', '.join(there) or 'nothing'}, found {action.subject}")
    else:
        meant = [key for key in there if key not in {mark.key for mark in before}]
    if not meant:
        return _refused(state, action, f"nothing is there to {action.kind}")
    marks = tuple(Mark(key, at_s, _until(rule, state, action, key), action.by, action.comment) for key in meant)
    kept = (*(mark for mark in before if mark.key not in meant), *marks)
    state = replace(state, acknowledged=kept) if action.kind == "ack" else replace(state, silenced=kept)
    word = "acknowledged" if action.kind == "ack" else "silenced"
    return state, tuple(_done(state, action, mark.key, f"{mark.key} {word}{_end_words(state, mark)}") for mark in marks)


def _until(rule: AlarmRule, state: AlarmState, action: Action, key: str) -> float | None:
    """When it sounds again: an alarm that was acknowledged not by itself, a fault after a day at the latest."""
    asked = action.until_s if action.kind == "silence" else None
    if not key.startswith("fault:"):
        return asked
    latest = state.at_s + rule.sounds_again_s
    return latest if asked is None else min(asked, latest)


def _end_words(state: AlarmState, mark: Mark) -> str:
    return "" if mark.until_s is None else f" for {_spoken(mark.until_s - state.at_s)}"


def _reset(state: AlarmState, action: Action) -> Stepped:
    if not state.latched:
        return _refused(state, action, "nothing is latched")
    held = [sound for sound in state.sounds if state.holds(sound)]
    if held:
        sound = held[-1]
        where = "a place that is not known" if sound.cell is None else f"cell {sound.cell}"
        why = "still sounds" if sound.ended_s is None else "ended only a moment ago"
        return _refused(state, action, f"the sound from {where} {why}")
    keys = {item.key for item in state.latched}
    detail = f"reset: {', '.join(item.cell or item.key for item in state.latched)}"
    return without_marks(replace(state, latched=()), keys), (_done(state, action, "", detail),)


def _disable(rule: AlarmRule, state: AlarmState, action: Action) -> Stepped:
    kind, _, name = action.subject.partition(":")
    names = rule.names(kind)
    if names is None or not name:
        return _refused(state, action, f"expected cell:NAME, mic:NAME or output:NAME, found {action.subject!r}")
    if names and name not in names:
        return _refused(state, action, f"expected one of {_few(names)}, found {name}")
    off = {mark.key for mark in state.disabled} | {action.subject}
    if names and all(f"{kind}:{n}" in off for n in names):
        return _refused(state, action, f"no {kind} would be left")
    until_s, reason = _end_of(state, action, usual_s=rule.disable_s, most_s=rule.disable_most_s)
    if reason:
        return _refused(state, action, reason)
    mark = Mark(action.subject, state.at_s, until_s, action.by, action.comment)
    state = replace(state, disabled=(*(m for m in state.disabled if m.key != mark.key), mark))
    return state, (_done(state, action, mark.key, f"{mark.key} disabled{_end_words(state, mark)}"),)


def _enable(state: AlarmState, action: Action) -> Stepped:
    if action.subject == "test":
        if state.test is None:
            return _refused(state, action, "there is no test")
        state, told = end_test(state, expired=False)
        return state, (_done(state, action, "test", "the test is over"), *told)
    mark = next((m for m in state.disabled if m.key == action.subject), None)
    if mark is None:
        there = ", ".join(m.key for m in state.disabled)
        expected = f"expected one of {there}" if there else "nothing is disabled"
        return _refused(state, action, f"{expected}, found {action.subject!r}")
    state, told = enabled(state, mark, expired=False)
    return state, (_done(state, action, mark.key, f"{mark.key} enabled"), *told)


def _test(rule: AlarmRule, state: AlarmState, action: Action) -> Stepped:
    """Begin a test, or make the present one longer or shorter."""
    if state.test is None and any(not item.test for item in state.latched):
        return _refused(state, action, "an alarm is latched and would be kept from sounding; reset it first")
    until_s, reason = _end_of(state, action, usual_s=rule.test_s, most_s=rule.test_most_s)
    if reason:
        return _refused(state, action, reason)
    state = replace(state, test=Mark("test", state.at_s, until_s, action.by, action.comment))
    assert state.test is not None
    detail = f"test{_end_words(state, state.test)}: alarms are marked and do not sound; faults do"
    return state, (_done(state, action, "test", detail),)


def _end_of(state: AlarmState, action: Action, *, usual_s: float, most_s: float) -> tuple[float, str]:
    """When it ends, and why it cannot."""
    until_s = state.at_s + usual_s if action.until_s is None else action.until_s
    if not until_s > state.at_s:
        return until_s, "its end lies in the past"
    if until_s > state.at_s + most_s:
        return until_s, f"expected at most {most_s / 3600:g} h, found {(until_s - state.at_s) / 3600:g} h"
    return until_s, ""


def _spoken(seconds: float) -> str:
    """A duration in the unit that an operator would use."""
    for limit, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"


def _few(names: Sequence[str]) -> str:
    """Names on one line that can be read: of many the first and the last."""
    if len(names) <= _FEW:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, ... {names[-1]} ({len(names)} in all)"
