"""Stored scorers of every kind and reading with random numbers: what they compute matters here, not how well."""

import numpy as np
import pytest

from trad_array.features import FeatureSpec
from trad_array.features.wavelets import DB4
from trad_array.scoring.attention_ae import AttentionAE, Linear
from trad_array.scoring.bottleneck_ae import BottleneckAE, layer_sizes
from trad_array.scoring.cnn import CNN, Convolution
from trad_array.scoring.gaussian import Gaussian
from trad_array.scoring.trees import Trees
from trad_array.scoring.wavelet_threshold import WaveletThreshold
from trad_array.scoring.wavelet_xgboost import WaveletXGBoost

SPEC = FeatureSpec(front_end="absolute")
# Frames of 64 samples are as long as frames of 64 bands: the same tests serve both.
SAMPLES = FeatureSpec(front_end="waveform", n_fft=64, hop=32)


def _linear(rng, n_in, n_out):
    weight = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
    return Linear(weight.astype(np.float32), (0.1 * rng.normal(size=n_out)).astype(np.float32))


def _autoencoder(rng, *, attention, distance="mahalanobis", context=1):
    return AttentionAE(
        features=SPEC,
        attention=attention,
        distance=distance,
        context=context,
        band_mean=np.full(64, -60.0),
        band_std=np.full(64, 10.0),
        encoder=(_linear(rng, 64, 128), _linear(rng, 128, 64)),
        heads=() if attention == "none" else tuple(_linear(rng, 64, 64) for _ in range(3)),
        decoder=(_linear(rng, 64, 128), _linear(rng, 128, 64)),
        centre=rng.normal(size=64),
        whitening=rng.normal(size=(64, 64)),
    )


def _cnn(rng, context=16):
    first, second, third = (
        Convolution(0.3 * rng.normal(size=(3, 3, n_in, n_out)), 0.1 * rng.normal(size=n_out))
        for n_in, n_out in ((1, 16), (16, 32), (32, 64))
    )
    return CNN(
        features=SPEC,
        context=context,
        band_mean=np.full(64, -60.0),
        band_std=np.full(64, 10.0),
        blocks=(first, second, third),
        weight=rng.normal(size=64),
        bias=np.float32(0.3),
    )


def _bottleneck(rng):
    layers = tuple(_linear(rng, n_in, n_out) for n_in, n_out in layer_sizes(64))
    return BottleneckAE(SPEC, band_mean=np.full(64, -60.0), band_std=np.full(64, 10.0), layers=layers)


def _boosted(rng, energies="relative"):
    trees = Trees(
        feature=rng.integers(0, 32, size=(20, 7)),
        threshold=rng.normal(-15, 5, size=(20, 7)),
        leaf=rng.normal(size=(20, 8)),
        base=-0.4,
    )
    return WaveletXGBoost(SAMPLES, energies=energies, low=DB4, noise=rng.uniform(1, 2, 32), trees=trees)


MAKERS = {
    "gaussian": lambda rng: Gaussian(SPEC, rng.normal(-60, 5, 64), rng.normal(size=(64, 64))),
    "ae": lambda rng: _autoencoder(rng, attention="none"),
    "ae-mse": lambda rng: _autoencoder(rng, attention="none", distance="mse"),
    "components": lambda rng: _autoencoder(rng, attention="components"),
    "components-mse": lambda rng: _autoencoder(rng, attention="components", distance="mse"),
    "window": lambda rng: _autoencoder(rng, attention="window", context=16),
    "batch": lambda rng: _autoencoder(rng, attention="batch"),
    "cnn": lambda rng: _cnn(rng),
    "cnn-odd": lambda rng: _cnn(rng, context=11),
    "bottleneck-ae": _bottleneck,
    "wavelet-xgboost": _boosted,
    "wavelet-absolute": lambda rng: _boosted(rng, energies="absolute"),
    "wavelet-xcorr": lambda rng: WaveletThreshold(SAMPLES, noise=rng.uniform(1, 2, 6)),
}
KINDS = {
    "gaussian": "gaussian",
    "ae": "ae",
    "ae-mse": "ae",
    "cnn": "cnn",
    "cnn-odd": "cnn",
    "bottleneck-ae": "bottleneck-ae",
    "wavelet-xgboost": "wavelet-xgboost",
    "wavelet-absolute": "wavelet-xgboost",
    "wavelet-xcorr": "wavelet-xcorr",
}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(params=MAKERS)
def scorer(request, rng):
    return MAKERS[request.param](rng)


@pytest.fixture(params=[name for name in MAKERS if name != "batch"])
def live_scorer(request, rng):
    return MAKERS[request.param](rng)


@pytest.fixture(params=MAKERS)
def kind_and_scorer(request, rng):
    return KINDS.get(request.param, "attention-ae"), MAKERS[request.param](rng)


@pytest.fixture
def make_scorer(rng):
    return lambda name: MAKERS[name](rng)


@pytest.fixture
def log_mel(rng):
    """Four microphones, 150 frames, dB."""
    return rng.normal(-60, 10, size=(4, 150, 64)).astype(np.float32)


@pytest.fixture
def in_context():
    """Function from frames (n_mics, n_frames, n_mels) to what a scorer with that context is fed."""

    def view(frames, context):
        return np.lib.stride_tricks.sliding_window_view(frames, context, axis=1).swapaxes(2, 3)

    return view
