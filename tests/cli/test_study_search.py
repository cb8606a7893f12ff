"""`trad-array study rank` and `study optimise`, as a person runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trad_array_cli.main import run

MAIN = "from trad_array_cli.main import main; main()"
STUDY = """
schema = 1
name = "small"
[site]
layout = "row-corners"
cells = ["R1C01", "R1C07", "R1C13"]
jet_heights_m = [0.0]
[candidates]
layouts = ["row-corners"]
mics = 3
[[candidates.zones]]
name = "wall"
min_m = [2.0, 0.1, 1.5]
max_m = [4.0, 0.1, 2.5]
step_m = 0.5
[conditions]
rt60_s = [0.2]
snr_db = [-20]
mismatch = ["M1"]
[rank]
shortlist = 2
spread = 3
finalists = 1
events = 64
final_events = 8
[search]
trials = 60
shortlist = 2
events = 64
confirm_events = 64
method = "exchange"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "small.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_rank_tells_the_best_and_writes_layouts_that_localize_reads(study, cache, tmp_path, capsys):
    assert run(["study", "rank", str(study), "-o", str(tmp_path), "--cache", str(cache), "--workers", "1"]) == 0
    told = capsys.readouterr().out
    assert "455 of 455 layouts previewed" in told
    assert "Spearman" in told
    assert "(reference)" in told
    assert run(["layouts", "check", str(tmp_path / "best-01.toml")]) == 0


def test_optimise_compares_with_the_layout_that_is_named(study, cache, tmp_path, capsys):
    arguments = ["study", "optimise", str(study), "-o", str(tmp_path), "--cache", str(cache), "--workers", "1"]
    assert run([*arguments, "--aim", "mean", "--mics", "4", "--compare", "row-corners", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["simulated"] is True
    assert len(record["mics"]) == 4
    value, low, high = record["difference"]
    assert -1 <= low <= value + 0.1
    assert high <= 1
    assert Path(record["layout"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--compare", "nobody"], 2, "expected one of the study's layouts, row-corners; found nobody"),
        (["--mics", "16"], 3, "mics: expected 3 to 15 for 15 points, found 16"),
    ],
)
def test_what_cannot_be_is_one_line(study, cache, tmp_path, capsys, arguments, code, message):
    got = run(["study", "optimise", str(study), "-o", str(tmp_path), "--cache", str(cache), *arguments])
    assert got == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[search]\naims = 3\n", "search.aims: unknown key, did you mean aim?"),
        ("[search]\naim = 'best'\n", "search.aim: expected one of worst-cell, mean"),
        ("[search]\ncable_price = 0.01\n", "search.cable_to_m: missing"),
        ("[rank]\nlayouts = 0\n", "rank.layouts: expected 1 to 1e+06, found 0"),
    ],
)
def test_sections_that_cannot_be_used_are_one_line(tmp_path, capsys, line, message):
    path = tmp_path / "study.toml"
    path.write_text(STUDY.split("[rank]")[0] + line)
    assert run(["study", "rank", str(path), "-o", str(tmp_path / "out")]) == 3
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_that_is_interrupted_goes_on_and_finds_the_same(study, cache, tmp_path):
    command = [sys.executable, "-c", MAIN, "study", "optimise", str(study), "--cache", str(cache)]
    command += ["--workers", "1", "--mics", "6", "--trials", "400", "-o"]
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    child = subprocess.Popen([*command, str(stopped)], stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    history = stopped / "search.jsonl"
    until = time.monotonic() + 120
    while time.monotonic() < until and not (history.is_file() and len(history.read_text().splitlines()) > 50):
        assert child.poll() is None, "it ended before it was stopped"
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 130, told
    assert "the same command goes on from there" in told
    kept = history.read_text()
    assert 50 < len(kept.splitlines()) < 401
    for folder in (stopped, whole):
        subprocess.run([*command, str(folder)], check=True, capture_output=True)
    assert history.read_text().startswith(kept)
    for name in ("search.json", "search.jsonl"):
        assert (stopped / name).read_text() == (whole / name).read_text()
