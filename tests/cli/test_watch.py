"""`trad-array monitor` over recordings, `config` and `soak`: what is said when something is wrong."""

import json
import os
import signal
import subprocess
import sys

import pytest

from trad_array_cli.watch_words import message_line, state_lines

MONITOR = [sys.executable, "-c", "import sys; from trad_array_cli.main import run; sys.exit(run(sys.argv[1:]))"]
REPLAY = ("monitor", "--layout", "pack-corners", "--fast", "--replay")


def test_a_broken_output_of_a_replay_is_shown(cli, vent):
    code, out, _ = cli(*REPLAY, vent, "-o", "exec:false")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "FAULT" in line]
    assert line.endswith(" s: FAULT output: output exec:false: ended with exit code 1")


def test_a_watch_goes_on_when_nobody_reads_its_lines(two_vents, tmp_path):
    reading, writing = os.pipe()
    command = [*MONITOR, *REPLAY, str(two_vents), "-o", "json:told.jsonl"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    os.close(reading)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0
    assert said.splitlines()[-2:] == [
        "standard output: lines cannot be written any more, the watch goes on: Broken pipe",
        "heard 10.0 s, alarms: 2",
    ]
    assert '"end_s": 7.' in (tmp_path / "told.jsonl").read_text()


def test_a_file_without_a_layout_is_named(cli, tmp_path):
    (tmp_path / "mine.toml").write_text("output = ['json:-']\n")
    code, out, err = cli("config", "check", tmp_path / "mine.toml")
    assert (code, out) == (3, "")
    assert err.startswith(f"trad-array: {tmp_path / 'mine.toml'}: layout: missing")


def test_a_soak_without_sound_says_what_it_takes(cli):
    code, _, err = cli("soak", "--layout", "pack-corners")
    assert code == 2
    assert "expected recordings, --device, --input or --replay, found none" in err


@pytest.mark.parametrize(
    ("about", "line"),
    [
        ({"what": "event", "event": "20260101T0", "number": 1}, "deleted event 20260101T0: older than 30 days"),
        ({"what": "log", "event": None, "number": 12}, "deleted log 12 entries: older than 30 days"),
        ({"what": "undelivered", "output": "exec:x", "number": 2}, "deleted undelivered exec:x: older than 30 days"),
    ],
)
def test_deletions_say_what_is_gone_and_why(about, line):
    assert message_line({"schema": "trad-array/deletion/1", "why": "older than 30 days", **about}) == line


def status(**different):
    """As a watch that hears nothing special says it."""
    mics = [{"mic": "A", "level_dbfs": -48.0}]
    health = {"mics": [{"mic": "A", "works": True, "disabled": False, "lag": "observed"}]}
    quiet = {
        "level": "normal",
        "latched": False,
        "first_cell": None,
        "current_cell": None,
        "incident": [],
        "faults": [],
    }
    rest = {"supervisory": [], "disabled": [], "test": None, "at_s": 20.0, "source": "USB", "layout": "mine"}
    return quiet | rest | {"array": {"sound_until_s": 20.0, "mics": mics}, "health": health} | different


def test_levels_are_told_only_while_sound_arrives():
    assert list(state_lines(status())) == ["NORMAL", "  USB, layout mine: sound arrives", "  microphone A: -48 dBFS"]
    lost = status(array={"sound_until_s": 8.0, "mics": [{"mic": "A", "level_dbfs": None}]})
    assert list(state_lines(lost)) == ["NORMAL", "  USB, layout mine: no sound for 12 s"]


def test_what_is_not_known_of_a_microphone_is_said():
    health = {"mics": [{"mic": "A", "works": False, "disabled": True, "lag": "still learning"}]}
    assert list(state_lines(status(health=health)))[2:] == [
        "  microphone A: -48 dBFS, disabled",
        "  whether channels of A are late cannot be told: still learning",
    ]


def test_locking_makes_no_store_where_there_is_none(cli, tmp_path):
    code, _, err = cli("events", "lock", "x", "--store", tmp_path / "none", "--socket", tmp_path / "none.sock")
    assert code == 1
    assert "expected the store of a monitor, found none" in err
    assert list(tmp_path.iterdir()) == []


def test_a_test_says_that_faults_sound():
    during = status(test={"by": "Ada", "ends_in_s": 600.0})
    assert "  TEST by Ada, 10 min left: alarms do not sound, faults do" in list(state_lines(during))


def test_ctrl_c_ends_a_watch_well_and_its_events_with_it(vent, tmp_path):
    command = [*MONITOR, "monitor", "--layout", "pack-corners", "--replay", str(vent), "-o", "json:-"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with running:
        # The vent begins after 3 s of the recording, which is played in real time.
        heard = next(line for line in running.stdout if '"state": "new"' in line)
        running.send_signal(signal.SIGINT)
        last = running.stdout.readlines()[-1]
        assert running.wait(20) == 0
        assert running.stderr.readlines()[-1].startswith("heard 3.")
    assert json.loads(last)["id"] == json.loads(heard)["id"]
    assert json.loads(last)["state"] == "end"
