"""Pictures of the localization benchmark, into docs/figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import counts
import numpy as np
from counts import Found
from suites import FOUR_MICS, SNRS_DB
from trials import PLAIN, Answer

from trad_array.plotting_reliability import reliability_diagram
from trad_array.reliability import Answers, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MISMATCHES = {
    "M0": "the layout file is exact",
    "M1": "air 10 K, microphones 5 mm, channels 30 us off",
    "M2": "15 K, 20 mm, one channel 125 us, jet 100 mm off",
}
# Okabe & Ito's colours (2008).
_OURS, _PLAIN, _OTHERS = "#D55E00", "#000000", "#0072B2"
_OF_MISMATCH = {"M0": "#0072B2", "M1": "#009E73", "M2": "#D55E00"}
_GOAL = (88.0, 92.0)


def draw(found: Found, folder: Path) -> list[Path]:
    """Draw everything there are answers for; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    layouts = [layout for layout in FOUR_MICS if found.of(f"{layout}: levels M1")]
    if not layouts:
        return []
    pictures = {
        "localization-accuracy.png": _accuracy(found, layouts),
        "localization-reliability.png": _reliability(found, layouts),
        "localization-coverage.png": _coverage(found, layouts),
    }
    for name, figure in pictures.items():
        # Without the date and version that would make every file new.
        figure.savefig(folder / name, metadata={"Software": None})
    return [folder / name for name in pictures]


