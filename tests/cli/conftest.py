"""Small recordings with exact delays, made once."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trad_array_cli.main import run
from trad_array_geometry import load_layout, travel_times

FS, CELL, SPANS_S = 16_000, "R2C07", ((3.0, 4.0),)


def pack_recording(path: Path, *, cell: str = CELL, spans_s=SPANS_S, seconds: float = 6.0, seed: int = 3) -> Path:
    """Hiss at a cell of pack-corners, 6 dB over independent noise at every microphone, exact delays, free field."""
    layout, rng, n = load_layout("pack-corners"), np.random.default_rng(seed), round(seconds * FS)
    source = np.zeros(n)
    for first_s, last_s in spans_s:
        source[round(first_s * FS) : round(last_s * FS)] = 0.02 * rng.standard_normal(round((last_s - first_s) * FS))
    point = layout.cells[[layout.cell_index(cell)]]
    times_s = travel_times(point, layout.mics, speed_of_sound=layout.speed_of_sound)[0]
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(n, 1 / FS) * times_s[:, None])
    samples = np.fft.irfft(np.fft.rfft(source) * shift, n) + 0.01 * rng.standard_normal((4, n))
    soundfile.write(path, samples.T, FS, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def vent(folder) -> Path:
    return pack_recording(folder / "vent.wav")


@pytest.fixture(scope="session")
def two_vents(folder) -> Path:
    return pack_recording(folder / "two.wav", spans_s=((3.0, 3.7), (6.5, 7.2)), seconds=10.0)


@pytest.fixture(scope="session")
def text(folder) -> Path:
    (folder / "text.wav").write_text("no sound\n")
    return folder / "text.wav"


@pytest.fixture
def cli(capsys):
    """Run a command line; gives back exit code, standard output, standard error."""

    def call(*arguments) -> tuple[int, str, str]:
        code = run([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def objects(cli):
    """Run a command line that must succeed; gives back its JSON lines."""

    def call(*arguments) -> list[dict]:
        code, out, err = cli(*arguments)
        assert code == 0, err

        def no_constants(name: str) -> None:
            raise AssertionError(f"expected numbers or null, found {name}")

        return [json.loads(line, parse_constant=no_constants) for line in out.splitlines()]

    return call
