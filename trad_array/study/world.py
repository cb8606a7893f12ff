"""Responses and noise of a study, each opened once in a process."""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trad_array.study.bank import Bank, Progress, open_bank
from trad_array.study.noise import open_noise
from trad_array.study.records import FanState, Study

T = TypeVar("T")

# Things that engines keep between shards: some megabytes each.
KEPT = 64


class World:
    """What the microphones of a study can hear, in every room and fan state.

    Handed to another process, it opens the files there again.

    Parameters
    ----------
    study : Study
    cache : Path
        Folder of responses and noise; what is missing there is made when it is asked for.
    workers : int
        Processes that make responses.
    progress : function of (points made, points to make), or None; it stays in this process
    """

    def __init__(self, study: Study, cache: Path, *, workers: int = 1, progress: Progress | None = None) -> None:
        self.study = study
        self.cache = cache
        self._workers = workers
        self._progress = progress
        self._banks: dict[float, Bank] = {}
        self._noise: dict[tuple[float, FanState], NDArray[np.float32]] = {}
        self._kept: dict[Hashable, Any] = {}

    def __reduce__(self) -> "tuple[type[World], tuple[Study, Path]]":
        return World, (self.study, self.cache)

    def bank(self, rt60_s: float) -> Bank:
        """Responses of the room with this reverberation time; raises as `open_bank`."""
        if rt60_s not in self._banks:
            study = self.study
            self._banks[rt60_s] = open_bank(
                study.site,
                study.points,
                rt60_s=rt60_s,
                seed=study.seed,
                cache=self.cache,
                workers=self._workers,
                progress=self._progress,
            )
        return self._banks[rt60_s]

    def noise(self, rt60_s: float, fan: FanState) -> NDArray[np.float32]:
        """Steady noise at every point, (n_points, n), full scale = 1, memory-mapped; raises as `open_noise`."""
        key = (rt60_s, fan)
        if key not in self._noise:
            study = self.study
            self._noise[key] = open_noise(
                study.site, study.points, study.choices[0], self.bank(rt60_s), fan, seed=study.seed, cache=self.cache
            )
        return self._noise[key]

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once in this process; the oldest of `KEPT` such things is let go."""
        if key not in self._kept:
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = make()
        found: T = self._kept[key]
        return found