def _new(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _accuracy(found: Found, layouts: Sequence[str]) -> "Figure":
    figure = _new(12.0, 3.1 * len(layouts) + 1.4)
    axes = figure.subplots(len(layouts), 3, sharex=True, sharey=True, squeeze=False)
    for across, layout in zip(axes, layouts, strict=True):
        for ax, mismatch in zip(across, _MISMATCHES, strict=True):
            levels = [found.of(f"{layout}: levels {mismatch}", snr_db=snr_db) for snr_db in SNRS_DB]
            _best_other_line(ax, found, levels)
            _line(ax, [[a.others[PLAIN] == a.cell for a in level] for level in levels], PLAIN, colour=_PLAIN, width=1.5)
            _line(ax, [[a.right for a in level] for level in levels], "trad-array robust", colour=_OURS, width=2.4)
            _percent_axis(ax)
        across[0].set_ylabel(f"{layout}\nright cell, %")
    for ax, (mismatch, text) in zip(axes[0], _MISMATCHES.items(), strict=True):
        ax.set_title(f"{mismatch}: {text}", fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("full-band SNR at the microphones, dB")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle("Which cell vented? Simulated vents of 1 s, RT60 0.4 s (shaded: 95 % intervals)", fontsize=13)
    return figure


def _line(ax: "Axes", levels: Sequence[Sequence[bool]], name: str, *, colour: str, width: float) -> None:
    """Right answers over SNR with their 95 % intervals."""
    n = len(levels[0])
    right = np.array([sum(hits) for hits in levels])
    low, high = wilson(right, n)
    label = f"{name} ({n} scenes)"
    ax.plot(SNRS_DB, 100.0 * right / n, "o-", color=colour, linewidth=width, markersize=4, label=label)
    ax.fill_between(SNRS_DB, 100.0 * low, 100.0 * high, color=colour, alpha=0.15, linewidth=0)


def _best_other_line(ax: "Axes", found: Found, levels: Sequence[Sequence[Answer]]) -> None:
    """At each level the other package or method that has most right there: more than any one of them reaches."""
    others = [method for method in found.methods() if method != PLAIN]
    heard = [[answer for answer in level if all(method in answer.others for method in others)] for level in levels]
    if not others or not all(heard):
        return
    best = [100.0 * max(np.mean([a.others[m] == a.cell for a in level]) for m in others) for level in heard]
    label = f"whichever of {len(others)} other methods is best there ({len(heard[0])} scenes)"
    ax.plot(SNRS_DB, best, "o--", color=_OTHERS, linewidth=1.5, markersize=4, label=label)


def _reliability(found: Found, layouts: Sequence[str]) -> "Figure":
    figure = _new(10.5, 11.2)
    axes = figure.subplots(2, 2).ravel()
    pooled = [_predicted(found, layout) for layout in layouts]
    every = [np.concatenate(parts) for parts in zip(*pooled, strict=True)]
    n = sum(len(found.of(f"{layout}: levels {m}")) for layout in layouts for m in _MISMATCHES)
    reliability_diagram(every[0], every[1].astype(bool), axes[0], title=f"all layouts, {n} maps", colour=_OURS)
    for ax, layout, part in zip(axes[1:], layouts, pooled, strict=False):
        reliability_diagram(*part, ax, title=layout)
    for ax in axes[len(layouts) + 1 :]:
        ax.set_axis_off()
    figure.suptitle(
        "Are the probabilities true? Simulated vents, M0 to M2, -20 to 20 dB\n"
        "(bars: 95 % intervals; numbers: how many cells were given that probability)",
        fontsize=13,
    )
    return figure


def _predicted(found: Found, layout: str) -> tuple["np.ndarray", "np.ndarray"]:
    """Every probability that a cell was given, and whether it was the one."""
    answers = [a for m in _MISMATCHES for a in found.of(f"{layout}: levels {m}")]
    stacked = np.stack([a.probability for a in answers]).astype(np.float64)
    stacked /= stacked.sum(axis=1, keepdims=True)
    return Answers(stacked, np.array([a.cell for a in answers])).predicted_and_hits()


def _coverage(found: Found, layouts: Sequence[str]) -> "Figure":
    figure = _new(4.2 * len(layouts), 4.9)
    axes = figure.subplots(1, len(layouts), sharey=True, squeeze=False)[0]
    for ax, layout in zip(axes, layouts, strict=True):
        ax.axhspan(*_GOAL, color="#e3e3e3", zorder=0)
        for mismatch, colour in _OF_MISMATCH.items():
            for randomised in (False, True):
                _coverage_line(ax, found, layout, mismatch, randomised=randomised, colour=colour)
        ax.set_title(layout)
        ax.set_xlabel("full-band SNR at the microphones, dB")
        ax.grid(color="#eeeeee", linewidth=0.7)
        ax.set_ylim(min(86.0, _lowest(found, layouts)) - 1.0, 101.0)
        ax.set_xticks(SNRS_DB)
    axes[0].set_ylabel("90 % sets that hold the cell, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    n = len(found.of(f"{layouts[0]}: levels M1", snr_db=0.0))
    figure.suptitle(
        f"Do 90 % sets hold the cell? Simulated vents of 1 s, RT60 0.4 s, {n} scenes a point (grey: 88 to 92 %)",
        fontsize=13,
    )
    return figure


def _lowest(found: Found, layouts: Sequence[str]) -> float:
    """Lowest coverage of any point, %."""
    parts = [
        found.of(f"{layout}: levels {m}", snr_db=snr_db)
        for layout in layouts
        for m in _MISMATCHES
        for snr_db in SNRS_DB
    ]
    return min(counts.covered_randomised("", part).value for part in parts)


def _coverage_line(ax: "Axes", found: Found, layout: str, mismatch: str, *, randomised: bool, colour: str) -> None:
    points = []
    for snr_db in SNRS_DB:
        answers = found.of(f"{layout}: levels {mismatch}", snr_db=snr_db)
        points.append(counts.covered_randomised("", answers) if randomised else counts.covered("", answers, goal=None))
    values = np.array([(row.value, row.low, row.high) for row in points]).T
    what = "last cell in part" if randomised else "whole cells"
    style = "o-" if randomised else ":"
    ax.plot(SNRS_DB, values[0], style, color=colour, markersize=4, linewidth=1.6, label=f"{mismatch}, {what}")
    if randomised:
        ax.fill_between(SNRS_DB, values[1], values[2], color=colour, alpha=0.10, linewidth=0)


def _percent_axis(ax: "Axes") -> None:
    ax.set_ylim(-2.0, 104.0)
    ax.set_xticks(SNRS_DB)
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.grid(color="#eeeeee", linewidth=0.7)
    ax.set_axisbelow(True)
