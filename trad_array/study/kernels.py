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
def fill_normals(state: NDArray[np.uint64], alike: Floats, raw: Floats, out: Floats) -> None:
    """Normals, (n_rows, n_bins), neighbours of which are as alike as the three taps make them.

    state : (2, n_bins + 2), a generator for every bin and two more, which goes on; raw : (n_bins + 2,), scratch

    xorshift128+ (Vigna, J. Comput. Appl. Math. 315, 2017), four numbers of 16 bits added up, bent so that variance and
    fourth moment are those of a normal: what matters for powers of bins, which are sums of a few squares. Four times as
    fast as a table method, for all bins turn together.
    """
    scale = np.float32(1.0 / math.sqrt(4.0 * (65536.0**2 - 1.0) / 12.0))
    low = np.uint64(0xFFFF)
    before, same, after = alike[0], alike[1], alike[2]
    for row in range(out.shape[0]):
        for f in range(len(raw)):
            a, b = state[0, f], state[1, f]
            a ^= a << np.uint64(23)
            a ^= (a >> np.uint64(18)) ^ b ^ (b >> np.uint64(5))
            state[0, f], state[1, f] = b, a
            word = a + b
            total = (word & low) + ((word >> np.uint64(16)) & low)
            total += ((word >> np.uint64(32)) & low) + (word >> np.uint64(48))
            x = (np.float32(np.int32(total)) - np.float32(131070.0)) * scale
            raw[f] = x * (_BEND[0] + _BEND[1] * x * x)
        for f in range(out.shape[1]):
            out[row, f] = before * raw[f] + same * raw[f + 1] + after * raw[f + 2]


@jit
def bartlett(normal: Floats, dof: float, n: int, scale: float, re: Floats, im: Floats) -> None:
    """Lower triangular T with T T^H a complex Wishart matrix of that scale, from normals of shape (n * n, n_bins).

    Bartlett's decomposition: complex normals below the diagonal, roots of gamma variables on it, the latter by the
    cube of a normal (Wilson & Hilferty, PNAS 17, 1931). Needs more than n - 1 degrees of freedom.
    """
    n_bins = re.shape[1]
    half = np.float32(math.sqrt(0.5 * scale))
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
            re[ii, f] = math.sqrt(np.float32(scale * shape) * root * root * root)
            im[ii, f] = np.float32(0.0)
        used += 1


@jit
def add_product(
    a_re: Floats, a_im: Floats, z_re: Floats, z_im: Floats, n: int, lower: bool, re: Floats, im: Floats
) -> None:
    """Add a lower triangle times a matrix; (n_lower, n_bins), and z and the sum (n * n_columns, n_bins), row by row.

    lower : whether z is a lower triangle as well, stored as (n_lower, n_bins), and the sum too
    """
    n_bins = re.shape[1]
    columns = n if lower else len(z_re) // n
    for i in range(n):
        for j in range(i + 1 if lower else columns):
            ij = at(i, j) if lower else i * columns + j
            for k in range(j if lower else 0, i + 1):
                ik, kj = at(i, k), at(k, j) if lower else k * columns + j
                for f in range(n_bins):
                    re[ij, f] += a_re[ik, f] * z_re[kj, f] - a_im[ik, f] * z_im[kj, f]
                    im[ij, f] += a_re[ik, f] * z_im[kj, f] + a_im[ik, f] * z_re[kj, f]


