"""Where a sound may come from, and what the array would then hear: tables of pair delays, made once per layout.

A cell is a region, not a point: the acoustic centre of a jet lies above its valve. The speed of sound is known as well
as the temperature is. Both are written out as hypotheses with prior weights; errors of microphones and channels are
not (they are continuous and many): `evidence.py` sums over them.
"""

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.cells import room_grid
from trad_array.localization.levels import level_patterns_db
from trad_array_geometry import Layout, max_pair_delays, mic_pairs
from trad_array_geometry.air import ZERO_CELSIUS_K

# Around the best places of the room: two steps of 40 mm to both sides along each axis; (125, 3), m.
FINE_OFFSETS_M = 0.04 * (np.indices((5, 5, 5)).reshape(3, -1).T - 2.0)


# Height above the valve for levels, which hardly depend on it, m.
_TYPICAL_JET_M = 0.03

# A layout that does not say how large its room is: sounds may come from so far around cells and microphones, m.
_ROOM_M = 1.5


@dataclass(frozen=True, slots=True)
class Prior:
    """What may be different from the layout file, and how probable it is; numbers are our choice.

    jet_heights_m, jet_weights : heights of the acoustic centre above the valve, the valve itself most probable
    air_sigmas : temperatures to try, in standard deviations of the layout's temperature
    error_scales, error_weights : errors of microphones and channels, in standard deviations of the layout's; 0 is "the
        file is right", the last is "the file is wrong": most files are right, and some are not
    timing_s : standard deviation that an arrival has even where the file is right
    grid_m, clearance_m : pitch of the places elsewhere in the room, and how far they stay from cells
    fine_clearance_m : how far the finer places around the best of them stay from cells
    """

    jet_heights_m: tuple[float, ...] = (0.0, 0.03, 0.06, 0.1)
    jet_weights: tuple[float, ...] = (0.5, 0.2, 0.15, 0.15)
    air_sigmas: tuple[float, ...] = (-2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25)
    error_scales: tuple[float, ...] = (0.0, 1.0, 4.0)
    error_weights: tuple[float, ...] = (0.7, 0.2, 0.1)
    timing_s: float = 8e-6
    grid_m: float = 0.2
    clearance_m: float = 0.22
    fine_clearance_m: float = 0.27


@dataclass(frozen=True, slots=True, eq=False)
class CellDelays:
    """What cells would sound like, whatever the sound.

    cell_delays_s : (n_pairs, n_cells, n_hypotheses), s
    log_prior : (n_hypotheses,), of jet height and air
    pair_sigmas_s : (n_scales, n_pairs), s, standard deviation of a pair's delay for each scale of errors
    log_scale_prior : (n_scales,)
    offset_s : (n_pairs,), s, what the channels' known delays add to every pair delay
    pair_max_s : (n_pairs,), s, largest delay each pair can have
    speeds : (n_air,), m/s; log_air_prior : (n_air,)
    """

    cell_delays_s: NDArray[np.float64]
    log_prior: NDArray[np.float64]
    pair_sigmas_s: NDArray[np.float64]
    log_scale_prior: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    pair_max_s: NDArray[np.float64]
    speeds: NDArray[np.float64]
    log_air_prior: NDArray[np.float64]

    @property
    def max_delay_s(self) -> float:
        """Largest delay of any pair, known channel delays included."""
        return float((self.pair_max_s + np.abs(self.offset_s)).max())


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses(CellDelays):
    """Everything that does not depend on the sound: cells, and everywhere else.

    grid_m : (n_places, 3), guard points first, then the rest of the room
    grid_delays_s : (n_pairs, n_places), s
    fine_clear : (n_places, n_offsets), bool, whether a place moved by each of `FINE_OFFSETS_M` is still no cell
    cell_levels_db, grid_levels_db : (n_rooms, n_cells or n_places, n_mics), see `levels.level_patterns_db`
    """

    grid_m: NDArray[np.float64]
    grid_delays_s: NDArray[np.float64]
    fine_clear: NDArray[np.bool_]
    cell_levels_db: NDArray[np.float64]
    grid_levels_db: NDArray[np.float64]


