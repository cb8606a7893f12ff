"""How sure a map is, drawn on top of its cells: the outline of the credible set, the place elsewhere, the legend."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.records import CellMap
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A place elsewhere that is less probable than this is not worth a mark (our choice).
SHOWN_ELSEWHERE = 0.2
# Cells that hold less than this together are not worth an outline.
_LEAST_CELLS = 0.1
# A place beyond the picture is marked this far from its edge, as a share of the longer side.
_RIM = 0.12
# Lowest and highest x, y of a picture, m.
View = tuple[NDArray[np.float64], NDArray[np.float64]]
_OUTLINE, _ELSEWHERE, _FAINT = "#000000", "#B0378A", "#777777"


def marked_place(cell_map: CellMap) -> tuple[float, float, float] | None:
    """The place elsewhere that a picture of the map should show, m, or None."""
    return cell_map.place_m if cell_map.elsewhere >= SHOWN_ELSEWHERE else None


def outlined_cells(cell_map: CellMap, shown: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those cells of the 90 % credible set that are in the picture; none where hardly a cell made the sound."""
    if cell_map.elsewhere > 1.0 - _LEAST_CELLS:
        return np.zeros(0, dtype=np.intp)
    return np.intersect1d(np.array(cell_map.credible_set(), dtype=np.intp), shown)


def view_with(view: View, cell_map: CellMap) -> View:
    """The picture enlarged for a place elsewhere: by a rim for an arrow, or so that the place itself is inside.

    The latter where no cell is meant and the place is near, so that the cells do not get too small to be read.
    """
    low, high = view
    place_m = marked_place(cell_map)
    if place_m is None:
        return view
    at, rim = np.array(place_m[:2]), _RIM * float((high - low).max())
    wider = np.minimum(low, at - 1.5 * rim), np.maximum(high, at + 1.5 * rim)
    near = float((wider[1] - wider[0]).max()) <= 1.5 * float((high - low).max())
    return wider if near and not cell_map.from_a_cell else (low - rim, high + rim)


def outline_cells(ax: "Axes", layout: Layout, cells: NDArray[np.intp], *, dashed: bool) -> None:
    """One bold line around some cells; neighbours share it, islands get one each.

    dashed : fainter, for a set that only counts if a cell made the sound
    """
    from matplotlib.collections import LineCollection

    if not len(cells):
        return
    lines = outline_segments(layout, cells)
    # A white line below keeps the black one apart from dark cells and their frames.
    for colour, width, above in (("white", 5.5, 4.0), (_FAINT if dashed else _OUTLINE, 2.0 if dashed else 3.0, 4.1)):
        style = (0, (4, 2)) if dashed and colour != "white" else "solid"
        ax.add_collection(
            LineCollection(
                lines, colors=colour, linewidths=width, linestyles=[style], capstyle="projecting", zorder=above
            )
        )


