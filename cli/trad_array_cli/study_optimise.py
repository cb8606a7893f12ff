"""`trad-array study optimise`: move microphones within what is allowed until they hear best."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trad_array_cli.options import json_option, out_option
from trad_array_cli.report import emit, say
from trad_array_cli.study_options import cache_folder, cache_option, study_argument, workers_option
from trad_array_cli.study_steps import shown_steps

if TYPE_CHECKING:
    from trad_array.study.records import Choice, Study
    from trad_array.study.search import Found, Judged

AIMS = ("worst-cell", "mean", "time-to-alarm", "one-dead", "one-dead-worst-cell")


@click.command(name="optimise", no_args_is_help=True)
@study_argument
@out_option(metavar="FOLDER", what="What was found, the history of the search, and the best layout as a file.")
@click.option("--aim", type=click.Choice(AIMS), help="What is made best, instead of the file's.")
@click.option("--mics", type=click.IntRange(3, 16), metavar="N", help="Microphones, instead of the file's.")
@click.option("--trials", type=click.IntRange(1), metavar="N", help="Layouts to preview at most.")
@click.option(
    "--method",
    type=click.Choice(("auto", "exhaustive", "exchange", "optuna")),
    help="How to search; auto tries all layouts when these are no more than the trials.",
)
@click.option("--compare", metavar="LAYOUT", help="A layout of the study to compare with, instead of its reference.")
@cache_option
@workers_option
@json_option("one object at the end")
def command(
    study_path: Path,
    out: Path,
    aim: str | None,
    mics: int | None,
    trials: int | None,
    method: str | None,
    compare: str | None,
    cache: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Search the best places for microphones among a study's positions and zones. All of it is simulated.

    Layouts are searched by preview; the best are simulated, and the winner meets the reference layout on fresh events,
    which no search has seen: the difference of P(right) is told with its 95 % interval.

    \b
    Aims:
      worst-cell           P(right) of the cell with the lowest
      mean                 P(right) over all cells
      time-to-alarm        the shortest vent of which 9 in 10 are named right
      one-dead             P(right) after the loss of the microphone that hurts most
      one-dead-worst-cell  the same for the cell with the lowest

    With `cable_to_m` and `cable_price` in [search], cable is paid for. A search that is stopped goes on when the same
    command is given again.

    \b
    Examples:
      trad-array study optimise mine.toml -o best --aim worst-cell --mics 4 --compare pack-corners
      trad-array study optimise mine.toml -o spare --aim one-dead --mics 6 --trials 5000
    """
    from trad_array.study.executors import cores
    from trad_array.study.report.search_report import write_search_report
    from trad_array.study.search import optimise
    from trad_array.study.search_results import write_found
    from trad_array.study.study_file import read_study_file
    from trad_array.study.world import World

    read = read_study_file(study_path, combine=False)
    given = read.search
    plan = replace(
        given,
        aim=aim or given.aim,
        mics=mics or given.mics,
        trials=trials or given.trials,
        method=method or given.method,
    )
    reference = _reference(read.study, compare)
    n = workers or cores()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with shown_steps() as show:
            world = World(
                read.study, cache_folder(cache), workers=n, progress=lambda done, total: show("rooms", done, total)
            )
            free = read.candidates.free or None
            found = optimise(world, plan, free=free, reference=reference, workers=n, folder=out, tell=show)
    except KeyboardInterrupt:
        say(f"{out}: what was tried is kept; the same command goes on from there")
        raise
    path = write_found(out, read.study, found)
    page = write_search_report(out, read.study, found)
    for line in _lines(found):
        click.echo(line, err=as_json)
    if as_json:
        emit(
            {
                "schema": "trad-array/study-optimise/1",
                "simulated": True,
                "folder": str(out),
                "report": str(page),
                "layout": str(path),
                "aim": plan.aim,
                "mics": [read.study.points.names[k] for k in found.best.choice.points],
                "p": found.best.share.p,
                "difference": [found.difference.difference, found.difference.low, found.difference.high],
            }
        )
    say(f"wrote {path}, search.json, search.jsonl and {page}")


def _reference(study: "Study", name: str | None) -> "Choice":
    known = {choice.name: choice for choice in study.choices}
    if name is None:
        return study.choices[0]
    if name not in known:
        raise click.UsageError(f"--compare: expected one of the study's layouts, {', '.join(known)}; found {name}.")
    return known[name]


def _lines(found: "Found") -> list[str]:
    c, d = found.condition, found.difference
    lines = [
        f"aim {found.plan.aim}, {found.plan.mics} microphones: {found.n_tried} of {found.n_possible} layouts previewed "
        f"({found.method}), {len(found.candidates)} simulated",
        f"on {d.n} fresh events; RT60 {c.rt60_s:g} s, {c.snr_db:g} dB, {c.duration_s:g} s, mismatch {c.mismatch.name}",
        _judged("best", found.best, found),
        _judged("reference", found.reference, found),
        f"difference of P(right), event by event: {d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}]",
    ]
    if found.worst_difference is not None:
        value, low, high = found.worst_difference
        lines.append(f"difference of the worst cell: {value:+.4f} [{low:+.4f}, {high:+.4f}]")
    return lines


def _judged(what: str, judged: "Judged", found: "Found") -> str:
    share = judged.decisive
    time = f", time to alarm {judged.value:.3g} s" if found.plan.aim == "time-to-alarm" else ""
    lost = " with the worst loss" if found.plan.aim.startswith("one-dead") else ""
    cable = f", {judged.cable_m:.1f} m of cable" if judged.cable_m else ""
    return (
        f"{what}: {judged.choice.name}: P(right){lost} {share.p:.4f} [{share.low:.4f}, {share.high:.4f}], worst cell "
        f"{share.worst_cell} {share.worst:.3f}{time}{cable}"
    )
