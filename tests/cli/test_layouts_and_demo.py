"""`trad-array layouts` and `trad-array demo`."""

import json

import pytest

from trad_array_geometry import layout_names


def test_list_show_plot(cli, objects, tmp_path):
    assert [row["id"] for row in objects("layouts", "list", "--json")] == list(layout_names())
    (shown,) = objects("layouts", "show", "pack-corners", "--json")
    assert (len(shown["cells"]), len(shown["mics"]), shown["provenance"]) == (52, 4, "assumed")
    assert "# " in cli("layouts", "show", "pack-corners")[1]
    assert cli("layouts", "plot", "pack-corners", "-o", tmp_path / "p.png")[0] == 0
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", layout_names())
def test_check(cli, objects, name):
    (found,) = objects("layouts", "check", name, "--worst", 2, "--json")
    assert (found["layout"], found["alike"], len(found["worst"])) == (name, 0, 2)
    _, out, _ = cli("layouts", "check", name)
    assert f"verdict: {found['verdict'].upper()}." in out
    assert f"{found['worst'][0]['first']} - {found['worst'][0]['second']}" in out


@pytest.mark.slow
def test_demo_finds_the_cell(cli, tmp_path):
    code, out, err = cli("demo", "--out", tmp_path, "--seed", 1, "--json")
    assert code == 0, err
    truth = json.loads((tmp_path / "truth.json").read_text())
    event = json.loads((tmp_path / "events.jsonl").read_text())
    assert json.loads(out) == event
    assert event["best"] == truth["cell"]
    assert event["onset_s"] == pytest.approx(truth["onset_s"], abs=0.2)
    names = {"recording.wav", "truth.json", "events.jsonl", "heatmap.png", "spectrogram.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
