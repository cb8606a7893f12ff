"""What a watch says of its microphones."""

import numpy as np

from trad_array.alarm.health import HealthRule
from trad_array.audio.captured import Captured, NoSound
from trad_array.audio.to_rate import ToRate
from trad_array.chain import make_chain
from trad_array.events import Origin
from trad_array.monitor.watch import Watch, array_json, watch_step
from trad_array_geometry import load_layout

FS = 16_000


def test_levels_are_no_longer_told_once_no_sound_comes(rng):
    layout = load_layout("row-corners")
    watch = Watch(make_chain(layout), ToRate(FS, FS), Origin("card", "excess"), HealthRule(mics=layout.mic_names))
    state = watch.start()
    samples = np.round(rng.uniform(-3277, 3277, (4, 3 * FS))).astype(np.int16)
    state, _ = watch_step(watch, state, Captured(samples, 0, FS), machine=None)
    # White and even between -0.1 and 0.1: 0.1 / sqrt(3) rms.
    assert [mic["level_dbfs"] for mic in array_json(watch, state)["mics"]] == [-24.8] * 4
    for silent_s, levels in ((1.0, [-24.8] * 4), (2.0, [None] * 4), (9.0, [None] * 4)):
        state, _ = watch_step(watch, state, NoSound(silent_s, "gone"), machine=None)
        found = array_json(watch, state)
        assert ([mic["level_dbfs"] for mic in found["mics"]], found["sound_until_s"]) == (levels, 3.0)
