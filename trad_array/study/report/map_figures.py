"""Maps put together: the cells large with the room in small, or a container from above and rack by rack."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.plotting import view_of
from trad_array.plotting_layout import pack_rows
from trad_array.study.records import Box
from trad_array.study.report.maps import error_map, rack_map, right_map, room_view
from trad_array.study.report.scores import ByCell
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Inches: height of the map, least and largest width of it, width of the room in small.
_TALL_IN, _WIDE_IN, _ROOM_IN = 5.0, (5.5, 11.0), 3.2


def new_figure(width_in: float, height_in: float) -> "Figure":
    """An empty figure that fits its content to its size."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def map_figure(layout: Layout, by_cell: ByCell, *, boxes: Sequence[Box] = (), error: bool = False) -> "Figure":
    """The map of a layout: where packs are stacked, also each row of racks from the side.

    Parameters
    ----------
    layout : with the microphones of the choice
    by_cell : counts at the condition to draw
    boxes : racks and lids, outlined
    error : the distance from the named to the true cell, rather than the share in the right cell
    """
    rows = pack_rows(layout)
    if rows:
        return _container(layout, by_cell, rows, boxes=boxes, error=error)
    low, high = view_of(layout, whole=False)
    main_in = float(np.clip(_TALL_IN * (high - low)[0] / (high - low)[1], *_WIDE_IN)) + 1.6
    figure = new_figure(main_in + _ROOM_IN, _TALL_IN + 1.2)
    grid = figure.add_gridspec(2, 2, width_ratios=(main_in, _ROOM_IN))
    draw = error_map if error else right_map
    draw(layout, by_cell, figure.add_subplot(grid[:, 0]), boxes=boxes)
    for row, above in enumerate((True, False)):
        ax = figure.add_subplot(grid[row, 1])
        room_view(layout, ax, above=above, boxes=boxes)
        ax.set_title("the room from above" if above else "and from the side", fontsize=9)
        ax.set_xlabel("x, m", fontsize=8)
        ax.set_ylabel("y, m" if above else "z, m", fontsize=8)
    return figure


def _container(
    layout: Layout, by_cell: ByCell, rows: Sequence[NDArray[np.intp]], *, boxes: Sequence[Box], error: bool
) -> "Figure":
    figure = new_figure(13.5, 5.8 + 5.6 * len(rows))
    axes = figure.subplots(1 + len(rows), 1)
    draw = error_map if error else right_map
    draw(layout, by_cell, axes[0], boxes=boxes, whole=True)
    axes[0].set_xlabel("x, m (all levels together)")
    order = np.argsort([-layout.cells[np.isin(layout.cell_packs, packs), 1].mean() for packs in rows])
    for ax, k in zip(axes[1:], order, strict=True):
        packs = rows[int(k)]
        y_m = float(layout.cells[np.isin(layout.cell_packs, packs), 1].mean())
        rack_map(layout, by_cell, ax, packs=packs, side=f"Racks at y = {y_m:.2f} m", boxes=boxes, error=error)
    return figure
