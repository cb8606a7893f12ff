"""Every command the README shows is executed, in its order; the table is the benchmark's; examples run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import trad_array
from trad_array_geometry import load_layout

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def shown(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    lines = [line.split("  #")[0].strip() for block in shown("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.slow
def test_every_command_of_the_readme_runs(tmp_path):
    ran = 0
    for line in commands():
        # `make demo` and `make test` set up and run what this test is part of; the demo itself runs here.
        line = {"make demo": "trad-array demo --out demo", "make test": ""}.get(line, line)
        if not line:
            continue
        line, _, target = line.partition(" > ")
        program, *arguments = shlex.split(line)
        assert program == "trad-array"
        done = subprocess.run([BIN / program, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        if target:
            (tmp_path / target).write_text(done.stdout, encoding="utf-8")
        ran += 1
    assert ran >= 15
    for picture in ("cells.png", "again.png", "spectrogram.png", "frame.png", "confusion.png", "demo/heatmap.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    (code,) = shown("python")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    example = [sys.executable, ROOT / "examples" / "ten_lines.py", "demo/recording.wav", "ten.png"]
    told = subprocess.run(example, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "alarm\nbest cell: R" in told
    assert (tmp_path / "ten.png").exists()


def test_public_names_are_pinned():
    assert trad_array.__all__ == sorted(trad_array.__all__, key=lambda name: (name[0].islower(), name))
    assert all(hasattr(trad_array, name) for name in trad_array.__all__)
    assert set(trad_array.__all__) == {
        "Block", "CellMap", "Chain", "Detection", "Event", "Layout", "Recording", "blocks", "cell_heatmap",
        "event_json", "events_of", "load_layout", "load_model", "make_chain", "mel_spectrogram",
        "read_recording", "run",
    }  # fmt: skip


def test_the_example_layout_has_eight_microphones_and_twelve_candidates():
    layout = load_layout(ROOT / "examples" / "mimii-valve.toml")
    assert (layout.n_mics, layout.n_cells) == (8, 12)
    assert np.linalg.norm(layout.mics, axis=1) == pytest.approx(0.034, abs=1e-4)
    assert np.linalg.norm(layout.cells, axis=1) == pytest.approx(0.1, abs=1e-4)