def cell_delays(layout: Layout, speed_of_sound: float, prior: Prior) -> CellDelays:
    """What every cell would sound like at the array microphones of a layout, under every hypothesis."""
    chosen = layout.array_mics
    mics, lateness = layout.mics[chosen], layout.mic_delay_s[chosen]
    first, second = mic_pairs(len(mics)).T
    speeds, log_air = _speeds(layout, speed_of_sound, prior)
    heights = np.array(prior.jet_heights_m)
    points = layout.cells[:, None, :] + heights[None, :, None] * np.array([0.0, 0.0, 1.0])
    by_cell = differences_m(points.reshape(-1, 3), mics).reshape(-1, layout.n_cells, len(heights), 1)
    offset = lateness[first] - lateness[second]
    delays = by_cell / speeds + offset[:, None, None, None]
    return CellDelays(
        cell_delays_s=delays.reshape(len(first), layout.n_cells, -1),
        log_prior=(np.log(_shares(prior.jet_weights))[:, None] + log_air[None, :]).ravel(),
        pair_sigmas_s=pair_sigmas(layout, speed_of_sound, prior, pairs=chosen[mic_pairs(len(mics))]),
        log_scale_prior=np.log(_shares(prior.error_weights)),
        offset_s=offset,
        pair_max_s=max_pair_delays(mics, speed_of_sound=float(speeds.min())),
        speeds=speeds,
        log_air_prior=log_air,
    )


@lru_cache(maxsize=16)
def hypotheses(layout: Layout, speed_of_sound: float, prior: Prior, whole: Layout) -> Hypotheses:
    """Tables for the array microphones and the cells of a layout.

    whole : the layout with all its cells, which tells where "elsewhere" is
    """
    mics = layout.mics[layout.array_mics]
    cells = cell_delays(layout, speed_of_sound, prior)
    grid, fine_clear = _elsewhere(whole, prior)
    return Hypotheses(
        **{f.name: getattr(cells, f.name) for f in fields(cells)},
        grid_m=grid,
        grid_delays_s=differences_m(grid, mics) / speed_of_sound + cells.offset_s[:, None],
        fine_clear=fine_clear,
        cell_levels_db=level_patterns_db(layout.cells + [0.0, 0.0, _TYPICAL_JET_M], mics),
        grid_levels_db=level_patterns_db(grid, mics),
    )


def differences_m(points: NDArray[np.float64], mics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Path differences of all pairs, shape (n_pairs, n_points), m."""
    distances = np.linalg.norm(mics[:, None, :] - points[None], axis=-1)
    first, second = mic_pairs(len(mics)).T
    paths: NDArray[np.float64] = distances[first] - distances[second]
    return paths


def _speeds(layout: Layout, speed_of_sound: float, prior: Prior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Speeds of sound to try, m/s, and the logarithms of their prior weights.

    The speed goes with the square root of the absolute temperature, so a small change in temperature is half of it.
    """
    if layout.temperature_sigma_c == 0.0:
        return np.array([speed_of_sound]), np.zeros(1)
    steps = np.array(prior.air_sigmas)
    kelvin = layout.temperature_c + ZERO_CELSIUS_K
    factor = np.sqrt(np.maximum(1.0 + steps * layout.temperature_sigma_c / kelvin, 0.5))
    return speed_of_sound * factor, np.log(_shares(np.exp(-0.5 * steps**2)))


def pair_sigmas(layout: Layout, speed_of_sound: float, prior: Prior, *, pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Standard deviation of each pair's delay for each scale of errors, shape (n_scales, n_pairs), s.

    pairs : (n_pairs, 2), indices of the layout's microphones
    """
    variance = (layout.mic_sigma_m / speed_of_sound) ** 2 + layout.mic_delay_sigma_s**2
    scales = np.array(prior.error_scales)[:, None]
    each = prior.timing_s**2 + scales**2 * variance[None, :]
    return np.asarray(np.sqrt(each[:, pairs[:, 0]] + each[:, pairs[:, 1]]))


@lru_cache(maxsize=16)
def _elsewhere(layout: Layout, prior: Prior) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Guard points, then the room without its cells, shape (n_places, 3), m; and `Hypotheses.fine_clear`."""
    from scipy.spatial import cKDTree

    if layout.box_m is None:
        known = np.concatenate([layout.cells, layout.mics])
        layout = replace(layout, box_m=np.stack([known.min(axis=0) - _ROOM_M, known.max(axis=0) + _ROOM_M]))
    grid = room_grid(layout, grid_m=prior.grid_m, clearance_m=prior.clearance_m)
    grid = np.concatenate([layout.guards, grid])
    fine = (grid[:, None, :] + FINE_OFFSETS_M).reshape(-1, 3)
    distances = cKDTree(layout.cells).query(fine, distance_upper_bound=prior.fine_clearance_m)[0]
    clear = np.asarray(distances > prior.fine_clearance_m).reshape(len(grid), -1)
    clear[:, len(FINE_OFFSETS_M) // 2] = True  # the place itself always counts
    return grid, clear


def _shares(weights: NDArray[np.float64] | tuple[float, ...]) -> NDArray[np.float64]:
    values = np.asarray(weights, dtype=np.float64)
    return np.asarray(values / values.sum())
