"""From looks at the array to faults that are raised and are over: every one with a time and with hysteresis."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from trad_array.alarm.fault_table import FaultChange, fault_kind

_NEARLY = 1e-9
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment of one thing that can be at fault.

    code, subject : as in `FaultChange`
    bad : None when it cannot be told, which changes nothing
    for_s : s, of sound or of the clock, for which this look stands
    detail : one line for a person, when it is bad
    haste : how much faster than usual a bad look counts
    """

    code: str
    subject: str
    bad: bool | None
    for_s: float
    detail: str = ""
    haste: float = 1.0

    @property
    def key(self) -> Key:
        """What is looked at."""
        return self.code, self.subject


@dataclass(frozen=True, slots=True)
class Condition:
    """Where a fault stands.

    charge : 0 when all has been well for long enough, 1 when it has been bad for long enough
    active : it was raised and is not over
    detail : of the last bad look
    """

    charge: float = 0.0
    active: bool = False
    detail: str = ""


def judge(
    conditions: Mapping[Key, Condition], looks: Iterable[Look]
) -> tuple[Mapping[Key, Condition], tuple[FaultChange, ...]]:
    """Let each look count; a fault is raised at full charge and over at none. What was well and is well is not kept."""
    counting = [look for look in looks if look.bad or (look.bad is False and look.key in conditions)]
    if not counting:
        return conditions, ()
    now, changes = dict(conditions), []
    for look in counting:
        before = now.get(look.key, Condition())
        after = _charged(before, look)
        if after.active != before.active:
            changes.append(FaultChange(*look.key, after.active, _words(look, after)))
        if after.active or after.charge > 0.0:
            now[look.key] = after
        else:
            now.pop(look.key, None)
    return MappingProxyType(now), tuple(changes)


def _charged(before: Condition, look: Look) -> Condition:
    kind = fault_kind(look.code)
    if look.bad:
        charge = min(before.charge + _share(look.for_s * look.haste, kind.after_s), 1.0)
        return Condition(charge, before.active or charge >= 1.0 - _NEARLY, look.detail)
    charge = max(before.charge - _share(look.for_s, kind.restored_s), 0.0)
    return Condition(charge, before.active and charge > _NEARLY, before.detail)


def _share(seconds: float, of_s: float) -> float:
    if of_s <= 0.0 or math.isinf(seconds):
        return 1.0
    return max(seconds, 0.0) / of_s


def _words(look: Look, after: Condition) -> str:
    if after.active:
        return look.detail or fault_kind(look.code).says
    return f"over: {after.detail or fault_kind(look.code).says}"
