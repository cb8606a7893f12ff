"""Scorers on NumPy give the numbers that torch gives; torch is run in single precision, as in training."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from trad_array.features import FeatureSpec
from trad_array.learning.alarm_metrics import partial_auc
from trad_array.learning.frames import contexts_of
from trad_array.learning.options import TrainingOptions
from trad_array.learning.torch_autoencoder import Autoencoder, attend_components
from trad_array.learning.torch_autoencoder import scorer_of as autoencoder_scorer
from trad_array.learning.torch_bottleneck import Bottleneck
from trad_array.learning.torch_bottleneck import scorer_of as bottleneck_scorer
from trad_array.learning.torch_cnn import ConvolutionalNetwork
from trad_array.learning.torch_cnn import scorer_of as cnn_scorer
from trad_array.learning.torch_loop import seeded

BANDS = {"band_mean": np.linspace(-70, -50, 64), "band_std": np.linspace(4, 12, 64)}
CONTEXT = {"components": 1, "window": 16, "batch": 1, "none": 1}


@pytest.fixture
def log_mel(rng):
    return rng.normal(-60, 10, size=(2, 100, 64)).astype(np.float32)


def standardised(frames):
    return torch.from_numpy(((frames - BANDS["band_mean"]) / BANDS["band_std"]).astype(np.float32))


@pytest.fixture
def trained_autoencoder(rng):
    """Function: a network of that reading after some steps, so that its attention is not uniform any more."""

    def train(attention):
        net = seeded(lambda: Autoencoder(64, attention), 5)
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
        for _ in range(30):
            batch = torch.from_numpy(rng.normal(size=(64, CONTEXT[attention], 64)).astype(np.float32))
            optimiser.zero_grad()
            net.loss(batch).backward()
            optimiser.step()
        return net.eval()

    return train


@pytest.mark.parametrize("attention", ["components", "window", "batch", "none"])
def test_codes_of_the_autoencoder(trained_autoencoder, log_mel, attention):
    net, context = trained_autoencoder(attention), CONTEXT[attention]
    scorer = autoencoder_scorer(net, TrainingOptions(), context=context, **BANDS)
    for channel in contexts_of(log_mel, context):
        with torch.no_grad():
            expected = net.code(standardised(channel)).numpy()
        np.testing.assert_allclose(scorer.codes(channel), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attention", ["components", "window", "batch", "none"])
def test_reconstruction_error_of_the_autoencoder(trained_autoencoder, log_mel, attention):
    net, context = trained_autoencoder(attention), CONTEXT[attention]
    scorer = autoencoder_scorer(net, TrainingOptions(distance="mse"), context=context, **BANDS)
    frames = contexts_of(log_mel, context)
    for channel, scores in zip(frames, scorer.score(frames), strict=True):
        with torch.no_grad():
            wanted = standardised(channel)
            expected = torch.mean((net(wanted) - wanted[:, -1]) ** 2, dim=-1).numpy()
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_distance_of_the_code_is_equation_4(trained_autoencoder, log_mel, rng):
    from dataclasses import replace

    net = trained_autoencoder("components")
    scorer = autoencoder_scorer(net, TrainingOptions(), context=1, **BANDS)
    codes = np.concatenate([scorer.codes(channel) for channel in contexts_of(log_mel, 1)])
    covariance = np.cov(codes.T) + 0.01 * np.eye(64)
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
    scorer = replace(scorer, centre=codes.mean(axis=0), whitening=whitening)
    away = codes - codes.mean(axis=0)
    expected = np.sqrt(np.sum(away * np.linalg.solve(covariance, away.T).T, axis=1))
    np.testing.assert_allclose(scorer.score(contexts_of(log_mel, 1)).ravel(), expected, rtol=1e-9)


@pytest.mark.parametrize("context", [16, 11])
def test_logits_of_the_cnn_with_its_normalisation_folded_in(log_mel, rng, context):
    net = seeded(ConvolutionalNetwork, 5)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(10):
        patches = torch.from_numpy(rng.normal(1.0, 2.0, size=(32, context, 64)).astype(np.float32))
        optimiser.zero_grad()
        net.loss(patches, torch.arange(32) % 2 * 1.0).backward()
        optimiser.step()
    net.eval()
    assert not np.allclose(net.state_dict()["blocks.0.1.running_mean"].numpy(), 0.0, atol=0.01)
    scorer = cnn_scorer(net, FeatureSpec(), context=context, **BANDS)
    frames = contexts_of(log_mel, context)
    for channel, scores in zip(frames, scorer.score(frames), strict=True):
        with torch.no_grad():
            expected = net(standardised(channel)).numpy()
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_errors_of_the_bottleneck_with_its_normalisation_folded_in(log_mel, rng):
    net = seeded(lambda: Bottleneck(64), 5)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(20):
        optimiser.zero_grad()
        net.loss(torch.from_numpy(rng.normal(1.0, 2.0, size=(64, 5, 64)).astype(np.float32))).backward()
        optimiser.step()
    net.eval()
    assert not np.allclose(net.state_dict()["blocks.0.1.running_mean"].numpy(), 0.0, atol=0.01)
    scorer = bottleneck_scorer(net, FeatureSpec(), **BANDS)
    frames = contexts_of(log_mel, 5)
    for channel, scores in zip(frames, scorer.score(frames), strict=True):
        with torch.no_grad():
            wanted = standardised(channel)
            expected = torch.mean((net(wanted) - wanted.flatten(1)) ** 2, dim=-1).numpy()
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_attention_over_components_written_out(trained_autoencoder, log_mel):
    """The reading, spelled out for one frame: softmax(q k^T / sqrt(64)) v over the 64 components of its code."""
    net = trained_autoencoder("components")
    frame = standardised(log_mel[:1, 7:8])[0, 0]
    with torch.no_grad():
        z = net.encoder(frame).double().numpy()
        q, k, v = ((net.heads[n].weight.numpy() @ z + net.heads[n].bias.numpy()) for n in ("query", "key", "value"))
    expected = np.empty(64)
    for i in range(64):
        weights = np.exp(q[i] * k / 8.0)
        expected[i] = np.sum(weights * v) / np.sum(weights)
    scorer = autoencoder_scorer(net, TrainingOptions(), context=1, **BANDS)
    np.testing.assert_allclose(scorer.codes(log_mel[0, 7:8, None])[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("max_fpr", [0.01, 0.1, 0.37])
@pytest.mark.parametrize("levels", [4, 1000])
def test_partial_auc_is_that_of_scikit_learn(rng, max_fpr, levels):
    normal, abnormal = rng.integers(0, levels, 130), rng.integers(levels // 4, levels + levels // 2, 70)
    expected = roc_auc_score([0] * 130 + [1] * 70, np.concatenate([normal, abnormal]), max_fpr=max_fpr)
    assert partial_auc(normal, abnormal, max_fpr=max_fpr) == pytest.approx(expected, abs=1e-12)
    whole = roc_auc_score([0] * 130 + [1] * 70, np.concatenate([normal, abnormal]))
    assert partial_auc(normal, abnormal, max_fpr=1.0) == pytest.approx(whole, abs=1e-12)


def test_the_written_out_derivative_of_the_attention_is_autograds(rng):
    """Values and gradients against softmax and autograd, and against differences."""
    query, key, value = (torch.from_numpy(rng.normal(0.0, 2.0, size=(5, 9))).requires_grad_() for _ in range(3))
    plain = (torch.softmax(query[:, :, None] * key[:, None, :], dim=-1) @ value[:, :, None])[:, :, 0]
    attended = attend_components(query, key, value)
    np.testing.assert_allclose(attended.detach(), plain.detach(), rtol=1e-12)
    towards = torch.from_numpy(rng.normal(size=(5, 9)))
    found = torch.autograd.grad(attended, (query, key, value), towards)
    expected = torch.autograd.grad(plain, (query, key, value), towards)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert torch.autograd.gradcheck(attend_components, (query, key, value))


@pytest.mark.parametrize("level", [1.0, 30.0, 3000.0])
@pytest.mark.parametrize("n_frames", [1, 3])
def test_attention_over_components_at_any_level(trained_autoencoder, rng, level, n_frames):
    """One frame and many, exponents that need a shift and such that do not: the same formula."""
    net = trained_autoencoder("components")
    scorer = autoencoder_scorer(net, TrainingOptions(), context=1, **BANDS)
    frames = (-60 + level * rng.normal(size=(n_frames, 1, 64))).astype(np.float32)
    with torch.no_grad():
        wanted = (frames - BANDS["band_mean"]) / BANDS["band_std"]
        expected = net.double().code(torch.from_numpy(wanted)).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(scorer.codes(frames), expected, rtol=1e-9, atol=1e-9 * scale)
