"""Figures on disk: made without a display, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trad_array.records import Recording

DPI = 100
# More cells than this are not drawn one by one in a matrix.
MATRIX_CELLS = 60


def new_figure(width: float = 12.0, height: float = 8.0) -> "Figure":
    """Empty figure of 1200 x 800 pixels unless told otherwise."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of the path's suffix (png, pdf, svg)."""
    part = path.with_name(path.name + ".part")
    try:
        figure.savefig(part, format=path.suffix.removeprefix(".") or "png")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_suffix(path: Path | None) -> Path | None:
    """The path itself, if a figure can be written under that name; raises a usage error otherwise."""
    import click

    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise click.BadParameter(f"expected a name ending in .png, .pdf or .svg, found {path.name!r}")
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"expected an existing folder for {path.name!r}, found no {str(path.parent)!r}")
    return path


def save_heatmap(record: Mapping[str, Any], layout: Layout, path: Path, *, fs: int) -> None:
    """Draw the map of an event's JSON object."""
    import numpy as np

    from trad_array.events import map_from_json
    from trad_array.plotting import cell_heatmap

    width, depth = np.ptp(layout.cells[:, :2], axis=0)
    figure = new_figure(height=6.5 if width > 2.0 * depth else 9.0)
    ax = cell_heatmap(map_from_json(record, layout, fs=fs), layout, figure.subplots())
    figure.suptitle(
        f"{Path(record['source']).name}, {record['onset_s']:.2f} s: {record['level']}", fontsize=9, color="#444444"
    )
    ax.title.set_fontsize(14)
    save_figure(figure, path)


def save_spectrograms(recordings: "Mapping[str, Recording]", path: Path, *, mic: int = 0) -> None:
    """Draw recordings side by side on one decibel scale; the keys are the titles."""
    from trad_array.plotting import mel_spectrogram

    figure = new_figure(width=max(12.0, 5.0 * len(recordings)), height=5.5)
    axes = figure.subplots(1, len(recordings), squeeze=False)[0]
    for ax, (title, recording) in zip(axes, recordings.items(), strict=True):
        image = mel_spectrogram(recording, ax, mic=mic, title=title)
    figure.colorbar(image, ax=list(axes), label="dB re full scale", fraction=0.03, pad=0.01)
    save_figure(figure, path)


def save_layout(layout: Layout, path: Path) -> None:
    """Draw a layout: its cells from above, or its packs from the side where they are stacked."""
    from trad_array.plotting import cell_heatmap, map_sentence
    from trad_array.plotting_layout import pack_map, pack_rows

    rows = pack_rows(layout)
    figure = new_figure(height=5.0 * len(rows) or 7.0)
    if not rows:
        cell_heatmap(None, layout, figure.subplots())
    for n, packs in enumerate(rows, start=1):
        ax = figure.add_subplot(len(rows), 1, n)
        pack_map(layout, None, ax, packs=packs, side=f"Row {n} of the racks, from the side")
    if rows:
        figure.suptitle(map_sentence(None, layout), fontsize=14)
    save_figure(figure, path)


def save_confusion(layout: Layout, path: Path, *, title: str, reach_m: float) -> None:
    """Draw which cells are taken for which: a matrix, and beside it where they are."""
    import numpy as np

    from trad_array import plotting_layout as draw
    from trad_array_geometry.confusion import confusion_matrix, rivals

    worst = rivals(layout, reach_m=reach_m)
    rows = draw.pack_rows(layout) if layout.n_cells > MATRIX_CELLS else []
    figure = new_figure(width=18.0 if rows else 16.0, height=9.5 if layout.n_cells > 26 else 8.0)
    figure.set_layout_engine("constrained", h_pad=0.12, w_pad=0.12)
    left, *right = figure.subplot_mosaic([["m", f"p{n}"] for n in range(len(rows) or 1)]).values()
    cells = np.arange(layout.n_cells)
    if len(cells) > MATRIX_CELLS:
        # The pack in which cells are most easily mixed up; of a pack too large for a picture, its worst cells.
        cells = np.flatnonzero(layout.cell_packs == layout.cell_packs[worst.probability.argmax()])
        cells = np.sort(cells[np.argsort(-worst.probability[cells], kind="stable")[:MATRIX_CELLS]])
    names = tuple(layout.cell_names[k] for k in cells)
    draw.confusion_matrix_plot(confusion_matrix(layout, cells, reach_m=reach_m), names, left)
    if rows:
        for n, (packs, ax) in enumerate(zip(rows, right, strict=True), start=1):
            side = f"Row {n} of the racks, from the side: worst cell of each pack"
            draw.pack_map(layout, worst, ax, packs=packs, side=side)
    else:
        draw.confusion_map(layout, worst, right[0])
    draw.confusion_bar([left, *right])
    figure.suptitle(f"{title}\n{draw.confusion_sentence(layout, worst)}", fontsize=14)
    save_figure(figure, path)
