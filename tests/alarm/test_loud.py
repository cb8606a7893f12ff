"""Loud events are no faults: vents, rain on the roof and air tools, near a microphone and for minutes or hours."""

import numpy as np
import pytest

from trad_array.simulation import simulate_scene
from trad_array_geometry import load_layout

PACK = load_layout("pack-corners")
BESIDE_C = tuple(PACK.mics[2] + (0.0, 0.12, 0.0))


def loud(**what):
    """Half a minute of it, as loud all the time as the simulation makes it."""
    sound = simulate_scene(PACK, rng=np.random.default_rng(5), seconds=32.0, onset_s=1.0, duration_s=30.0, **what)
    return sound.recording.samples[:, 16_000:-16_000].copy()


@pytest.mark.parametrize(
    ("what", "minutes"),
    [
        ({"cell": "R2C07", "snr_db": 30.0}, 4),
        ({"cell": "R1C01", "snr_db": 15.0}, 6),
        ({"negative": "rain", "snr_db": 18.0}, 20),
        ({"negative": "air-tool", "snr_db": 20.0}, 12),
        ({"negative": "air-tool", "snr_db": 35.0, "source_m": BESIDE_C}, 4),
        ({"cell": "R1C01", "snr_db": 45.0, "source_m": BESIDE_C}, 4),
        ({"negative": "extinguisher", "snr_db": 30.0}, 5),
    ],
    ids=["vent", "long vent", "rain", "air tool", "tool at a microphone", "vent at a microphone", "extinguisher"],
)
def test_a_loud_sound_raises_no_fault(old_hand, what, minutes):
    sound = loud(**what)
    old_hand.hear(60.0 * minutes, sound=sound)
    old_hand.hear(600.0)
    assert old_hand.told == []


def test_the_tool_at_a_microphone_does_overload_it():
    sound = loud(negative="air-tool", snr_db=35.0, source_m=BESIDE_C)
    assert np.mean(np.abs(sound[2]) > 0.99) > 0.01
