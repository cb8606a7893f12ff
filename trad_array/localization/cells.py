"""Plain near-field SRP-PHAT over the known cells, the guard points and a coarse grid of the room.

Source: steered response power with phase transform, DiBiase, PhD thesis, Brown University, 2000. Here it is evaluated
only where a sound can come from that matters, with the travel times of spherical waves (near field).

The delays are taken to be right: speed of sound, microphone positions and channels as the layout says. `robust.py` is
the default; this one is for comparison, and for arrays that were measured to the millimetre.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.gcc_phat import PhatSpec, pair_correlations
from trad_array.records import Block, CellMap
from trad_array_geometry import Layout, max_pair_delays, mic_pairs, pair_delays

ROOM = "room"
# Samples before the onset that are heard too: they tell quiet frames from loud ones.
_BEFORE = 1600


@dataclass(frozen=True, slots=True)
class Cells:
    """Plain SRP-PHAT; numbers are our choice.

    phat : how correlations are taken
    grid_m : pitch of the room grid
    clearance_m : grid points nearer than this to a cell are left out
    softness : relative loss of power that makes a place e times less probable
    free_share : share of the power that the best delays of all pairs could have together, consistent with a place or
        not, which a cell must exceed to be believed
    """

    phat: PhatSpec = field(default_factory=PhatSpec)
    grid_m: float = 0.25
    clearance_m: float = 0.3
    softness: float = 0.05
    free_share: float = 0.6

    def __call__(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> CellMap:
        """Map one cut; see `trad_array.localization.localizer.Localizer`."""
        mics = layout.array_mics
        places = _places(layout, speed_of_sound, self.grid_m, self.clearance_m)
        first = 0 if onset is None else max(onset - cut.start - _BEFORE, 0)
        delays_s, correlations = pair_correlations(
            cut.samples[mics, first:], fs=cut.fs, spec=self.phat, max_delay_s=places.max_delay_s
        )
        power = steered_power(delays_s, correlations, places.delays_s)
        cells, others = power[: layout.n_cells], power[layout.n_cells :]
        free = float(_within(correlations, delays_s, places.pair_max_s).max(axis=1).mean())
        elsewhere = max(float(others.max(initial=-1.0)), self.free_share * free)
        probability, p_elsewhere = self._probabilities(cells, elsewhere)
        return CellMap(
            power=cells,
            probability=probability,
            elsewhere=p_elsewhere,
            place=_place_name(others, places.names),
            onset=cut.start if onset is None else onset,
            speed_of_sound=speed_of_sound,
            pair_delays_s=delays_s[_within(correlations, delays_s, places.pair_max_s).argmax(axis=1)],
            pairs=mics[mic_pairs(len(mics))],
        )

    def _probabilities(self, cells: NDArray[np.float64], elsewhere: float) -> tuple[NDArray[np.float64], float]:
        """Power to probability: e times less for each `softness` of the best power that a place lacks."""
        power = np.append(cells, elsewhere)
        best = float(power.max())
        if best <= 0.0:
            weights = np.ones(len(power))
            weights[-1] = len(cells)
        else:
            weights = np.exp((power - best) / (self.softness * best))
        weights /= weights.sum()
        return weights[:-1], float(weights[-1])


def steered_power(
    delays_s: NDArray[np.float64], correlations: NDArray[np.float64], expected_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean correlation over pairs at the delays that each place would give.

    Parameters
    ----------
    delays_s : array, shape (n_delays,), s, evenly spaced
    correlations : array, shape (n_pairs, n_delays)
    expected_s : array, shape (n_places, n_pairs), s

    Returns
    -------
    array, shape (n_places,), -1 to 1; linear interpolation between delays
    """
    position = (expected_s - delays_s[0]) / (delays_s[1] - delays_s[0])
    below = np.clip(position.astype(np.intp), 0, len(delays_s) - 2)
    part = position - below
    pair = np.arange(len(correlations))
    values = (1.0 - part) * correlations[pair, below] + part * correlations[pair, below + 1]
    power: NDArray[np.float64] = values.mean(axis=1)
    return power


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Everywhere the map looks: the cells first, then guard points, then the room grid.

    delays_s : (n_places, n_pairs)
    names : of the places after the cells
    pair_max_s : (n_pairs,), largest delay each pair can have
    """

    delays_s: NDArray[np.float64]
    names: tuple[str, ...]
    pair_max_s: NDArray[np.float64]

    @property
    def max_delay_s(self) -> float:
        return float(self.pair_max_s.max())


@lru_cache(maxsize=16)
def _places(layout: Layout, speed_of_sound: float, grid_m: float, clearance_m: float) -> _Places:
    grid = room_grid(layout, grid_m=grid_m, clearance_m=clearance_m)
    points = np.concatenate([layout.cells, layout.guards, grid])
    mics = layout.mics[layout.array_mics]
    return _Places(
        delays_s=pair_delays(points, mics, speed_of_sound=speed_of_sound),
        names=layout.guard_names + (ROOM,) * len(grid),
        pair_max_s=max_pair_delays(mics, speed_of_sound=speed_of_sound),
    )


def room_grid(layout: Layout, *, grid_m: float, clearance_m: float) -> NDArray[np.float64]:
    """Evenly spaced points of the layout's room that are not near a cell; shape (n_points, 3), empty without a room."""
    if layout.box_m is None:
        return np.zeros((0, 3))
    low, high = layout.box_m
    axes = [np.arange(a + grid_m / 2, b, grid_m) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    from scipy.spatial import cKDTree

    return np.asarray(points[cKDTree(layout.cells).query(points)[0] >= clearance_m])


def _within(
    correlations: NDArray[np.float64], delays_s: NDArray[np.float64], pair_max_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlations at the delays each pair can have; -1 elsewhere."""
    step = delays_s[1] - delays_s[0]
    return np.where(np.abs(delays_s)[None, :] <= pair_max_s[:, None] + step, correlations, -1.0)


def _place_name(others: NDArray[np.float64], names: tuple[str, ...]) -> str | None:
    return names[int(others.argmax())] if len(others) else None
