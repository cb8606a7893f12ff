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
from trad_array.alarm.lags import LagLook, LagRule, LagState, lag_step
from trad_array.alarm.levels import (
    LevelState,
    Minute,
    Second,
    compare,
    learn_levels,
    level_order,
    level_step,
    measure,
    start_levels,
)
from trad_array.array_calibration.swaps import Order
from trad_array.audio.captured import Captured, NoSound, Piece
from trad_array.errors import AudioError, ConfigError
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
    "start_health",
    "working",
]

_DEAD_CODES = ("mic-silent", "mic-flat")
# A look at the machine stands for no longer than this, s.
_LOOK_S = 5.0
_MINUTE_S = 60.0
# A level is well again when it is this much within its limit, dB.
_BACK_DB = 3.0
# What no sound can do counts so much faster.
_HASTE = 5.0


@dataclass(frozen=True, slots=True)
class HealthRule:
    """Limits of the supervision; how long each must hold stands in the table of faults. Our choice.

    mics : names of the microphones, in the order of the channels
    needed : working microphones that the localizer needs
    clipped_share : of the samples of a second, from which the second is overloaded
    loud_db : the others are loud too from here on, over what long was usual; then an overload may be the sound's
    learn_minutes : of sound before levels are judged
    quieter_db, louder_db : outside the levels of ordinary minutes
    louder_after_s : s, for which a microphone must be louder: rain may last
    differs_db : against the others, compared with what long was usual
    deaf_db : against the others, whatever was usual
    fell_db : alone and so much quieter: no sound does that
    queued_s, queued_ok_s : s that sound waits for the watch: too long, and well again
    drift_ppm, drift_ok_ppm : of the card's clock
    free_bytes, free_ok_bytes : on the disk
    lags : see there
    """

    mics: tuple[str, ...]
    needed: int = 3
    clipped_share: float = 0.001
    loud_db: float = 10.0
    learn_minutes: int = 60
    quieter_db: float = 15.0
    louder_db: float = 20.0
    louder_after_s: float = 6 * 3600.0
    differs_db: float = 10.0
    deaf_db: float = 40.0
    fell_db: float = 12.0
    queued_s: float = 2.0
    queued_ok_s: float = 0.5
    drift_ppm: float = 300.0
    drift_ok_ppm: float = 200.0
    free_bytes: int = 500_000_000
    free_ok_bytes: int = 1_000_000_000
    lags: LagRule = field(default_factory=LagRule)

    def __post_init__(self) -> None:
        if not self.mics or len(set(self.mics)) != len(self.mics):
            raise ConfigError(f"health: expected names of microphones, each once, found {', '.join(self.mics)!r}")
        if not 1 <= self.needed or not 0.0 < self.clipped_share < 1.0:
            raise ConfigError("health: expected needed of at least 1 and clipped_share between 0 and 1")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the watch knows beside the sound; None where nobody looked.

    drift_ppm : of the card's clock against the monotonic one
    free_bytes : on the disk of the store
    outputs : name and trouble of every output, "" when it works
    store : its trouble, "" when it works
    disabled : microphones that an operator has disabled
    """

    drift_ppm: float | None = None
    free_bytes: int | None = None
    outputs: tuple[tuple[str, str], ...] | None = None
    store: str | None = None
    disabled: tuple[str, ...] | None = None


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


def active_faults(state: HealthState) -> tuple[FaultChange, ...]:
    """All faults that hold."""
    return tuple(FaultChange(*key, True, c.detail) for key, c in state.conditions.items() if c.active)


def working(rule: HealthRule, state: HealthState) -> tuple[bool, ...]:
    """Which microphones sound and are not disabled."""
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

    Call it for every piece, and at least every second while none comes. Pieces of any length give the same faults, as
    whole seconds of sound are measured.

    Raises
    ------
    AudioError
        If the sound has another number of channels than there are microphones.
    """
    elapsed_s = max(now_s - state.now_s, 0.0)
    state = replace(state, now_s=max(now_s, state.now_s))
    changes: list[FaultChange] = []
    if isinstance(piece, Captured):
        state = _hear(rule, state, piece, changes)
    state = _judged(state, _no_audio(state, piece), changes)
    if not isinstance(piece, Captured) or not piece.lost:
        state = _judged(state, [Look("lost-audio", "", False, elapsed_s)], changes)
    if machine is not None:
        state = _look_at_machine(rule, state, machine, changes)
    return _judged(state, [_localizable(rule, state)], changes), tuple(changes)


