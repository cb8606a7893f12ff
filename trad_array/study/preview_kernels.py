"""The inner loops of the previews, compiled by numba; imported only when a preview is computed.

The readable twin is in tests/study/test_previews.py.
"""

import math

import numpy as np
from numpy.typing import NDArray

from trad_array.study.kernels import jit

_ROOT_HALF = math.sqrt(0.5)
# Gauss-Hermite rule of three points for a normal variable.
NODES = (-math.sqrt(3.0), 0.0, math.sqrt(3.0))
NODE_WEIGHTS = (1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0)


@jit
def margins(
    layouts: NDArray[np.intp],
    pair_of: NDArray[np.int32],
    evidence: NDArray[np.int16],
    shift: NDArray[np.int8],
    units: NDArray[np.float32],
    variance: NDArray[np.float32],
    alike: NDArray[np.float32],
    places: NDArray[np.float32],
    log_prior: NDArray[np.float32],
    rivals: NDArray[np.int32],
    errors: NDArray[np.float32],
    n_heights: int,
    unheard: float,
    out: NDArray[np.float64],
) -> None:
    """Estimated P(right) of every layout and studied cell, (n_layouts, n_studied), into `out`.

    layouts : (n_layouts, n_mics), indices of points, ascending
    unheard : evidence of a pair that does not hear the direct sound, as a likelihood ratio
    others : as in `PairTables`
    """
    n_mics = layouts.shape[1]
    n_pairs = n_mics * (n_mics - 1) // 2
    n_draws, n_studied, n_rivals = errors.shape[0], rivals.shape[0], rivals.shape[1]
    n_airs, n_hypotheses = places.shape[0], places.shape[3]
    last = evidence.shape[2] - 2
    to_nats, to_steps = units[0], units[1]
    rows, first, second = np.empty(n_pairs, np.intp), np.empty(n_pairs, np.intp), np.empty(n_pairs, np.intp)
    score = np.empty((n_rivals, n_hypotheses), np.float32)
    best, chosen = np.empty(n_rivals, np.float64), np.empty(n_rivals, np.intp)
    heard, centre = np.empty((n_pairs, n_rivals)), np.empty((n_pairs, n_rivals))
    missed = np.empty(len(NODES))
    for index in range(len(layouts)):
        pair = 0
        for i in range(n_mics):
            for j in range(i + 1, n_mics):
                rows[pair] = pair_of[layouts[index, i], layouts[index, j]]
                first[pair], second[pair] = i, j
                pair += 1
        for cell in range(n_studied):
            total = 0.0
            for draw in range(n_draws):
                air = draw % n_airs
                source = cell * n_heights + (draw // n_airs) % n_heights
                score[:] = np.float32(0.0)
                for pair in range(n_pairs):
                    late = errors[draw, cell, first[pair]] - errors[draw, cell, second[pair]]
                    row = rows[pair]
                    table = evidence[row, source]
                    for rival in range(n_rivals):
                        at = places[air, row, rivals[cell, rival]]
                        for h in range(n_hypotheses):
                            x = at[h] + late
                            k = min(max(int(x), 0), last)
                            low = np.float32(table[k])
                            score[rival, h] += low + (x - np.float32(k)) * (np.float32(table[k + 1]) - low)
                for rival in range(n_rivals):
                    best[rival], chosen[rival] = -1e30, 0
                    for h in range(n_hypotheses):
                        value = to_nats * score[rival, h] + log_prior[h]
                        if value > best[rival]:
                            best[rival], chosen[rival] = value, h
                # How much of a pair's evidence is chance of the correlation, and at which delay that is heard.
                own = 1e-9
                for pair in range(n_pairs):
                    late = errors[draw, cell, first[pair]] - errors[draw, cell, second[pair]]
                    row = rows[pair]
                    for rival in range(n_rivals):
                        x = places[air, row, rivals[cell, rival], chosen[rival]] + late
                        k = min(max(int(x + np.float32(0.5)), 0), last)
                        heard[pair, rival] = 1.0 - unheard * math.exp(-to_nats * evidence[row, source, k])
                        centre[pair, rival] = x + to_steps * shift[row, source, k]
                    own += variance[row, source] * heard[pair, 0] ** 2
                missed[:] = 0.0
                for rival in range(1, n_rivals):
                    theirs, shared = 1e-9, 0.0
                    for pair in range(n_pairs):
                        row = rows[pair]
                        apart = int(abs(centre[pair, 0] - centre[pair, rival]) + 0.5)
                        part = variance[row, source] * heard[pair, rival]
                        theirs += part * heard[pair, rival]
                        shared += part * heard[pair, 0] * alike[row, min(apart, last + 1)]
                    # Given the chance of the true cell, which all rivals meet, theirs are taken for independent.
                    rest = math.sqrt(max(theirs - shared * shared / own, 1e-6))
                    for node in range(len(NODES)):
                        z = (best[0] - best[rival] + NODES[node] * (own - shared) / math.sqrt(own)) / rest
                        # Of the misses, not of what is right: near 1 the digits would be lost.
                        lost = 0.5 * math.erfc(z * _ROOT_HALF)
                        missed[node] += lost - missed[node] * lost
                for node in range(len(NODES)):
                    total += NODE_WEIGHTS[node] * missed[node]
            out[index, cell] = 1.0 - total / n_draws
