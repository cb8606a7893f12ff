"""The method of Lyu et al. 2021, after its description: the library's localizer `wavelet-xcorr` as a peer.

Wavelet denoising with a threshold, plain cross-correlation of the four channels for the delays of the pairs, then the
place that fits them. What the description leaves open was settled in favour of the method, see `DelaysFirst`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.delays_first import DelaysFirst
from trad_array.records import Block
from trad_array_geometry import Layout


@dataclass(frozen=True, slots=True)
class Lyu:
    """Scores of the cells by how well they fit the delays."""

    name: str
    localizer: DelaysFirst

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        return self.localizer(Block(samples, 0, fs), layout, speed_of_sound=speed_of_sound).power


PEERS = (
    Lyu("Lyu 2021 (wavelet threshold, delays, then position)", DelaysFirst()),
    Lyu("Lyu 2021 without its threshold, above 2 kHz", DelaysFirst(thresholded=False)),
)
