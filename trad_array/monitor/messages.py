"""What a watch tells, as versioned JSON objects; events have their own in `trad_array.events`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from trad_array.alarm.as_json import state_json
from trad_array.alarm.state import ACTIONS, AlarmState, Change
from trad_array.records import Fault
from trad_array_geometry import Layout

FAULT_SCHEMA = "trad-array/fault/1"
ACTION_SCHEMA = "trad-array/action/1"
HEARTBEAT_SCHEMA = "trad-array/heartbeat/1"
RAISED, RESTORED, NOTICED = "raised", "restored", "noticed"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class When:
    """A moment of the watch: s of the stream, and the time of day when sample 0 was heard, or None."""

    at_s: float
    started_at: datetime | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """As every message has it."""
        return {"at_s": round(self.at_s, 6), "at_utc": self.utc}

    @property
    def utc(self) -> str | None:
        """ISO 8601 to the millisecond, or None when nobody knows."""
        if self.started_at is None:
            return None
        when = (self.started_at + timedelta(seconds=self.at_s)).astimezone(UTC)
        return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notice_json(fault: Fault, layout: Layout, *, fs: int, source: str, started_at: datetime | None) -> dict[str, Any]:
    """What the chain noticed of the stream, and has dealt with: a gap, a microphone left out, a sound that stays."""
    return {
        "schema": FAULT_SCHEMA,
        "kind": fault.kind,
        "state": NOTICED,
        "mic": None if fault.channel is None else layout.mic_names[fault.channel],
        "subject": "" if fault.channel is None else layout.mic_names[fault.channel],
        **When(fault.at / fs, started_at).fields,
        "detail": fault.detail,
        "source": source,
    }


def change_json(change: Change, layout: Layout, *, source: str, started_at: datetime | None) -> dict[str, Any] | None:
    """A fault or an action as a message; None for changes that the state message tells."""
    when = When(change.at_s, started_at).fields
    if change.kind in ("fault", "restored"):
        # fault:CODE or fault:CODE:SUBJECT
        _, code, *rest = change.subject.split(":", 2)
        subject = rest[0] if rest else ""
        return {
            "schema": FAULT_SCHEMA,
            "kind": code,
            "state": RAISED if change.kind == "fault" else RESTORED,
            "mic": subject if subject in layout.mic_names else None,
            "subject": subject,
            **when,
            "detail": change.detail,
            "source": source,
        }
    if change.kind in ACTIONS or change.kind == REFUSED:
        return {
            "schema": ACTION_SCHEMA,
            "action": change.kind,
            "granted": change.kind != REFUSED,
            "subject": change.subject,
            "by": change.by,
            "comment": change.comment,
            **when,
            "detail": change.detail,
            "source": source,
        }
    return None


def state_message(
    state: AlarmState, changes: Sequence[Change], *, now_s: float, source: str, started_at: datetime | None
) -> dict[str, Any]:
    """The state of the alarm, and why it is told now."""
    why = [{"kind": change.kind, "subject": change.subject, "detail": change.detail} for change in changes]
    return {**state_json(state, now_s), **When(now_s, started_at).fields, "why": why, "source": source}


def heartbeat_json(
    state: AlarmState, *, now_s: float, source: str, started_at: datetime | None, array: Mapping[str, Any]
) -> dict[str, Any]:
    """A sign of life: the state in a few words, and what the array hears."""
    return {
        "schema": HEARTBEAT_SCHEMA,
        **When(now_s, started_at).fields,
        "level": state.level,
        "sounder": state.sounder,
        "latched": bool(state.latched),
        "faults": [fault.key for fault in state.faults],
        "supervisory": [fault.key for fault in state.supervisory],
        "disabled": [mark.key for mark in state.disabled],
        "test": state.test is not None,
        **array,
        "source": source,
    }
