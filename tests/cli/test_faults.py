"""`trad-array faults`: limits of every fault, and what was measured of them where it was."""

import json

import pytest

from trad_array.alarm.fault_table import fault_table
from trad_array_cli import faults

MEASURED = [
    {"name": "fault: cable cut: shown after, longest", "value": 4.25, "goal": 10.0, "n": 20},
    {"name": "fault: cable cut: recovered after, longest", "value": 7.5, "goal": 10.0, "n": 20},
    {"name": "fault: half of it: shown after, longest", "value": 1.0, "goal": 10.0, "n": 1},
    {"name": "quiet live watch: CPU", "value": 2.0, "goal": 5.0, "n": 12},
]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "MEASURED", tmp_path / "monitor.json")
    return tmp_path / "monitor.json"


def test_an_installed_package_lists_every_fault_with_its_limits(cli, results):
    code, out, err = cli("faults")
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split()[:3] == ["fault", "shown", "after"]
    assert [line.split()[0] for line in lines] == [kind.code for kind in fault_table()]
    (no_audio,) = (line for line in lines if line.startswith("no-audio"))
    assert no_audio.split("  ")[-1] == "no sound arrives, or all microphones are silent"
    assert " 10 s " in no_audio


def test_a_source_tree_also_tells_what_was_measured(cli, results):
    results.write_text(json.dumps(MEASURED))
    code, out, _ = cli("faults")
    assert code == 0
    assert out.splitlines()[-1].split() == ["cable", "cut", "4.2", "s", "7.5", "s", "10", "s", "20"]
    code, out, _ = cli("faults", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert [row["code"] for row in told if row["schema"] == "trad-array/fault-kind/1"] == [
        k.code for k in fault_table()
    ]
    assert told[-1] == {
        "schema": "trad-array/fault-measured/1",
        "broken": "cable cut",
        "shown_s": 4.25,
        "recovered_s": 7.5,
        "limit_s": 10.0,
        "n": 20,
    }
    assert [row for row in told if row["schema"] == "trad-array/fault-measured/1"] == [told[-1]]
