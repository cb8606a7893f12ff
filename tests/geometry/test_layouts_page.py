"""docs/layouts.md: its example is a layout, and what it prints is what the check prints."""

import re
from pathlib import Path

from trad_array_cli.main import run
from trad_array_geometry import load_layout

PAGE = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")


def test_the_example_can_be_loaded(tmp_path):
    example, listed, *_ = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my-array.toml").write_text(example)
    layout = load_layout(tmp_path / "my-array.toml")
    assert (layout.id, layout.n_cells, layout.n_mics, layout.guard_names) == ("my-array", 13, 4, ("fan",))
    without = re.sub(r"\[cells\]\n(?:\w.*\n)+", listed, example)
    (tmp_path / "listed.toml").write_text(without)
    assert load_layout(tmp_path / "listed.toml").cell_names == ("left",)


def test_many_packs_can_be_loaded(tmp_path):
    example, *_, packs = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    wide = example.replace("max_m = [6.0", "max_m = [16.0").replace("2.8]", "4.8]", 1)
    (tmp_path / "packs.toml").write_text(wide + packs)
    layout = load_layout(tmp_path / "packs.toml")
    assert layout.n_cells == 13 * 96
    assert layout.cell_names[layout.cell_index("K12L3-R1C07")].startswith(layout.pack_names[10])


def test_the_printed_checks_are_the_command_s(capsys):
    commands = re.findall(r"^\$ trad-array (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert run(command.split()) == 0
        assert f"$ trad-array {command}\n{capsys.readouterr().out}```" in PAGE
