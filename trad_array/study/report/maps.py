"""The site, coloured by how often the right cell is named and by how far off the named one is. Axes in, Axes out."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trad_array.plotting import (
    BLACK,
    GREEN,
    PROBABILITY_MAP,
    VERMILION,
    frame_view,
    label_rotation,
    mark_points,
    view_of,
)
from trad_array.plotting_layout import CONFUSION_MAP, mark_mics_from_the_side
from trad_array.study.records import Box
from trad_array.study.report.places import (
    ENOUGH,
    Fields,
    cells_from_the_side,
    enough,
    from_above,
    packs_from_the_side,
    stacks,
)
from trad_array.study.report.scores import ByCell, no_cells
from trad_array.study.report.shares import Share, percent
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#777777"
NOT_STUDIED = "#EEEEEE"
# More fields than this carry no names.
_NAMED = 80
_EDGE = "#999999"


def right_map(layout: Layout, by_cell: ByCell, ax: "Axes", *, boxes: Sequence[Box] = (), whole: bool = False) -> "Axes":
    """Cells seen from above, coloured by the share of their vents that were put in the right cell; the worst framed.

    Parameters
    ----------
    layout : with the microphones of the choice
    by_cell : see `trad_array.study.report.scores`
    ax : the axes to draw on
    boxes : racks and lids, outlined
    whole : whether microphones far from the cells are in view, rather than at its edge
    """
    fields = from_above(layout, by_cell)
    _draw_above(layout, fields, ax, boxes=boxes, whole=whole, values=fields.p, scale=_right_scale(), words=_share_words)
    if len(fields) > _NAMED:
        _name_stacks(layout, by_cell, ax)
    worst = fields.worst()
    if worst is not None and len(fields) <= _NAMED and _has_worst(by_cell):
        _frame(ax, fields, worst)
    colour_bar(ax, _right_scale(), "vents put in the right cell, %", percent_ticks=True)
    ax.set_title(right_title(layout, by_cell))
    return ax


def error_map(layout: Layout, by_cell: ByCell, ax: "Axes", *, boxes: Sequence[Box] = (), whole: bool = False) -> "Axes":
    """Cells seen from above, coloured by the mean distance from the named to the true cell.

    Parameters as of `right_map`.
    """
    fields = from_above(layout, by_cell)
    scale = _error_scale(layout, fields.error_m)
    _draw_above(layout, fields, ax, boxes=boxes, whole=whole, values=fields.error_m, scale=scale, words=_error_words)
    known = np.isfinite(fields.error_m)
    if known.any() and len(fields) <= _NAMED and _has_worst(by_cell):
        _frame(ax, fields, int(np.nanargmax(fields.error_m)))
    colour_bar(ax, scale, "mean distance from the named to the true cell, m")
    ax.set_title(error_title(layout, by_cell))
    return ax


def rack_map(
    layout: Layout,
    by_cell: ByCell,
    ax: "Axes",
    *,
    packs: NDArray[np.intp],
    side: str,
    boxes: Sequence[Box] = (),
    error: bool = False,
) -> "Axes":
    """Packs of one rack row seen from the side, coloured by their share of vents in the right cell; the worst framed.

    Parameters
    ----------
    packs : indices of the packs to draw, see `trad_array.plotting_layout.pack_rows`
    side : what to call them in the title
    error : colour them by the mean distance from the named to the true cell instead
    """
    fields = packs_from_the_side(layout, by_cell, packs)
    everywhere = packs_from_the_side(layout, by_cell, np.arange(len(layout.pack_names)))
    values = fields.error_m if error else fields.p
    scale = _error_scale(layout, everywhere.error_m) if error else _right_scale()
    words = _error_words if error else _share_words
    _draw_fields(ax, fields, values, scale)
    for k, name in enumerate(fields.names):
        text = f"{name}\n{words(fields, k)}" if fields.n[k] else name
        dark = bool(np.isfinite(values[k]) and scale[0](values[k]) > 0.55)
        _write(ax, fields.centres[k], text, dark=dark, size=8.0, rotation=0.0)
    mark_mics_from_the_side(layout, ax, packs)
    _outline_boxes(ax, boxes, (0, 2))
    ax.set_aspect("equal")
    ax.margins(0.03, 0.08)
    ax.set_xlabel("x, m (microphones: filled before the packs, hollow behind them)")
    ax.set_ylabel("z, m")
    said = ""
    if np.isfinite(values).any() and by_cell.total.hits < by_cell.total.n:
        worst = int(np.nanargmax(values) if error else np.nanargmin(values))
        _frame(ax, fields, worst)
        said = f"; worst pack {fields.names[worst]}, "
        said += distance(float(values[worst])) if error else str(fields.share(worst))
    ax.set_title(f"{side}{said}")
    return ax


def room_view(
    layout: Layout,
    ax: "Axes",
    *,
    above: bool,
    by_cell: ByCell | None = None,
    boxes: Sequence[Box] = (),
    view_m: NDArray[np.float64] | None = None,
) -> "Axes":
    """The room in small, from above or from the side: walls, cells, boxes, microphones, guard points; no names.

    Parameters
    ----------
    layout : with the microphones of the choice
    ax : the axes to draw on
    above : from above, rather than from the side
    by_cell : counts that colour the cells as in `right_map`, or None
    boxes : racks and lids, outlined
    view_m : (2, 3), m, lowest and highest corner of what is shown; None shows the whole room
    """
    blank = no_cells() if by_cell is None else by_cell
    fields = from_above(layout, blank) if above else cells_from_the_side(layout, blank)
    _draw_fields(ax, fields, fields.p, _right_scale(), edge=0.45)
    axes = (0, 1) if above else (0, 2)
    _outline_boxes(ax, boxes, axes, names=False)
    if len(layout.guards):
        ax.plot(*layout.guards[:, axes].T, "^", color=GREEN, markersize=4, linestyle="none", zorder=5)
    ax.plot(
        *layout.mics[:, axes].T, "o", color=BLACK, markeredgecolor="white", markersize=6, linestyle="none", zorder=6
    )
    _frame_room(ax, layout, axes, view_m)
    ax.set_aspect("equal")
    ax.tick_params(labelsize=7)
    return ax


def right_title(layout: Layout, by_cell: ByCell) -> str:
    """What the map says, in one line."""
    if not by_cell.total.n:
        return f"{layout.id}: nothing vented"
    said = f"{layout.id}: the right cell in {by_cell.total} of vents"
    return f"{said}\n{worst_words(layout, by_cell)}"


def worst_words(layout: Layout, by_cell: ByCell) -> str:
    """The worst cell, or the worst pack where each cell vented too seldom to say."""
    worst = by_cell.worst()
    if worst is None:
        return "nothing vented"
    if len(by_cell.names) == 1:
        return "one cell was studied"
    if by_cell.total.hits == by_cell.total.n:
        return "no vent was put in a wrong cell"
    if enough(by_cell):
        return f"worst cell {worst[0]}: {worst[1]}"
    if len(layout.pack_names) > 1:
        packs = packs_from_the_side(layout, by_cell, np.arange(len(layout.pack_names)))
        k = packs.worst()
        if k is not None and packs.n[k] >= ENOUGH:
            return f"worst pack {packs.names[k]}: {packs.share(k)}"
    return f"too few vents a cell ({np.median(by_cell.n):.0f}) to name the worst"


def _has_worst(by_cell: ByCell) -> bool:
    """Whether one cell can be told to be the worst."""
    return enough(by_cell) and by_cell.total.hits < by_cell.total.n


def error_title(layout: Layout, by_cell: ByCell) -> str:
    """What the map of errors says, in one line."""
    mean = by_cell.mean_error_m
    if not np.isfinite(mean):
        return f"{layout.id}: nothing vented"
    wrong = by_cell.total.n - by_cell.total.hits
    when_wrong = (
        f"\nwhen the wrong cell is named, it is {distance(mean * by_cell.total.n / wrong)} away" if wrong else ""
    )
    return f"{layout.id}: the named cell is {distance(mean)} from the true one on average{when_wrong}"


def distance(metres: float) -> str:
    """A distance for a person; nought is only said of nought."""
    if 0 < metres < 0.0005:
        return "< 1 mm"
    return f"{1000 * metres:.0f} mm" if metres < 0.0995 else f"{metres:.2f} m"


def colour_bar(ax: "Axes", scale: tuple[Any, Any], label: str, *, percent_ticks: bool = False) -> None:
    """The colours of a map beside it."""
    from matplotlib.cm import ScalarMappable

    figure = ax.get_figure()
    if figure is None:
        return
    norm, colours = scale
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=ax, fraction=0.025, pad=0.02)
    if percent_ticks:
        ticks = np.linspace(0, 1, 6)
        bar.set_ticks(list(ticks), labels=[f"{100 * tick:.0f}" for tick in ticks])
    bar.set_label(label)


def _right_scale() -> tuple[Any, Any]:
    """From 0 to 100 % on every map, so that maps can be compared."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    return Normalize(0.0, 1.0), colormaps[PROBABILITY_MAP]


