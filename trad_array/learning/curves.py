"""The loss of every epoch, drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def loss_curve(
    losses: Sequence[float], ax: "Axes", *, title: str = "", label: str = "", colour: str = "#0072B2"
) -> "Axes":
    """Draw the mean training loss of every epoch on `ax` and return it; the scale is logarithmic.

    With a label for a legend, several may be drawn on one `ax`.
    """
    marker = "." if len(losses) < 50 else ""
    ax.plot(range(1, len(losses) + 1), losses, marker=marker, color=colour, label=label or None)
    ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean training loss")
    ax.set_title(title)
    ax.grid(visible=True, which="both", alpha=0.3)
    return ax
