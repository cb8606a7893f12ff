"""`trad-array study check`: how long a study takes and how much disk it needs, or what is wrong with it."""

from pathlib import Path

import click


@click.command(name="check", no_args_is_help=True)
@click.argument("study_path", metavar="STUDY.toml", type=click.Path(path_type=Path))
def command(study_path: Path) -> int:
    """Say how long a study takes and how much disk it needs, before any long work starts."""
    raise click.UsageError("not there yet")
