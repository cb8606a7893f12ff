"""The inner loops of the spectral engine, compiled by numba; imported only when that engine runs.

Bins come last and lie side by side, so that every inner loop is one over bins, delays or cells. Hermitian matrices are
stored as their lower triangles, row by row, real and imaginary parts in two arrays. The readable twin of each kernel is
in tests/study/test_kernels.py.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Of a sum of four uniform numbers of variance 1: a x + b x^3 has variance 1 and fourth moment 3.
_BEND = (np.float32(0.94903552), np.float32(0.01864151))

_F = TypeVar("_F", bound=Callable[..., object])


def jit(function: _F) -> _F:
    """Compile at the first call, once for a machine; rounding may differ from NumPy's in the last digits."""
    return cast(_F, nb.njit(cache=True, fastmath=True, nogil=True)(function))


@jit
def at(i: int, j: int) -> int:
    """Place of element (i, j), j <= i, in a lower triangle."""
    return i * (i + 1) // 2 + j


@jit
def cholesky(re: Floats, im: Floats, n: int) -> None:
    """Lower Cholesky factors of Hermitian matrices (n_lower, n_bins), in place."""
    n_bins = re.shape[1]
    for j in range(n):
        jj = at(j, j)
        for k in range(j):
            jk = at(j, k)
            for f in range(n_bins):
                re[jj, f] -= re[jk, f] * re[jk, f] + im[jk, f] * im[jk, f]
        for f in range(n_bins):
            re[jj, f] = math.sqrt(max(re[jj, f], np.float32(1e-30)))
            im[jj, f] = np.float32(0.0)
        for i in range(j + 1, n):
            ij = at(i, j)
            for k in range(j):
                ik, jk = at(i, k), at(j, k)
                for f in range(n_bins):
                    # a_ij -= l_ik * conj(l_jk)
                    re[ij, f] -= re[ik, f] * re[jk, f] + im[ik, f] * im[jk, f]
                    im[ij, f] -= im[ik, f] * re[jk, f] - re[ik, f] * im[jk, f]
            for f in range(n_bins):
                inverse = np.float32(1.0) / re[jj, f]
                re[ij, f] *= inverse
                im[ij, f] *= inverse


@jit
def fill_normals(state: NDArray[np.uint64], out: Floats) -> None:
    """Normals, (n_rows, n_bins), from a generator for every bin; state (2, n_bins) goes on.

    xorshift128+ (Vigna, J. Comput. Appl. Math. 315, 2017), four numbers of 16 bits added up, bent so that variance and
    fourth moment are those of a normal: what matters for powers of bins, which are sums of a few squares. Four times as
    fast as a table method, for all bins turn together.
    """
    scale = np.float32(1.0 / math.sqrt(4.0 * (65536.0**2 - 1.0) / 12.0))
    low = np.uint64(0xFFFF)
    for row in range(out.shape[0]):
        for f in range(out.shape[1]):
            a, b = state[0, f], state[1, f]
            a ^= a << np.uint64(23)
            a ^= (a >> np.uint64(18)) ^ b ^ (b >> np.uint64(5))
            state[0, f], state[1, f] = b, a
            word = a + b
            total = (word & low) + ((word >> np.uint64(16)) & low)
            total += ((word >> np.uint64(32)) & low) + (word >> np.uint64(48))
            x = (np.float32(np.int32(total)) - np.float32(131070.0)) * scale
            out[row, f] = x * (_BEND[0] + _BEND[1] * x * x)


