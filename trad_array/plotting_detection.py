"""Detectors by what an operator lives with: false alarms a day against vents that are heard. Axes in, Axes out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trad_array.learning.alarm_metrics import HOURS_A_DAY, AlarmCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito (2008), dark enough for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999")
GREY = "#999999"


def alarm_roc(curves: Mapping[str, AlarmCurve], ax: "Axes", *, title: str = "") -> "Axes":
    """Recall of events against false alarms a day, on a logarithmic day axis; a ROC curve that a site can read.

    Parameters
    ----------
    curves : by the name of the detector
    ax : the axes to draw on
    title : above the picture

    Notes
    -----
    Left of the grey line stands less than one false alarm in all the normal sound there was: more hours are needed to
    tell such rates apart, so everything with no false alarm is drawn at half of that rate.
    """
    for n, (name, curve) in enumerate(curves.items()):
        x, recall = _steps(curve)
        ax.step(x, 100 * recall, where="post", label=name, **_line(n, len(curves)))
    ax.set_ylim(-2, 102)
    ax.set_ylabel("events detected, %")
    return _day_axis(curves, ax, title)


def alarm_det(curves: Mapping[str, AlarmCurve], ax: "Axes", *, title: str = "", least_miss: float = 1e-3) -> "Axes":
    """Missed events against false alarms a day, both logarithmic: small differences between good detectors show.

    Parameters as of `alarm_roc`; a share of missed events below `least_miss` is drawn there.
    """
    for n, (name, curve) in enumerate(curves.items()):
        x, recall = _steps(curve)
        ax.step(x, 100 * np.maximum(1.0 - recall, least_miss), where="post", label=name, **_line(n, len(curves)))
    from matplotlib.ticker import FuncFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
    ax.set_ylim(100 * least_miss * 0.8, 120)
    ax.set_ylabel("events missed, %")
    return _day_axis(curves, ax, title)


def _steps(curve: AlarmCurve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates and recalls from the strictest threshold on; no false alarm is drawn at half an alarm."""
    one = HOURS_A_DAY / curve.hours
    # A line as far as one alarm: without it a detector that never alarmed falsely would be drawn as nothing.
    within = curve.recall[curve.false_alarms_per_day <= one * (1 + 1e-9)]
    rates = np.append(np.maximum(curve.false_alarms_per_day, 0.5 * one), one)
    recall = np.append(curve.recall, within.max(initial=0.0))
    order = np.argsort(rates, kind="stable")
    return rates[order], np.maximum.accumulate(recall[order])


def _line(n: int, n_lines: int) -> dict[str, Any]:
    """Colour and width of the n-th line; later ones are thinner, so that equal ones are all seen."""
    dashes = "-" if n < len(COLOURS) else "--"
    return {
        "color": COLOURS[n % len(COLOURS)],
        "linewidth": 1.4 + 3.0 * (n_lines - 1 - n) / max(n_lines - 1, 1),
        "linestyle": dashes,
    }


def _day_axis(curves: Mapping[str, AlarmCurve], ax: "Axes", title: str) -> "Axes":
    from matplotlib.ticker import FuncFormatter, NullFormatter

    hours = min((curve.hours for curve in curves.values()), default=HOURS_A_DAY)
    most = max((float(curve.false_alarms_per_day.max(initial=0.0)) for curve in curves.values()), default=1.0)
    one = HOURS_A_DAY / hours
    ax.set_xscale("log")
    ax.set_xlim(10 ** np.floor(np.log10(0.4 * one)), 10 ** np.ceil(np.log10(1.1 * max(most, one))))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.10g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axvline(one, color=GREY, linewidth=1.0, linestyle="--", zorder=1)
    ax.text(one, 1.01, f"one in {_span(hours)}", color=GREY, ha="center", transform=ax.get_xaxis_transform())
    ax.set_xlabel("false alarms a day")
    ax.set_title(title, pad=20)
    ax.grid(color="#e6e6e6", linewidth=0.7, which="both")
    ax.set_axisbelow(True)
    if curves:
        ax.legend(loc="best", fontsize=9)
    return ax


def _span(hours: float) -> str:
    if hours >= 1.0:
        return f"{hours:.3g} h"
    return f"{60 * hours:.2g} min" if hours >= 1 / 60 else f"{3600 * hours:.2g} s"
