"""xsrp 0.1.1: SRP-PHAT in its frequency mode.

What had to be patched, and why:

- The time mode is off by one sample and ignores the speed of sound, so the frequency mode is used.
- That mode ignores the speed of sound too (343 m/s is written into its mapper): all positions are scaled by
  343 / speed, which gives the same delays.
- It transforms the first `n_dft_bins` samples of a signal and drops the rest. Its features are taken of Hann frames
  instead, and their mean is what is projected.
- It can leave out bins above a frequency, not below one: features below 2 kHz are set to zero.
- Its grids fill rooms or circles: a grid of its base class with the cells replaces them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from peer_common import BAND_HZ, HOP, N_FRAME, band_bins, finite, heard_and_mics
from xsrp.grids import Grid
from xsrp.xsrp import XSrp

from trad_array_geometry import Layout

# Written into xsrp.spatial_mappers, m/s.
_ITS_SPEED_OF_SOUND = 343.0


class _OnCells(XSrp):
    """XSrp on given points."""

    def __init__(self, points_m: NDArray[np.float64], mics: NDArray[np.float64], fs: int) -> None:
        self.points_m = points_m
        super().__init__(
            fs, "3D", 1, mic_positions=mics, mode="gcc_phat_freq", n_dft_bins=N_FRAME, freq_cutoff_in_hz=BAND_HZ[1]
        )

    def create_initial_candidate_grid(self, room_dims: object) -> Grid:
        return Grid(self.points_m)


@dataclass(frozen=True, slots=True)
class Xsrp:
    """XSrp, mode "gcc_phat_freq", bins 2 to 7 kHz, mean over Hann frames of 1024 at a hop of 512."""

    name: str = "xsrp SRP-PHAT (frequency)"

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        heard, _ = heard_and_mics(samples, layout)
        finder = _finder(layout, speed_of_sound, fs)
        frames = np.lib.stride_tricks.sliding_window_view(heard, N_FRAME, axis=1)[:, ::HOP] * np.hanning(N_FRAME)
        features = np.mean([finder.compute_signal_features(frame) for frame in frames.swapaxes(0, 1)], axis=0)
        features[:, :, : band_bins(N_FRAME, fs)[0]] = 0.0
        return finite(finder.create_srp_map(finder.mic_positions, finder.candidate_grid, features))


PEERS = (Xsrp(),)


@lru_cache(maxsize=8)
def _finder(layout: Layout, speed_of_sound: float, fs: int) -> _OnCells:
    scale = _ITS_SPEED_OF_SOUND / speed_of_sound
    return _OnCells(layout.cells * scale, layout.mics[layout.array_mics] * scale, fs)