def _error_scale(layout: Layout, error_m: NDArray[np.float64]) -> tuple[Any, Any]:
    """From 0 to the largest error, but never less than a cell's length: smaller errors are no alarm in dark red."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    largest = float(np.nanmax(error_m)) if np.isfinite(error_m).any() else 0.0
    return Normalize(0.0, max(largest, *layout.cell_size_m)), colormaps[CONFUSION_MAP]


def _share_words(fields: Fields, k: int) -> str:
    return percent(float(fields.p[k]))


def _error_words(fields: Fields, k: int) -> str:
    return distance(float(fields.error_m[k])).replace(" m", "\u2009m")


def _draw_above(
    layout: Layout,
    fields: Fields,
    ax: "Axes",
    *,
    boxes: Sequence[Box],
    whole: bool,
    values: NDArray[np.float64],
    scale: tuple[Any, Any],
    words: Callable[[Fields, int], str],
) -> None:
    from matplotlib.text import Annotation

    norm, _ = scale
    _draw_fields(ax, fields, values, scale)
    if len(fields) <= _NAMED:
        for k, name in enumerate(fields.names):
            text = f"{name}\n{words(fields, k)}" if fields.n[k] else name
            dark = bool(np.isfinite(values[k]) and norm(values[k]) > 0.55)
            _write(ax, fields.centres[k], text.strip(), dark=dark, size=7.5, rotation=label_rotation(layout))
    view = view_of(layout, whole=whole)
    if whole and layout.box_m is not None:
        # What stands at the walls is still inside the picture.
        rim = 0.08 * float((layout.box_m[1] - layout.box_m[0])[:2].max())
        view = np.maximum(view[0], layout.box_m[0, :2] - rim), np.minimum(view[1], layout.box_m[1, :2] + rim)
    _outline_boxes(ax, boxes, (0, 1))
    mark_points(ax, layout, view)
    # Microphones above cells: their names must not run into those of the cells.
    for note in ax.texts:
        if isinstance(note, Annotation):
            note.set_text(note.get_text().replace(" m high)", " m)"))
            note.set(
                fontsize=7, bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            )
    frame_view(ax, view)


def _draw_fields(
    ax: "Axes", fields: Fields, values: NDArray[np.float64], scale: tuple[Any, Any], *, edge: float = 0.6
) -> None:
    """All fields as one collection: a container has thousands."""
    from matplotlib.collections import PolyCollection

    norm, colours = scale
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    outlines = fields.centres[:, None] + corners * fields.sizes[:, None]
    drawn = PolyCollection(
        list(outlines),
        array=np.ma.masked_invalid(values),
        norm=norm,
        cmap=colours.with_extremes(bad=NOT_STUDIED),
        # Thin lines in the colour of the fields close the seams between them.
        edgecolors="face" if edge < 0.5 and np.isfinite(values).any() else _EDGE,
        linewidths=edge if len(fields) <= _NAMED or edge < 0.5 else 0.2,
    )
    ax.add_collection(drawn)
    ax.autoscale_view()


def _write(ax: "Axes", at: NDArray[np.float64], text: str, *, dark: bool, size: float, rotation: float) -> None:
    ax.text(
        float(at[0]),
        float(at[1]),
        text,
        ha="center",
        va="center",
        fontsize=size,
        linespacing=1.35,
        color="white" if dark else "black",
        rotation=rotation,
        clip_on=True,
        zorder=4.5,
    )


def _name_stacks(layout: Layout, by_cell: ByCell, ax: "Axes") -> None:
    """Where packs stand on top of each other: the name of each stack and its share."""
    from trad_array.study.report.places import cell_counts

    n, right, _ = cell_counts(layout, by_cell)
    for name, at, cells in stacks(layout):
        share = Share(int(right[cells].sum()), int(n[cells].sum()))
        ax.text(
            float(at[0]),
            float(at[1]),
            name if not share.n else f"{name}\n{percent(share.p)}",
            ha="center",
            va="center",
            fontsize=9,
            zorder=5,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": _EDGE, "alpha": 0.9},
        )


def _frame(ax: "Axes", fields: Fields, k: int) -> None:
    """The worst one."""
    from matplotlib.patches import Rectangle

    width, height = fields.sizes[k]
    corner = fields.centres[k] - fields.sizes[k] / 2
    ax.add_patch(
        Rectangle(
            (float(corner[0]), float(corner[1])),
            float(width),
            float(height),
            fill=False,
            edgecolor=VERMILION,
            linewidth=3.0,
            zorder=4.2,
            label="worst",
        )
    )


def _outline_boxes(ax: "Axes", boxes: Sequence[Box], axes: tuple[int, int], *, names: bool = True) -> None:
    """Racks and lids: dashed, with their names."""
    from matplotlib.patches import Rectangle

    for box in boxes:
        (x0, y0), (x1, y1) = ((corner[axes[0]], corner[axes[1]]) for corner in (box.min_m, box.max_m))
        ax.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=GREY, linewidth=1.2, linestyle="--", zorder=3)
        )
        if names:
            ax.text(x0, y1, f" {box.name}", fontsize=7, color=GREY, va="bottom", ha="left", clip_on=True, zorder=3)


def _frame_room(ax: "Axes", layout: Layout, axes: tuple[int, int], view_m: NDArray[np.float64] | None) -> None:
    """The walls, and limits around what is shown."""
    from matplotlib.patches import Rectangle

    if layout.box_m is not None:
        (x0, y0), (x1, y1) = (corner[list(axes)] for corner in layout.box_m)
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=BLACK, linewidth=1.0, zorder=2))
        view_m = layout.box_m if view_m is None else view_m
    if view_m is None:
        ax.margins(0.08)
        return
    low, high = (corner[list(axes)] for corner in view_m)
    margin = 0.03 * float((high - low).max())
    ax.set_xlim(low[0] - margin, high[0] + margin)
    ax.set_ylim(low[1] - margin, high[1] + margin)
