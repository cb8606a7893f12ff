"""How well any detector of band energies could do: told the spectrum of the very vent and of the very cabin.

For weak signals the energies of the bands, each weighted by its ratio of signal to noise, are the best test of noise
that has become louder (Van Trees, Detection, Estimation and Modulation Theory, part III, 1971, chapter 4). No detector
here knows these ratios, so none can be far above. It stands in the table to tell a weak detector from a hard task.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from takes import Take

from trad_array.features import FeatureSpec, band_centres_hz, frames_of
from trad_array.records import FloatArray

LIMIT = "limit: spectra known"
SPEC = FeatureSpec(front_end="absolute")


def band_limit(take: Take, snrs_db: Sequence[float]) -> tuple[FloatArray, dict[float, FloatArray]]:
    """Weighted energies of a vent's cabin with nothing in it, and by SNR with the vent; (n_mics, n_frames) each."""
    assert take.event is not None
    quiet, alone = (_energies(samples) for samples in (take.noise, take.event))
    middles_s = (np.arange(quiet.shape[1]) * SPEC.hop + 0.5 * SPEC.n_fft) / SPEC.fs
    true = (take.onset_s <= middles_s) & (middles_s < take.end_s)
    noise = quiet.mean(axis=1, keepdims=True)
    ratio = alone[:, true].mean(axis=1, keepdims=True) / noise
    # Wide bands hold more independent bins, so that their energies waver less.
    weights = ratio * np.maximum(np.gradient(band_centres_hz(SPEC)) * SPEC.n_fft / SPEC.fs, 1.0)
    weights /= weights.sum(axis=-1, keepdims=True)

    def weighed(energies: NDArray[np.float64]) -> FloatArray:
        return np.asarray((weights * energies / noise).sum(axis=-1))

    return weighed(quiet), {snr_db: weighed(_energies(take.at(snr_db).samples)) for snr_db in snrs_db}


def _energies(samples: FloatArray) -> NDArray[np.float64]:
    return np.asarray(10.0 ** (frames_of(samples, SPEC).astype(np.float64) / 10.0))
