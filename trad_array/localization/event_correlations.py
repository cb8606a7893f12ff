"""Correlations of one event, with what was there before it taken away.

The cross-spectra of the sound before the onset (fans, a converter, a cell that already hisses) are subtracted from
those of the event; only then is the magnitude taken out. This is the spectral subtraction of cross-spectra that
beamforming knows as background subtraction, with a weighting half way between PHAT (Knapp & Carter, 1976) and
whitening by the noise: on simulated cabins it names as many cells at -25 dB as PHAT does 3 to 5 dB higher
(docs/localization.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.features.log_mel import hann_window
from trad_array.localization.gcc_phat import band_bins, correlate, frame_length
from trad_array.records import FloatArray
from trad_array_geometry import mic_pairs

# A background shorter than this tells too little about the noise and is not used, s. Our choice.
_LEAST_BACKGROUND_S = 0.1
# Detections may come this late after the first sound, so that it is no background, s: two frames of the features.
_GUARD_S = 0.06
# Every frame counts at least this much: what looks like noise may be a quiet hiss.
LEAST_WEIGHT = 0.1
# A frame of the background this many times as powerful as its median is an event of its own (a knock) and left out.
_LOUD = 4.0
# An event is not taken to be quieter than this share of the background: below it, the difference is chance.
_LEAST_EVENT = 0.05
# Frames whose spectra are held at once: a minute of 48 microphones would not fit into memory.
_BATCH_FRAMES = 256
# Lags beyond the possible ones, s: they hold no sound, only what noise and echoes make of the correlation. Errors of
# channels may push a sound as far as the margin.
EMPTY_LAGS_S, MARGIN_S = 2e-3, 0.5e-3


@dataclass(frozen=True, slots=True)
class EventSpec:
    """How an event is turned into correlations; numbers are our choice after the measurements in docs/localization.md.

    band_hz : bins used
    n_frame : samples
    hop : samples from frame to frame
    upsample : steps per sample of the delay axis
    """

    band_hz: tuple[float, float] = (2_000.0, 7_000.0)
    n_frame: int = 1024
    hop: int = 256
    upsample: int = 8


@dataclass(frozen=True, slots=True, eq=False)
class EventCorrelations:
    """Correlations of pairs of microphones.

    delays_s : (n_delays,), s, ascending, centred on 0, `MARGIN_S` farther than any sound should reach
    values : (n_pairs, n_delays), pairs in the order asked for; about 1 where every frequency agrees
    noise : (n_pairs,), spread of the values where no sound is (1.4826 times the median size)
    level_db : (n_mics,), level of the event alone in the band, dB up to a constant
    """

    delays_s: NDArray[np.float64]
    values: NDArray[np.float64]
    noise: NDArray[np.float64]
    level_db: NDArray[np.float64]

    @property
    def step_s(self) -> float:
        """Distance of two delays, s."""
        return float(self.delays_s[1] - self.delays_s[0])


def event_correlations(
    samples: FloatArray,
    *,
    onset: int,
    fs: int,
    spec: EventSpec,
    max_delay_s: float,
    pairs: NDArray[np.intp] | None = None,
    background: NDArray[np.complexfloating] | None = None,
) -> EventCorrelations:
    """Correlations of what begins at `onset`.

    Parameters
    ----------
    samples : array, shape (n_mics, n), full scale = 1
    onset : int
        Index of the first sample of the event; what lies before it is background. Without 0.16 s before it (0.1 s of
        background and the guard) nothing is subtracted, and each frequency has the weight of
        its coherence over the frames.
    fs : int, Hz
    max_delay_s : float, s, largest delay of any pair
    pairs : array, shape (n_pairs, 2), or None
        Which pairs; None takes all, in the order of `mic_pairs`.
    background : array, shape (n_bins, n_mics, n_mics), or None
        What `background_spectra` gives for the sound before the onset, when that is known already.

    Raises
    ------
    AudioError
        If the event is not longer than the largest delay, or the band lies above half the rate.
    """
    if samples.shape[1] - onset <= max_delay_s * fs:
        raise AudioError(
            f"expected more sound than the largest delay of {max_delay_s:g} s, "
            f"found {(samples.shape[1] - onset) / fs:g} s"
        )
    n, hop, bins = analysis_frames(spec, max_delay_s, fs)
    if background is None:
        background = background_spectra(samples[:, : max(onset, 0)], fs=fs, spec=spec, max_delay_s=max_delay_s)
    weigh: _Weigh = _all_frames
    if background is not None:
        weigh = partial(_standing_out, noise_power=np.einsum("fii->i", background).real / len(bins))
    event = _cross_spectra(samples[:, max(onset - event_lead(n), 0) :], weigh, n=n, hop=hop, bins=bins)
    reach = int(np.ceil((max_delay_s + EMPTY_LAGS_S) * fs * spec.upsample))
    used = int(np.ceil((max_delay_s + MARGIN_S) * fs * spec.upsample))
    phase = _weighted(event, background, mic_pairs(len(samples)) if pairs is None else pairs)
    values = correlate(phase, bins, n=n, upsample=spec.upsample, reach=reach)
    noise = 1.4826 * np.median(np.abs(values), axis=1)
    kept = slice(reach - used, reach + used + 1)
    delays_s = np.arange(-used, used + 1) / (fs * spec.upsample)
    return EventCorrelations(
        delays_s,
        np.ascontiguousarray(values[:, kept]),
        np.maximum(noise, 1e-6),
        _level_db(event, background),
    )


def analysis_frames(spec: EventSpec, max_delay_s: float, fs: int) -> tuple[int, int, NDArray[np.intp]]:
    """Samples of a frame, samples from frame to frame, and the bins used, for an array of that size."""
    n = frame_length(spec.n_frame, max_delay_s * fs, ratio=4)
    return n, max(1, n * spec.hop // spec.n_frame), band_bins(n, fs, spec.band_hz)


def event_lead(n_frame: int) -> int:
    """Samples before the onset that belong to the frames of the event."""
    return 3 * n_frame // 4


def background_spectra(
    samples: FloatArray, *, fs: int, spec: EventSpec, max_delay_s: float
) -> NDArray[np.complexfloating] | None:
    """Cross-spectra of the sound before an onset, its last 60 ms left out; None when there is too little of it.

    Parameters
    ----------
    samples : array, shape (n_mics, n), full scale = 1, up to the onset
    fs, spec, max_delay_s : as for `event_correlations`

    Returns
    -------
    array, shape (n_bins, n_mics, n_mics), or None
    """
    n, _, bins = analysis_frames(spec, max_delay_s, fs)
    quiet_end = samples.shape[1] - round(_GUARD_S * fs)
    if quiet_end < max(round(_LEAST_BACKGROUND_S * fs), n):
        return None
    return _cross_spectra(samples[:, :quiet_end], _quiet_frames, n=n, hop=n // 2, bins=bins)


def _level_db(
    event: NDArray[np.complexfloating], background: NDArray[np.complexfloating] | None
) -> NDArray[np.float64]:
    """`level_db` of `EventCorrelations`."""
    heard = np.maximum(np.einsum("fii->i", event).real, 1e-30)
    if background is not None:
        before = np.maximum(np.einsum("fii->i", background).real, 1e-30)
        heard = np.maximum(heard - before, _LEAST_EVENT * before)
    return np.asarray(10.0 * np.log10(heard))


def _weighted(
    event: NDArray[np.complexfloating], background: NDArray[np.complexfloating] | None, pairs: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Event minus background, magnitudes taken out; (n_bins, n_mics, n_mics) to (n_pairs, n_bins)."""
    own = np.einsum("fii->if", event).real
    loud = np.maximum(own, 1e-12 * own.max(initial=0.0) + 1e-30)
    i, j = pairs.T
    size = np.sqrt(loud[i] * loud[j])
    cross = event[:, i, j].T
    if background is not None:
        quiet = np.maximum(np.einsum("fii->if", background).real, 1e-6 * loud)
        cross = cross - background[:, i, j].T
        size = np.sqrt(size * np.sqrt(quiet[i] * quiet[j]))
        # Weighting by the noise changes the scale; a correlation of 1 shall stay one where all agrees.
        size = size * (np.abs(cross) / size).mean(axis=1, keepdims=True).clip(min=1.0)
    phase: NDArray[np.complex128] = (cross / size).astype(np.complex128)
    return phase


