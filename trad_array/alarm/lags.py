"""Is a channel late, or are two exchanged? Told from everyday sound, against how the array heard the site before.

Fans and converters that stay where they are give each pair of microphones a mean cross-phase (PHAT weighting, Knapp &
Carter, 1976) that stays the same for months, echoes and all. The correlation of today's with the learned one has a peak
at 0. A channel whose samples slipped moves the peaks of all its pairs by one amount, and no other pair; exchanged
channels put each other's phases in their places. What is not heard steadily enough says "not observable", never "fine".

Only changes can be seen so. Whether the array hung as its layout says from the first day is asked by
`trad-array calibrate`. Numbers are our choice.
"""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.array_calibration.swaps import Order
from trad_array.features.log_mel import hann_window
from trad_array.localization.gcc_phat import band_bins, correlate, frame_length
from trad_array.records import FloatArray
from trad_array_geometry import mic_pairs

ComplexArray = NDArray[np.complexfloating]
LEARNING, NOTHING_STEADY, CONTRADICTS = "still learning", "nothing steady is heard", "pairs contradict each other"


@dataclass(frozen=True, slots=True)
class LagRule:
    """How lags are supervised; our choice.

    band_hz : where steady noise of a cabin is, and its wavelengths are not much shorter than the room changes
    every_s : one second of so many is listened to
    epoch : seconds listened to before a look is taken (60 at 10 s: ten minutes)
    learn : epochs of the baseline (an hour)
    follow : epochs over which the baseline follows slow changes, as those of temperature (six hours)
    forget : epochs without anything observable after which the baseline is learned anew (two days)
    max_lag_s : largest slip that is looked for
    similar : correlation with the baseline that counts as heard
    same_s : shifts within this are one; warmer air makes less
    late_s : a channel is late from here on
    """

    band_hz: tuple[float, float] = (300.0, 3_000.0)
    every_s: int = 10
    epoch: int = 60
    learn: int = 6
    follow: int = 36
    forget: int = 288
    max_lag_s: float = 0.03
    similar: float = 0.4
    same_s: float = 100e-6
    late_s: float = 150e-6


@dataclass(frozen=True, slots=True, eq=False)
class LagState:
    """What was heard of the cross-phases.

    skip : seconds until the next is listened to
    fs : Hz, 0 before the first
    total, n : sum over the seconds of this epoch, (n_pairs, n_bins), and their number
    learned : epochs of the baseline that is not whole
    baseline : (n_pairs, n_bins), or None
    unseen : epochs in a row in which nothing was observable
    why_not : of each microphone, why it is not observable, or ""
    """

    skip: int = 0
    fs: int = 0
    total: ComplexArray | None = None
    n: int = 0
    learned: tuple[ComplexArray, ...] = ()
    baseline: ComplexArray | None = None
    unseen: int = 0
    why_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LagLook:
    """What one epoch says.

    late_s : of each microphone, s against the baseline and the others, or None when it is not observable
    order : microphone k is heard in what was microphone `order[k]`; None when it cannot be told
    likeness : of each microphone, the mean correlation of its pairs with the baseline
    """

    late_s: tuple[float | None, ...]
    order: Order | None
    likeness: tuple[float, ...] = ()

    @property
    def late(self) -> tuple[int, ...]:
        """Microphones that are late or early."""
        return tuple(k for k, value in enumerate(self.late_s) if value)


def lag_step(rule: LagRule, state: LagState, second: FloatArray, *, fs: int) -> tuple[LagState, LagLook | None]:
    """Take a second of sound, (n_mics, n), full scale = 1; at the end of an epoch take a look."""
    if fs != state.fs:
        state = LagState(fs=fs, why_not=(LEARNING,) * len(second))
    if state.skip:
        return replace(state, skip=state.skip - 1), None
    phases = _cross_phases(rule, second, fs)
    total = phases if state.total is None else state.total + phases
    state = replace(state, skip=rule.every_s - 1, total=total, n=state.n + 1)
    if state.n < rule.epoch:
        return state, None
    return _end_epoch(rule, replace(state, total=None, n=0), total / state.n, n_mics=len(second))


