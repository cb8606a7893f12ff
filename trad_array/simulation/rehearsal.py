"""A person walks along the cells and makes a sound at some of them: a rehearsal of the calibration of an array.

The layout given here is the truth: its microphones, channel delays and channel numbers are what the recording has. It
is then calibrated with another layout, the one that a person believes in.
"""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.records import Recording
from trad_array.simulation.places import room_box
from trad_array.simulation.rooms import room_responses
from trad_array.simulation.synthesis import band_noise, faded, ringing, unit_rms
from trad_array_geometry import Layout, speed_of_sound

KNOWN_SOUNDS = ("chirp", "tap")
CHIRP_S, TAP_S = 0.4, 0.03
# Noise of the cabin at every microphone, dB re full scale; below 1 kHz most of it, as fans make it.
_NOISE_DBFS = -50.0


def simulate_known_sounds(
    layout: Layout,
    cells: Sequence[str],
    *,
    rng: np.random.Generator,
    sound: str = "chirp",
    rt60_s: float = 0.4,
    snr_db: float = 10.0,
    every_s: float = 1.5,
    height_m: float = 0.02,
    aside_m: float = 0.0,
    fs: int = 16_000,
) -> tuple[Recording, tuple[float, ...]]:
    """What the microphones record while a sound is made at one cell after the other.

    Parameters
    ----------
    layout : Layout
        The truth, with a room. `mic_delay_s` is applied to the channels. Row k of the recording is microphone k.
    cells : names, in the order in which the sounds are made
    sound : "chirp" (1 to 7 kHz in 0.4 s, as a phone plays it) or "tap" (a struck lid)
    rt60_s : float, s, 0.15 to 1.5, or 0 for no walls
    snr_db : float, dB, 1 to 7 kHz, at the microphones while the sound lasts
    every_s : float, s, from one sound to the next
    height_m : float, m, how far above the valve the sound is made
    aside_m : float, m, standard deviation of how far beside the valve it is made, along x and y
    fs : int, Hz

    Returns
    -------
    Recording, and the time at which each sound is emitted, s

    Raises
    ------
    ConfigError
        If the sound is unknown, the sounds would overlap, or the room cannot be made.
    LayoutError
        If the layout has no room or no such cell.
    MissingExtra
        If pyroomacoustics is not installed.
    """
    if sound not in KNOWN_SOUNDS:
        raise ConfigError(f"sound: expected one of {', '.join(KNOWN_SOUNDS)}, found {sound!r}")
    if every_s < 2 * CHIRP_S:
        raise ConfigError(f"every_s: expected at least {2 * CHIRP_S:g} s, found {every_s:g}")
    at = layout.cells[[layout.cell_index(name) for name in cells]] + (0.0, 0.0, height_m)
    at[:, :2] += aside_m * rng.standard_normal((len(at), 2))
    c = speed_of_sound(layout.temperature_c)
    room = room_responses(room_box(layout), at, layout.mics, rt60_s=rt60_s, fs=fs, speed_of_sound=c, rng=rng)
    starts_s = tuple(0.5 + every_s * k for k in range(len(cells)))
    n = round((starts_s[-1] + every_s) * fs)
    heard = np.zeros((layout.n_mics, n))
    for start_s, responses in zip(starts_s, room.impulse, strict=True):
        emitted = _chirp(fs) if sound == "chirp" else _tap(rng, fs)
        part = _late(_convolved(emitted, responses), layout.mic_delay_s, fs)
        first = round(start_s * fs)
        used = min(part.shape[1], n - first)
        heard[:, first : first + used] += part[:, :used]
    noise = np.stack([_noise(rng, n, fs) for _ in range(layout.n_mics)])
    heard *= _gain(heard, noise, starts_s, fs, seconds=CHIRP_S if sound == "chirp" else TAP_S, snr_db=snr_db)
    return Recording(np.clip(heard + noise, -1, 1).astype(np.float32), fs, source=f"simulated {sound}s"), starts_s


def _chirp(fs: int) -> NDArray[np.float64]:
    t = np.arange(round(CHIRP_S * fs)) / fs
    phase = 2 * np.pi * (1_000.0 * t + 6_000.0 / (2 * CHIRP_S) * t**2)
    return faded(np.sin(phase), fs=fs, attack_s=0.01, release_s=0.01)


def _tap(rng: np.random.Generator, fs: int) -> NDArray[np.float64]:
    n = round(TAP_S * fs)
    knock = band_noise(rng, n=n, fs=fs, low_hz=800.0, high_hz=6_000.0) * np.exp(-np.arange(n) / (0.004 * fs))
    modes = rng.uniform(1_500.0, 6_000.0, 5)
    return knock + 0.3 * unit_rms(ringing(rng, n=n, fs=fs, modes_hz=modes, decay_s=0.01))


def _noise(rng: np.random.Generator, n: int, fs: int) -> NDArray[np.float64]:
    fans = band_noise(rng, n=n, fs=fs, low_hz=50.0, high_hz=500.0)
    hiss = band_noise(rng, n=n, fs=fs, low_hz=500.0, high_hz=7_500.0)
    mixed: NDArray[np.float64] = 10 ** (_NOISE_DBFS / 20) * unit_rms(fans + 0.3 * hiss)
    return mixed


def _convolved(signal: NDArray[np.float64], responses: NDArray[np.float32]) -> NDArray[np.float64]:
    length = len(signal) + responses.shape[1] - 1
    size = scipy.fft.next_fast_len(length, real=True)
    spectra = scipy.fft.rfft(signal, size) * scipy.fft.rfft(responses.astype(np.float64), size, axis=1)
    heard: NDArray[np.float64] = scipy.fft.irfft(spectra, size, axis=1)[:, :length]
    return heard


def _late(samples: NDArray[np.float64], delay_s: NDArray[np.float64], fs: int) -> NDArray[np.float64]:
    """Each channel later by its delay, in fractions of samples; the ends are padded so that nothing wraps around."""
    pad = int(np.ceil(np.abs(delay_s).max() * fs)) + 64
    padded = np.pad(samples, ((0, 0), (0, 2 * pad)))
    size = scipy.fft.next_fast_len(padded.shape[1], real=True)
    turn = np.exp(-2j * np.pi * scipy.fft.rfftfreq(size, 1 / fs) * delay_s[:, None])
    late: NDArray[np.float64] = scipy.fft.irfft(scipy.fft.rfft(padded, size, axis=1) * turn, size, axis=1)
    return late[:, : padded.shape[1]]


def _gain(
    sound: NDArray[np.float64],
    noise: NDArray[np.float64],
    starts_s: Sequence[float],
    fs: int,
    *,
    seconds: float,
    snr_db: float,
) -> float:
    """Factor on the sound that brings it to the ratio asked for, in 1 to 7 kHz."""
    spans = [slice(round(start_s * fs), round((start_s + seconds) * fs)) for start_s in starts_s]
    loud = np.concatenate([sound[:, span] for span in spans], axis=1)
    quiet = np.concatenate([noise[:, span] for span in spans], axis=1)
    return float(10 ** (snr_db / 20) * np.sqrt(_band_power(quiet, fs) / _band_power(loud, fs)))


def _band_power(samples: NDArray[np.float64], fs: int) -> float:
    power = np.abs(scipy.fft.rfft(samples, axis=1)) ** 2
    hz = scipy.fft.rfftfreq(samples.shape[1], 1 / fs)
    return float(power[:, (hz >= 1_000.0) & (hz <= 7_000.0)].sum())
