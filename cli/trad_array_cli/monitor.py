"""`trad-array monitor`: the watch, over a sound card, raw samples or a recording."""

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.listening import ChainChoice, chain_options, site_option
from trad_array_cli.main import ALARM_FOUND, OK
from trad_array_cli.options import json_option
from trad_array_cli.report import say
from trad_array_cli.watch_setup import DEFAULT_STORE, open_keeper, open_outputs, open_source, source_options, watch_of
from trad_array_cli.watch_words import Lines

if TYPE_CHECKING:
    from trad_array.config import Config
    from trad_array.monitor.runner import Surroundings, Teller
    from trad_array.monitor.watch import Watch, WatchOutput, WatchState


# Steps of the watch that a person has not seen yet; more are dropped.
_MOST_STEPS = 1000


@click.command()
@source_options
@chain_options
@site_option
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="json:-|json:FILE|exec:CMD",
    help="Where messages go; may be given often.",
)
@click.option("--store", "store_path", metavar="FOLDER", help="Where events and evidence are kept.")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), metavar="PATH", help="For `status`, `ack`.")
@click.option("--view/--no-view", default=None, help="Level bars, faults and cells; by default on a terminal.")
@click.option("--fail-on", type=click.Choice(["alarm"]), help="Exit with 10 when an alarm was raised.")
@json_option("messages, one a line; the same as -o json:-")
def command(
    choice: ChainChoice,
    site_path: Path | None,
    channel_map: tuple[int, ...] | None,
    outputs: tuple[str, ...],
    store_path: str | None,
    socket_path: Path | None,
    view: bool | None,
    fail_on: str | None,
    as_json: bool,
    **where: Any,  # click's: the options that say where the sound comes from
) -> int:
    """Watch a live array, or a recording, and raise alarms.

    Each event is told when it is heard (new), when it is placed (update) and when it is over (end), always under the
    same id; faults when they are shown and when they are over; the state of the alarm whenever it changes. With
    --device events are kept in a folder, with their sound, and `trad-array status | ack | silence | reset` speak to
    the running watch. A clip that a watch kept is heard again as it was heard.

    \b
    Examples:
      trad-array monitor --device trad_array --layout pack-corners -o json:-
      trad-array monitor --config trad-array.toml -o json:alarms.jsonl -o 'exec:/usr/local/bin/page-me'
      trad-array monitor --replay night.wav --layout pack-corners --fast
      arecord -c4 -r16000 -fS16_LE -traw | trad-array monitor --input raw:- --dtype int16 --samplerate 16000 \\
        --layout row-corners
    """
    choice = choice.with_site(site_path).with_source(channel_map=channel_map, **where)
    told_to = (*outputs, "json:-") if as_json and "json:-" not in outputs else outputs
    choice = choice.with_changes({"store.folder": store_path, "output": told_to or None})
    from trad_array.monitor.warm import warm_up

    replay, raw = where["replay"], where["raw"]
    live = replay is None
    if live and choice.config.store.folder is None:
        choice = choice.with_changes({"store.folder": DEFAULT_STORE})
    with ExitStack() as stack:
        # First in, last out: a signal while the watch is closing does not end it half closed.
        stop = stack.enter_context(_stoppable())
        source, earlier = open_source(choice, replay=replay, raw=raw, fast=where["fast"])
        stack.callback(source.close)
        watch = watch_of(choice, source, origin=earlier.origin if earlier else None)
        if live:
            warm_up(watch.chain)
        shown = _Shown(watch, choice.config, view, live=live)
        stack.callback(shown.end)
        spoken_to = live or socket_path is not None
        around, state = _surroundings(stack, choice, watch, shown, control=spoken_to, at=socket_path)
        if earlier is not None:
            state = watch.start_at(earlier)
            say(f"{replay}: heard from {earlier.moment.at / watch.chain.features.fs:.2f} s on as the watch heard it")
        say(f"watching {source.name}: layout {choice.layout.id}, {choice.model_name}{_kept_in(choice.config)}")
        state = _run(watch, state, source, around, stop)
    say(f"heard {state.now_s:.1f} s, alarms: {shown.alarms}")
    return ALARM_FOUND if fail_on and shown.alarms else OK


