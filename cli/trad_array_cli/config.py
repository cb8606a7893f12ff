"""`trad-array config`: the file of settings."""

from pathlib import Path

import click

from trad_array_cli.options import json_option
from trad_array_cli.report import emit


@click.group()
def command() -> None:
    """Show, check and describe files of settings.

    Every command that hears sound takes `--config FILE`. What is given on the command line counts more than the file,
    and the file more than the defaults. Paths in a file are seen from its folder.

    \b
    Examples:
      trad-array config show > trad-array.toml
      trad-array config check trad-array.toml
      trad-array config schema > trad-array.schema.json
    """


@command.command()
@click.argument("path", required=False, type=click.Path(path_type=Path), metavar="[FILE.toml]")
@json_option("one object")
def show(path: Path | None, as_json: bool) -> None:
    """Print every setting with its explanation: the defaults, or as FILE has them."""
    from dataclasses import asdict

    from trad_array.config import Config, config_text, read_config

    config = Config() if path is None else read_config(path)
    if as_json:
        emit(asdict(config))
    else:
        click.echo(config_text(config), nl=False)


@command.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.toml")
def check(path: Path) -> None:
    """Say whether a watch could start with FILE: every key, and every file that it names."""
    from trad_array.config import chain_of, read_config
    from trad_array.errors import ConfigError
    from trad_array_geometry.errors import TradArrayError

    config = read_config(path)
    try:
        chain = chain_of(config)
    except TradArrayError as trouble:
        raise ConfigError(f"{path}: {trouble}") from trouble
    click.echo(f"{path}: fine: layout {chain.layout.id}, {chain.layout.n_mics} microphones, {config.model_name}")


@command.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    import json

    from trad_array.config import config_schema

    click.echo(json.dumps(config_schema(), indent=2))
