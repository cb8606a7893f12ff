"""The second half of the spectral engine: from correlations to the named cell, compiled by numba.

The same sums as `trad_array.localization.evidence` and `robust.cell_evidence`. Products of likelihoods stand for sums
of logarithms, and blurs that are wide are made on coarser steps. The readable twin is the localizer itself:
tests/study/test_kernels.py gives both the same cross-spectra.
"""

import math

import numpy as np
from numpy.typing import NDArray

from trad_array.study.kernels import Floats, jit

# Steps of the table of correlations for each step of the coarse ones they are interpolated from.
FINE = 8
# Likelihoods are cut off here: a product of 16 * 15 / 2 of them is still a number.
_LEAST_LOG = -80.0
_NOISE_PEAK = 2.5


@jit
def coarse(products: Floats, pair: int, n_coarse: int, re: Floats, im: Floats) -> None:
    """Complex correlation around the middle of the band, lags from -(n_coarse - 1) to n_coarse - 1 coarse steps.

    products : (2 * n_pairs, 2 * n_coarse), of real and imaginary parts with cosines and sines
    """
    middle = n_coarse - 1
    a, b = products[2 * pair], products[2 * pair + 1]
    for m in range(n_coarse):
        re_cos, re_sin, im_cos, im_sin = a[m], a[n_coarse + m], b[m], b[n_coarse + m]
        re[middle + m], im[middle + m] = re_cos - im_sin, re_sin + im_cos
        re[middle - m], im[middle - m] = re_cos + im_sin, im_cos - re_sin


@jit
def spread_of_noise(re: Floats, im: Floats, values: Floats) -> float:
    """1.4826 times the median size of a correlation, its quadrature counted as well."""
    n = len(re)
    for m in range(n):
        values[m], values[n + m] = abs(re[m]), abs(im[m])
    return max(1.4826 * float(np.median(values)), 1e-6)


@jit
def interpolated(
    re: Floats,
    im: Floats,
    n_coarse: int,
    taps: Floats,
    turn_re: Floats,
    turn_im: Floats,
    half: int,
    held: Floats,
    out: Floats,
) -> None:
    """Correlation from lag -half coarse steps on, `FINE` a step; out ((2 * half + 1) * FINE,).

    taps : (n_taps, at least as many), those of each fine lag, again and again; turn_* : as `out`, carrier at every lag
    held : (2, at least FINE * (2 * half + 1 + n_taps)), scratch: every coarse value `FINE` times, so that the inner
        loops run over lags that lie side by side
    """
    n_taps, n = taps.shape[0], (2 * half + 1) * FINE
    begin = n_coarse - 1 - half - n_taps // 2 + 1
    for m in range(2 * half + n_taps):
        for k in range(m * FINE, (m + 1) * FINE):
            held[0, k], held[1, k] = re[begin + m], im[begin + m]
    for k in range(n):
        out[k] = np.float32(0.0)
    for t in range(n_taps):
        for k in range(n):
            out[k] += taps[t, k] * (held[0, k + t * FINE] * turn_re[k] - held[1, k + t * FINE] * turn_im[k])


@jit
def exponentials(x: Floats, whole: NDArray[np.int32], power: Floats) -> None:
    """exp(x) in place, to about 1e-7; `power` must be a view of `whole`."""
    for k in range(len(x)):
        y = max(x[k], np.float32(_LEAST_LOG)) * np.float32(1.4426950408889634)
        down = np.floor(y)
        f = y - down
        whole[k] = (np.int32(down) + np.int32(127)) << np.int32(23)
        # exp2 on [0, 1), Taylor series around 1/2 by Horner: good to float32.
        g = (f - np.float32(0.5)) * np.float32(0.6931471805599453)
        x[k] = np.float32(1.4142135623730951) * (
            np.float32(1.0)
            + g
            * (
                np.float32(1.0)
                + g
                * (
                    np.float32(0.5)
                    + g
                    * (
                        np.float32(1 / 6)
                        + g * (np.float32(1 / 24) + g * (np.float32(1 / 120) + g * np.float32(1 / 720)))
                    )
                )
            )
        )
    for k in range(len(x)):
        x[k] *= power[k]


@jit
def averaged(values: Floats, shift: int, out: Floats) -> int:
    """Mean of the 1, 2 or 4 values around every step; returns how many there are."""
    n = len(values) >> shift
    if shift == 0:
        for k in range(n):
            out[k] = values[k]
        return n
    out[0] = values[0]
    if shift == 1:
        for k in range(1, n):
            out[k] = np.float32(0.5) * (values[2 * k - 1] + values[2 * k])
    else:
        for k in range(1, n):
            first, second = values[4 * k - 2] + values[4 * k - 1], values[4 * k] + values[4 * k + 1]
            out[k] = np.float32(0.25) * (first + second)
    return n


