"""Judging layouts before any of them is simulated: thousands in minutes.

Two judgements. The *margin*: for a vent of every cell, how far the expected score of the true cell lies above that of
every other, against the chance of the difference; from it an estimate of P(right). The *determinant*: how well arrival
times fix the place of a sound, whatever the cells. Both are for ranking: the estimate of the margin takes the rivals of
a cell for independent and comes out too low, so what is worth building is simulated (docs/studies.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, MissingExtra
from trad_array.localization.evidence import UNHEARD
from trad_array.study.draws import MOST_MICS
from trad_array.study.pair_tables import PairTables, PreviewSpec, Progress, pair_tables
from trad_array.study.records import Condition, Mismatch, Study
from trad_array.study.world import World

# Layouts that a thread takes at once.
_BATCH = 32
# What is known of a place before anything is heard, m: a standard deviation as large as a pack. It keeps microphones in
# one plane from being worthless. Our choice.
_PACK_M = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Judgement of some layouts.

    margin : (n_layouts, n_cells), estimated P(right) of each cell that was looked at
    log_det : (n_layouts, n_cells), log-determinant of the Fisher information of a sound's place, nats (1 / m^2)
    """

    margin: NDArray[np.float64]
    log_det: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Previewer:
    """Tables of one condition, ready to judge any layout of the study's points; see `previewer`."""

    study: Study
    condition: Condition
    tables: PairTables
    workers: int = 1

    def __call__(self, layouts: NDArray[np.integer] | Sequence[Sequence[int]]) -> Preview:
        """Judge layouts of shape (n_layouts, n_mics), indices of the study's points."""
        return Preview(self.margins(layouts), self.log_dets(layouts))

    def margins(
        self, layouts: NDArray[np.integer] | Sequence[Sequence[int]], *, progress: Progress | None = None
    ) -> NDArray[np.float64]:
        """`margin` of `Preview`; raises `ConfigError` about a layout that cannot be."""
        chosen = checked_layouts(layouts, n_points=len(self.study.points))
        kernel, t = _kernel(), self.tables
        out = np.zeros((len(chosen), len(t.cells)))

        def judge(first: int) -> int:
            part = slice(first, first + _BATCH)
            kernel(
                chosen[part],
                t.pair_of,
                t.evidence,
                t.shift,
                t.units,
                t.variance,
                t.alike,
                t.places,
                t.log_prior,
                t.rivals,
                t.errors,
                t.n_heights,
                UNHEARD,
                out[part],
            )
            return min(_BATCH, len(chosen) - first)

        done = 0
        with ThreadPoolExecutor(max(self.workers, 1)) as pool:
            for some in pool.map(judge, range(0, len(chosen), _BATCH)):
                done += some
                if progress is not None:
                    progress(done, len(chosen))
        return out

    def log_dets(self, layouts: NDArray[np.integer] | Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """`log_det` of `Preview`.

        Notes
        -----
        Each arrival time is known as well as the microphone's ratio of hiss to noise allows (Knapp & Carter, 1976) and
        as its position and channel are; the time of emission is unknown. What remains of the information about the
        place is a 3 x 3 matrix whose determinant is the inverse volume of its uncertainty (D-optimality). It knows
        nothing of echoes and of which cells could be confused.
        """
        chosen = checked_layouts(layouts, n_points=len(self.study.points))
        information, towards = arrival_information(self.study, self.condition, self.tables)
        out = np.empty((len(chosen), len(self.tables.cells)))
        for first in range(0, len(chosen), 1024):
            part = chosen[first : first + 1024]
            weight, way = information[part], towards[part]
            total = weight.sum(axis=1)
            mean = np.einsum("lmc,lmcx->lcx", weight, way) / total[..., None]
            fisher = np.einsum("lmc,lmcx,lmcy->lcxy", weight, way, way)
            fisher -= total[..., None, None] * mean[..., :, None] * mean[..., None, :]
            out[first : first + 1024] = np.linalg.slogdet(fisher + np.eye(3) / _PACK_M**2)[1]
        return out


def previewer(
    world: World,
    condition: Condition,
    *,
    n_mics: int,
    spec: PreviewSpec | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Previewer:
    """Make ready to judge layouts of a study's points under one condition.

    Parameters
    ----------
    world : the simulated world
    condition : Condition, whose `dead` plays no part: leave the microphone out of the layouts
    n_mics : int, of the layouts; with one dead they may have one less
    spec : PreviewSpec
    workers : int, threads
    progress : function of (sources done, sources), or None

    Raises
    ------
    ConfigError
        If the points are too many for the memory.
    MissingExtra
        If numba is not installed.
    """
    _kernel()
    tables = pair_tables(world, condition, n_mics=n_mics, spec=spec, workers=workers, progress=progress)
    return Previewer(world.study, condition, tables, workers)


def arrival_information(
    study: Study, condition: Condition, tables: PairTables
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each microphone's arrival time says about where a cell's sound comes from.

    Returns
    -------
    information : array, shape (n_points, n_cells), 1 / m^2
    towards : array, shape (n_points, n_cells, 3), unit vectors from the microphone to the cell
    """
    layout, points = study.site.layout, study.points
    away = layout.cells[tables.cells][None] - points.positions_m[:, None]
    towards = away / np.linalg.norm(away, axis=-1, keepdims=True)
    turn = (2.0 * np.pi * tables.bins_hz) ** 2
    # What a bin says of a delay: squared frequency times coherence against a perfect copy of the sound.
    per_bin = 2.0 * tables.dof * turn * tables.snr / (1.0 + tables.snr)
    by_noise = 1.0 / np.maximum(per_bin.sum(axis=-1), 1e-30)
    by_file = _delay_variance(condition.mismatch, layout.speed_of_sound)
    return 1.0 / ((by_noise + by_file) * layout.speed_of_sound**2), towards


def _delay_variance(mismatch: Mismatch, speed_of_sound: float) -> float:
    """Variance of an arrival time that a wrong position and a wrong channel make, s^2."""
    return float((mismatch.mic_m / speed_of_sound) ** 2 / 3.0 + mismatch.skew_s**2)


def checked_layouts(layouts: NDArray[np.integer] | Sequence[Sequence[int]], *, n_points: int) -> NDArray[np.intp]:
    """Layouts as an array of ascending indices, (n_layouts, n_mics).

    Raises
    ------
    ConfigError
        If they have fewer than 2 or more microphones than there are points or than an array may have, or one twice.
    """
    chosen = np.sort(np.atleast_2d(np.asarray(layouts, dtype=np.intp)), axis=1)
    n_mics = chosen.shape[1]
    if not 2 <= n_mics <= min(MOST_MICS, n_points):
        raise ConfigError(f"mics: expected 2 to {min(MOST_MICS, n_points)} of {n_points} points, found {n_mics}")
    if chosen.size and not (0 <= chosen.min() and chosen.max() < n_points):
        raise ConfigError(f"layouts: expected points from 0 to {n_points - 1}, found {chosen.min()} to {chosen.max()}")
    if (np.diff(chosen, axis=1) == 0).any():
        raise ConfigError("layouts: expected every point at most once in a layout, found one twice")
    return chosen


def _kernel() -> Callable[..., None]:
    try:
        from trad_array.study.preview_kernels import margins
    except ImportError as trouble:
        raise MissingExtra("numba", "study") from trouble
    kernel: Callable[..., None] = margins
    return kernel
