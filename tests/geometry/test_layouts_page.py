"""docs/layouts.md: its example is a layout, and what it prints is what the check prints."""

import re
from pathlib import Path

from trad_array_cli.main import run
from trad_array_geometry import load_layout

PAGE = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")


def test_the_example_can_be_loaded(tmp_path):
    example, listed = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my-array.toml").write_text(example)
    layout = load_layout(tmp_path / "my-array.toml")
    assert (layout.id, layout.n_cells, layout.n_mics, layout.guard_names) == ("my-array", 13, 4, ("fan",))
    without = re.sub(r"\[cells\]\n(?:\w.*\n)+", listed, example)
    (tmp_path / "listed.toml").write_text(without)
    assert load_layout(tmp_path / "listed.toml").cell_names == ("left",)


def test_the_printed_check_is_the_command_s(capsys):
    assert run(["layouts", "check", "pack-corners"]) == 0
    assert capsys.readouterr().out in PAGE