def _judged(state: HealthState, looks: list[Look], changes: list[FaultChange]) -> HealthState:
    conditions, more = judge(state.conditions, looks)
    if conditions is state.conditions:
        return state
    changes.extend(more)
    return replace(state, conditions=conditions)


def _no_audio(state: HealthState, piece: Piece | None) -> list[Look]:
    silent_s = state.now_s - state.heard_s
    reason = ""
    if isinstance(piece, NoSound):
        silent_s, reason = max(silent_s, piece.for_s), f": {piece.reason}"
    if silent_s < fault_kind("no-audio").after_s:
        return []
    return [Look("no-audio", "", True, np.inf, f"no sound for {silent_s:.0f} s{reason}")]


def _hear(rule: HealthRule, state: HealthState, piece: Captured, changes: list[FaultChange]) -> HealthState:
    """Note what the piece says of the stream, and measure the seconds that became whole."""
    if len(piece.samples) != len(rule.mics):
        raise AudioError(f"health: expected {len(rule.mics)} channels, found {len(piece.samples)}")
    duration_s = piece.samples.shape[1] / piece.fs
    looks = [_slow(rule, piece.queued_s, duration_s)]
    if piece.lost:
        detail = f"{piece.lost} samples were lost, {piece.lost / piece.fs:.2f} s"
        looks.append(Look("lost-audio", "", True, np.inf, detail))
    state = _judged(replace(state, heard_s=state.now_s), looks, changes)
    pending = state.pending
    if piece.lost or (pending and pending[-1].fs != piece.fs):
        pending = ()
    pending, seconds = _whole_seconds((*pending, piece))
    state = replace(state, pending=pending)
    for samples in seconds:
        state = _second(rule, state, samples, piece.fs, changes)
    return state


def _slow(rule: HealthRule, queued_s: float, duration_s: float) -> Look:
    bad = True if queued_s > rule.queued_s else False if queued_s < rule.queued_ok_s else None
    return Look("slow", "", bad, duration_s, f"sound waits {queued_s:.1f} s before it is heard")


def _whole_seconds(pieces: tuple[Captured, ...]) -> tuple[tuple[Captured, ...], list[FloatArray]]:
    """What is left of pieces in a row, and the whole seconds in them, full scale = 1."""
    fs, have = pieces[-1].fs, sum(piece.samples.shape[1] for piece in pieces)
    if have < fs:
        return pieces, []
    first = pieces[0]
    together = Captured(np.concatenate([piece.samples for piece in pieces], axis=1), first.start, fs).full_scale()
    seconds = [together[:, at : at + fs] for at in range(0, have - fs + 1, fs)]
    used = len(seconds) * fs
    last = pieces[-1]
    kept = last.samples[:, last.samples.shape[1] - (have - used) :].copy()
    return ((Captured(kept, last.end - (have - used), fs),) if have > used else ()), seconds


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
        looks.append(_clipped(rule, state, second, k))
    state = _judged(replace(state, second=second), looks, changes)
    levels, minute_over = level_step(state.levels, second)
    state = replace(state, levels=levels)
    if minute_over:
        state = _minute(rule, state, changes)
    lags, look = lag_step(rule.lags, state.lags, samples, fs=fs)
    state = replace(state, lags=lags)
    if look is None:
        return state
    return _judged(state, _lag_looks(rule, look, level_order(state.levels)), changes)


def _clipped(rule: HealthRule, state: HealthState, second: Second, mic: int) -> Look:
    """An overload while the others hear nothing special is the microphone's; a loud event may last for minutes."""
    share = float(second.clipped[mic])
    bad = share > rule.clipped_share and not second.dead[mic]
    detail = f"microphone {rule.mics[mic]} is overloaded: {100 * share:.1f} % of its samples are at full scale"
    return Look("mic-clipped", rule.mics[mic], bad, 1.0, detail, 1.0 if not _loud(rule, state, second, mic) else 1 / 15)


def _loud(rule: HealthRule, state: HealthState, second: Second, mic: int) -> bool:
    """Whether the other microphones hear more than usual, or nobody knows what is usual."""
    others = (state.levels.minutes >= rule.learn_minutes) & ~second.dead
    others[mic] = False
    if not others.any():
        return True
    over = second.bands_db.mean(axis=1) - state.levels.usual_db.mean(axis=1)
    return bool(np.median(over[others]) > rule.loud_db)


