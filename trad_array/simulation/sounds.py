"""Simulated sounds: a safety valve that opens, and the steady noise of a cabin.

All are mono, shape (n,), float32, as heard at 1 m without a room. Levels are relative; the scene sets them. The sounds
that fool detectors are in `negatives`. Numbers without a source are our assumptions: no calibrated recording of a large
cell's valve is public.
"""

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.simulation.synthesis import (
    Signal,
    faded,
    jet_noise,
    shaped_noise,
    unit_rms,
    wandering,
)

# Shorter than this there is no room for a pop and a hiss.
SHORTEST_S = 0.02


def vent(
    rng: np.random.Generator, *, fs: int, seconds: float, repeat: bool = False, whistle: bool | None = None
) -> NDArray[np.float32]:
    """Simulate a safety valve that opens: a pop, then a hiss whose hump slides down while it decays.

    Parameters
    ----------
    rng : numpy.random.Generator
    fs : int, Hz
    seconds : float, s, at least 0.02
        How long the valve blows; all sound is over then.
    repeat : bool
        Whether it closes and opens a second time, more weakly.
    whistle : bool or None
        Whether the valve lip sings; None leaves it to chance (one in five).

    Returns
    -------
    array, shape (round(seconds * fs),), hiss of rms about 1 at its start

    Raises
    ------
    ConfigError
        If `seconds` is too short.

    Notes
    -----
    Pop: the starting mass flow is a monopole; its pressure is the derivative of a flow that opens within a millisecond.
    Hiss: the noise of a jet has its hump near a Strouhal number of 0.2 (f = 0.2 u / d); with a valve of 10 to 15 mm
    that starts at sonic speed and slows down as the pressure falls, from 5 to 7 kHz to 2 to 3 kHz over the event.
    The pressure has two decays: the head space empties in 5 to 40 ms, flashing electrolyte feeds the rest for 1 to 5 s;
    the sound falls with its power 1.5 (our choice: a jet loses sound faster than pressure).
    """
    n = _length(seconds, fs)
    if repeat and seconds >= 4 * SHORTEST_S:
        first = int(n * rng.uniform(0.45, 0.6))
        pause = int(n * rng.uniform(0.05, 0.15))
        out = np.zeros(n)
        out[:first] = _burst(rng, n=first, fs=fs, whistle=whistle)
        out[first + pause :] = rng.uniform(0.4, 0.8) * _burst(rng, n=n - first - pause, fs=fs, whistle=whistle)
        return out.astype(np.float32)
    return _burst(rng, n=n, fs=fs, whistle=whistle).astype(np.float32)


def fan(
    rng: np.random.Generator, *, fs: int, seconds: float, speed: float = 1.0, blades: int | None = None
) -> NDArray[np.float32]:
    """Simulate an axial fan: low-frequency heavy broadband noise and blade-pass lines; rms 1, steady.

    Parameters
    ----------
    rng : numpy.random.Generator
    fs : int, Hz
    seconds : float, s
    speed : float
        Factor on the drawn speed of 1400 to 2900 revolutions a minute: another fan state is another factor.
    blades : int or None
        None draws 5, 7, 9 or 11.
    """
    n = _length(seconds, fs)
    turns_hz = rng.uniform(1400.0, 2900.0) / 60.0 * speed
    blades = int(rng.choice([5, 7, 9, 11])) if blades is None else blades
    corner_hz = rng.uniform(140.0, 220.0) * speed
    slope = rng.uniform(0.75, 0.92)
    # Flat up to the corner, then 4.5 to 5.5 dB an octave: puts 2 to 7 kHz about 11 dB below the whole.
    broadband = shaped_noise(
        rng, n=n, fs=fs, power=lambda f: (f / 30.0) ** 4 / (1 + (f / 30.0) ** 4) / (1 + (f / corner_hz) ** 2) ** slope
    )
    phase = 2 * np.pi * np.cumsum(blades * turns_hz * wandering(rng, n=n, fs=fs, depth=0.002)) / fs
    lines = np.zeros(n)
    for harmonic in range(1, 9):
        if harmonic * blades * turns_hz * 1.05 < fs / 2:
            lines += np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi)) * 0.55 ** (harmonic - 1)
    return unit_rms(broadband + 0.35 * unit_rms(lines)).astype(np.float32)


