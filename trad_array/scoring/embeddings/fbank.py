"""Filter bank energies as Kaldi computes them, which BEATs and EAT were trained on; NumPy and SciPy alone.

After Kaldi's `feature-window` and `mel-computations`: frames of 25 ms every 10 ms that lie wholly in the sound
(snip_edges), mean of the frame removed, pre-emphasis, window, power spectrum, triangles that are straight in mel,
natural logarithm. There is no dither.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.records import FloatArray
from trad_array_geometry import frozen_array

FS = 16_000
FRAME, SHIFT, N_FFT = 400, 160, 512
_PREEMPHASIS = 0.97
_LOWEST_HZ = 20.0
# Energy that silence has, so that its logarithm is finite: single precision's epsilon, as in Kaldi.
_FLOOR = float(np.finfo(np.float32).eps)
WINDOWS = ("povey", "hanning")


def n_frames_of(n_samples: int) -> int:
    """Frames in a stretch of that many samples."""
    return 0 if n_samples < FRAME else 1 + (n_samples - FRAME) // SHIFT


def kaldi_fbank(samples: FloatArray, *, n_mels: int = 128, window: str = "povey") -> NDArray[np.float32]:
    """Log energies of mel bands from 20 Hz to 8 kHz.

    Parameters
    ----------
    samples : array, shape (n_samples,), 16 kHz, in whatever scale the encoder wants
    window : "povey" (a Hann window to the power of 0.85) or "hanning"

    Returns
    -------
    array, shape (n_frames_of(n_samples), n_mels), natural logarithm of energy
    """
    if len(samples) < FRAME:
        return np.zeros((0, n_mels), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), FRAME)[::SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = scipy.fft.rfft((frames - _PREEMPHASIS * before) * _window(window), N_FFT)
    power = spectrum.real**2 + spectrum.imag**2
    energy: NDArray[np.float64] = np.maximum(power @ _mel_bank(n_mels).T, _FLOOR)
    return np.log(energy).astype(np.float32)


@lru_cache(maxsize=4)
def _window(name: str) -> NDArray[np.float64]:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1))
    return frozen_array(hann**0.85 if name == "povey" else hann, np.float64)


@lru_cache(maxsize=4)
def _mel_bank(n_mels: int) -> NDArray[np.float64]:
    """Triangles over the bins of the spectrum, shape (n_mels, N_FFT // 2 + 1); the last bin has no part in any."""
    bins = _mel(np.arange(N_FFT // 2 + 1) * FS / N_FFT)
    edges = np.linspace(_mel(np.array(_LOWEST_HZ)), _mel(np.array(FS / 2)), n_mels + 2)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre))
    triangles[:, -1] = 0.0
    return frozen_array(np.maximum(triangles, 0.0), np.float64)


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(hz / 700.0)
