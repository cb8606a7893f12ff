"""`trad-array learn` from the command line, and `--site` of the commands that hear."""

import json
import re

import numpy as np
import pytest

import trad_array_cli.learn as learn_module
from trad_array.localization.gate import Gate
from trad_array.records import Recording
from trad_array.site import read_site

from .conftest import LAYOUT, written

FS = 16_000


@pytest.fixture
def day(tmp_path, everyday):
    return written(tmp_path / "day.wav", everyday)


@pytest.fixture
def vent_day(tmp_path, with_vent):
    return written(tmp_path / "vent.wav", with_vent)


def test_too_little_sound_exits_with_3_says_what_is_missing_and_keeps_what_was_heard(tmp_path, day, cli):
    out = tmp_path / "site.toml"
    code, told, said = cli("learn", day, "--layout", LAYOUT.id, "-o", out)
    assert code == 3
    assert "no thresholds yet: 60.0 h of normal sound are missing" in told
    assert re.search(r"0\.1 false alarms a day: expected 60\.0 h .* go on with --add-to .*site\.toml", said)
    assert read_site(out).gate is None
    code, _, said = cli("localize", day, "--layout", LAYOUT.id, "--site", out)
    assert code == 3
    assert "none yet: 60.0 h are missing" in said


def test_forced_thresholds_are_said_to_be_forced_and_used_by_localize_and_monitor(tmp_path, day, vent_day, cli):
    out = tmp_path / "site.toml"
    code, told, _ = cli("learn", day, vent_day, "--layout", LAYOUT.id, "-o", out, "--force")
    assert code == 0
    assert "1 of 2 clips looks abnormal: 1 x something that passes for a cell that vents" in told
    assert re.search(r"vent\.wav: 1[78]\.\d to \d\d\.\d s, log-odds", told)
    assert "FORCED: too little sound (0.01 h), the careful end of what is known" in told
    for command in (("localize", vent_day), ("monitor", "--fast", "--replay", vent_day)):
        code, told, said = cli(*command, "--layout", LAYOUT.id, "--site", out, "--fail-on", "alarm")
        assert code == 10, said
    text = out.read_text(encoding="utf-8").replace(f"value = {Gate().threshold}", "value = 45.0", 1)
    out.write_text(text, encoding="utf-8")
    assert cli("localize", vent_day, "--layout", LAYOUT.id, "--site", out, "--fail-on", "alarm")[0] == 0
    code, _, said = cli("localize", vent_day, "--layout", "row-corners", "--site", out)
    assert code == 3
    assert "expected layout row-corners" in said


def test_json_tells_the_same_in_numbers(tmp_path, day, vent_day, learned):
    code, record, _ = learned(day, vent_day, "-o", tmp_path / "site.toml", "--max-false-alarms-per-day", 20_000)
    assert code == 0
    assert record["schema"] == "trad-array/learned/1"
    assert (record["clips"], record["abnormal_clips"], record["hours_missing"]) == (2, 1, 0.0)
    assert record["gate"]["way"] == "counted"
    assert record["gate"]["per_day_high"] <= 20_000
    assert record["gate"]["low"] is None or record["gate"]["low"] <= record["gate"]["high"]
    assert record["hours"] == pytest.approx(50.0 / 3600.0, abs=0.002)


def test_a_recording_is_learned_once_and_another_one_adds_to_it(tmp_path, day, vent_day, learned):
    site = tmp_path / "site.toml"
    assert learned(day, "-o", site, "--date", "2026-05-01")[0] == 3
    code, record, said = learned(day, vent_day, "--add-to", site, "-o", site, "--date", "2026-05-02")
    assert code == 3
    assert "day.wav: learned already, left out" in said
    assert [period["date"] for period in record["periods"]] == ["2026-05-01", "2026-05-02"]
    assert {recording.name for recording in read_site(site).recordings} == {"day.wav", "vent.wav"}


