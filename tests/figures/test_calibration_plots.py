"""What the pictures of a calibration say."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from trad_array.array_calibration.calibrate import Calibration, SoundResult
from trad_array.array_calibration.expected import DelayError
from trad_array.plotting_calibration import microphone_steps, sound_residuals
from trad_array_geometry import load_layout

PACK = load_layout("pack-corners")
MOVED = replace(PACK, mics=PACK.mics + (0.03, 0.04, 0.0), mic_delay_s=1e-6 * np.array([10.0, -10.0, 25.0, -25.0]))
SOUNDS = (SoundResult("R1C01", 1.0, 250.0, 4.0, True), SoundResult("R2C02", 2.0, 300.0, 200.0, False, "R2C05"))
FOUND = Calibration(
    MOVED, MOVED.mics - PACK.mics, (0, 1, 2, 3), (), SOUNDS, 0.02, 4.0,
    DelayError(231.4, 150.0, "R1C01"), DelayError(36.0, 20.0, "R4C13"),
)  # fmt: skip


def test_every_microphone_carries_its_step_and_delay():
    ax = microphone_steps(PACK, MOVED, Figure().subplots(), truth=MOVED, enlarge=10.0)
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert words[0] == "A: 50 mm (+0 up), +10 us"
    assert len(words) == 4
    before, true, calibrated = (np.asarray(points.get_offsets()) for points in ax.collections)
    assert calibrated - before == pytest.approx(np.tile([0.3, 0.4], (4, 1)))
    assert true == pytest.approx(calibrated)


def test_bars_are_the_residuals_and_left_out_sounds_are_hollow():
    ax = sound_residuals(FOUND, Figure().subplots())
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([250.0, 300.0, 4.0, 200.0])
    assert ax.patches[3].get_facecolor()[:3] == (1.0, 1.0, 1.0)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["R1C01", "R2C02"]
    assert "231 us before, 36 us after" in ax.get_title()
