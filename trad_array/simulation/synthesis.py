"""What the simulated sounds are made of: shaped noise, sliding humps, ringing, envelopes.

Every function returns float64 of shape (n,); the level is said in each.
"""

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Signal = NDArray[np.float64]


def unit_rms(signal: Signal) -> Signal:
    """The signal at rms 1; silence stays silence."""
    rms = float(np.sqrt(np.mean(signal**2))) if len(signal) else 0.0
    return signal / rms if rms > 0 else signal


def shaped_noise(rng: np.random.Generator, *, n: int, fs: int, power: Callable[[Signal], Signal]) -> Signal:
    """Stationary Gaussian noise of rms 1 whose power density follows `power(frequencies_hz)`."""
    size = scipy.fft.next_fast_len(max(n, 2), real=True)
    density = power(scipy.fft.rfftfreq(size, 1.0 / fs))
    phasors = rng.standard_normal((2, len(density)))
    noise = scipy.fft.irfft((phasors[0] + 1j * phasors[1]) * np.sqrt(density), size)[:n]
    return unit_rms(np.asarray(noise, dtype=np.float64))


def band_noise(rng: np.random.Generator, *, n: int, fs: int, low_hz: float, high_hz: float) -> Signal:
    """Noise of rms 1 between two frequencies, with skirts of 24 dB an octave."""
    return shaped_noise(
        rng,
        n=n,
        fs=fs,
        power=lambda f: 1.0 / ((1.0 + (low_hz / np.maximum(f, 1.0)) ** 8) * (1.0 + (f / high_hz) ** 8)),
    )


def jet_noise(rng: np.random.Generator, peak_hz: Signal, *, fs: int) -> Signal:
    """Noise with a broad hump at `peak_hz`, which may slide; about rms 1 all along.

    Parameters
    ----------
    rng : numpy.random.Generator
    peak_hz : array, shape (n,), Hz, where the hump is at each sample
    fs : int, Hz

    Notes
    -----
    The density rises with f^2 below the hump and falls with f^-2 above, roughly as the noise of a jet does; the curve
    is our choice.
    """
    # The hump stands still for frames of 16 ms that overlap by half.
    n, hop = len(peak_hz), round(0.008 * fs)
    frame = 2 * hop
    n_frames = -(-n // hop) + 1
    white = rng.standard_normal((n_frames + 1) * hop)
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame))
    frames = np.lib.stride_tricks.sliding_window_view(white, frame)[::hop] * window
    centres = np.clip(np.arange(n_frames) * hop, 0, n - 1)
    ratio = scipy.fft.rfftfreq(frame, 1.0 / fs)[None, :] / peak_hz[centres][:, None]
    density = ratio**2 / (1.0 + ratio**4)
    gain = np.sqrt(density / density.mean(axis=1, keepdims=True))
    shaped = scipy.fft.irfft(scipy.fft.rfft(frames, axis=1) * gain, frame, axis=1) * window
    out = np.zeros((n_frames + 1, hop))
    out[:-1] += shaped[:, :hop]
    out[1:] += shaped[:, hop:]
    return out.ravel()[hop : hop + n]


def ringing(rng: np.random.Generator, *, n: int, fs: int, modes_hz: Signal, decay_s: float) -> Signal:
    """Damped oscillations that start together at sample 0, each of amplitude 0.5 to 1 and at its own phase."""
    t = np.arange(n) / fs
    gains = rng.uniform(0.5, 1.0, len(modes_hz))
    phases = rng.uniform(0.0, 2.0 * np.pi, len(modes_hz))
    waves = np.sin(2 * np.pi * modes_hz[:, None] * t + phases[:, None])
    return np.asarray((gains[:, None] * waves).sum(axis=0) * np.exp(-t / decay_s), dtype=np.float64)


def faded(signal: Signal, *, fs: int, attack_s: float, release_s: float) -> Signal:
    """The signal with raised-cosine ends, each at most half of it long."""
    n = len(signal)
    out = signal.copy()
    for seconds, end in ((attack_s, slice(None)), (release_s, slice(None, None, -1))):
        m = min(int(seconds * fs), n // 2)
        out[end][:m] *= 0.5 - 0.5 * np.cos(np.pi * (np.arange(m) + 0.5) / max(m, 1))
    return out


def wandering(rng: np.random.Generator, *, n: int, fs: int, depth: float, per_s: float = 1.0) -> Signal:
    """A factor around 1 that wanders smoothly by about `depth` (standard deviation) `per_s` times a second."""
    knots = max(int(np.ceil(n / fs * per_s)) + 3, 4)
    at = np.linspace(0, knots - 1, n) if n else np.zeros(0)
    values = rng.standard_normal(knots)
    low = np.minimum(at.astype(np.intp), knots - 2)
    blend = 0.5 - 0.5 * np.cos(np.pi * (at - low))
    return np.asarray(1.0 + depth * ((1 - blend) * values[low] + blend * values[low + 1]), dtype=np.float64)
