"""Trains the paper's autoencoder, with or without attention, and turns it into the scorer that needs no torch."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trad_array.learning.covariance import MAX_COVARIANCE_FRAMES, fit_whitening
from trad_array.learning.frames import Corpus, FramePool, contexts_of, pool_frames, thinned
from trad_array.learning.job import Job
from trad_array.learning.options import TrainingOptions
from trad_array.learning.torch_loop import Patches, Run, Samples, band_statistics, run_epochs, seeded
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
            return attend_components(query / math.sqrt(N_CODE), key, value)
        weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(N_CODE), dim=-1)
        attended = weights @ value
        return torch.as_tensor(attended[:, 0] if self.attention == "window" else attended)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Reconstruction of the last frame of each context, shape (batch, n_mels)."""
        return torch.as_tensor(self.decoder(self.code(frames)))

    def loss(self, frames: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the reconstruction."""
        return nn.functional.mse_loss(self(frames), frames[:, -1])


class _AttendComponents(torch.autograd.Function):
    """Softmax over outer products with its derivative written out: a quarter of the time that autograd takes.

    With p_ij = softmax_j(q_i k_j), a_i = sum_j p_ij v_j and g = dL/da:
    dL/dq_i = g_i (E_i[v k] - a_i E_i[k]), dL/dv_j = sum_i p_ij g_i, dL/dk_j = sum_i p_ij g_i q_i (v_j - a_i).
    All sums over i and over j are two thin matrix products per frame; only exp(q_i k_j) is kept.
    """

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        scaled = query / math.log(2.0)  # 2^x is quicker than e^x
        weights = scaled[:, :, None] * key[:, None, :]
        highest, lowest = key.amax(-1, keepdim=True), key.amin(-1, keepdim=True)
        weights.sub_(torch.maximum(scaled * highest, scaled * lowest)[:, :, None]).exp2_()
        rows = torch.stack([torch.ones_like(key), value, key, key * value], dim=1)
        total, attended, mean_key, mean_both = torch.bmm(rows, weights.transpose(1, 2)).unbind(1)
        attended = attended / total
        ctx.save_for_backward(query, key, value, weights, total, attended, mean_key / total, mean_both / total)
        return attended

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        query, key, value, weights, total, attended, mean_key, mean_both = ctx.saved_tensors
        (grad,) = grads
        share = grad / total
        rows = torch.stack([share, share * query, share * query * attended], dim=1)
        to_value, by_query, by_both = torch.bmm(rows, weights).unbind(1)
        return grad * (mean_both - attended * mean_key), value * by_query - by_both, to_value


def attend_components(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """sum_j softmax_j(q_i k_j) v_j of each frame; all of shape (batch, n)."""
    attended: torch.Tensor = _AttendComponents.apply(query, key, value)  # type: ignore[no-untyped-call]
    return attended


def fit_kind(job: Job) -> tuple[AttentionAE, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`."""
    attention, features = job.options.attention, job.options.features
    context = job.options.context if attention == "window" else 1
    pool = pool_frames(job.corpus, features, context=context)
    held = None if job.validation is None else pool_frames(job.validation, features, context=context)
    mean, std = band_statistics(pool)
    net, losses = train_autoencoder(pool, held, Run.of(job), attention=attention, band_mean=mean, band_std=std)
    scorer = scorer_of(net, job.options, context=context, band_mean=mean, band_std=std)
    centre, whitening = fit_whitening(_codes(scorer, job.corpus))
    return replace(scorer, centre=centre, whitening=whitening), losses


def train_autoencoder(
    pool: FramePool,
    held: FramePool | None,
    run: Run,
    *,
    attention: str,
    band_mean: NDArray[np.float64],
    band_std: NDArray[np.float64],
) -> tuple[Autoencoder, tuple[float, ...]]:
    """Train on the contexts of a pool, `held` telling when to stop; returns the network and the losses."""
    context = run.options.context if attention == "window" else 1
    net = seeded(lambda: Autoencoder(pool.rows.shape[1], attention), run.weights_seed)

    def samples(pool: FramePool) -> Samples:
        patches = Patches.of(pool, context=context, band_mean=band_mean, band_std=band_std)
        return Samples(lambda chosen: net.loss(patches(chosen)), len(pool.last))

    losses = run_epochs(net, samples(pool), run, held=None if held is None else samples(held))
    return net, losses


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
