"""A group of commands that imports each of them only when it is asked for."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows its commands by name and one line about each; the module of a command is imported when it runs.

    lines : name of each command, and the line about it in the group's help
    where : name to the module of `trad_array_cli` that holds it, and what it is called there
    """

    def __init__(
        self, *args: Any, lines: Mapping[str, str], where: Callable[[str], tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lines, self._where = lines, where

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help."""
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        if cmd_name not in self._lines:
            return None
        module, attribute = self._where(cmd_name)
        found: click.Command = getattr(importlib.import_module(f"trad_array_cli.{module}"), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line about each command, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))