@jit
def bartlett(normal: Floats, dof: float, n: int, re: Floats, im: Floats) -> None:
    """Lower triangular T with T T^H a complex Wishart matrix of unit scale, from normals of shape (n * n, n_bins).

    Bartlett's decomposition: complex normals below the diagonal, roots of gamma variables on it, the latter by the
    cube of a normal (Wilson & Hilferty, PNAS 17, 1931). Needs more than n - 1 degrees of freedom.
    """
    n_bins = re.shape[1]
    half = np.float32(math.sqrt(0.5))
    used = 0
    for i in range(n):
        for j in range(i):
            ij = at(i, j)
            for f in range(n_bins):
                re[ij, f] = half * normal[used, f]
                im[ij, f] = half * normal[used + 1, f]
            used += 2
        shape = dof - i
        centre, spread = np.float32(1.0 - 1.0 / (9.0 * shape)), np.float32(1.0 / (3.0 * math.sqrt(shape)))
        ii = at(i, i)
        for f in range(n_bins):
            root = max(centre + spread * normal[used, f], np.float32(0.0))
            re[ii, f] = math.sqrt(np.float32(shape) * root * root * root)
            im[ii, f] = np.float32(0.0)
        used += 1


@jit
def lower_product(a_re: Floats, a_im: Floats, b_re: Floats, b_im: Floats, n: int, re: Floats, im: Floats) -> None:
    """Product of two lower triangles, (n_lower, n_bins) each."""
    n_bins = re.shape[1]
    for i in range(n):
        for j in range(i + 1):
            ij = at(i, j)
            for f in range(n_bins):
                re[ij, f] = np.float32(0.0)
                im[ij, f] = np.float32(0.0)
            for k in range(j, i + 1):
                ik, kj = at(i, k), at(k, j)
                for f in range(n_bins):
                    re[ij, f] += a_re[ik, f] * b_re[kj, f] - a_im[ik, f] * b_im[kj, f]
                    im[ij, f] += a_re[ik, f] * b_im[kj, f] + a_im[ik, f] * b_re[kj, f]


@jit
def squared(g_re: Floats, g_im: Floats, n: int, scale: float, re: Floats, im: Floats) -> None:
    """G G^H times a scale, lower triangle, for a lower triangular G."""
    n_bins = re.shape[1]
    factor = np.float32(scale)
    for i in range(n):
        for j in range(i + 1):
            ij = at(i, j)
            for f in range(n_bins):
                re[ij, f] = np.float32(0.0)
                im[ij, f] = np.float32(0.0)
            for k in range(j + 1):
                ik, jk = at(i, k), at(j, k)
                for f in range(n_bins):
                    re[ij, f] += g_re[ik, f] * g_re[jk, f] + g_im[ik, f] * g_im[jk, f]
                    im[ij, f] += g_im[ik, f] * g_re[jk, f] - g_re[ik, f] * g_im[jk, f]
            for f in range(n_bins):
                re[ij, f] *= factor
                im[ij, f] *= factor


@jit
def from_columns(l_re: Floats, l_im: Floats, normal: Floats, weights: Floats, n: int, re: Floats, im: Floats) -> None:
    """Sum of weighted x x^H with x = L z, for few degrees of freedom; normals of shape (2 * n_columns * n, n_bins)."""
    n_bins = re.shape[1]
    x_re, x_im = np.empty((n, n_bins), np.float32), np.empty((n, n_bins), np.float32)
    re[:], im[:] = np.float32(0.0), np.float32(0.0)
    for column in range(len(weights)):
        # Half of the variance in either part.
        scale = np.float32(0.5) * weights[column]
        used = 2 * n * column
        for i in range(n):
            for f in range(n_bins):
                x_re[i, f] = np.float32(0.0)
                x_im[i, f] = np.float32(0.0)
            for k in range(i + 1):
                ik = at(i, k)
                for f in range(n_bins):
                    z_re, z_im = normal[used + 2 * k, f], normal[used + 2 * k + 1, f]
                    x_re[i, f] += l_re[ik, f] * z_re - l_im[ik, f] * z_im
                    x_im[i, f] += l_re[ik, f] * z_im + l_im[ik, f] * z_re
        for i in range(n):
            for j in range(i + 1):
                ij = at(i, j)
                for f in range(n_bins):
                    re[ij, f] += scale * (x_re[i, f] * x_re[j, f] + x_im[i, f] * x_im[j, f])
                    im[ij, f] += scale * (x_im[i, f] * x_re[j, f] - x_re[i, f] * x_im[j, f])


