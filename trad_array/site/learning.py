"""From what a listener noted to a site: what looks abnormal, both thresholds, and whether something leaks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date as calendar

import numpy as np

from trad_array.chain import Chain
from trad_array.detection.calibration import Calibration
from trad_array.detection.tail import Interval
from trad_array.detection.threshold import (
    Maxima,
    Threshold,
    TooLittleSound,
    cluster_maxima,
    find_threshold,
    kept_threshold,
    poisson_interval,
    runs_of,
)
from trad_array.errors import AudioError, ConfigError
from trad_array.site.normal_sound import Listener, Sound
from trad_array.site.record import HISS_HZ, LOW_HZ, LearnedFrom, Levels, Period, Site, gate_of, trigger_of

# All numbers here are our choice.
# Sounds that follow each other sooner have one cause and are one false alarm; what goes on and on is one a minute.
GAP_S, LONGEST_S = 10.0, 60.0
# However quiet a site is, a sound that looks more like an everyday one than like a vent is not from a cell.
LOWEST_ODDS = 0.0
# What was heard so long ago counts half.
HALF_LIFE_DAYS = 90.0
# A trigger is raised to this times the shipped one at most.
MOST_RAISED = 2.0
# A channel whose hiss band has risen by more than this, or by steps in so many periods in a row, may hear a slow leak.
MOST_RISE_DB = 3.0
CREEP_PERIODS, CREEP_STEP_DB, CREEP_DB = 3, 0.1, 1.0
_LEAST_WEIGHT = 1e-3
# Sounds of different recordings are never neighbours, s.
_APART_S = 1e9


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a site's thresholds.

    alarms_per_day : false alarms that the gate may let through
    alerts_per_day : sounds that the trigger may take for events
    force : where there is too little sound, take the careful end of what is known
    all_normal : what looks like a cell is normal here, too; somebody has listened
    accept_rise : what has become louder is no leak; somebody has looked
    """

    alarms_per_day: float = 0.1
    alerts_per_day: float = 1_000.0
    force: bool = False
    all_normal: bool = False
    accept_rise: bool = False


def wish_of(
    old: Site | None,
    alarms_per_day: float | None,
    alerts_per_day: float | None,
    *,
    force: bool,
    all_normal: bool,
    accept_rise: bool,
) -> Wish:
    """The wish of somebody who leaves out what the old site was asked for already."""
    usual = Wish()
    alarms, alerts = usual.alarms_per_day, usual.alerts_per_day
    if old is not None and old.gate is not None and old.trigger is not None:
        alarms, alerts = old.gate.wanted_per_day, old.trigger.wanted_per_day
    return Wish(alarms_per_day or alarms, alerts_per_day or alerts, force, all_normal, accept_rise)


@dataclass(frozen=True, slots=True)
class Abnormal:
    """A stretch that looks like a cell: where it is, s, and its log-odds."""

    name: str
    at_s: float
    end_s: float
    odds: float


