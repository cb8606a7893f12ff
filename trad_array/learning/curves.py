"""The loss of every epoch, drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def loss_curve(losses: Sequence[float], ax: "Axes", *, title: str = "") -> "Axes":
    """Draw the mean training loss of every epoch on `ax` and return it; the scale is logarithmic."""
    ax.plot(range(1, len(losses) + 1), losses, marker="." if len(losses) < 50 else "", color="#0072B2")
    ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean training loss")
    ax.set_title(title)
    ax.grid(visible=True, which="both", alpha=0.3)
    return ax
