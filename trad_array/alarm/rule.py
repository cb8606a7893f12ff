"""From events, faults and operators to one level and what is latched, acknowledged, silenced, disabled, in test.

Pure: the clock is the stream's own seconds, handed in, so that a day passes in a second. The logic never waits for a
map: verification is done where the sound is heard, and what the events say is taken at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from trad_array.alarm.actions import act
from trad_array.alarm.fault_table import FaultChange
from trad_array.alarm.incident import Stepped, enabled, end_test, hear, take_fault, with_sound
from trad_array.alarm.limits import AlarmRule
from trad_array.alarm.state import (
    ACTIONS,
    Action,
    ActiveFault,
    AlarmState,
    Change,
    Latched,
    Level,
    Mark,
    OpenSound,
    Sound,
    Sounder,
)

__all__ = [
    "ACTIONS",
    "Action",
    "ActiveFault",
    "AlarmRule",
    "AlarmState",
    "Change",
    "Latched",
    "Level",
    "Mark",
    "OpenSound",
    "Sound",
    "Sounder",
    "alarm_step",
]


def alarm_step(
    rule: AlarmRule,
    state: AlarmState,
    *,
    now_s: float,
    sounds: Iterable[Sound] = (),
    faults: Iterable[FaultChange] = (),
    actions: Iterable[Action] = (),
) -> Stepped:
    """Let time pass until `now_s`, then take what was heard, then faults, then actions, each in its order.

    What falls due in between happens at its own time, so it does not matter how often this is called. A clock that
    goes backwards stands still.
    """
    now_s = max(now_s, state.at_s)
    told: list[Change] = []
    while (due := _next_due(rule, state)) is not None and due[0] <= now_s:
        state = _told(told, state, due[1](replace(state, at_s=due[0])))
    state = replace(state, at_s=now_s)
    for sound in sounds:
        state = _told(told, state, hear(state, sound))
    for fault in faults:
        state = _told(told, state, take_fault(state, fault))
    for action in actions:
        state = _told(told, state, act(rule, state, action))
    return state, tuple(told)


def _told(told: list[Change], before: AlarmState, stepped: Stepped) -> AlarmState:
    """Note what changed, and what that did to level and sounder."""
    state, changes = stepped
    told.extend(changes)
    if state.level != before.level:
        told.append(Change("level", state.at_s, state.level, f"{before.level} -> {state.level}"))
    if state.sounder != before.sounder:
        told.append(Change("sounder", state.at_s, state.sounder, f"{before.sounder} -> {state.sounder}"))
    return state


_Due = tuple[float, Callable[[AlarmState], Stepped]]


def _next_due(rule: AlarmRule, state: AlarmState) -> _Due | None:
    """What happens next by itself, and when."""
    due: list[_Due] = []
    for sound in state.sounds:
        if sound.ended_s is not None:
            due.append((sound.ended_s + rule.off_s, partial(_forgotten, sound)))
        else:
            due.append((sound.heard_s + rule.lapse_s, partial(_lapsed, sound)))
    for mark in (*state.acknowledged, *state.silenced):
        if mark.until_s is not None:
            due.append((mark.until_s, partial(_sounds_again, mark)))
    for mark in state.disabled:
        due.append((_end(mark), partial(_expired, mark)))
    if state.test is not None:
        due.append((_end(state.test), partial(end_test, expired=True)))
    return min(due, key=lambda entry: entry[0], default=None)


def _end(mark: Mark) -> float:
    # Disablements and tests always have an end; one without was read from a damaged file and ends now.
    return mark.since_s if mark.until_s is None else mark.until_s


def _forgotten(sound: OpenSound, state: AlarmState) -> Stepped:
    return replace(state, sounds=tuple(s for s in state.sounds if s.id != sound.id)), ()


def _lapsed(sound: OpenSound, state: AlarmState) -> Stepped:
    state = with_sound(state, replace(sound, ended_s=state.at_s))
    return state, (Change("lapsed", state.at_s, sound.id, "nothing more was heard of this sound; taken for over"),)


def _sounds_again(mark: Mark, state: AlarmState) -> Stepped:
    state = replace(
        state,
        acknowledged=tuple(m for m in state.acknowledged if m != mark),
        silenced=tuple(m for m in state.silenced if m != mark),
    )
    if any(m.key == mark.key for m in (*state.acknowledged, *state.silenced)):
        return state, (Change("expired", state.at_s, mark.key, "one of its silences has ended", mark.by, mark.comment),)
    return state, (Change("sounds-again", state.at_s, mark.key, "its silence has ended, and it still holds"),)


def _expired(mark: Mark, state: AlarmState) -> Stepped:
    return enabled(state, mark, expired=True)