def outline_segments(layout: Layout, cells: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Border of the union of cells seen from above, each grown by half the gap to its neighbours; m.

    Returns
    -------
    list of arrays, shape (2, 2): x, y of both ends of a straight piece
    """
    half = np.array(layout.cell_size_m) / 2 + _half_gaps(layout)
    centres = layout.cells[cells, :2]
    low, high = np.round(centres - half, 5), np.round(centres + half, 5)
    xs, ys = (np.unique(np.concatenate([low[:, k], high[:, k]])) for k in (0, 1))
    # Which fields of the grid made of all edges belong to a cell, with an empty rim.
    inside = np.zeros((len(xs) + 1, len(ys) + 1), dtype=np.bool_)
    first = np.searchsorted(xs, low[:, 0]), np.searchsorted(ys, low[:, 1])
    last = np.searchsorted(xs, high[:, 0]), np.searchsorted(ys, high[:, 1])
    for x0, y0, x1, y1 in zip(*first, *last, strict=True):
        inside[x0 + 1 : x1 + 1, y0 + 1 : y1 + 1] = True
    upright = np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])
    level = np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])
    return [
        *(np.array([[xs[i], ys[j]], [xs[i], ys[j + 1]]]) for i, j in upright),
        *(np.array([[xs[i], ys[j]], [xs[i + 1], ys[j]]]) for i, j in level),
    ]


def mark_elsewhere(
    ax: "Axes",
    view: View,
    place_m: tuple[float, float, float],
    text: str,
) -> None:
    """A diamond at the best place that is no cell; beyond the picture, an arrow at its edge in that direction."""
    low, high = view
    centre, at = (low + high) / 2, np.array(place_m[:2])
    reach = (high - low) / 2 - _RIM * float((high - low).max())
    share = float((np.abs(at - centre) / reach).max())
    shown = at if share <= 1.0 else centre + (at - centre) / share
    if share > 1.0:
        tip = shown + (at - centre) / np.linalg.norm(at - centre) * 0.6 * _RIM * float((high - low).max())
        arrow = {"arrowstyle": "-|>,head_length=0.7,head_width=0.4", "color": _ELSEWHERE, "linewidth": 3.0}
        ax.annotate("", xy=(tip[0], tip[1]), xytext=(shown[0], shown[1]), arrowprops=arrow, zorder=8)
        text += f", {np.linalg.norm(at - shown):.1f} m further"
    ax.plot(*shown, marker="D", markersize=11, color=_ELSEWHERE, markeredgecolor="white", markeredgewidth=1.5, zorder=9)
    right, above = shown[0] > centre[0], shown[1] >= centre[1]
    # Beside an arrow that points up or down, else above or below.
    beside = share > 1.0 and abs(at[1] - centre[1]) > abs(at[0] - centre[0])
    aside, over = (-16 if right else 16, 0) if beside else (12 if right else -12, 14 if above else -14)
    ax.annotate(
        text,
        (shown[0], shown[1]),
        xytext=(aside, over),
        textcoords="offset points",
        ha="right" if right else "left",
        va="center" if beside else "bottom" if above else "top",
        fontsize=10,
        color=_ELSEWHERE,
        fontweight="bold",
        zorder=9,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": _ELSEWHERE, "alpha": 0.92},
    )


def certainty_legend(ax: "Axes", *, best: str | None, outlined: bool, marked: bool) -> None:
    """What frame, outline and diamond mean, below the picture.

    best : colour of the best cell's frame, or None when no cell has one
    outlined : whether the credible set is
    marked : whether the place elsewhere is drawn
    """
    from matplotlib.lines import Line2D

    entries: list[Line2D] = []
    if best is not None:
        frame = Line2D([], [], linestyle="none", marker="s", markersize=12, color="white", label="best cell")
        frame.set(markeredgecolor=best, markeredgewidth=3.5)
        entries.append(frame)
    if outlined and best is not None:
        entries.append(Line2D([], [], color=_OUTLINE, linewidth=3.0, label="90 % set"))
    elif outlined:
        label = "90 % set, if it was a cell at all"
        entries.append(Line2D([], [], color=_FAINT, linewidth=2.0, linestyle="--", label=label))
    if marked:
        label = "best place that is no cell"
        entries.append(Line2D([], [], linestyle="none", marker="D", color=_ELSEWHERE, markersize=9, label=label))
    entries.append(Line2D([], [], linestyle="none", marker="o", color="black", markersize=8, label="microphone"))
    ax.legend(
        handles=entries,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.085),
        ncols=len(entries),
        frameon=False,
        fontsize=10,
    )


def _half_gaps(layout: Layout) -> NDArray[np.float64]:
    """Half of the gap between neighbouring cells along x and y, m; a little where cells stand far apart."""
    gaps = np.zeros(2)
    for axis, size in enumerate(layout.cell_size_m):
        steps = np.diff(np.unique(np.round(layout.cells[:, axis], 4)))
        step = float(steps[steps > 0.5 * size].min(initial=np.inf))
        gaps[axis] = 0.5 * min(max(step - size, 0.0), 0.12 * size)
    return gaps
