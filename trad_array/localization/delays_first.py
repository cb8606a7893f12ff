"""One delay for each pair of microphones, then the place that fits the delays: after Lyu et al. 2021.

Wavelet denoising, plain cross-correlation of the channels, the highest peak among the delays that a pair can have. The
description ends with a position from these delays; here the known places compete by how far their delays are from the
heard ones: cells, guard points, and a coarse grid of the room. A method that settles on one peak a pair before it asks
where the sound can come from is misled by a strong reflection (docs/localization-results.md); it is here for
comparison. Numbers are our choice where nothing else is said.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.features.wavelets import DB4, decomposed, recomposed, soft_threshold, universal_factor
from trad_array.localization.cells import ROOM, room_grid
from trad_array.records import Block, CellMap, FloatArray
from trad_array_geometry import Layout, max_pair_delays, mic_pairs, pair_delays

N_LEVELS = 5
# Stretches among which the quietest tells the noise of a level: the usual median is filled by a hiss itself.
_STRETCHES = 20
# Median of |x| of a standard normal x.
_MEDIAN_DEVIATION = 0.6745
# Details of the two finest levels: above fs / 8, which is 2 kHz at 16 kHz.
_FINE = 2
# A sound that is less than this times louder than its quietest twentieth has no background in the cut.
_LASTING = 1.5
# Samples before the onset that are heard too.
_BEFORE = 1600


@dataclass(frozen=True, slots=True)
class DelaysFirst:
    """Least residual of the pairs' delays.

    thresholded : the universal threshold on all levels; False keeps the levels above fs / 8 as they are and drops the
        others, because the threshold removes a hiss that is not far above the noise
    grid_m, clearance_m : pitch of the room grid; its points nearer than this to a cell are left out
    delay_error_s : error of a heard delay that makes a place less probable by half a neper, for each of the
        independent delays
    agreement_s : residual (root mean square) beyond which no place is believed
    """

    thresholded: bool = True
    grid_m: float = 0.25
    clearance_m: float = 0.3
    delay_error_s: float = 30e-6
    agreement_s: float = 150e-6

    def __call__(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> CellMap:
        """Map one cut; see `trad_array.localization.localizer.Localizer`."""
        mics = layout.array_mics
        clean = denoised(cut.samples[mics], thresholded=self.thresholded)
        first = 0 if onset is None else max(onset - cut.start - _BEFORE, 0)
        positions, lateness_s = layout.mics[mics], layout.mic_delay_s[mics]
        pairs = mic_pairs(len(mics))
        late_s = lateness_s[pairs[:, 0]] - lateness_s[pairs[:, 1]]
        limits_s = max_pair_delays(positions, speed_of_sound=speed_of_sound)
        heard_s = peak_delays(clean[:, first:], fs=cut.fs, limits_s=limits_s, late_s=late_s)
        expected_s, names = _places(layout, speed_of_sound, self.grid_m, self.clearance_m)
        residual_s = np.sqrt(np.mean((expected_s - (heard_s - late_s)) ** 2, axis=1))
        probability, elsewhere = self._probabilities(residual_s, layout.n_cells, len(mics) - 1)
        others = residual_s[layout.n_cells :]
        return CellMap(
            power=1.0 / (1.0 + (residual_s[: layout.n_cells] / self.delay_error_s) ** 2),
            probability=probability,
            elsewhere=elsewhere,
            place=names[int(others.argmin())] if len(others) else None,
            onset=cut.start if onset is None else onset,
            speed_of_sound=speed_of_sound,
            pair_delays_s=heard_s,
            pairs=mics[pairs],
        )

    def _probabilities(
        self, residual_s: NDArray[np.float64], n_cells: int, n_independent: int
    ) -> tuple[NDArray[np.float64], float]:
        """A normal error of each independent delay; the best other place, or none that fits, stands for elsewhere."""
        per_delay = -0.5 * n_independent / self.delay_error_s**2
        nowhere = min(float(residual_s[n_cells:].min(initial=np.inf)), self.agreement_s)
        fit = per_delay * np.append(residual_s[:n_cells], nowhere) ** 2
        weights = np.exp(fit - fit.max())
        weights /= weights.sum()
        return weights[:-1], float(weights[-1])


def denoised(channels: FloatArray, *, thresholded: bool) -> NDArray[np.float64]:
    """What wavelet denoising leaves of each channel, shape (n_mics, n).

    The noise of a level is that of its quietest twentieth. Where that is hardly quieter than the rest on the two finest
    levels, the sound lasts all the time, and a threshold would remove it: then there is none.
    """
    n = channels.shape[1]
    padded = np.pad(channels.astype(np.float64), ((0, 0), (0, -n % 2**N_LEVELS)))
    levels = decomposed(padded, DB4, levels=N_LEVELS)
    if thresholded and not all(_lasts(values) for values in levels[-_FINE:]):
        factor = universal_factor(n)
        levels = [soft_threshold(values, factor * _quiet_noise(values)) for values in levels]
    else:
        levels = [np.zeros_like(values) for values in levels[:-_FINE]] + levels[-_FINE:]
    return recomposed(levels, DB4)[:, :n]


def _quiet_noise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust deviation of the quietest of twenty stretches of each channel, shape (n_mics, 1)."""
    stretches = np.array_split(np.abs(values), min(_STRETCHES, values.shape[1]), axis=1)
    quiet: NDArray[np.float64] = np.min([np.median(s, axis=1, keepdims=True) for s in stretches], axis=0)
    return quiet / _MEDIAN_DEVIATION


