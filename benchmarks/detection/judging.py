"""What detectors said, counted: the figures of one system. Nothing here simulates or scores."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from corpus import A_DAY, SNRS_DB
from listening import Frames, Told
from numpy.typing import NDArray
from takes import VENT

from trad_array.detection.tail import tail_of
from trad_array.learning.alarm_metrics import (
    HOURS_A_DAY,
    AlarmCurve,
    Fooled,
    Latency,
    Rate,
    ScoredEvent,
    alarm_curve,
    false_alarms_at_recall,
    fooled_by,
    latency,
    partial_auc,
    poisson_interval,
)

RECALLS = (0.95, 0.99)
# Where recall is asked for with few false alarms, and where frames and clips are told apart in one number, dB.
ALARM_SNR_DB, CLIP_SNR_DB = -10.0, -20.0
# False alarms a day on normal sound at which recall is told.
WANTED_PER_DAY = 1.0
# Share of the highest maxima that the tail is fitted to, and their least number. Our choice.
_TAIL_SHARE, _LEAST_TAIL = 0.1, 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, and how many vents, takes or alarms stand behind it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """How one detector does.

    auc : of single frames of single microphones, by SNR; auc_mean : the same with the causal mean of 0.5 s
    auc_early : so averaged, frames of the first second alone
    home, home_mean : at home, where training was; single frames, and averaged
    home_normal : false alarms a day on normal sound at home, at 0.95 of the events at `ALARM_SNR_DB` there
    clip_auc, pauc : at `CLIP_SNR_DB`, of whole takes and of frames up to a false positive rate of 0.1
    threshold : `WANTED_PER_DAY` false alarms on normal sound, by the tail of its maxima; counted : how many were above
    recall : by SNR, events at that threshold: hits and their number
    normal, everyday : false alarms a day by the recall (0.95, 0.99) of events at `ALARM_SNR_DB`
    latency : at `threshold`, of events at `ALARM_SNR_DB`
    fooled : at 0.95 recall, the worst kind first; () when that recall cannot be reached
    curve, everyday_curve : recall at `ALARM_SNR_DB` against false alarms a day
    hours : of normal sound
    """

    auc: Mapping[float, Estimate]
    auc_mean: Mapping[float, Estimate]
    auc_early: Mapping[float, Estimate]
    home: Mapping[float, Estimate]
    home_mean: Mapping[float, Estimate]
    home_normal: Rate
    clip_auc: float | None
    pauc: float | None
    threshold: float
    counted: int
    recall: Mapping[float, tuple[int, int]]
    normal: Mapping[float, Rate]
    everyday: Mapping[float, Estimate]
    latency: Latency
    fooled: tuple[Fooled, ...]
    curve: AlarmCurve | None
    everyday_curve: AlarmCurve | None
    hours: float


def figures_of(told: Sequence[Told]) -> Figures:
    """All figures of one system from what it said of every take of the test."""
    home = [t for t in told if t.place.suite == "home"]
    told = [t for t in told if t.place.suite != "home"]
    vents = [t for t in told if t.place.kind == VENT]
    events = [event for t in vents for event in t.events]
    negatives = [event for t in told if t.place.kind != VENT for event in t.events]
    blocks, hours = _normal(told)
    by_snr = {snr_db: [event for event in events if event.snr_db == snr_db] for snr_db in SNRS_DB}
    threshold = tail_threshold(blocks, hours, per_day=WANTED_PER_DAY)
    peaks = _peaks(by_snr[ALARM_SNR_DB])
    normal = {recall: false_alarms_at_recall(peaks, blocks, hours, recall) for recall in RECALLS}
    at_recall = normal[RECALLS[0]].threshold
    return Figures(
        auc=frame_aucs(vents, smoothed=False),
        auc_mean=frame_aucs(vents, smoothed=True),
        auc_early=frame_aucs(vents, smoothed=True, early=True),
        home=frame_aucs(home, smoothed=False),
        home_mean=frame_aucs(home, smoothed=True),
        home_normal=_at_home(home),
        clip_auc=_clip_auc(vents),
        pauc=_pauc(vents),
        threshold=threshold,
        counted=int((blocks >= threshold).sum()),
        recall={snr_db: (int((_peaks(some) >= threshold).sum()), len(some)) for snr_db, some in by_snr.items()},
        normal=normal,
        everyday={r: everyday_rate(negatives, blocks, hours, threshold=normal[r].threshold) for r in RECALLS},
        latency=latency(by_snr[ALARM_SNR_DB], threshold),
        fooled=fooled_by(negatives, at_recall) if math.isfinite(at_recall) else (),
        curve=alarm_curve(peaks, blocks, hours),
        everyday_curve=_everyday_curve(peaks, negatives, blocks, hours),
        hours=hours,
    )


def _normal(told: Iterable[Told]) -> tuple[NDArray[np.float64], float]:
    """Maxima of all blocks of normal sound, and its hours."""
    blocks = [(t.blocks, t.hours) for t in told if t.blocks is not None]
    return np.concatenate([peaks for peaks, _ in blocks]).astype(np.float64), sum(hours for _, hours in blocks)


def _at_home(told: Sequence[Told]) -> Rate:
    events = [event for t in told for event in t.events if event.snr_db == ALARM_SNR_DB]
    return false_alarms_at_recall(_peaks(events), *_normal(told), RECALLS[0])


def frame_aucs(told: Iterable[Told], *, smoothed: bool, early: bool = False) -> dict[float, Estimate]:
    """Frame AUC by SNR: truly venting frames against frames of the same cabins with nothing in them.

    Notes
    -----
    The area is the mean over venting frames of the share of normal frames below them, so it is also the mean over
    vents, weighted by their frames. Its interval is that of a ratio of means over vents (Cochran, Sampling Techniques,
    1977, section 6.4): frames of one vent are no independent trials.
    """
    which = int(smoothed)
    both = [(t.quiet[which], t.venting) for t in told if t.quiet and t.venting]
    if not both:
        return {}
    normal = np.sort(np.concatenate([quiet.values.ravel() for quiet, _ in both]))
    return {db: _auc_over_vents(normal, [venting[db][which] for _, venting in both], early=early) for db in both[0][1]}


def _auc_over_vents(normal: NDArray[np.float32], vents: Sequence[Frames], *, early: bool) -> Estimate:
    values = [(vent.values[:, vent.early] if early else vent.values).ravel() for vent in vents]
    used = [some for some in values if some.size]
    below = np.array([_share_below(normal, values).sum() for values in used])
    sizes = np.array([len(values) for values in used], dtype=np.float64)
    value = float(below.sum() / sizes.sum())
    n = len(used)
    spread = np.sqrt(np.sum((below - value * sizes) ** 2) / max(n - 1, 1) / n) / sizes.mean()
    return Estimate(value, max(value - 1.96 * spread, 0.0), min(value + 1.96 * spread, 1.0), n)


def _share_below(ordered: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of the ordered values below each, ties counting half."""
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray(below / (2 * len(ordered)))


