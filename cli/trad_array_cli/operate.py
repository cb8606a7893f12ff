"""`trad-array ack | silence | reset | disable | enable | test-mode | status`: words to a running watch."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trad_array_cli.durations import DURATION
from trad_array_cli.main import ALARM_FOUND, FAULT_FOUND, OK
from trad_array_cli.options import json_option
from trad_array_cli.report import emit
from trad_array_cli.watch_words import state_lines


def socket_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--socket`: of which watch."""
    return click.option(
        "--socket",
        "socket_path",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Socket of the watch, as `monitor --socket` has it; without it the user's own.",
    )(function)


def _operator(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who does it, and why: both are logged."""
    for option in (
        json_option("one object"),
        click.option("--comment", default="", metavar="TEXT", help="Why; it is logged."),
        click.option("--by", default=None, metavar="NAME", help="Who; it is logged.  [default: your login name]"),
        socket_option,
    ):
        function = option(function)
    return function


def _for_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--for", "for_s", type=DURATION, metavar="30s|15m|8h|2d", help=what)


@click.command()
@click.argument("subject", required=False, default="")
@_operator
def ack(subject: str, **who: Any) -> int:
    """Acknowledge what sounds: all of it, or a SUBJECT like `cell:R1C05` or `fault:mic-silent:M2`.

    A new cell, or a new fault, sounds again.

    \b
    Examples:
      trad-array ack --by "Ada" --comment "on my way"
      trad-array ack cell:R1C05
    """
    return _act("ack", subject, None, **who)


@click.command()
@click.argument("subject", required=False, default="")
@_for_option("After that it sounds again, if it still holds.")
@_operator
def silence(subject: str, for_s: float | None, **who: Any) -> int:
    """Silence what sounds, without saying that somebody has seen to it; a fault sounds again after a day.

    \b
    Examples:
      trad-array silence
      trad-array silence fault:mic-silent:M2 --for 8h --comment "spare microphone ordered"
    """
    return _act("silence", subject, for_s, **who)


@click.command()
@_operator
def reset(**who: Any) -> int:
    """Let go of a latched alarm. Refused while its sound is heard, and until ten quiet seconds have passed.

    \b
    Example:
      trad-array reset --by "Ada" --comment "cell replaced"
    """
    return _act("reset", "", None, **who)


@click.command()
@click.argument("subject")
@_for_option("When it ends by itself; at most 30 days.  [default: 8h]")
@_operator
def disable(subject: str, for_s: float | None, **who: Any) -> int:
    """Take a cell, a microphone or an output out of the alarm for a while: `cell:NAME`, `mic:NAME`, `output:NAME`.

    It is still heard, told and logged, but raises nothing; that it is disabled is always shown.

    \b
    Example:
      trad-array disable cell:R1C05 --for 2h --comment "valve is being tested"
    """
    return _act("disable", subject, for_s, **who)


@click.command()
@click.argument("subject")
@_operator
def enable(subject: str, **who: Any) -> int:
    """End a disablement; `test` ends a test.

    \b
    Examples:
      trad-array enable cell:R1C05
      trad-array enable test
    """
    return _act("enable", subject, None, **who)


@click.command("test-mode")
@_for_option("When it ends by itself; at most 8 h.  [default: 30m]")
@_operator
def test_mode(for_s: float | None, **who: Any) -> int:
    """Begin a test: alarms are marked and do not sound; faults are shown and sound as ever. `enable test` ends it.

    \b
    Example:
      trad-array test-mode --for 15m --by "Ada" --comment "clicker at R1C05"
    """
    return _act("test", "", for_s, **who)


@click.command()
@socket_option
@click.option("--check", is_flag=True, help="Exit with 10 on an alarm, with 12 on a fault.")
@json_option("one object")
def status(socket_path: Path | None, check: bool, as_json: bool) -> int:
    """Say how a running watch is: level, cells, faults, what it hears. No answer is an error, never "all well".

    \b
    Examples:
      trad-array status
      trad-array status --check --json
    """
    found = _asked(socket_path, {"do": "status"})
    if as_json:
        emit(found)
    else:
        for line in state_lines(found):
            click.echo(line)
    if not check:
        return OK
    return ALARM_FOUND if found["level"] == "alarm" else FAULT_FOUND if found["faults"] else OK


def _act(
    kind: str,
    subject: str,
    for_s: float | None,
    *,
    socket_path: Path | None,
    by: str | None,
    comment: str,
    as_json: bool,
) -> int:
    """Ask for an action, and say what came of it; a refusal is an error."""
    request = {"do": kind, "subject": subject, "for_s": for_s, "by": by or getpass.getuser(), "comment": comment}
    found = _asked(socket_path, request)
    if as_json:
        emit(found)
    else:
        for line in found["done"]:
            click.echo(line)
    return OK


def _asked(socket_path: Path | None, request: dict[str, Any]) -> dict[str, Any]:
    from trad_array.monitor.control import ask, default_socket

    return ask(socket_path or default_socket(), request)
