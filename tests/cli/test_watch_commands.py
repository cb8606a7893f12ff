"""Commands around a watch: what it kept, its settings, words to it, listening only."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from trad_array_cli.durations import DURATION, spoken
from trad_array_cli.main import run

PACK = ("--layout", "pack-corners")


@pytest.fixture(scope="module")
def kept(vent, tmp_path_factory):
    """A store after a recording was watched."""
    store = tmp_path_factory.mktemp("kept") / "watch"
    assert run(["monitor", "--replay", str(vent), *PACK, "--fast", "--store", str(store)]) == 0
    return store


def test_what_was_kept_is_listed_with_its_page_and_can_be_locked(cli, objects, kept):
    (event,) = objects("events", "list", "--store", kept, "--json")
    assert (event["kept_as"], event["best"], event["locked"]) == ("alarm", "R2C07", False)
    code, out, _ = cli("events", "list", "--store", kept)
    page = kept / "events" / event["id"] / "index.html"
    assert (code, str(page) in out) == (0, True)
    assert page.exists()
    assert cli("events", "lock", event["id"], "--store", kept, "--socket", kept / "none.sock")[0] == 0
    assert objects("events", "list", "--store", kept, "--json")[0]["locked"] is True
    assert cli("events", "unlock", event["id"], "--store", kept, "--socket", kept / "none.sock")[0] == 0
    assert objects("events", "list", "--store", kept, "--json")[0]["locked"] is False
    code, _, err = cli("events", "lock", "nothing", "--store", kept, "--socket", kept / "none.sock")
    assert (code, "found no 'nothing'" in err) == (1, True)


def test_the_log_has_everything_that_was_said_in_order(cli, objects, kept):
    messages = objects("events", "log", "--store", kept, "--json")
    kinds = [message["schema"].split("/")[1] for message in messages]
    assert set(kinds) == {"event", "state"}
    states = [message["state"] for message in messages if message["schema"] == "trad-array/event/1"]
    assert (states[0], states[-1]) == ("new", "end")
    code, out, _ = cli("events", "log", "--store", kept)
    assert (code, len(out.splitlines())) == (0, len(messages))
    assert cli("events", "log", "--store", kept, "--event", "nothing")[:2] == (0, "")


def test_a_folder_without_a_store_is_told(cli, tmp_path):
    code, out, err = cli("events", "list", "--store", tmp_path)
    assert (code, out) == (1, "")
    assert str(tmp_path) in err
    assert err.count("\n") == 1


def test_settings_are_shown_checked_and_described(cli, tmp_path):
    code, text, _ = cli("config", "show")
    assert code == 0
    path = tmp_path / "trad-array.toml"
    path.write_text(text.replace("# layout =", 'layout = "row-frame"'))
    code, out, _ = cli("config", "check", path)
    assert (code, "fine: layout row-frame, 4 microphones" in out) == (0, True)
    code, again, _ = cli("config", "show", path)
    assert (code, again) == (0, path.read_text())
    assert json.loads(cli("config", "schema")[1])["properties"]["layout"]["type"] == "string"
    path.write_text("layout = 'row-frame'\n[trigger]\nonn = 3\n")
    code, _, err = cli("config", "check", path)
    assert code == 3
    assert f"{path}: trigger.onn: unknown key, did you mean on?" in err


def test_the_command_line_counts_more_than_the_file_and_the_file_more_than_the_defaults(objects, vent, tmp_path):
    path = tmp_path / "trad-array.toml"
    path.write_text("layout = 'row-frame'\n[localizer]\nuse = 'srp-phat'\nwindow_s = 0.5\n")
    (event,) = objects("localize", vent, "--config", path, *PACK, "--json")
    assert event["layout"]["id"] == "pack-corners"
    assert event["heard_s"] == 0.5


def test_without_a_watch_that_answers_status_is_an_error(cli, tmp_path):
    code, out, err = cli("status", "--socket", tmp_path / "none.sock")
    assert (code, out) == (1, "")
    assert "expected a running watch, found none that answers" in err


def test_soak_says_what_would_have_been_cried_and_which_sound_is_missing(cli, objects, vent, tmp_path):
    report = tmp_path / "soak.json"
    (found,) = objects("soak", vent, *PACK, "--json", "-o", report)
    assert json.loads(report.read_text()) == found
    assert (found["alerts"], found["alarms"]) == (1, 1)
    assert found["gate"] is None
    assert "missing" in found["why_no_threshold"]
    assert [set(hour["mics"]) for hour in found["levels_dbfs"]] == [{"A", "B", "C", "D"}]
    assert "alarms: 1" in cli("soak", vent, *PACK)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--replay", "a.wav", "--device", "b"), "expected one of --device, --replay and --input, found several"),
        ((), "Missing option '--device'"),
        (("--device", "b", "--fast"), "--fast: expected --replay with it"),
        (("--input", "pipe"), "input: expected raw:- or raw:PATH"),
        (("--replay", "a.wav", "-o", "mail:me"), "expected json:-, json:FILE or exec:COMMAND"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_is_heard(cli, vent, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    given = [str(vent) if argument == "a.wav" else argument for argument in arguments]
    code, _, err = cli("monitor", *given, *PACK)
    assert code in (2, 3)
    assert said in err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("15m", 900.0), ("1.5h", 5400.0), ("2d", 172_800.0)]
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "-3s", "1w", "soon", "1h30m"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(click.BadParameter, match="expected a duration like"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.2, "4.2 s"), (720.0, "12 min"), (12_600.0, "3.5 h"), (181_440.0, "2.1 d")]
)
def test_durations_are_said_shortly(seconds, words):
    assert spoken(seconds) == words


@pytest.mark.parametrize(
    "where", [">/dev/full", ">/dev/full 2>/dev/full", "| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"]
)
def test_a_watch_does_not_end_because_nobody_can_read_its_lines(vent, tmp_path, where):
    told = tmp_path / "told.jsonl"
    program = Path(sys.executable).with_name("trad-array")
    command = f"{program} monitor --replay {vent} --layout pack-corners --fast --no-view -o json:{told} {where}"
    assert subprocess.run(["bash", "-c", command], stderr=subprocess.DEVNULL, check=False, timeout=60).returncode == 0
    assert '"end"' in told.read_text()
