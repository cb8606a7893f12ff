"""Settings of a sound card that cannot be used are refused in one line; flags and drops of the driver are kept."""

import time

import numpy as np
import pytest
import sounddevice

from trad_array.audio.capture_line import Line
from trad_array.audio.capture_rule import CaptureFormat, RecoveryRule
from trad_array.audio.sound_card import SoundCard
from trad_array.errors import ConfigError

INPUT_OVERFLOW = 2  # paInputOverflow of portaudio.h


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"samplerate_hz": 4_000}, "samplerate_hz: expected 8000 to 384000 Hz, found 4000"),
        ({"dtype": "int24"}, "dtype: expected int16, int32, float32, found 'int24'"),
        ({"open_channels": 0}, "open_channels: expected 1 to 256, found 0"),
        ({"channel_map": (1, 2, 3, 5)}, "channel_map: expected channels 1 to 4, found 1,2,3,5"),
        ({"channel_map": (0, 1, 2, 3)}, "channel_map: expected channels 1 to 4, found 0,1,2,3"),
        ({"channel_map": (1, 2, 2, 3)}, "channel_map: expected each channel once, found 1,2,2,3"),
        ({"channel_map": ()}, "channel_map: expected each channel once, found none"),
        ({"block_s": 2.0}, "block_s: expected 0.001 to 1 s, found 2"),
    ],
)
def test_a_format_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ConfigError) as caught:
        CaptureFormat(**wrong)
    assert str(caught.value) == words


def test_limits_are_times_and_the_map_has_one_channel_for_each_microphone():
    with pytest.raises(ConfigError, match="give_up_s: expected a time over 0 s, found 0"):
        RecoveryRule(give_up_s=0.0)
    with pytest.raises(ConfigError, match="expected 3 channels, one for each microphone, found 4"):
        SoundCard("any", CaptureFormat(), n_mics=3)


def test_a_full_queue_counts_what_it_cannot_take_and_tells_it_with_what_comes_next():
    line, block = Line(blocks=2, clock=time.monotonic), np.ones((100, 4), np.int16)
    for _ in range(5):
        line.callback(block, 100, None, sounddevice.CallbackFlags(0))
    taken = [line.heard.get(), line.heard.get()]
    line.callback(block, 100, None, sounddevice.CallbackFlags(INPUT_OVERFLOW))
    taken.append(line.heard.get())
    assert [(t.dropped, t.overflow) for t in taken] == [(0, False), (0, False), (300, True)]
    block[:] = 0  # the driver uses its memory again
    assert all((t.samples == 1).all() for t in taken)
