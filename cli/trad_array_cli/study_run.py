"""`trad-array study run`: simulate every layout under every condition."""

from pathlib import Path

import click

from trad_array_cli.options import json_option, out_option


@click.command(name="run", no_args_is_help=True)
@click.argument("study_path", metavar="STUDY.toml", type=click.Path(path_type=Path))
@out_option(metavar="FOLDER", what="The table, the report, and what is needed to go on after a stop.")
@json_option("one object at the end")
def command(study_path: Path, out: Path, as_json: bool) -> int:
    """Simulate every layout of a study under every condition."""
    raise click.UsageError("not there yet")
