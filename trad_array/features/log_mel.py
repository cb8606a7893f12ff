"""Log-mel frames as in the LiB-TRAD paper: 16 kHz, window 1024, hop 512, 64 mel bands, fixed decibel reference.

Computed from NumPy alone; equal to librosa's `melspectrogram(center=False)` and `power_to_db(ref=1, top_db=None)`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.records import FloatArray
from trad_array_geometry import frozen_array

FRONT_ENDS = ("floor", "absolute", "waveform")
# Power below which a band counts as silent; 1e-10 is -100 dB, the default of librosa's power_to_db.
FLOOR_POWER = 1e-10
# Frames transformed at a time: an hour in one block must not need the memory of its overlapping windows.
_BATCH_FRAMES = 256


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What a scorer must be fed.

    fs : Hz
    n_fft, hop : samples; frame k covers samples [k * hop, k * hop + n_fft)
    n_mels : mel bands between f_min_hz and f_max_hz (Slaney scale and normalisation)
    front_end : "floor" (decibels above the tracked noise floor), "absolute" (decibels re full scale), or "waveform"
        (the samples themselves: a frame is `n_fft` of them, and nothing is said of bands)

    The numbers are the paper's (section 3); the front end is our choice.
    """

    fs: int = 16_000
    n_fft: int = 1024
    hop: int = 512
    n_mels: int = 64
    f_min_hz: float = 0.0
    f_max_hz: float = 8_000.0
    front_end: str = "floor"

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.n_fft:
            raise ConfigError(f"features.hop: expected 1 to n_fft = {self.n_fft}, found {self.hop}")
        if not 0 <= self.f_min_hz < self.f_max_hz <= self.fs / 2:
            raise ConfigError(
                f"features: expected 0 <= f_min_hz < f_max_hz <= {self.fs / 2:g}, found "
                f"{self.f_min_hz:g} and {self.f_max_hz:g}"
            )
        if self.front_end not in FRONT_ENDS:
            raise ConfigError(f'features.front_end: expected one of {", ".join(FRONT_ENDS)}, found "{self.front_end}"')

    @property
    def n_values(self) -> int:
        """Numbers in a frame: mel bands, or samples."""
        return self.n_fft if self.front_end == "waveform" else self.n_mels


def frames_of(samples: FloatArray, spec: FeatureSpec) -> FloatArray:
    """Frames of every channel as a front end takes them up; nothing is padded or centred.

    Parameters
    ----------
    samples : array, shape (n_mics, n_samples), full scale = 1
    spec : FeatureSpec

    Returns
    -------
    array, shape (n_mics, n_frames, spec.n_values), n_frames as of `log_mel`; log-mel frames, or for the front end
        "waveform" a read-only view of the samples
    """
    if spec.front_end != "waveform":
        return log_mel(samples, spec)
    if samples.shape[1] < spec.n_fft:
        return np.zeros((samples.shape[0], 0, spec.n_fft), dtype=samples.dtype)
    view: FloatArray = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft, axis=1)[:, :: spec.hop]
    return view


def log_mel(samples: FloatArray, spec: FeatureSpec) -> NDArray[np.float32]:
    """Log-mel frames of every channel; nothing is padded or centred.

    Parameters
    ----------
    samples : array, shape (n_mics, n_samples), full scale = 1
    spec : FeatureSpec

    Returns
    -------
    array, shape (n_mics, n_frames, n_mels), dB re full scale squared,
        n_frames = 1 + (n_samples - n_fft) // hop, or 0 for fewer samples than a window
    """
    n_mics, n_samples = samples.shape
    if n_samples < spec.n_fft:
        return np.zeros((n_mics, 0, spec.n_mels), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft, axis=1)[:, :: spec.hop]
    levels = np.empty((n_mics, frames.shape[1], spec.n_mels), dtype=np.float32)
    for first in range(0, frames.shape[1], _BATCH_FRAMES):
        batch = slice(first, first + _BATCH_FRAMES)
        spectrum = scipy.fft.rfft(frames[:, batch] * hann_window(spec.n_fft), axis=-1)
        power = spectrum.real**2 + spectrum.imag**2
        levels[:, batch] = power @ mel_bank(spec).T
    np.maximum(levels, np.float32(FLOOR_POWER), out=levels)
    np.log10(levels, out=levels)
    levels *= 10.0
    return levels


def band_centres_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    """Centre frequency of each mel band; shape (n_mels,), Hz."""
    return _mel_edges_hz(spec)[1:-1]


@lru_cache(maxsize=8)
def hann_window(n: int) -> NDArray[np.float32]:
    """Periodic Hann window, shape (n,)."""
    return frozen_array(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n), np.float32)


@lru_cache(maxsize=8)
def mel_bank(spec: FeatureSpec) -> NDArray[np.float32]:
    """Triangular filters of equal area (Slaney, Auditory Toolbox, 1998); shape (n_mels, n_fft // 2 + 1)."""
    edges = _mel_edges_hz(spec)
    bins = np.arange(spec.n_fft // 2 + 1) * spec.fs / spec.n_fft
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre))
    return frozen_array(np.maximum(triangles, 0.0) * 2.0 / (upper - lower), np.float32)


# Slaney's mel scale: linear below 1 kHz (200/3 Hz a mel), logarithmic above (27 steps for a factor of 6.4).
_LINEAR_HZ = 200.0 / 3.0
_KNEE_HZ = 1_000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


@lru_cache(maxsize=8)
def _mel_edges_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    mels = np.linspace(_hz_to_mel(spec.f_min_hz), _hz_to_mel(spec.f_max_hz), spec.n_mels + 2)
    above = _KNEE_HZ * np.exp(_LOG_STEP * (np.maximum(mels, _KNEE_MEL) - _KNEE_MEL))
    return frozen_array(np.where(mels < _KNEE_MEL, mels * _LINEAR_HZ, above))


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _KNEE_HZ else float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)