@jit
def add_square(g_re: Floats, g_im: Floats, n: int, lower: bool, re: Floats, im: Floats) -> None:
    """Add G G^H, lower triangle; G as the sum of `add_product`."""
    n_bins = re.shape[1]
    columns = n if lower else len(g_re) // n
    for i in range(n):
        for j in range(i + 1):
            ij = at(i, j)
            for k in range(j + 1 if lower else columns):
                ik = at(i, k) if lower else i * columns + k
                jk = at(j, k) if lower else j * columns + k
                for f in range(n_bins):
                    re[ij, f] += g_re[ik, f] * g_re[jk, f] + g_im[ik, f] * g_im[jk, f]
                    im[ij, f] += g_im[ik, f] * g_re[jk, f] - g_re[ik, f] * g_im[jk, f]


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
def drawn_sum(
    root_re: Floats,
    root_im: Floats,
    loud: Floats,
    noise_re: Floats,
    noise_im: Floats,
    noise_root_re: Floats,
    noise_root_im: Floats,
    normal: Floats,
    weights: Floats,
    dof: float,
    together: float,
    n: int,
    re: Floats,
    im: Floats,
) -> None:
    """A draw of the sum over frames of an event in noise, given what the noise alone adds up to; lower triangle.

    Of the columns of the hiss, n meet the noise (whose sum has n columns, its Cholesky factor) and the rest do not: a
    noncentral complex Wishart matrix.

    root_* : (n_lower, n_bins), Cholesky factor of the mean of white sound; loud : (n_bins,), factor on its amplitude
    noise_*, noise_root_* : (n_lower, n_bins), sum of the noise and its Cholesky factor
    normal : (2 * n * (n + n_rest) or 2 * n * n + n * n, n_bins); weights : (n + n_rest,), of the columns, or none for
        n columns of weight 1 / dof and the rest by Bartlett
    together : share of the noise that sounds in the same frames as the hiss
    """
    n_bins, lower = re.shape[1], len(re)
    half = np.float32(math.sqrt(0.5))
    rest = max(len(weights) - n, 0)
    few = len(weights) > 0
    l_re, l_im = np.empty((lower, n_bins), np.float32), np.empty((lower, n_bins), np.float32)
    a_re, a_im = np.empty((n * n, n_bins), np.float32), np.empty((n * n, n_bins), np.float32)
    z_re, z_im = np.empty((n * n, n_bins), np.float32), np.empty((n * n, n_bins), np.float32)
    for k in range(lower):
        for f in range(n_bins):
            l_re[k, f], l_im[k, f] = root_re[k, f] * loud[f], root_im[k, f] * loud[f]
    meeting = np.float32(math.sqrt(together))
    for i in range(n):
        for j in range(n):
            ij = i * n + j
            # The weight of a column; one that is not there is 0.
            weight = 1.0 / dof if not few else weights[j] if j < len(weights) else 0.0
            size = half * np.float32(math.sqrt(weight))
            for f in range(n_bins):
                z_re[ij, f], z_im[ij, f] = size * normal[2 * ij, f], size * normal[2 * ij + 1, f]
                a_re[ij, f] = meeting * noise_root_re[at(i, j), f] if j <= i else np.float32(0.0)
                a_im[ij, f] = meeting * noise_root_im[at(i, j), f] if j <= i else np.float32(0.0)
    add_product(l_re, l_im, z_re, z_im, n, False, a_re, a_im)
    apart = np.float32(1.0 - together)
    for k in range(lower):
        for f in range(n_bins):
            re[k, f], im[k, f] = apart * noise_re[k, f], apart * noise_im[k, f]
    add_square(a_re, a_im, n, False, re, im)
    used = 2 * n * n
    if not few:
        t_re, t_im = np.empty((lower, n_bins), np.float32), np.empty((lower, n_bins), np.float32)
        bartlett(normal[used:], dof - n, n, 1.0 / dof, t_re, t_im)
        b_re, b_im = np.zeros((lower, n_bins), np.float32), np.zeros((lower, n_bins), np.float32)
        add_product(l_re, l_im, t_re, t_im, n, True, b_re, b_im)
        add_square(b_re, b_im, n, True, re, im)
    elif rest:
        c_re, c_im = np.empty((n * rest, n_bins), np.float32), np.empty((n * rest, n_bins), np.float32)
        for i in range(n):
            for j in range(rest):
                ij = i * rest + j
                size = half * np.float32(math.sqrt(weights[n + j]))
                for f in range(n_bins):
                    c_re[ij, f] = size * normal[used + 2 * ij, f]
                    c_im[ij, f] = size * normal[used + 2 * ij + 1, f]
        d_re, d_im = np.zeros((n * rest, n_bins), np.float32), np.zeros((n * rest, n_bins), np.float32)
        add_product(l_re, l_im, c_re, c_im, n, False, d_re, d_im)
        add_square(d_re, d_im, n, False, re, im)


@jit
def sample_phases(
    roots_re: Floats,
    roots_im: Floats,
    rows: NDArray[np.intp],
    density: Floats,
    sounds: NDArray[np.intp],
    noise_re: Floats,
    noise_im: Floats,
    noise_root_re: Floats,
    noise_root_im: Floats,
    back_re: Floats,
    back_im: Floats,
    stretches: NDArray[np.intp],
    dofs: Floats,
    togethers: Floats,
    state: NDArray[np.uint64],
    skip: int,
    weights: Floats,
    alike: Floats,
    n: int,
    out: Floats,
) -> None:
    """For each event a drawn sum over frames, weighed against its background; to (n_events, 2 n_pairs, n_bins).

    roots_* : (n_rows, n_lower, n_bins), Cholesky factors of white sound of the study's loudness
    density : (n_sounds, n_bins), roots of the hisses' densities
    noise_*, noise_root_*, back_* : (n_stretches, n_lower, n_bins), sums over the frames of noise, their Cholesky
        factors, and backgrounds
    dofs, togethers : (n_rows,); weights : see `drawn_sum`
    state, alike : see `fill_normals`; skip : events that the generators pass over first
    """
    lower, n_bins = roots_re.shape[1:]
    re, im = np.empty((lower, n_bins), np.float32), np.empty((lower, n_bins), np.float32)
    rest = max(len(weights) - n, 0)
    normal = np.empty((2 * n * (n + rest) if len(weights) else 3 * n * n, n_bins), np.float32)
    raw = np.empty(n_bins + 2, np.float32)
    for _ in range(skip):
        fill_normals(state, alike, raw, normal)
    for event in range(len(rows)):
        fill_normals(state, alike, raw, normal)
        row, stretch = rows[event], stretches[event]
        drawn_sum(
            roots_re[row],
            roots_im[row],
            density[sounds[event]],
            noise_re[stretch],
            noise_im[stretch],
            noise_root_re[stretch],
            noise_root_im[stretch],
            normal,
            weights,
            dofs[row],
            togethers[row],
            n,
            re,
            im,
        )
        weighted_phase(re, im, back_re[stretch], back_im[stretch], n, out[event])
