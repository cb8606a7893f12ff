"""Layouts that are not quite what their file says, and calls with less to write."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.localization.robust import Robust
from trad_array.records import Block, CellMap, Recording
from trad_array_geometry import Layout


def _disturbed(layout: Layout, rng: np.random.Generator) -> Layout:
    """Air 15 K off, microphones 20 mm away, one channel 125 us early or late."""
    away = rng.standard_normal(layout.mics.shape)
    away *= 0.020 / np.linalg.norm(away, axis=1, keepdims=True)
    late = 125e-6 * rng.choice([-1.0, 1.0]) * (np.arange(layout.n_mics) == rng.integers(layout.n_mics))
    return replace(
        layout,
        mics=layout.mics + away,
        mic_delay_s=layout.mic_delay_s + late,
        temperature_c=layout.temperature_c + 15.0 * float(rng.choice([-1.0, 1.0])),
    )


@pytest.fixture
def disturbed():
    return _disturbed


def _mapped(recording: Recording, layout: Layout, *, onset_s: float | None = 0.6, **parts: object) -> CellMap:
    onset = None if onset_s is None else round(onset_s * recording.fs)
    cut = Block(recording.samples, 0, recording.fs)
    return Robust(**parts)(cut, layout, speed_of_sound=layout.speed_of_sound, onset=onset)


@pytest.fixture
def mapped():
    """Robust on a recording whose sound begins at 0.6 s."""
    return _mapped
