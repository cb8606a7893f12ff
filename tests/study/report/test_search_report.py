"""Pages of a ranking and of a search that really ran, small."""

from dataclasses import replace
from html import unescape

import pytest

from trad_array.study.ranking import rank
from trad_array.study.records import Condition
from trad_array.study.report.search_report import (
    ranking_answer,
    search_answer,
    write_ranking_report,
    write_search_report,
)
from trad_array.study.search import optimise
from trad_array.study.search_records import RankPlan, SearchPlan
from trad_array.study.world import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(small_study, small_cache):
    return World(replace(small_study, conditions=(Condition(0.2, -22.0),)), small_cache)


def test_the_page_of_a_ranking_has_its_answer_and_every_layout(world, tmp_path):
    found = rank(world, RankPlan(mics=3, shortlist=4, spread=5, finalists=1, events=60, final_events=20))
    text = unescape(write_ranking_report(tmp_path, world.study, found).read_text(encoding="utf-8"))
    assert all(sentence in text for sentence in ranking_answer(found))
    assert all(f"<td>{row.choice.name}</td><td>{row.role}</td>" in text for row in found.rows)
    best = next(row for row in found.rows if row.role != "reference")
    assert best.choice.name in ranking_answer(found)[0]
    assert "of 20 layouts" in text
    assert {path.name for path in (tmp_path / "report").glob("*.png")} == {"sheet.png", "ranking.png"}
    assert "https:" not in text


def test_the_page_of_a_search_has_its_lead_and_its_steps(world, tmp_path):
    plan = SearchPlan(mics=3, aim="mean", trials=30, shortlist=3, events=60, confirm_events=90)
    found = optimise(world, plan)
    text = unescape(write_search_report(tmp_path, world.study, found).read_text(encoding="utf-8"))
    which, how_much = search_answer(found)
    assert which in text
    assert how_much in text
    assert "on 90 vents that no search has seen" in how_much
    assert ("less" in how_much) == (found.difference.difference < 0)
    pictures = {path.name for path in (tmp_path / "report").glob("*.png")}
    assert {"sheet.png", "search.png", "search-01.png"} <= pictures
    assert text.count('type="range"') == 1