def test_what_was_learned_already_can_get_other_thresholds_and_keeps_them_when_refused(tmp_path, day, learned, cli):
    site = tmp_path / "site.toml"
    again = (day, "--add-to", site, "-o", site)
    assert learned(day, "-o", site)[0] == 3
    assert learned(*again)[0] == 3
    assert learned(*again, "--max-false-alarms-per-day", 20_000)[0] == 0
    assert read_site(site).gate.wanted_per_day == 20_000
    assert learned(*again)[0] == 0  # as before
    before = read_site(site).gate
    code, told, said = cli("learn", *again, "--layout", LAYOUT.id, "--max-false-alarms-per-day", 0.1)
    assert code == 3
    assert "the thresholds stay as they were: 60.0 h of normal sound are missing for others" in told
    assert "the thresholds stay as they were, go on with" in said
    assert read_site(site).gate == before
    code, _, said = learned(*again, "--all-normal")
    assert code == 2
    assert "expected a recording that was not learned yet" in said


def test_stopped_learning_keeps_what_was_heard_and_goes_on_from_there(tmp_path, day, learned, monkeypatch):
    site = tmp_path / "site.toml"

    def stopped(blocks, **_words):
        for block in blocks:
            if block.start >= 8 * FS:
                raise KeyboardInterrupt
            yield block

    with monkeypatch.context() as patch:
        patch.setattr(learn_module, "with_progress", stopped)
        code, record, said = learned(day, "-o", site)
    assert code == 130
    assert "what was heard is kept" in said
    assert record["hours"] == pytest.approx(8.0 / 3600.0, abs=1e-6)
    code, record, said = learned(day, "-o", site, "--add-to", site)
    assert code == 3
    assert "the first 8 s were learned already, going on from there" in said
    assert record["hours"] == pytest.approx(25.0 / 3600.0, abs=1e-5)
    (recording,) = read_site(site).recordings
    assert recording.heard_s == 25.0


def test_a_site_that_has_grown_louder_is_not_learned_and_its_file_stays(tmp_path, day, everyday, learned):
    site = tmp_path / "site.toml"
    learned(day, "-o", site, "--date", "2026-05-01")
    before = site.read_bytes()
    louder = everyday.samples.copy()
    louder[1] *= 2.0
    leak = written(tmp_path / "leak.wav", Recording(louder, FS))
    code, record, said = learned(leak, "--add-to", site, "-o", site)
    assert (code, record) == (3, None)
    assert re.search(r"microphone B: 2 to 7 kHz has risen by [56]\.\d dB since 2026-05-01", said)
    assert site.read_bytes() == before
    assert learned(leak, "--add-to", site, "-o", site, "--accept-rise", "--date", "2026-05-02")[1]["hours"] > 0.012


def test_everything_is_checked_before_hours_are_heard(tmp_path, day, learned, cli):
    taken = tmp_path / "taken.toml"
    taken.write_text("mine\n")
    cases = [
        ((day, "-o", taken), 3, "expected a name that is free, or that of --add-to, found a file"),
        ((day, "-o", tmp_path / "none" / "site.toml"), 1, "no such folder"),
        ((day, day, "-o", tmp_path / "a.toml"), 3, "expected each recording once, found it twice"),
        ((day, tmp_path / "none.wav", "-o", tmp_path / "a.toml"), 3, "none.wav: expected a sound file, found none"),
        ((day, "-o", tmp_path / "a.toml", "--add-to", tmp_path / "no.toml"), 3, "no.toml: cannot be read"),
        ((day, "-o", tmp_path / "a.toml", "--localizer", "srp-phat"), 3, "expected robust"),
        ((day, "-o", tmp_path / "a.toml", "--max-false-alarms-per-day", "0"), 2, "0"),
        ((day, "-o", tmp_path / "a.toml", "--date", "May"), 2, "expected YYYY-MM-DD, found 'May'"),
    ]
    for arguments, expected, message in cases:
        code, _, said = learned(*arguments)
        assert (code, message in said) == (expected, True), said
    assert taken.read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.wav", "taken.toml"]


def test_a_silent_microphone_is_named(tmp_path, rng, learned):
    samples = (0.01 * rng.standard_normal((4, 8 * FS))).astype(np.float32)
    samples[3] = 0.0
    path = written(tmp_path / "dead.wav", Recording(samples, FS))
    code, _, said = learned(path, "-o", tmp_path / "a.toml")
    assert code == 3
    assert "found microphone D silent throughout" in said


def test_learning_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, trad_array_cli.learn, trad_array.site.learning\n"
        "print(json.dumps([m for m in ('torch', 'sklearn', 'matplotlib.pyplot', 'librosa') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", "import json\n" + code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
