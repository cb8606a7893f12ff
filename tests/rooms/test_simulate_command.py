"""`trad-array simulate` as a person uses it."""

import json

import pytest
import soundfile

from trad_array.simulation import NEGATIVE_KINDS
from trad_array_cli.main import run
from trad_array_cli.simulate import KINDS


def simulate(*arguments):
    return run(["simulate", *map(str, arguments)])


def test_the_example_of_the_help_writes_recording_and_truth(tmp_path, capsys):
    out = tmp_path / "event.wav"
    code = simulate(
        *("--layout", "pack-corners", "--cell", "R2C07", "--rt60", 0.5, "--snr", -5, "--seconds", 10, "--seed", 1),
        *("-o", out, "--json"),
    )
    assert code == 0
    printed = capsys.readouterr()
    truth = json.loads(printed.out)
    assert printed.out.count("\n") == 1
    assert truth == json.loads((tmp_path / "event.truth.json").read_text())
    assert (truth["cell"], truth["seed"], truth["snr_db"]) == ("R2C07", 1, pytest.approx(-5, abs=0.5))
    assert "R2C07" in printed.err
    info = soundfile.info(out)
    assert (info.channels, info.samplerate, info.frames, info.subtype) == (4, 16_000, 160_000, "PCM_16")


def test_flac_negative_onset_duration_temperature_and_rate(tmp_path, capsys):
    out = tmp_path / "tool.flac"
    options = ("--onset", 1.0, "--duration", 0.5, "--temperature-c", 5, "--fs", 48_000, "--seconds", 2)
    assert simulate("--layout", "row-frame", "--negative", "air-tool", *options, "-o", out, "--json") == 0
    truth = json.loads(capsys.readouterr().out)
    assert truth["kind"] == "air-tool"
    assert truth["onset_s"] == pytest.approx(1.0, abs=1 / 48_000)
    assert truth["temperature_c"] == 5.0
    assert soundfile.info(out).samplerate == 48_000
    assert soundfile.info(out).format == "FLAC"


def test_normal_sound_without_json_prints_nothing_on_stdout(tmp_path, capsys):
    assert simulate("--layout", "row-corners", "--normal", "--seconds", 1, "-o", tmp_path / "n.wav") == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "noise only" in printed.err
    assert "simulated" in printed.err


def test_same_seed_same_file(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        options = ("--layout", "row-corners", "--cell", "R1C01", "--seconds", 1, "--seed", seed)
        assert simulate(*options, "-o", tmp_path / f"{name}.wav") == 0
    a, b, c = ((tmp_path / f"{name}.wav").read_bytes() for name in "abc")
    assert a == b != c


def test_count_makes_a_folder_and_continues_it(tmp_path, capsys):
    options = ("--layout", "row-corners", "--sets", "--seconds", 2, "-o", tmp_path / "d", "--json")
    assert simulate("--count", 1, *options) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 2
    assert simulate("--count", 2, *options) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 2
    assert (tmp_path / "d/abnormal/set2_0002_ch4.wav").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--cell", "X1"), 3, "row-corners: cell: expected one of R1C01 to R1C13, found 'X1'"),
        (("--negative", "dog"), 3, "negative: expected one of"),
        (("--cell", "R1C01", "--rt60", "9"), 3, "rt60_s: expected"),
        (("--cell", "R1C01", "--onset", "99"), 3, "onset_s: expected"),
        (("--cell", "R1C01", "--temperature-c", "90"), 3, "temperature_c: expected"),
        ((), 2, "found none of them"),
        (("--cell", "R1C01", "--normal"), 2, "found --cell and --normal"),
        (("--count", "2", "--negative", "door"), 2, "does not go with --negative"),
        (("--count", "2", "--onset", "1"), 2, "--onset goes with one recording"),
        (("--normal", "--sets"), 2, "--sets goes with --count"),
        (("--count", "2", "--sets", "--rt60", "0.3"), 2, "does not go with --rt60"),
        (("--normal", "--fs", "100"), 2, "--fs"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, capsys, arguments, code, message):
    assert simulate("--layout", "row-corners", *arguments, "-o", tmp_path / "x.wav") == code
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not list(tmp_path.iterdir())


def test_the_help_names_every_negative_and_keeps_its_examples_on_their_lines(capsys):
    assert tuple(KINDS.split(", ")) == NEGATIVE_KINDS
    assert simulate("--help") == 0
    assert "\n    trad-array simulate --layout row-frame --negative air-tool -o tool.flac\n" in capsys.readouterr().out
