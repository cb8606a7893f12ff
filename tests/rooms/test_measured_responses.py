"""What docs/measured-responses.md says, done: its layout, its snippet, its commands.

The responses are simulated, written as measured ones would come: 48 kHz, 24 bit, one file a source with a channel for
each microphone, all late by the sound card's constant, at a level of their own.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trad_array.simulation import room_responses
from trad_array_cli.main import run
from trad_array_geometry import load_layout

PAGE = (Path(__file__).parents[2] / "docs" / "measured-responses.md").read_text(encoding="utf-8")
BOX_M = np.array([[0.0, 0.0, 0.0], [6.0, 4.8, 3.0]])
FS, LATENCY, RT60_S = 48_000, 1_237, 0.57


def block(language):
    """The page's only block of code in that language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's layout, and a response for each of its cells."""
    path = tmp_path_factory.mktemp("measured")
    (path / "my-room.toml").write_text(block("toml"), encoding="utf-8")
    layout = load_layout(path / "my-room.toml")
    made = room_responses(
        BOX_M,
        layout.cells,
        layout.mics,
        rt60_s=RT60_S,
        fs=FS,
        speed_of_sound=layout.speed_of_sound,
        rng=np.random.default_rng(11),
    )
    assert made.rt60_s == pytest.approx(RT60_S, rel=0.1)
    for name, response in zip(layout.cell_names, made.impulse, strict=True):
        late = np.pad(response, ((0, 0), (LATENCY, 0)))
        soundfile.write(path / f"response-{name}.wav", (0.37 * late / np.abs(late).max()).T, FS, subtype="PCM_24")
    return path


def told(capsys, *arguments):
    """JSON objects of a command that must succeed."""
    assert run([*map(str, arguments), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_snippet_makes_events_that_the_command_places(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = load_layout("my-room.toml").cell_names
    # At this level 50 of 50 were named in ten other rooms.
    assert names == ("p1", "p2", "p3", "p4", "p5")
    for name in names:
        exec(compile(block("python").replace("-p1.wav", f"-{name}.wav"), "the page", "exec"), {})
        info = soundfile.info(f"event-{name}.wav")
        assert (info.samplerate, info.channels, info.subtype) == (FS, 4, "PCM_24")
        (event,) = told(capsys, "localize", f"event-{name}.wav", "--layout", "my-room.toml")
        assert event["best"] == name
        assert event["onset_s"] == pytest.approx(2.0, abs=0.15)
        (whole,) = told(capsys, "localize", f"event-{name}.wav", "--layout", "my-room.toml", "--events", "whole")
        assert (whole["best"], whole["onset_s"]) == (name, 0.0)


def verdicts(folder, capsys, *, late):
    """What `calibrate check` says about each response, two seconds into a little noise, microphone C being late."""
    said = []
    for name in load_layout(folder / "my-room.toml").cell_names:
        response, fs = soundfile.read(folder / f"response-{name}.wav")
        samples = 1e-3 * response.std() * np.random.default_rng(2).standard_normal((len(response) + 3 * fs, 4))
        samples[2 * fs :][: len(response)] += response
        samples[:, 2] = np.roll(samples[:, 2], late)
        soundfile.write(folder / f"pop-{name}.wav", samples, fs, subtype="PCM_24")
        at = ("--layout", str(folder / "my-room.toml"), "--at", f"{name}@2.03")
        run(["calibrate", "check", str(folder / f"pop-{name}.wav"), *at])
        said.append(capsys.readouterr().out)
    return said


def test_most_responses_show_whether_the_positions_are_right(folder, capsys):
    assert sum("fits the layout: residual" in said for said in verdicts(folder, capsys, late=0)) >= 3
    # 13 samples at 48 kHz are 271 us or 93 mm.
    found = [re.search(r"C is about (\d+) mm off or (\d+) us late", said) for said in verdicts(folder, capsys, late=13)]
    near = [m for m in found if m is not None and abs(float(m[1]) - 93) < 15 and abs(float(m[2]) - 271) < 45]
    assert len(near) >= 3
