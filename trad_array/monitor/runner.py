"""Runs a watch: takes pieces from a source, hands messages to whoever keeps and tells them, answers operators.

The one loop for a sound card, for raw samples and for recordings. All states change in this one thread, so what an
operator is answered is what holds.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import Any, Protocol

from trad_array.alarm.as_json import state_json
from trad_array.alarm.health import Machine
from trad_array.alarm.health_json import health_json
from trad_array.alarm.outputs import Output
from trad_array.alarm.state import ACTIONS, Action, AlarmState
from trad_array.audio.captured import Captured, Piece, SoundSource
from trad_array.errors import OutputError
from trad_array.monitor.control import ControlServer
from trad_array.monitor.keeper import Keeper
from trad_array.monitor.messages import REFUSED, When
from trad_array.monitor.watch import (
    Message,
    Watch,
    WatchOutput,
    WatchState,
    array_json,
    started_at,
    watch_act,
    watch_finish,
    watch_step,
)

# s between looks at disk, store and outputs, and between notes of what was learned of the array; our choice.
LOOK_S, NOTE_S = 1.0, 600.0
# Nobody waits longer: three years.
_LONGEST_S = 1e8
# What is asked of the store through the watch, which alone writes it.
LOCKS = ("lock", "unlock")

Told = Callable[[WatchState, WatchOutput], None]


class Teller(Protocol):
    """Takes messages in their order."""

    def tell(self, messages: tuple[Message, ...], *, but: Sequence[str] = ()) -> None:
        """Pass them on, but not to disabled outputs; never raises for the sake of a disk or an output."""
        ...

    def outputs(self) -> tuple[tuple[str, str], ...]:
        """Every output, and what is wrong with it; empty when it works."""
        ...


class Straight:
    """Messages straight to the outputs, nothing kept: for replays without a store."""

    def __init__(self, outputs: tuple[Output, ...]) -> None:
        self._outputs = outputs
        self._trouble: dict[str, str] = {}

    def outputs(self) -> tuple[tuple[str, str], ...]:
        """See `Teller`."""
        return tuple((output.name, self._trouble.get(output.name, "")) for output in self._outputs)

    def tell(self, messages: tuple[Message, ...], *, but: Sequence[str] = ()) -> None:
        """Each message to each output; what does not take it is shown as a fault."""
        for output in (output for output in self._outputs if output.name not in but):
            for message in messages:
                try:
                    output.send(message)
                    self._trouble.pop(output.name, None)
                except OutputError as trouble:
                    self._trouble[output.name] = str(trouble)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a running watch works with.

    teller : takes the messages
    keeper : keeps evidence and states; it is the teller then
    control : for operators
    on_step : shows each step to a person
    """

    teller: Teller
    keeper: Keeper | None = None
    control: ControlServer | None = None
    on_step: Told | None = None


def run_watch(watch: Watch, state: WatchState, source: SoundSource, around: Surroundings, *, stop: Flag) -> WatchState:
    """Watch until the source ends or `stop` is set; events that are on are ended then.

    Raises
    ------
    DeviceError
        If the sound card cannot be used, or hangs for good; everything so far is told and kept.
    """
    loop = _Loop(watch, state, around)
    try:
        for piece in _until(source.pieces(), stop):
            loop.take(piece, drift_ppm=_drift_ppm(source))
    finally:
        source.close()
        loop.finish()
    return loop.state


