"""`trad-array reliability`: whether the probabilities of a layout's maps are true, in simulated rooms."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array.words import percent
from trad_array_cli.figures import check_suffix, new_figure, save_figure
from trad_array_cli.options import json_option, layout_option, out_option, seed_option
from trad_array_cli.report import emit, say

if TYPE_CHECKING:
    from trad_array.reliability import Answers


@click.command(name="reliability", no_args_is_help=True)
@layout_option()
@click.option("--scenes", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Vents to simulate.")
@click.option(
    "--mismatch",
    type=click.Choice(["none", "layout", "double"]),
    default="layout",
    show_default=True,
    help="How far microphones, channels, air and jet are from the layout file: not at all, as far as its sigmas say, "
    "or twice that.",
)
@seed_option()
@json_option("one object")
@out_option(metavar="FILE.png", what="Where to draw the diagram (png, pdf or svg).")
def command(layout_name: str, scenes: int, mismatch: str, seed: int, as_json: bool, out: Path) -> None:
    """Draw how true the probabilities of a layout's maps are.

    Cells of the layout vent in its simulated room, RT60 0.2 to 0.6 s, full-band SNR -30 to 10 dB, and the localizer of
    the chain says how probable each cell is. The diagram sets what it said against what was so. Simulated rooms are
    kinder than real ones: probabilities that are not true here are not true there.

    \b
    Examples:
      trad-array reliability --layout pack-corners -o reliability.png
      trad-array reliability --layout my-array.toml --scenes 500 --mismatch double -o double.png
    """
    check_suffix(out)
    import numpy as np

    from trad_array.localization.robust import Robust
    from trad_array.plotting_reliability import reliability_diagram
    from trad_array.reliability import Answers
    from trad_array.simulation.trials import TrialSpec, answers
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    stream = answers(layout, Robust(), n=scenes, rng=np.random.default_rng(seed), spec=TrialSpec(mismatch=mismatch))
    with click.progressbar(stream, length=scenes, label="simulating", file=sys.stderr) as bar:
        pairs = list(bar)
    found = Answers(np.array([p for _, p in pairs]), np.array([cell for cell, _ in pairs]))
    summary = {"layout": layout.id, "simulated": True, "mismatch": mismatch, "seed": seed, **_summary(found)}
    figure = new_figure(width=7.0, height=7.4)
    title = f"{layout.id}: {scenes} simulated vents, best cell right in {percent(summary['right'])}"
    reliability_diagram(*found.predicted_and_hits(), figure.subplots(), title=title)
    save_figure(figure, out)
    if as_json:
        emit(summary)
    else:
        click.echo(_in_words(summary))
    say(f"drawn: {out}")


def _summary(found: "Answers") -> dict[str, Any]:
    from trad_array.reliability import coverage, wilson

    sets, n = coverage(found), len(found.cells)
    low, high = wilson(int(found.right.sum()), n)
    return {
        "scenes": n,
        "right": float(found.right.mean()),
        "right_low": float(low),
        "right_high": float(high),
        "covered": float(sets.covered.mean()),
        "covered_randomised": float(sets.randomised.mean()),
        "set_size_mean": float(sets.size.mean()),
    }


def _in_words(summary: dict[str, Any]) -> str:
    between = f"{summary['right_low']:.1%} to {summary['right_high']:.1%}"
    return "\n".join(
        (
            f"{summary['layout']}: {summary['scenes']} simulated vents, mismatch {summary['mismatch']}",
            f"best cell right      {summary['right']:6.1%}  ({between})",
            f"90 % set covers      {summary['covered']:6.1%}  (at least 90 % is expected)",
            f"  its last cell in part {summary['covered_randomised']:.1%}  (90 % is expected)",
            f"cells in the set     {summary['set_size_mean']:6.2f}  on average",
        )
    )
