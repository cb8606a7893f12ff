"""`trad-array devices`, on a real audio server."""

import json
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture
def command(server):
    def call(*arguments):
        code = "import sys; from trad_array_cli.main import run; sys.exit(run(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "devices", *arguments],
            env=server.environment, capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return call


def test_devices_are_listed_for_people_and_programs(command):
    code, out, _ = command()
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == ["trad_array", "trad_pipe"]
    code, out, _ = command("--json")
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["trad_array", "trad_pipe"]


def test_a_trial_tells_levels_the_silent_channel_and_those_that_carry_one_signal(server, command, rng):
    sound = rng.integers(-3277, 3277, (8 * 16_000, 6)).astype(np.int16)
    sound[:, 4], sound[:, 2] = sound[:, 0], 0
    server.unload("array")
    server.channels = 6
    server.load("array")
    server.play(sound)
    tried = "--device", "array", "--test", "1.5", "--samplerate", "16000", "--dtype", "int16", "--open-channels", "6"
    code, out, err = command(*tried, "--json")
    assert code == 0, err
    trial = json.loads(out)
    # White and even between -0.1 and 0.1: 0.1 / sqrt(3) rms. Play may begin after listening does.
    assert [level["peak_dbfs"] for k, level in enumerate(trial["levels"]) if k != 2] == pytest.approx(
        [-20.0] * 5, abs=0.1
    )
    assert trial["levels"][1]["rms_dbfs"] == pytest.approx(-24.8, abs=3.0)
    assert trial["silent"] == [3]
    assert trial["alike"] == [[1, 5]]
    assert abs(trial["correlation"][0][1]) < 0.05
    assert trial["heard_s"] >= 1.5
    assert trial["counts"] == {"lost": 0, "dropped": 0, "overflows": 0, "reopened": 0}
    code, out, err = command(*tried)
    assert code == 0, err
    assert "channel 3 does not move" in out
    assert "channels 1 and 5 carry one signal" in out


def test_a_device_without_sound_and_one_that_is_not_there_fail_with_one_line(command):
    asked = "--samplerate", "16000", "--dtype", "int16"
    code, _, err = command("--device", "trad_pipe", "--test", "0.5", *asked)
    assert (code, err.count("\n")) == (1, 1)
    assert "expected sound, found none in 0.5 s" in err
    code, _, err = command("--device", "nobody", "--test", "1", *asked)
    assert code == 1
    assert "found 'trad_array', 'trad_pipe'" in err
    code, _, err = command("--device", "nobody")
    assert code == 2
