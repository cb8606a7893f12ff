"""`trad-array study run`: simulate every layout under every condition."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trad_array_cli.options import json_option, out_option
from trad_array_cli.report import emit, say
from trad_array_cli.study_options import (
    cache_folder,
    cache_option,
    events_option,
    of_size,
    scheduler_option,
    shown_progress,
    study_argument,
    workers_option,
)

if TYPE_CHECKING:
    from trad_array.study.running import Progress


@click.command(name="run", no_args_is_help=True)
@study_argument
@out_option(metavar="FOLDER", what="The table, the report, and what is needed to go on after a stop.")
@cache_option
@workers_option
@events_option
@scheduler_option
@click.option("--csv", "as_csv", is_flag=True, help="The table as results.csv instead of results.parquet.")
@json_option("one object at the end")
def command(
    study_path: Path,
    out: Path,
    cache: Path | None,
    workers: int | None,
    events: int | None,
    scheduler: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Simulate every layout of a study under every condition: a table and a report. All of it is simulated.

    The same command again goes on where it was stopped, and after a change of the study it computes only what the
    change touches. The same seed gives the same table on one process, on many, and on a cluster.

    \b
    Examples:
      trad-array study run examples/pack.toml -o first-look --events 100
      trad-array study run examples/pack.toml -o pack-study
      trad-array study run mine.toml -o mine --workers 8 --csv
      trad-array study run mine.toml -o mine --scheduler tcp://10.0.0.7:8786
    """
    from trad_array.study.executors import cores
    from trad_array.study.plan import plan, require_disk
    from trad_array.study.report.answer import answer
    from trad_array.study.report.run_folder import read_found
    from trad_array.study.report.writing import write_report
    from trad_array.study.results import table_path
    from trad_array.study.running import run
    from trad_array.study.study_file import read_study

    study, kept_in = of_size(read_study(study_path), events), cache_folder(cache)
    planned = plan(study, kept_in, folder=out, workers=workers or cores())
    require_disk(planned, kept_in, out)
    say(f"{study.name}: {planned.layouts} layouts, {planned.events + planned.sounds} events to simulate")
    last = _Last()
    try:
        with shown_progress() as show:
            table = run(
                study,
                out,
                cache=kept_in,
                workers=workers,
                scheduler=scheduler,
                as_csv=as_csv,
                progress=lambda progress: show(last(progress)),
            )
    except KeyboardInterrupt:
        say(f"{out}: {last.done} of {last.total} shards are kept; the same command goes on from there")
        raise
    page, results = write_report(out), table_path(out)
    sentences = answer(read_found(out))
    if as_json:
        emit(
            {
                "schema": "trad-array/study-run/1",
                "simulated": True,
                "folder": str(out),
                "table": str(results),
                "report": str(page),
                "rows": len(table),
                "shards": last.total,
                "kept": last.kept,
                "answer": sentences,
            }
        )
        return
    for sentence in sentences:
        click.echo(sentence)
    say(f"wrote {results} and {page}")


class _Last:
    """How far the run has come."""

    def __init__(self) -> None:
        self.done = self.total = self.kept = 0

    def __call__(self, progress: "Progress") -> "Progress":
        if progress.stage != "rooms":
            self.done, self.total, self.kept = progress.done, progress.total, progress.kept
        return progress
