"""Pictures of a calibration. Every function draws on a given Axes and returns it; none shows or saves anything."""

from typing import TYPE_CHECKING

import numpy as np

from trad_array.array_calibration.calibrate import Calibration
from trad_array.plotting import BLACK, GREEN, VERMILION
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#888888"


def microphone_steps(
    assumed: Layout, calibrated: Layout, ax: "Axes", *, truth: Layout | None = None, enlarge: float = 5.0
) -> "Axes":
    """Microphones from above: where the layout had them, where the calibration puts them, and where they are if known.

    Steps of a few centimetres at an array of a metre cannot be seen: they are drawn `enlarge` times as long.

    Parameters
    ----------
    assumed, calibrated : the layout before and after, with the same microphones
    ax : the axes to draw on
    truth : of a simulation, where they really are
    """
    from matplotlib.patches import Rectangle

    width, depth = assumed.cell_size_m
    for x, y, _ in assumed.cells:
        ax.add_patch(Rectangle((x - width / 2, y - depth / 2), width, depth, facecolor="white", edgecolor="#CCCCCC"))
    start = assumed.mics[:, :2]
    found = start + enlarge * (calibrated.mics[:, :2] - start)
    ax.scatter(start[:, 0], start[:, 1], s=60, facecolor="white", edgecolor=GREY, label="layout before", zorder=3)
    if truth is not None:
        real = start + enlarge * (truth.mics[:, :2] - start)
        ax.scatter(real[:, 0], real[:, 1], s=90, marker="x", color=BLACK, label="true", zorder=4)
    ax.scatter(found[:, 0], found[:, 1], s=40, color=VERMILION, label="calibrated", zorder=5)
    for k, name in enumerate(assumed.mic_names):
        ax.annotate("", found[k], start[k], arrowprops={"arrowstyle": "->", "color": VERMILION}, zorder=4)
        steps = 1e3 * (calibrated.mics[k] - assumed.mics[k])
        delay_us = 1e6 * calibrated.mic_delay_s[k]
        above = start[k, 1] > assumed.cells[:, 1].mean()
        ax.annotate(
            f"{name}: {np.linalg.norm(steps):.0f} mm ({steps[2]:+.0f} up), {delay_us:+.0f} us",
            start[k],
            xytext=(0, 42 if above else -42),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=9,
        )
    ax.set_aspect("equal")
    ax.margins(0.22)
    ax.set_xlabel("x, m")
    ax.set_ylabel("y, m")
    ax.set_title(f"Microphones from above, steps {enlarge:g} times as long")
    ax.legend(loc="center", fontsize=9)
    return ax


def sound_residuals(calibration: Calibration, ax: "Axes") -> "Axes":
    """What was left of the arrival times of each sound before and after, as bars; sounds that were left out are hollow.

    The axis is logarithmic: after a calibration the bars are often a hundredth of what they were.
    """
    sounds = calibration.sounds
    x = np.arange(len(sounds))
    before = [max(sound.before_us, 1.0) for sound in sounds]
    after = [max(sound.after_us, 1.0) for sound in sounds]
    ax.bar(x - 0.2, before, 0.4, color="#BBBBBB", label="before")
    bars = ax.bar(x + 0.2, after, 0.4, color=GREEN, label="after")
    for bar, sound in zip(bars, sounds, strict=True):
        if not sound.used:
            bar.set_facecolor("white")
            bar.set_edgecolor(VERMILION)
    for position, sound in zip(x, sounds, strict=True):
        for place, left_us in ((position - 0.2, sound.before_us), (position + 0.2, sound.after_us)):
            ax.text(place, max(left_us, 1.0), f"{left_us:.0f}", ha="center", va="bottom", fontsize=8)
    ax.set_yscale("log")
    ax.set_ylim(1.0, 3.0 * max(before + after))
    ax.set_xticks(x, [sound.name for sound in sounds], rotation=30)
    ax.set_ylabel("residual of the arrival times, us (rms)")
    ax.set_title(
        f"Delay error at the worst cell: expected {calibration.before.worst_us:.0f} us before, "
        f"{calibration.after.worst_us:.0f} us after"
    )
    ax.legend(loc="upper right", fontsize=9)
    return ax
