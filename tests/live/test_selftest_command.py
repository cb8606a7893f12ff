"""`trad-array selftest` plays to one real device and hears another, on which the chirp of each microphone is played."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from trad_array.audio.selftest import ChirpRule, chirp
from trad_array_geometry import load_layout

FS = 16_000
LAYOUT = load_layout("pack-corners")
PLACE_M = LAYOUT.mics[0] + np.array([-0.4, -0.3, 0.2])


@pytest.fixture
def selftest(start_server):
    """Run the command while the microphones hear a chirp each, late by its distance, again and again."""
    server = start_server(speaker=True)

    def call(*arguments, gains=(1, 1, 1, 1), sound=True):
        command = [
            sys.executable, "-c", "import sys; from trad_array_cli.main import run; sys.exit(run(sys.argv[1:]))",
            "selftest", "--layout", "pack-corners", "--device", "trad_array",
            "--samplerate", str(FS), "--dtype", "int16",
            "--at", ",".join(f"{x:.4f}" for x in PLACE_M), *arguments,
        ]  # fmt: skip
        process = subprocess.Popen(
            command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if sound:
            until = time.monotonic() + 10
            while not server.states() and process.poll() is None:
                assert time.monotonic() < until
                time.sleep(0.02)
            time.sleep(0.4)
            server.play(heard(gains))
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    return call


def heard(gains):
    n = FS
    distance_m = np.linalg.norm(LAYOUT.mics - PLACE_M, axis=1)
    late = np.exp(-2j * np.pi * np.fft.rfftfreq(n, 1 / FS) * (distance_m / LAYOUT.speed_of_sound)[:, None])
    sound = np.fft.irfft(np.fft.rfft(chirp(ChirpRule(), fs=FS), n) * late, n) / distance_m[:, None] * 0.2
    noise = np.random.default_rng(1).standard_normal(sound.shape) * 0.0005
    return np.round((sound * np.array(gains)[:, None] + noise).T * 32_767).astype(np.int16)


def test_a_microphone_that_is_quiet_is_found_and_the_others_are_fine(selftest):
    code, out, err = selftest("--play-device", "trad_speaker", "--json", gains=(1, 1, 0.25, 1))
    assert code == 11, err
    result = json.loads(out)
    assert [bool(mic["faults"]) for mic in result["mics"]] == [False, False, True, False]
    assert result["mics"][2]["gain_db"] == pytest.approx(-12.0, abs=0.5)
    assert result["speed_m_s"] == pytest.approx(LAYOUT.speed_of_sound, rel=0.02)


def test_an_array_as_its_layout_says_passes(selftest):
    code, out, err = selftest("--play-device", "trad_speaker")
    assert code == 0, out + err
    assert out.endswith("all as the layout says\n")


def test_a_loudspeaker_that_is_not_there_is_one_line(selftest):
    code, out, err = selftest("--play-device", "nobody", sound=False)
    assert (code, out) == (1, "")
    assert "sound card 'nobody': expected a device of that name, found 'trad_array'" in err
