"""Steady noise of a cabin at microphones: fans and converter through the room, moving air, and the microphones' own."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.simulation.rooms import Responses
from trad_array.simulation.sounds import fan, hum, pcs_whine
from trad_array.simulation.synthesis import shaped_noise

# Self-noise of an ICS-43434: 65 dB below 94 dB SPL, which is -26 dBFS.
SELF_NOISE_DBFS = -91.0
# Air that moves past the capsules: not sound, so each microphone has its own; 14 dB below the fans. Our choice.
AIR_GAIN = 0.2


def cabin_noise(
    rng: np.random.Generator, cabin: Responses, *, n: int, noise_dbfs: float, fan_speed: float
) -> NDArray[np.float64]:
    """Steady noise at the microphones: fans and converter through the room, and a part of each microphone.

    The sources start early by the length of the responses, so that the room is already full at sample 0.

    Parameters
    ----------
    rng : numpy.random.Generator
    cabin : Responses
        From the places of `noise_places`, the converter last, to the microphones.
    n : int, samples
    noise_dbfs : float, dB re full scale, mean over the microphones, their self-noise left out
    fan_speed : float, factor on the speed of the fans

    Returns
    -------
    array, shape (n_mics, n)
    """
    fs = cabin.fs
    n_sources, n_mics, lead = cabin.impulse.shape
    signals = noise_signals(rng, n_sources, n=n + lead, fs=fs, fan_speed=fan_speed)
    coherent = through_room(signals, cabin.impulse, n + lead)[:, lead:]
    coherent /= np.sqrt(np.mean(coherent**2))
    own = np.stack([moving_air(rng, n=n, fs=fs) for _ in range(n_mics)])
    noise = coherent + AIR_GAIN * own
    noise *= 10 ** (noise_dbfs / 20) / np.sqrt(np.mean(noise**2))
    return noise + 10 ** (SELF_NOISE_DBFS / 20) * rng.standard_normal(noise.shape)


def noise_signals(
    rng: np.random.Generator, n_sources: int, *, n: int, fs: int, fan_speed: float
) -> NDArray[np.float32]:
    """What each steady source gives off: fans, each at a speed of its own, and the converter last; (n_sources, n)."""
    long_s = n / fs
    fans = [fan(rng, fs=fs, seconds=long_s, speed=fan_speed * rng.uniform(0.9, 1.1)) for _ in range(n_sources - 1)]
    converter = 0.10 * hum(rng, fs=fs, seconds=long_s) + 0.01 * pcs_whine(rng, fs=fs, seconds=long_s)
    return np.stack([*fans, converter])


def moving_air(rng: np.random.Generator, *, n: int, fs: int) -> NDArray[np.float64]:
    """Noise of air at one capsule, rms 1, below 150 Hz and falling 6 dB an octave above; shape (n,)."""
    return shaped_noise(rng, n=n, fs=fs, power=lambda f: 1.0 / (1.0 + (f / 150.0) ** 2))


def through_room(
    signals: NDArray[np.float32], impulse: NDArray[np.float32], n: int, *, start: int = 0
) -> NDArray[np.float64]:
    """Sum over sources of signal * response at every microphone, emitted at `start`, cut to n samples; (n_mics, n)."""
    length = signals.shape[1] + impulse.shape[-1] - 1
    size = scipy.fft.next_fast_len(length, real=True)
    total = np.zeros((impulse.shape[1], size // 2 + 1), dtype=np.complex128)
    for signal, responses in zip(signals, impulse, strict=True):
        total += scipy.fft.rfft(signal.astype(np.float64), size) * scipy.fft.rfft(responses.astype(np.float64), size)
    heard = np.zeros((impulse.shape[1], n))
    used = min(length, n - start)
    heard[:, start : start + used] = scipy.fft.irfft(total, size)[:, :used]
    return heard
