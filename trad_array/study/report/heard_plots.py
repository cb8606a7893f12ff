"""The whole chain: which vents it detects, alarms for and places, how soon, and what else sets it off.

Axes in, Axes out.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.special

from trad_array.plotting import BLACK, VERMILION
from trad_array.plotting_reliability import BLUE
from trad_array.study.report.scores import Heard
from trad_array.study.report.shares import Share, added, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Sounds of a cell; everything else should raise no alarm.
VENTS = ("vent", "hiss")
_DAY_S = 86_400.0
# More conditions than this are not drawn one by one.
_ROWS = 20
_STAGES = (
    ("detected", "detected", "#56B4E9", ""),
    ("alarmed", "alarm", BLUE, "//"),
    ("right", "alarm for the right cell", "#00334D", ""),
)


def vents(several: Sequence[Heard]) -> list[Heard]:
    """Those that a cell made."""
    return [one for one in several if one.sound in VENTS and one.n]


def others(several: Sequence[Heard]) -> list[Heard]:
    """Those that no cell made."""
    return [one for one in several if one.sound not in VENTS and one.heard_s > 0]


def stage(several: Sequence[Heard], name: str) -> Share:
    """Share of vents that came as far as a stage: detected, alarmed, or right.

    Where nobody counted the right cells, an alarm for any cell stands in for them.
    """
    return added(Share(_reached(one, name), one.n) for one in several)


def _reached(one: Heard, name: str) -> int:
    if name == "right":
        return one.in_a_cell if one.right is None else one.right
    return one.detected if name == "detected" else one.alarmed


def placed_words(several: Sequence[Heard]) -> str:
    """What the last stage counts."""
    return "alarm for a cell" if any(one.right is None for one in several) else "alarm for the right cell"


def detection_plot(several: Sequence[Heard], ax: "Axes") -> "Axes":
    """Share of vents that each layout detects, raises an alarm for, and puts in the right cell, with 95 % intervals.

    several : of `vents`, not empty
    ax : the axes to draw on
    """
    names = list({one.layout: 0 for one in several})
    for k, (key, label, colour, hatch) in enumerate(_STAGES):
        label = placed_words(several) if key == "right" else label
        at = np.arange(len(names)) + 0.27 * (k - 1)
        shares = [stage([one for one in several if one.layout == name], key) for name in names]
        p = 100 * np.array([share.p for share in shares])
        bars = 100 * np.maximum([[s.p - s.low for s in shares], [s.high - s.p for s in shares]], 0.0)
        drawn = ax.bar(at, p, 0.25, color=colour, hatch=hatch, edgecolor="white", label=label, zorder=2)
        drawn.set_label(label)
        # White below black: seen on every colour.
        ax.errorbar(at, p, yerr=bars, fmt="none", ecolor="white", elinewidth=3.0, zorder=3)
        ax.errorbar(at, p, yerr=bars, fmt="none", ecolor=BLACK, elinewidth=1.1, capsize=2, zorder=4)
    ax.set_xticks(
        range(len(names)), names, rotation=0 if len(names) <= 4 else 30, ha="center" if len(names) <= 4 else "right"
    )
    ax.set_ylim(0, 106)
    ax.set_ylabel("vents, %")
    ax.set_title(detection_title(several))
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12 if len(names) <= 4 else -0.28),
        ncols=3,
        fontsize=9,
        frameon=False,
    )
    _grid(ax, "y")
    return ax


def detection_title(several: Sequence[Heard]) -> str:
    """The layout that puts most alarms in the right cell, in words."""
    names = list({one.layout: 0 for one in several})
    mine = {name: [one for one in several if one.layout == name] for name in names}
    best = max(names, key=lambda name: stage(mine[name], "right").p)
    said = [percent(stage(mine[best], key).p) for key, *_ in _STAGES]
    where = "a cell" if any(one.right is None for one in several) else "the right cell"
    return f"{best}: {said[0]} of vents detected, {said[1]} alarmed, {said[2]} with {where}"


def delay_plot(several: Sequence[Heard], ax: "Axes") -> "Axes":
    """Within how many seconds half of the vents, and 95 % of them, are placed in a cell by an alarm.

    A vent that is never placed takes for ever, so a row of which fewer than half are placed has no dot, and one of
    which fewer than 95 % are has an arrow.

    Parameters
    ----------
    several : of `vents`, not empty; see `delay_rows`
    ax : the axes to draw on
    """
    rows = delay_rows(several)
    times = [t for one in rows for t in (one.alarm_s_median, one.alarm_s_95) if np.isfinite(t)]
    end_s = 1.15 * max(times, default=1.0)
    for k, one in enumerate(rows):
        if not np.isfinite(one.alarm_s_median):
            placed = Share(one.in_a_cell, one.n)
            ax.text(0.02 * end_s, k, f"only {percent(placed.p)} are placed", va="center", fontsize=8, color=VERMILION)
            continue
        all_but_few = np.isfinite(one.alarm_s_95)
        last = one.alarm_s_95 if all_but_few else end_s
        ax.plot([one.alarm_s_median, last], [k, k], color=BLUE, linewidth=2.0, zorder=2)
        ax.plot(one.alarm_s_median, k, "o", color=BLUE, markersize=7, zorder=3)
        mark, size = ("|", 12) if all_but_few else (">", 9)
        ax.plot(last, k, mark, color=BLUE, markersize=size, markeredgewidth=2.0, zorder=3, clip_on=False)
    every = [one.at for one in several if one.at is not None]
    labels = [one.layout if one.at is None else f"{one.layout}, {one.at.words(every)}" for one in rows]
    ax.set_yticks(range(len(rows)), labels, fontsize=8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, end_s)
    ax.set_xlabel("s from the onset (dot: half of the vents are placed; bar: 95 %; arrow: fewer than 95 % ever are)")
    ax.set_title(delay_title(several))
    _grid(ax, "x")
    return ax


def delay_rows(several: Sequence[Heard]) -> list[Heard]:
    """Rows of `delay_plot`: all, or of too many the slowest condition of each layout."""
    rows = list(several)
    if len(rows) <= _ROWS:
        return rows
    names = list({one.layout: 0 for one in rows})
    return [max((one for one in rows if one.layout == name), key=_slowness) for name in names]


def _slowness(one: Heard) -> tuple[float, float, float]:
    median, late = (np.inf if np.isnan(s) else s for s in (one.alarm_s_median, one.alarm_s_95))
    return median, late, -one.in_a_cell / one.n


def delay_title(several: Sequence[Heard]) -> str:
    """How long it takes, in words."""
    timed = [one for one in several if np.isfinite(one.alarm_s_median)]
    if not timed:
        return "Nowhere is half of the vents placed in a cell"
    slowest = max(timed, key=lambda one: one.alarm_s_median)
    said = f"Half of the vents are placed in a cell within {_seconds(slowest.alarm_s_median)}"
    if len(timed) < len(several):
        return f"{said}\nunder {len(timed)} of {len(several)} conditions, under the others never"
    return f"{said} under every condition" if len(several) > 1 else said


def false_alarm_plot(several: Sequence[Heard], ax: "Axes") -> "Axes":
    """False alarms a day of each kind of sound that no cell makes, as if it lasted all day, with upper 95 % bounds.

    several : of `others`, not empty
    ax : the axes to draw on

    Notes
    -----
    All layouts together; the bound is the one-sided Poisson bound (Garwood, Biometrika 28, 1936). Where nothing was
    raised there is only the bound, an arrow.
    """
    kinds = list({one.sound: 0 for one in several})
    rates = {kind: false_rate([one for one in several if one.sound == kind]) for kind in kinds}
    for row, kind in enumerate(kinds):
        rate, bound = rates[kind]
        if rate > 0:
            ax.plot([rate, bound], [row, row], color=VERMILION, linewidth=2.0, zorder=2)
            ax.plot(rate, row, "o", color=VERMILION, markersize=7, zorder=3)
            ax.plot(bound, row, "|", color=VERMILION, markersize=12, markeredgewidth=2.0, zorder=3)
        else:
            ax.plot(bound, row, "<", color=BLUE, markerfacecolor="white", markersize=8, zorder=3)
        mine = [one for one in several if one.sound == kind]
        alarms, n = sum(one.alarmed for one in mine), sum(one.n for one in mine)
        ax.annotate(
            f"{alarms} from {n} in {_span(sum(one.heard_s for one in mine))}",
            (bound, row),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.10g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    low = min(rate or bound for rate, bound in rates.values())
    high = max(bound for _, bound in rates.values())
    ax.set_xlim(10 ** np.floor(np.log10(low / 1.5)), 10 ** np.ceil(np.log10(high * 2.5)))
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set_ylim(len(kinds) - 0.4, -0.6)
    ax.set_xlabel("false alarms in 24 h of nothing but this sound (arrow: none raised, fewer than this with 95 %)")
    ax.set_title(false_alarm_title(several))
    _grid(ax, "x")
    return ax


def false_rate(several: Sequence[Heard]) -> tuple[float, float]:
    """False alarms a day of these sounds, and the upper one-sided 95 % Poisson bound."""
    days = sum(one.heard_s for one in several) / _DAY_S
    count = sum(one.alarmed for one in several)
    return count / days, float(scipy.special.gammaincinv(count + 1.0, 0.95)) / days


def false_alarm_title(several: Sequence[Heard]) -> str:
    """What sets off most false alarms, in words."""
    counts: Mapping[str, int] = {
        kind: sum(one.alarmed for one in several if one.sound == kind) for kind in {one.sound: 0 for one in several}
    }
    total, n = sum(counts.values()), sum(one.n for one in several)
    if not total:
        return f"No false alarm from {n} sounds that no cell made"
    worst = max(counts, key=lambda kind: counts[kind])
    return f"{total} false {'alarm' if total == 1 else 'alarms'} from {n} sounds, most ({counts[worst]}) from {worst}"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def _grid(ax: "Axes", axis: str) -> None:
    ax.grid(color="#e6e6e6", linewidth=0.7, axis="x" if axis == "x" else "y")
    ax.set_axisbelow(True)
