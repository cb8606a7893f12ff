"""Simulated vents in a layout that is not quite what its file says, one after the other, and what a localizer answers.

How far the world is from the file is drawn from what the file itself says of its errors: `position_sigma_m` and the
channels' sigmas of the microphones, `temperature_sigma_c` of the air. The jet's acoustic centre is 0 to 100 mm above
the valve. So a reliability diagram of these trials says whether probabilities are true in the layout at hand, as long
as its sigmas are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.localization.localizer import Localizer
from trad_array.records import Block, FloatArray
from trad_array.simulation.scene import simulate_scene
from trad_array_geometry import Layout, LayoutError
from trad_array_geometry.air import VALID_RANGE_C

FS = 16_000
# Factor on the layout's standard deviations. "double": what happens when a file promises too much.
MISMATCHES = {"none": 0.0, "layout": 1.0, "double": 2.0}
_JET_M = 0.1
# Nothing sounds inside a microphone.
_CLEAR_M = 0.02
# As much sound before the onset as the chain gives its localizer.
_ONSET_S, _PRE_ROLL_S, _AFTER_S = 2.2, 2.0, 0.05


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What is drawn for each vent; numbers are our choice.

    mismatch : one of `MISMATCHES`
    rt60_s, snr_db : lowest and highest; full-band ratio
    duration_s : of every vent
    """

    mismatch: str = "layout"
    rt60_s: tuple[float, float] = (0.2, 0.6)
    snr_db: tuple[float, float] = (-30.0, 10.0)
    duration_s: float = 1.0


def answers(
    layout: Layout, localizer: Localizer, *, n: int, rng: np.random.Generator, spec: TrialSpec
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Simulate `n` vents; yields the cell, and the probability of every cell given that a cell made the sound.

    Raises
    ------
    ConfigError
        If the mismatch has no such name.
    LayoutError
        If the layout has no room.
    MissingExtra
        If pyroomacoustics is not installed.
    """
    if spec.mismatch not in MISMATCHES:
        raise ConfigError(f"mismatch: expected one of {', '.join(MISMATCHES)}, found {spec.mismatch!r}")
    factor = MISMATCHES[spec.mismatch]
    for trial_rng in rng.spawn(n):
        cell = int(trial_rng.integers(layout.n_cells))
        true = disturbed(layout, factor=factor, rng=trial_rng)
        jet_m = trial_rng.uniform(0.0, _JET_M) if factor else 0.0
        cut = _vent_cut(layout, true, cell, jet_m=jet_m, rng=trial_rng, spec=spec)
        onset = round(_PRE_ROLL_S * FS)
        found = localizer(cut, layout, speed_of_sound=layout.speed_of_sound, onset=onset)
        yield cell, found.probability / found.probability.sum()


def disturbed(layout: Layout, *, factor: float, rng: np.random.Generator) -> Layout:
    """The layout as it might be: every error drawn with `factor` times its standard deviation.

    Raises
    ------
    LayoutError
        If the layout has no room.
    """
    if layout.box_m is None:
        raise LayoutError(f"{layout.id}: expected a room ([room] min_m, max_m) to simulate sound in, found none")
    moved = layout.mics + factor * layout.mic_sigma_m[:, None] * rng.standard_normal(layout.mics.shape)
    late = layout.mic_delay_s + factor * layout.mic_delay_sigma_s * rng.standard_normal(layout.n_mics)
    air_c = layout.temperature_c + factor * layout.temperature_sigma_c * float(rng.standard_normal())
    low, high = layout.box_m
    return replace(
        layout,
        mics=np.clip(moved, low + 0.01, high - 0.01),
        mic_delay_s=late,
        temperature_c=float(np.clip(air_c, *VALID_RANGE_C)),
    )


def delayed(samples: FloatArray, delays_s: NDArray[np.float64], *, fs: int) -> NDArray[np.float32]:
    """Each channel later by its delay, shape (n_mics, n); whole and fractional samples, by phase.

    What leaves at one end comes back at the other: leave a margin as long as the delays.
    """
    n = samples.shape[1]
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(n, 1.0 / fs) * delays_s[:, None])
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, axis=1) * turn, n, axis=1), dtype=np.float32)


def _vent_cut(
    layout: Layout, true: Layout, cell: int, *, jet_m: float, rng: np.random.Generator, spec: TrialSpec
) -> Block:
    x, y, z = (float(v) for v in layout.cells[cell])
    z += jet_m
    while np.linalg.norm(true.mics - (x, y, z), axis=1).min() < _CLEAR_M:
        z += 0.01
    scene = simulate_scene(
        true,
        rng=rng,
        cell=layout.cell_names[cell],
        rt60_s=float(rng.uniform(*spec.rt60_s)),
        snr_db=float(rng.uniform(*spec.snr_db)),
        seconds=_ONSET_S + spec.duration_s + 0.2,
        onset_s=_ONSET_S,
        duration_s=spec.duration_s,
        source_m=(x, y, z),
    )
    samples = delayed(scene.recording.samples, true.mic_delay_s, fs=FS)
    first, last = round((_ONSET_S - _PRE_ROLL_S) * FS), round((_ONSET_S + spec.duration_s + _AFTER_S) * FS)
    return Block(samples[:, first:last], 0, FS)
