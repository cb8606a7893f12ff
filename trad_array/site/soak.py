"""A watch that only listens: what it would have cried, how loud it was, what was missing, which threshold would do.

Over live sound or recordings, by the ordinary chain and the ordinary supervision of the array. Memory grows by a few
numbers an hour and a few for each sound.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trad_array.alarm.health import HealthRule, HealthState, health_step, start_health
from trad_array.audio.captured import Captured, SoundSource
from trad_array.audio.to_rate import ToRate, to_rate_finish, to_rate_step
from trad_array.chain import Chain
from trad_array.detection.tail import Interval
from trad_array.detection.threshold import Threshold, TooLittleSound, find_threshold, poisson_interval
from trad_array.records import Block
from trad_array.site.learning import LOWEST_ODDS, run_maxima, run_odds, sound_runs
from trad_array.site.normal_sound import Listener
from trad_array.site.record import gate_of, trigger_of

_HOUR_S = 3600.0
_QUANTILES = (0.1, 0.5, 0.9)
_LOWEST_DB, _STEP_DB, _BINS = -130.0, 0.5, 260


@dataclass(frozen=True, slots=True)
class FaultNote:
    """A fault that was raised: which, of what, when (s of the stream), and when it was over, or None."""

    code: str
    subject: str
    at_s: float
    over_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Hour:
    """Levels of one hour of the stream: its number, and percentiles 10, 50, 90 of each microphone, dB re full scale.

    level_db : (3, n_mics), of seconds, NaN where a microphone was dead throughout
    """

    number: int
    level_db: NDArray[np.float64]


@dataclass(slots=True)
class Notes:
    """What is noted while sound comes; may be looked at whenever the listening was stopped.

    listener : what everyday sounds reach
    faults : those that were raised
    gaps, lost_s : how often sound was missing, and how much, s
    """

    rule: HealthRule
    listener: Listener
    faults: list[FaultNote] = field(default_factory=list)
    gaps: int = 0
    lost_s: float = 0.0
    _levels: dict[int, NDArray[np.int32]] = field(default_factory=dict)

    def hours(self) -> tuple[Hour, ...]:
        """Levels, hour by hour."""
        return tuple(Hour(number, _percentiles(counts)) for number, counts in sorted(self._levels.items()))

    def level(self, at_s: float, level_db: NDArray[np.float64], dead: NDArray[np.bool_]) -> None:
        """Note the levels of a second."""
        n_mics = len(level_db)
        counts = self._levels.setdefault(int(at_s // _HOUR_S), np.zeros((n_mics, _BINS), np.int32))
        bins = np.clip(((level_db - _LOWEST_DB) / _STEP_DB).astype(np.intp), 0, _BINS - 1)
        counts[np.arange(n_mics)[~dead], bins[~dead]] += 1

    def fault(self, code: str, subject: str, *, raised: bool, at_s: float) -> None:
        """Note a fault, or its end."""
        if raised:
            self.faults.append(FaultNote(code, subject, at_s))
            return
        for k in range(len(self.faults) - 1, -1, -1):
            note = self.faults[k]
            if (note.code, note.subject, note.over_s) == (code, subject, None):
                self.faults[k] = FaultNote(code, subject, note.at_s, at_s)
                return


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it.

    hours : of sound
    alerts, alarms : runs of sounds that would have been cried, and those among them that would have been alarms
    alerts_per_day, alarms_per_day : with exact 95 % intervals (Poisson), (low, middle, high)
    gate, trigger : thresholds for the wanted rate, or None where there is too little sound
    why_not : why there are none
    """

    hours: float
    alerts: int
    alarms: int
    alerts_per_day: Interval
    alarms_per_day: Interval
    gate: Threshold | None
    trigger: Threshold | None
    why_not: str = ""


def soak(
    chain: Chain,
    sources: Iterable[SoundSource],
    notes: Notes,
    *,
    until_s: float = math.inf,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Listen to the sources, one after the other, each for `until_s` seconds at most; `notes` has what was found.

    Raises
    ------
    AudioError, DeviceError
        If a source cannot be used; what was noted until then stays.
    """
    for source in sources:
        try:
            notes.listener.hear(source.name, _blocks(chain, source, notes, until_s, progress))
        finally:
            source.close()


def soaked(notes: Notes, *, alarms_per_day: float, alerts_per_day: float) -> Soaked:
    """What the notes say; the rates are those wanted of new thresholds."""
    listener = notes.listener
    runs, hours = sound_runs(listener), sum(listener.heard_s) / _HOUR_S
    threshold = gate_of(listener.chain).threshold
    alarms = sum(run_odds(run) > threshold or any(sound.unplaced for sound in run) for run in runs)
    alerts = sum(run_odds(run) > threshold or any(not math.isnan(sound.peak) for sound in run) for run in runs)
    gate, trigger, why_not = None, None, ""
    try:
        odds = run_maxima([(sound, sound.odds) for run in runs for sound in run], hours)
        gate = find_threshold(odds, per_day=alarms_per_day, lowest=LOWEST_ODDS, careful=threshold)
        peaks = run_maxima([(sound, sound.peak) for run in runs for sound in run], hours)
        trigger = find_threshold(peaks, per_day=alerts_per_day, lowest=trigger_of(listener.chain).on)
    except TooLittleSound as trouble:
        why_not = str(trouble)
    if hours <= 0.0:
        nothing = (0.0, 0.0, math.inf)
        return Soaked(hours, alerts, alarms, nothing, nothing, gate, trigger, why_not or "nothing was heard")
    per_day = (poisson_interval(count, hours) for count in (alerts, alarms))
    return Soaked(hours, alerts, alarms, next(per_day), next(per_day), gate, trigger, why_not)


def _blocks(
    chain: Chain,
    source: SoundSource,
    notes: Notes,
    until_s: float,
    progress: Callable[[float], None] | None,
) -> Iterator[Block]:
    """Blocks of a source for the chain; levels, gaps and faults are noted on the way."""
    rule = ToRate(source.fs, chain.features.fs)
    rate, health, now_s = rule.start(), start_health(notes.rule), 0.0
    for piece in source.pieces():
        if isinstance(piece, Captured):
            now_s = piece.end / piece.fs
            if piece.lost:
                notes.gaps += 1
                notes.lost_s += piece.lost / piece.fs
        else:
            now_s = max(now_s, health.heard_s + piece.for_s)
        seen = health.second
        health, changes = health_step(notes.rule, health, now_s=now_s, piece=piece)
        for change in changes:
            notes.fault(change.code, change.subject, raised=change.raised, at_s=now_s)
        _note_second(notes, health, seen, now_s)
        if isinstance(piece, Captured):
            rate, blocks = to_rate_step(rule, rate, piece)
            yield from blocks
        if progress is not None:
            progress(now_s)
        if now_s >= until_s:
            break
    yield from to_rate_finish(rule, rate)


def _note_second(notes: Notes, health: HealthState, seen: object, now_s: float) -> None:
    second = health.second
    if second is not None and second is not seen:
        notes.level(now_s, second.rms_db, second.dead)


def _percentiles(counts: NDArray[np.int32]) -> NDArray[np.float64]:
    heard = counts.sum(axis=1)
    upto = np.cumsum(counts, axis=1) / np.maximum(heard, 1)[:, None]
    rows = [_LOWEST_DB + _STEP_DB * ((upto < q).sum(axis=1) + 0.5) for q in _QUANTILES]
    return np.where(heard > 0, np.stack(rows), np.nan)
