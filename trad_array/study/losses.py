"""What racks and lids take off the direct sound.

A box is a loss filter for each pair of a source and a microphone: where the straight line between them passes through
the box, the direct sound, the pulse of height 1 / distance, is weakened by `loss_db` at 4 kHz, more by `slope_db` with
each octave upwards, less downwards and never below 0 dB; several boxes in the way add up. The filter has no delay
(zero phase), so the sound keeps its arrival time.

Limits of this model: reflections go through boxes unhindered, boxes reflect nothing, and nothing bends around an edge.
Sound that would come around a thin lid arrives later in a real room; here it arrives weaker. The filter rings a few
samples before the arrival; what would sound before it was emitted is cut off, so that for a source within about 5 cm of
a microphone the loss is smaller than asked for.
"""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.study.records import Box

REFERENCE_HZ = 4_000.0
# Half length of the filter, samples; a smooth loss needs no more. Our choice.
HALF = 64


def crossed(boxes: Sequence[Box], sources: NDArray[np.float64], mics: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes the straight line from each source to each microphone passes through.

    Parameters
    ----------
    boxes : sequence of Box
    sources, mics : array, shape (n_sources, 3) and (n_mics, 3), m

    Returns
    -------
    array, shape (n_boxes, n_sources, n_mics); a line that only touches a face passes beside the box, one that crosses
    a box without thickness passes through it
    """
    start = sources[:, None, :]
    way = mics[None, :, :] - start
    found = np.zeros((len(boxes), len(sources), len(mics)), dtype=np.bool_)
    for index, box in enumerate(boxes):
        low, high = np.array(box.min_m), np.array(box.max_m)
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (low - start) / way, (high - start) / way
        enters, leaves = np.minimum(first, second), np.maximum(first, second)
        # Along an axis on which the line does not move it is between the two planes all the time or never.
        still = way == 0
        within = (start > low) & (start < high)
        enters = np.where(still, np.where(within, -np.inf, np.inf), enters)
        leaves = np.where(still, np.where(within, np.inf, -np.inf), leaves)
        begin, end = np.maximum(enters.max(axis=-1), 0.0), np.minimum(leaves.min(axis=-1), 1.0)
        thin = bool((high == low).any())
        found[index] = (end >= begin) if thin else (end - begin > 1e-9)
    return found


def loss_filter(boxes: Sequence[Box], *, fs: int) -> NDArray[np.float64]:
    """Impulse response of all these boxes in the way, without delay; shape (2 * HALF + 1,), centred."""
    size = 8 * HALF
    octaves = np.log2(np.maximum(scipy.fft.rfftfreq(size, 1.0 / fs), 1.0) / REFERENCE_HZ)
    loss_db = sum((np.maximum(box.loss_db + box.slope_db * octaves, 0.0) for box in boxes), np.zeros(len(octaves)))
    taps = np.roll(scipy.fft.irfft(10 ** (-loss_db / 20), size), HALF)[: 2 * HALF + 1]
    return np.asarray(taps * np.hanning(2 * HALF + 3)[1:-1], dtype=np.float64)
