"""Pictures of what an array can tell apart. Every function draws on a given Axes and returns it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trad_array.plotting import BLACK, draw_cell, frame_view, label_rotation, mark_points, view_of
from trad_array_geometry import Layout
from trad_array_geometry.confusion import Rivals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One hue from white to dark on a logarithmic scale: once in ten thousand is nothing to worry about, one half is a coin
# toss.
CONFUSION_MAP = "OrRd"
LOWEST, HIGHEST = 1e-4, 0.5

# Above this a matrix has no room for numbers, and names get smaller.
_ROOMY = 26


def confusion_sentence(layout: Layout, worst: Rivals) -> str:
    """The two cells most easily taken for each other, and how many are in danger, in one line."""
    if layout.n_cells == 1:
        return "There is one cell only: nothing to be taken for it."
    cell = int(worst.probability.argmax())
    names = f"{layout.cell_names[cell]} for {layout.cell_names[worst.cell[cell]]}"
    often = int((worst.probability >= 0.01).sum())
    many = f"{often} of {layout.n_cells} cells are mixed up once in a hundred times or more"
    few = f"none of the {layout.n_cells} cells is mixed up as often as once in a hundred times"
    return f"Most easily taken: {names}, {share(worst.probability[cell])}; {many if often else few}"


def confusion_matrix_plot(matrix: NDArray[np.float64], names: tuple[str, ...], ax: "Axes") -> "Axes":
    """Which cell is taken for which: rows vent, columns are named instead.

    Parameters
    ----------
    matrix : array, shape (n, n), 0 to 0.5, see `trad_array_geometry.confusion.confusion_matrix`
    names : of the n cells
    ax : the axes to draw on
    """
    n, roomy = len(names), len(names) <= _ROOMY
    shown = np.ma.masked_where(np.eye(n, dtype=bool), np.maximum(matrix, LOWEST))
    ax.imshow(
        shown, cmap=_colours().with_extremes(bad="#DDDDDD"), norm=_scale(), interpolation="nearest", aspect="equal"
    )
    size = 9.0 if roomy else 6.0
    ax.set_xticks(range(n), names, rotation=90, fontsize=size)
    ax.set_yticks(range(n), names, fontsize=size)
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#EEEEEE", linewidth=0.8 if roomy else 0.4)
    ax.tick_params(which="minor", length=0)
    if roomy:
        for true, other in np.argwhere(shown.filled(0.0) >= 10 * LOWEST):
            p = float(matrix[true, other])
            ink = "white" if p > 0.08 else "black"
            ax.text(other, true, share(p, unit=""), ha="center", va="center", fontsize=8, color=ink)
    ax.set_xlabel("cell that is named instead")
    ax.set_ylabel("cell that vents")
    ax.set_title("Taken for which cell?" + (" (per cent)" if roomy else ""))
    return ax


def confusion_map(layout: Layout, worst: Rivals, ax: "Axes") -> "Axes":
    """Cells seen from above, coloured by how easily the worst rival is taken for them; microphones marked.

    Names are left out where there are more than 60 cells.
    """
    colours, scale = _colours(), _scale()
    for k, (name, (x, y, _)) in enumerate(zip(layout.cell_names, layout.cells, strict=True)):
        p = float(worst.probability[k])
        draw_cell(ax, layout, x, y, colours(scale(max(p, LOWEST))))
        if layout.n_cells <= 60:
            ax.text(
                x,
                y,
                name if p < LOWEST else f"{name}\n{share(p)}",
                ha="center",
                va="center",
                fontsize=7,
                linespacing=1.4,
                rotation=label_rotation(layout),
                color="white" if p > 0.08 else "black",
                clip_on=True,
            )
    view = view_of(layout, whole=False)
    mark_points(ax, layout, view)
    frame_view(ax, view)
    ax.set_title("Seen from above: how often its worst rival is named")
    return ax


def pack_map(layout: Layout, worst: Rivals | None, ax: "Axes", *, packs: NDArray[np.intp], side: str) -> "Axes":
    """Packs of one rack row seen from the side, coloured by their worst cell; the microphones nearest to them marked.

    Parameters
    ----------
    worst : Rivals, or None to draw the packs alone
    packs : array, indices of the packs to draw
    side : what to call them in the title
    """
    from matplotlib.patches import Rectangle

    colours, scale = _colours(), _scale()
    width, _ = layout.cell_size_m
    heights = np.unique(np.round(layout.cells[:, 2], 4))
    tall = 0.8 * float(np.diff(heights).min(initial=1.0))
    for pack in packs:
        mine = np.flatnonzero(layout.cell_packs == pack)
        low, high = layout.cells[mine].min(axis=0), layout.cells[mine].max(axis=0)
        p = 0.0 if worst is None else float(worst.probability[mine].max())
        corner, long = (low[0] - width / 2, low[2] - tall), high[0] - low[0] + width
        face = "white" if worst is None else colours(scale(max(p, LOWEST)))
        ax.add_patch(Rectangle(corner, long, tall, facecolor=face, edgecolor="#999999"))
        text = layout.pack_names[pack] + ("" if p < LOWEST else f"  {share(p)}")
        ink = "white" if p > 0.08 else "black"
        ax.text(corner[0] + long / 2, corner[1] + tall / 2, text, ha="center", va="center", fontsize=7, color=ink)
    mark_mics_from_the_side(layout, ax, packs)
    ax.set_aspect("equal")
    ax.margins(0.03, 0.1)
    ax.set_xlabel("x, m (microphones: filled before the packs, hollow behind them)")
    ax.set_ylabel("z, m")
    ax.set_title(side)
    return ax


def pack_rows(layout: Layout) -> list[NDArray[np.intp]]:
    """Packs to be drawn from the side: indices, one array for each row y of racks; empty unless packs are stacked.

    Also empty for more than four rows, which no picture has room for.
    """
    if len(layout.pack_names) == 1 or len(np.unique(np.round(layout.cells[:, 2], 3))) == 1:
        return []
    middles = np.array([layout.cells[layout.cell_packs == k, 1].mean() for k in range(len(layout.pack_names))])
    rows = [np.flatnonzero(np.round(middles, 3) == y) for y in np.unique(np.round(middles, 3))]
    return rows if len(rows) <= 4 else []


def confusion_bar(axes: "list[Axes]") -> None:
    """The colour bar of all pictures of this file, beside these axes."""
    from matplotlib.cm import ScalarMappable

    figure = axes[0].get_figure()
    if figure is None:
        return
    bar = figure.colorbar(ScalarMappable(_scale(), _colours()), ax=axes, fraction=0.03, pad=0.02, extend="min")
    ticks = (1e-4, 1e-3, 1e-2, 0.1, 0.5)
    bar.set_ticks(ticks, labels=[f"{100 * p:g}" for p in ticks])
    bar.ax.minorticks_off()
    bar.set_label("probability that of the two the wrong one is named, % (50 % is a coin toss)")


def share(p: float, *, unit: str = " %") -> str:
    """A small probability in per cent, with as many digits as it deserves."""
    if p < LOWEST:
        return f"< {100 * LOWEST:g}{unit}"
    return f"{100 * p:.0f}{unit}" if p >= 0.0095 else f"{100 * p:.1g}{unit}"


def mark_mics_from_the_side(layout: Layout, ax: "Axes", packs: NDArray[np.intp]) -> None:
    """Those microphones that are nearer to these packs than to others."""
    nearest = np.linalg.norm(layout.mics[:, None] - layout.cells, axis=-1).argmin(axis=1)
    middle = float(layout.cells[np.isin(layout.cell_packs, packs), 1].mean())
    centre = float(layout.cells[:, 1].mean())
    for k in np.flatnonzero(np.isin(layout.cell_packs[nearest], packs)):
        x, y, z = layout.mics[k]
        # Filled: towards the middle of the room; hollow: behind the packs.
        before = abs(y - centre) < abs(middle - centre)
        ax.plot(x, z, "o", color=BLACK, markerfacecolor=BLACK if before else "white", markersize=6, zorder=5)
        ax.annotate(
            layout.mic_names[k],
            (x, z),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
            zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _colours() -> Any:
    from matplotlib import colormaps

    return colormaps[CONFUSION_MAP]


def _scale() -> Any:
    from matplotlib.colors import LogNorm

    return LogNorm(LOWEST, HIGHEST)
