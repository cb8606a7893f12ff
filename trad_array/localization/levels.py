"""What the levels at the microphones say about where a sound is: near ones hear it louder.

The direct sound falls with the square of the distance, the sound that the room throws back is about the same
everywhere. How loud source and room are is not known, so only the differences between microphones count, and a few
levels of the room are tried. Microphones differ in gain by a decibel or two, and echoes add; the spread allows for it.
"""

import numpy as np
from numpy.typing import NDArray

# Power of the room's sound, per square metre, over that of the direct sound at one metre: 16 pi over the absorbing area
# of the walls, so 0.3 for an open hall and 3 for a bare cabin. Our choice.
DIFFUSE_PER_M2 = (0.3, 1.0, 3.0)
# Spread of a level around the model, dB, and the least evidence: one wrong gain must not overrule the arrival times.
_SIGMA_DB = 2.5
_LEAST = -8.0
# Nearer than this a jet is no point any more, m.
_NEAREST_M = 0.05


def level_patterns_db(points: NDArray[np.float64], mics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level at each microphone less their mean, for sounds at some points.

    Parameters
    ----------
    points : array, shape (n_points, 3), m
    mics : array, shape (n_mics, 3), m

    Returns
    -------
    array, shape (len(DIFFUSE_PER_M2), n_points, n_mics), dB
    """
    squared = ((points[:, None, :] - mics[None]) ** 2).sum(axis=-1)
    direct = 1.0 / np.maximum(squared, _NEAREST_M**2)
    level = 10.0 * np.log10(direct[None] + np.array(DIFFUSE_PER_M2)[:, None, None])
    return np.asarray(level - level.mean(axis=-1, keepdims=True))


def level_evidence(patterns_db: NDArray[np.float64], heard_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-likelihood of the heard levels at each point, up to a constant, summed over the levels of the room.

    Parameters
    ----------
    patterns_db : array, shape (n_rooms, n_points, n_mics), from `level_patterns_db`
    heard_db : array, shape (n_mics,), level of the event alone

    Returns
    -------
    array, shape (n_points,), nats, -8 to 0
    """
    off = (heard_db - heard_db.mean()) - patterns_db
    log = -0.5 / _SIGMA_DB**2 * np.einsum("rpm,rpm->rp", off, off)
    total = np.log(np.exp(np.maximum(log, 2 * _LEAST)).mean(axis=0))
    return np.asarray(np.maximum(total, _LEAST))
