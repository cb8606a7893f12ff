"""Simulated sound for the benchmark of the watch: a cabin that goes on for ever, and what is heard in it."""

from dataclasses import dataclass

import numpy as np
from measured import FS
from numpy.typing import NDArray

from trad_array.simulation import simulate_scene
from trad_array_geometry import Layout

EVERYDAY = ("door", "contactor", "air-tool", "hvac", "speech")
_SEAM_S = 0.5
_FULL_SCALE = 32_767.0


def cabin_loop(layout: Layout, *, seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of a cabin, (n, n_mics), full scale = 1, whose end goes over into its beginning without a click."""
    noise = simulate_scene(layout, rng=rng, seconds=seconds + _SEAM_S).recording.samples.T
    seam = round(_SEAM_S * FS)
    fade = np.sqrt(np.linspace(0.0, 1.0, seam, dtype=np.float32))[:, None]
    loop = np.array(noise[:-seam], dtype=np.float32)
    loop[:seam] = fade * loop[:seam] + fade[::-1] * noise[-seam:]
    return loop


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """What is added to the cabin. samples : (n, n_mics); onset_s : from their beginning; cell : that vents, or None."""

    samples: NDArray[np.float32]
    onset_s: float
    cell: str | None


def vents(layout: Layout, n: int, *, rng: np.random.Generator) -> list[Sound]:
    """Vents of 2 s of random cells, -5 to 0 dB full band, RT60 0.4 s."""
    found = []
    for _ in range(n):
        cell = str(rng.choice(layout.cell_names))
        snr_db = float(rng.uniform(-5.0, 0.0))
        scene = simulate_scene(layout, rng=rng, cell=cell, seconds=4.0, onset_s=0.5, duration_s=2.0, snr_db=snr_db)
        assert scene.event is not None
        found.append(Sound(scene.event.T, float(scene.truth["onset_s"]), cell))
    return found


def everyday(layout: Layout, *, rng: np.random.Generator) -> list[Sound]:
    """One of each everyday sound, 0 dB full band."""
    found = []
    for kind in EVERYDAY:
        scene = simulate_scene(layout, rng=rng, negative=kind, seconds=5.0, onset_s=0.5, snr_db=0.0)
        assert scene.event is not None
        found.append(Sound(scene.event.T, 0.5, None))
    return found


def as_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """As a card gives it."""
    return np.round(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)


def at_48_khz(samples: NDArray[np.float32]) -> NDArray[np.int32]:
    """As a card gives it that runs at 48 kHz with 32 bits."""
    import soxr

    high = soxr.resample(samples, FS, 48_000)
    return np.round(np.clip(high, -1.0, 1.0) * (2.0**31 - 129)).astype(np.int32)
