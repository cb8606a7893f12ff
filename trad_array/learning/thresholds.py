"""Fits the noise levels of `wavelet-xcorr`."""

import numpy as np

from trad_array.features.wavelets import DB4, decomposed
from trad_array.learning.frames import thinned
from trad_array.learning.job import Job
from trad_array.scoring.wavelet_threshold import N_LEVELS, WaveletThreshold

# Frames that the noise is estimated from at most, and the deviation that digital silence counts as. Our choice.
_MAX_FRAMES = 20_000
_SILENCE = 1e-7
# Median of |x| of a standard normal x.
_MEDIAN_DEVIATION = 0.6745


def fit_kind(job: Job) -> tuple[WaveletThreshold, tuple[float, ...]]:
    """See `learning.kinds.Kind.fit`; the deviation is that of the median, which rare clicks do not move."""
    levels: list[list[float]] = []
    for frames in thinned(job.corpus, max_frames=_MAX_FRAMES):
        for channel in frames:
            parts = decomposed(channel, DB4, levels=N_LEVELS)
            levels.append([float(np.median(np.abs(part))) / _MEDIAN_DEVIATION for part in parts])
    noise = np.sqrt(np.mean(np.square(levels), axis=0))
    return WaveletThreshold(features=job.options.features, noise=np.maximum(noise, _SILENCE)), ()