@jit
def blurred(values: Floats, shift: int, kernel: Floats, scratch: Floats, out: Floats) -> int:
    """Values on steps of 2^shift, blurred; returns how many steps `out` has."""
    reach = len(kernel) // 2
    n = averaged(values, shift, scratch[reach:])
    for k in range(reach):
        scratch[k] = np.float32(0.0)
        scratch[reach + n + k] = np.float32(0.0)
    for k in range(n):
        out[k] = np.float32(0.0)
    for t in range(len(kernel)):
        h = kernel[t]
        for k in range(n):
            out[k] += h * scratch[k + t]
    return n


@jit
def likelihoods(
    fine: Floats,
    height: float,
    noise: float,
    factor: float,
    unheard: float,
    shifts: NDArray[np.intp],
    kernels: Floats,
    n_taps: NDArray[np.intp],
    whole: NDArray[np.int32],
    power: Floats,
    scratch: Floats,
    tables: Floats,
) -> None:
    """`evidence.tolerant` of one pair at every scale, as likelihoods up to a factor; `fine` is used up.

    kernels : (n_scales, most_taps); n_taps : (n_scales,); tables : (n_scales, n_fine)
    """
    gain = np.float32(factor / (noise * noise))
    a = np.float32(height)
    best = np.float32(-1e30)
    for k in range(len(fine)):
        fine[k] = gain * (a * fine[k] - np.float32(0.5) * a * a)
        best = max(best, fine[k])
    for k in range(len(fine)):
        fine[k] -= best
    exponentials(fine, whole[: len(fine)], power[: len(fine)])
    floor = np.float32(unheard * math.exp(min(max(-float(best), _LEAST_LOG), -_LEAST_LOG)))
    for scale in range(len(shifts)):
        n = blurred(fine, shifts[scale], kernels[scale, : n_taps[scale]], scratch, tables[scale])
        for k in range(n):
            tables[scale, k] = np.float32(1.0 - unheard) * tables[scale, k] + floor


@jit
def multiply_in(table: Floats, steps: NDArray[np.int32], shift: int, products: NDArray[np.float64]) -> None:
    """Multiply each product by the likelihood at its step, to the nearest of the coarser ones."""
    half = np.int32((1 << shift) >> 1)
    for k in range(len(products)):
        products[k] *= table[(steps[k] + half) >> np.int32(shift)]


@jit
def best_cell(
    tables: Floats,
    shifts: NDArray[np.intp],
    scale_weights: NDArray[np.float64],
    distances: NDArray[np.float64],
    weights: NDArray[np.float64],
    steps_per_m: NDArray[np.float64],
    offsets: NDArray[np.float64],
    halves: NDArray[np.intp],
    steps: NDArray[np.int32],
    products: NDArray[np.float64],
) -> int:
    """The cell with the largest sum over hypotheses of products over pairs; `robust.cell_evidence`.

    tables : (n_pairs, n_scales, n_fine); distances : (n_mics, n_heights * n_cells), m
    weights : (n_air * n_heights,); steps_per_m : (n_air,), fine steps
    offsets : (n_pairs,), fine steps, of the channels; halves : (n_pairs,), fine step of lag 0
    steps, products : (n_air * n_heights * n_cells,) and (n_scales, the same), scratch
    """
    n_mics, n_places = distances.shape
    n_cells = n_places * len(steps_per_m) // len(weights)
    products[:] = 1.0
    pair = 0
    for i in range(n_mics):
        for j in range(i + 1, n_mics):
            middle, last = np.float32(offsets[pair] + halves[pair] + 0.5), np.int32(2 * halves[pair])
            for air in range(len(steps_per_m)):
                per_m = np.float32(steps_per_m[air])
                for k in range(n_places):
                    path = np.float32(distances[i, k] - distances[j, k])
                    steps[air * n_places + k] = min(max(np.int32(path * per_m + middle), np.int32(0)), last)
            for scale in range(len(shifts)):
                multiply_in(tables[pair, scale], steps, shifts[scale], products[scale])
            pair += 1
    best, named = -1.0, 0
    for cell in range(n_cells):
        total = 0.0
        for scale in range(len(shifts)):
            for k in range(len(weights)):
                total += scale_weights[scale] * weights[k] * products[scale, k * n_cells + cell]
        if total > best:
            best, named = total, cell
    return named


