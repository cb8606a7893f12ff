"""How far a vector lies from those of normal sound: nearest neighbours, Mahalanobis, cosine; NumPy alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import AudioError, ConfigError
from trad_array.records import FloatArray
from trad_array.scoring.gaussian import mahalanobis
from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

BACK_ENDS = ("knn", "mahalanobis", "cosine")

# Neighbours that a distance is the mean of, and most vectors that a bank keeps. Our choice.
N_NEIGHBOURS = 5
MAX_BANK = 2048
# A window is an outlier that lies this many robust deviations farther from its neighbours than the median window.
# Our choice.
_OUTLIER_Z = 6.0
# More than this share of a bank is never thrown away: what is so common is no outlier.
_MAX_OUTLIERS = 0.1
_MAD_TO_SIGMA = 1.4826
# Vectors whose distances are worked on at once; bounds memory to 32 MB for a bank of 8192.
_CHUNK = 512
# The whitening of longer vectors would not fit into a model file.
MAX_WHITENED = 2048


@dataclass(frozen=True, slots=True, eq=False)
class BackEnd:
    """Distance from normal vectors.

    name : one of `BACK_ENDS`
    bank : (n, n_values), vectors of normal windows; (1, n_values), their mean, for "mahalanobis"
    spread : "knn": (n,), mean distance of each to its neighbours, above 0; "mahalanobis": (n_values, k), whitening;
        "cosine": (0,), nothing
    """

    name: str
    bank: NDArray[np.float64]
    spread: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("bank", "spread"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        if self.name not in BACK_ENDS:
            raise ConfigError(f"back_end: expected one of {', '.join(BACK_ENDS)}, found {self.name!r}")
        if self.name != "mahalanobis" and len(self.bank) < N_NEIGHBOURS:
            raise ConfigError(f"bank: expected at least {N_NEIGHBOURS} vectors, found {len(self.bank)}")
        if self.name == "knn" and self.spread.min() <= 0:
            raise ConfigError(f"spread: expected numbers above 0, found {self.spread.min():g}")

    @property
    def n_values(self) -> int:
        """Numbers in a vector."""
        return int(self.bank.shape[1])

    def __call__(self, vectors: FloatArray) -> NDArray[np.float64]:
        """Distance of each vector, shape (n, n_values), from normal ones; shape (n,).

        "knn" : mean over the nearest neighbours of distance / the neighbour's own distance to its neighbours, so that
            1 is as far as normal sound is from normal sound, wherever it is dense or sparse
        "mahalanobis" : in standard deviations
        "cosine" : mean over the nearest neighbours of 1 - cosine
        """
        if self.name == "mahalanobis":
            return mahalanobis(vectors, self.bank[0], self.spread)
        values = np.empty(len(vectors))
        # One at a time: matrix products of another size round otherwise, and a score must not depend on its batch.
        for n, vector in enumerate(vectors.astype(np.float64)):
            values[n] = self._nearest(vector)
        return values

    def _nearest(self, vector: NDArray[np.float64]) -> float:
        if self.name == "cosine":
            distance = 1.0 - self.bank @ _unit(vector)
            return float(np.partition(distance, N_NEIGHBOURS - 1)[:N_NEIGHBOURS].mean())
        distance = np.sqrt(((self.bank - vector) ** 2).sum(axis=1))
        nearest = np.argpartition(distance, N_NEIGHBOURS - 1)[:N_NEIGHBOURS]
        return float((distance[nearest] / self.spread[nearest]).mean())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name; vectors are stored in single precision, in which they were computed."""
        keep = np.float64 if self.name == "mahalanobis" else np.float32
        return {"bank": self.bank.astype(keep), "spread": self.spread}

    @classmethod
    def restore(cls, name: str, n_values: int, arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `arrays`; raises KeyError or ValueError when they do not fit."""
        n = 1 if name == "mahalanobis" else len(arrays["bank"])
        spread = {"knn": (n,), "cosine": (0,)}.get(name, (n_values, n_values))
        return cls(
            name=name,
            bank=require(arrays, "bank", (n, n_values), np.float64),
            spread=require(arrays, "spread", spread, np.float64),
        )


def neighbours_back_end(name: str, vectors: FloatArray, rng: np.random.Generator) -> BackEnd:
    """The back ends "knn" and "cosine" from clean vectors of normal sound, at most `MAX_BANK` of them.

    A random subset, not one that covers the corners: a bank must stay as dense where normal sound is dense.
    """
    kept = vectors if len(vectors) <= MAX_BANK else vectors[np.sort(rng.permutation(len(vectors))[:MAX_BANK])]
    # Rounded as a model file keeps them, so that a model scores the same before it is saved and after.
    bank = kept.astype(np.float32).astype(np.float64)
    if name == "cosine":
        unit = np.stack([_unit(vector) for vector in bank]).astype(np.float32)
        return BackEnd(name, unit.astype(np.float64), np.zeros(0))
    own = neighbour_distance(bank, n_neighbours=min(N_NEIGHBOURS, len(bank) - 1))
    # Equal windows, such as digital silence, have no distance at all.
    return BackEnd(name, bank, np.maximum(own, max(1e-3 * float(np.median(own)), 1e-9)))


def clean_bank(vectors: FloatArray) -> NDArray[np.bool_]:
    """Which vectors of normal sound belong into a bank, shape (n,), bool: a click or a bump against a stand does not.

    One outlier makes everything near it look normal, all the more with distances that are divided by those of the
    bank itself. A vector is left out when it lies far from its neighbours, compared with the others. There are
    sqrt(n) neighbours and not a handful, since one click is heard by every channel in several windows, which are near
    each other. At most a tenth is left out, the farthest.

    Raises
    ------
    AudioError
        If there are fewer vectors than a bank needs.
    """
    n = len(vectors)
    if n <= N_NEIGHBOURS:
        raise AudioError(f"bank: expected at least {N_NEIGHBOURS + 1} windows of normal sound, found {n}")
    far = neighbour_distance(vectors, n_neighbours=max(N_NEIGHBOURS, int(np.sqrt(n))))
    centre = float(np.median(far))
    deviation = _MAD_TO_SIGMA * float(np.median(np.abs(far - centre)))
    # Distances of simulated or silent windows may hardly differ; then a tenth of the distance itself is no deviation.
    limit = centre + _OUTLIER_Z * max(deviation, 0.05 * centre)
    allowed = np.sort(far)[::-1][int(_MAX_OUTLIERS * n)]
    kept: NDArray[np.bool_] = far <= max(limit, allowed)
    return kept


def neighbour_distance(vectors: FloatArray, *, n_neighbours: int) -> NDArray[np.float64]:
    """Mean distance of each vector to its nearest others; vectors of shape (n, n_values), result of shape (n,)."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    squares = (centred**2).sum(axis=1)
    far = np.empty(len(centred))
    for part in _parts(len(centred)):
        squared = squares[part, None] + squares - 2.0 * centred[part] @ centred.T
        squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = np.inf
        nearest = np.partition(squared, n_neighbours - 1, axis=1)[:, :n_neighbours]
        far[part] = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
    return far


def _parts(n: int) -> Iterator[slice]:
    for first in range(0, n, _CHUNK):
        yield slice(first, min(first + _CHUNK, n))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector at length 1; a vector of zeros stays as it is."""
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
