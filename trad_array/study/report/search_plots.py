"""How a search for a layout went, and how well the fast preview ranked. Axes in, Axes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trad_array.plotting import BLACK, VERMILION
from trad_array.plotting_reliability import BLUE
from trad_array.study.report.shares import Share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAINT = "#BBBBBB"
# Layouts on the way that are shown one by one; of more improvements the first, the last and some between.
MOST_STEPS = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """One layout that a search tried.

    number : from 0, in the order in which they were tried
    value : what the search makes as large as it can
    points : indices of its microphones among the study's points
    """

    number: int
    value: float
    points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A search as its pictures want it.

    aim : what is made as large as it can be, with its unit
    trials : in their order
    start : value of the layout that is to be beaten, or None
    """

    aim: str
    trials: tuple[Trial, ...]
    start: float | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One layout by the preview and by simulation.

    preview : score that ranks, of any scale; simulated : vents in the right cell
    """

    name: str
    preview: float
    simulated: Share


def improvements(trials: Sequence[Trial]) -> list[Trial]:
    """Trials that were better than everything before them."""
    best, found = -np.inf, []
    for trial in trials:
        if trial.value > best:
            best = trial.value
            found.append(trial)
    return found


def steps(trials: Sequence[Trial]) -> list[Trial]:
    """At most `MOST_STEPS` improvements: the first, the last, and between them the largest."""
    found = improvements(trials)
    if len(found) <= MOST_STEPS:
        return found
    gain = [trial.value - before.value for before, trial in zip(found, found[1:], strict=False)]
    inner = np.argsort(gain[:-1])[::-1][: MOST_STEPS - 2]
    return [found[0], *(found[k + 1] for k in sorted(int(k) for k in inner)), found[-1]]


def search_plot(
    trials: Sequence[Trial], ax: "Axes", *, aim: str, at: Trial | None = None, start: float | None = None
) -> "Axes":
    """Best so far over trials, every trial as a faint point.

    Parameters
    ----------
    trials : in the order in which they were tried, not empty
    ax : the axes to draw on
    aim : what the values are, with its unit
    at : the improvement that is shown beside it, marked
    start : value of the layout that the search is to beat, a line
    """
    numbers = np.array([trial.number + 1 for trial in trials])
    values = np.array([trial.value for trial in trials])
    known = np.isfinite(values)
    ax.plot(numbers[known], values[known], ".", color=_FAINT, markersize=4, zorder=1, label="tried")
    ax.step(numbers, np.fmax.accumulate(values), where="post", color=BLUE, linewidth=1.8, zorder=2, label="best so far")
    better = improvements(trials)
    ax.plot([t.number + 1 for t in better], [t.value for t in better], "o", color=BLUE, markersize=5, zorder=3)
    if start is not None:
        ax.axhline(start, color=BLACK, linewidth=1.0, linestyle="--", zorder=1, label="layout to beat")
    if at is not None:
        (ring,) = ax.plot(at.number + 1, at.value, "o", color=VERMILION, markersize=13, zorder=4)
        ring.set(markerfacecolor="none", markeredgewidth=2.0)
    ax.set_xlabel("layouts tried")
    ax.set_ylabel(aim)
    ax.set_title(search_title(trials))
    ax.legend(loc="lower right", fontsize=8)
    _grid(ax)
    return ax


def search_title(trials: Sequence[Trial]) -> str:
    """Where the search began and ended, and when it last got better."""
    better = improvements(trials)
    if not better:
        return f"{len(trials)} layouts tried, none could be judged"
    last, n = better[-1], len(trials)
    still = "" if last.number + 1 < 0.9 * n else "; it still got better at the end"
    return f"From {better[0].value:.3g} to {last.value:.3g} in {n} layouts, the best after {last.number + 1}{still}"


def ranking_plot(several: Sequence[Ranked], ax: "Axes", *, spearman: float) -> "Axes":
    """Share of vents in the right cell against the preview's score, with 95 % intervals (Wilson).

    several : layouts that were previewed and simulated, not empty
    ax : the axes to draw on
    spearman : rank correlation of preview and simulation, NaN when nobody knows it
    """
    x = np.array([one.preview for one in several])
    p = 100 * np.array([one.simulated.p for one in several])
    low = 100 * np.array([one.simulated.low for one in several])
    high = 100 * np.array([one.simulated.high for one in several])
    bars = np.maximum([p - low, high - p], 0.0)
    ax.errorbar(x, p, yerr=bars, fmt="o", color=BLUE, markersize=4, elinewidth=0.9, alpha=0.8, zorder=2)
    best = int(p.argmax())
    (ring,) = ax.plot(x[best], p[best], "o", color=VERMILION, markersize=13, zorder=3)
    ring.set(markerfacecolor="none", markeredgewidth=2.0)
    ax.text(
        0.98,
        0.04,
        f"ringed, the best: {several[best].name}",
        transform=ax.transAxes,
        ha="right",
        fontsize=9,
        color=VERMILION,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )
    ax.set_xlabel("score of the preview")
    ax.set_ylabel("vents put in the right cell, %")
    ax.set_title(ranking_title(several, spearman))
    _grid(ax)
    return ax


def ranking_title(several: Sequence[Ranked], spearman: float) -> str:
    """How well the preview sorts, in words."""
    best = max(several, key=lambda one: one.simulated.p)
    rank = 1 + sum(one.preview > best.preview for one in several)
    place = f"the best is the preview's number {rank} of {len(several)}"
    return place[0].upper() + place[1:] if np.isnan(spearman) else f"Spearman {spearman:.2f} with simulation; {place}"


def _grid(ax: "Axes") -> None:
    ax.grid(color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)