def _clip_auc(vents: Sequence[Told]) -> float | None:
    pairs = [(t.quiet[0].clips, t.clip[CLIP_SNR_DB]) for t in vents if t.quiet and t.clip]
    if not pairs:
        return None
    normal, abnormal = (np.concatenate(values) for values in zip(*pairs, strict=True))
    return float(_share_below(np.sort(normal), abnormal).mean())


def _pauc(vents: Sequence[Told]) -> float | None:
    both = [(t.quiet[0], t.venting[CLIP_SNR_DB][0]) for t in vents if t.quiet and t.venting]
    if not both:
        return None
    pairs = [(quiet.values.ravel(), venting.values.ravel()) for quiet, venting in both]
    normal, abnormal = (np.concatenate(values) for values in zip(*pairs, strict=True))
    return partial_auc(normal, abnormal)


def _peaks(events: Iterable[ScoredEvent]) -> NDArray[np.float64]:
    return np.array([event.peak for event in events])


def tail_threshold(maxima: NDArray[np.float64], hours: float, *, per_day: float) -> float:
    """Level that maxima of normal sound exceed so often a day, by the tail of the highest tenth of them.

    Parameters
    ----------
    maxima : array, shape (n,), of blocks; hours : that they lasted

    Notes
    -----
    The middle of the levels that `trad_array.detection.tail` gives, as for the threshold of a site; a site is
    refused one from so few hours.
    """
    finite = np.sort(maxima[np.isfinite(maxima)])[::-1]
    k = min(max(_LEAST_TAIL, int(_TAIL_SHARE * len(finite))), len(finite) - 1)
    if k < 1:
        return math.inf
    if k * HOURS_A_DAY / hours <= per_day:
        # Many days were heard: the level is counted.
        return float(finite[max(int(per_day * hours / HOURS_A_DAY), 1) - 1])
    tail = tail_of(finite, np.ones_like(finite), hours, n=k)
    return float(finite[0]) if tail is None else tail.levels(per_day)[1]


def everyday_rate(
    negatives: Sequence[ScoredEvent], blocks: NDArray[np.float64], hours: float, *, threshold: float
) -> Estimate:
    """False alarms on a day of everyday sounds and normal sound: `A_DAY` times the share of each kind that is above.

    Notes
    -----
    Shares have Wilson intervals, normal sound the exact Poisson one; that of the sum is put together from the distances
    of its parts (Zou & Donner, Stat. Med. 27, 2008). Rain and speech count once a minute.
    """
    count = int((blocks >= threshold).sum())
    parts = [tuple(x * HOURS_A_DAY / hours for x in (count, *poisson_interval(count)))]
    if math.isfinite(threshold):
        for f in fooled_by(negatives, threshold):
            a_day = A_DAY.get(f.kind, 0)
            parts.append((a_day * f.share, a_day * f.low, a_day * f.high))
    else:
        # Whatever sounds is an alarm.
        parts += [(a_day, a_day, a_day) for a_day in A_DAY.values()]
    value, low, high = (np.array(column) for column in zip(*parts, strict=True))
    total = float(value.sum())
    below, above = (float(np.sqrt(np.sum((value - end) ** 2))) for end in (low, high))
    return Estimate(total, max(total - below, 0.0), total + above, len(negatives))


def _everyday_curve(
    peaks: NDArray[np.float64], negatives: Sequence[ScoredEvent], blocks: NDArray[np.float64], hours: float
) -> AlarmCurve | None:
    """As `alarm_curve`, on a day of everyday sounds."""
    by_kind = {kind: np.sort([e.peak for e in negatives if e.kind == kind]) for kind in A_DAY}
    everything = np.concatenate([peaks, blocks, *by_kind.values()])
    thresholds = np.unique(everything[np.isfinite(everything)])[::-1]
    if len(peaks) == 0 or len(thresholds) == 0:
        return None
    rate = _above(np.sort(blocks), thresholds) * HOURS_A_DAY / hours
    for kind, ordered in by_kind.items():
        rate = rate + (A_DAY[kind] * _above(ordered, thresholds) / len(ordered) if len(ordered) else 0.0)
    recall = _above(np.sort(peaks), thresholds) / len(peaks)
    return AlarmCurve(threshold=thresholds, false_alarms_per_day=rate, recall=recall, hours=hours)


def _above(ordered: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many of the ordered values reach each threshold."""
    return np.asarray(len(ordered) - np.searchsorted(ordered, thresholds, side="left"), dtype=np.float64)
