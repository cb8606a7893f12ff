"""Trains the paper's autoencoder, with or without attention, and turns it into the scorer that needs no torch."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trad_array.learning.covariance import MAX_COVARIANCE_FRAMES, fit_whitening
from trad_array.learning.frames import Corpus, FramePool, contexts_of, pool_frames, thinned
from trad_array.learning.job import Job
from trad_array.learning.options import TrainingOptions
from trad_array.learning.torch_loop import Patches, Run, band_statistics, run_epochs, seeded
from trad_array.scoring.attention_ae import BATCH_FRAMES, N_CODE, N_HIDDEN, AttentionAE, Linear

_HEADS = ("query", "key", "value")


class Autoencoder(nn.Module):
    """encoder 64-128-64, self-attention on the code in one of four readings, decoder 64-128-64."""

    def __init__(self, n_mels: int, attention: str) -> None:
        super().__init__()
        self.attention = attention
        self.encoder = _two_layers(n_mels, N_CODE)
        self.heads = nn.ModuleDict({} if attention == "none" else {name: nn.Linear(N_CODE, N_CODE) for name in _HEADS})
        self.decoder = _two_layers(N_CODE, n_mels)

    def code(self, frames: torch.Tensor) -> torch.Tensor:
        """Code after attention; (batch, context, n_mels), standardised, to (batch, 64)."""
        z = self.encoder(frames if self.attention == "window" else frames[:, -1])
        if self.attention == "none":
            return torch.as_tensor(z)
        # One token is: a component of the code, a frame of the context, or a frame of the batch.
        asking = z[:, -1:] if self.attention == "window" else z
        query, key, value = (self.heads[name](x) for name, x in zip(_HEADS, (asking, z, z), strict=True))
        if self.attention == "components":
            query, key, value = (x[..., None] for x in (query, key, value))
        weights = torch.softmax(query @ key.transpose(-1, -2) / N_CODE**0.5, dim=-1)
        attended = weights @ value
        if self.attention == "components":
            return torch.as_tensor(attended[..., 0])
        return torch.as_tensor(attended[:, 0] if self.attention == "window" else attended)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Reconstruction of the last frame of each context, shape (batch, n_mels)."""
        return torch.as_tensor(self.decoder(self.code(frames)))

    def loss(self, frames: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the reconstruction."""
        return nn.functional.mse_loss(self(frames), frames[:, -1])


def fit_kind(job: Job) -> tuple[AttentionAE, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`."""
    attention = job.options.attention
    pool = pool_frames(job.corpus, job.options.features, context=job.options.context if attention == "window" else 1)
    mean, std = band_statistics(pool)
    return train_autoencoder(pool, job.corpus, Run.of(job), attention=attention, band_mean=mean, band_std=std)


def train_autoencoder(
    pool: FramePool,
    corpus: Corpus,
    run: Run,
    *,
    attention: str,
    band_mean: NDArray[np.float64],
    band_std: NDArray[np.float64],
) -> tuple[AttentionAE, tuple[float, ...]]:
    """Train on the contexts of a pool, then fit the Gaussian of the codes; returns the scorer and the losses."""
    context = run.options.context if attention == "window" else 1
    net = seeded(lambda: Autoencoder(pool.rows.shape[1], attention), run.weights_seed)
    patches = Patches.of(pool, context=context, band_mean=band_mean, band_std=band_std)
    losses = run_epochs(
        net,
        lambda samples: net.loss(patches(samples)),
        run,
        n_samples=len(pool.last),
    )
    scorer = scorer_of(net, run.options, context=context, band_mean=band_mean, band_std=band_std)
    centre, whitening = fit_whitening(_codes(scorer, corpus))
    return replace(scorer, centre=centre, whitening=whitening), losses


def scorer_of(
    net: Autoencoder,
    options: TrainingOptions,
    *,
    context: int,
    band_mean: NDArray[np.float64],
    band_std: NDArray[np.float64],
) -> AttentionAE:
    """The network as a scorer whose Gaussian of the codes is still the standard one."""
    return AttentionAE(
        features=options.features,
        attention=net.attention,
        distance=options.distance,
        context=context,
        band_mean=band_mean,
        band_std=band_std,
        encoder=(_linear(net.encoder[0]), _linear(net.encoder[2])),
        heads=tuple(_linear(net.heads[name]) for name in _HEADS if name in net.heads),
        decoder=(_linear(net.decoder[0]), _linear(net.decoder[2])),
        centre=np.zeros(N_CODE),
        whitening=np.eye(N_CODE),
    )


def _codes(scorer: AttentionAE, corpus: Corpus) -> NDArray[np.float64]:
    """Codes of normal frames, (n, 64), computed in the same batches of one channel as scores are."""
    codes = []
    for frames in thinned(corpus, max_frames=MAX_COVARIANCE_FRAMES):
        for channel in contexts_of(frames, scorer.context):
            cuts = range(BATCH_FRAMES, len(channel), BATCH_FRAMES)
            codes += [scorer.codes(part) for part in np.split(channel, cuts) if len(part)]
    return np.concatenate(codes)


def _two_layers(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, N_HIDDEN), nn.ReLU(), nn.Linear(N_HIDDEN, n_out))


def _linear(layer: nn.Module) -> Linear:
    weight, bias = (_array(getattr(layer, name)) for name in ("weight", "bias"))
    return Linear(weight=weight.T, bias=bias)


def _array(parameter: torch.Tensor) -> NDArray[np.float64]:
    return parameter.detach().numpy().astype(np.float64)
