"""How well cells are named after a person has calibrated the array with taps at known cells."""

from dataclasses import dataclass

import numpy as np
from scenes import FS, MISMATCHES, PRE_ROLL_S, Condition, disturbed, make_case

from trad_array.array_calibration.calibrate import calibrate, hear_sounds
from trad_array.array_calibration.expected import plan_sounds
from trad_array.array_calibration.known import known_sound
from trad_array.localization.robust import Robust
from trad_array.simulation.rehearsal import simulate_known_sounds
from trad_array_geometry import Layout, load_layout

# As many taps as the issue allows, each 3 mm beside the valve it is meant for.
N_TAPS, ASIDE_M = 8, 0.003


@dataclass(frozen=True, slots=True)
class Visit:
    """One array, calibrated once, and the events it heard afterwards.

    right, covered : events whose cell was named, and was in the 90 % set, after the calibration
    right_before : events whose cell would have been named without it
    n : events
    """

    right: int
    covered: int
    right_before: int
    n: int


def visit(condition: Condition, *, seed: int, number: int, n_events: int) -> Visit:
    """Draw an array that differs from its layout file, calibrate it with taps, and let cells vent."""
    layout = load_layout(condition.layout)
    rng = np.random.default_rng([seed, number, 8])
    true = disturbed(layout, MISMATCHES[condition.mismatch], rng)
    corrected = _calibrated(layout, true, condition, rng)
    right = covered = before = 0
    onset, robust = round(PRE_ROLL_S * FS), Robust()
    for event in range(n_events):
        case = make_case(layout, condition, seed=seed, number=number * n_events + event, true=true)
        old = robust(case.cut, layout, speed_of_sound=layout.speed_of_sound, onset=onset)
        new = robust(case.cut, corrected, speed_of_sound=corrected.speed_of_sound, onset=onset)
        before += old.best == case.cell
        right += new.best == case.cell
        covered += case.cell in new.credible_set()
    return Visit(right, covered, before, n_events)


def _calibrated(layout: Layout, true: Layout, condition: Condition, rng: np.random.Generator) -> Layout:
    cells = [step.cell for step in plan_sounds(layout, n_sounds=N_TAPS)[1]]
    recording, times_s = simulate_known_sounds(
        true, cells, rng=rng, sound="tap", rt60_s=condition.rt60_s, snr_db=10.0, aside_m=ASIDE_M
    )
    sounds = [known_sound(layout, f"{cell}@{time_s:.1f}") for cell, time_s in zip(cells, times_s, strict=True)]
    heard, _ = hear_sounds(recording, layout, sounds)
    return calibrate(layout, heard).layout
