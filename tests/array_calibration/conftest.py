"""An array that is not what its layout says, and the sounds a person makes at its cells."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from trad_array.array_calibration.calibrate import hear_sounds
from trad_array.array_calibration.known import known_sound
from trad_array.records import Recording
from trad_array.simulation.rehearsal import simulate_known_sounds
from trad_array_geometry import Layout, load_layout, mic_pairs, travel_times


@dataclass(frozen=True)
class Visit:
    """What was recorded, with whose true layout, and what the person wrote down."""

    recording: Recording
    truth: Layout
    at: tuple[str, ...]

    def heard(self, layout: Layout):
        return hear_sounds(self.recording, layout, [known_sound(layout, text) for text in self.at])[0]


def visit(layout, cells, *, seed=1, offset_m=0.02, delay_us=125.0, kelvin=15.0, exchanged=None, **how) -> Visit:
    """Microphones moved by `offset_m`, channels late by up to `delay_us`, another temperature, channels exchanged."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal(layout.mics.shape)
    truth = replace(
        layout,
        mics=layout.mics + offset_m * steps / np.linalg.norm(steps, axis=1, keepdims=True),
        mic_delay_s=1e-6 * delay_us * rng.permutation(np.linspace(-1, 1, layout.n_mics)),
        temperature_c=layout.temperature_c + kelvin,
    )
    recording, times_s = simulate_known_sounds(truth, cells, rng=rng, **how)
    order = list(range(layout.n_mics))
    for a, b in [exchanged] if exchanged else []:
        order[a], order[b] = order[b], order[a]
    samples = recording.samples[order]
    at = tuple(f"{cell}@{time_s + rng.uniform(-0.2, 0.2):.2f}" for cell, time_s in zip(cells, times_s, strict=True))
    return Visit(Recording(samples, recording.fs, source="visit"), truth, at)


def cell_errors_us(found: Layout, truth: Layout) -> np.ndarray:
    """Largest error of a pair delay at each cell; both layouts in the order of the true microphones."""
    i, j = mic_pairs(truth.n_mics).T

    def delays(layout):
        times = travel_times(truth.cells, layout.mics, speed_of_sound=layout.speed_of_sound) + layout.mic_delay_s
        return times[:, i] - times[:, j]

    return 1e6 * np.abs(delays(found) - delays(truth)).max(axis=1)


@pytest.fixture(scope="session")
def pack() -> Layout:
    return load_layout("pack-corners")


@pytest.fixture(scope="session")
def corner_visit(pack) -> Visit:
    """Chirps at seven cells of a pack in a room, channels 2 and 3 exchanged."""
    cells = ("R1C01", "R1C13", "R4C01", "R4C13", "R2C07", "R3C04", "R2C10")
    return visit(pack, cells, exchanged=(1, 2), rt60_s=0.4, snr_db=10.0)


@pytest.fixture(scope="session")
def true_visit(pack) -> Visit:
    """Chirps at an array that is nearly what its layout says."""
    return visit(pack, ("R2C03", "R3C09", "R1C12", "R4C05"), offset_m=0.004, delay_us=15.0, kelvin=2.0, snr_db=15.0)


@pytest.fixture(scope="session")
def make_visit():
    return visit


@pytest.fixture(scope="session")
def errors_us():
    return cell_errors_us