def _run(watch: "Watch", state: "WatchState", source: Any, around: "Surroundings", stop: Flag) -> "WatchState":
    from trad_array.monitor.runner import run_watch

    return run_watch(watch, state, source, around, stop=stop)


def _surroundings(
    stack: ExitStack, choice: ChainChoice, watch: "Watch", shown: "_Shown", *, control: bool, at: Path | None
) -> "tuple[Surroundings, WatchState]":
    """Store, outputs and socket, closed with the stack; and the state that an earlier watch left."""
    from trad_array.monitor.control import ControlServer, default_socket
    from trad_array.monitor.runner import Straight, Surroundings

    outputs = open_outputs(choice)
    keeper, state = None, watch.start()
    if choice.config.store.folder is None:
        teller: Teller = Straight(outputs)
        for output in outputs:
            stack.callback(output.close)
    else:
        keeper = open_keeper(choice, watch, outputs)
        stack.callback(keeper.close)
        alarm, health, said = keeper.earlier()
        for line in said:
            say(line)
        teller, state = keeper, watch.start(alarm=alarm, health=health)
    server = None
    if control:
        server = ControlServer(at or default_socket())
        stack.callback(server.close)
    return Surroundings(teller, keeper, server, shown.step), state


class _Shown:
    """What a person sees: a picture that is drawn anew, or lines; nothing when messages go to standard output.

    It is written in a thread of its own: a terminal that stands still, and a reader that has gone, must not hold the
    watch. A live watch drops what nobody reads; a recording waits for its reader.
    """

    def __init__(self, watch: "Watch", config: "Config", view: bool | None, *, live: bool) -> None:
        wanted = view if view is not None else sys.stdout.isatty() and "json:-" not in config.output
        lines = None if wanted or "json:-" in config.output else Lines()
        picture: Any = None
        if wanted:
            from trad_array_cli.view import View

            picture = View(watch)
        self._alarms: set[str] = set()
        self._wait_s = 0.0 if live else None
        self._steps: queue.Queue[tuple[WatchState, WatchOutput] | None] = queue.Queue(_MOST_STEPS)
        self._thread = threading.Thread(target=self._show, args=(lines, picture), name="screen", daemon=True)
        if lines is not None or picture is not None:
            self._thread.start()

    @property
    def alarms(self) -> int:
        """How many events were alarms."""
        return len(self._alarms)

    def step(self, state: "WatchState", output: "WatchOutput") -> None:
        """Show one step of the watch."""
        for message in output.messages:
            if message["schema"].startswith("trad-array/event/") and message["level"] == "alarm":
                self._alarms.add(message["id"])
        if self._thread.is_alive():
            self._put((state, output), wait_s=self._wait_s)

    def end(self) -> None:
        """Leave the terminal as it was, when it still answers; may be called twice."""
        if self._thread.is_alive():
            self._put(None, wait_s=2.0)
            self._thread.join(2.0)

    def _put(self, item: "tuple[WatchState, WatchOutput] | None", *, wait_s: float | None) -> None:
        while True:
            try:
                self._steps.put(item, block=wait_s != 0.0, timeout=wait_s or 1.0)
                return
            except queue.Full:
                if wait_s is not None or not self._thread.is_alive():
                    return

    def _show(self, lines: Lines | None, picture: Any) -> None:
        """The thread: write until the end, or until nobody reads any more."""
        try:
            while (item := self._steps.get()) is not None:
                state, output = item
                if lines is not None:
                    for message in output.messages:
                        lines.tell(message)
                if picture is not None:
                    picture.step(state, output)
            if picture is not None:
                picture.end()
        except (OSError, ValueError) as trouble:
            # What is still in the buffers goes nowhere, or it would be tried again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            why = getattr(trouble, "strerror", None) or str(trouble)
            say(f"standard output: lines cannot be written any more, the watch goes on: {why}")


@contextmanager
def _stoppable() -> Iterator[Flag]:
    """A flag that Ctrl-C and SIGTERM set; whoever presses twice does not wait for evidence and outputs."""
    stop = Flag()

    def handle(_signal: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _kept_in(config: "Config") -> str:
    return "" if config.store.folder is None else f", events in {config.store.folder}"
