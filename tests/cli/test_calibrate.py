"""`trad-array calibrate` as a person and a program use it."""

import json

import numpy as np
import pytest

from trad_array.audio.files import write_recording
from trad_array.simulation.rehearsal import simulate_known_sounds
from trad_array_geometry import load_layout

CELLS = ("R1C01", "R1C13", "R4C01", "R4C13", "R2C07")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recording with channels 1 and 2 exchanged, its times, and a layout of one's own."""
    folder, pack = tmp_path_factory.mktemp("calibrate"), load_layout("pack-corners")
    recording, times_s = simulate_known_sounds(pack, CELLS, rng=np.random.default_rng(1), rt60_s=0.0)
    samples = recording.samples
    write_recording(folder / "taps.wav", samples, fs=16_000)
    write_recording(folder / "exchanged.wav", samples[[1, 0, 2, 3]], fs=16_000)
    write_recording(folder / "mono.wav", samples[:1], fs=16_000)
    write_recording(folder / "silent.wav", 0 * samples, fs=16_000)
    labels = "".join(f"{t:.3f}\t{t + 0.3:.3f}\t{cell}\n" for cell, t in zip(CELLS, times_s, strict=True))
    (folder / "labels.txt").write_text(labels)
    return folder, [f"--at={cell}@{t:.1f}" for cell, t in zip(CELLS, times_s, strict=True)]


PACK = ("--layout", "pack-corners")


def test_the_plan_names_cells_and_errors(cli, objects):
    code, out, _ = cli("calibrate", "plan", *PACK, "--sounds", "4")
    assert code == 0
    assert out.splitlines()[-1].startswith("4 sounds at R")
    (plan,) = objects("calibrate", "plan", *PACK, "--json")
    assert len(plan["sounds"]) == 8
    assert plan["before"]["worst_us"] > plan["sounds"][-1]["error"]["worst_us"]


def test_sounds_write_a_layout_that_loads(cli, made):
    folder, at = made
    target = folder / "corrected.toml"
    code, out, err = cli(
        "calibrate", "sounds", folder / "exchanged.wav", *PACK, *at, "--date", "2026-11-24", "-o", target
    )
    assert code == 0, err
    assert "exchange of channels 1 and 2: the sounds fit only so; corrected" in out
    assert "expected delay error at the worst cell" in out
    found = load_layout(target)
    assert found.mic_channels == (2, 1, 3, 4)
    assert found.provenance == "calibrated"
    assert (found.calibration.date, found.calibration.n_sounds) == ("2026-11-24", 5)
    # The recording fits the corrected layout, and not the old one.
    assert cli("calibrate", "check", folder / "exchanged.wav", "--layout", target, *at)[0] == 0
    code, out, _ = cli("calibrate", "check", folder / "exchanged.wav", *PACK, *at)
    assert (code, out) == (11, "channels 1 and 2 look swapped\n")
    code, _, err = cli("calibrate", "sounds", folder / "taps.wav", *PACK, *at, "-o", target)
    assert code == 3
    assert "expected a name that is free" in err
    assert cli("calibrate", "sounds", folder / "taps.wav", *PACK, *at, "-o", target, "--force")[0] == 0


def test_labels_name_the_cells(objects, made):
    folder, _ = made
    (found,) = objects("calibrate", "sounds", folder / "taps.wav", *PACK, "--taps", folder / "labels.txt", "--json")
    assert found["schema"] == "trad-array/calibration/1"
    assert [sound["name"] for sound in found["sounds"]] == list(CELLS)
    assert found["channels_exchanged"] is False
    assert all(mic["moved_mm"] < 10 for mic in found["mics"])


def test_a_check_says_that_it_fits(cli, objects, made):
    folder, at = made
    code, out, _ = cli("calibrate", "check", folder / "taps.wav", *PACK, at[0])
    assert code == 0
    assert out.startswith("fits the layout: residual")
    (found,) = objects("calibrate", "check", folder / "taps.wav", *PACK, *at, "--json")
    assert found["fits"] is True
    assert found["findings"] == []


def test_events_of_localize_serve_as_sounds(cli, vent, folder):
    code, out, _ = cli("localize", vent, *PACK, "--json")
    (folder / "events.jsonl").write_text(out)
    code, out, err = cli("calibrate", "check", *PACK, "--events", folder / "events.jsonl")
    assert code == 0, out + err
    code, out, _ = cli("calibrate", "ambient", vent, *PACK, "--events", folder / "events.jsonl", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["calibration"]["n_used"] == 1
    assert "microphone positions: sounds that nobody placed fit any positions" in found["not_observable"]
    assert cli("calibrate", "ambient", vent, *PACK)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("sounds", "taps.wav"), 2, "Expected --at CELL@SECONDS"),
        (("sounds", "taps.wav", "--at", "R9C99@1"), 3, "found 'R9C99'"),
        (("sounds", "taps.wav", "--at", "R1C01@999"), 3, "expected a time within"),
        (("sounds", "taps.wav", "--at", "R1C01@x"), 3, "expected a cell and a time"),
        (("sounds", "mono.wav", "--at", "R1C01@1"), 3, "expected 4 channels, found 1"),
        (("sounds", "silent.wav", "--at", "R1C01@1"), 3, "expected a sound that stands out"),
        (("sounds", "none.wav", "--at", "R1C01@1"), 3, "found none"),
        (("sounds", "taps.wav", "--taps", "taps.wav"), 3, "taps.wav"),
        (("check",), 2, "Expected a RECORDING"),
        (("check", "--events", "labels.txt"), 3, "expected one JSON object a line"),
        (("ambient", "mono.wav"), 3, "found 1"),
        (("ambient", "taps.wav", "-o", "x.toml"), 2, "-o needs known sources"),
    ],
)
def test_bad_input_is_one_line(cli, made, arguments, code, message):
    folder, _ = made
    paths = [folder / a if a.endswith((".wav", ".txt", ".toml")) else a for a in arguments]
    found, out, err = cli("calibrate", *paths[:1], *PACK, *paths[1:])
    assert found == code, err
    assert message in err
    assert "Traceback" not in err


def test_silent_channels_are_named_by_the_check(cli, made):
    folder, at = made
    code, out, _ = cli("calibrate", "check", folder / "silent.wav", *PACK, at[0])
    assert code == 11
    assert out.count("is dead") == 4