def _cross_phases(rule: LagRule, second: FloatArray, fs: int) -> ComplexArray:
    """Mean whitened cross-spectrum of each pair, (n_pairs, n_bins)."""
    n = _frame(rule, fs)
    frames = second[:, : second.shape[1] // n * n].reshape(len(second), -1, n)
    spectra = scipy.fft.rfft(frames * hann_window(n), axis=-1)[:, :, band_bins(n, fs, rule.band_hz)]
    size = np.abs(spectra)
    phases = np.divide(spectra, size, out=np.zeros_like(spectra), where=size > 1e-9)
    i, j = mic_pairs(len(second)).T
    mean: ComplexArray = np.mean(phases[i] * np.conj(phases[j]), axis=1)
    return mean


def _frame(rule: LagRule, fs: int) -> int:
    return frame_length(1024, rule.max_lag_s * fs, ratio=3)


def n_bins(rule: LagRule, fs: int) -> int:
    """Number of frequencies of a baseline at a capture rate."""
    return len(band_bins(_frame(rule, fs), fs, rule.band_hz))


def _end_epoch(rule: LagRule, state: LagState, now: ComplexArray, *, n_mics: int) -> tuple[LagState, LagLook]:
    if state.baseline is None:
        return _learn(rule, state, now, n_mics=n_mics), LagLook((None,) * n_mics, None)
    look, why_not = _look(rule, state.baseline, now, fs=state.fs, n_mics=n_mics)
    straight = look.order is None or look.order == tuple(range(n_mics))
    baseline = state.baseline
    if not look.late and straight and any(value is not None for value in look.late_s):
        baseline = baseline + (now - baseline) / rule.follow
    unseen = state.unseen + 1 if look.order is None and all(value is None for value in look.late_s) else 0
    if unseen >= rule.forget:
        return LagState(fs=state.fs, why_not=(LEARNING,) * n_mics), look
    return replace(state, baseline=baseline, unseen=unseen, why_not=why_not), look


def _learn(rule: LagRule, state: LagState, now: ComplexArray, *, n_mics: int) -> LagState:
    """Gather the baseline; of one whose halves differ the older half is given up."""
    learned = (*state.learned, now)
    if len(learned) < rule.learn:
        return replace(state, learned=learned)
    half = len(learned) // 2
    halves = np.mean(learned[:half], axis=0), np.mean(learned[half:], axis=0)
    likeness, _ = _shifts(rule, halves[0], halves[1], fs=state.fs)
    if np.median(likeness) < rule.similar:
        return replace(state, learned=learned[half:], why_not=(NOTHING_STEADY,) * n_mics)
    return replace(state, learned=(), baseline=np.mean(learned, axis=0), why_not=("",) * n_mics)


def _shifts(
    rule: LagRule, baseline: ComplexArray, now: ComplexArray, *, fs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest correlation of each pair with its baseline, and the shift at which it is, s; both (n_pairs,)."""
    n, upsample = _frame(rule, fs), 8
    bins = band_bins(n, fs, rule.band_hz)
    reach = int(rule.max_lag_s * fs * upsample)
    correlations = correlate(now * np.conj(baseline), bins, n=n, upsample=upsample, reach=reach)
    likeness = correlations * (len(bins) / np.maximum(_norm(now) * _norm(baseline), 1e-12))[:, None]
    best = likeness.argmax(axis=1)
    return likeness.max(axis=1), (best - reach) / (fs * upsample)


def _norm(phases: ComplexArray) -> NDArray[np.float64]:
    size: NDArray[np.float64] = np.linalg.norm(phases, axis=1)
    return size


def _look(
    rule: LagRule, baseline: ComplexArray, now: ComplexArray, *, fs: int, n_mics: int
) -> tuple[LagLook, tuple[str, ...]]:
    likeness, shifts_s = _shifts(rule, baseline, now, fs=fs)
    pairs = mic_pairs(n_mics)
    heard = likeness >= rule.similar
    of_mic = tuple(float(likeness[(pairs == k).any(axis=1)].mean()) for k in range(n_mics))
    order = _order(rule, baseline, now, pairs, n_mics)
    straight = tuple(range(n_mics))
    if order not in (None, straight):
        return LagLook((None,) * n_mics, order, of_mic), ("exchanged",) * n_mics
    delays = _delays(rule, pairs[heard], shifts_s[heard], n_mics)
    if delays is None:
        return LagLook((None,) * n_mics, order, of_mic), (CONTRADICTS if heard.any() else NOTHING_STEADY,) * n_mics
    # With one pair only, a microphone that is late cannot be told from a source that moved.
    seen = [int((pairs[heard] == k).any(axis=1).sum()) >= 2 for k in range(n_mics)]
    late_s = tuple(
        None if not seen[k] else 0.0 if abs(delays[k]) < rule.late_s else float(delays[k]) for k in range(n_mics)
    )
    return LagLook(late_s, order, of_mic), tuple("" if s else NOTHING_STEADY for s in seen)


def _delays(
    rule: LagRule, pairs: NDArray[np.intp], shifts_s: NDArray[np.float64], n_mics: int
) -> NDArray[np.float64] | None:
    """How late each channel is against most of the others, s; None when the pairs do not agree on that.

    At most half of the channels may be late, and all by the same: another source, heard instead of those of the
    baseline, moves every pair by something else.
    """
    if len(pairs) < 2:
        return None
    system = np.zeros((len(pairs), n_mics))
    rows = np.arange(len(pairs))
    system[rows, pairs[:, 0]], system[rows, pairs[:, 1]] = 1.0, -1.0
    delays, _, rank, _ = np.linalg.lstsq(system, shifts_s, rcond=None)
    there = np.unique(pairs)
    if rank < len(there) - 1 or np.abs(system @ delays - shifts_s).max() > rule.same_s:
        return None
    near = np.abs(delays[there][:, None] - delays[there]) < rule.same_s
    most = near[int(near.sum(axis=1).argmax())]
    rest = there[~most]
    if 2 * most.sum() < len(there) or (len(rest) and np.ptp(delays[rest]) > rule.same_s):
        return None
    out = np.zeros(n_mics)
    out[there] = delays[there] - np.median(delays[there[most]])
    return out


def _order(
    rule: LagRule, baseline: ComplexArray, now: ComplexArray, pairs: NDArray[np.intp], n_mics: int
) -> Order | None:
    """The order of channels that fits the baseline best without any shift; None when none fits, or several do."""
    number = {(int(i), int(j)): p for p, (i, j) in enumerate(pairs)}
    norms = np.maximum(np.outer(_norm(now), _norm(baseline)), 1e-12)
    straight = np.real(now @ np.conj(baseline).T) / norms
    turned = np.real(now @ baseline.T) / norms

    def fit(order: Order) -> float:
        values = [
            straight[p, number[order[i], order[j]]] if order[i] < order[j] else turned[p, number[order[j], order[i]]]
            for p, (i, j) in enumerate(pairs)
        ]
        return float(np.mean(values))

    ranked = sorted(((fit(order), order) for order in _orders(n_mics)), reverse=True)
    best, order = ranked[0]
    if best < rule.similar or (len(ranked) > 1 and best < ranked[1][0] + 0.5 * rule.similar):
        return None
    return order


def _orders(n_mics: int) -> list[Order]:
    """All orders of up to four channels; of more, those with one exchange."""
    if n_mics <= 4:
        return list(permutations(range(n_mics)))
    orders = [tuple(range(n_mics))]
    for i, j in mic_pairs(n_mics):
        order = list(range(n_mics))
        order[i], order[j] = order[j], order[i]
        orders.append(tuple(order))
    return orders
