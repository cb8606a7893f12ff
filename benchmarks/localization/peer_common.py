"""What the peers share: the band, the frames, and which microphones and cells count."""

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry import Layout

# Above the fans, below the filters of the converters; every peer that lets one choose gets these bins.
BAND_HZ = (2_000.0, 7_000.0)
N_FRAME, HOP = 1024, 512


def heard_and_mics(samples: NDArray[np.float32], layout: Layout) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples (n_array_mics, n) at a level of 1, and the positions (n_array_mics, 3), of the array's microphones.

    The level is set because some peers add an absolute small number before they divide by a spectrum's size. One
    gain for all channels changes nothing else.
    """
    heard = samples[layout.array_mics].astype(np.float64)
    level = np.sqrt(np.mean(heard**2))
    return heard / max(float(level), 1e-30), layout.mics[layout.array_mics]


def band_bins(n_frame: int, fs: int) -> NDArray[np.intp]:
    """Bins of a transform of `n_frame` samples that lie in the band."""
    frequencies = np.fft.rfftfreq(n_frame, 1 / fs)
    return np.flatnonzero((frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1]))


def nearness(point_m: NDArray[np.float64] | None, layout: Layout) -> NDArray[np.float64]:
    """Score of each cell for a method that answers with a free position: minus the distance, m.

    Without a position every cell scores the same. A position that is no number counts as none.
    """
    if point_m is None or not np.all(np.isfinite(point_m)):
        return np.zeros(layout.n_cells)
    return -np.linalg.norm(layout.cells - np.asarray(point_m, dtype=np.float64), axis=1)


def finite(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores as float64 without infinities: silence makes 0/0 of some peers."""
    return np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=0.0, posinf=1e300, neginf=-1e300)