@dataclass(frozen=True, slots=True)
class Rise:
    """A microphone whose hiss band has become louder.

    rise_db, low_rise_db : dB, of the hiss band and of the band below 1 kHz
    since : date, or words
    steps : periods in a row in which it rose; 0 when it is a single rise
    """

    mic: str
    rise_db: float
    low_rise_db: float
    since: str
    steps: int = 0

    def line(self) -> str:
        """For a person."""
        how = f"in each of the last {self.steps} periods, together " if self.steps else ""
        return (
            f"microphone {self.mic}: {HISS_HZ[0] / 1000:g} to {HISS_HZ[1] / 1000:g} kHz has risen {how}"
            f"by {self.rise_db:.1f} dB since {self.since} (below 1 kHz {self.low_rise_db:+.1f} dB)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What came of it.

    site : with thresholds, or without where there is too little sound
    abnormal : stretches that were left out, in the order of time
    refused : why there are no thresholds; empty when there are
    if_normal : the gate's threshold with the abnormal stretches counted as normal, None where there is none
    unplaced_per_day : sounds that last and are placed nowhere, with their 95 % interval: alarms beside the gate's
    drifts : microphones whose hiss band has risen all through this period
    """

    site: Site
    abnormal: tuple[Abnormal, ...] = ()
    refused: str = ""
    if_normal: Threshold | None = None
    unplaced_per_day: Interval = (0.0, 0.0, 0.0)
    drifts: tuple[Rise, ...] = ()


def learn(
    listener: Listener,
    *,
    recordings: Sequence[LearnedFrom],
    calibration: Calibration,
    wish: Wish,
    date: str,
    version: str,
    old: Site | None = None,
) -> Learned:
    """Fit a site to what a listener noted, together with an earlier one.

    Parameters
    ----------
    listener : of a chain with the site's calibration and the shipped thresholds
    recordings : what it heard, whole recordings with what earlier sessions heard of them
    date : ISO, of this learning
    version : of the toolkit
    old : what is known already; it counts less the older it is

    Raises
    ------
    AudioError
        If a microphone was never heard, or no second was quiet.
    ConfigError
        If the hiss band of a microphone has risen against the old site, and the wish does not accept that.
    """
    levels = _levels(listener)
    limit = max(gate_of(listener.chain).threshold, old.gate.value if old and old.gate else -math.inf)
    runs = sound_runs(listener)
    odd = [run for run in runs if run_odds(run) > limit and not wish.all_normal]
    normal = [run for run in runs if run_odds(run) <= limit or wish.all_normal]
    left_out_s = sum(max(s.end_s for s in run) - min(s.at_s for s in run) for run in odd)
    hours = max(sum(listener.heard_s) - left_out_s, 0.0) / 3600.0
    period = Period(
        date=date,
        hours=hours,
        sounds=len(normal),
        abnormal=len(odd),
        unplaced=sum(sound.unplaced for run in normal for sound in run),
        hiss_db=_band(levels, HISS_HZ),
        low_db=_band(levels, LOW_HZ),
    )
    if old is not None and not wish.accept_rise:
        _require_no_rise(rises(old, period))
    site = Site(
        layout=listener.chain.layout.id,
        mics=listener.chain.layout.mic_names,
        scorer=type(listener.chain.hearing.scorer).__name__,
        version=version,
        date=date,
        sounds=run_maxima([(s, s.odds) for run in normal for s in run], hours),
        peaks=run_maxima([(s, s.peak) for run in normal for s in run], hours),
        calibration=calibration,
        levels=levels,
        periods=(period,),
        recordings=tuple(recordings),
    )
    if old is not None:
        site = merged(old, site)
    site, refused = _with_thresholds(site, listener.chain, wish, old=old)
    everything = site.sounds.with_more(run_maxima([(s, s.odds) for run in odd for s in run], 0.0))
    return Learned(
        site,
        abnormal=tuple(_abnormal(run, listener) for run in odd),
        refused=refused,
        if_normal=_if_normal(everything, listener.chain, wish) if odd else None,
        unplaced_per_day=_unplaced(site),
        drifts=_drifts(listener),
    )


def refitted(site: Site, chain: Chain, *, wish: Wish) -> Learned:
    """The same site with thresholds for another wish; `chain` has the shipped ones."""
    again, refused = _with_thresholds(site, chain, wish, old=site)
    return Learned(again, refused=refused, unplaced_per_day=_unplaced(again))


def merged(old: Site, new: Site) -> Site:
    """A site with a new period: hours count alike but for what is forgotten; thresholds have to be found again.

    The scale of the scores stays that of the old one, so that peaks of all periods can be compared.
    """
    days = max((calendar.fromisoformat(new.date) - calendar.fromisoformat(old.date)).days, 0)
    kept = 0.5 ** (days / HALF_LIFE_DAYS)
    hours = kept * old.hours + new.hours
    heard_again = {recording.digest for recording in new.recordings}
    return replace(
        new,
        sounds=_merged(old.sounds, new.sounds, kept),
        peaks=_merged(old.peaks, new.peaks, kept),
        calibration=old.calibration,
        levels=old.levels.with_more(new.levels, weight=new.hours / hours if hours > 0 else 1.0),
        periods=old.periods + new.periods,
        recordings=tuple(r for r in old.recordings if r.digest not in heard_again) + new.recordings,
    )


def rises(old: Site, period: Period) -> tuple[Rise, ...]:
    """Microphones whose hiss band rose by too much against what is known, or crept up from period to period."""
    found: list[Rise] = []
    known, known_low = old.levels.between(*HISS_HZ), old.levels.between(*LOW_HZ)
    history = (*old.periods[-CREEP_PERIODS:], period)
    for k, mic in enumerate(old.mics):
        rise_db = period.hiss_db[k] - float(known[k])
        if rise_db > MOST_RISE_DB:
            found.append(Rise(mic, rise_db, period.low_db[k] - float(known_low[k]), old.date))
            continue
        steps = np.diff([p.hiss_db[k] for p in history])
        if len(steps) == CREEP_PERIODS and steps.min() >= CREEP_STEP_DB and steps.sum() > CREEP_DB:
            low_db = period.low_db[k] - history[0].low_db[k]
            found.append(Rise(mic, float(steps.sum()), low_db, history[0].date, steps=len(steps)))
    return tuple(found)


def _drifts(listener: Listener) -> tuple[Rise, ...]:
    """Microphones whose hiss band has risen from quarter to quarter of what was heard."""
    quarters = listener.quarters_db()
    if quarters is None:
        return ()
    hiss, low = quarters[:, 0], quarters[:, 1]
    steps = np.diff(hiss, axis=0)
    found = np.flatnonzero((steps.min(axis=0) > 0) & (steps.sum(axis=0) > MOST_RISE_DB))
    return tuple(
        Rise(
            listener.chain.layout.mic_names[k],
            float(hiss[-1, k] - hiss[0, k]),
            float(low[-1, k] - low[0, k]),
            "the first quarter of this period",
        )
        for k in found
    )


def _require_no_rise(found: tuple[Rise, ...]) -> None:
    if found:
        raise ConfigError(
            f"{'; '.join(rise.line() for rise in found)}: a slow leak sounds like that, and must not be learned; "
            "--accept-rise learns it"
        )


def _levels(listener: Listener) -> Levels:
    levels = listener.levels()
    if levels is not None:
        return levels
    silent = listener.silent()
    heard = f"microphone {', '.join(silent)} silent throughout" if silent else "no quiet second"
    raise AudioError(f"normal sound: expected quiet seconds of every microphone, found {heard}")


def _band(levels: Levels, band_hz: tuple[float, float]) -> tuple[float, ...]:
    return tuple(float(v) for v in levels.between(*band_hz))


def sound_runs(listener: Listener) -> list[list[Sound]]:
    """Sounds that follow each other within the gap, run by run, in the order of time."""
    ordered = sorted(listener.sounds.values(), key=lambda sound: (sound.recording, sound.at_s))
    return [ordered[first:last] for first, last in runs_of(_times(ordered), gap_s=GAP_S, longest_s=LONGEST_S)]


def _times(sounds: Sequence[Sound]) -> list[float]:
    """When they are, s; those of different recordings far apart."""
    return [sound.recording * _APART_S + sound.at_s for sound in sounds]


def run_odds(run: list[Sound]) -> float:
    """The highest log-odds of a run of sounds."""
    return max(sound.odds for sound in run)


def run_maxima(values: list[tuple[Sound, float]], hours: float) -> Maxima:
    """The highest value of each run of sounds; those without one do not count."""
    known = [(sound, value) for sound, value in values if math.isfinite(value)]
    at_s, heights = np.array(_times([sound for sound, _ in known])), np.array([value for _, value in known])
    _, best = cluster_maxima(at_s, heights, gap_s=GAP_S, longest_s=LONGEST_S)
    return Maxima(np.asarray(best, dtype=np.float64), np.ones(len(best)), hours).thinned()


def _merged(old: Maxima, new: Maxima, kept: float) -> Maxima:
    both = old.faded(kept).with_more(new)
    counts = both.weights >= _LEAST_WEIGHT
    return Maxima(both.values[counts], both.weights[counts], both.hours).thinned()


def _with_thresholds(site: Site, chain: Chain, wish: Wish, *, old: Site | None) -> tuple[Site, str]:
    """The site with both thresholds, or with the old ones, the hours that are missing and why."""
    try:
        found = _gate(site.sounds, chain, wish)
    except TooLittleSound as trouble:
        gate, trigger = (old.gate, old.trigger) if old else (None, None)
        return replace(site, gate=gate, trigger=trigger, hours_missing=trouble.hours_missing), str(trouble)
    raised = _trigger(site.peaks, trigger_of(chain).on, per_day=wish.alerts_per_day)
    return replace(site, gate=found, trigger=raised, hours_missing=0.0), ""


def _trigger(peaks: Maxima, shipped: float, *, per_day: float) -> Threshold:
    """The trigger of a site: never below the shipped one, and never so far above it that it grows deaf."""
    try:
        found = find_threshold(peaks, per_day=per_day, lowest=shipped)
    except TooLittleSound:
        return kept_threshold(peaks, shipped, per_day=per_day)
    if found.value <= MOST_RAISED * shipped:
        return found
    return kept_threshold(peaks, MOST_RAISED * shipped, per_day=per_day)


def _gate(sounds: Maxima, chain: Chain, wish: Wish) -> Threshold:
    careful = gate_of(chain).threshold
    return find_threshold(sounds, per_day=wish.alarms_per_day, lowest=LOWEST_ODDS, careful=careful, force=wish.force)


def _if_normal(sounds: Maxima, chain: Chain, wish: Wish) -> Threshold | None:
    try:
        return _gate(sounds, chain, wish)
    except TooLittleSound:
        return None


def _abnormal(run: list[Sound], listener: Listener) -> Abnormal:
    return Abnormal(
        name=listener.names[run[0].recording],
        at_s=min(sound.at_s for sound in run),
        end_s=max(sound.end_s for sound in run),
        odds=run_odds(run),
    )


def _unplaced(site: Site) -> Interval:
    hours = sum(period.hours for period in site.periods)
    return poisson_interval(sum(period.unplaced for period in site.periods), hours) if hours > 0 else (0.0, 0.0, 0.0)
