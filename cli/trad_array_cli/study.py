"""`trad-array study`: placement studies over simulated rooms; each sub-command has a module of its own."""

from collections.abc import Mapping

import click

from trad_array_cli.lazy import LazyGroup

# Name of each sub-command, and the line about it; `study_NAME.py` (- becomes _) holds it as `command`.
SUBCOMMANDS: Mapping[str, str] = {
    "check": "Say how long a study takes and how much disk it needs, or what is wrong with it.",
    "run": "Simulate every layout under every condition: a table and a report.",
    "rank": "Preview thousands of layouts, simulate the best of them.",
    "optimise": "Move microphones within what is allowed until they hear best.",
    "report": "Draw what a run found: one page that opens offline, and its pictures.",
    "export": "Write the results of a run for other tools.",
}


def _where(name: str) -> tuple[str, str]:
    return f"study_{name.replace('-', '_')}", "command"


@click.group(cls=LazyGroup, lines=SUBCOMMANDS, where=_where)
def command() -> None:
    """Where should the microphones go? Simulate, compare, search.

    A study names a site, candidate layouts, rooms, loudness, fans and what may be wrong. All of its results are
    simulated and say so.

    \b
    Examples:
      trad-array study check examples/pack.toml
      trad-array study run examples/pack.toml -o pack-study
    """
