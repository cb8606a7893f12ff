"""`trad-array study check`: how long a study takes and how much disk it needs, or what is wrong with it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trad_array_cli.durations import spoken
from trad_array_cli.options import json_option
from trad_array_cli.report import emit
from trad_array_cli.study_options import cache_folder, cache_option, study_argument, workers_option

if TYPE_CHECKING:
    from trad_array.study.plan import Plan


@click.command(name="check", no_args_is_help=True)
@study_argument
@click.option(
    "-o",
    "--out",
    "out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the run will write; for its disk.",
)
@cache_option
@workers_option
@json_option("one object")
def command(study_path: Path, out: Path | None, cache: Path | None, workers: int | None, as_json: bool) -> None:
    """Say how long a study takes and how much disk it needs, before any long work starts; or what is wrong with it.

    Times are estimates, right within a factor of two on a machine without other work.

    \b
    Examples:
      trad-array study check examples/pack.toml
      trad-array study check mine.toml --workers 8 --json
    """
    from trad_array.study.executors import cores
    from trad_array.study.plan import plan, require_disk
    from trad_array.study.study_candidates import MOST_COMBINATIONS
    from trad_array.study.study_file import read_study, read_study_file

    kept_in, read = cache_folder(cache), read_study_file(study_path, combine=False)
    many = read.candidates.n_combinations
    searched = many > MOST_COMBINATIONS
    study = read.study if searched else read_study(study_path)
    planned = plan(study, kept_in, folder=out, workers=workers or cores())
    require_disk(planned, kept_in, out or Path())
    if as_json:
        record = asdict(planned) | {"study": study.name, "seconds": planned.seconds, "cache": str(kept_in)}
        record["combinations"] = many
        emit({"schema": "trad-array/study-plan/1", **record})
        return
    for line in _lines(study.name, planned, kept_in):
        click.echo(line)
    if searched:
        click.echo(
            f"that is for its whole layouts; {many} more can be made of its positions: `trad-array study rank` and "
            "`trad-array study optimise`"
        )


def _lines(name: str, planned: "Plan", cache: Path) -> list[str]:
    lines = [
        f"{name}: {planned.layouts} layouts from {planned.points} positions, {planned.cells} cells that vent",
        *(
            f"room of RT60 {room.rt60_s:g} s: {room.responses} responses, {room.responses_kept} of them are there; "
            f"noise at {room.noise} positions, {room.noise_kept} of them are there"
            for room in planned.rooms
        ),
        f"to simulate: {planned.events} vents for localization, {planned.sounds} sounds for detection; "
        f"{planned.shards} shards, {planned.shards_kept} of them are there",
        f"time: about {spoken(planned.seconds)} with {planned.workers} processes",
        f"disk: {planned.cache_bytes / 1e6:.0f} MB in {cache}, {planned.run_bytes / 1e6:.0f} MB in the run folder",
    ]
    return lines