def _minute(rule: HealthRule, state: HealthState, changes: list[FaultChange]) -> HealthState:
    """Compare a minute with what long was usual, then learn from it where nothing is wrong."""
    minute = compare(state.levels, learn_minutes=rule.learn_minutes)
    before = [state.is_active("mic-level", name) for name in rule.mics]
    differs = [_differs(rule, minute, k) for k in range(len(rule.mics))]
    state = _judged(state, differs, changes)
    odd = np.array([bool(d.bad) or state.is_active("mic-differs", d.subject) for d in differs])
    # What the one fault says, the other need not say again.
    looks = [_level(rule, minute, k) for k in range(len(rule.mics))]
    state = _judged(state, [look for look, strange in zip(looks, odd, strict=True) if not strange], changes)
    out = np.array([bool(look.bad) for look in looks])
    back = np.array([was and not state.is_active("mic-level", n) for was, n in zip(before, rule.mics, strict=True)])
    return replace(state, levels=learn_levels(state.levels, minute, learn=~odd, out=out, back=back))


def _differs(rule: HealthRule, minute: Minute, mic: int) -> Look:
    """One microphone against the others: what all hear is not its fault."""
    more_db, alone_db, moved_db = (
        float(values[mic]) for values in (minute.against_others_db, minute.alone_db, minute.moved_db)
    )
    name = rule.mics[mic]
    if alone_db < -rule.deaf_db:
        detail = f"microphone {name} hears {-alone_db:.0f} dB less than the others"
        return Look("mic-differs", name, True, _MINUTE_S, detail, _HASTE)
    if not np.isfinite(more_db):
        return Look("mic-differs", name, None, _MINUTE_S)
    bad = True if abs(more_db) > rule.differs_db else False if abs(more_db) < rule.differs_db - _BACK_DB else None
    word = "less" if more_db < 0 else "more"
    detail = f"against the others, microphone {name} hears {abs(more_db):.0f} dB {word} than it long did"
    # No sound makes one microphone hear less than it did.
    fell = max(more_db, moved_db) < -rule.fell_db
    return Look("mic-differs", name, bad, _MINUTE_S, detail, _HASTE if fell else 1.0)


def _level(rule: HealthRule, minute: Minute, mic: int) -> Look:
    """One microphone against its own ordinary minutes; what is loud for hours may be the weather."""
    off_db, name = float(minute.off_db[mic]), rule.mics[mic]
    if not np.isfinite(off_db):
        return Look("mic-level", name, None, _MINUTE_S)
    out = off_db < -rule.quieter_db or off_db > rule.louder_db
    back = -rule.quieter_db + _BACK_DB < off_db < rule.louder_db - _BACK_DB
    word = "quieter" if off_db < 0 else "louder"
    detail = f"microphone {name} is {abs(off_db):.0f} dB {word} than in ordinary minutes"
    slowly = fault_kind("mic-level").after_s / rule.louder_after_s
    return Look("mic-level", name, out if out or back else None, _MINUTE_S, detail, 1.0 if off_db < 0 else slowly)


def _lag_looks(rule: HealthRule, look: LagLook, by_level: Order | None) -> list[Look]:
    """What ten minutes of everyday sound say of the channels' order and delays."""
    for_s = float(rule.lags.epoch * rule.lags.every_s)
    looks = []
    for k, name in enumerate(rule.mics):
        late_s = look.late_s[k]
        way = "late" if (late_s or 0.0) > 0 else "early"
        detail = f"channel of microphone {name} is {1e6 * abs(late_s or 0.0):.0f} us {way} against how it long was"
        looks.append(Look("mic-lag", name, None if late_s is None else late_s != 0.0, for_s, detail))
    straight = tuple(range(len(rule.mics)))
    order = look.order if look.order is not None else by_level
    moved = [] if order is None else [rule.mics[k] for k, source in enumerate(order) if k != source]
    detail = f"channels of microphones {', '.join(moved)} look exchanged"
    bad = None if order is None else order != straight
    return [*looks, Look("mics-swapped", "", bad, for_s, detail)]


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
        looks += [Look("output", name, bool(why), for_s, f"output {name}: {why}") for name, why in machine.outputs]
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
