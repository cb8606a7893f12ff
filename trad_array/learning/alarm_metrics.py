"""What an alarm is judged by: false alarms a day at a wanted recall, latency, event F1, partial AUC.

Pure counting on plain numbers; nothing here reads sound. Whatever gives a score every so often can be judged: a chain,
a benchmark's detector, somebody else's. An alarm at threshold t is a score that reaches t, `score >= t`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np
from numpy.typing import NDArray

from trad_array.records import FloatArray
from trad_array.reliability import wilson
from trad_array_geometry import frozen_array

HOURS_A_DAY = 24.0
# Width of the bins of signal-to-noise ratios, dB. Our choice.
SNR_STEP_DB = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class ScoredEvent:
    """What a detector said while one thing sounded; enough to judge it at any threshold.

    kind : what sounded, such as "vent" or "air-tool"
    snr_db : dB, or None when it is not known
    onset_s, end_s : when it sounded, s since the recording began; None when that is not known
    rise_s, rise : (n,) each, the running maximum of the score: when it rose (s since the recording began, the moment
        at which the score was known), and what it rose to, ascending
    """

    kind: str
    snr_db: float | None
    onset_s: float | None
    end_s: float | None
    rise_s: NDArray[np.float64]
    rise: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("rise_s", "rise"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        if self.rise_s.ndim != 1 or self.rise_s.shape != self.rise.shape or (np.diff(self.rise) <= 0).any():
            raise ValueError(f"expected times and ascending maxima, got {self.rise_s.shape} and {self.rise.shape}")

    @property
    def peak(self) -> float:
        """Highest score; -inf when there was none."""
        return float(self.rise[-1]) if len(self.rise) else -np.inf

    def first_above(self, threshold: float) -> float | None:
        """When the score first reached `threshold`, s since the recording began, or None."""
        n = int(np.searchsorted(self.rise, threshold, side="left"))
        return float(self.rise_s[n]) if n < len(self.rise) else None


def scored_event(
    scores: FloatArray,
    known_s: FloatArray,
    *,
    kind: str,
    snr_db: float | None = None,
    onset_s: float | None = None,
    end_s: float | None = None,
    slack_s: float = 0.5,
) -> ScoredEvent:
    """An event from the scores of the recording in which it sounds.

    Parameters
    ----------
    scores : array, shape (n,), best those of `held`
    known_s : array, shape (n,), ascending, when each score was known (the end of its frame), s
    onset_s, end_s : only scores that became known between onset and `end_s + slack_s` count; None for no such limit
    slack_s : what a detector may lag behind; our choice
    """
    first = 0 if onset_s is None else int(np.searchsorted(known_s, onset_s, side="right"))
    last = len(scores) if end_s is None else int(np.searchsorted(known_s, end_s + slack_s, side="right"))
    times_s, during = (np.asarray(v[first:last], dtype=np.float64) for v in (known_s, scores))
    before = np.maximum.accumulate(np.concatenate([[-np.inf], during]))[:-1]
    rises = np.flatnonzero(during > before)
    return ScoredEvent(kind, snr_db, onset_s, end_s, times_s[rises], during[rises])


def held(scores: FloatArray, n: int) -> NDArray[np.float64]:
    """The level that the last `n` scores all reached, shape (n_frames,); -inf for the first n - 1.

    A rule that wants n scores in a row at or above t raises its alarm exactly where this reaches t.
    """
    values = np.full(len(scores), -np.inf)
    if len(scores) >= n:
        values[n - 1 :] = np.lib.stride_tricks.sliding_window_view(scores, n).min(axis=1)
    return values


def block_peaks(scores: FloatArray, block: int) -> NDArray[np.float64]:
    """Highest score of every `block` scores of normal sound; the last block may be shorter.

    Each block at or above a threshold counts as one false alarm there. Blocks as long as an alarm takes to be over
    (2 s in the chain) keep one clatter from counting twice, while a sound that lasts counts once a block: that is on
    the side of caution.
    """
    if len(scores) == 0:
        return np.zeros(0)
    peaks: NDArray[np.float64] = np.maximum.reduceat(np.asarray(scores, dtype=np.float64), range(0, len(scores), block))
    return peaks


@dataclass(frozen=True, slots=True)
class Rate:
    """False alarms a day, and what stands behind the figure.

    value, low, high : a day; counted, and the exact 95 % interval
    count : false alarms
    hours : of normal sound
    threshold : of the score
    recall : share of the events that is detected at that threshold
    n_events : how many events that is a share of
    """

    value: float
    low: float
    high: float
    count: int
    hours: float
    threshold: float
    recall: float
    n_events: int


def poisson_interval(count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of the mean of a Poisson variable (Garwood, Biometrika 28, 1936)."""
    from scipy.special import gammaincinv

    tail = (1.0 - confidence) / 2.0
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1.0 - tail))


