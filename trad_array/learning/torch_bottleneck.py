"""Trains the bottleneck autoencoder of five frames and turns it into the scorer that needs no torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trad_array.features import FeatureSpec
from trad_array.learning.frames import FramePool, pool_frames
from trad_array.learning.job import Job
from trad_array.learning.torch_loop import Patches, Run, Samples, band_statistics, run_epochs, seeded
from trad_array.scoring.attention_ae import Linear
from trad_array.scoring.bottleneck_ae import N_CONTEXT, BottleneckAE, layer_sizes

# Keeps the division by a unit's standard deviation finite; torch's default.
_EPSILON = 1e-5


class Bottleneck(nn.Module):
    """Ten layers; batch normalisation and ReLU after every one but the last."""

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        *inner, last = layer_sizes(n_mels)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out, eps=_EPSILON), nn.ReLU())
            for n_in, n_out in inner
        )
        self.last = nn.Linear(*last)

    def forward(self, contexts: torch.Tensor) -> torch.Tensor:
        """Reconstruction of standardised contexts, shape (batch, 5, n_mels); flat, (batch, 5 * n_mels)."""
        x = contexts.flatten(1)
        for block in self.blocks:
            x = block(x)
        return torch.as_tensor(self.last(x))

    def loss(self, contexts: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the reconstruction."""
        return nn.functional.mse_loss(self(contexts), contexts.flatten(1))


def fit_kind(job: Job) -> tuple[BottleneckAE, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`."""
    features, run = job.options.features, Run.of(job)
    pool = pool_frames(job.corpus, features, context=N_CONTEXT)
    mean, std = band_statistics(pool)
    net = seeded(lambda: Bottleneck(features.n_mels), run.weights_seed)

    def samples(pool: FramePool) -> Samples:
        patches = Patches.of(pool, context=N_CONTEXT, band_mean=mean, band_std=std)
        return Samples(lambda chosen: net.loss(patches(chosen)), len(pool.last))

    held = None if job.validation is None else samples(pool_frames(job.validation, features, context=N_CONTEXT))
    losses = run_epochs(net, samples(pool), run, held=held)
    return scorer_of(net, features, band_mean=mean, band_std=std), losses


def scorer_of(
    net: Bottleneck, features: FeatureSpec, *, band_mean: NDArray[np.float64], band_std: NDArray[np.float64]
) -> BottleneckAE:
    """The network as a scorer; batch normalisation is folded into the layers."""
    last = Linear(weight=_array(net.last.weight).T, bias=_array(net.last.bias))
    return BottleneckAE(
        features=features,
        band_mean=band_mean,
        band_std=band_std,
        layers=(*(_folded(block) for block in net.blocks), last),
    )


def _folded(block: nn.Module) -> Linear:
    """Layer and the normalisation after it as one: w' = w g / s and b' = (b - m) g / s + o."""
    state = {name: _array(values) for name, values in block.state_dict().items()}
    gain = state["1.weight"] / np.sqrt(state["1.running_var"] + _EPSILON)
    bias = (state["0.bias"] - state["1.running_mean"]) * gain + state["1.bias"]
    # Rounded to what a model file holds, so that a model scores the same before and after it is stored.
    return Linear(weight=(state["0.weight"].T * gain).astype(np.float32), bias=bias.astype(np.float32))


def _array(values: torch.Tensor) -> NDArray[np.float64]:
    return values.detach().numpy().astype(np.float64)
