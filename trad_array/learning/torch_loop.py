"""The loop that both networks are trained with, and the checkpoint that an interruption leaves behind."""

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trad_array.errors import ConfigError
from trad_array.learning.frames import FramePool
from trad_array.learning.job import Job
from trad_array.learning.options import TrainingOptions

# Standard deviation of a band that hardly varies, dB; digital silence must not be divided by zero.
_MIN_BAND_STD_DB = 0.1

Bands = NDArray[np.float64]
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Run:
    """How a network is trained, and where the state after every epoch is kept.

    weights_seed : of the first weights
    shuffle_seed : of the order of samples; epoch k uses shuffle_seed + k, so a resumed run shuffles as an unbroken one
    checkpoint : file, or None to keep nothing
    fingerprint : of settings, seeds and data; a checkpoint with another one is not resumed
    progress : called after every epoch with its number, counted from 1, their total, and the mean loss
    note : told in one line what became of an earlier checkpoint
    """

    options: TrainingOptions
    weights_seed: int
    shuffle_seed: int
    checkpoint: Path | None
    fingerprint: str
    progress: Callable[[int, int, float], None]
    note: Callable[[str], None]

    @classmethod
    def of(cls, job: Job) -> "Run":
        """How the network of a job is trained."""
        weights, shuffle = job.seeds
        return cls(
            options=job.options,
            weights_seed=weights,
            shuffle_seed=shuffle,
            checkpoint=job.checkpoint,
            fingerprint=job.fingerprint,
            progress=job.watch.epoch,
            note=job.watch.note,
        )

    def save(self, net: nn.Module, optimiser: torch.optim.Optimizer, losses: list[float]) -> None:
        """Write the state; a half-written file never takes the place of a whole one."""
        if self.checkpoint is None:
            return
        state = {
            "fingerprint": self.fingerprint,
            "losses": losses,
            "net": net.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        part = self.checkpoint.with_name(self.checkpoint.name + ".part")
        try:
            with part.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.checkpoint)
        finally:
            part.unlink(missing_ok=True)

    def resume(self, net: nn.Module, optimiser: torch.optim.Optimizer) -> list[float]:
        """Put net and optimiser where an interrupted run left them; the losses so far, none for a new start."""
        state = self._read()
        if state is None:
            return []
        try:
            net.load_state_dict(state["net"])
            optimiser.load_state_dict(state["optimiser"])
            losses = [float(loss) for loss in state["losses"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as trouble:
            # Part of it may be in place already; a mixture must not be trained on.
            raise ConfigError(f"{self.checkpoint}: damaged checkpoint, delete it to start anew") from trouble
        self.note(f"{self.checkpoint}: going on after epoch {len(losses)}")
        return losses

    def _read(self) -> dict[str, Any] | None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return None
        try:
            with warnings.catch_warnings():
                # What torch warns of in a foreign pickle is told in the note below.
                warnings.simplefilter("ignore")
                state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as trouble:  # torch, zipfile and pickle each have their own ways to say "damaged"
            self.note(f"{self.checkpoint}: damaged checkpoint ({type(trouble).__name__}), starting anew")
            return None
        if not isinstance(state, dict) or state.get("fingerprint") != self.fingerprint:
            self.note(f"{self.checkpoint}: checkpoint of other settings or other data, starting anew")
            return None
        return state


def seeded(make: Callable[[], Net], seed: int) -> Net:
    """A network with first weights from `seed`; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def run_epochs(
    net: nn.Module, batch_loss: Callable[[torch.Tensor], torch.Tensor], run: Run, *, n_samples: int
) -> tuple[float, ...]:
    """Train with Adam; returns the mean loss of every epoch.

    Parameters
    ----------
    batch_loss : mean loss of the samples with these indices, shape (batch,)

    Raises
    ------
    ConfigError
        If the loss becomes infinite or NaN.
    """
    options = run.options
    optimiser = torch.optim.Adam(net.parameters(), lr=options.learning_rate)
    losses = run.resume(net, optimiser)
    net.train()
    for epoch in range(len(losses), options.epochs):
        losses.append(_one_epoch(optimiser, batch_loss, _order(n_samples, run.shuffle_seed + epoch), options.batch))
        if not math.isfinite(losses[-1]):
            raise ConfigError(f"training: expected a finite loss, found {losses[-1]} in epoch {epoch + 1}")
        run.save(net, optimiser, losses)
        run.progress(epoch + 1, options.epochs, losses[-1])
    net.eval()
    return tuple(losses)


def _order(n_samples: int, seed: int) -> torch.Tensor:
    return torch.randperm(n_samples, generator=torch.Generator().manual_seed(seed))


def _one_epoch(
    optimiser: torch.optim.Optimizer,
    batch_loss: Callable[[torch.Tensor], torch.Tensor],
    order: torch.Tensor,
    batch: int,
) -> float:
    total = 0.0
    for samples in torch.split(order, batch):
        optimiser.zero_grad()
        loss = batch_loss(samples)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(samples)
    return total / len(order)


@dataclass(frozen=True, slots=True)
class Patches:
    """Contexts of a pool, standardised and put together only when asked for.

    rows : (n_rows, n_mels)
    last : (n_samples,)
    steps : (context,), from the first frame of a context to its last
    """

    rows: torch.Tensor
    last: torch.Tensor
    steps: torch.Tensor

    @classmethod
    def of(cls, pool: FramePool, *, context: int, band_mean: Bands, band_std: Bands) -> "Patches":
        """Contexts of the pool, in standard deviations of each band."""
        rows = torch.from_numpy(((pool.rows - band_mean) / band_std).astype(np.float32))
        return cls(rows=rows, last=torch.from_numpy(pool.last), steps=torch.arange(1 - context, 1))

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        """Contexts with these indices, shape (batch, context, n_mels)."""
        return self.rows[self.last[samples][:, None] + self.steps]


def band_statistics(pool: FramePool) -> tuple[Bands, Bands]:
    """Mean and standard deviation of each band, dB; every network is fed standardised bands (our choice)."""
    mean = pool.rows.mean(axis=0, dtype=np.float64)
    std = pool.rows.std(axis=0, dtype=np.float64)
    return mean, np.maximum(std, _MIN_BAND_STD_DB)
