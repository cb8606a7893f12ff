"""What a layout is without one of its microphones. Axes in, Axes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trad_array.plotting import BLACK, VERMILION
from trad_array.plotting_reliability import BLUE
from trad_array.study.report.scores import Score, share_of
from trad_array.study.report.shares import Difference, Share, difference, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Loss:
    """What a layout is without one microphone: its shares with all and without, at the same conditions."""

    mic: str
    everything: Share
    without: Share

    @property
    def cost(self) -> Difference:
        """Share with all less the share without."""
        return difference(self.everything, self.without)


def losses(several: Sequence[Score], layout: str) -> list[Loss]:
    """Each microphone that was lost, in the order of the layout.

    several : scores of one engine, with and without lost microphones
    """
    mine = [score for score in several if score.layout == layout]
    found = []
    for mic in mine[0].mics if mine else ():
        without = [score for score in mine if score.dead == mic]
        points = {score.at for score in without}
        alive = [score for score in mine if not score.dead and score.at in points]
        points &= {score.at for score in alive}
        if points:
            found.append(Loss(mic, share_of(alive), share_of(s for s in without if s.at in points)))
    return found


def loss_plot(found: Sequence[Loss], ax: "Axes", *, layout: str) -> "Axes":
    """Share of vents in the right cell without each microphone, against that with all of them, with 95 % intervals.

    Parameters
    ----------
    found : of `losses`
    ax : the axes to draw on
    layout : its name
    """
    alive = found[0].everything
    ax.axhspan(100 * alive.low, 100 * alive.high, color=BLUE, alpha=0.2, linewidth=0, zorder=1)
    ax.axhline(100 * alive.p, color=BLUE, linewidth=1.4, zorder=2)
    worst = max(found, key=lambda loss: loss.cost.value)
    for k, loss in enumerate(found):
        share = loss.without
        colour = VERMILION if loss is worst else BLACK
        ax.plot([k, k], [100 * share.p, 100 * alive.p], color=colour, linewidth=1.0, linestyle=":", zorder=2)
        bar = 100 * np.maximum([[share.p - share.low], [share.high - share.p]], 0.0)
        ax.errorbar(
            k, 100 * share.p, yerr=bar, fmt="o", color=colour, markersize=6, elinewidth=1.3, capsize=3, zorder=3
        )
        ax.annotate(
            percent(share.p),
            (k, 100 * share.p),
            # Clear of the line of all microphones where little is lost.
            xytext=(6, 0 if alive.p - share.p > 0.05 else -8),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8 if len(found) <= 8 else 6,
            color=colour,
        )
    ax.annotate(
        f"with all {len(found)}: {percent(alive.p)}" if len(found) > 1 else f"with all: {percent(alive.p)}",
        (1.0, 100 * alive.high),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        color=BLUE,
        fontsize=9,
    )
    ax.set_xticks(range(len(found)), [loss.mic for loss in found], rotation=90 if len(found) > 8 else 0)
    ax.set_xlim(-0.6, len(found) - 0.4)
    ax.set_ylim(-3, 108)
    ax.set_xlabel("microphone that is lost")
    ax.set_ylabel("vents put in the right cell, %")
    ax.set_title(loss_title(found, layout))
    _grid(ax)
    return ax


def loss_title(found: Sequence[Loss], layout: str) -> str:
    """The microphone whose loss costs most."""
    worst = max(found, key=lambda loss: loss.cost.value)
    points = 100 * worst.cost.value
    if not worst.cost.low > 0:
        return f"{layout}: no single lost microphone costs anything that shows"
    return f"{layout}: losing {worst.mic} costs most, {points:.0f} {'point' if round(points) == 1 else 'points'}"


def _grid(ax: "Axes") -> None:
    ax.grid(color="#e6e6e6", linewidth=0.7)
    ax.set_axisbelow(True)