@jit
def name_cells(
    products: Floats,
    n_coarse: int,
    pair_halves: NDArray[np.intp],
    pair_limits: NDArray[np.intp],
    taps: Floats,
    turn_re: Floats,
    turn_im: Floats,
    factor: float,
    unheard: float,
    shifts: NDArray[np.intp],
    kernels: Floats,
    n_taps: NDArray[np.intp],
    scale_weights: NDArray[np.float64],
    cells_m: NDArray[np.float64],
    mics_m: NDArray[np.float64],
    late_steps: NDArray[np.float64],
    weights: NDArray[np.float64],
    steps_per_m: NDArray[np.float64],
    out: NDArray[np.intp],
) -> None:
    """Names of the cells of a batch of events.

    products : (n_events, 2 * n_pairs, 2 * n_coarse)
    pair_halves, pair_limits : (n_pairs,), coarse steps to either side that are looked at, fine steps of a sound
    taps : (n_taps, longest table); turn_* : carrier, lag 0 at pair_halves.max() * FINE
    kernels : (n_pairs, n_scales, most_taps); n_taps : (n_pairs, n_scales)
    cells_m : (n_heights, n_cells, 3); mics_m : (n_events, n_mics, 3), as the layout file says
    late_steps : (n_events, n_mics), fine steps, channel delays of the file; steps_per_m : (n_events, n_air)
    weights : (n_air * n_heights,)
    """
    n_pairs, n_mics = len(pair_halves), mics_m.shape[1]
    n_fine = (2 * pair_halves.max() + 1) * FINE
    middle = pair_halves.max() * FINE
    re, im = np.empty(2 * n_coarse - 1, np.float32), np.empty(2 * n_coarse - 1, np.float32)
    sizes = np.empty(2 * len(re), np.float32)
    fine = np.empty((n_pairs, n_fine), np.float32)
    tables = np.empty((n_pairs, len(shifts), n_fine), np.float32)
    scratch = np.empty(n_fine + kernels.shape[2] + 1, np.float32)
    whole = np.empty(n_fine, np.int32)
    power = whole.view(np.float32)
    held = np.empty((2, n_fine + FINE * taps.shape[0]), np.float32)
    noise, tops = np.empty(n_pairs), np.empty(n_pairs)
    offsets, halves = np.empty(n_pairs), pair_halves * FINE
    n_heights, n_cells = cells_m.shape[:2]
    distances = np.empty((n_mics, n_heights * n_cells))
    steps = np.empty(steps_per_m.shape[1] * n_heights * n_cells, np.int32)
    products_of = np.empty((len(shifts), len(steps)))
    for event in range(len(products)):
        pair = 0
        for i in range(n_mics):
            for j in range(i + 1, n_mics):
                offsets[pair] = late_steps[event, i] - late_steps[event, j]
                pair += 1
        for pair in range(n_pairs):
            half = pair_halves[pair]
            coarse(products[event], pair, n_coarse, re, im)
            noise[pair] = spread_of_noise(re, im, sizes)
            around = slice(middle - half * FINE, middle + (half + 1) * FINE)
            interpolated(re, im, n_coarse, taps, turn_re[around], turn_im[around], half, held, fine[pair])
            top = np.float32(-1.0)
            first = halves[pair] + int(round(offsets[pair])) - pair_limits[pair]
            for k in range(max(first, 0), min(first + 2 * pair_limits[pair], 2 * halves[pair]) + 1):
                top = max(top, fine[pair, k])
            tops[pair] = top
        floor = noise.mean()
        peak = np.median(tops)
        height = math.sqrt(max(peak**2 - (_NOISE_PEAK * floor) ** 2, (0.5 * floor) ** 2))
        for pair in range(n_pairs):
            used = 2 * halves[pair] + FINE
            likelihoods(
                fine[pair, :used],
                height,
                noise[pair],
                factor,
                unheard,
                shifts,
                kernels[pair],
                n_taps[pair],
                whole,
                power,
                scratch,
                tables[pair],
            )
        for k in range(n_heights):
            for cell in range(n_cells):
                for i in range(n_mics):
                    dx = cells_m[k, cell, 0] - mics_m[event, i, 0]
                    dy = cells_m[k, cell, 1] - mics_m[event, i, 1]
                    dz = cells_m[k, cell, 2] - mics_m[event, i, 2]
                    distances[i, k * n_cells + cell] = math.sqrt(dx * dx + dy * dy + dz * dz)
        out[event] = best_cell(
            tables,
            shifts,
            scale_weights,
            distances,
            weights,
            steps_per_m[event],
            offsets,
            halves,
            steps,
            products_of,
        )
