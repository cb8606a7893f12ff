"""`trad-array study export`: the results of a run for other tools."""

from pathlib import Path

import click

from trad_array_cli.report import say

_FORMATS = ("csv", "chama")
_IMPACTS = ("wrong", "layout", "arrival")


@click.command(name="export", no_args_is_help=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(_FORMATS), required=True, help="Plain CSV, or the tables of Chama.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Without it a file in FOLDER.")
@click.option(
    "--impact",
    type=click.Choice(_IMPACTS),
    default="wrong",
    show_default=True,
    help="For chama: the share of vents that layouts with the microphone do not put in the right cell; the same with "
    "whole layouts as sensors; or seconds until the sound arrives.",
)
def command(folder: Path, form: str, out: Path | None, impact: str) -> None:
    """Write the results of a run for other tools.

    \b
    csv    the tidy table, a row for each layout, condition and cell
    chama  impact of every (scenario, microphone): a scenario is a cell under one condition. Two more files
           beside it, NAME-sensors.csv and NAME-scenarios.csv, hold costs and probabilities.

    An array names a cell with all of its microphones together; a tool that takes the best of the chosen microphones is
    too hopeful. Simulate what it proposes, or let it choose among whole layouts (--impact layout).
    """
    from trad_array.study.report.export import export_chama, export_csv

    path = export_csv(folder, out) if form == "csv" else export_chama(folder, out, impact=impact)
    say(f"wrote {path}")
