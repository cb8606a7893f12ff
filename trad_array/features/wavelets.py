"""Orthogonal wavelets on NumPy alone: decomposition, reconstruction, packet energies, denoising.

Stretches are taken as periodic, so that a transform of n samples has n coefficients and keeps the energy. Equal to
PyWavelets with `mode="periodization"`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array_geometry import frozen_array

# Low-pass filter of Daubechies' wavelet with four vanishing moments (Ten Lectures on Wavelets, 1992, table 6.1), in the
# order of a decomposition.
DB4 = frozen_array(
    np.array(
        [
            -0.010597401785069032,
            0.0328830116668852,
            0.030841381835560764,
            -0.18703481171909309,
            -0.027983769416859854,
            0.6308807679298589,
            0.7148465705529157,
            0.2303778133088965,
        ]
    ),
    np.float64,
)

Filter = NDArray[np.float64]


def halves(x: NDArray[np.floating], low: Filter) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper half of the band, each at half the rate.

    Parameters
    ----------
    x : array, shape (..., n), n even; taken as periodic
    low : array, shape (n_taps,), low-pass filter of an orthogonal wavelet, n_taps even

    Returns
    -------
    two arrays, shape (..., n // 2)
    """
    n, taps = x.shape[-1], len(low)
    if n % 2:
        raise AudioError(f"wavelet: expected an even number of samples, found {n}")
    around = np.take(x, np.arange(1 - taps // 2, n + taps // 2 - 1) % n, axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(around, taps, axis=-1)[..., ::2, :]
    both = windows @ np.stack([low[::-1], high_pass(low)[::-1]], axis=1)
    return both[..., 0], both[..., 1]


def joined(lower: NDArray[np.float64], upper: NDArray[np.float64], low: Filter) -> NDArray[np.float64]:
    """Opposite of `halves`; two arrays of shape (..., n) to (..., 2 n)."""
    n, taps = lower.shape[-1], len(low)
    high = high_pass(low)
    out = np.zeros((*lower.shape[:-1], 2 * n))
    for tap in range(taps):
        places = (2 * np.arange(n) + taps // 2 - tap) % (2 * n)
        out[..., places] += low[tap] * lower + high[tap] * upper
    return out


def high_pass(low: Filter) -> Filter:
    """The high-pass filter that goes with a low-pass filter: turned round, every second sign changed."""
    signs = np.where(np.arange(len(low)) % 2 == 0, -1.0, 1.0)
    return low[::-1] * signs


def decomposed(x: NDArray[np.floating], low: Filter, *, levels: int) -> list[NDArray[np.float64]]:
    """Approximation of the last level, then details from that level to the first, whose band is the highest.

    Parameters
    ----------
    x : array, shape (..., n), n a multiple of 2 ** levels
    """
    details: list[NDArray[np.float64]] = []
    rest = np.asarray(x, np.float64)
    for _ in range(levels):
        rest, upper = halves(rest, low)
        details.append(upper)
    return [rest, *details[::-1]]


def recomposed(levels: Sequence[NDArray[np.float64]], low: Filter) -> NDArray[np.float64]:
    """Opposite of `decomposed`."""
    rest = levels[0]
    for upper in levels[1:]:
        rest = joined(rest, upper, low)
    return rest


def packet_energies(x: NDArray[np.floating], low: Filter, *, levels: int) -> NDArray[np.float64]:
    """Energy in 2 ** levels bands of equal width, from the lowest frequency to the highest.

    Parameters
    ----------
    x : array, shape (..., n), n a multiple of 2 ** levels

    Returns
    -------
    array, shape (..., 2 ** levels), squares of the samples' unit; sums to the energy of `x`
    """
    bands = np.asarray(x, np.float64)[..., None, :]
    for _ in range(levels):
        # Of every band the two halves; a band that came out of a high-pass is upside down.
        lower, upper = halves(bands, low)
        pairs = np.stack([lower, upper], axis=-2)
        pairs[..., 1::2, :, :] = pairs[..., 1::2, ::-1, :].copy()
        bands = pairs.reshape(*pairs.shape[:-3], -1, pairs.shape[-1])
    energies: NDArray[np.float64] = np.vecdot(bands, bands)
    return energies


def soft_threshold(values: NDArray[np.float64], threshold: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Values drawn towards 0 by the threshold; what is smaller becomes 0 (Donoho, 1995)."""
    drawn: NDArray[np.float64] = np.sign(values) * np.maximum(np.abs(values) - threshold, 0.0)
    return drawn


def universal_factor(n: int) -> float:
    """Largest of n standard normal numbers, about: the threshold of Donoho and Johnstone (1994) per deviation."""
    return float(np.sqrt(2.0 * np.log(n)))
