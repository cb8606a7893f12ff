"""Generalised cross-correlation with phase transform: pure mathematics on arrays.

Source: PHAT weighting, Knapp & Carter, IEEE Trans. ASSP 24, 1976. Bins are selected *after* the transform:
band-passing the sound before it is undone by the whitening.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.features.log_mel import hann_window
from trad_array.records import FloatArray
from trad_array_geometry import mic_pairs

# Bins this far below the strongest are left out instead of being blown up. Relative, so that a quiet recording is
# whitened like a loud one.
RELATIVE_FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class PhatSpec:
    """How cross-spectra are taken and turned into correlations.

    band_hz : bins from low to high are used (2 to 7 kHz: above the fans, below the filters of the converters)
    n_frame, hop : samples of the analysis frames
    upsample : steps per sample of the delay axis; parabolic interpolation has a bias, oversampling has not
    """

    band_hz: tuple[float, float] = (2_000.0, 7_000.0)
    n_frame: int = 1024
    hop: int = 512
    upsample: int = 16


def pair_correlations(
    samples: FloatArray, *, fs: int, spec: PhatSpec, max_delay_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlations of all microphone pairs, averaged over frames, each frame by how much it stands out.

    A frame's weight is the square of its level above the quietest tenth of the stretch, so that a click of 20 ms in a
    second of noise is located from the click, and a steady hiss from all of it.

    Parameters
    ----------
    samples : array, shape (n_mics, n_samples), full scale = 1
    fs : int, Hz
    max_delay_s : float, s, largest delay of any pair

    Returns
    -------
    delays_s : array, shape (n_delays,), s, ascending, centred on 0; positive when the pair's first microphone hears
        the sound later than its second
    correlations : array, shape (n_pairs, n_delays), -1 to 1, pairs in the order of `mic_pairs`; unchanged when a
        channel is scaled

    Raises
    ------
    AudioError
        If the stretch is not longer than the largest delay.
    """
    if samples.shape[1] <= max_delay_s * fs:
        raise AudioError(
            f"expected more sound than the largest delay of {max_delay_s:g} s, found {samples.shape[1] / fs:g} s"
        )
    n_frame = frame_length(spec.n_frame, max_delay_s * fs)
    bins = band_bins(n_frame, fs, spec.band_hz)
    spectra = _band_spectra(samples, n_frame, spec.hop, bins)
    weights = frame_weights(spectra)
    # One pair after the other: a long stretch heard by many microphones would not fit into memory at once.
    mean_phase = np.stack([weights @ _whitened(spectra[i] * np.conj(spectra[j])) for i, j in mic_pairs(len(samples))])
    reach = _reach(max_delay_s, fs, spec.upsample)
    correlations = correlate(mean_phase, bins, n=n_frame, upsample=spec.upsample, reach=reach)
    return np.arange(-reach, reach + 1) / (fs * spec.upsample), correlations


def frame_weights(spectra: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Weight of each frame, shape (n_frames,), sum 1, from spectra of shape (n_mics, n_frames, n_bins)."""
    power = np.mean(np.abs(spectra) ** 2, axis=(0, 2))
    level_db = 10.0 * np.log10(np.maximum(power, 1e-12 * power.max() + 1e-30))
    weights = (1.0 + np.maximum(level_db - np.quantile(level_db, 0.1), 0.0)) ** 2
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def correlate(
    phase: NDArray[np.complexfloating], bins: NDArray[np.intp], *, n: int, upsample: int, reach: int
) -> NDArray[np.float64]:
    """Whitened cross-spectra, shape (n_pairs, n_bins), to correlations over lags -reach to reach.

    `bins` are the places of the given bins in a transform of length `n`; at a correlation of 1 every bin agrees.
    """
    spectrum = np.zeros((len(phase), n * upsample // 2 + 1), dtype=np.complex128)
    spectrum[:, bins] = phase
    r = scipy.fft.irfft(spectrum, n * upsample, axis=-1) * (n * upsample / (2 * max(len(bins), 1)))
    correlations: NDArray[np.float64] = np.concatenate([r[:, -reach:], r[:, : reach + 1]], axis=1)
    return correlations


def _whitened(cross: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    size = np.abs(cross)
    audible = size > RELATIVE_FLOOR * size.max(initial=0.0)
    phase: NDArray[np.complexfloating] = np.divide(cross, size, out=np.zeros_like(cross), where=audible)
    return phase


def _band_spectra(samples: FloatArray, n_frame: int, hop: int, bins: NDArray[np.intp]) -> NDArray[np.complexfloating]:
    """Hann-windowed spectra, shape (n_mics, n_frames, n_bins); a stretch shorter than a frame is one padded frame."""
    short = n_frame - samples.shape[1]
    padded = np.pad(samples, ((0, 0), (0, short))) if short > 0 else samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_frame, axis=1)[:, ::hop]
    spectra: NDArray[np.complexfloating] = scipy.fft.rfft(frames * hann_window(n_frame), axis=-1)[:, :, bins]
    return spectra


def frame_length(n_frame: int, max_delay: float, *, ratio: int = 6) -> int:
    """At least the asked length and `ratio` delays: two microphones must hear mostly the same sound in one frame."""
    while n_frame < ratio * max_delay:
        n_frame *= 2
    return n_frame


def band_bins(n: int, fs: int, band_hz: tuple[float, float]) -> NDArray[np.intp]:
    """Bins of a transform of length `n` inside the band; raises `AudioError` when there is none."""
    frequencies = np.arange(n // 2) * fs / n
    bins = np.flatnonzero((frequencies >= band_hz[0]) & (frequencies <= band_hz[1]) & (frequencies > 0))
    if not len(bins):
        raise AudioError(f"expected sound between {band_hz[0]:g} and {band_hz[1]:g} Hz, found a rate of {fs} Hz")
    return bins


def _reach(max_delay_s: float, fs: int, upsample: int) -> int:
    return int(np.ceil(max_delay_s * fs * upsample)) + 1
