"""The reliability diagram shows the bins."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from trad_array.plotting_reliability import reliability_diagram


def test_points_intervals_and_counts():
    predicted = np.repeat([0.05, 0.55, 0.95], [40, 20, 10])
    hits = np.concatenate([np.arange(40) < 2, np.arange(20) < 11, np.ones(10, dtype=bool)])
    ax = Figure().subplots()
    assert reliability_diagram(predicted, hits, ax, title="made up") is ax
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert points.get_xdata() == pytest.approx([0.05, 0.55, 0.95])
    assert points.get_ydata() == pytest.approx([0.05, 0.55, 1.0])
    assert {"40", "20", "10", "too sure"} <= {text.get_text() for text in ax.texts}
    assert ax.get_title() == "made up"