@jit
def weighted_phase(re: Floats, im: Floats, back_re: Floats, back_im: Floats, n: int, out: Floats) -> None:
    """`event_correlations._weighted`: background taken away, magnitudes taken out; to (2 * n_pairs, n_bins).

    Pairs (i, j), i < j, in the order of `mic_pairs`; real parts and imaginary parts in turn.
    """
    n_bins = re.shape[1]
    root = np.empty((n, n_bins), np.float32)
    for i in range(n):
        ii = at(i, i)
        for f in range(n_bins):
            loud = max(re[ii, f], np.float32(1e-30))
            quiet = max(back_re[ii, f], np.float32(1e-6) * loud)
            # The fourth root of the product: each microphone's part of the size of a pair.
            root[i, f] = np.float32(1.0) / math.sqrt(math.sqrt(loud * quiet))
    pair = 0
    for i in range(n):
        for j in range(i + 1, n):
            ji = at(j, i)
            mean = np.float32(0.0)
            for f in range(n_bins):
                size = root[i, f] * root[j, f]
                # Element (i, j) is the conjugate of the stored (j, i).
                a = (re[ji, f] - back_re[ji, f]) * size
                b = (back_im[ji, f] - im[ji, f]) * size
                out[2 * pair, f] = a
                out[2 * pair + 1, f] = b
                mean += math.sqrt(a * a + b * b)
            scale = np.float32(1.0) / max(mean / np.float32(n_bins), np.float32(1.0))
            for f in range(n_bins):
                out[2 * pair, f] *= scale
                out[2 * pair + 1, f] *= scale
            pair += 1


@jit
def sample_phases(
    signal_re: Floats,
    signal_im: Floats,
    rows: NDArray[np.intp],
    density: Floats,
    sounds: NDArray[np.intp],
    noise_re: Floats,
    noise_im: Floats,
    back_re: Floats,
    back_im: Floats,
    stretches: NDArray[np.intp],
    dofs: Floats,
    state: NDArray[np.uint64],
    skip: int,
    columns: Floats,
    n: int,
    out: Floats,
) -> None:
    """For each event a sampled cross-spectral matrix, weighed against its background; to (n_events, 2 n_pairs, n_bins).

    signal_* : (n_rows, n_lower, n_bins), of a white source of the study's loudness; density : (n_sounds, n_bins)
    noise_* : (n_lower, n_bins); back_* : (n_stretches, n_lower, n_bins)
    dofs : (n_rows,); state : (2, n_bins), of the generators; skip : events that they pass over first
    columns : (n_columns,), weights of the columns where there are few degrees of freedom; none for Bartlett
    """
    lower, n_bins = noise_re.shape
    s_re, s_im = np.empty((lower, n_bins), np.float32), np.empty((lower, n_bins), np.float32)
    t_re, t_im = np.empty((lower, n_bins), np.float32), np.empty((lower, n_bins), np.float32)
    g_re, g_im = np.empty((lower, n_bins), np.float32), np.empty((lower, n_bins), np.float32)
    normal = np.empty((2 * n * len(columns) if len(columns) else n * n, n_bins), np.float32)
    for _ in range(skip):
        fill_normals(state, normal)
    for event in range(len(rows)):
        fill_normals(state, normal)
        row, sound, stretch = rows[event], sounds[event], stretches[event]
        for k in range(lower):
            for f in range(n_bins):
                s_re[k, f] = noise_re[k, f] + density[sound, f] * signal_re[row, k, f]
                s_im[k, f] = noise_im[k, f] + density[sound, f] * signal_im[row, k, f]
        cholesky(s_re, s_im, n)
        if len(columns):
            from_columns(s_re, s_im, normal, columns, n, t_re, t_im)
        else:
            bartlett(normal, dofs[row], n, t_re, t_im)
            lower_product(s_re, s_im, t_re, t_im, n, g_re, g_im)
            squared(g_re, g_im, n, 1.0 / dofs[row], t_re, t_im)
        weighted_phase(t_re, t_im, back_re[stretch], back_im[stretch], n, out[event])
