"""Trains the paper's supervised network and turns it into the scorer that needs no torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trad_array.features import FeatureSpec
from trad_array.learning.frames import Corpus, FramePool, pool_frames, with_warm_up
from trad_array.learning.job import Job
from trad_array.learning.options import TrainingOptions
from trad_array.learning.torch_loop import Patches, Run, Samples, band_statistics, run_epochs, seeded
from trad_array.scoring.cnn import BLOCK_CHANNELS, CNN, Convolution

# Keeps the division by a channel's standard deviation finite; torch's default.
_EPSILON = 1e-5


class ConvolutionalNetwork(nn.Module):
    """Three blocks of convolution, batch normalisation, ReLU and maximum; average pooling; one logit."""

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((1, *BLOCK_CHANNELS[:-1]), BLOCK_CHANNELS, strict=True)
        self.blocks = nn.ModuleList(_block(n_in, n_out) for n_in, n_out in pairs)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.logit = nn.Linear(BLOCK_CHANNELS[-1], 1)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Logits, shape (batch,), of standardised patches, shape (batch, context, n_mels)."""
        x = patches[:, None]
        for block in self.blocks:
            x = block(x)
        return torch.as_tensor(self.logit(self.pool(x).flatten(1))[:, 0])

    def loss(self, patches: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy; `target` is 1 for patches of abnormal segments."""
        return nn.functional.binary_cross_entropy_with_logits(self(patches), target)


def fit_kind(job: Job) -> tuple[CNN, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`."""
    pool = _pool(job.corpus, job.options)
    held = None if job.validation is None else _pool(job.validation, job.options)
    mean, std = band_statistics(pool)
    return train_cnn(pool, held, Run.of(job), band_mean=mean, band_std=std)


def _pool(corpus: Corpus, options: TrainingOptions) -> FramePool:
    if options.features.front_end == "floor":
        corpus = with_warm_up(corpus, n_frames=options.context)
    return pool_frames(corpus, options.features, context=options.context, hop=options.patch_hop, labels=options.labels)


def train_cnn(
    pool: FramePool,
    held: FramePool | None,
    run: Run,
    *,
    band_mean: NDArray[np.float64],
    band_std: NDArray[np.float64],
) -> tuple[CNN, tuple[float, ...]]:
    """Train on the patches of a pool, `held` telling when to stop; returns the scorer and the losses."""
    net = seeded(ConvolutionalNetwork, run.weights_seed)

    def samples(pool: FramePool) -> Samples:
        patches = Patches.of(pool, context=run.options.context, band_mean=band_mean, band_std=band_std)
        target = torch.from_numpy(pool.target)
        return Samples(lambda chosen: net.loss(patches(chosen), target[chosen]), len(pool.last))

    losses = run_epochs(net, samples(pool), run, held=None if held is None else samples(held))
    scorer = scorer_of(net, run.options.features, context=run.options.context, band_mean=band_mean, band_std=band_std)
    return scorer, losses


def scorer_of(
    net: ConvolutionalNetwork,
    features: FeatureSpec,
    *,
    context: int,
    band_mean: NDArray[np.float64],
    band_std: NDArray[np.float64],
) -> CNN:
    """The network as a scorer; batch normalisation is folded into the convolutions."""
    first, second, third = (_folded(block) for block in net.blocks)
    return CNN(
        features=features,
        context=context,
        band_mean=band_mean.astype(np.float32),
        band_std=band_std.astype(np.float32),
        blocks=(first, second, third),
        weight=net.logit.weight.detach().numpy()[0],
        bias=net.logit.bias.detach().numpy()[0],
    )


def _block(n_in: int, n_out: int) -> nn.Sequential:
    convolution, normalisation = nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out, eps=_EPSILON)
    return nn.Sequential(convolution, normalisation, nn.ReLU(), nn.MaxPool2d(2))


def _folded(block: nn.Module) -> Convolution:
    """Convolution and the normalisation after it as one: w' = w g / s and b' = (b - m) g / s + o."""
    state = {name: values.numpy().astype(np.float64) for name, values in block.state_dict().items()}
    gain = state["1.weight"] / np.sqrt(state["1.running_var"] + _EPSILON)
    weight = state["0.weight"].transpose(2, 3, 1, 0) * gain
    bias = (state["0.bias"] - state["1.running_mean"]) * gain + state["1.bias"]
    return Convolution(weight=weight.astype(np.float32), bias=bias.astype(np.float32))
