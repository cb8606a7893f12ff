"""How wrong the delays of every cell may still be, and where to make the next sound: from geometry alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.known import KnownSound, at_place
from trad_array.array_calibration.problem import ARRIVAL_SIGMA_S, Beliefs, Problem, without_emission
from trad_array.errors import ConfigError
from trad_array_geometry import Layout, mic_pairs

# Large arrays are planned on this many cells, evenly taken from their list (our choice).
_MAX_PLACES, _MAX_CELLS = 100, 300
MAX_SOUNDS = 50


@dataclass(frozen=True, slots=True)
class DelayError:
    """Standard deviation of the expected pair delays; each cell counts with its worst pair.

    worst_us, median_us : over the cells
    worst_cell : name
    """

    worst_us: float
    median_us: float
    worst_cell: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """The next best cell for a sound, and the error to be expected after it and those before it."""

    cell: str
    error: DelayError


def delay_error(layout: Layout, covariance: NDArray[np.float64]) -> DelayError:
    """Delay error at all cells.

    Parameters
    ----------
    layout : where the microphones are taken to be
    covariance : (4 n_mics + 1, 4 n_mics + 1), of positions (m), delays (s) and speed of sound (m/s)
    """
    deviations_us = 1e6 * np.concatenate(
        [np.sqrt(_worst_variances(_pair_slopes(layout, part), covariance)) for part in _parts(layout.cells)]
    )
    worst = int(deviations_us.argmax())
    return DelayError(float(deviations_us[worst]), float(np.median(deviations_us)), layout.cell_names[worst])


def error_believed(layout: Layout, beliefs: Beliefs) -> DelayError:
    """Delay error before any sound, when the beliefs are right."""
    scale = Problem(layout, [], beliefs).scale[: 4 * layout.n_mics + 1]
    return delay_error(layout, np.diag(scale**2))


def plan_sounds(layout: Layout, *, n_sounds: int = 8) -> tuple[DelayError, tuple[PlanStep, ...]]:
    """Cells at which sounds tell most, one after the other (greedy), and the error before and after each.

    Each step takes the cell after which the mean variance of the cells' worst pair delays is smallest (an A-optimal
    design for what matters in the end, the delays: Pukelsheim, Optimal Design of Experiments, 1993).

    Returns
    -------
    DelayError before any sound, and a PlanStep for each of `n_sounds`

    Raises
    ------
    ConfigError
        If the number of sounds is out of range.
    """
    if not 1 <= n_sounds <= MAX_SOUNDS:
        raise ConfigError(f"n_sounds: expected 1 to {MAX_SOUNDS}, found {n_sounds}")
    beliefs = Beliefs.for_calibration(layout)
    scale = Problem(layout, [], beliefs).scale
    names = layout.cell_names[:: -(-layout.n_cells // _MAX_PLACES)]
    gains = [_information(layout, at_place(layout, name, 0.0, 0.0), beliefs) for name in names]
    slopes = _pair_slopes(layout, layout.cells[:: -(-layout.n_cells // _MAX_CELLS)])
    precision, steps = np.eye(len(scale)), []
    for _ in range(n_sounds):
        scores = [float(_worst_variances(slopes, _covariance(precision + gain, scale)).mean()) for gain in gains]
        best = int(np.argmin(scores))
        precision = precision + gains[best]
        steps.append(PlanStep(names[best], delay_error(layout, _covariance(precision, scale))))
    return error_believed(layout, beliefs), tuple(steps)


def _information(layout: Layout, sound: KnownSound, beliefs: Beliefs) -> NDArray[np.float64]:
    """What one sound tells about array and height, its own place and time of emission being unknown."""
    problem = Problem(layout, [sound], beliefs)
    slopes = problem.slopes(problem.state(np.zeros(len(problem.scale))))
    scaled = without_emission(slopes, np.ones((1, layout.n_mics)))[0] / ARRIVAL_SIGMA_S
    whole = scaled.T @ scaled
    own = np.linalg.inv(whole[-3:, -3:] + np.eye(3))
    told: NDArray[np.float64] = whole[:-3, :-3] - whole[:-3, -3:] @ own @ whole[-3:, :-3]
    return told


def _covariance(precision: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of positions, delays and speed of sound; the height is left out."""
    covariance: NDArray[np.float64] = (np.linalg.inv(precision) * np.outer(scale, scale))[:-1, :-1]
    return covariance


def _worst_variances(slopes: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the worst pair delay of each cell, (n_cells,), s^2."""
    variances = ((slopes @ covariance) * slopes).sum(axis=2)
    worst: NDArray[np.float64] = np.maximum(variances, 0.0).max(axis=1)
    return worst


def _pair_slopes(layout: Layout, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative of the pair delays by positions, delays and speed of sound, (n_places, n_pairs, 4 n_mics + 1)."""
    n, c = layout.n_mics, layout.speed_of_sound
    way = places[:, None, :] - layout.mics[None]
    distance = np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-6)
    slopes = np.zeros((len(places), n, 4 * n + 1))
    for k in range(n):
        slopes[:, k, 3 * k : 3 * k + 3] = -(way / distance)[:, k] / c
        slopes[:, k, 3 * n + k] = 1.0
    slopes[:, :, 4 * n] = -distance[:, :, 0] / c**2
    pairs = layout.array_mics[mic_pairs(len(layout.array_mics))]
    return slopes[:, pairs[:, 0]] - slopes[:, pairs[:, 1]]


def _parts(cells: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [cells[first : first + 500] for first in range(0, len(cells), 500)]
