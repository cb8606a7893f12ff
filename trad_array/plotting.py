"""Pictures. Every function draws on a given Axes and returns it; none shows or saves anything."""

from typing import TYPE_CHECKING, Any

import numpy as np

from trad_array.features import FeatureSpec, band_centres_hz, log_mel
from trad_array.records import CellMap, Recording
from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours (2008), told apart by all common kinds of colour blindness, and one hue from white to dark.
VERMILION, GREEN, BLACK = "#D55E00", "#00785A", "#000000"
PROBABILITY_MAP = "Blues"

# Lowest and highest x, y of a picture, m.
View = tuple[np.ndarray, np.ndarray]


def cell_heatmap(cell_map: CellMap | None, layout: Layout, ax: "Axes", *, title: str | None = None) -> "Axes":
    """Cells seen from above, coloured by probability; microphones and guard points marked.

    The best cell has a thick frame, the cells of the 90 % credible set a thin one. The title says how sure the map is.

    Parameters
    ----------
    cell_map : CellMap, or None to draw the layout alone
    ax : the axes to draw on
    title : instead of the sentence about the map
    """
    probability = np.zeros(layout.n_cells) if cell_map is None else cell_map.probability
    colours = _colour_map()
    for k, (name, (x, y, _)) in enumerate(zip(layout.cell_names, layout.cells, strict=True)):
        draw_cell(ax, layout, x, y, colours(float(probability[k])))
        dark = probability[k] > 0.55
        label = name if cell_map is None or probability[k] < 0.005 else f"{name}\n{_percent(probability[k])}"
        ax.text(
            x,
            y,
            label,
            ha="center",
            va="center",
            fontsize=_label_size(layout),
            color="white" if dark else "black",
            rotation=label_rotation(layout),
            clip_on=True,
        )
    if cell_map is not None:
        for k in cell_map.credible_set():
            _frame_cell(ax, layout, k, VERMILION, 1.5)
        if cell_map.from_a_cell:
            _frame_cell(ax, layout, cell_map.best, VERMILION, 3.5)
        _add_colour_bar(ax, colours)
    view = view_of(layout, whole=cell_map is None)
    mark_points(ax, layout, view)
    frame_view(ax, view)
    ax.set_title(title if title is not None else map_sentence(cell_map, layout))
    return ax


def map_sentence(cell_map: CellMap | None, layout: Layout) -> str:
    """How sure a map is, in one line."""
    if cell_map is None:
        return f"{layout.id}: {layout.n_cells} cells, {layout.n_mics} microphones ({layout.provenance} positions)"
    if not cell_map.from_a_cell:
        where = "" if cell_map.place in (None, "room") else f", perhaps {cell_map.place}"
        return f"Heard, but not placed in a cell: {_percent(cell_map.elsewhere)} elsewhere{where}"
    best = layout.cell_names[cell_map.best]
    likely = _percent(cell_map.probability[cell_map.best])
    others = len(cell_map.credible_set()) - 1
    doubt = "" if others == 0 else f"; 90 % set: {others + 1} cells"
    return f"Cell {best}, {likely} ({_percent(cell_map.elsewhere)} elsewhere{doubt})"


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


def _percent(p: float) -> str:
    if p >= 0.995:
        return "> 99 %"
    return "< 1 %" if p < 0.01 else f"{100 * p:.0f} %"


def draw_cell(ax: "Axes", layout: Layout, x: float, y: float, colour: Any) -> None:
    """A cell seen from above, m, filled with a colour."""
    from matplotlib.patches import Rectangle

    width, depth = layout.cell_size_m
    ax.add_patch(
        Rectangle((x - width / 2, y - depth / 2), width, depth, facecolor=colour, edgecolor="#999999", linewidth=0.8)
    )


def _frame_cell(ax: "Axes", layout: Layout, cell: int, colour: str, width_pt: float) -> None:
    from matplotlib.patches import Rectangle

    width, depth = layout.cell_size_m
    x, y, _ = layout.cells[cell]
    ax.add_patch(
        Rectangle(
            (x - width / 2, y - depth / 2), width, depth, fill=False, edgecolor=colour, linewidth=width_pt, zorder=4
        )
    )


def mark_points(ax: "Axes", layout: Layout, view: View) -> None:
    """Microphones and guard points seen from above, with their names; what is out of view, at its edge."""
    middle = float(layout.cells[:, 1].mean())
    for name, (x, y, z) in zip(layout.mic_names, layout.mics, strict=True):
        _mark(ax, view, f"{name} ({z:.2f} m high)", x, y, marker="o", above=y >= middle, colour=BLACK)
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


def view_of(layout: Layout, *, whole: bool) -> View:
    """Lowest and highest x, y of the picture: the cells, and all microphones or those near the cells."""
    cells, mics = layout.cells[:, :2], layout.mics[:, :2]
    low, high = cells.min(axis=0), cells.max(axis=0)
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


def _label_size(layout: Layout) -> float:
    return 8.0 if layout.n_cells <= 80 else 5.0


def label_rotation(layout: Layout) -> float:
    """Narrow cells carry their names upright."""
    width, depth = layout.cell_size_m
    return 90.0 if depth > 1.5 * width else 0.0