def _lasts(values: NDArray[np.float64]) -> bool:
    """Whether a level is about as loud as in its quietest stretch, most of the time and on most channels."""
    usual = np.median(np.abs(values), axis=1, keepdims=True) / _MEDIAN_DEVIATION
    return bool(np.median(usual / np.maximum(_quiet_noise(values), 1e-30)) < _LASTING)


def peak_delays(
    clean: NDArray[np.float64], *, fs: int, limits_s: NDArray[np.float64], late_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Delay of the highest cross-correlation of each pair.

    Parameters
    ----------
    clean : array, shape (n_mics, n_samples)
    limits_s : array, shape (n_pairs,), s, largest delay that the sound itself can have, in the order of `mic_pairs`
    late_s : array, shape (n_pairs,), s, what the channels' known delays add to it

    Returns
    -------
    array, shape (n_pairs,), s; between samples by a parabola

    Raises
    ------
    AudioError
        If the sound is shorter than the largest delay.
    """
    need = int(np.max(limits_s + np.abs(late_s)) * fs) + 3
    if clean.shape[1] < need:
        raise AudioError(f"expected at least {need} samples to compare the microphones, found {clean.shape[1]}")
    n = scipy.fft.next_fast_len(2 * clean.shape[1], real=True)
    spectra = scipy.fft.rfft(clean, n, axis=1)
    delays_s = np.empty(len(limits_s))
    for k, (i, j) in enumerate(mic_pairs(len(clean))):
        low, high = int(np.floor((late_s[k] - limits_s[k]) * fs)), int(np.ceil((late_s[k] + limits_s[k]) * fs))
        lags = np.arange(low - 1, high + 2)
        r = scipy.fft.irfft(spectra[i] * np.conj(spectra[j]), n)[lags]
        peak = 1 + int(np.argmax(r[1:-1]))
        left, middle, right = r[peak - 1 : peak + 2]
        bend = left - 2.0 * middle + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        delays_s[k] = (lags[peak] + np.clip(shift, -0.5, 0.5)) / fs
    return np.clip(delays_s, late_s - limits_s, late_s + limits_s)


@lru_cache(maxsize=16)
def _places(
    layout: Layout, speed_of_sound: float, grid_m: float, clearance_m: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Pair delays, (n_places, n_pairs), s, of cells, guard points and room grid; names of those after the cells."""
    grid = room_grid(layout, grid_m=grid_m, clearance_m=clearance_m)
    points = np.concatenate([layout.cells, layout.guards, grid])
    expected_s = pair_delays(points, layout.mics[layout.array_mics], speed_of_sound=speed_of_sound)
    return expected_s, layout.guard_names + (ROOM,) * len(grid)
