"""`trad-array events`: what a watch has kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.durations import DURATION
from trad_array_cli.operate import socket_option
from trad_array_cli.options import json_option
from trad_array_cli.report import emit, place_words
from trad_array_cli.watch_setup import DEFAULT_STORE
from trad_array_cli.watch_words import message_line

if TYPE_CHECKING:
    from trad_array.alarm.store_records import StoredEvent


def _store_option(function: Any) -> Any:
    return click.option(
        "--store",
        "store_path",
        type=click.Path(path_type=Path),
        default=DEFAULT_STORE,
        show_default=True,
        metavar="FOLDER",
        help="Where the watch keeps its events.",
    )(function)


@click.group()
def command() -> None:
    """List what a watch has kept, read its log, and lock events against deletion.

    May be used while the watch runs.

    \b
    Examples:
      trad-array events list --store /var/lib/trad-array
      trad-array events log --since 24h
      trad-array events lock 20261124T124515217Z-a69ce160
    """


@command.command("list")
@_store_option
@click.option("--level", type=click.Choice(["alarm", "alert", "report"]), multiple=True, help="Only these.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The newest so many.")
@json_option("one event a line")
def list_(store_path: Path, level: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List events, newest first."""
    from trad_array.alarm.store_view import StoreReader

    with StoreReader(store_path) as store:
        for event in store.events(kept_as=level, limit=limit):
            if as_json:
                emit({**event.last, "kept_as": event.kept_as, "locked": event.locked, "bundle": event.bundle})
            else:
                click.echo(_event_line(event, store_path))


@command.command()
@_store_option
@click.option("--event", metavar="ID", help="Only what was said of this event.")
@click.option("--since", "since_s", type=DURATION, metavar="8h|2d", help="Only what was said in this time.")
@json_option("one message a line")
def log(store_path: Path, event: str | None, since_s: float | None, as_json: bool) -> None:
    """Print everything that the watch said, oldest first."""
    from datetime import UTC, datetime, timedelta

    from trad_array.alarm.store_view import StoreReader

    since = None if since_s is None else datetime.now(UTC) - timedelta(seconds=since_s)
    since_utc = None if since is None else since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with StoreReader(store_path) as store:
        for entry in store.log(event=event, since_utc=since_utc):
            if as_json:
                emit(entry.record)
            else:
                line = message_line(entry.record, timed=False) or _state_line(entry.record)
                click.echo(f"{entry.at_utc} {line}")


@command.command()
@click.argument("event")
@_store_option
@socket_option
def lock(event: str, store_path: Path, socket_path: Path | None) -> None:
    """Keep EVENT and its evidence for ever."""
    _lock("lock", event, store_path, socket_path)


@command.command()
@click.argument("event")
@_store_option
@socket_option
def unlock(event: str, store_path: Path, socket_path: Path | None) -> None:
    """Let EVENT go when its time comes."""
    _lock("unlock", event, store_path, socket_path)


def _lock(what: str, event: str, store_path: Path, socket_path: Path | None) -> None:
    """Through the watch, which alone writes its store; straight to the disk when none runs."""
    from trad_array.alarm.store import Store
    from trad_array.alarm.store_view import StoreReader
    from trad_array.monitor.control import ask, default_socket

    path = socket_path or default_socket()
    if path.exists():
        done = ask(path, {"do": what, "subject": event})["done"]
    else:
        # Says so when there is none, where a store would make one.
        StoreReader(store_path).close()
        with Store(store_path) as store:
            (store.lock if what == "lock" else store.unlock)(event)
        done = [f"{event}: {what}ed"]
    for line in done:
        click.echo(line)


def _event_line(event: "StoredEvent", store_path: Path) -> str:
    when = event.onset_utc or event.stored_utc
    marks = " (locked)" if event.locked else ""
    page = f", {store_path / 'events' / event.bundle / 'index.html'}" if event.bundle else ""
    return f"{when} {event.kept_as.upper()}{marks} {event.id}: {place_words(event.last)}{page}"


def _state_line(record: Mapping[str, Any]) -> str:
    return f"{record.get('level', record['schema'])}: {'; '.join(why['detail'] for why in record.get('why', ()))}"
