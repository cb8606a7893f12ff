"""The health of the array: from pieces of sound and what the watch knows of its machine to faults and their ends.

Pure, on the clock of the stream. Each whole second of sound is measured once (`levels`), each minute compared with what
long was usual, and every ten minutes the channels' lags with those that were learned (`lags`). What cannot be told
changes nothing: it neither raises a fault nor ends one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from trad_array.alarm.conditions import Condition, Key, Look, judge
from trad_array.alarm.fault_table import FaultChange, FaultKind, fault_kind, fault_table
from trad_array.alarm.health_rule import HealthRule, Machine
from trad_array.alarm.lags import LagState, lag_step
from trad_array.alarm.levels import (
    LevelState,
    Second,
    compare,
    learn_levels,
    level_step,
    measure,
    order_misfits,
    start_levels,
)
from trad_array.alarm.looks import clipped, differs, lag_looks, level, slow, swap_looks
from trad_array.audio.captured import Captured, NoSound, Piece
from trad_array.errors import AudioError
from trad_array.records import FloatArray

__all__ = [
    "FaultChange",
    "FaultKind",
    "HealthRule",
    "HealthState",
    "Machine",
    "active_faults",
    "fault_table",
    "health_step",
    "learn_anew",
    "start_health",
    "working",
]

_DEAD_CODES = ("mic-silent", "mic-flat")
# A look at the machine stands for no longer than this, s.
_LOOK_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class HealthState:
    """Everything that supervision remembers; see `start_health`.

    now_s : s, the last step; heard_s : s, when sound last came; looked_s : s, when the machine was last looked at
    pending : pieces of the second that is not whole yet
    conditions : by code and subject
    disabled : microphones that count as not working
    second : measures of the last whole second, for whoever shows levels
    levels, lags : what was learned
    """

    now_s: float
    heard_s: float
    looked_s: float
    levels: LevelState
    lags: LagState
    pending: tuple[Captured, ...] = ()
    conditions: Mapping[Key, Condition] = field(default_factory=lambda: MappingProxyType({}))
    disabled: tuple[str, ...] = ()
    second: Second | None = None

    def is_active(self, code: str, subject: str = "") -> bool:
        """Whether a fault holds."""
        condition = self.conditions.get((code, subject))
        return condition is not None and condition.active


def start_health(rule: HealthRule, *, now_s: float = 0.0) -> HealthState:
    """Nothing has been heard yet; silence counts from now on."""
    n_mics = len(rule.mics)
    lags = LagState(why_not=("still learning",) * n_mics)
    return HealthState(now_s, now_s, now_s, start_levels(n_mics), lags)


def learn_anew(rule: HealthRule, state: HealthState) -> HealthState:
    """Forget levels and lags, after somebody has changed the site or the array; faults hold until all is seen well."""
    fresh = start_health(rule, now_s=state.now_s)
    return replace(state, levels=fresh.levels, lags=fresh.lags)


def active_faults(state: HealthState) -> tuple[FaultChange, ...]:
    """All faults that hold."""
    return tuple(FaultChange(*key, True, c.detail) for key, c in state.conditions.items() if c.active)


def working(rule: HealthRule, state: HealthState) -> tuple[bool, ...]:
    """Which microphones sound and are not disabled."""
    if not state.conditions and not state.disabled:
        return (True,) * len(rule.mics)
    return tuple(
        name not in state.disabled and not any(state.is_active(code, name) for code in _DEAD_CODES)
        for name in rule.mics
    )


def health_step(
    rule: HealthRule,
    state: HealthState,
    *,
    now_s: float,
    piece: Piece | None = None,
    machine: Machine | None = None,
) -> tuple[HealthState, tuple[FaultChange, ...]]:
    """Take a piece of sound or its absence, and a look at the machine, at a time of the stream.

    Call it for every piece, at least every second while none comes, and with a look at the machine every ten seconds.
    Pieces of any length give the same faults, as whole seconds of sound are measured.

    Raises
    ------
    AudioError
        If the sound has another number of channels than there are microphones.
    """
    changes: list[FaultChange] = []
    now_s, before_s = max(now_s, state.now_s), state.now_s
    if isinstance(piece, Captured):
        state = _hear(rule, state, piece, now_s, changes)
    else:
        state = _judged(replace(state, now_s=now_s), _no_audio(state, piece, now_s), changes)
    if not isinstance(piece, Captured) or not piece.lost:
        state = _judged(state, [Look("lost-audio", "", False, now_s - before_s)], changes)
    if machine is not None:
        state = _look_at_machine(rule, state, machine, changes)
    if state.conditions or state.disabled:
        state = _judged(state, [_localizable(rule, state)], changes)
    return state, tuple(changes)


def _judged(state: HealthState, looks: list[Look], changes: list[FaultChange]) -> HealthState:
    conditions, more = judge(state.conditions, looks)
    if conditions is state.conditions:
        return state
    changes.extend(more)
    return replace(state, conditions=conditions)


def _no_audio(state: HealthState, piece: NoSound | None, now_s: float) -> list[Look]:
    silent_s = now_s - state.heard_s
    reason = ""
    if isinstance(piece, NoSound):
        silent_s, reason = max(silent_s, piece.for_s), f": {piece.reason}"
    if silent_s < fault_kind("no-audio").after_s:
        return []
    return [Look("no-audio", "", True, np.inf, f"no sound for {silent_s:.0f} s{reason}")]


def _hear(
    rule: HealthRule, state: HealthState, piece: Captured, now_s: float, changes: list[FaultChange]
) -> HealthState:
    """Note what the piece says of the stream, and measure the seconds that became whole."""
    if len(piece.samples) != len(rule.mics):
        raise AudioError(f"health: expected {len(rule.mics)} channels, found {len(piece.samples)}")
    looks = [slow(rule, piece.queued_s, piece.samples.shape[1] / piece.fs)]
    if piece.lost:
        detail = f"{piece.lost} samples were lost, {piece.lost / piece.fs:.2f} s"
        looks.append(Look("lost-audio", "", True, np.inf, detail))
    before = state.pending
    if before and (before[-1].fs, before[-1].end) != (piece.fs, piece.start):
        # Sound across a gap is never measured as one second.
        before = ()
    pending, seconds = _whole_seconds((*before, piece))
    state = _judged(replace(state, now_s=now_s, heard_s=now_s, pending=pending), looks, changes)
    for samples in seconds:
        state = _second(rule, state, samples, piece.fs, changes)
    return state


def _whole_seconds(pieces: tuple[Captured, ...]) -> tuple[tuple[Captured, ...], list[FloatArray]]:
    """What is left of pieces in a row, and the whole seconds in them, full scale = 1."""
    first, last, fs = pieces[0], pieces[-1], pieces[-1].fs
    have = last.end - first.start
    if have < fs:
        return pieces, []
    together = Captured(np.concatenate([piece.samples for piece in pieces], axis=1), first.start, fs).full_scale()
    seconds = [together[:, at : at + fs] for at in range(0, have - fs + 1, fs)]
    left = have - len(seconds) * fs
    if not left:
        return (), seconds
    kept = last.samples[:, last.samples.shape[1] - left :].copy()
    return (Captured(kept, last.end - left, fs),), seconds


def _second(
    rule: HealthRule, state: HealthState, samples: FloatArray, fs: int, changes: list[FaultChange]
) -> HealthState:
    second = measure(samples, fs=fs)
    if second.silent.all():
        state = _judged(state, [Look("no-audio", "", True, 1.0, "all microphones are digitally silent")], changes)
        return replace(state, second=second)
    looks = [Look("no-audio", "", False, 1.0)]
    for k, name in enumerate(rule.mics):
        looks.append(Look("mic-silent", name, bool(second.silent[k]), 1.0, f"microphone {name} is digitally silent"))
        looks.append(Look("mic-flat", name, bool(second.flat[k]), 1.0, f"microphone {name} is stuck at one value"))
        looks.append(clipped(rule, state.levels, second, k))
    state = _judged(replace(state, second=second), looks, changes)
    levels, minute_over = level_step(state.levels, second)
    state = replace(state, levels=levels)
    if minute_over:
        state = _minute(rule, state, changes)
    lags, look = lag_step(rule.lags, state.lags, samples, fs=fs)
    state = replace(state, lags=lags)
    if look is None:
        return state
    misfits_db = order_misfits(state.levels, learn_minutes=rule.learn_minutes)
    suspected = [subject for code, subject in state.conditions if code == "mics-swapped"]
    looks = [*lag_looks(rule, look), *swap_looks(rule, look.order, misfits_db, suspected)]
    return _judged(state, looks, changes)


def _minute(rule: HealthRule, state: HealthState, changes: list[FaultChange]) -> HealthState:
    """Compare a minute with what long was usual, then learn from it where nothing is wrong."""
    minute = compare(state.levels, learn_minutes=rule.learn_minutes)
    before = np.array([state.is_active("mic-level", name) for name in rule.mics])
    others = [differs(rule, minute, k) for k in range(len(rule.mics))]
    state = _judged(state, others, changes)
    odd = np.array([bool(look.bad) or state.is_active("mic-differs", look.subject) for look in others])
    # What the one fault says, the other need not say again.
    looks = [level(rule, minute, k) for k in range(len(rule.mics))]
    state = _judged(state, [look for look, strange in zip(looks, odd, strict=True) if not strange], changes)
    out = np.array([bool(look.bad) for look in looks])
    held = np.array([state.is_active("mic-level", name) for name in rule.mics])
    wrong = odd | held | any(code == "mics-swapped" for code, _ in state.conditions)
    known = state.levels.minutes >= rule.learn_minutes
    deaf = np.array([bool(look.bad) for look in others])
    learn = ~(deaf | out | wrong & known)
    return replace(state, levels=learn_levels(state.levels, minute, learn=learn, out=out, back=before & ~held))


def _look_at_machine(rule: HealthRule, state: HealthState, machine: Machine, changes: list[FaultChange]) -> HealthState:
    for_s = min(state.now_s - state.looked_s, _LOOK_S)
    state = replace(state, looked_s=state.now_s)
    if machine.disabled is not None:
        state = replace(state, disabled=machine.disabled)
    looks = []
    if machine.drift_ppm is not None:
        drift = abs(machine.drift_ppm)
        bad = True if drift > rule.drift_ppm else False if drift < rule.drift_ok_ppm else None
        looks.append(Look("clock-drift", "", bad, for_s, f"the card's clock is {machine.drift_ppm:+.0f} ppm off"))
    if machine.free_bytes is not None:
        free = machine.free_bytes
        bad = True if free < rule.free_bytes else False if free > rule.free_ok_bytes else None
        looks.append(Look("disk", "", bad, for_s, f"{free / 1e6:.0f} MB are left on the disk"))
    if machine.store is not None:
        looks.append(Look("store", "", bool(machine.store), for_s, f"store: {machine.store}"))
    if machine.outputs is not None:
        # Outputs name themselves when they complain.
        looks += [
            Look("output", name, bool(why), for_s, f"output {name}: {why.removeprefix(f'{name}: ')}")
            for name, why in machine.outputs
        ]
        there = {name for name, _ in machine.outputs}
        gone = [name for code, name in state.conditions if code == "output" and name not in there]
        looks += [Look("output", name, False, for_s) for name in gone]
    return _judged(state, looks, changes)


def _localizable(rule: HealthRule, state: HealthState) -> Look:
    left = [name for name, works in zip(rule.mics, working(rule, state), strict=True) if works]
    heard = f"only {', '.join(left)} work" if left else "no microphone works"
    needed = min(rule.needed, len(rule.mics))
    detail = f"{heard}, {needed} are needed to name a cell; alarms are still raised"
    return Look("not-localizable", "", len(left) < needed, 1.0, detail)
