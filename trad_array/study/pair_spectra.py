"""What cross-spectra of pairs of microphones will be on average: of a hiss at a cell, and of the cabin's noise.

Both in the units of `trad_array.localization.event_correlations`: Hann-windowed frames of samples at full scale 1.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.features.log_mel import hann_window

# Bins on each side from which a Hann window still takes power: its side lobes fall below a thousandth.
_LEAK_BINS = 3
# Frames of noise whose spectra are held at once.
_FRAMES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """How sound is cut: samples of a frame, from frame to frame, and the bins used, (n_bins,), evenly spaced."""

    n: int
    hop: int
    bins: NDArray[np.intp]


def noise_spectra(noise: NDArray[np.float32], frames: Frames) -> NDArray[np.complex64]:
    """Mean of X X^H over the whole noise; (n_mics, n) to (n_bins, n_mics, n_mics)."""
    cut = np.lib.stride_tricks.sliding_window_view(noise, frames.n, axis=1)[:, :: frames.n // 2]
    window = hann_window(frames.n).astype(np.float32)
    total = np.zeros((len(frames.bins), len(noise), len(noise)), dtype=np.complex128)
    for first in range(0, cut.shape[1], _FRAMES):
        spectra = scipy.fft.rfft(cut[:, first : first + _FRAMES] * window, axis=-1)[:, :, frames.bins]
        by_bin = np.ascontiguousarray(spectra.transpose(2, 0, 1))
        total += by_bin @ by_bin.conj().transpose(0, 2, 1)
    return np.asarray(total / cut.shape[1], dtype=np.complex64)


def weighted_spectra(
    samples: NDArray[np.float32], weights: NDArray[np.float64], frames: Frames
) -> NDArray[np.complex64]:
    """Weighted sums of X X^H over the frames of a stretch.

    Parameters
    ----------
    samples : array, shape (n_mics, n)
    weights : array, shape (n_sums, n_frames)
    frames : Frames

    Returns
    -------
    array, shape (n_sums, n_bins, n_mics, n_mics)
    """
    cut = np.lib.stride_tricks.sliding_window_view(samples, frames.n, axis=1)[:, :: frames.hop]
    window = hann_window(frames.n).astype(np.float32)
    spectra = scipy.fft.rfft(cut * window, axis=-1)[:, :, frames.bins]
    by_bin = np.ascontiguousarray(spectra.transpose(2, 0, 1))
    other = by_bin.conj().transpose(0, 2, 1)
    return np.stack([(by_bin * row.astype(np.float32)) @ other for row in weights]).astype(np.complex64)


def signal_spectra(
    responses: NDArray[np.float32], lag_weights: NDArray[np.float64], frames: Frames
) -> NDArray[np.complex64]:
    """Mean of X X^H for a source of white noise of variance 1 behind some responses.

    Parameters
    ----------
    responses : array, shape (n_mics, n)
    lag_weights : array, shape (n_lags,)
        For every lag of a response, the share of the frames' weight in which sound that is so late is heard; what is
        later than the last is not heard.
    frames : Frames

    Returns
    -------
    array, shape (n_bins, n_mics, n_mics)

    Notes
    -----
    For steady sound, the mean periodogram of windowed frames is the spectrum smoothed by the window's own (Percival &
    Walden, Spectral Analysis for Physical Applications, 1993, chapter 6); that holds for cross-spectra as well. It is
    done on a grid that is a whole number of times finer than the bins.
    """
    n = min(responses.shape[1], len(lag_weights))
    fine = max(-(-n // frames.n), 4)
    size = fine * frames.n
    weighted = responses[:, :n] * np.sqrt(lag_weights[:n]).astype(np.float32)
    spectra = scipy.fft.rfft(weighted, size, axis=-1)
    kernel = _leakage(frames.n, fine)
    reach = len(kernel) // 2
    first = frames.bins[0] * fine - reach
    last = frames.bins[-1] * fine + reach + 1
    part = spectra[:, max(first, 0) : last]
    part = np.pad(part, ((0, 0), (max(-first, 0), max(last - spectra.shape[1], 0))))
    out = np.empty((len(frames.bins), len(responses), len(responses)), dtype=np.complex64)
    for i in range(len(responses)):
        for j in range(i + 1):
            cross = part[i] * np.conj(part[j])
            around = np.lib.stride_tricks.sliding_window_view(cross, len(kernel))[::fine]
            out[:, i, j] = around @ kernel
            out[:, j, i] = np.conj(out[:, i, j])
    return out


def _leakage(n: int, fine: int) -> NDArray[np.float32]:
    """What a bin takes from the grid around it, ``|W|^2 / size``; shape (2 * reach + 1,)."""
    size = n * fine
    spectrum = np.abs(scipy.fft.fft(hann_window(n).astype(np.float64), size)) ** 2 / size
    reach = _LEAK_BINS * fine
    return np.concatenate([spectrum[-reach:], spectrum[: reach + 1]]).astype(np.float32)