def threshold_at_recall(event_peaks: FloatArray, recall: float) -> float:
    """Highest threshold at which at least that share of the events is detected.

    Raises ValueError without events, or when `recall` is not above 0 and at most 1.
    """
    if len(event_peaks) == 0 or not 0 < recall <= 1:
        raise ValueError(f"expected events and a recall above 0 and at most 1, got {len(event_peaks)} and {recall:g}")
    needed = ceil(recall * len(event_peaks) - 1e-9)
    return float(np.sort(event_peaks)[-needed])


def false_alarms_at_recall(event_peaks: FloatArray, normal_peaks: FloatArray, hours: float, recall: float) -> Rate:
    """False alarms a day at the highest threshold that still detects that share of the events.

    Parameters
    ----------
    event_peaks : array, shape (n_events,), highest score of each event, -inf where there was none
    normal_peaks : array, shape (n,), highest scores of normal sound, one for each block or event in it
    hours : length of that normal sound
    recall : wanted, above 0 and at most 1; 99 % of fewer than 100 events are all of them

    Raises
    ------
    ValueError
        If there are no events, no normal sound, or `recall` is out of range.
    """
    if not hours > 0:
        raise ValueError(f"expected more than 0 hours of normal sound, got {hours:g}")
    threshold = threshold_at_recall(event_peaks, recall)
    count = int((np.asarray(normal_peaks) >= threshold).sum())
    low, high = poisson_interval(count)
    a_day = HOURS_A_DAY / hours
    return Rate(
        value=count * a_day,
        low=low * a_day,
        high=high * a_day,
        count=count,
        hours=hours,
        threshold=threshold,
        recall=float((np.asarray(event_peaks) >= threshold).mean()),
        n_events=len(event_peaks),
    )


def by_snr(events: Iterable[ScoredEvent], *, step_db: float = SNR_STEP_DB) -> Mapping[float, tuple[ScoredEvent, ...]]:
    """Events by their signal-to-noise ratio, rounded to whole steps, ascending; those without one are left out."""
    bins: dict[float, list[ScoredEvent]] = {}
    for event in events:
        if event.snr_db is not None:
            bins.setdefault(step_db * round(event.snr_db / step_db) + 0.0, []).append(event)
    return {snr_db: tuple(bins[snr_db]) for snr_db in sorted(bins)}


@dataclass(frozen=True, slots=True)
class Latency:
    """From onset to detection, s; of the events that were detected and whose onset is known.

    median_s, q95_s : s, None when no event was detected
    n_detected, n : events that were, and all
    """

    median_s: float | None
    q95_s: float | None
    n_detected: int
    n: int


def latency(events: Sequence[ScoredEvent], threshold: float) -> Latency:
    """How long after their onset events reach `threshold`; those whose onset is not known are left out."""
    timed = [(event.first_above(threshold), event.onset_s) for event in events if event.onset_s is not None]
    late = [at - onset for at, onset in timed if at is not None]
    median, q95 = np.quantile(late, [0.5, 0.95]).tolist() if late else (None, None)
    return Latency(median_s=median, q95_s=q95, n_detected=len(late), n=len(timed))


@dataclass(frozen=True, slots=True)
class EventF1:
    """Detections against true onsets.

    hits : pairs of a detection and an event; extra : detections left over; missed : events left over
    """

    hits: int
    extra: int
    missed: int

    @property
    def f1(self) -> float | None:
        """2 hits / (2 hits + extra + missed); None when there was nothing to find and nothing was found."""
        total = 2 * self.hits + self.extra + self.missed
        return 2 * self.hits / total if total else None


def event_f1(recordings: Iterable[tuple[Sequence[float], Sequence[float]]], *, tolerance_s: float = 0.5) -> EventF1:
    """Match detections with events, one to one, where their onsets are at most `tolerance_s` apart.

    Parameters
    ----------
    recordings : for each, the onsets that were found and the true ones, s
    tolerance_s : our choice; on a line, matching in the order of time gives as many pairs as there can be
    """
    hits = extra = missed = 0
    for found, true in recordings:
        pairs = _pairs(sorted(found), sorted(true), tolerance_s)
        hits, extra, missed = hits + pairs, extra + len(found) - pairs, missed + len(true) - pairs
    return EventF1(hits=hits, extra=extra, missed=missed)


