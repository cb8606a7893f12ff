"""An array as it really hangs, and the layout that a person gets for it with taps at known cells."""

import numpy as np
from scenes import MISMATCHES, Condition, disturbed

from trad_array.array_calibration.calibrate import calibrate, hear_sounds
from trad_array.array_calibration.expected import plan_sounds
from trad_array.array_calibration.known import known_sound
from trad_array.simulation.rehearsal import simulate_known_sounds
from trad_array_geometry import Layout

# As many taps as the issue allows, each 3 mm beside the valve it is meant for.
N_TAPS, ASIDE_M, TAP_SNR_DB = 8, 0.003, 10.0
# Vents that each calibrated array then hears.
EVENTS = 8


def calibrated_array(layout: Layout, condition: Condition, *, seed: int, number: int) -> tuple[Layout, Layout]:
    """The true layout of array `number`, and the layout file after the calibration."""
    rng = np.random.default_rng([seed, number, 8])
    true = disturbed(layout, MISMATCHES[condition.mismatch], rng)
    cells = [step.cell for step in plan_sounds(layout, n_sounds=N_TAPS)[1]]
    recording, times_s = simulate_known_sounds(
        true, cells, rng=rng, sound="tap", rt60_s=condition.rt60_s, snr_db=TAP_SNR_DB, aside_m=ASIDE_M
    )
    sounds = [known_sound(layout, f"{cell}@{time_s:.1f}") for cell, time_s in zip(cells, times_s, strict=True)]
    heard, _ = hear_sounds(recording, layout, sounds)
    return true, calibrate(layout, heard).layout
