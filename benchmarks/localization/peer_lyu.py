"""The method of Lyu et al. 2021, after its description: written here.

Wavelet denoising with a threshold, plain cross-correlation of the four channels for the delays of the pairs, then a
position by least squares. What the description leaves open was settled in favour of the method, see `Lyu`.
"""

from dataclasses import dataclass

import numpy as np
import pywt
import scipy.fft
from numpy.typing import NDArray
from peer_common import finite, heard_and_mics, nearness

from trad_array_geometry import Layout, max_pair_delays, mic_pairs, pair_delays

_WAVELET, _LEVELS = "db4", 5
# Details of the two finest levels: above fs / 8, which is 2 kHz at 16 kHz.
_FINE = 2


@dataclass(frozen=True, slots=True)
class Lyu:
    """db4 to level 5, soft universal threshold, cross-correlation peak, least squares in the cells' plane.

    The noise of each level is taken from its quietest twentieth: the usual median of the finest level is filled by a
    hiss itself (19 instead of 20 of 20 easy scenes right; at an SNR of -10 dB 4 instead of 14 of 40).
    Peaks are looked for among the delays a pair can have, and refined with a parabola. The height is fixed at that of
    the cells; the solver starts at the cell that fits the delays best.

    thresholded : False keeps the levels above 2 kHz as they are and drops the others. A universal threshold removes a
        hiss that is not far above the noise; what the rest of the method can do without it is worth a row.
    """

    name: str
    thresholded: bool

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        heard, mics = heard_and_mics(samples, layout)
        clean = np.stack([_denoised(channel, thresholded=self.thresholded) for channel in heard])
        delays_s = _pair_peaks(clean, fs=fs, limits_s=max_pair_delays(mics, speed_of_sound=speed_of_sound))
        return finite(nearness(_position(delays_s, mics, layout, speed_of_sound), layout))


PEERS = (
    Lyu("Lyu 2021 (wavelet threshold, delays, then position)", thresholded=True),
    Lyu("Lyu 2021 without its threshold, above 2 kHz", thresholded=False),
)


def _denoised(channel: NDArray[np.float64], *, thresholded: bool) -> NDArray[np.float64]:
    levels = pywt.wavedec(channel, _WAVELET, level=_LEVELS)
    if thresholded:
        factor = np.sqrt(2.0 * np.log(len(channel)))
        levels = [np.sign(c) * np.maximum(np.abs(c) - factor * _quiet_noise(c), 0.0) for c in levels]
    else:
        levels[:-_FINE] = [np.zeros_like(c) for c in levels[:-_FINE]]
    clean: NDArray[np.float64] = pywt.waverec(levels, _WAVELET)[: len(channel)]
    return clean


def _quiet_noise(coefficients: NDArray[np.float64]) -> float:
    """Robust noise level of the quietest of twenty stretches."""
    stretches = np.array_split(coefficients, 20)
    return float(min(np.median(np.abs(stretch)) for stretch in stretches)) / 0.6745


def _pair_peaks(clean: NDArray[np.float64], *, fs: int, limits_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Delays of the pairs' cross-correlation peaks, shape (n_pairs,), s, in the order of `mic_pairs`."""
    n = scipy.fft.next_fast_len(2 * clean.shape[1], real=True)
    spectra = scipy.fft.rfft(clean, n, axis=1)
    delays_s = []
    for (i, j), limit_s in zip(mic_pairs(len(clean)), limits_s, strict=True):
        reach = int(limit_s * fs)
        lags = np.arange(-reach - 1, reach + 2)
        r = scipy.fft.irfft(spectra[i] * np.conj(spectra[j]), n)[lags]
        peak = 1 + int(np.argmax(r[1:-1]))
        left, middle, right = r[peak - 1 : peak + 2]
        bend = left - 2.0 * middle + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        delays_s.append(np.clip((lags[peak] + np.clip(shift, -0.5, 0.5)) / fs, -limit_s, limit_s))
    return np.array(delays_s)


def _position(
    delays_s: NDArray[np.float64], mics: NDArray[np.float64], layout: Layout, speed_of_sound: float
) -> NDArray[np.float64]:
    from scipy.optimize import least_squares

    height = float(np.median(layout.cells[:, 2]))

    def misfit_m(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        point = np.array([[xy[0], xy[1], height]])
        return (pair_delays(point, mics, speed_of_sound=speed_of_sound)[0] - delays_s) * speed_of_sound

    fits = np.sum((pair_delays(layout.cells, mics, speed_of_sound=speed_of_sound) - delays_s) ** 2, axis=1)
    start = layout.cells[int(fits.argmin()), :2]
    return np.array([*least_squares(misfit_m, start).x, height])
