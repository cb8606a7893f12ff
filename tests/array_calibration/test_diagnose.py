"""A check names what is wrong, and keeps quiet about what is right."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.array_calibration.diagnose import check_recording
from trad_array.array_calibration.known import known_sound
from trad_array.records import Recording
from trad_array_geometry import load_layout


def verdict(layout, made, *, change=lambda samples: samples, only=None):
    samples = change(made.recording.samples.copy())
    recording = Recording(samples, made.recording.fs, source="x")
    return check_recording(recording, layout, [known_sound(layout, text) for text in made.at[:only]])


def late(samples, channel, n):
    samples[channel] = np.roll(samples[channel], n)
    return samples


def test_a_true_layout_fits(pack, true_visit):
    for only in (1, None):
        found = verdict(pack, true_visit, only=only)
        assert found.fits
        assert found.residual_us < 40
        assert found.sentence.startswith("fits the layout: residual")


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (0, 3), (2, 3)])
def test_exchanged_channels_are_named(pack, true_visit, pair):
    order = [0, 1, 2, 3]
    order[pair[0]], order[pair[1]] = pair[1], pair[0]
    found = verdict(pack, true_visit, change=lambda samples: samples[order])
    assert [finding.kind for finding in found.findings] == ["swapped"]
    assert found.sentence == f"channels {pair[0] + 1} and {pair[1] + 1} look swapped"


@pytest.mark.parametrize("n", [6, 96])
@pytest.mark.parametrize("channel", [0, 2])
def test_a_late_channel_is_named_with_its_delay(pack, true_visit, channel, n):
    (finding,) = verdict(pack, true_visit, change=lambda samples: late(samples, channel, n)).findings
    assert finding.kind in ("channel", "microphone")
    assert finding.mics == (channel,)
    assert finding.delay_us == pytest.approx(n / 16_000 * 1e6, abs=50)
    assert "late" in finding.sentence


def test_with_one_sound_late_and_misplaced_are_both_said(pack, true_visit):
    (finding,) = verdict(pack, true_visit, change=lambda samples: late(samples, 3, -5), only=1).findings
    # 5 samples at 16 kHz are 313 us; times 346 m/s, 108 mm
    assert "microphone D is about" in finding.sentence
    assert finding.delay_us == pytest.approx(-313, abs=60)
    assert finding.offset_mm == pytest.approx(108, abs=21)


def test_a_misplaced_microphone_is_named(pack, make_visit):
    step = np.zeros((4, 3))
    step[3] = (0.10, -0.06, -0.10)
    cells = ("R2C03", "R3C09", "R1C12", "R4C01", "R1C01")
    made = make_visit(
        replace(pack, mics=pack.mics + step), cells, offset_m=0.003, delay_us=10.0, kelvin=0.0, rt60_s=0.2
    )
    (finding,) = verdict(pack, made).findings
    assert finding.kind == "microphone"
    assert finding.mics == (3,)
    assert finding.offset_mm == pytest.approx(154, abs=60)


def test_a_wrong_cell_is_named(pack, true_visit):
    at = (*true_visit.at[:3], "R1C01@" + true_visit.at[3].split("@")[1])
    found = verdict(pack, replace(true_visit, at=at))
    assert [finding.kind for finding in found.findings] == ["sound"]
    assert "R1C01" in found.sentence


def test_faults_of_the_wiring(pack, true_visit):
    def dead(samples):
        samples[1] = 0.0
        return samples

    def twice(samples):
        samples[1] = 0.5 * samples[0]
        return samples

    assert verdict(pack, true_visit, change=dead).sentence == "channel 2 (microphone B) is dead"
    assert verdict(pack, true_visit, change=twice).sentence == "identical signal on channels 1 and 2"
    silent = verdict(pack, true_visit, change=np.zeros_like)
    assert [finding.kind for finding in silent.findings] == ["dead"] * 4
    assert silent.residual_us is None


def test_a_mirrored_exchange_at_a_row_is_not_seen_and_does_not_matter(make_visit):
    row = load_layout("row-corners")
    made = make_visit(row, ("R1C03", "R1C11"), offset_m=0.0, delay_us=0.0, kelvin=0.0, rt60_s=0.0, exchanged=(1, 2))
    assert verdict(row, made).fits
