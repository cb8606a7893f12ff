"""Simulated sounds that fool detectors of hiss: none of them is a cell.

Each generator returns float64, mono at 1 m, level free; `negative` is the door to all of them. They are built from the
same few parts as the vent and stand in for recordings; the speech is synthetic vowels and sibilants, not words.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.simulation.sounds import SHORTEST_S, pcs_whine
from trad_array.simulation.synthesis import (
    Signal,
    band_noise,
    faded,
    jet_noise,
    ringing,
    shaped_noise,
    unit_rms,
    wandering,
)

Generator = np.random.Generator


def negative(kind: str, rng: Generator, *, fs: int, seconds: float) -> NDArray[np.float32]:
    """Simulate one sound that is not a cell.

    Parameters
    ----------
    kind : str, one of `NEGATIVE_KINDS`
    rng : numpy.random.Generator
    fs : int, Hz
    seconds : float, s, at least 0.02
        Length of the result; a door or a contactor is over sooner and leaves silence.

    Returns
    -------
    array, shape (round(seconds * fs),), rms 1

    Raises
    ------
    ConfigError
        If the kind is unknown or `seconds` too short.
    """
    if kind not in _GENERATORS:
        raise ConfigError(f"negative: expected one of {', '.join(NEGATIVE_KINDS)}, found {kind!r}")
    if not seconds >= SHORTEST_S:
        raise ConfigError(f"seconds: expected at least {SHORTEST_S} s of sound, found {seconds:g}")
    return unit_rms(_GENERATORS[kind](rng, round(seconds * fs), fs)).astype(np.float32)


def typical_seconds(kind: str, rng: Generator) -> float:
    """How long a sound of this kind may last, s."""
    low, high = _DURATIONS_S.get(kind, (1.0, 4.0))
    return float(rng.uniform(low, high))


def _air_tool(rng: Generator, n: int, fs: int) -> Signal:
    """A blow gun or grinder: the hump stays where it is; the trigger is pressed once or a few times."""
    peak_hz = np.full(n, rng.uniform(3_500.0, 6_500.0))
    hiss = jet_noise(rng, peak_hz, fs=fs)
    turbine_hz = rng.uniform(300.0, 900.0) * wandering(rng, n=n, fs=fs, depth=0.01)
    hiss += 0.3 * np.sin(2 * np.pi * np.cumsum(turbine_hz) / fs)
    bursts = int(rng.integers(1, 4))
    gate = np.zeros(n)
    for part in np.array_split(np.arange(n), bursts):
        used = part[: max(int(len(part) * rng.uniform(0.6, 0.95)), 1)]
        gate[used] = faded(np.ones(len(used)), fs=fs, attack_s=0.015, release_s=0.03)
    return hiss * gate


def _door(rng: Generator, n: int, fs: int) -> Signal:
    """A steel door: the slam of its panel and one or two clicks of the latch."""
    slam = ringing(rng, n=n, fs=fs, modes_hz=rng.uniform(60.0, 900.0, 12), decay_s=rng.uniform(0.06, 0.15))
    for at_s in np.sort(rng.uniform(0.0, 0.08, int(rng.integers(1, 3)))):
        start = min(int(at_s * fs), n - 1)
        click = ringing(rng, n=n - start, fs=fs, modes_hz=rng.uniform(1_500.0, 0.45 * fs, 6), decay_s=0.006)
        slam[start:] += rng.uniform(0.5, 1.5) * click
    return slam


def _contactor(rng: Generator, n: int, fs: int) -> Signal:
    """A contactor that closes: the armature strikes, then bounces once or twice within milliseconds."""
    out = np.zeros(n)
    at_s, gain = 0.0, 1.0
    for _ in range(int(rng.integers(2, 4))):
        start = min(int(at_s * fs), n - 1)
        modes_hz = rng.uniform(800.0, min(6_000.0, 0.45 * fs), 8)
        out[start:] += gain * ringing(rng, n=n - start, fs=fs, modes_hz=modes_hz, decay_s=rng.uniform(0.002, 0.006))
        at_s += rng.uniform(0.003, 0.012)
        gain *= rng.uniform(0.3, 0.7)
    return out


def _extinguisher(rng: Generator, n: int, fs: int) -> Signal:
    """A powder or gas extinguisher: no pop, a lower hump that hardly moves, a slow decay."""
    t = np.arange(n) / fs
    peak_hz = rng.uniform(1_500.0, 3_500.0) * wandering(rng, n=n, fs=fs, depth=0.03)
    hiss = jet_noise(rng, peak_hz, fs=fs) * np.exp(-t / rng.uniform(4.0, 10.0))
    rumble = band_noise(rng, n=n, fs=fs, low_hz=80.0, high_hz=500.0)
    return faded(hiss + 0.4 * rumble, fs=fs, attack_s=0.08, release_s=0.3)


def _rain(rng: Generator, n: int, fs: int) -> Signal:
    """Rain on one patch of a metal roof: drops at random times and sizes over a steady patter."""
    drops = np.zeros(n)
    hits = rng.integers(0, n, max(int(rng.poisson(60 * n / fs)), 1))
    np.add.at(drops, hits, rng.choice([-1.0, 1.0], len(hits)) * rng.pareto(3.0, len(hits)))
    strike = ringing(rng, n=int(0.02 * fs), fs=fs, modes_hz=rng.uniform(1_000.0, 0.45 * fs, 8), decay_s=0.004)
    patter = shaped_noise(
        rng, n=n, fs=fs, power=lambda f: (f / 800) ** 2 / (1 + (f / 800) ** 2) / (1 + (f / 5000) ** 2)
    )
    return faded(unit_rms(np.convolve(drops, strike)[:n]) + patter, fs=fs, attack_s=0.3, release_s=0.3)


def _speech(rng: Generator, n: int, fs: int) -> Signal:
    """Synthetic speech: vowels (pulses through three resonances) and sibilants (noise above 4 kHz) in turn."""
    out, at = np.zeros(n), 0
    pitch_hz = rng.uniform(90.0, 220.0)
    while at < n:
        m = min(int(rng.uniform(0.08, 0.22) * fs), n - at)
        if rng.random() < 0.4:
            piece = 0.7 * band_noise(rng, n=m, fs=fs, low_hz=rng.uniform(3_500.0, 5_000.0), high_hz=0.47 * fs)
        else:
            piece = _vowel(rng, m, fs, pitch_hz * rng.uniform(0.85, 1.2))
        out[at : at + m] = faded(piece, fs=fs, attack_s=0.02, release_s=0.03)
        at += m + (int(rng.uniform(0.05, 0.2) * fs) if rng.random() < 0.25 else 0)
    return out


def _vowel(rng: Generator, n: int, fs: int, pitch_hz: float) -> Signal:
    """A vowel as a sum of harmonics weighted by three formants."""
    formants_hz = np.array([rng.uniform(300, 850), rng.uniform(900, 2_300), rng.uniform(2_300, 3_200)])
    widths_hz = np.array([80.0, 120.0, 180.0])
    harmonics_hz = pitch_hz * np.arange(1, int(0.45 * fs / pitch_hz))
    peaks = 1.0 / (1.0 + ((harmonics_hz[:, None] - formants_hz) / widths_hz) ** 2)
    gains = (peaks * [1.0, 0.6, 0.3]).sum(axis=1) + 0.002
    phase = 2 * np.pi * np.cumsum(pitch_hz * wandering(rng, n=n, fs=fs, depth=0.02, per_s=5.0)) / fs
    phases = rng.uniform(0.0, 2 * np.pi, len(harmonics_hz))
    waves = np.sin(np.arange(1, len(harmonics_hz) + 1)[:, None] * phase + phases[:, None])
    return unit_rms(np.asarray(gains @ waves, dtype=np.float64))


def _pcs_whine(rng: Generator, n: int, fs: int) -> Signal:
    """The power converter takes up load: its whine swells, stays and goes."""
    return faded(pcs_whine(rng, fs=fs, seconds=n / fs).astype(np.float64), fs=fs, attack_s=0.2, release_s=0.2)


def _hvac(rng: Generator, n: int, fs: int) -> Signal:
    """An air conditioner starts: a relay clicks, then a compressor and air come up to speed."""
    t = np.arange(n) / fs
    ramp = 1.0 - np.exp(-t / rng.uniform(0.2, 0.6))
    air = shaped_noise(rng, n=n, fs=fs, power=lambda f: (f / 60) ** 4 / (1 + (f / 60) ** 4) / (1 + (f / 700) ** 2))
    compressor = np.sin(2 * np.pi * np.cumsum(rng.uniform(45.0, 60.0) * ramp) / fs)
    out = ramp * (air + 0.5 * compressor)
    out += 2.0 * ringing(rng, n=n, fs=fs, modes_hz=rng.uniform(1_000.0, 4_000.0, 5), decay_s=0.004)
    return faded(out, fs=fs, attack_s=0.0, release_s=0.3)


_GENERATORS: Mapping[str, Callable[[Generator, int, int], Signal]] = MappingProxyType(
    {
        "air-tool": _air_tool,
        "door": _door,
        "contactor": _contactor,
        "extinguisher": _extinguisher,
        "rain": _rain,
        "speech": _speech,
        "pcs-whine": _pcs_whine,
        "hvac": _hvac,
    }
)
_DURATIONS_S: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"door": (0.5, 0.9), "contactor": (0.05, 0.12), "air-tool": (0.5, 3.0), "extinguisher": (2.0, 5.0)}
)

NEGATIVE_KINDS: tuple[str, ...] = tuple(_GENERATORS)
