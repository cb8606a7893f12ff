"""The loop that both networks are trained with, and the checkpoint that an interruption leaves behind."""

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
# Share by which an epoch must lower the loss on the recordings kept apart to count as progress. Our choice.
_PROGRESS = 0.01

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

    def save(self, net: nn.Module, optimiser: torch.optim.Optimizer, story: "Story") -> None:
        """Write the state; a half-written file never takes the place of a whole one."""
        if self.checkpoint is None:
            return
        state = {
            "fingerprint": self.fingerprint,
            "losses": story.losses,
            "held": story.held,
            "best": story.best,
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

    def resume(self, net: nn.Module, optimiser: torch.optim.Optimizer) -> "Story":
        """Put net and optimiser where an interrupted run left them; what happened so far, nothing for a new start."""
        state = self._read()
        if state is None:
            return Story(losses=[], held=[])
        try:
            net.load_state_dict(state["net"])
            optimiser.load_state_dict(state["optimiser"])
            losses, held = ([float(loss) for loss in state[name]] for name in ("losses", "held"))
            story = Story(losses=losses, held=held, best=state["best"])
        except (KeyError, TypeError, ValueError, RuntimeError) as trouble:
            # Part of it may be in place already; a mixture must not be trained on.
            raise ConfigError(f"{self.checkpoint}: damaged checkpoint, delete it to start anew") from trouble
        self.note(f"{self.checkpoint}: going on after epoch {len(losses)}")
        return story

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


@dataclass(slots=True)
class Story:
    """What happened in training so far.

    losses : mean training loss of every epoch
    held : mean loss on the recordings kept apart after every epoch; empty without early stopping
    best : weights of the best epoch, None without early stopping
    """

    losses: list[float]
    held: list[float]
    best: dict[str, torch.Tensor] | None = None

    @property
    def best_epoch(self) -> int:
        """Epochs up to the last that lowered the loss on the recordings kept apart by `_PROGRESS`; 0 for none."""
        best, lowest = 0, math.inf
        for epoch, loss in enumerate(self.held, 1):
            if loss < lowest * (1.0 - _PROGRESS):
                best, lowest = epoch, loss
        return best


@dataclass(frozen=True, slots=True)
class Samples:
    """What a network is fitted to, or judged by.

    loss : mean loss of the samples with these indices, shape (batch,)
    n : of them
    """

    loss: Callable[[torch.Tensor], torch.Tensor]
    n: int


def run_epochs(net: nn.Module, samples: Samples, run: Run, *, held: Samples | None = None) -> tuple[float, ...]:
    """Train with Adam; returns the mean loss of every epoch up to the one whose weights the network is left with.

    Parameters
    ----------
    held : samples of other recordings, for `TrainingOptions.early_stop`; None trains all epochs

    Raises
    ------
    ConfigError
        If the loss becomes infinite or NaN.

    Notes
    -----
    One thread: batches of 128 frames are too small for two, and sums do not depend on the number of cores.
    """
    options = run.options
    optimiser = torch.optim.Adam(net.parameters(), lr=options.learning_rate, fused=True)
    story = run.resume(net, optimiser)
    net.train()
    with _one_thread():
        while len(story.losses) < options.epochs and not (held and _stuck(story, options.early_stop)):
            epoch = len(story.losses)
            story.losses.append(
                _one_epoch(optimiser, samples.loss, _order(samples.n, run.shuffle_seed + epoch), options.batch)
            )
            if not math.isfinite(story.losses[-1]):
                raise ConfigError(f"training: expected a finite loss, found {story.losses[-1]} in epoch {epoch + 1}")
            if held is not None:
                _judge(net, held, story, options.batch)
            run.save(net, optimiser, story)
            run.progress(epoch + 1, options.epochs, story.losses[-1])
    if story.best is not None:
        net.load_state_dict(story.best)
        run.note(f"early stop: epoch {story.best_epoch} of {len(story.losses)} kept")
    net.eval()
    return tuple(story.losses[: story.best_epoch] if story.best is not None else story.losses)


def _stuck(story: Story, patience: int) -> bool:
    return len(story.held) - story.best_epoch >= patience


@torch.no_grad()
def _judge(net: nn.Module, held: Samples, story: Story, batch: int) -> None:
    """Loss on the recordings kept apart; the weights are remembered if it is the best so far."""
    net.eval()
    parts = torch.split(torch.arange(held.n), batch)
    story.held.append(sum(float(held.loss(part)) * len(part) for part in parts) / held.n)
    net.train()
    if story.best_epoch == len(story.held):
        story.best = {name: values.clone() for name, values in net.state_dict().items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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
        last = self.last[samples]
        return self.rows[last][:, None] if len(self.steps) == 1 else self.rows[last[:, None] + self.steps]


def band_statistics(pool: FramePool) -> tuple[Bands, Bands]:
    """Mean and standard deviation of each band, dB; every network is fed standardised bands (our choice)."""
    mean = pool.rows.mean(axis=0, dtype=np.float64)
    std = pool.rows.std(axis=0, dtype=np.float64)
    return mean, np.maximum(std, _MIN_BAND_STD_DB)
