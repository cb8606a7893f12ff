"""The compiled loops of the spectral engine beside readable twins."""

import numpy as np
import pytest

from trad_array.localization.event_correlations import _weighted
from trad_array.study import kernels
from trad_array.study.spectral_engine import few_columns
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


def states(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 2**63, (2, N_BINS), dtype=np.uint64)


def test_cholesky_factors_are_those_of_numpy():
    matrices = hermitian(np.random.default_rng(0))
    re, im = _lower(matrices)
    kernels.cholesky(re, im, N_MICS)
    i, j = np.tril_indices(N_MICS)
    np.testing.assert_allclose((re + 1j * im).T, np.linalg.cholesky(matrices)[:, i, j], rtol=2e-5, atol=2e-5)


def test_the_generator_makes_normals_that_know_nothing_of_each_other():
    out = np.empty((3000, N_BINS), np.float32)
    kernels.fill_normals(states(1), out)
    assert out.mean() == pytest.approx(0.0, abs=0.004)
    assert out.std() == pytest.approx(1.0, abs=0.003)
    assert (out.astype(float) ** 4).mean() == pytest.approx(3.0, abs=0.03)
    assert np.corrcoef(out[:-1].ravel(), out[1:].ravel())[0, 1] == pytest.approx(0.0, abs=0.004)
    assert np.corrcoef(out[:, :-1].ravel(), out[:, 1:].ravel())[0, 1] == pytest.approx(0.0, abs=0.004)
    # Sums over bins are normal: shares beyond two and three deviations.
    sums = np.abs(out.sum(axis=1)) / np.sqrt(N_BINS)
    assert (sums > 2).mean() == pytest.approx(0.0455, abs=0.012)
    assert (sums > 3).mean() == pytest.approx(0.0027, abs=0.003)


@pytest.mark.parametrize("dof", [2.4, 4.5, 9.0, 17.3])
def test_drawn_matrices_have_the_mean_and_the_scatter_of_a_wishart_matrix(dof):
    """Variance of a diagonal element is its mean squared over the degrees of freedom (Goodman, 1963)."""
    matrix = hermitian(np.random.default_rng(3), n_bins=1)
    signal = tuple(part[None] for part in _lower(np.repeat(matrix, N_BINS, axis=0)))
    nothing = np.zeros_like(signal[0][0])
    quiet = _lower(np.repeat(np.eye(N_MICS)[None].astype(complex), N_BINS, axis=0))
    columns = few_columns(dof, N_MICS)
    drawn = [_drawn(signal, nothing, quiet, columns, dof, states(seed)) for seed in range(60)]
    found = np.concatenate(drawn)
    mean = found.mean(axis=0)
    np.testing.assert_allclose(mean, matrix[0], atol=0.02 * np.abs(matrix).max())
    relative = np.einsum("kii->ki", found).real / np.einsum("ii->i", matrix[0]).real
    np.testing.assert_allclose(relative.var(axis=0), 1.0 / dof, rtol=0.06)


def _drawn(signal, nothing, quiet, columns, dof, state) -> np.ndarray:
    """Matrices (n_bins, n, n) by the parts that `sample_phases` is made of."""
    re, im = signal[0][0].copy(), signal[1][0].copy()
    kernels.cholesky(re, im, N_MICS)
    out_re, out_im = np.empty_like(re), np.empty_like(re)
    normal = np.empty((2 * N_MICS * len(columns) if len(columns) else N_MICS**2, N_BINS), np.float32)
    kernels.fill_normals(state, normal)
    if len(columns):
        kernels.from_columns(re, im, normal, columns, N_MICS, out_re, out_im)
    else:
        t_re, t_im, g_re, g_im = (np.empty_like(re) for _ in range(4))
        kernels.bartlett(normal, dof, N_MICS, t_re, t_im)
        kernels.lower_product(re, im, t_re, t_im, N_MICS, g_re, g_im)
        kernels.squared(g_re, g_im, N_MICS, 1.0 / dof, out_re, out_im)
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
    signal = tuple(np.stack([part] * 2) for part in _lower(hermitian(rng)))
    noise, back = _lower(hermitian(rng)), tuple(part[None] for part in _lower(hermitian(rng)))
    rows, zeros = np.array([0, 1, 1, 0]), np.zeros(4, dtype=np.intp)
    density, dofs, columns = (
        np.ones((1, N_BINS), np.float32),
        np.array([8.0, 9.0], np.float32),
        few_columns(9.0, N_MICS),
    )
    whole_block, tail = (np.empty((k, N_MICS * (N_MICS - 1), N_BINS), np.float32) for k in (4, 3))
    for skip, out in ((0, whole_block), (1, tail)):
        used = slice(skip, 4)
        kernels.sample_phases(
            *signal,
            rows[used],
            density,
            zeros[used],
            *noise,
            *back,
            zeros[used],
            dofs,
            states(9),
            skip,
            columns,
            N_MICS,
            out,
        )
    np.testing.assert_array_equal(whole_block[1:], tail)
