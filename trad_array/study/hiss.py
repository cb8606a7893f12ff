"""The sound of a study: a steady hiss with a broad hump, as of a valve that blows.

A vent of `simulation/sounds.py` pops and decays. The hiss is what is left of it after some ten milliseconds; it is
steady, so that both engines can mean the same. The detection part and the finalists of a ranking hear whole vents.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.simulation.synthesis import faded, shaped_noise

# Where the hump may be, Hz; the vents of `simulation/sounds.py` slide through this range.
PEAK_HZ = (2_500.0, 6_000.0)
# Raised-cosine ends, s.
_ENDS_S = 0.002


def hump(frequencies_hz: NDArray[np.float64], peak_hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Power density up to a factor: rises with f^2 below the peak, falls with f^-2 above, as `synthesis.jet_noise`."""
    squared = (frequencies_hz / peak_hz) ** 2
    return np.asarray(squared / (1.0 + squared**2))


def hiss_density(frequencies_hz: NDArray[np.float64], peak_hz: float, *, fs: int) -> NDArray[np.float64]:
    """Power density of a hiss of rms 1, shape as `frequencies_hz`; its mean from 0 to half the rate is 1."""
    grid = scipy.fft.rfftfreq(4096, 1.0 / fs)
    return np.asarray(hump(frequencies_hz, peak_hz) / hump(grid, peak_hz).mean())


def peak_hz(seed: int, sound: int) -> float:
    """Where the hump of one of the study's hisses is."""
    low, high = np.log(PEAK_HZ)
    return float(np.exp(_rng(seed, sound).uniform(low, high)))


def hiss(seed: int, sound: int, *, fs: int, duration_s: float) -> NDArray[np.float32]:
    """One of the study's hisses, rms about 1; shape (round(duration_s * fs),)."""
    peak = peak_hz(seed, sound)
    rng = _rng(seed, sound).spawn(1)[0]
    n = round(duration_s * fs)
    steady = shaped_noise(rng, n=n, fs=fs, power=lambda f: hump(f, peak))
    return faded(steady, fs=fs, attack_s=_ENDS_S, release_s=_ENDS_S).astype(np.float32)


def _rng(seed: int, sound: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0x4155, sound])
