"""Curves on a day axis say what was counted."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from trad_array.learning.alarm_metrics import alarm_curve
from trad_array.plotting_detection import alarm_det, alarm_roc


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture
def curves():
    """One false alarm in two days at full recall; and a perfect detector."""
    mixed = alarm_curve(np.array([1.0, 3.0, 4.0, 5.0]), np.array([0.0, 2.0]), 48.0)
    return {"mixed": mixed, "perfect": alarm_curve(np.array([5.0, 6.0]), np.array([0.0, 1.0, 2.0]), 48.0)}


def drawn(ax, name):
    (line,) = [line for line in ax.get_lines() if line.get_label() == name]
    return np.array(line.get_xydata())


def recall_at(points, rate):
    """Height of the step line there."""
    return points[points[:, 0] <= rate * (1 + 1e-9), 1].max()


def test_recall_rises_with_false_alarms(ax, curves):
    assert alarm_roc(curves, ax, title="both") is ax
    mixed = drawn(ax, "mixed")
    # Three of four events come before the first false alarm; that one makes it half an alarm a day.
    assert recall_at(mixed, 0.25) == pytest.approx(75.0)
    assert recall_at(mixed, 0.5) == pytest.approx(100.0)
    assert (np.diff(mixed, axis=0) >= 0).all()
    assert recall_at(drawn(ax, "perfect"), 0.25) == 100.0
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mixed", "perfect"]
    assert [text.get_text() for text in ax.texts] == ["one in 48 h"]
    assert ax.get_title() == "both"


def test_misses_fall_and_none_is_drawn_at_the_least(ax, curves):
    alarm_det(curves, ax, least_miss=1e-2)
    mixed = drawn(ax, "mixed")
    assert mixed[mixed[:, 0] <= 0.25, 1].min() == pytest.approx(25.0)
    assert mixed[:, 1].min() == drawn(ax, "perfect")[:, 1].min() == 1.0
    assert ax.get_yscale() == ax.get_xscale() == "log"


def test_a_detector_without_any_false_alarm_is_still_a_line(ax):
    alarm_roc({"quiet": alarm_curve(np.array([5.0]), np.zeros(0), 0.5)}, ax)
    assert drawn(ax, "quiet").tolist() == [[24.0, 100.0], [48.0, 100.0]]
    assert [text.get_text() for text in ax.texts] == ["one in 30 min"]


def test_nothing_to_draw_is_an_empty_picture(ax):
    assert alarm_roc({}, ax).get_legend() is None
