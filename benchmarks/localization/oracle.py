"""What could be known at best: a classifier that is told the exact arrival times, and still does not know the cell.

When microphones, channels, air and jet are not what the layout file says, even perfect delays fit several cells. This
Bayes classifier gets the true arrival time at each microphone (up to the moment of the vent, which nobody knows) and
the sizes of the errors, not their draws:

- microphones: displaced by `mic_m` in a random direction, so a third of its square along each line of sight;
- channels: one of four late or early by `skew_s` has a variance of `skew_s`^2 / 4 as seen from any of them, every one
  `skew_s`^2; both parts together are taken as one normal error of each arrival time, independent between microphones;
- the source 0 to 100 mm above the valve, the air within +- `temperature_k`: even grids, summed over.

All cells are equally probable. A localizer that hears only sound cannot be expected to do better than this on average;
one that is lucky with a different prior may, by a little.
"""

import numpy as np
from numpy.typing import NDArray
from scenes import Case, Mismatch, oracle_times_s

from trad_array_geometry import Layout, speed_of_sound, travel_times

_HEIGHTS_M = np.linspace(0.0, 0.1, 11)
_N_AIR = 13
# Wider than the steps of the grids, s.
_LEAST_SIGMA_S = 8e-6


def oracle_cell(case: Case, layout: Layout, mismatch: Mismatch) -> int:
    """Index of the cell that explains the true arrival times best."""
    return int(oracle_log_evidence(oracle_times_s(case), layout, mismatch).argmax())


def oracle_log_evidence(times_s: NDArray[np.float64], layout: Layout, mismatch: Mismatch) -> NDArray[np.float64]:
    """Log-evidence of each cell, shape (n_cells,), nats up to a constant.

    times_s : (n_mics,), s, arrival times up to a common constant
    """
    tried = layout.temperature_c + mismatch.temperature_k * np.linspace(-1.0, 1.0, _N_AIR)
    points = layout.cells[:, None, :] + _HEIGHTS_M[None, :, None] * np.array([0.0, 0.0, 1.0])
    metres = travel_times(points.reshape(-1, 3), layout.mics, speed_of_sound=1.0)
    speeds = np.array([speed_of_sound(float(t)) for t in tried])
    misfit = times_s - layout.mic_delay_s - metres[:, None, :] / speeds[None, :, None]
    misfit -= misfit.mean(axis=-1, keepdims=True)  # the moment of the vent, any as probable
    log = -0.5 * (misfit**2).sum(axis=-1) / _variance_s2(layout, mismatch)
    log = log.reshape(layout.n_cells, -1)
    top = log.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(log - top).sum(axis=1)) + top[:, 0])


def _variance_s2(layout: Layout, mismatch: Mismatch) -> float:
    """Variance of one arrival time, s^2."""
    skew = mismatch.skew_s**2 / (1.0 if mismatch.every_channel else layout.n_mics)
    return _LEAST_SIGMA_S**2 + mismatch.mic_m**2 / 3.0 / layout.speed_of_sound**2 + skew
