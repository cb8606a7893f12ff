"""`trad-array layouts` and `trad-array demo`."""

import json

import pytest

from trad_array_geometry import layout_names


def test_list_show_plot(cli, objects, tmp_path):
    assert [row["id"] for row in objects("layouts", "list", "--json")] == list(layout_names())
    (shown,) = objects("layouts", "show", "pack-corners", "--json")
    assert (len(shown["cells"]), len(shown["mics"]), shown["provenance"]) == (52, 4, "assumed")
    assert "# " in cli("layouts", "show", "pack-corners")[1]
    for name in ("pack-corners", "container"):
        assert cli("layouts", "plot", name, "-o", tmp_path / f"{name}.png")[0] == 0
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", layout_names())
def test_check(cli, objects, name):
    (found,) = objects("layouts", "check", name, "--worst", 2, "--json")
    assert (found["layout"], found["alike"], len(found["worst"])) == (name, 0, 2)
    _, out, _ = cli("layouts", "check", name, "--worst", 2)
    assert f"verdict: {found['verdict'].upper()}." in out
    assert f"{found['worst'][0]['first']} - {found['worst'][0]['second']}" in out


def test_check_says_what_is_left_without_each_microphone(cli, objects):
    (found,) = objects("layouts", "check", "pack-corners", "--json")
    assert [row["mic"] for row in found["without_each"]] == ["A", "B", "C", "D"]
    for row in found["without_each"]:
        (alone,) = objects("layouts", "check", "pack-corners", "--without", row["mic"], "--worst", 1, "--json")
        assert (alone["without"], alone["n_mics"], alone["without_each"]) == ([row["mic"]], 3, [])
        assert (alone["verdict"], alone["worst"]) == (row["verdict"], row["worst"])
    assert "without" not in cli("layouts", "check", "container", "--reach", 2)[1]


def test_check_of_an_array_that_lost_two(cli):
    code, out, _ = cli("layouts", "check", "pack-corners", "--without", "A", "--without", "B")
    assert code == 0
    assert out.startswith("pack-corners without A, B: 52 cells, 2 microphones\nverdict: ALIKE.")
    assert "Two microphones give one delay: each sound fits a whole surface of places (a hyperboloid); 20 of 52" in out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--without", "E"), 3, "pack-corners: mic: expected one of A, B, C, D, found 'E'"),
        (
            ("--without", "A", "--without", "B", "--without", "C"),
            3,
            "pack-corners: mics: expected at least two of role array left, found 1",
        ),
        (("--plot", "map.txt"), 2, "expected a name ending in .png, .pdf or .svg, found 'map.txt'"),
        (("--reach", "0"), 2, "--reach"),
    ],
)
def test_check_with_options_that_cannot_be(cli, options, code, said):
    found, out, err = cli("layouts", "check", "pack-corners", *options)
    assert (found, out) == (code, "")
    assert said in err


@pytest.mark.parametrize("name", ["row-corners", "container"])
def test_check_draws_which_cells_are_taken_for_which(cli, tmp_path, name):
    code, _, err = cli("layouts", "check", name, "--plot", tmp_path / "c.png")
    assert (code, "drawn: " in err) == (0, True)
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_demo_finds_the_cell(cli, tmp_path):
    code, out, err = cli("demo", "--out", tmp_path, "--seed", 1, "--json")
    assert code == 0, err
    truth = json.loads((tmp_path / "truth.json").read_text())
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [json.loads(line) for line in out.splitlines()] == told
    event, tool = told
    assert (event["level"], event["best"]) == ("alarm", truth["cell"])
    assert event["onset_s"] == pytest.approx(truth["onset_s"], abs=0.2)
    assert (tool["source"], tool["level"], tool["verdict"]) == ("air-tool.wav", "report", "elsewhere")
    assert tool["side"] == "left of the pack"
    names = {"recording.wav", "truth.json", "events.jsonl", "heatmap.png", "aligned.png", "spectrogram.png"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"air-tool.wav", "air-tool.truth.json"}


@pytest.mark.slow
def test_an_air_tool_beside_the_pack_is_told_in_words_by_every_command(cli, tmp_path):
    code, demo, err = cli("demo", "--out", tmp_path)
    assert code == 0, err
    said = "REPORT: heard, not from a cell: left of the pack"
    assert said in demo.splitlines()[1]
    tool = tmp_path / "air-tool.wav"
    code, located, _ = cli("localize", tool, "--layout", "pack-corners")
    assert (code, said in located) == (0, True)
    code, watched, err = cli("monitor", "--replay", tool, "--layout", "pack-corners", "--fast", "--fail-on", "alarm")
    assert (code, said in watched.splitlines()[-1]) == (0, True)
    assert "alarms: 0" in err
