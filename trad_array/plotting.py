"""Pictures. Every function draws on a given Axes and returns it; none shows or saves anything."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trad_array.events import map_json
from trad_array.features import FeatureSpec, band_centres_hz, log_mel
from trad_array.plotting_certainty import (
    View,
    certainty_legend,
    mark_elsewhere,
    marked_place,
    outline_cells,
    outlined_cells,
    view_with,
)
from trad_array.records import CellMap, Recording
from trad_array.words import map_words, percent
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours (2008), told apart by all common kinds of colour blindness, and one hue from white to dark.
VERMILION, GREEN, BLACK = "#D55E00", "#00785A", "#000000"
PROBABILITY_MAP = "Blues"
# Arrays with more microphones than this surround more than one picture shows.
_SURROUNDING = 12
# Letters in a line of a title: as many as fit above a picture of 1200 pixels.
_TITLE_WIDTH = 80


def cell_heatmap(cell_map: CellMap | None, layout: Layout, ax: "Axes", *, title: str | None = None) -> "Axes":
    """Cells seen from above, coloured by probability; microphones and guard points marked.

    The best cell has a thick frame, the 90 % credible set a bold outline; where the sound may well come from elsewhere,
    the best such place is marked. The title says how sure the map is, in the words of the command line. Of packs that
    stand on top of each other the most probable one is drawn.

    Parameters
    ----------
    cell_map : CellMap, or None to draw the layout alone
    ax : the axes to draw on
    title : instead of the sentence about the map
    """
    probability = np.zeros(layout.n_cells) if cell_map is None else cell_map.probability
    shown = shown_cells(cell_map, layout)
    _draw_cells(ax, layout, probability, shown, numbers=cell_map is not None)
    view = view_of(layout, whole=cell_map is None, cells=shown)
    view = view if cell_map is None else view_with(view, cell_map)
    mark_points(ax, layout, view)
    frame_view(ax, view)
    if cell_map is not None:
        _draw_certainty(ax, cell_map, layout, shown, view)
        _add_colour_bar(ax, _colour_map())
    if len(shown) < layout.n_cells:
        share = percent(float(probability[shown].sum() / max(probability.sum(), 1e-300)))
        pack = layout.pack_names[layout.cell_packs[shown[0]]]
        ax.set_xlabel(f"x, m (pack {pack}, which holds {share} of the probability of all cells)")
    ax.set_title(title if title is not None else _in_two_lines(map_sentence(cell_map, layout)))
    return ax


def _in_two_lines(sentence: str) -> str:
    return sentence if len(sentence) <= _TITLE_WIDTH else sentence.replace(" (", "\n(", 1)


def shown_cells(cell_map: CellMap | None, layout: Layout) -> NDArray[np.intp]:
    """Cells that a picture from above can show: all, or those of the most probable pack where packs are stacked."""
    alone = len(np.unique(np.round(layout.cells[:, :2], 4), axis=0)) == layout.n_cells
    if alone or cell_map is None:
        return np.arange(layout.n_cells)
    by_pack = np.bincount(layout.cell_packs, weights=cell_map.probability)
    return np.flatnonzero(layout.cell_packs == by_pack.argmax())


def map_sentence(cell_map: CellMap | None, layout: Layout) -> str:
    """How sure a map is, in one line."""
    if cell_map is None:
        return f"{layout.id}: {layout.n_cells} cells, {layout.n_mics} microphones ({layout.provenance} positions)"
    words = map_words(map_json(cell_map, layout))
    return words[0].upper() + words[1:]


def mel_spectrogram(
    recording: Recording, ax: "Axes", *, mic: int = 0, title: str = "", low_db: float = -80.0, high_db: float = 0.0
) -> Any:
    """Log-mel spectrogram of one microphone, as the scorers see it, on a fixed decibel scale.

    Returns the image, for a colour bar.
    """
    spec = FeatureSpec(fs=recording.fs, f_max_hz=min(8_000.0, recording.fs / 2), front_end="absolute")
    frames = log_mel(recording.samples[mic : mic + 1], spec)[0]
    image = ax.imshow(
        frames.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=low_db,
        vmax=high_db,
        extent=(0.0, max(recording.duration_s, 1e-3), 0.0, float(spec.n_mels)),
        interpolation="nearest",
    )
    centres = band_centres_hz(spec)
    ticks = [int(np.argmin(np.abs(centres - hz))) for hz in (250, 500, 1000, 2000, 4000, 7500)]
    ax.set_yticks([t + 0.5 for t in ticks], [f"{centres[t] / 1000:.2g}" for t in ticks])
    ax.set_xlabel("time, s")
    ax.set_ylabel("frequency, kHz (mel scale)")
    ax.set_title(title)
    return image


def _colour_map() -> Any:
    from matplotlib import colormaps

    return colormaps[PROBABILITY_MAP]


def _draw_cells(
    ax: "Axes", layout: Layout, probability: NDArray[np.float64], shown: NDArray[np.intp], *, numbers: bool
) -> None:
    """The cells in the colours of their probabilities, with their names."""
    colours = _colour_map()
    for k in shown:
        x, y, _ = layout.cells[k]
        draw_cell(ax, layout, x, y, colours(float(probability[k])))
        name = layout.cell_names[k]
        if len(shown) < layout.n_cells:
            name = name.removeprefix(f"{layout.pack_names[layout.cell_packs[k]]}-")
        ax.text(
            x,
            y,
            name if not numbers or probability[k] < 0.005 else f"{name}\n{percent(float(probability[k]))}",
            ha="center",
            va="center",
            fontsize=8.0 if len(shown) <= 80 else 5.0,
            color="white" if probability[k] > 0.55 else "black",
            rotation=label_rotation(layout),
            clip_on=True,
            zorder=4.5,
        )


def _draw_certainty(ax: "Axes", cell_map: CellMap, layout: Layout, shown: NDArray[np.intp], view: View) -> None:
    """Outline of the credible set, frame of the best cell, the place elsewhere."""
    outlined, place_m = outlined_cells(cell_map, shown), marked_place(cell_map)
    outline_cells(ax, layout, outlined, dashed=not cell_map.from_a_cell)
    if cell_map.from_a_cell:
        _frame_cell(ax, layout, cell_map.best, VERMILION, 3.5)
    if place_m is not None:
        name = "elsewhere" if cell_map.place in (None, "room") else f"{cell_map.place}?"
        mark_elsewhere(ax, view, place_m, f"{name}, {percent(cell_map.elsewhere)}\n{place_m[2]:.2f} m high")
    frame = VERMILION if cell_map.from_a_cell else None
    certainty_legend(ax, best=frame, outlined=len(outlined) > 0, marked=place_m is not None)


def draw_cell(ax: "Axes", layout: Layout, x: float, y: float, colour: Any) -> None:
    """A cell seen from above, m, filled with a colour."""
    from matplotlib.patches import Rectangle

    width, depth = layout.cell_size_m
    ax.add_patch(
        Rectangle((x - width / 2, y - depth / 2), width, depth, facecolor=colour, edgecolor="#999999", linewidth=0.8)
    )


def _frame_cell(ax: "Axes", layout: Layout, cell: int, colour: str, width_pt: float) -> None:
    from matplotlib.patches import Rectangle

    # Inside the outline of the credible set.
    inset = 0.1 * min(layout.cell_size_m)
    width, depth = (size - inset for size in layout.cell_size_m)
    x, y, _ = layout.cells[cell]
    ax.add_patch(
        Rectangle(
            (x - width / 2, y - depth / 2), width, depth, fill=False, edgecolor=colour, linewidth=width_pt, zorder=4
        )
    )


def mark_points(ax: "Axes", layout: Layout, view: View) -> None:
    """Microphones and guard points seen from above, with their names; what is out of view, at its edge.

    Of an array that surrounds more than these cells only the microphones in view are marked.
    """
    low, high = view
    middle = float(low[1] + high[1]) / 2
    columns: dict[tuple[float, float], list[str]] = {}
    for name, (x, y, z) in zip(layout.mic_names, layout.mics, strict=True):
        if layout.n_mics <= _SURROUNDING or (low[0] <= x <= high[0] and low[1] <= y <= high[1]):
            columns.setdefault((float(x), float(y)), []).append(f"{name} ({z:.2f} m high)")
    for (x, y), names in columns.items():
        _mark(ax, view, "\n".join(names), x, y, marker="o", above=y >= middle, colour=BLACK)
    for name, (x, y, _) in zip(layout.guard_names, layout.guards, strict=True):
        _mark(ax, view, name, x, y, marker="^", above=False, colour=GREEN)


def _mark(ax: "Axes", view: View, text: str, x: float, y: float, *, marker: str, above: bool, colour: str) -> None:
    """Mark a point; one beyond the picture is hollow, at the edge in its direction, with how much further it is."""
    low, high = view
    centre = (low + high) / 2
    reach = (high - low) / 2 - 0.06 * float((high - low).max())
    share = float((np.abs((x, y) - centre) / reach).max())
    within = share <= 1.0
    at_x, at_y = (x, y) if within else (float(v) for v in centre + ((x, y) - centre) / share)
    beyond = "" if within else f"\n{np.hypot(x - at_x, y - at_y):.1f} m further"
    face = colour if within else "white"
    ax.plot(at_x, at_y, marker=marker, color=colour, markerfacecolor=face, markersize=9, zorder=5)
    _label(ax, text + beyond, at_x, at_y, above=above, colour=colour)


def _label(ax: "Axes", text: str, x: float, y: float, *, above: bool, colour: str) -> None:
    ax.annotate(
        text,
        (x, y),
        xytext=(0, 8 if above else -8),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        color=colour,
        fontsize=8,
        zorder=6,
    )


def view_of(layout: Layout, *, whole: bool, cells: NDArray[np.intp] | None = None) -> View:
    """Lowest and highest x, y of the picture: the cells (or these), and all microphones or those near the cells."""
    points, mics = layout.cells[:, :2], layout.mics[:, :2]
    if cells is not None:
        points = points[cells]
    low, high = points.min(axis=0), points.max(axis=0)
    reach = np.inf if whole else 0.5 * float((high - low).max())
    near = mics[((mics >= low - reach) & (mics <= high + reach)).all(axis=1)]
    low, high = np.minimum(low, near.min(axis=0, initial=np.inf)), np.maximum(high, near.max(axis=0, initial=-np.inf))
    margin = 0.12 * float((high - low).max()) + max(layout.cell_size_m) / 2
    return low - margin, high + margin


def frame_view(ax: "Axes", view: View) -> None:
    """Limits and axes of a picture from above."""
    low, high = view
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_aspect("equal")
    ax.set_xlabel("x, m")
    ax.set_ylabel("y, m")


def _add_colour_bar(ax: "Axes", colours: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=ax, fraction=0.025, pad=0.02)
        bar.set_label("probability that the sound came from this cell")


def label_rotation(layout: Layout) -> float:
    """Narrow cells carry their names upright."""
    width, depth = layout.cell_size_m
    return 90.0 if depth > 1.5 * width else 0.0
