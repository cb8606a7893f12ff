"""Normal sound of a small site: a minute with an everyday sound in it, and one with a cell that vents."""

import json

import numpy as np
import pytest

from trad_array.audio.files import write_recording
from trad_array.records import Recording
from trad_array_cli.main import run
from trad_array_geometry import load_layout

LAYOUT = load_layout("pack-corners")
# Beside the pack, a metre from the next cell: no cell.
ASIDE = np.array([2.0, 1.5, 0.6])
CELL = LAYOUT.cells[20]


def written(path, recording: Recording):
    write_recording(path, recording.samples, fs=recording.fs)
    return path


@pytest.fixture
def everyday(hiss):
    """25 s, an everyday sound at 12 s."""
    return hiss.recording(LAYOUT, ASIDE, seconds=25.0, spans_s=((12.0, 13.0),), snr_db=6.0)


@pytest.fixture
def with_vent(hiss):
    """25 s, an everyday sound at 4 s and a vent at 18 s."""
    return hiss.several(LAYOUT, [(ASIDE, 4.0, 5.0, 6.0), (CELL, 18.0, 19.0, 6.0)], seconds=25.0)


@pytest.fixture
def cli(capsys):
    """Run a command line; gives back exit code, standard output, standard error."""

    def call(*arguments) -> tuple[int, str, str]:
        code = run([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def learned(cli):
    """Run `learn --json` and give back the exit code and its object."""

    def call(*arguments):
        code, out, err = cli("learn", *arguments, "--layout", LAYOUT.id, "--json")
        return code, json.loads(out) if out else None, err

    return call
