"""Channels that are known to be late: every localizer and the free position take it off."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.localization.place import place
from trad_array.plugins import LOCALIZERS, make_localizer
from trad_array.records import Block
from trad_array_geometry import pair_delays


# A converter later by more than the close pair of a row can ever hear needs other lags than the sound alone.
@pytest.mark.parametrize("late_s", [(0.0, 300e-6, 0.0, 0.0), (0.0, 5e-3, 0.0, -3e-3)], ids=["300us", "5ms"])
@pytest.mark.parametrize("name", LOCALIZERS)
def test_known_channel_delays_are_taken_off(shipped_layout, hiss, name, late_s):
    late = replace(shipped_layout, mic_delay_s=np.array(late_s))
    cell = shipped_layout.n_cells // 3
    recording = hiss.recording(late, late.cells[cell], seconds=1.6, spans_s=((0.6, 1.6),))
    found = place(
        make_localizer(name), Block(recording.samples, 0, 16_000), late, onset=9_600, speed_of_sound=late.speed_of_sound
    )
    assert found.cell_map.best == cell
    assert found.cell_map.elsewhere < 0.1
    assert found.position.position_m == pytest.approx(tuple(late.cells[cell]), abs=0.03)
    # What is told of the pairs is what was heard.
    sound_s = pair_delays(late.cells[[cell]], late.mics, speed_of_sound=late.speed_of_sound)[0]
    channels_s = np.array([late_s[i] - late_s[j] for i, j in found.cell_map.pairs])
    np.testing.assert_allclose(found.cell_map.pair_delays_s, sound_s + channels_s, atol=16e-6)


def test_a_peak_is_as_sharp_on_late_channels(shipped_layout, hiss, mapped):
    late = replace(shipped_layout, mic_delay_s=np.array([0.0, 5e-3, 0.0, -3e-3]))
    sharpness = []
    for layout in (shipped_layout, late):
        hiss.rng = np.random.default_rng(3)
        sound = hiss.recording(layout, layout.cells[0], seconds=1.6, spans_s=((0.6, 1.6),))
        sharpness.append(mapped(sound, layout).sharpness)
    # More lags without sound are looked at, so the noise is told better; the peaks must not get lost.
    assert sharpness[1] > 0.65 * sharpness[0]


def test_delays_that_nobody_told_of_are_not_taken_off(shipped_layout, hiss, mapped):
    late = replace(shipped_layout, mic_delay_s=np.array([0.0, 5e-3, 0.0, -3e-3]))
    recording = hiss.recording(late, late.cells[0], seconds=1.6, spans_s=((0.6, 1.6),))
    found, told = mapped(recording, shipped_layout), mapped(recording, late)
    assert found.power[0] < 0.5 * told.power[0]
