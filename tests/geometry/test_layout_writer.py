"""A calibrated layout in its file: what was found is there, and the rest is as it was."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array_geometry import CalibrationNote, LayoutError, load_layout
from trad_array_geometry.layout_writer import write_calibrated

NOTE = CalibrationNote("2026-11-24", "sounds at known cells", 7, 3.25)


def corrected(layout):
    n = layout.n_mics
    return replace(
        layout,
        provenance="calibrated",
        mics=layout.mics + 0.0123,
        mic_sigma_m=np.full(n, 0.0041),
        mic_delay_s=1e-6 * np.linspace(-40.5, 40.5, n),
        mic_delay_sigma_s=np.full(n, 12.3e-6),
        mic_channels=layout.mic_channels[::-1],
        temperature_c=31.25,
        temperature_sigma_c=2.5,
        calibration=NOTE,
    )


def test_what_was_found_is_read_back(shipped_layout, tmp_path):
    wanted = corrected(shipped_layout)
    write_calibrated(shipped_layout.id, tmp_path / "new.toml", wanted)
    read = load_layout(tmp_path / "new.toml")
    for name in ("mics", "mic_sigma_m", "mic_delay_s", "mic_delay_sigma_s", "cells", "guards", "box_m"):
        assert getattr(read, name) == pytest.approx(getattr(wanted, name), abs=5e-5), name
    for name in ("id", "provenance", "mic_channels", "temperature_c", "temperature_sigma_c", "calibration"):
        assert getattr(read, name) == getattr(wanted, name), name
    assert list(tmp_path.iterdir()) == [tmp_path / "new.toml"]


def test_comments_and_other_keys_stay(good, tmp_path):
    source = tmp_path / "bench.toml"
    commented = good.replace('name = "B"', 'name = "B"  # under the shelf').replace("[cells]", "# the cells\n[cells]")
    source.write_text(commented)
    write_calibrated(source, tmp_path / "new.toml", corrected(load_layout(source)))
    text = (tmp_path / "new.toml").read_text()
    assert 'name = "B"  # under the shelf' in text
    assert "# the cells\n[cells]" in text
    untouched = ("position", "channel", "delay", "provenance", "temperature", "[[mics]]", "[[guards]]")
    for line in commented.splitlines():
        if line and not line.startswith(untouched):
            assert line in text
    assert text.count("position_sigma_m") == 4
    assert text.count("[calibration]") == 1


def test_a_second_calibration_replaces_the_first_note(good, tmp_path):
    source = tmp_path / "bench.toml"
    source.write_text(good)
    write_calibrated(source, source, corrected(load_layout(source)), overwrite=True)
    again = replace(load_layout(source), calibration=replace(NOTE, n_sounds=3))
    write_calibrated(source, source, again, overwrite=True)
    assert load_layout(source).calibration.n_sounds == 3


def test_nothing_is_written_when_it_cannot_be_used(good, tmp_path):
    source = tmp_path / "bench.toml"
    source.write_text(good)
    layout = corrected(load_layout(source))
    with pytest.raises(LayoutError, match="expected a name that is free"):
        write_calibrated(source, source, layout)
    assert source.read_text() == good
    outside = replace(layout, mics=layout.mics - 50.0)
    with pytest.raises(LayoutError, match="expected mics inside the room"):
        write_calibrated(source, tmp_path / "new.toml", outside)
    with pytest.raises(LayoutError, match="expected D, C, B, A"):
        write_calibrated(source, tmp_path / "new.toml", layout.with_mics([3, 2, 1, 0]))
    with pytest.raises(FileNotFoundError):
        write_calibrated(source, tmp_path / "none" / "new.toml", layout)
    assert list(tmp_path.iterdir()) == [source]
