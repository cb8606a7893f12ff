"""What a watch tells, in words: messages on lines of their own, and the state in a few."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from trad_array_cli.durations import spoken
from trad_array_cli.report import place_words

# s without sound that are worth a word.
_NO_SOUND_S = 1.0


def message_line(message: Mapping[str, Any], *, timed: bool = True) -> str | None:
    """A message on one line; None for those that say nothing new to a person who watches.

    timed : begin faults and actions with their time
    """
    when = f"{message.get('at_utc') or _seconds(message.get('at_s', 0.0))}: " if timed else ""
    kind = str(message["schema"]).split("/")[1]
    if kind == "event":
        return _event_line(message)
    if kind == "fault":
        subject = message["subject"]
        who = f"{subject}: " if subject and subject not in message["detail"].split(": ")[0] else ""
        word = {"raised": "FAULT", "restored": "restored", "noticed": "noticed"}[message["state"]]
        return f"{when}{word} {message['kind']}: {who}{message['detail']}"
    if kind == "action":
        comment = f" ({message['comment']})" if message["comment"] else ""
        return f"{when}{message['detail']}, by {message['by']}{comment}"
    if kind == "deletion":
        which = message.get("event") or message.get("output") or f"{message['number']} entries"
        return f"deleted {message['what']} {which}: {message['why']}"
    return None


def _event_line(message: Mapping[str, Any]) -> str:
    if message["state"] == "end":
        span = f"{message['onset_s']:.2f} s to {message['end_s']:.2f} s"
        if message["onset_utc"]:
            span = f"{message['onset_utc']}, {message['end_s'] - message['onset_s']:.2f} s"
        return f"end     {message['source']}: {span}: {message['level'].upper()}: {place_words(message)}"
    words = "heard" if message["state"] == "new" else place_words(message)
    after = "" if message["heard_s"] is None else f" (after {message['heard_s']:.2f} s)"
    at = message["onset_utc"] or _seconds(message["onset_s"])
    return f"{message['state']:7} {at}: {message['level'].upper()}: {words}{after}"


def state_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """The state of a watch for a person: what matters most comes first."""
    yield f"{state['level'].upper()}{_incident(state)}"
    for cell in state["incident"]:
        yield f"  {_cell_words(cell)}"
    for fault in (*state["faults"], *state["supervisory"]):
        quiet = next((word for word in ("acknowledged", "silenced") if fault[word]), None)
        marked = f" ({quiet} by {fault[quiet]['by']})" if quiet else ""
        yield f"  fault {fault['key'].removeprefix('fault:')} for {spoken(fault['for_s'])}: {fault['detail']}{marked}"
    for mark in state["disabled"]:
        yield f"  disabled: {mark['key']} by {mark['by']}, {spoken(mark['ends_in_s'])} left"
    if test := state["test"]:
        yield f"  TEST by {test['by']}, {spoken(test['ends_in_s'])} left: alarms do not sound, faults do"
    yield from _array_lines(state)


def _incident(state: Mapping[str, Any]) -> str:
    if not state["latched"]:
        return "" if not state["faults"] else ", with faults"
    first, current = state["first_cell"], state["current_cell"]
    cells = f"first cell {first}" if first == current else f"first cell {first}, now {current}"
    return f" (latched), {cells}" if first else " (latched), not placed"


def _cell_words(cell: Mapping[str, Any]) -> str:
    name = cell["cell"] or "not placed"
    quiet = next((f", {word} by {cell[word]['by']}" for word in ("acknowledged", "silenced") if cell[word]), "")
    test = ", in a test" if cell["test"] else ""
    count = "1 sound" if cell["sounds"] == 1 else f"{cell['sounds']} sounds"
    return f"{name}: first heard {spoken(cell['first_ago_s'])} ago, {count}{quiet}{test}"


def _array_lines(state: Mapping[str, Any]) -> Iterator[str]:
    array = state.get("array")
    if array is None:
        return
    silent_s = max(state["at_s"] - array["sound_until_s"], 0.0)
    sound = f"no sound for {spoken(silent_s)}" if silent_s >= _NO_SOUND_S else "sound arrives"
    yield f"  {state['source']}, layout {state['layout']}: {sound}"
    if silent_s >= _NO_SOUND_S:
        return
    healths = {mic["mic"]: mic for mic in state["health"]["mics"]}
    for mic in array["mics"]:
        level = "silent" if mic["level_dbfs"] is None else f"{mic['level_dbfs']:.0f} dBFS"
        yield f"  microphone {mic['mic']}: {level}{_health_words(healths[mic['mic']])}"
    reasons = dict.fromkeys(mic["lag"] for mic in healths.values() if mic["lag"] != "observed")
    for reason in reasons:
        names = ", ".join(name for name, mic in healths.items() if mic["lag"] == reason)
        yield f"  whether channels of {names} are late cannot be told: {reason}"


def _health_words(mic: Mapping[str, Any]) -> str:
    if mic["disabled"]:
        return ", disabled"
    return "" if mic["works"] else ", does not work"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


class Lines:
    """Messages as lines for a person: an update only when it says something else."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def tell(self, message: Mapping[str, Any]) -> None:
        """One message, if there is something to say."""
        line = message_line(message)
        if line is None:
            return
        name = message.get("id", "")
        if name and message["state"] != "end":
            words = f"{message['level']}: {place_words(message)}"
            if self._said.get(name) == words:
                return
            self._said[name] = words
        elif name:
            self._said.pop(name, None)
        click.echo(line)
