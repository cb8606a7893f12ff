"""The page: opens offline, holds the numbers, and no name in a study can run anything."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from trad_array.errors import StoreError
from trad_array.study.records import Choice
from trad_array.study.report.answer import answer
from trad_array.study.report.run_folder import Found
from trad_array.study.report.writing import write_report

HOSTILE = '<img src=x onerror="alert(1)"> & "quoted" </script><script>alert(2)</script>'


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def folder(make, run_folder):
    folder = run_folder(make(snr_db=(-18.0, -6.0), rt60_s=(0.4,)))
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


def tags(text):
    parser = Tags()
    parser.feed(text)
    return parser.seen


def test_the_page_asks_nobody_for_anything(text):
    assert "http:" not in text
    assert "https:" not in text
    sources = [attrs[name] for _, attrs in tags(text) for name in ("src", "href", "srcset") if name in attrs]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_one_script_is_the_one_that_the_policy_allows(text):
    import base64
    import hashlib

    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_the_answer_comes_first(text, folder):
    from trad_array.study.report.run_folder import read_found

    sentences = answer(read_found(folder))
    places = [unescape(text).index(sentence) for sentence in sentences]
    assert places == sorted(places)
    assert places[-1] < text.index("<h2>")


def test_the_numbers_of_the_table_are_in_it(text, folder):
    from trad_array.study.report.run_folder import read_found

    found = read_found(folder)
    for score in found.scores:
        share = score.cells.total
        row = (
            f'<td>{score.layout}</td><td class="n">{len(score.mics)}</td><td>{score.dead}</td><td>spectral</td>'
            f'<td class="n">{score.at.rt60_s:g}</td><td class="n">{score.at.snr_db:g}</td>'
        )
        (line,) = [line for line in text.splitlines() if row in line and f"<td>{score.at.mismatch}</td>" in line]
        assert f'<td class="n">{share.n}</td><td class="n">{round(100 * share.p, 2):g}</td>' in line


def test_it_says_what_it_is_and_what_it_is_not(text):
    assert "<b>Simulated.</b>" in text
    assert "no diffraction" in text
    assert "Coordinates are assumed" in text
    for words in ("seed", "SHA-256", "&lt;b&gt;3&lt;/b&gt;", "results.csv", "study.json"):
        assert words in text


def test_pictures_lie_beside_the_page(folder):
    pngs = sorted((folder / "report").glob("*.png"))
    assert {path.name for path in pngs} >= {"curve.png", "right-1.png", "error-1.png", "losses.png", "sheet.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pngs)


def test_the_same_results_give_the_same_page(folder, text):
    write_report(folder)
    assert (folder / "report" / "index.html").read_text(encoding="utf-8") == text


def test_pictures_of_an_earlier_report_go(folder):
    old = folder / "report" / "old.png"
    old.write_bytes(b"old")
    write_report(folder)
    assert not old.exists()


def test_hostile_names_stay_words(make, run_folder):
    found = make(sizes=(4, 4), snr_db=(-12.0,), rt60_s=(0.4,), mismatches=("none",))
    study = replace(
        found.study,
        name=HOSTILE,
        choices=(found.study.choices[0], Choice(HOSTILE, found.study.choices[1].points)),
    )
    layouts = np.where(found.table["layout"] == "choice-1", HOSTILE, found.table["layout"])
    text = write_report(run_folder(Found(study, found.table | {"layout": layouts}))).read_text(encoding="utf-8")
    assert HOSTILE in unescape(text)
    seen = tags(text)
    assert not any("onerror" in attrs for _, attrs in seen)
    assert sum(tag == "script" for tag, _ in seen) == 1


def test_a_name_with_dollars_is_no_formula(make, run_folder):
    found = make(sizes=(4, 4), snr_db=(-12.0,), rt60_s=(0.4,), mismatches=("none",), detection=False)
    name = r"$\frac{1$"
    study = replace(found.study, choices=(found.study.choices[0], Choice(name, found.study.choices[1].points)))
    layouts = np.where(found.table["layout"] == "choice-1", name, found.table["layout"])
    assert write_report(run_folder(Found(study, found.table | {"layout": layouts}))).is_file()


def test_a_folder_without_a_run_is_said(tmp_path):
    with pytest.raises(StoreError, match="study"):
        write_report(tmp_path)
    assert not (tmp_path / "report").exists()
