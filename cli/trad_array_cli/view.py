"""The terminal view of a watch: levels, score, state, faults, last event and cells, drawn twice a second."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trad_array_cli.durations import spoken
from trad_array_cli.report import place_words
from trad_array_cli.watch_words import state_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from trad_array.monitor.watch import Watch, WatchOutput, WatchState

_EVERY_S = 0.5
_BAR = 30
_FLOOR_DB = -90.0
_COLOURS = {"normal": "green", "alert": "yellow", "alarm": "white on red"}


class View:
    """Draws a watch on a terminal until it is ended."""

    def __init__(self, watch: "Watch", *, console: "Console | None" = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._watch = watch
        self._event: Mapping[str, Any] | None = None
        self._state: WatchState | None = None
        self._score = 0.0
        self._due_s = 0.0
        self._console = console or Console()
        # A screen of its own, drawn as a whole: what the audio library writes into it stays for half a second.
        self._live = Live(console=self._console, auto_refresh=False, screen=True)
        self._live.start()

    def step(self, state: "WatchState", output: "WatchOutput") -> None:
        """Take what a step brought; draw when it is time."""
        for message in output.messages:
            if message["schema"].startswith("trad-array/event/"):
                self._event = message
        for heard in output.heard:
            if len(heard.heard.fused.values):
                self._score = float(heard.heard.fused.values[-1])
        self._state = state
        now_s = time.monotonic()
        if now_s >= self._due_s or output.changes:
            self._due_s = now_s + _EVERY_S
            self._live.update(self._picture(state), refresh=True)

    def end(self) -> None:
        """Leave the last picture standing; may be called twice."""
        self._live.stop()
        if self._state is not None:
            self._console.print(self._picture(self._state))
            self._state = None

    def _picture(self, state: "WatchState") -> "RenderableType":
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        from trad_array.monitor.runner import status_json
        from trad_array.monitor.text_map import text_map

        status = status_json(self._watch, state)
        lines = [Text(line) for line in _told(status)]
        lines[0].stylize(_COLOURS[status["level"]])
        title = f"trad-array: {status['layout']}, {status['source']}, {spoken(status['at_s'])}"
        parts: list[RenderableType] = [*lines, _levels(status["array"]["mics"]), Text(f"score {self._score:6.1f}")]
        if self._event is not None:
            event = self._event
            when = event["onset_utc"] or f"{event['onset_s']:.2f} s"
            parts.append(Text(f"last event {when}: {place_words(event)}"))
            if event["cells"]:
                parts.append(Text("\n".join(text_map(event, self._watch.chain.layout))))
        return Panel(Group(*parts), title=title)


def _told(status: Mapping[str, Any]) -> Iterator[str]:
    """State and faults; the microphones have bars of their own."""
    yield from state_lines({**status, "array": None})


def _levels(mics: list[Mapping[str, Any]]) -> "RenderableType":
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    for mic in mics:
        level = mic["level_dbfs"]
        share = 0.0 if level is None else min(max(1.0 - level / _FLOOR_DB, 0.0), 1.0)
        bar = "█" * round(share * _BAR)
        words = "silent" if level is None else f"{level:.0f} dBFS"
        table.add_row(mic["mic"], f"[{_level_colour(level)}]{bar:<{_BAR}}[/]", words)
    return table


def _level_colour(level: float | None) -> str:
    if level is None:
        return "red"
    return "yellow" if level > -3.0 else "cyan"
