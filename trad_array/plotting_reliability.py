"""Reliability diagrams: predicted probability against what was observed. Axes in, Axes out."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.plotting import BLACK
from trad_array.reliability import reliability_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREY = "#0072B2", "#999999"


def reliability_diagram(
    predicted: NDArray[np.floating],
    hits: NDArray[np.bool_],
    ax: "Axes",
    *,
    title: str = "",
    colour: str = BLUE,
    counts: bool = True,
) -> "Axes":
    """Share of cells that were the one, for each range of the probability they were given.

    On the grey line probabilities are true; below it they are too sure of themselves, above it too modest. Bars are
    95 % intervals (Wilson), as if all probabilities were independent; the small numbers say how many there are.

    Parameters
    ----------
    predicted : array, shape (n,), 0 to 1, probabilities that cells were given
    hits : array, shape (n,), whether that cell made the sound
    ax : the axes to draw on
    title : above the picture
    colour : of points and bars
    counts : whether each point says how many probabilities it stands for
    """
    found = reliability_bins(predicted, hits)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, zorder=1)
    ax.text(0.02, 0.97, "too modest", color=GREY, fontsize=10, ha="left", va="top", zorder=1)
    ax.text(0.98, 0.03, "too sure", color=GREY, fontsize=10, ha="right", va="bottom", zorder=1)
    ax.errorbar(
        found.predicted,
        found.observed,
        # An interval holds its share, but for the last digit of a float.
        yerr=np.maximum([found.observed - found.low, found.high - found.observed], 0.0),
        fmt="o",
        color=colour,
        markersize=6,
        elinewidth=1.4,
        capsize=2.5,
        zorder=3,
    )
    if counts:
        _write_counts(ax, found.predicted, found.low, found.high, found.n)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", title=title)
    ax.set_xlabel("probability that a cell was given")
    ax.set_ylabel("share of such cells that made the sound")
    ax.grid(color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def _write_counts(
    ax: "Axes",
    predicted: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    n: NDArray[np.intp],
) -> None:
    """Below each bar, or above it where there is no room below."""
    for x, bottom, top, count in zip(predicted, low, high, n, strict=True):
        below = bottom > 0.12
        ax.annotate(
            _short(int(count)),
            (float(x), float(bottom if below else top)),
            xytext=(0, -4 if below else 4),
            textcoords="offset points",
            ha="center",
            va="top" if below else "bottom",
            fontsize=7,
            color=BLACK,
            zorder=4,
        )


def _short(count: int) -> str:
    """12345 as "12k"."""
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"
