"""`trad-array layouts`: list, show, draw and check."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from trad_array_cli.figures import check_suffix, new_figure, save_figure
from trad_array_cli.options import json_option, out_option
from trad_array_cli.report import emit, say


@click.group()
def command() -> None:
    """List, show, draw and check array layouts.

    \b
    Examples:
      trad-array layouts list
      trad-array layouts check my-array.toml
      trad-array layouts plot pack-corners -o pack.png
    """


@command.command("list")
@json_option()
def list_layouts(as_json: bool) -> None:
    """List the layouts that ship with trad-array."""
    from trad_array_geometry import layout_names, load_layout

    for name in layout_names():
        layout = load_layout(name)
        row = {"id": name, "cells": layout.n_cells, "mics": layout.n_mics, "provenance": layout.provenance}
        if as_json:
            emit(row)
        else:
            click.echo(f"{name:14} {layout.n_cells:5} cells  {layout.n_mics:3} microphones  {layout.provenance}")


@command.command()
@click.argument("name", metavar="NAME|FILE.toml")
@json_option("the layout as read")
def show(name: str, as_json: bool) -> None:
    """Show a layout: its file with all comments, or with --json the positions made from it."""
    from trad_array_geometry import layout_path, load_layout

    layout = load_layout(name)
    if not as_json:
        click.echo(layout_path(name).read_text(encoding="utf-8"), nl=False)
        return
    emit(
        {
            "id": layout.id,
            "provenance": layout.provenance,
            "mics": _points(layout.mic_names, layout.mics, channel=layout.mic_channels, role=layout.mic_roles),
            "cells": _points(layout.cell_names, layout.cells),
            "guards": _points(layout.guard_names, layout.guards),
            "box_m": None if layout.box_m is None else layout.box_m.tolist(),
            "temperature_c": layout.temperature_c,
            "speed_of_sound_m_s": round(layout.speed_of_sound, 3),
        }
    )


@command.command()
@click.argument("name", metavar="NAME|FILE.toml")
@out_option(metavar="FILE.png", what="Where to draw (png, pdf or svg).")
def plot(name: str, out: Path) -> None:
    """Draw a layout from above, cells by name."""
    from trad_array.plotting import cell_heatmap
    from trad_array_geometry import load_layout

    check_suffix(out)
    figure = new_figure(height=7.0)
    cell_heatmap(None, load_layout(name), figure.subplots())
    save_figure(figure, out)
    say(f"drawn: {out}")


@command.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option("--worst", type=click.IntRange(1, 1000), default=5, show_default=True, help="Pairs to name.")
@json_option("everything that was found")
def check(name: str, worst: int, as_json: bool) -> None:
    """Say whether an array can tell its cells apart, before anyone mounts it.

    For every pair of cells: the largest difference of a pair delay, in microseconds and in samples at 16 kHz. At least
    120 us is clear, at least 30 us weak, less is alike. Also whether the microphones lie in one plane, and how far a
    sound from the wrong side of it is from passing for a cell.
    """
    from trad_array_geometry import load_layout
    from trad_array_geometry.check import check_layout

    result = check_layout(load_layout(name), n_worst=worst)
    if as_json:
        values = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in asdict(result).items()}
        emit({"layout": name, "verdict": result.verdict, **values})
        return
    click.echo(f"{name}: {result.n_cells} cells, {result.n_mics} microphones")
    click.echo(f"verdict: {result.verdict.upper()}. {result.sentence}")
    click.echo(f"pairs of cells: {result.clear} clear, {result.weak} weak, {result.alike} alike; the most alike:")
    for pair in result.worst:
        click.echo(f"  {pair.first} - {pair.second}: {pair.delay_us:7.1f} us {pair.samples:6.2f} samples at 16 kHz")
    click.echo(result.mirror_sentence)


def _points(names: Any, positions: Any, **more: Any) -> list[dict[str, Any]]:
    return [
        {"name": name, "position_m": [round(float(v), 6) for v in position], **{k: v[n] for k, v in more.items()}}
        for n, (name, position) in enumerate(zip(names, positions, strict=True))
    ]
