"""A free position from delay differences, for checking a map: where would the sound come from if anything were allowed?

With four microphones there are three independent delays: exactly enough for a point, with no redundancy, and a planar
array cannot tell above from below. The residuals say how well the pairs agree; the map, not this, names the cell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.records import CellMap
from trad_array_geometry import Layout, mic_pairs, pair_delays

# Scale at which a residual stops counting in full: delays beyond it are wrong peaks rather than noise (our choice).
_ROBUST_SCALE_S = 50e-6


@dataclass(frozen=True, slots=True)
class Position:
    """Least-squares position.

    position_m : m
    residual_us : root mean square of the pairs' delay residuals, microseconds
    """

    position_m: tuple[float, float, float]
    residual_us: float


def least_squares_position(cell_map: CellMap, layout: Layout) -> Position | None:
    """Position that explains the delays of the pairs' correlation peaks best.

    What the channels are known to add to the delays is taken off first. Robust (soft L1) non-linear least squares on
    all pairs, begun at the best cell and at the middle of the room, kept inside the room where the layout has one. None
    with fewer than four microphones: there is no unique point.
    """
    used = np.unique(cell_map.pairs)
    if len(used) < 4:
        return None
    mics = layout.mics[used]
    starts = [layout.cells[cell_map.best], layout.cells.mean(axis=0)]
    if layout.box_m is not None:
        starts.append(layout.box_m.mean(axis=0))
    first, second = mic_pairs(len(used)).T
    lateness_s = layout.mic_delay_s[used]
    heard_s = cell_map.pair_delays_s - (lateness_s[first] - lateness_s[second])
    fits = [_fit(start, heard_s, mics, layout.box_m, speed_of_sound=cell_map.speed_of_sound) for start in starts]
    best = min(fits, key=lambda fit: fit.residual_us)
    return best


def _fit(
    start: NDArray[np.float64],
    heard_s: NDArray[np.float64],
    mics: NDArray[np.float64],
    box_m: NDArray[np.float64] | None,
    *,
    speed_of_sound: float,
) -> Position:
    from scipy.optimize import least_squares

    def residuals(point: NDArray[np.float64]) -> NDArray[np.float64]:
        expected = pair_delays(point[None, :], mics, speed_of_sound=speed_of_sound)[0]
        scaled: NDArray[np.float64] = (expected - heard_s) / _ROBUST_SCALE_S
        return scaled

    bounds = (np.full(3, -np.inf), np.full(3, np.inf)) if box_m is None else (box_m[0], box_m[1])
    inside = np.clip(start, bounds[0] + 1e-6, bounds[1] - 1e-6)
    fit = least_squares(residuals, inside, bounds=bounds, loss="soft_l1", max_nfev=60)
    x, y, z = (float(v) for v in fit.x)
    rms = float(np.sqrt(np.mean(residuals(fit.x) ** 2))) * _ROBUST_SCALE_S
    return Position(position_m=(x, y, z), residual_us=rms * 1e6)
