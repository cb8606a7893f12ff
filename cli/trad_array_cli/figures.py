"""Figures on disk: made without a display, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trad_array_geometry import Layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trad_array.records import Recording

DPI = 100


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
