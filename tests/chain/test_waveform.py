"""Scorers that hear the samples themselves: the front end is a view, and the whole chain works with other frames."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.detection.live import LiveRule
from trad_array.events import events_of
from trad_array.features import FeatureSpec, frames_of
from trad_array.records import Recording
from trad_array_geometry import load_layout

FS = 16_000
LAYOUT = load_layout("pack-corners")


@dataclass(frozen=True)
class Loudness:
    """Half-overlapping tenths of a second, decibels over the noise of the recordings below."""

    features: FeatureSpec = field(default_factory=lambda: FeatureSpec(front_end="waveform", n_fft=1600, hop=800))
    context: int = 1

    def score(self, samples):
        power = (samples[:, :, -1].astype(np.float64) ** 2).mean(axis=-1)
        return 3.0 * (10.0 * np.log10(np.maximum(power, 1e-20)) + 40.0)


def heard(recording):
    outputs = list(run(make_chain(LAYOUT, scorer=Loudness()), blocks(recording, size=1000)))
    return list(events_of(outputs)), [fault for output in outputs for fault in output.heard.faults]


@pytest.mark.parametrize(("n_fft", "hop"), [(64, 32), (1600, 800), (100, 7)])
def test_frames_are_a_view_of_the_samples(rng, n_fft, hop):
    samples = rng.standard_normal((3, 5_000)).astype(np.float32)
    spec = FeatureSpec(front_end="waveform", n_fft=n_fft, hop=hop)
    frames = frames_of(samples, spec)
    assert frames.shape == (3, 1 + (5_000 - n_fft) // hop, n_fft)
    assert np.shares_memory(frames, samples)
    assert not frames.flags.writeable
    for k in (0, 1, frames.shape[1] - 1):
        np.testing.assert_array_equal(frames[:, k], samples[:, k * hop : k * hop + n_fft])


def test_too_few_samples_are_no_frame(rng):
    spec = FeatureSpec(front_end="waveform", n_fft=64, hop=32)
    assert frames_of(rng.standard_normal((2, 63)), spec).shape == (2, 0, 64)


def test_a_microphone_is_dead_when_its_samples_do_not_move(rng):
    frames = 1e-6 * rng.standard_normal((4, 5, 64))
    frames[1], frames[2] = 0.0, 0.25
    spec = FeatureSpec(front_end="waveform", n_fft=64, hop=64)
    assert LiveRule().sounding(frames, spec).tolist() == [True, False, False, True]


def test_a_cell_is_named_and_a_dead_microphone_said(hiss):
    recording = hiss.recording(LAYOUT, LAYOUT.cells[20], seconds=7.0, spans_s=((3.5, 4.5),))
    (event,), faults = heard(recording)
    assert faults == []
    assert (event.level, event.cell_map.best) == ("alarm", 20)
    assert event.detection.onset / FS == pytest.approx(3.5, abs=0.1)
    samples = recording.samples.copy()
    samples[1] = 0.0
    (event,), faults = heard(Recording(samples, FS))
    assert [(fault.kind, fault.channel) for fault in faults] == [("dead", 1)]
    assert (event.level, event.cell_map.best) == ("alarm", 20)
