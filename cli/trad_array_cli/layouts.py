"""`trad-array layouts`: list, show, draw, check, import and export."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.figures import check_suffix, save_confusion, save_layout
from trad_array_cli.layouts_formats import export_command, import_command
from trad_array_cli.options import json_option, out_option
from trad_array_cli.report import emit, say

if TYPE_CHECKING:
    from trad_array_geometry.check import LayoutCheck

# Larger arrays lose one of many: no table of what is left without each.
TABLE_MICS = 8


@click.group()
def command() -> None:
    """List, show, draw, check, import and export array layouts.

    \b
    Examples:
      trad-array layouts list
      trad-array layouts check my-array.toml
      trad-array layouts plot pack-corners -o pack.png
      trad-array layouts export pack-corners -o pack.xml
    """


command.add_command(import_command)
command.add_command(export_command)


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
    """Draw a layout from above, cells by name; stacked packs from the side, packs by name."""
    from trad_array_geometry import load_layout

    check_suffix(out)
    save_layout(load_layout(name), out)
    say(f"drawn: {out}")


@command.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option("--worst", type=click.IntRange(1, 1000), default=5, show_default=True, help="Pairs to name.")
@click.option("--without", multiple=True, metavar="MIC", help="Leave out a microphone, as if it were dead. Repeatable.")
@click.option(
    "--reach",
    "reach_m",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="M",
    help="Count only microphones within this many metres of a cell; without it all of them.",
)
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw which cells are taken for which (png, pdf or svg).",
)
@json_option("everything that was found")
def check(
    name: str, worst: int, without: tuple[str, ...], reach_m: float | None, plot_path: Path | None, as_json: bool
) -> None:
    """Say whether an array can tell its cells apart, before anyone mounts it.

    For every pair of cells: the largest difference of a pair delay, in microseconds and in samples at 16 kHz. At least
    120 us is clear, at least 30 us weak, less is alike. Also whether the microphones lie in one plane, and how far a
    sound from the wrong side of it is from passing for a cell. For up to eight microphones the last lines say what is
    left when one of them dies.

    \b
    Examples:
      trad-array layouts check my-array.toml
      trad-array layouts check row-corners --without B --plot confusion.png
      trad-array layouts check container --reach 2
    """
    from trad_array_geometry import load_layout
    from trad_array_geometry.check import check_layout, check_without_each

    check_suffix(plot_path)
    layout = load_layout(name)
    reach = math.inf if reach_m is None else reach_m
    if without:
        layout = layout.without_mics(without)
    result = check_layout(layout, n_worst=worst, reach_m=reach)
    few = len(layout.array_mics) <= TABLE_MICS and not without
    left = check_without_each(layout, reach_m=reach) if few else ()
    title = name + (f" without {', '.join(without)}" if without else "")
    if as_json:
        _emit_check(name, without, result, left)
    else:
        _print_check(title, result, left)
    if plot_path is not None:
        heard = "" if reach_m is None else f", microphones within {reach_m:g} m"
        save_confusion(layout, plot_path, title=title + heard, reach_m=reach)
        say(f"drawn: {plot_path}")


def _print_check(title: str, result: "LayoutCheck", left: Sequence[tuple[str, "LayoutCheck"]]) -> None:
    click.echo(f"{title}: {result.n_cells} cells, {result.n_mics} microphones")
    click.echo(f"verdict: {result.verdict.upper()}. {result.sentence}")
    click.echo(f"pairs of cells: {result.clear} clear, {result.weak} weak, {result.alike} alike; the most alike:")
    for pair in result.worst:
        click.echo(f"  {pair.first} - {pair.second}: {pair.delay_us:7.1f} us {pair.samples:6.2f} samples at 16 kHz")
    if result.delays_sentence:
        click.echo(result.delays_sentence)
    click.echo(result.mirror_sentence)
    width = max((len(mic) for mic, _ in left), default=0)
    for mic, found in left:
        worst = "".join(f", worst {p.first} - {p.second}: {p.delay_us:.1f} us" for p in found.worst)
        alike = f", {found.alike} pairs alike" if found.alike else ""
        click.echo(f"without {mic:{width}}: {found.verdict.upper()}{worst}{alike}")


def _emit_check(
    name: str, without: Sequence[str], result: "LayoutCheck", left: Sequence[tuple[str, "LayoutCheck"]]
) -> None:
    values = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in asdict(result).items()}
    each = [
        {"mic": mic, "verdict": found.verdict, "alike": found.alike, "worst": [asdict(pair) for pair in found.worst]}
        for mic, found in left
    ]
    emit({"layout": name, "without": list(without), "verdict": result.verdict, **values, "without_each": each})


def _points(names: Any, positions: Any, **more: Any) -> list[dict[str, Any]]:
    return [
        {"name": name, "position_m": [round(float(v), 6) for v in position], **{k: v[n] for k, v in more.items()}}
        for n, (name, position) in enumerate(zip(names, positions, strict=True))
    ]
