"""The compiled loops of the spectral engine beside readable twins."""

import numpy as np
import pytest

from trad_array.localization.event_correlations import _weighted
from trad_array.study import kernels
from trad_array.study.frame_weights import NEXT_BINS
from trad_array.study.spectral_engine import NEIGHBOURS_ALIKE, few_columns
from trad_array.study.spectral_tables import _lower
from trad_array_geometry import mic_pairs

N_MICS, N_BINS = 4, 321


def hermitian(rng: np.random.Generator, n_bins: int = N_BINS, n: int = N_MICS) -> np.ndarray:
    root = rng.standard_normal((n_bins, n, 2 * n)) + 1j * rng.standard_normal((n_bins, n, 2 * n))
    return root @ root.conj().transpose(0, 2, 1)


def whole(re: np.ndarray, im: np.ndarray, n: int = N_MICS) -> np.ndarray:
    """Lower triangles (n_lower, n_bins) back to Hermitian matrices (n_bins, n, n)."""
    i, j = np.tril_indices(n)
    out = np.zeros((re.shape[-1], n, n), dtype=complex)
    out[:, i, j] = (re + 1j * im).T
    out[:, j, i] = (re - 1j * im).T
    return out


ALONE = np.array([0.0, 1.0, 0.0], np.float32)


def normals(state: np.ndarray, n_rows: int, alike: np.ndarray = ALONE) -> np.ndarray:
    out = np.empty((n_rows, N_BINS), np.float32)
    kernels.fill_normals(state, alike, np.empty(N_BINS + 2, np.float32), out)
    return out


def states(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 2**63, (2, N_BINS + 2), dtype=np.uint64)


def test_cholesky_factors_are_those_of_numpy():
    matrices = hermitian(np.random.default_rng(0))
    re, im = _lower(matrices)
    kernels.cholesky(re, im, N_MICS)
    i, j = np.tril_indices(N_MICS)
    np.testing.assert_allclose((re + 1j * im).T, np.linalg.cholesky(matrices)[:, i, j], rtol=2e-5, atol=2e-5)


def test_the_generator_makes_normals_that_know_nothing_of_each_other():
    out = normals(states(1), 3000)
    assert out.mean() == pytest.approx(0.0, abs=0.004)
    assert out.std() == pytest.approx(1.0, abs=0.003)
    assert (out.astype(float) ** 4).mean() == pytest.approx(3.0, abs=0.03)
    assert np.corrcoef(out[:-1].ravel(), out[1:].ravel())[0, 1] == pytest.approx(0.0, abs=0.004)
    assert np.corrcoef(out[:, :-1].ravel(), out[:, 1:].ravel())[0, 1] == pytest.approx(0.0, abs=0.004)
    # Sums over bins are normal: shares beyond two and three deviations.
    sums = np.abs(out.sum(axis=1)) / np.sqrt(N_BINS)
    assert (sums > 2).mean() == pytest.approx(0.0455, abs=0.012)
    assert (sums > 3).mean() == pytest.approx(0.0027, abs=0.003)


def test_neighbouring_bins_are_as_alike_as_sums_of_frames_are():
    out = normals(states(2), 3000, NEIGHBOURS_ALIKE)
    assert out.std() == pytest.approx(1.0, abs=0.004)
    for step, expected in zip((1, 2, 3), (*NEXT_BINS, 0.0), strict=True):
        assert np.mean(out[:, step:] * out[:, :-step]) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("dof", [2.4, 6.5, 9.0, 17.3])
@pytest.mark.parametrize("together", [1.0, 0.7])
def test_drawn_sums_scatter_as_sums_of_columns_do(dof, together):
    """Beside a sum that is really made: columns of hiss on columns of noise whose sum is given (James, 1964)."""
    rng = np.random.default_rng(3)
    hiss, noise = hermitian(rng, n_bins=1)[0], 0.4 * hermitian(rng, n_bins=1)[0]
    drawn = np.concatenate([_drawn(hiss, noise, dof, together, states(seed)) for seed in range(60)])
    weights = few_columns(dof, N_MICS) if dof < 2 * N_MICS + 1 else np.full(round(dof), 1 / round(dof))
    plain = np.stack([_summed(hiss, noise, weights, together, rng) for _ in range(12_000)])
    size = np.abs(hiss).max()
    np.testing.assert_allclose(drawn.mean(axis=0), hiss + noise, atol=0.03 * size)
    np.testing.assert_allclose(plain.mean(axis=0), hiss + noise, atol=0.03 * size)
    np.testing.assert_allclose(drawn.var(axis=0), plain.var(axis=0), rtol=0.09, atol=0.004 * size**2)


