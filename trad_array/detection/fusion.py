"""What the microphones say together. Adding a fuser takes one file: see docs/extending.md."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.records import FloatArray, Fused, Scores


@runtime_checkable
class Fuser(Protocol):
    """Makes one score of those of all microphones."""

    def __call__(self, scores: Scores, live: NDArray[np.bool_]) -> Fused:
        """Fuse frame by frame.

        Parameters
        ----------
        scores : Scores, values of shape (n_mics, n_frames)
        live : array, shape (n_mics,), bool; the others must have no influence

        Returns
        -------
        Fused, values of shape (n_frames,); zeros when no microphone is live
        """
        ...


@dataclass(frozen=True, slots=True)
class KOfN:
    """The level that at least k live microphones reach: the k-th largest score (default 2 of 4, our choice).

    With fewer than k live microphones all of them must agree.
    """

    k: int = 2

    def __post_init__(self) -> None:
        _require_positive("k-of-n", self.k)

    def __call__(self, scores: Scores, live: NDArray[np.bool_]) -> Fused:
        """See `Fuser`."""
        ranked = np.sort(scores.values[live], axis=0)
        values = ranked[-min(self.k, len(ranked))] if len(ranked) else _silent(scores)
        return Fused(values=values, starts=scores.starts, live=live)


@dataclass(frozen=True, slots=True)
class Median:
    """The median score of the live microphones."""

    def __call__(self, scores: Scores, live: NDArray[np.bool_]) -> Fused:
        """See `Fuser`."""
        values = np.median(scores.values[live], axis=0) if live.any() else _silent(scores)
        return Fused(values=values, starts=scores.starts, live=live)


@dataclass(frozen=True, slots=True)
class TopKMean:
    """The mean of the k largest scores of the live microphones."""

    k: int = 2

    def __post_init__(self) -> None:
        _require_positive("top-k-mean", self.k)

    def __call__(self, scores: Scores, live: NDArray[np.bool_]) -> Fused:
        """See `Fuser`."""
        ranked = np.sort(scores.values[live], axis=0)
        values = ranked[-min(self.k, len(ranked)) :].mean(axis=0) if len(ranked) else _silent(scores)
        return Fused(values=values, starts=scores.starts, live=live)


def _require_positive(name: str, k: int) -> None:
    if k < 1:
        raise ConfigError(f"fuser {name}: k: expected at least 1, found {k}")


def _silent(scores: Scores) -> FloatArray:
    return np.zeros(scores.values.shape[1], dtype=scores.values.dtype)
