"""How a search went, and how well the preview ranked: what their pictures draw and say."""

import re

import numpy as np
from matplotlib.figure import Figure

from trad_array.study.report.page import sections
from trad_array.study.report.search_pictures import search_pictures
from trad_array.study.report.search_plots import (
    MOST_STEPS,
    Ranked,
    Search,
    Trial,
    improvements,
    ranking_plot,
    search_plot,
    steps,
)
from trad_array.study.report.shares import Share


def trials(*values):
    return [Trial(k, value, (k % 3, 3 + k % 2)) for k, value in enumerate(values)]


def test_an_improvement_beats_everything_before_it():
    made = trials(0.5, 0.4, float("nan"), 0.7, 0.7, 0.9)
    assert [trial.number for trial in improvements(made)] == [0, 3, 5]


def test_of_many_improvements_the_first_the_last_and_the_largest_are_shown():
    gains = np.full(30, 0.001)
    gains[[5, 17]] = 0.1
    made = trials(*np.cumsum(gains))
    shown = [trial.number for trial in steps(made)]
    assert len(shown) == MOST_STEPS
    assert shown == sorted(shown)
    assert {0, 5, 17, 29} <= set(shown)


def test_the_best_so_far_never_falls():
    made = trials(0.5, 0.4, float("nan"), 0.7, 0.6)
    ax = search_plot(made, Figure().subplots(), aim="worst cell, share", at=made[3], start=0.45)
    best = next(line for line in ax.lines if line.get_label() == "best so far")
    assert best.get_ydata().tolist() == [0.5, 0.5, 0.5, 0.7, 0.7]
    rings = [line for line in ax.lines if line.get_markersize() == 13]
    assert [(float(r.get_xdata()[0]), float(r.get_ydata()[0])) for r in rings] == [(4.0, 0.7)]
    assert ax.get_title() == "From 0.5 to 0.7 in 5 layouts, the best after 4"


def test_a_search_that_judged_nothing_is_left_out(found):
    (left,) = search_pictures(found.study, Search("aim", tuple(trials(float("nan"), float("nan")))))
    assert left.why == "no layout that was tried could be judged"


def test_every_step_has_its_own_layout_on_it(found):
    search = Search("worst cell, share", tuple(trials(0.5, 0.6, 0.8)))
    made = list(search_pictures(found.study, search))
    assert [one.file for one in made] == ["search-01.png", "search-02.png", "search-03.png", "search.png"]
    for one, trial in zip(made[:3], search.trials, strict=True):
        above = one.draw().axes[1]
        (mics,) = [line for line in above.lines if line.get_marker() == "o"]
        at = found.study.points.positions_m[list(trial.points), :2]
        np.testing.assert_allclose(np.array(mics.get_data()).T, at)


def test_the_preview_is_set_against_simulation():
    several = [Ranked("a", 1.0, Share(50, 100)), Ranked("b", 2.0, Share(90, 100)), Ranked("c", 3.0, Share(80, 100))]
    ax = ranking_plot(several, Figure().subplots(), spearman=0.5)
    (box,) = ax.containers
    assert box.lines[0].get_xydata().tolist() == [[1.0, 50.0], [2.0, 90.0], [3.0, 80.0]]
    assert ax.get_title() == "Spearman 0.50 with simulation; the best is the preview's number 2 of 3"
    assert [text.get_text() for text in ax.texts] == ["ringed, the best: b"]


def test_the_page_steps_through_the_search(found):
    search = Search("worst cell, share", tuple(trials(0.5, 0.6, 0.8)))
    text = "".join(sections([(one, b"png") for one in search_pictures(found.study, search)]))
    (steps_html,) = re.findall(r'<div class="steps">.*?</div>', text, flags=re.DOTALL)
    assert steps_html.count("<figure>") == 3
    assert 'type="range"' in steps_html
    assert "search.png" not in steps_html
    assert "search.png" in text