def _pairs(found: Sequence[float], true: Sequence[float], tolerance_s: float) -> int:
    pairs = f = t = 0
    while f < len(found) and t < len(true):
        apart = found[f] - true[t]
        pairs += abs(apart) <= tolerance_s
        f += apart <= tolerance_s
        t += apart >= -tolerance_s
    return pairs


def partial_auc(normal: FloatArray, abnormal: FloatArray, *, max_fpr: float = 0.1) -> float | None:
    """Standardised area under the ROC curve up to a false positive rate; None without either kind of score.

    Parameters
    ----------
    normal, abnormal : array, shape (n,)
    max_fpr : above 0 and at most 1

    Notes
    -----
    Standardised as in McClish (Med. Decis. Making 9, 1989), which is also what scikit-learn's `roc_auc_score` with
    `max_fpr` does and the DCASE challenge reports: 0.5 is guessing and 1 is perfect, whatever `max_fpr`. Ties are
    joined by straight lines.
    """
    if len(normal) == 0 or len(abnormal) == 0:
        return None
    thresholds = np.unique(np.concatenate([normal, abnormal]))[::-1]
    fpr = np.concatenate([[0.0], _share_at_least(normal, thresholds)])
    tpr = np.concatenate([[0.0], _share_at_least(abnormal, thresholds)])
    stop = int(np.searchsorted(fpr, max_fpr, side="right"))
    x = np.append(fpr[:stop], max_fpr)
    y = np.append(tpr[:stop], np.interp(max_fpr, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1]))
    area = float(np.trapezoid(y, x))
    least, most = max_fpr**2 / 2.0, max_fpr
    return 0.5 * (1.0 + (area - least) / (most - least))


def _share_at_least(values: FloatArray, thresholds: FloatArray) -> NDArray[np.float64]:
    """Share of the values that reach each threshold."""
    return 1.0 - np.searchsorted(np.sort(values), thresholds, side="left") / len(values)


@dataclass(frozen=True, slots=True, eq=False)
class AlarmCurve:
    """Recall against false alarms a day, one point for each threshold; arrays of shape (n,).

    threshold : descending
    false_alarms_per_day, recall : ascending
    hours : of normal sound behind it; a rate below 24 / hours cannot be told from none
    """

    threshold: NDArray[np.float64]
    false_alarms_per_day: NDArray[np.float64]
    recall: NDArray[np.float64]
    hours: float

    def __post_init__(self) -> None:
        for name in ("threshold", "false_alarms_per_day", "recall"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))


def alarm_curve(event_peaks: FloatArray, normal_peaks: FloatArray, hours: float) -> AlarmCurve | None:
    """The curve of a detector; None without events or without normal sound.

    Arguments as of `false_alarms_at_recall`.
    """
    if len(event_peaks) == 0 or not hours > 0:
        return None
    peaks = np.concatenate([event_peaks, normal_peaks])
    thresholds = np.unique(peaks[np.isfinite(peaks)])[::-1]
    counts = len(normal_peaks) * _share_at_least(normal_peaks, thresholds) if len(normal_peaks) else 0.0 * thresholds
    return AlarmCurve(
        threshold=thresholds,
        false_alarms_per_day=np.round(counts) * HOURS_A_DAY / hours,
        recall=_share_at_least(event_peaks, thresholds),
        hours=hours,
    )


@dataclass(frozen=True, slots=True)
class Fooled:
    """How often one kind of sound that is not a vent was taken for one.

    kind : of sound
    n, n_above : how many there were, and how many reached the threshold
    share, low, high : of those; 95 % interval (Wilson)
    """

    kind: str
    n: int
    n_above: int
    share: float
    low: float
    high: float


def fooled_by(negatives: Iterable[ScoredEvent], threshold: float) -> tuple[Fooled, ...]:
    """Which sounds reach the threshold, the worst kind first."""
    if not isfinite(threshold):
        raise ValueError(f"expected a finite threshold, got {threshold}")
    peaks: dict[str, list[float]] = {}
    for event in negatives:
        peaks.setdefault(event.kind, []).append(event.peak)
    found = []
    for kind, values in peaks.items():
        above = sum(peak >= threshold for peak in values)
        low, high = (float(limit) for limit in wilson(above, len(values)))
        found.append(Fooled(kind, len(values), above, above / len(values), low, high))
    return tuple(sorted(found, key=lambda f: (-f.share, f.kind)))
