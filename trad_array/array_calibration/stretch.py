"""From "about there" to the samples of a sound: its onset, its end, and the noise before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.known import KnownSound
from trad_array.errors import AudioError
from trad_array.records import FloatArray, Recording

# All numbers are our choice.
# A person's "at 3.2 s" is right to this.
SLACK_S = 0.3
# No known sound needs more of itself than this.
LONGEST_S = 0.6
# A sound begins where the level first comes within 20 dB of its peak, and has ended once it stays 12 dB below it.
_ONSET_DB, _END_DB = 20.0, 12.0
# It must stand out of the quiet parts of its own neighbourhood by this.
_CLEAR_DB = 3.0
_STEP_S = 0.005
LEAD_S = 0.01
BAND_HZ = (1_000.0, 7_000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The samples of one sound.

    samples : (n_mics, n)
    noise : (n_mics, m), the quietest part of the neighbourhood, at least 50 ms long
    at_s : s, where the samples begin
    """

    samples: FloatArray
    noise: FloatArray
    at_s: float


def find_stretch(recording: Recording, sound: KnownSound) -> Stretch:
    """Look for a sound within 0.3 s of its time, or within its label.

    Raises
    ------
    AudioError
        If the time lies outside the recording, or nothing stands out there.
    """
    fs = recording.fs
    if sound.at_s >= recording.duration_s:
        raise AudioError(
            f"{sound.label}: expected a time within the {recording.duration_s:.2f} s of the recording, "
            f"found {sound.at_s:g} s"
        )
    first = max(round((sound.at_s - SLACK_S) * fs), 0)
    last_onset_s = max(sound.at_s + SLACK_S, sound.end_s)
    near = recording.samples[:, first : round((last_onset_s + LONGEST_S) * fs)]
    levels = band_levels_db(near, fs)
    searched = levels[: max(round((last_onset_s * fs - first) / (_STEP_S * fs)), 1)]
    quiet = float(np.quantile(levels, 0.1))
    peak = int(searched.argmax())
    if not searched[peak] > quiet + _CLEAR_DB:
        raise AudioError(
            f"{sound.label}: expected a sound that stands out of the noise, found the loudest moment only "
            f"{max(searched[peak] - quiet, 0.0):.1f} dB above the quietest"
        )
    onset, end = _bounds(levels, peak, quiet)
    step = _STEP_S * fs
    begin = max(round(onset * step - LEAD_S * fs), 0)
    stop = min(max(round(end * step), begin + round(0.04 * fs)), begin + round(LONGEST_S * fs))
    return Stretch(near[:, begin:stop], _quietest(near, levels, fs), (first + begin) / fs)


def band_levels_db(samples: FloatArray, fs: int) -> NDArray[np.float64]:
    """Mean level of all live channels in 1 to 7 kHz, one number for each 5 ms."""
    n = samples.shape[1]
    spectrum = np.fft.rfft(samples, axis=1)
    hz = np.fft.rfftfreq(n, 1 / fs)
    spectrum[:, (hz < BAND_HZ[0]) | (hz > BAND_HZ[1])] = 0
    filtered = np.fft.irfft(spectrum, n, axis=1)
    step = round(_STEP_S * fs)
    n_steps = max(n // step, 1)
    power = filtered[:, : n_steps * step] ** 2
    # Each channel on its own scale: a loud one must not decide alone.
    power /= np.maximum(power.mean(axis=1, keepdims=True), 1e-20)
    means: NDArray[np.float64] = power.mean(axis=0).reshape(n_steps, -1).mean(axis=1)
    return 10 * np.log10(np.maximum(means, 1e-12))


def _bounds(levels: NDArray[np.float64], peak: int, quiet: float) -> tuple[int, int]:
    """First and last (exclusive) step of the sound around its loudest step."""
    low = max(float(levels[peak]) - _ONSET_DB, (float(levels[peak]) + quiet) / 2)
    before = np.flatnonzero(levels[: peak + 1] < low)
    end_level = max(float(levels[peak]) - _END_DB, (float(levels[peak]) + quiet) / 2)
    loud = np.flatnonzero(levels[peak:] >= end_level)
    gaps = np.flatnonzero(np.diff(loud) > round(0.1 / _STEP_S))
    last = loud[gaps[0]] if len(gaps) else loud[-1]
    return (int(before[-1]) + 1 if len(before) else 0), peak + int(last) + 1


def _quietest(near: FloatArray, levels: NDArray[np.float64], fs: int) -> FloatArray:
    size = min(round(0.1 / _STEP_S), len(levels))
    running = np.convolve(levels, np.ones(size) / size, mode="valid")
    first = round(int(running.argmin()) * _STEP_S * fs)
    return near[:, first : first + round(size * _STEP_S * fs)]
