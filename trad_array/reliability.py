"""Are probabilities true? Of the cells that a map gives 70 %, seven of ten should be the one.

Pure counting over many maps and their truths. The sounds come from elsewhere: `trad_array.simulation.trials`, a
benchmark, or recordings that somebody labelled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry import frozen_array

# Narrow where most probabilities of a good localizer lie. Our choice.
BIN_EDGES = (0.0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1.0)
_Z_95 = 1.96


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a localizer said about sounds of known cells.

    probability : (n_sounds, n_cells), of each cell, given that a cell made the sound; rows sum to 1
    cells : (n_sounds,), index of the cell that did
    """

    probability: NDArray[np.float64]
    cells: NDArray[np.intp]

    def __post_init__(self) -> None:
        n, sums = len(self.cells), self.probability.sum(axis=-1)
        if self.probability.ndim != 2 or len(self.probability) != n or not np.allclose(sums, 1.0, atol=1e-5):
            raise ValueError(f"expected a row that sums to 1 for each of {n} sounds, got {self.probability.shape}")
        object.__setattr__(self, "probability", frozen_array(self.probability, np.float64))
        object.__setattr__(self, "cells", frozen_array(self.cells, np.intp))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best cell is the one, shape (n_sounds,)."""
        return np.asarray(self.probability.argmax(axis=1) == self.cells)

    def predicted_and_hits(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Every probability that was given, and whether that cell was the one; both (n_sounds * n_cells,)."""
        hits = np.arange(self.probability.shape[1])[None, :] == self.cells[:, None]
        return self.probability.ravel(), hits.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Credible sets of many sounds; arrays of shape (n_sounds,).

    size : cells in the set
    covered : 1 where the true cell is in the set, else 0
    randomised : the same, but the set's last cell counts only with the part of it that the set needs to hold its mass
    """

    size: NDArray[np.intp]
    covered: NDArray[np.float64]
    randomised: NDArray[np.float64]


def coverage(answers: Answers, mass: float = 0.9) -> Coverage:
    """How often the smallest sets that hold `mass` of the probability hold the true cell.

    Notes
    -----
    A set of whole cells holds more than `mass`: where one cell has 99.9 %, the set is that cell, and it covers 99.9 %
    however truthful the map is. Plain coverage is therefore at least the share of right best cells and tells only
    whether maps are too sure. In the randomised set the last cell is in with a chance that makes the mass exactly
    `mass` (as in Romano, Sesia & Candes, NeurIPS 33, 2020); truthful maps cover `mass` of the sounds with it, no more
    and no less. Here the chance itself is counted, so no dice are thrown.
    """
    order = np.argsort(-answers.probability, axis=1, kind="stable")
    sorted_p = np.take_along_axis(answers.probability, order, axis=1)
    total = np.cumsum(sorted_p, axis=1)
    size = np.minimum((total < mass * total[:, -1:] * (1 - 1e-12)).sum(axis=1) + 1, total.shape[1])
    rank = np.argmax(order == answers.cells[:, None], axis=1)
    each = np.arange(len(size))
    last_p = sorted_p[each, size - 1]
    part = 1.0 - (total[each, size - 1] - mass * total[:, -1]) / np.maximum(last_p, 1e-300)
    covered = (rank < size).astype(np.float64)
    return Coverage(size, covered, np.where(rank == size - 1, np.clip(part, 0.0, 1.0), covered))


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Predicted against observed; arrays of shape (n_bins,), bins without a probability in them left out.

    predicted : mean probability; observed : share that were the one; low, high : 95 % interval of that share
    n : probabilities in the bin
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.intp]


def reliability_bins(
    predicted: NDArray[np.floating], hits: NDArray[np.bool_], edges: tuple[float, ...] = BIN_EDGES
) -> Bins:
    """Sort probabilities into bins and count how many of each came true.

    Parameters
    ----------
    predicted : array, shape (n,), 0 to 1
    hits : array, shape (n,), whether it came true
    edges : ascending, the first 0 and the last 1
    """
    bin_of = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, len(edges) - 2)
    n = np.bincount(bin_of, minlength=len(edges) - 1)
    used = n > 0
    mean = np.bincount(bin_of, predicted, minlength=len(n))[used] / n[used]
    count = np.bincount(bin_of, hits, minlength=len(n))[used]
    low, high = wilson(count, n[used])
    return Bins(mean, count / n[used], low, high, n[used])


def wilson(
    hits: NDArray[np.floating] | NDArray[np.integer] | float, n: NDArray[np.integer] | int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of a share, `hits` of `n` trials; Wilson, J. Am. Stat. Assoc. 22, 1927."""
    z, p = _Z_95, np.asarray(hits, dtype=np.float64) / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The formula gives 0 and 1 themselves there, but for the last digit.
    low = np.where(p == 0.0, 0.0, np.maximum(centre - half, 0.0))
    return low, np.where(p == 1.0, 1.0, np.minimum(centre + half, 1.0))
