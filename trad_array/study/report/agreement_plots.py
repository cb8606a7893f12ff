"""The two engines against each other, condition by condition. Axes in, Axes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trad_array.plotting import BLACK, VERMILION
from trad_array.plotting_reliability import GREY
from trad_array.study.report.scores import Score
from trad_array.study.report.shares import Difference, Share, difference, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The engines should agree within this, issue of the project.
AGREED = 0.01
# Rows of the picture of agreement; of more conditions those that differ most are drawn.
MOST_PAIRS = 20


@dataclass(frozen=True, slots=True)
class Agreed:
    """One layout at one condition by both engines."""

    name: str
    time: Share
    spectral: Share

    @property
    def gap(self) -> Difference:
        """Spectral less time."""
        return difference(self.spectral, self.time)


def agreed(several: Sequence[Score]) -> list[Agreed]:
    """Every layout and condition that both engines computed; empty where only one was used."""
    found: dict[tuple[Any, ...], dict[str, Score]] = {}
    for score in several:
        found.setdefault((score.layout, score.at, score.dead), {})[score.engine] = score
    both = {key: engines for key, engines in found.items() if {"time", "spectral"} <= engines.keys()}
    every = [at for _, at, _ in both]
    return [
        Agreed(
            f"{layout}{f' without {dead}' if dead else ''}: {at.words(every)}",
            engines["time"].cells.total,
            engines["spectral"].cells.total,
        )
        for (layout, at, dead), engines in both.items()
    ]


def agreement_plot(found: Sequence[Agreed], ax: "Axes") -> "Axes":
    """Spectral less time engine at each condition, in points with 95 % intervals; the band is what is agreed.

    found : of `agreed`, not empty
    ax : the axes to draw on
    """
    ax.axvspan(-100 * AGREED, 100 * AGREED, color="#00785A", alpha=0.15, linewidth=0, zorder=1)
    ax.axvline(0, color=GREY, linewidth=1.0, zorder=1)
    shown = sorted(found, key=lambda pair: -abs(pair.gap.value))[:MOST_PAIRS]
    shown = [pair for pair in found if pair in shown]
    for row, pair in enumerate(shown):
        gap = pair.gap
        # Apart only when the whole interval lies outside what is agreed.
        apart = gap.low > AGREED or gap.high < -AGREED
        bar = 100 * np.maximum([[gap.value - gap.low], [gap.high - gap.value]], 0.0)
        colour = VERMILION if apart else BLACK
        ax.errorbar(
            100 * gap.value, row, xerr=bar, fmt="s" if apart else "o", color=colour, markersize=5, capsize=2.5, zorder=3
        )
    ax.set_yticks(
        range(len(shown)),
        [f"{pair.name}\ntime {percent(pair.time.p, 1)}, spectral {percent(pair.spectral.p, 1)}" for pair in shown],
        fontsize=8,
    )
    ax.set_ylim(len(shown) - 0.4, -0.6)
    reach = max(3.0, *(100 * max(abs(pair.gap.low), abs(pair.gap.high)) for pair in shown)) * 1.05
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("spectral less time engine, points (green: within 1 point)")
    ax.set_title(agreement_title(found))
    ax.grid(color="#e6e6e6", linewidth=0.7, axis="x")
    ax.set_axisbelow(True)
    return ax


def agreement_title(found: Sequence[Agreed]) -> str:
    """How far the engines are apart, in words."""
    apart = [pair for pair in found if pair.gap.low > AGREED or pair.gap.high < -AGREED]
    far = 100 * max(abs(pair.gap.value) for pair in found)
    if apart:
        return f"The engines differ at {len(apart)} of {len(found)} conditions, by up to {far:.1f} points"
    sure = [pair for pair in found if -AGREED <= pair.gap.low and pair.gap.high <= AGREED]
    if len(sure) == len(found):
        return f"The engines agree within 1 point at all {len(found)} conditions"
    return (
        f"At none of {len(found)} conditions do the engines surely differ by more than 1 point\n"
        f"(largest seen {far:.1f}; surely within 1 point at {len(sure)})"
    )