def hum(rng: np.random.Generator, *, fs: int, seconds: float, mains_hz: float = 50.0) -> NDArray[np.float32]:
    """Simulate the hum of a transformer: twice the mains frequency and its harmonics, a little mains; rms 1, steady."""
    t = np.arange(_length(seconds, fs)) / fs
    out = 0.2 * np.sin(2 * np.pi * mains_hz * t + rng.uniform(0, 2 * np.pi))
    for harmonic in range(1, 8):
        gain = rng.uniform(0.5, 1.0) / harmonic
        out += gain * np.sin(2 * np.pi * 2 * mains_hz * harmonic * t + rng.uniform(0, 2 * np.pi))
    return unit_rms(out).astype(np.float32)


def pcs_whine(
    rng: np.random.Generator, *, fs: int, seconds: float, mains_hz: float = 50.0, carrier_hz: float | None = None
) -> NDArray[np.float32]:
    """Simulate the whine of a power converter: a carrier at 3 to 8 kHz with side bands at even mains multiples; rms 1.

    A carrier above 0.45 of the sampling rate is drawn below it instead.
    """
    n = _length(seconds, fs)
    t = np.arange(n) / fs
    highest = min(8_000.0, 0.45 * fs)
    carrier_hz = rng.uniform(min(3_000.0, 0.5 * highest), highest) if carrier_hz is None else carrier_hz
    out = np.zeros(n)
    for side, gain in ((0, 1.0), (-2, 0.5), (2, 0.5), (-4, 0.25), (4, 0.25)):
        frequency = carrier_hz + side * mains_hz
        out += gain * rng.uniform(0.7, 1.0) * np.sin(2 * np.pi * frequency * t + rng.uniform(0, 2 * np.pi))
    return unit_rms(out).astype(np.float32)


def _burst(rng: np.random.Generator, *, n: int, fs: int, whistle: bool | None) -> Signal:
    t = np.arange(n) / fs
    seconds = n / fs
    head_s, flash_s = rng.uniform(0.005, 0.040), rng.uniform(1.0, 5.0)
    share = rng.uniform(0.3, 0.6)
    pressure = share * np.exp(-t / head_s) + (1 - share) * np.exp(-t / flash_s)
    start_hz, end_hz = rng.uniform(5_000.0, 7_000.0), rng.uniform(2_000.0, 3_000.0)
    # The flow slows with the flashing pressure; the slide is spread over the event whatever its length.
    progress = (1 - np.exp(-t / flash_s)) / max(1 - np.exp(-seconds / flash_s), 1e-9)
    peak_hz = start_hz * (end_hz / start_hz) ** progress
    loudness = pressure**1.5
    hiss = loudness * jet_noise(rng, peak_hz, fs=fs)
    if rng.random() < 0.2 if whistle is None else whistle:
        tone_hz = rng.uniform(0.5, 0.8) * peak_hz
        hiss += rng.uniform(0.5, 1.2) * loudness * np.sin(2 * np.pi * np.cumsum(tone_hz) / fs)
    hiss = faded(hiss, fs=fs, attack_s=0.001, release_s=min(0.1, 0.2 * seconds))
    return hiss + _pop(rng, n=n, fs=fs)


def _pop(rng: np.random.Generator, *, n: int, fs: int) -> Signal:
    """Derivative of a flow that rises within `rise_s` and settles: a positive peak and a longer, weaker trough."""
    rise_s = rng.uniform(0.0002, 0.0006)
    x = np.arange(n) / fs / rise_s
    pulse = x * (2.0 - x) * np.exp(-x)
    height = 10 ** (rng.uniform(12.0, 20.0) / 20)
    return np.asarray(height * pulse / np.abs(pulse).max(), dtype=np.float64)


def _length(seconds: float, fs: int) -> int:
    if not seconds >= SHORTEST_S:
        raise ConfigError(f"seconds: expected at least {SHORTEST_S} s of sound, found {seconds:g}")
    return round(seconds * fs)
