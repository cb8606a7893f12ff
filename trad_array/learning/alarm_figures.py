"""Scores of test recordings to the figures of an alarm, see `alarm_metrics`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trad_array.detection.trigger import Trigger
from trad_array.learning.alarm_metrics import (
    AlarmCurve,
    EventF1,
    Fooled,
    Latency,
    Rate,
    ScoredEvent,
    alarm_curve,
    block_peaks,
    by_snr,
    event_f1,
    false_alarms_at_recall,
    fooled_by,
    held,
    latency,
    scored_event,
)
from trad_array.learning.scored import Scored

RECALLS = (0.95, 0.99)
# The chain's alarm is over after 2 s of quiet; normal sound is counted in blocks of that length.
_BLOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    """How a detector does as an alarm, at the hold of the chain's default trigger.

    at_recall : false alarms a day by the share of events that is detected (0.95 and 0.99)
    by_snr : false alarms a day at 0.95 of the events of each signal-to-noise ratio, dB; empty where no truth tells it
    latency : of the default trigger; None where no truth tells the onsets
    f1 : of the events that the default trigger finds, onsets at most 0.5 s apart; None where onsets are not known
    fooled : which kinds of normal sound reach the threshold of 0.95
    curve : recall against false alarms a day
    """

    at_recall: Mapping[float, Rate] = field(default_factory=dict)
    by_snr: Mapping[float, Rate] = field(default_factory=dict)
    latency: Latency | None = None
    f1: EventF1 | None = None
    fooled: tuple[Fooled, ...] = ()
    curve: AlarmCurve | None = None


def alarm_figures(scored: Sequence[Scored]) -> AlarmFigures:
    """Figures of the test recordings of one detector; without normal or abnormal ones there are none."""
    normal = [s for s in scored if s.segment.label == "normal"]
    abnormal = [s for s in scored if s.segment.label == "abnormal"]
    hours = sum(s.scored_s for s in normal) / 3600.0
    if not normal or not abnormal:
        return AlarmFigures()
    events = [event_of(s) for s in abnormal]
    event_peaks = np.array([event.peak for event in events])
    normal_peaks = np.concatenate([normal_blocks(s) for s in normal])
    rates = {recall: false_alarms_at_recall(event_peaks, normal_peaks, hours, recall) for recall in RECALLS}
    threshold = rates[RECALLS[0]].threshold
    return AlarmFigures(
        at_recall=rates,
        by_snr={
            snr_db: false_alarms_at_recall(np.array([e.peak for e in some]), normal_peaks, hours, RECALLS[0])
            for snr_db, some in by_snr(events).items()
        },
        latency=latency(events, Trigger().on) if any(event.onset_s is not None for event in events) else None,
        f1=_f1(scored),
        fooled=fooled_by([event_of(s) for s in normal], threshold) if np.isfinite(threshold) else (),
        curve=alarm_curve(event_peaks, normal_peaks, hours),
    )


def event_of(scored: Scored) -> ScoredEvent:
    """A recording as one event: between its true onset and end where they are known, else all of it."""
    truth = scored.segment.known()
    times_s = scored.segment.true_times_s() or (None, None)
    snr_db = truth.get("snr_db")
    return scored_event(
        _held(scored),
        scored.known_s,
        kind=str(truth.get("kind", scored.segment.label)),
        snr_db=float(snr_db) if isinstance(snr_db, int | float) else None,
        onset_s=times_s[0],
        end_s=times_s[1],
    )


def normal_blocks(scored: Scored) -> np.ndarray:
    """Highest score of every 2 s of a recording of normal sound, shape (n_blocks,)."""
    spec = scored.features
    return block_peaks(_held(scored), max(1, round(_BLOCK_S * spec.fs / spec.hop)))


def _held(scored: Scored) -> np.ndarray:
    return held(scored.fused, Trigger.for_features(scored.features).hold_frames)


def _f1(scored: Sequence[Scored]) -> EventF1 | None:
    pairs = []
    for s in scored:
        times_s = s.segment.true_times_s()
        if s.onsets_s is None or (s.segment.label == "abnormal" and times_s is None):
            return None
        pairs.append((s.onsets_s, (times_s[0],) if s.segment.label == "abnormal" and times_s else ()))
    return event_f1(pairs)
