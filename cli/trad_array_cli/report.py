"""Records to text lines for people (standard error) and JSON lines for programs (standard output)."""

import json
from collections.abc import Mapping
from typing import Any

import click


def say(text: str) -> None:
    """One line for a person, on standard error."""
    click.echo(text, err=True)


def emit(record: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output, at once."""
    click.echo(json_line(record))


def json_line(record: Mapping[str, Any]) -> str:
    """The object as one line; a NaN would be an error, not a line that nobody can parse."""
    return json.dumps(record, allow_nan=False, ensure_ascii=False, separators=(", ", ": "))
