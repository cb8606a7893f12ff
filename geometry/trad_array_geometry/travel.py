"""How long sound takes from points to microphones, and how much later one microphone hears it than another."""

import numpy as np
from numpy.typing import NDArray


def travel_times(
    points: NDArray[np.floating], mics: NDArray[np.floating], *, speed_of_sound: float
) -> NDArray[np.float64]:
    """Straight-line travel time from every point to every microphone.

    Parameters
    ----------
    points : array, shape (n_points, 3), m
    mics : array, shape (n_mics, 3), m
    speed_of_sound : float, m/s

    Returns
    -------
    array, shape (n_points, n_mics), s
    """
    distances: NDArray[np.float64] = np.linalg.norm(points[:, None, :] - mics[None, :, :], axis=-1)
    return distances / speed_of_sound


def mic_pairs(n_mics: int) -> NDArray[np.intp]:
    """Index pairs (i, j), i < j, in the order used by every per-pair array; shape (n_pairs, 2)."""
    return np.column_stack(np.triu_indices(n_mics, k=1))


def pair_delays(
    points: NDArray[np.floating], mics: NDArray[np.floating], *, speed_of_sound: float
) -> NDArray[np.float64]:
    """How much later the first microphone of each pair hears a sound from each point.

    Parameters are those of `travel_times`.

    Returns
    -------
    array, shape (n_points, n_pairs), s, pairs in the order of `mic_pairs`
    """
    times = travel_times(points, mics, speed_of_sound=speed_of_sound)
    first, second = mic_pairs(len(mics)).T
    return times[:, first] - times[:, second]


def max_pair_delays(mics: NDArray[np.floating], *, speed_of_sound: float) -> NDArray[np.float64]:
    """Largest delay each pair can have, from any direction: distance / speed of sound; shape (n_pairs,), s."""
    first, second = mic_pairs(len(mics)).T
    distances: NDArray[np.float64] = np.linalg.norm(mics[first] - mics[second], axis=-1)
    return distances / speed_of_sound