def _summed(hiss, noise, weights, together, rng) -> np.ndarray:
    """Columns of hiss, the first of them on what is together of the noise; shape (n, n)."""
    n = len(weights)
    z = rng.standard_normal((N_MICS, n)) + 1j * rng.standard_normal((N_MICS, n))
    columns = np.linalg.cholesky(hiss) @ z * np.sqrt(0.5 * np.asarray(weights, dtype=float))
    # The noise has as many columns as microphones; which orthogonal ones, nobody can tell from its sum.
    quiet = np.zeros((N_MICS, max(n, N_MICS)), dtype=complex)
    quiet[:, :N_MICS] = np.sqrt(together) * np.linalg.cholesky(noise)
    quiet[:, :n] += columns
    return quiet @ quiet.conj().T + (1 - together) * noise


def _drawn(hiss, noise, dof, together, state) -> np.ndarray:
    """Matrices (n_bins, n, n), every bin by itself."""
    columns = few_columns(dof, N_MICS)
    rest = max(len(columns) - N_MICS, 0)
    roots, quiet, quiet_roots = (
        _lower(np.repeat(matrix[None], N_BINS, axis=0))
        for matrix in (np.linalg.cholesky(hiss), noise, np.linalg.cholesky(noise))
    )
    out_re, out_im = np.empty_like(roots[0]), np.empty_like(roots[0])
    normal = normals(state, 2 * N_MICS * (N_MICS + rest) if len(columns) else 3 * N_MICS**2)
    loud = np.ones(N_BINS, np.float32)
    kernels.drawn_sum(*roots, loud, *quiet, *quiet_roots, normal, columns, dof, together, N_MICS, out_re, out_im)
    return whole(out_re, out_im)


@pytest.mark.parametrize("dof", [1.0, 1.7, 2.0, 3.2, 4.9])
def test_few_columns_have_the_degrees_of_freedom_asked_for(dof):
    weights = few_columns(dof, N_MICS).astype(float)
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert 1.0 / (weights**2).sum() == pytest.approx(dof, rel=1e-5)
    assert (weights >= 0).all()


def test_phases_are_weighed_as_the_localizer_does():
    rng = np.random.default_rng(5)
    event, background = hermitian(rng), 0.5 * hermitian(rng)
    out = np.empty((N_MICS * (N_MICS - 1), N_BINS), np.float32)
    kernels.weighted_phase(*_lower(event), *_lower(background), N_MICS, out)
    expected = _weighted(event, background, mic_pairs(N_MICS))
    np.testing.assert_allclose(out[0::2] + 1j * out[1::2], expected, rtol=2e-4, atol=2e-4)


def test_a_block_of_events_is_the_same_wherever_it_is_cut():
    """The generators pass over the events that come before."""
    rng = np.random.default_rng(6)
    roots = tuple(np.stack([part] * 2) for part in _lower(np.linalg.cholesky(hermitian(rng))))
    matrices = (hermitian(rng), np.linalg.cholesky(hermitian(rng)), hermitian(rng))
    noise, noise_roots, back = (tuple(part[None] for part in _lower(m)) for m in matrices)
    rows, zeros = np.array([0, 1, 1, 0]), np.zeros(4, dtype=np.intp)
    density, dofs, columns = (
        np.ones((1, N_BINS), np.float32),
        np.array([9.5, 11.0], np.float32),
        few_columns(11.0, N_MICS),
    )
    whole_block, tail = (np.empty((k, N_MICS * (N_MICS - 1), N_BINS), np.float32) for k in (4, 3))
    for skip, out in ((0, whole_block), (1, tail)):
        used = slice(skip, 4)
        kernels.sample_phases(
            *roots,
            rows[used],
            density,
            zeros[used],
            *noise,
            *noise_roots,
            *back,
            zeros[used],
            dofs,
            np.ones(2, np.float32),
            states(9),
            skip,
            columns,
            ALONE,
            N_MICS,
            out,
        )
    np.testing.assert_array_equal(whole_block[1:], tail)
