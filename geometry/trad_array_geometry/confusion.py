"""Which cells would be taken for which, from delays alone: the expected confusion of a layout, before it is built.

A sound at one cell gives one arrival time a microphone, all late by the same unknown moment of the vent. Around the
times that the layout predicts they scatter by what the layout itself admits: positions and channel delays are known to
a standard deviation, onsets are found with a jitter, the air may be warmer, the jet may sound higher above the valve.
With Gaussian errors the best rule between two cells errs with the probability ``Phi(-d / 2)``, where d is the distance
of their arrival times measured in standard deviations (Duda, Hart & Stork, Pattern Classification, 2001, section 2.6).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry.air import ZERO_CELSIUS_K
from trad_array_geometry.check import within_reach
from trad_array_geometry.layout import Layout
from trad_array_geometry.travel import travel_times

# Standard deviation of an arrival time that a correlation of 2 to 7 kHz finds; our choice, a third of a sample at
# 16 kHz. Noise and echoes come on top.
JITTER_S = 20e-6
# Where a vent sounds above its valve: evenly anywhere from 0 to 100 mm, our choice. Mean and standard deviation.
SOURCE_HEIGHT_M = 0.05
SOURCE_HEIGHT_SIGMA_M = 0.1 / np.sqrt(12.0)

_ROWS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """For every cell the other cell that is most easily taken for it.

    cell : (n_cells,), index of that other cell; its own index for a single cell
    probability : (n_cells,), 0 to 0.5, that of the two the wrong one is named; 0.5 is a coin toss
    """

    cell: NDArray[np.intp]
    probability: NDArray[np.float64]


def confusion_matrix(
    layout: Layout, cells: NDArray[np.intp] | None = None, *, reach_m: float = np.inf
) -> NDArray[np.float64]:
    """Probability that of two cells the wrong one is named, for every true cell and every other.

    Parameters
    ----------
    layout : Layout
    cells : array, shape (n,), indices of the cells to compare; all when None
    reach_m : float, m
        Microphones farther than this from the true cell do not count.

    Returns
    -------
    array, shape (n, n), 0 to 0.5
        Row: the true cell; column: the one it is taken for; 0 on the diagonal. Not quite symmetric: what height and
        temperature do to the arrival times is taken at the true cell.

    Raises
    ------
    LayoutError
        If fewer than two microphones form the array.
    """
    chosen = np.arange(layout.n_cells) if cells is None else cells
    model = _arrivals(layout, reach_m)
    matrix = _error_probability(model.distances(chosen, chosen))
    np.fill_diagonal(matrix, 0.0)
    return matrix


def rivals(layout: Layout, *, reach_m: float = np.inf) -> Rivals:
    """The worst rival of every cell; as `confusion_matrix`, without keeping a matrix of all cells.

    Raises
    ------
    LayoutError
        If fewer than two microphones form the array.
    """
    model = _arrivals(layout, reach_m)
    everyone = np.arange(layout.n_cells)
    nearest, distance = everyone.copy(), np.full(layout.n_cells, np.inf)
    for start in range(0, layout.n_cells, _ROWS_AT_A_TIME):
        rows = everyone[start : start + _ROWS_AT_A_TIME]
        distances = model.distances(rows, everyone)
        distances[np.arange(len(rows)), rows] = np.inf
        nearest[rows] = distances.argmin(axis=1)
        distance[rows] = distances.min(axis=1)
    return Rivals(nearest, _error_probability(distance))


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """Expected arrival times and how sure they are.

    times_s : (n_cells, n_mics), less their mean over the microphones
    weights : (n_cells, n_mics), 1 / s^2, inverse variance; 0 out of reach
    drifts_s : (n_drifts, n_cells, n_mics), what one standard deviation of height or temperature does
    """

    times_s: NDArray[np.float64]
    weights: NDArray[np.float64]
    drifts_s: NDArray[np.float64]

    def distances(self, true: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.float64]:
        """Distance d between cells in standard deviations; shape (n_true, n_other).

        With W the weights without their common moment, and G the drifts, of the true cell, and D the difference of
        the arrival times: ``d^2 = D' W D - D' W G (I + G' W G)^-1 G' W D``, the inverse of the sum of both variances
        (Woodbury). Every product over microphones is one matrix product for all pairs of cells.
        """
        times, weights, drifts = self.times_s[true], self.weights[true], self.drifts_s[:, true]
        others = self.times_s[other]
        total = np.maximum(weights.sum(axis=1), 1e-300)[:, None]

        def along(values: NDArray[np.float64]) -> NDArray[np.float64]:
            """Sum over microphones of values times D."""
            summed: NDArray[np.float64] = values @ others.T - (values * times).sum(axis=1)[:, None]
            return summed

        squared = weights @ (others**2).T - 2.0 * (weights * times) @ others.T + (weights * times**2).sum(1)[:, None]
        moment = along(weights)
        squared -= moment**2 / total
        centred = drifts - (weights * drifts).sum(axis=2)[:, :, None] / total
        projected = np.stack([along(weights * drift) for drift in centred])
        inner = np.eye(len(centred)) + np.einsum("kcm,cm,lcm->ckl", centred, weights, centred)
        squared -= np.einsum("kcj,ckl,lcj->cj", projected, np.linalg.inv(inner), projected, optimize=True)
        distances: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0.0))
        return distances


def _arrivals(layout: Layout, reach_m: float) -> _Arrivals:
    array = layout.array_mics
    mics, speed = layout.mics[array], layout.speed_of_sound
    sources = layout.cells + np.array([0.0, 0.0, SOURCE_HEIGHT_M])
    times = travel_times(sources, mics, speed_of_sound=speed)
    variance = (layout.mic_sigma_m[array] / speed) ** 2 + layout.mic_delay_sigma_s[array] ** 2 + JITTER_S**2
    # The way to a microphone d metres off and h below grows by h / d for every metre that the source rises.
    rise = (sources[:, None, 2] - mics[None, :, 2]) / np.maximum(times * speed, 1e-9) / speed
    # The speed of sound grows with the square root of the absolute temperature.
    warmth = -times / (2.0 * (layout.temperature_c + ZERO_CELSIUS_K))
    return _Arrivals(
        times - times.mean(axis=1, keepdims=True),
        within_reach(layout, reach_m) / variance,
        np.stack([SOURCE_HEIGHT_SIGMA_M * rise, layout.temperature_sigma_c * warmth]),
    )


def _error_probability(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtr

    probability: NDArray[np.float64] = ndtr(-distance / 2.0)
    return probability