class _Loop:
    """The state of a running watch and when which slow thing is due."""

    def __init__(self, watch: Watch, state: WatchState, around: Surroundings) -> None:
        self.watch, self.state, self.around = watch, state, around
        self._look_s = self._note_s = 0.0
        self._saved: AlarmState | None = None

    def take(self, piece: Piece, *, drift_ppm: float | None) -> None:
        """One piece of sound, or a second without any."""
        machine = None
        now = time.monotonic()
        if now >= self._look_s:
            self._look_s = now + LOOK_S
            machine = self._machine(drift_ppm)
        arrived = None
        if isinstance(piece, Captured) and piece.received_s is not None:
            arrived = time.time() - (now - piece.received_s)
        state, output = watch_step(self.watch, self.state, piece, machine=machine, arrived_utc_s=arrived)
        self._stepped(state, output)
        if self.around.control is not None:
            self.around.control.answer(self._answer)
        if now >= self._note_s and self.around.keeper is not None:
            self._note_s = now + NOTE_S
            self.around.keeper.save_health(self.state.health)

    def finish(self) -> None:
        """The stream has ended."""
        self._stepped(*watch_finish(self.watch, self.state, machine=self._machine(None)))
        if self.around.keeper is not None:
            self.around.keeper.save_health(self.state.health)

    def _stepped(self, state: WatchState, output: WatchOutput) -> None:
        self.state = state
        keeper = self.around.keeper
        self.around.teller.tell(output.messages, but=state.alarm.disabled_names("output"))
        if keeper is not None:
            for sounded in output.sounded:
                keeper.keep_sound(sounded)
            # The clock alone changes nothing that must outlive a restart.
            if self._saved is None or replace(state.alarm, at_s=self._saved.at_s) != self._saved:
                self._saved = state.alarm
                keeper.save_alarm(state.alarm)
        if self.around.on_step is not None:
            self.around.on_step(state, output)

    def _machine(self, drift_ppm: float | None) -> Machine:
        keeper = self.around.keeper
        disabled = self.state.alarm.disabled_names("mic")
        outputs = self.around.teller.outputs()
        if keeper is None:
            return Machine(drift_ppm=drift_ppm, outputs=outputs, disabled=disabled)
        return Machine(
            drift_ppm=drift_ppm,
            free_bytes=keeper.free_bytes,
            outputs=outputs,
            store=keeper.trouble,
            disabled=disabled,
        )

    def _answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an operator asked for, done or refused."""
        if request.get("do") == "status":
            return status_json(self.watch, self.state)
        if request.get("do") in LOCKS:
            return self._lock(request)
        if request.get("do") not in ACTIONS:
            return {"error": f"expected status, {', '.join((*ACTIONS, *LOCKS))}, found {request.get('do')!r}"}
        try:
            action = _action(request, now_s=self.state.now_s)
        except (TypeError, ValueError, OverflowError) as trouble:
            return {"error": f"{request['do']}: {trouble}"}
        state, output = watch_act(self.watch, self.state, action)
        self._stepped(state, output)
        refused = [change.detail for change in output.changes if change.kind == REFUSED]
        if refused:
            return {"error": "; ".join(refused)}
        done = [change.detail for change in output.changes if change.by]
        return {"done": done, **status_json(self.watch, self.state)}

    def _lock(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep an event for ever, or let it go when its time comes."""
        keeper, event = self.around.keeper, str(request.get("subject", ""))
        if keeper is None:
            return {"error": f"{request['do']}: expected a watch that keeps events, found one without a store"}
        trouble = keeper.lock(event, locked=request["do"] == "lock")
        if trouble:
            return {"error": trouble}
        return {"done": [f"{event}: {request['do']}ed"]}


def status_json(watch: Watch, state: WatchState) -> dict[str, Any]:
    """The state of a watch, what its array hears, and how its microphones are."""
    return {
        **state_json(state.alarm, state.now_s),
        **When(state.now_s, started_at(watch, state)).fields,
        "array": array_json(watch, state),
        "health": health_json(watch.health, state.health),
        "layout": watch.chain.layout.id,
        "source": watch.origin.source,
    }


def _action(request: Mapping[str, Any], *, now_s: float) -> Action:
    """An action as it came through the socket."""
    texts = {key: request.get(key, "") for key in ("subject", "by", "comment")}
    for key, value in texts.items():
        if not isinstance(value, str) or len(value) > 1000:
            raise ValueError(f"{key}: expected a text of at most 1000 characters")
        if not value.isprintable():  # also half characters of a terminal with another encoding
            raise ValueError(f"{key}: expected a text of printable characters, found {ascii(value)}")
    for_s = request.get("for_s")
    if for_s is not None and not 0.0 < float(for_s) < _LONGEST_S:
        raise ValueError(f"for_s: expected a time over 0 s, found {for_s:g}")
    return Action(
        kind=request["do"],
        by=texts["by"],
        comment=texts["comment"],
        subject=texts["subject"],
        until_s=None if for_s is None else now_s + float(for_s),
    )


def _until(pieces: Iterator[Piece], stop: Flag) -> Iterator[Piece]:
    for piece in pieces:
        if stop.is_set():
            return
        yield piece


def _drift_ppm(source: SoundSource) -> float | None:
    """Speed of the card's clock against ours, where the source has one."""
    drift = getattr(source, "drift", None)
    # A drift that is not known to a hundred parts in a million yet is none to speak of.
    return None if drift is None or drift.sure_ppm > 100.0 else float(drift.ppm)
