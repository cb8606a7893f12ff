"""The state of the alarm logic as JSON: for status and heartbeat, and to outlive a restart."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from trad_array.alarm.fault_table import FaultChange
from trad_array.alarm.incident import without_marks
from trad_array.alarm.state import ActiveFault, AlarmState, Latched, Mark, OpenSound
from trad_array.errors import ConfigError

STATE_SCHEMA = "trad-array/state/1"
SAVED_SCHEMA = "trad-array/saved-state/1"
_Record = TypeVar("_Record", OpenSound, Latched, Mark, ActiveFault)


def state_json(state: AlarmState, now_s: float) -> dict[str, Any]:
    """What status and heartbeat say of the state: ages and times left in s, so that no clock is needed to read it."""
    acknowledged = {mark.key: mark for mark in state.acknowledged}
    silenced = {mark.key: mark for mark in state.silenced}

    def quiet(key: str) -> dict[str, Any]:
        return {
            "acknowledged": _mark_json(acknowledged.get(key), now_s),
            "silenced": _mark_json(silenced.get(key), now_s),
        }

    def fault(item: ActiveFault) -> dict[str, Any]:
        named = {"code": item.code, "subject": item.subject, "detail": item.detail, "key": item.key}
        disabled = bool(item.device) and state.is_disabled(item.device)
        return {**named, "for_s": _seconds(now_s - item.since_s), "disabled": disabled, **quiet(item.key)}

    cells = [
        {
            "key": item.key,
            "cell": item.cell,
            "first_ago_s": _seconds(now_s - item.first_s),
            "last_ago_s": _seconds(now_s - item.last_s),
            "sounds": item.sounds,
            "test": item.test,
            **quiet(item.key),
        }
        for item in state.latched
    ]
    return {
        "schema": STATE_SCHEMA,
        "at_s": _seconds(now_s),
        "level": state.level,
        "sounder": state.sounder,
        "latched": bool(state.latched),
        "first_cell": state.first_cell,
        "current_cell": state.current_cell,
        "incident": cells,
        "sounds": [
            {
                "id": sound.id,
                "level": sound.level,
                "cell": sound.cell,
                "among": list(sound.among),
                "began_ago_s": _seconds(now_s - sound.began_s),
                "ended_ago_s": None if sound.ended_s is None else _seconds(now_s - sound.ended_s),
                "counts": state.counts(sound),
            }
            for sound in state.sounds
        ],
        "faults": [fault(item) for item in state.faults],
        "supervisory": [fault(item) for item in state.supervisory],
        "disabled": [_mark_json(mark, now_s) for mark in state.disabled],
        "test": _mark_json(state.test, now_s),
    }


def _mark_json(mark: Mark | None, now_s: float) -> dict[str, Any] | None:
    if mark is None:
        return None
    return {
        "key": mark.key,
        "by": mark.by,
        "comment": mark.comment,
        "for_s": _seconds(now_s - mark.since_s),
        "ends_in_s": None if mark.until_s is None else _seconds(mark.until_s - now_s),
    }


def _seconds(value: float) -> float:
    return round(value, 3)


def saved(state: AlarmState) -> dict[str, Any]:
    """All of the state, to be written down; `restored` reads it."""
    return {"schema": SAVED_SCHEMA, **asdict(state)}


def restored(
    record: Mapping[str, Any], now_s: float, *, away_s: float = 0.0, faults: Iterable[FaultChange] | None = None
) -> AlarmState:
    """The state as it was saved, on the clock of a new watch.

    What was sounding is over: nobody heard it go on. It counts for the off time, and what was latched stays so.

    Parameters
    ----------
    record : from `saved`
    now_s : s, on the new clock
    away_s : s, for which nobody watched
    faults : those that the health of the array still takes for present, which it will clear; others are dropped, as
        nobody would ever tell that they are over. None keeps all

    Raises
    ------
    ConfigError
        If the record is of another kind, or damaged.
    """
    if record.get("schema") != SAVED_SCHEMA:
        raise ConfigError(f"saved state: expected schema {SAVED_SCHEMA}, found {record.get('schema')!r}")
    try:
        later_s = now_s - away_s - float(record["at_s"])
        sounds = (_later(OpenSound(**{**item, "among": tuple(item["among"])}), later_s) for item in record["sounds"])
        state = AlarmState(
            at_s=now_s,
            sounds=tuple(s if s.ended_s is not None else replace(s, ended_s=now_s) for s in sounds),
            latched=tuple(_later(Latched(**item), later_s) for item in record["latched"]),
            acknowledged=tuple(_later(Mark(**item), later_s) for item in record["acknowledged"]),
            silenced=tuple(_later(Mark(**item), later_s) for item in record["silenced"]),
            trouble=tuple(_later(ActiveFault(**item), later_s) for item in record["trouble"]),
            disabled=tuple(_later(Mark(**item), later_s) for item in record["disabled"]),
            test=None if record["test"] is None else _later(Mark(**record["test"]), later_s),
        )
    except (KeyError, TypeError, ValueError) as trouble:
        raise ConfigError(f"saved state: expected what was saved, found a damaged one: {trouble}") from trouble
    return state if faults is None else _with_only(state, {(fault.code, fault.subject) for fault in faults})


def _later(item: _Record, later_s: float) -> _Record:
    """The record with all its times on another clock."""
    times = {name: getattr(item, name) for name in type(item).__slots__ if name.endswith("_s")}
    return replace(item, **{name: value + later_s for name, value in times.items() if value is not None})


def _with_only(state: AlarmState, there: set[tuple[str, str]]) -> AlarmState:
    kept = tuple(fault for fault in state.trouble if (fault.code, fault.subject) in there)
    gone = {fault.key for fault in state.trouble} - {fault.key for fault in kept}
    return replace(without_marks(state, gone), trouble=kept)
