"""When each microphone hears one sound: several answers, because a reflection may be louder than the direct path.

All pairs are correlated (GCC-PHAT). The peaks of the pairs with one microphone are combined into sets of arrival
times, and a set counts as much as the correlations of *all* pairs at its differences: delays that do not close
(tau_ij + tau_jk = tau_ik) find no support. Which of the best sets is the direct sound is for the fit to say, which
knows where things are.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.array_calibration.stretch import BAND_HZ, LEAD_S, Stretch
from trad_array.errors import AudioError
from trad_array.localization.gcc_phat import RELATIVE_FLOOR, correlate
from trad_array.records import FloatArray
from trad_array_geometry import frozen_array, mic_pairs

UPSAMPLE = 16
# Peaks looked at in each pair, sets kept while microphones are added, sets given back (our choice).
_N_PEAKS, _N_BEAMS, _N_SETS = 6, 256, 48
# A peak may move this far when all pairs are reconciled: less than half a lobe of 1 to 7 kHz.
_REFINE_S = 40e-6
# In a room the first moments of a tap tell most: the direct sound has not met its echoes yet. Both the whole sound and
# its first 7 ms (and as long as it takes to reach the last microphone) are looked at (our choice).
_EARLY_S = 0.007
# Support that the best set of unrelated noise reaches, times the root of the number of microphones, in units of chance:
# measured on noise 3.3 with four microphones; never above 3.8 in 40 trials.
_NOISE_SUPPORT = 4.2
# A microphone that the others support this much less than the median one, and no better than noise, does not hear it.
_DEAF_SHARE, _DEAF = 0.35, 1.9


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Possible arrival times of one sound.

    times_s : (n_sets, n_mics), s, mean 0 over the microphones that hear it, NaN for the others
    support : (n_sets,), mean correlation over pairs in units of chance (what unrelated noise gives), best first
    """

    times_s: NDArray[np.float64]
    support: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("times_s", "support"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Which microphones hear it, (n_mics,)."""
        heard: NDArray[np.bool_] = np.isfinite(self.times_s[0])
        return heard

    def reordered(self, channels: NDArray[np.intp]) -> "Arrivals":
        """The same when microphone k is really what was taken for microphone `channels[k]`."""
        return Arrivals(self.times_s[:, channels], self.support)


@dataclass(frozen=True, slots=True, eq=False)
class _Correlations:
    """Correlations of all pairs, by both orders of a pair.

    values : (n_mics, n_mics, n_delays); delays_s : (n_delays,), s
    """

    values: NDArray[np.float64]
    delays_s: NDArray[np.float64]

    def at(self, i: int, j: int, delay_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Correlation of i with j when i hears it later by `delay_s`; 0 beyond the axis."""
        found: NDArray[np.float64] = np.interp(delay_s, self.delays_s, self.values[i, j], left=0.0, right=0.0)
        return found


def measure_arrivals(stretch: Stretch, *, fs: int, max_delay_s: float, label: str) -> Arrivals:
    """Sets of arrival times that the sound allows.

    Parameters
    ----------
    stretch : the sound and the noise before it
    fs : int, Hz
    max_delay_s : float, s, largest delay of any pair, channel delays included
    label : name of the sound, for messages

    Raises
    ------
    AudioError
        If the microphones hear nothing that they agree on.
    """
    reach_s = LEAD_S + _EARLY_S + max_delay_s
    found = [_best_sets(stretch, fs, max_delay_s)]
    if stretch.samples.shape[1] > 1.2 * reach_s * fs:
        early = replace(stretch, samples=stretch.samples[:, : round(reach_s * fs)])
        found.append(_best_sets(early, fs, max_delay_s))
    n_heard = [int(np.isfinite(sets.times_s).all(axis=0).sum()) for sets in found]
    # Supports can be compared when they come from the same microphones.
    found = [sets for sets, n in zip(found, n_heard, strict=True) if n == max(n_heard)]
    times, support = np.concatenate([f.times_s for f in found]), np.concatenate([f.support for f in found])
    order = np.argsort(-support, kind="stable")
    if max(n_heard) < 2 or not support[order[0]] > _NOISE_SUPPORT / np.sqrt(max(n_heard)):
        raise AudioError(f"{label}: expected a sound that several microphones hear, found none that they agree on")
    return Arrivals(times[order], support[order])


def _best_sets(stretch: Stretch, fs: int, max_delay_s: float) -> Arrivals:
    """The best sets of one stretch; all NaN when fewer than two channels hold any sound."""
    correlations = _correlated(stretch, fs, max_delay_s)
    # What unrelated noise reaches: one over the root of duration x bandwidth.
    chance = 1.0 / np.sqrt(stretch.samples.shape[1] / fs * (BAND_HZ[1] - BAND_HZ[0]))
    best = correlations.values.max(axis=2)
    np.fill_diagonal(best, 0.0)
    mics = np.flatnonzero(best.max(axis=1) > 0.0)
    if len(mics) < 2:
        return Arrivals(np.full((1, len(best)), np.nan), np.zeros(1))
    sets = _beams(correlations, [int(k) for k in mics[np.argsort(-best[mics].sum(axis=1), kind="stable")]])
    mics = _hearing(correlations, sets[0], mics, chance)
    refined = np.stack([_refined(correlations, times, mics) for times in sets])
    return Arrivals(refined, np.array([_support(correlations, times, mics) for times in refined]) / chance)


def _hearing(
    correlations: _Correlations, times: NDArray[np.float64], mics: NDArray[np.intp], chance: float
) -> NDArray[np.intp]:
    """The microphones without those that do not hear the sound at all."""
    if len(mics) < 4:
        return mics
    mean = np.array(
        [np.mean([correlations.at(i, j, times[i] - times[j]) for j in mics if j != i]) for i in mics], dtype=np.float64
    )
    kept: NDArray[np.intp] = mics[(mean > _DEAF_SHARE * np.median(mean)) | (mean > _DEAF * chance)]
    return kept


def _correlated(stretch: Stretch, fs: int, max_delay_s: float) -> _Correlations:
    """PHAT of the whole stretch as one frame, each bin by how far it is above the noise in both channels."""
    n_mics, length = stretch.samples.shape
    n = scipy.fft.next_fast_len(length + int(np.ceil(2 * max_delay_s * fs)) + 2, real=True)
    n += n % 2
    hz = np.arange(n // 2) * fs / n
    bins = np.flatnonzero((hz >= BAND_HZ[0]) & (hz <= min(BAND_HZ[1], 0.45 * fs)))
    spectra = scipy.fft.rfft(stretch.samples.astype(np.float64), n, axis=1)[:, bins]
    share = _signal_share(np.abs(spectra) ** 2, stretch, hz[bins], fs)
    reach = int(np.ceil(max_delay_s * fs * UPSAMPLE)) + 1
    values = np.zeros((n_mics, n_mics, 2 * reach + 1))
    for i, j in mic_pairs(n_mics):
        cross = spectra[i] * np.conj(spectra[j])
        size = np.abs(cross)
        weight = np.sqrt(share[i] * share[j])
        audible = (size > RELATIVE_FLOOR * size.max(initial=0.0)) & (weight > 0)
        if not audible.any():
            continue
        phase = np.where(audible, weight * cross / np.where(audible, size, 1.0), 0.0) * (len(bins) / weight.sum())
        values[i, j] = correlate(phase[None], bins, n=n, upsample=UPSAMPLE, reach=reach)[0]
        values[j, i] = values[i, j][::-1]
    return _Correlations(values, np.arange(-reach, reach + 1) / (fs * UPSAMPLE))


def _signal_share(
    power: NDArray[np.float64], stretch: Stretch, hz: NDArray[np.float64], fs: int
) -> NDArray[np.float64]:
    """Share of each bin's power that is not noise, 0 to 1, smoothed over about 100 Hz; shape (n_mics, n_bins)."""
    noise = np.abs(np.fft.rfft(stretch.noise.astype(np.float64), axis=1)) ** 2 / max(stretch.noise.shape[1], 1)
    noise_hz = np.fft.rfftfreq(stretch.noise.shape[1], 1 / fs)
    floor = np.stack([np.interp(hz, noise_hz, _smooth(row, noise_hz)) for row in noise]) * stretch.samples.shape[1]
    level = np.stack([_smooth(row, hz) for row in power])
    share: NDArray[np.float64] = np.clip(1.0 - floor / np.maximum(level, 1e-30), 0.0, 1.0)
    return share


def _smooth(values: FloatArray, hz: FloatArray) -> NDArray[np.float64]:
    size = max(round(100.0 / max(hz[1] - hz[0], 1e-9)), 1) if len(hz) > 1 else 1
    padded = np.pad(values, (size // 2, size - 1 - size // 2), mode="edge")
    smooth: NDArray[np.float64] = np.convolve(padded, np.ones(size) / size, mode="valid")
    return smooth


def _beams(correlations: _Correlations, order: list[int]) -> NDArray[np.float64]:
    """The best sets of arrival times, (n_sets, n_mics); the first microphone of `order` is at 0."""
    n_mics = len(correlations.values)
    times = np.full((1, n_mics), np.nan)
    times[0, order[0]] = 0.0
    score = np.zeros(1)
    for place, k in enumerate(order[1:], start=1):
        # A peak with any of the microphones so far will do: the first one may have missed the direct path.
        offers = [times[:, [j]] + _peaks(correlations, k, j)[None, :] for j in order[:place]]
        candidates = np.concatenate(offers, axis=1)
        gain = sum(correlations.at(k, j, candidates - times[:, [j]]) for j in order[:place])
        total = score[:, None] + gain
        kept = np.argsort(-total, axis=None, kind="stable")[: 4 * _N_BEAMS]
        beam, choice = np.unravel_index(kept, total.shape)
        grown = times[beam].copy()
        grown[:, k] = candidates[beam, choice]
        unique = _different(grown)[:_N_BEAMS]
        times, score = grown[unique], total[beam, choice][unique]
    return times[:_N_SETS]


def _different(times: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the sets that are not within 30 us of an earlier one."""
    rounded = np.round(np.nan_to_num(times) / 30e-6).astype(np.int64)
    _, first = np.unique(rounded, axis=0, return_index=True)
    return np.sort(first)


def _peaks(correlations: _Correlations, i: int, j: int) -> NDArray[np.float64]:
    """Delays of the highest peaks of a pair, s."""
    values = correlations.values[i, j]
    inner = values[1:-1]
    tops = 1 + np.flatnonzero((inner >= values[:-2]) & (inner > values[2:]) & (inner > 0))
    best = tops[np.argsort(-values[tops], kind="stable")[:_N_PEAKS]]
    return correlations.delays_s[best] if len(best) else np.zeros(1)


def _refined(correlations: _Correlations, times: NDArray[np.float64], mics: NDArray[np.intp]) -> NDArray[np.float64]:
    """Least squares over the nearest peaks of all pairs, each by its height; mean 0."""
    rows, targets, weights = [], [], []
    for a, b in mic_pairs(len(mics)):
        i, j = mics[a], mics[b]
        delay, height = _peak_near(correlations, i, j, times[i] - times[j])
        row = np.zeros(len(mics))
        row[a], row[b] = 1.0, -1.0
        rows.append(row)
        targets.append(delay)
        weights.append(max(height, 1e-3))
    weight = np.array(weights)
    # The mean row carries no data of its own: it fixes the mean to 0.
    system = np.concatenate([np.array(rows) * weight[:, None], np.ones((1, len(mics)))])
    solved = np.linalg.lstsq(system, np.append(np.array(targets) * weight, 0.0), rcond=None)[0]
    refined = np.full(len(times), np.nan)
    refined[mics] = solved
    return refined


def _peak_near(correlations: _Correlations, i: int, j: int, delay_s: float) -> tuple[float, float]:
    """Place and height of the highest value within 40 us, by a parabola through three points 4 us apart."""
    delays, values = correlations.delays_s, correlations.values[i, j]
    step = delays[1] - delays[0]
    middle = round((delay_s - delays[0]) / step)
    reach = round(_REFINE_S / step)
    low, high = max(middle - reach, 1), min(middle + reach, len(values) - 2)
    if low > high:
        return delay_s, 0.0
    top = low + int(values[low : high + 1].argmax())
    left, here, right = values[top - 1 : top + 2]
    bend = left - 2 * here + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(delays[top] + float(np.clip(shift, -1.0, 1.0)) * step), float(here)


def _support(correlations: _Correlations, times: NDArray[np.float64], mics: NDArray[np.intp]) -> float:
    pairs = mics[mic_pairs(len(mics))]
    return float(np.mean([correlations.at(i, j, times[i] - times[j]) for i, j in pairs]))
