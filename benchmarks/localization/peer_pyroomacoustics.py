"""pyroomacoustics: SRP-PHAT and MUSIC, made near-field.

What had to be patched, and why: the package looks for directions. In 0.10.1 the argument `mode="near"` has no effect
(`DOA.__init__` builds its `ModeVector` without passing the mode on), and its grids are circles and spheres. So a sphere
with one point a cell is asked for, and its table of steering vectors (`mode_vec`) is replaced by the spherical waves of
the cells. The package then does all the rest; its points on the sphere mean nothing and only their order is used.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyroomacoustics as pra  # noqa: TID253
from numpy.typing import NDArray
from peer_common import HOP, N_FRAME, band_bins, finite, heard_and_mics

from trad_array_geometry import Layout, travel_times


@dataclass(frozen=True, slots=True)
class Pyroomacoustics:
    """A direction finder of pyroomacoustics on the cells, bins 2 to 7 kHz, Hann frames of 1024 at a hop of 512.

    method : "SRP" (with PHAT) or "NormMUSIC" (each bin's spectrum divided by its maximum before the mean; without it
        a few bins decide)
    """

    method: str
    name: str

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        heard, _ = heard_and_mics(samples, layout)
        frames = pra.transform.stft.analysis(heard.T, N_FRAME, HOP, win=pra.hann(N_FRAME))
        finder = _finder(self.method, layout, speed_of_sound, fs)
        finder.locate_sources(frames.transpose(2, 1, 0), freq_bins=band_bins(N_FRAME, fs))
        return finite(finder.grid.values)


PEERS = (
    Pyroomacoustics("SRP", "pyroomacoustics SRP-PHAT"),
    Pyroomacoustics("NormMUSIC", "pyroomacoustics MUSIC"),
)


@lru_cache(maxsize=16)
def _finder(method: str, layout: Layout, speed_of_sound: float, fs: int) -> Any:
    mics = layout.mics[layout.array_mics]
    finder = pra.doa.algorithms[method](mics.T, fs, N_FRAME, c=speed_of_sound, num_src=1, dim=3, n_grid=layout.n_cells)
    times_s = travel_times(layout.cells, mics, speed_of_sound=speed_of_sound).T
    omega = 2 * np.pi * np.fft.rfftfreq(N_FRAME, 1 / fs)
    # The package's far-field phase is +1j times a projection, which is minus a travel time.
    finder.mode_vec = np.exp(-1j * omega[:, None, None] * times_s[None, :, :])
    return finder
