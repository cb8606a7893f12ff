"""A layout that is wrong, put right by eight simulated chirps: python examples/calibrate.py OUT.png [CORRECTED.toml].

The true microphones stand 20 mm beside where the layout has them, the channels are up to 125 us late, two of them are
exchanged, and the cabin is 15 degrees warmer than the layout says. Everything is simulated (needs the extra "sim").
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from trad_array import Recording, load_layout
from trad_array.array_calibration.calibrate import calibrate, hear_sounds
from trad_array.array_calibration.expected import plan_sounds
from trad_array.array_calibration.known import known_sound
from trad_array.plotting_calibration import microphone_steps, sound_residuals
from trad_array.simulation.rehearsal import simulate_known_sounds
from trad_array_geometry import mic_pairs, travel_times
from trad_array_geometry.layout_writer import write_calibrated

rng = np.random.default_rng(7)
layout = load_layout("pack-corners")
steps = rng.standard_normal(layout.mics.shape)
truth = replace(
    layout,
    mics=layout.mics + 0.020 * steps / np.linalg.norm(steps, axis=1, keepdims=True),
    mic_delay_s=1e-6 * np.array([125.0, -60.0, 0.0, -65.0]),
    temperature_c=layout.temperature_c + 15.0,
)

cells = [step.cell for step in plan_sounds(layout, n_sounds=8)[1]]
recording, times_s = simulate_known_sounds(truth, cells, rng=rng, rt60_s=0.4, snr_db=10.0, aside_m=0.003)
exchanged = Recording(recording.samples[[0, 2, 1, 3]], recording.fs)

sounds = [known_sound(layout, f"{cell}@{time_s:.1f}") for cell, time_s in zip(cells, times_s, strict=True)]
heard, _ = hear_sounds(exchanged, layout, sounds)
found = calibrate(layout, heard)

print("channels:", found.layout.mic_channels)
for name, moved_m, error_m in zip(layout.mic_names, found.moved_m, found.layout.mics - truth.mics, strict=True):
    print(f"{name}: moved {1e3 * np.linalg.norm(moved_m):.0f} mm, now {1e3 * np.linalg.norm(error_m):.0f} mm off")
i, j = mic_pairs(layout.n_mics).T
errors_us = []
for guess in (layout, found.layout):
    late = [
        travel_times(layout.cells, array.mics, speed_of_sound=array.speed_of_sound) + array.mic_delay_s
        for array in (guess, truth)
    ]
    errors_us.append(1e6 * np.abs((late[0] - late[1])[:, i] - (late[0] - late[1])[:, j]).max())
print(f"true delay error at the worst cell: {errors_us[0]:.0f} us before, {errors_us[1]:.0f} us after")
print(f"expected delay error at the worst cell: {found.before.worst_us:.0f} to {found.after.worst_us:.0f} us")

figure = Figure(figsize=(15, 6.5), layout="constrained")
left, right = figure.subplots(1, 2)
microphone_steps(layout, found.layout, left, truth=truth)
sound_residuals(found, right)
figure.suptitle("Simulated: a wrong layout, before and after eight chirps at known cells")
figure.savefig(sys.argv[1])
if len(sys.argv) > 2:
    write_calibrated("pack-corners", Path(sys.argv[2]), found.noted(date="2026-11-24", method="simulated chirps"))
