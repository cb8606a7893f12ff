"""Many layouts in small on one sheet: the ten best, and those that a search went through. Figures in, Figures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.study.records import Box
from trad_array.study.report.maps import room_view
from trad_array.study.report.scores import ByCell
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Layouts on a sheet.
MOST = 10
_ACROSS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """One layout of a sheet.

    layout : with its microphones; by_cell : counts that colour its cells, or None
    words : above it, one line or two
    """

    layout: Layout
    words: str
    by_cell: ByCell | None = None


def contact_sheet(shown: Sequence[Small], figure: "Figure", *, boxes: Sequence[Box] = ()) -> "Figure":
    """Each layout from above and from the side, five across.

    Parameters
    ----------
    shown : at most ten
    figure : empty, see `sheet_size`
    boxes : racks and lids, outlined
    """
    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    view_m = common_view(shown)
    above, side = _heights(view_m)
    ratios = [above, side] * down
    axes = figure.subplots(2 * down, across, squeeze=False, height_ratios=ratios)
    for k in range(down * across):
        row, column = divmod(k, across)
        pair = axes[2 * row][column], axes[2 * row + 1][column]
        if k >= len(shown):
            for ax in pair:
                ax.set_axis_off()
            continue
        _draw(shown[k], *pair, boxes=boxes, first=column == 0, view_m=view_m)
    return figure


def sheet_size(shown: Sequence[Small]) -> tuple[float, float]:
    """Width and height of a figure that holds them, inches."""
    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    width = 2.9
    above, side = _heights(common_view(shown))
    return max(width * across, 6.0), down * (width * 0.85 * (above + side) + 1.2)


def common_view(shown: Sequence[Small]) -> NDArray[np.float64]:
    """Lowest and highest corner around the cells and microphones of all of them, within the room; shape (2, 3), m."""
    points = np.concatenate([np.concatenate([small.layout.cells, small.layout.mics]) for small in shown])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum(0.12 * (high - low).max(), 0.25)
    view = np.stack([low - margin, high + margin])
    box = shown[0].layout.box_m
    return view if box is None else np.stack([np.maximum(view[0], box[0]), np.minimum(view[1], box[1])])


def _heights(view_m: NDArray[np.float64]) -> tuple[float, float]:
    """Height of the view from above and from the side when it is 1 wide."""
    length, depth, tall = view_m[1] - view_m[0]
    return max(float(depth / length), 0.2), max(float(tall / length), 0.2)


def _draw(
    small: Small, above: "Axes", side: "Axes", *, boxes: Sequence[Box], first: bool, view_m: NDArray[np.float64]
) -> None:
    room_view(small.layout, above, above=True, by_cell=small.by_cell, boxes=boxes, view_m=view_m)
    room_view(small.layout, side, above=False, by_cell=small.by_cell, boxes=boxes, view_m=view_m)
    above.set_title(small.words, fontsize=9)
    above.tick_params(labelbottom=False)
    side.set_xlabel("x, m", fontsize=8)
    if first:
        above.set_ylabel("y, m", fontsize=8)
        side.set_ylabel("z, m", fontsize=8)
