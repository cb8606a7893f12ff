"""`trad-array study report` and `study export`."""

import json

import pytest

from trad_array.study.report.answer import answer
from trad_array_cli.main import run


@pytest.fixture(scope="module")
def small(make):
    return make(sizes=(4, 3), snr_db=(-18.0, -6.0), rt60_s=(0.4,), mismatches=("M1",), detection=False)


@pytest.fixture
def folder(small, run_folder):
    return run_folder(small)


def test_report_draws_and_answers(folder, small, capsys):
    assert run(["study", "report", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == list(answer(small))
    assert said.err == f"wrote {folder / 'report' / 'index.html'}\n"
    assert (folder / "report" / "index.html").is_file()


def test_report_as_json(folder, capsys):
    assert run(["study", "report", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(folder / "report" / "index.html")
    assert str(folder / "report" / "curve.png") in found["pictures"]
    assert len(found["answer"]) == 3


def test_export_writes_where_it_is_told(folder, tmp_path):
    assert run(["study", "export", str(folder), "--to", "chama", "-o", str(tmp_path / "impact.csv")]) == 0
    assert sorted(path.name for path in tmp_path.glob("impact*")) == [
        "impact-scenarios.csv",
        "impact-sensors.csv",
        "impact.csv",
    ]
    assert run(["study", "export", str(folder), "--to", "csv", "-o", str(tmp_path / "all.csv")]) == 0
    assert (tmp_path / "all.csv").read_text() == (folder / "results.csv").read_text()


@pytest.mark.parametrize("words", [["report"], ["export", "--to", "csv"]])
def test_a_folder_that_is_none_is_one_line(words, tmp_path, capsys):
    assert run(["study", words[0], str(tmp_path / "nowhere"), *words[1:]]) == 1
    said = capsys.readouterr().err
    assert said.startswith("trad-array: ")
    assert said.count("\n") == 1
