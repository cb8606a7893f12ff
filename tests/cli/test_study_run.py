"""`trad-array study run` and `study check`."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

STUDY = """
schema = 1
name = "tiny"
seed = 3
[site]
layout = "row-corners"
cells = ["R1C01", "R1C07"]
[candidates]
layouts = ["row-corners"]
[[candidates.positions]]
name = "left"
position_m = [1.2, 2.0, 1.9]
[[candidates.positions]]
name = "right"
position_m = [4.6, 1.2, 2.2]
[[candidates.positions]]
name = "middle"
position_m = [3.0, 2.3, 2.4]
[[candidates.sets]]
name = "three"
mics = ["left", "right", "middle"]
[conditions]
rt60_s = [0.2]
snr_db = [-12]
[run]
engine = "time"
events = 400
shard_events = 100
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def changed(study, old, new):
    assert old in STUDY
    study.write_text(STUDY.replace(old, new))
    return study


def test_check_says_how_long_and_how_much_disk(cli, study, cache):
    code, out, err = cli("study", "check", study, "--cache", cache, "--workers", 2)
    assert (code, err) == (0, "")
    assert out.startswith("tiny: 2 layouts from 7 positions, 2 cells that vent\n")
    assert "to simulate: 800 vents for localization, 0 sounds for detection; 8 shards, 0 of them are there\n" in out
    assert "time: about " in out
    assert f"MB in {cache}" in out


def test_check_as_json(cli, study, cache):
    code, out, _ = cli("study", "check", study, "--cache", cache, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["schema"], found["study"], found["layouts"], found["events"]) == (
        "trad-array/study-plan/1",
        "tiny",
        2,
        800,
    )
    assert found["seconds"] > 0


def test_check_of_a_study_that_is_to_be_searched_says_what_it_is_for(cli, study, cache):
    """Ten points of a wall and three positions: 715 layouts of four, more than a run simulates."""
    wall = ['name = "wall"', "min_m = [1.0, 3.5, 1.0]", "max_m = [5.0, 3.5, 2.0]", "step_m = 1.0"]
    grid = "\n".join(["[[candidates.zones]]", *wall, "[conditions]"])
    changed(study, "[conditions]", grid)
    study.write_text(study.read_text().replace("[candidates]\n", "[candidates]\nmics = 4\n"))
    code, out, err = cli("study", "check", study, "--cache", cache)
    assert (code, err) == (0, "")
    assert "715 more can be made of its positions: `trad-array study rank` and" in out


def test_a_smaller_form_of_a_study_is_smaller_in_all_that_is_counted(study):
    from trad_array.study.study_file import read_study
    from trad_array_cli.study_options import of_size

    whole = read_study(study)
    assert of_size(whole, None) is whole
    less = of_size(whole, 40)
    assert (less.events, less.agreement_events) == (40, round(whole.agreement_events / 10))
    assert less.detection.events == 0


def test_a_hiss_that_is_shorter_than_a_frame_is_refused_before_rooms_are_made(cli, study, cache, tmp_path):
    text = STUDY.replace("snr_db = [-12]", "snr_db = [-12]\nduration_s = [0.05]")
    study.write_text(text.replace('engine = "time"', 'engine = "spectral"'))
    code, out, err = cli("study", "check", study, "--cache", tmp_path / "nothing")
    assert (code, out) == (3, "")
    assert (
        'conditions.duration_s: expected at least 0.064 s for the spectral engine, found 0.05; use engine = "time"'
        in err
    )
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "tiny"', 'nmae = "tiny"', "nmae"),
        ("rt60_s = [0.2]", "rt60_s = [9.0]", "rt60_s"),
        ("position_m = [3.0, 2.3, 2.4]", "position_m = [3.0, 2.3, 99.0]", "middle"),
        ("schema = 1", "schema = ", "tiny.toml"),
    ],
)
@pytest.mark.parametrize("what", ["check", "run"])
def test_a_study_that_cannot_be_used_is_3_and_one_line(cli, study, cache, tmp_path, what, old, new, said):
    changed(study, old, new)
    code, out, err = cli("study", what, study, "-o", tmp_path / "run", "--cache", cache)
    assert (code, out) == (3, "")
    assert err.startswith("trad-array: ")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_run_makes_a_table_and_a_report_and_again_computes_nothing(cli, study, cache, tmp_path):
    folder = tmp_path / "run"
    changed(study, "events = 400", "events = 200")
    code, out, err = cli("study", "run", study, "-o", folder, "--cache", cache, "--workers", 1)
    assert code == 0
    assert "names the right cell" in out
    assert f"wrote {folder / 'results.parquet'} and {folder / 'report' / 'index.html'}\n" in err
    assert "events: 0 of 4\n" in err
    code, out, err = cli("study", "run", study, "-o", folder, "--cache", cache, "--csv", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["shards"], found["kept"], found["rows"], found["simulated"]) == (4, 4, 4, True)
    assert found["table"] == str(folder / "results.csv")
    assert (folder / "results.csv").read_text().splitlines()[0].startswith("study,measure,engine,layout,mics")
    assert not (folder / "results.parquet").exists()
    _, out, _ = cli("study", "check", study, "-o", folder, "--cache", cache)
    assert "4 shards, 4 of them are there\n" in out


def test_a_scheduler_that_does_not_answer_is_one_line(cli, study, cache, tmp_path):
    code, out, err = cli(
        "study", "run", study, "-o", tmp_path / "run", "--cache", cache, "--scheduler", "tcp://127.0.0.1:1"
    )
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("trad-array: tcp://127.0.0.1:1: expected a Dask scheduler to answer")


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(study, cache, tmp_path):
    folder = tmp_path / "run"
    changed(study, "events = 400", "events = 3000")
    program = "import sys; from trad_array_cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "study", "run", study, "-o", folder, "--cache", cache, "--workers", 2]
    process = subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, text=True, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 40.0
        while len(list((folder / "shards").glob("*.json"))) < 2:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.01)
        # As a terminal does: every process of the group is told.
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.stderr.close()
    kept = len(list((folder / "shards").glob("*.json")))
    assert process.returncode == 130
    said = [line for line in err.splitlines() if line]
    assert said[-2:] == [
        f"{folder}: {kept} of 60 shards are kept; the same command goes on from there",
        "stopped",
    ]
    assert "Traceback" not in err
