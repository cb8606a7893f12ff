"""`trad-array study rank`: preview thousands of layouts, simulate the best of them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trad_array_cli.options import json_option, out_option
from trad_array_cli.report import emit, say
from trad_array_cli.study_options import cache_folder, cache_option, study_argument, workers_option
from trad_array_cli.study_steps import shown_steps

if TYPE_CHECKING:
    from trad_array.study.outcomes import Share
    from trad_array.study.ranking import Ranked, Ranking

# Layouts that are told on the screen.
_ROWS = 10


@click.command(name="rank", no_args_is_help=True)
@study_argument
@out_option(metavar="FOLDER", what="The ranking, all previews, and the best layouts as files.")
@click.option("--mics", type=click.IntRange(2, 16), metavar="N", help="Microphones of a layout, instead of the file's.")
@click.option("--layouts", type=click.IntRange(1), metavar="N", help="Layouts to preview, instead of the file's.")
@cache_option
@workers_option
@json_option("one object at the end")
def command(
    study_path: Path,
    out: Path,
    mics: int | None,
    layouts: int | None,
    cache: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Rank the layouts that can be made of a study's positions. All of it is simulated.

    Every layout is previewed from what each pair of microphones would hear; the best are simulated, and the best of
    those are heard as sound by the shipped localizer. [rank] of the study says how many, and under which condition:
    without it, the last of each list in [conditions]. Spearman says how far the preview orders layouts as the
    simulation does. The same command again keeps what is simulated already.

    \b
    Examples:
      trad-array study rank examples/pack.toml -o pack-rank --mics 4
      trad-array localize event.wav --layout pack-rank/best-01.toml
    """
    from trad_array.study.executors import cores
    from trad_array.study.ranking import rank
    from trad_array.study.report.search_report import write_ranking_report
    from trad_array.study.search_results import write_ranking
    from trad_array.study.study_file import read_study_file
    from trad_array.study.world import World

    read = read_study_file(study_path, combine=False)
    plan = replace(read.rank, mics=mics or read.rank.mics, layouts=layouts or read.rank.layouts)
    n = workers or cores()
    out.mkdir(parents=True, exist_ok=True)
    with shown_steps() as show:
        world = World(
            read.study, cache_folder(cache), workers=n, progress=lambda done, total: show("rooms", done, total)
        )
        free = read.candidates.free or None
        found = rank(world, plan, free=free, workers=n, folder=out / "simulated", tell=show)
    files = write_ranking(out, read.study, found)
    page = write_ranking_report(out, read.study, found)
    for line in _lines(found):
        click.echo(line, err=as_json)
    if as_json:
        emit(
            {
                "schema": "trad-array/study-rank/1",
                "simulated": True,
                "folder": str(out),
                "report": str(page),
                "previewed": len(found.layouts),
                "spearman": _number(found.spearman),
                "best": str(files[0]) if files else None,
            }
        )
    say(f"wrote {out / 'ranking.json'}, previews.csv, {len(files)} layout files and {page}")


def _lines(found: "Ranking") -> list[str]:
    lines = [
        f"{len(found.layouts)} of {found.n_possible} layouts previewed, {len(found.rows)} simulated; RT60 "
        f"{found.condition.rt60_s:g} s, {found.condition.snr_db:g} dB, {found.condition.duration_s:g} s, mismatch "
        f"{found.condition.mismatch.name}",
        f"Spearman of preview and simulation, from best to worst: margin {found.spearman:.3f}, log-determinant "
        f"{found.spearman_log_det:.3f}",
        "",
        "P(right), simulated       worst cell       place  preview  layout",
    ]
    rows = list(found.rows[:_ROWS]) + [row for row in found.rows[_ROWS:] if row.role == "reference"]
    return lines + [_row(row) for row in rows]


def _row(row: "Ranked") -> str:
    final = f"; as sound {_share(row.final)}" if row.final else ""
    what = " (reference)" if row.role == "reference" else ""
    return (
        f"{_share(row.simulated)}  {row.simulated.worst:.3f} {row.simulated.worst_cell:10} {row.place:6}  "
        f"{row.margin:.4f}  {row.choice.name}{what}{final}"
    )


def _share(share: "Share") -> str:
    return f"{share.p:.4f} [{share.low:.4f}, {share.high:.4f}]"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