_Weigh = Callable[[NDArray[np.floating]], NDArray[np.floating]]


def _cross_spectra(
    samples: FloatArray, weigh: _Weigh, *, n: int, hop: int, bins: NDArray[np.intp]
) -> NDArray[np.complexfloating]:
    """Weighted mean over frames of X X^H, shape (n_bins, n_mics, n_mics).

    weigh : gives the weight of each frame from the powers of shape (n_mics, n_frames)
    """
    short = n - samples.shape[1]
    padded = np.pad(samples, ((0, 0), (0, short))) if short > 0 else samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, n, axis=1)[:, ::hop]
    window = hann_window(n).astype(np.float32)
    total = np.zeros((len(bins), len(samples), len(samples)), dtype=np.complex128)
    weight_sum = 0.0
    for first in range(0, frames.shape[1], _BATCH_FRAMES):
        batch = frames[:, first : first + _BATCH_FRAMES].astype(np.float32) * window
        spectra = scipy.fft.rfft(batch, axis=-1)[:, :, bins[0] : bins[-1] + 1]
        weights = weigh(np.mean(spectra.real**2 + spectra.imag**2, axis=2)).astype(np.float32)
        weight_sum += float(weights.sum())
        by_bin = np.ascontiguousarray(spectra.transpose(2, 0, 1))
        total += (by_bin * weights) @ by_bin.conj().transpose(0, 2, 1)
    return np.asarray(total / weight_sum)


def _all_frames(power: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.ones(power.shape[1])


def _quiet_frames(power: NDArray[np.floating]) -> NDArray[np.floating]:
    """1 for every frame that is no knock of its own."""
    level = (power / np.maximum(power.mean(axis=1, keepdims=True), 1e-30)).mean(axis=0)
    return np.asarray(level <= _LOUD * np.median(level), dtype=np.float64)


def _standing_out(power: NDArray[np.floating], *, noise_power: NDArray[np.floating]) -> NDArray[np.floating]:
    """Frames above the noise count more, as in a Wiener filter."""
    excess = np.maximum((power / np.maximum(noise_power, 1e-30)[:, None]).mean(axis=0) - 1.0, 0.0)
    return np.asarray(excess / (1.0 + excess) + LEAST_WEIGHT)
