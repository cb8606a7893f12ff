"""Pictures of the comparison, into docs/figures; all of it simulated, and said so."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from judging import ALARM_SNR_DB, RECALLS

from trad_array.learning.alarm_metrics import AlarmCurve
from trad_array.plotting_detection import alarm_det, alarm_roc

if TYPE_CHECKING:
    from comparison import Results
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _OTHERS = "#D55E00", "#0072B2"
# Lines that can be told apart in one picture.
_MOST_LINES = 10


def draw(results: "Results", folder: Path) -> None:
    """Draw detection-roc.png, detection-det.png and detection-fooled.png."""
    figures = {
        "detection-roc.png": _curves(results, alarm_roc, "Vents heard"),
        "detection-det.png": _curves(results, alarm_det, "Vents missed"),
        "detection-fooled.png": _fooled(results),
    }
    for name, figure in figures.items():
        # Without the date and version that would make every file new.
        figure.savefig(folder / name, metadata={"Software": None})


def _new(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _curves(results: "Results", plot: Callable[..., "Axes"], what: str) -> "Figure":
    figure = _new(15.0, 7.0)
    left, right = figure.subplots(1, 2, sharey=True)
    normal, everyday = _chosen_curves(results, "curve"), _chosen_curves(results, "everyday_curve")
    plot(normal, left, title="normal sound")
    plot(everyday, right, title="a day of everyday sounds")
    handles, labels = left.get_legend_handles_labels()
    for ax in (left, right):
        ax.get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(
        f"{what} at {ALARM_SNR_DB:g} dB against false alarms a day; simulated, cabins unlike those of the training"
    )
    return figure


def _chosen_curves(results: "Results", which: str) -> Mapping[str, AlarmCurve]:
    """Ours, the one reading or back end of each kind that comes first, and detectors of one's own."""
    shown: dict[str, AlarmCurve] = {}
    kinds = set()
    # Ours first: the first line is the widest.
    for trained in sorted(results.trained, key=lambda t: not t.system.ours):
        system = trained.system
        again = system.kind in kinds and not system.own
        if trained.trouble is not None or (system.name != results.chosen if system.ours else again):
            continue
        if not system.ours:
            kinds.add(system.kind)
        curve = getattr(results.figures[system.name], which)
        if curve is not None and len(shown) < _MOST_LINES:
            shown[system.name] = curve
    return shown


def _fooled(results: "Results") -> "Figure":
    names = [name for name, f in results.figures.items() if f.fooled]
    kinds = sorted({found.kind for name in names for found in results.figures[name].fooled})
    figure = _new(1.9 * max(len(kinds), 1) + 2.4, 0.34 * len(names) + 1.6)
    axes = figure.subplots(1, max(len(kinds), 1), sharey=True, squeeze=False)[0]
    for ax, kind in zip(axes, kinds, strict=False):
        found = {name: {f.kind: f for f in results.figures[name].fooled}[kind] for name in names}
        shares = np.array([100 * found[name].share for name in names])
        spread = np.array([(100 * found[name].low, 100 * found[name].high) for name in names]).T
        ours = [name.startswith("ours") for name in names]
        ax.barh(
            range(len(names)),
            shares,
            xerr=np.abs(spread - shares),
            color=[_OURS if own else _OTHERS for own in ours],
            error_kw={"elinewidth": 0.8, "ecolor": "#555555"},
        )
        ax.set_title(kind, fontsize=10)
        ax.set_xlim(0, 102)
        ax.set_xticks([0, 50, 100])
        ax.grid(axis="x", color="#e6e6e6", linewidth=0.7)
        ax.set_axisbelow(True)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.supxlabel(f"taken for a vent at the threshold of {100 * RECALLS[0]:g} % recall at {ALARM_SNR_DB:g} dB, "
                     "% (bars: 95 % intervals)", fontsize=10)  # fmt: skip
    figure.suptitle("Which sound fools whom? Simulated sounds, at least 0.6 m from every cell; no array gate")
    return figure
