"""`trad-array layouts import` and `export`, and every command that docs/layouts.md shows of them."""

import re
from pathlib import Path

import numpy as np
import pytest

from trad_array_cli.layouts_formats import FORMATS
from trad_array_geometry import formats, load_layout

PAGE = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")
SECTION = re.search(r"## Microphones of other programs\n(.*?)\n## ", PAGE, re.DOTALL)[1]


def test_every_command_of_the_page_runs(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"`(\w+\.csv)`.*?:\n\n```text\n(.*?)```", SECTION, re.DOTALL):
        (tmp_path / name).write_text(text)
    commands = re.search(r"```sh\n(.*?)```", SECTION, re.DOTALL)[1].splitlines()
    assert len(commands) == 7
    for command in commands:
        program, *arguments = command.split()
        assert program == "trad-array"
        code, _, err = cli(*arguments)
        assert code == 0, err
    pack = load_layout("pack-corners")
    for name in ("from-acoular", "from-odas"):
        layout = load_layout(tmp_path / f"{name}.toml")
        np.testing.assert_allclose(layout.mics, pack.mics, atol=1e-6)
        assert (layout.id, layout.n_cells, layout.mic_sigma_m.tolist()) == (name, 52, [0.005] * 4)
    table = load_layout(tmp_path / "from-table.toml")
    assert (table.mic_names, table.mic_channels) == (("left", "right", "top"), (3, 1, 2))
    assert (table.cell_names, table.box_m, table.temperature_c) == (("one", "two", "three"), None, 25.0)


def test_what_is_taken_and_what_is_lost_is_said(cli, tmp_path):
    code, out, err = cli("layouts", "export", "pack-corners", "-o", tmp_path / "a.xml")
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        f"written: {tmp_path / 'a.xml'}: 4 microphones of pack-corners",
        "note: acoular XML has no place for sigmas: they are left out",
    ]
    target = tmp_path / "b.toml"
    more = ("--like", "row-frame", "--provenance", "measured", "--id", "mine", "--temperature-c", "10")
    code, _, err = cli("layouts", "import", tmp_path / "a.xml", "-o", target, *more)
    assert code == 0
    assert "4 microphones of a.xml; cells, room, air and guards of row-frame\nnote: acoular XML has no sigmas" in err
    layout = load_layout(target)
    assert (layout.id, layout.provenance, layout.temperature_c) == ("mine", "measured", 10.0)
    assert layout.cell_names == load_layout("row-frame").cell_names


def test_files_are_overwritten_only_when_asked(cli, tmp_path):
    assert cli("layouts", "export", "pack-corners", "-o", tmp_path / "a.csv")[0] == 0
    (tmp_path / "b.toml").write_text("mine")
    for arguments, target in (
        (("export", "pack-corners"), tmp_path / "a.csv"),
        (("import", tmp_path / "a.csv", "--like", "pack-corners"), tmp_path / "b.toml"),
    ):
        before = target.read_text()
        code, _, err = cli("layouts", *arguments, "-o", target)
        assert (code, err) == (3, f"trad-array: {target}: expected a name that is free, found a file\n")
        assert target.read_text() == before
        assert cli("layouts", *arguments, "-o", target, "--force")[0] == 0
    assert load_layout(tmp_path / "b.toml").n_mics == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.toml"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("import", "a.csv", "-o", "b.toml"), 2, "expected --like or --cells"),
        (("import", "a.csv", "-o", "b.toml", "--like", "pack-corners", "--origin", "1,2"), 2, "expected three numbers"),
        (("import", "a.csv", "-o", "b.toml", "--like", "pack-corners", "--origin", "1,2,nan"), 2, "three finite"),
        (("export", "nobody", "-o", "b.csv"), 3, "nobody: expected a layout file or one of"),
        (("import", "none.csv", "-o", "b.toml", "--like", "pack-corners"), 3, "none.csv: cannot be read: No such file"),
        (("import", "a.csv", "-o", "b.toml", "--like", "pack-corners"), 3, "a.csv: line 2: mics[1].x: expected"),
        (("import", "a.csv", "-o", "b.toml", "--like", "pack-corners", "--format", "odas"), 3, "a.csv: line 1: exp"),
        (("export", "pack-corners", "-o", "b.json"), 3, "b.json: format: expected acoular XML (.xml)"),
        (("export", "pack-corners", "-o", "none/b.csv"), 1, "No such file or directory"),
    ],
)  # fmt: skip
def test_trouble_is_one_line_and_leaves_no_file(cli, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("name,x,y,z\nA,here,1,1\n")
    found, out, err = cli("layouts", *arguments)
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_command_knows_every_format():
    assert set(FORMATS) == set(formats.FORMATS)
