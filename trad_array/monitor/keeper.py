"""What a watch keeps: messages on disk before anybody is told, evidence of events, and what must outlive a restart.

Everything slow - clips, pictures, retention - happens in one thread of its own, notes of what must outlive a restart in
another; the watch never waits for them.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from trad_array.alarm.as_json import restored, saved
from trad_array.alarm.bundle import Evidence, draw_apart, refresh_bundle, undrawn, write_bundle
from trad_array.alarm.health import HealthRule, HealthState, active_faults
from trad_array.alarm.health_json import restored_health, saved_health
from trad_array.alarm.outputs.dispatch import Dispatcher
from trad_array.alarm.retention import RetentionRule, carry_out, plan_retention, take_inventory
from trad_array.alarm.state import AlarmState
from trad_array.alarm.store import Store
from trad_array.errors import ConfigError, StoreError, TradArrayError
from trad_array.monitor.moments import FILE_NAME
from trad_array.monitor.watch import Message, Sounded

# s between looks at what is too old, and between tries to write what waits for the disk; our choice.
TIDY_S, RETRY_S = 600.0, 2.0
_UNUSABLE = (ConfigError, StoreError, KeyError, TypeError, ValueError)
# Clips that wait in memory while the disk refuses them.
_MOST_REFUSED = 8
# Clips that wait to be written; a disk that hangs must not fill the memory.
_MOST_WAITING = 16
# s that an operator's wish may take.
_WISH_S = 3.0
_ALARM, _HEALTH = "alarm", "health"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the evidence says of how it was heard.

    layout_toml, config : text of the layout file, settings
    hashes : SHA-256 of model and site file, by name
    extra : more files for every bundle, by name
    """

    layout_toml: str
    config: Mapping[str, Any]
    hashes: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, bytes] = field(default_factory=dict)


class Keeper:
    """Keeps messages, evidence and states of one watch.

    Parameters
    ----------
    store, dispatcher : opened; closed with the keeper
    provenance : for the evidence
    retention : what is deleted when
    health : whose state is kept over restarts
    draw : add pictures to the evidence
    """

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        *,
        provenance: Provenance,
        retention: RetentionRule,
        health: HealthRule,
        draw: bool = True,
    ) -> None:
        self.store, self._dispatcher = store, dispatcher
        self._provenance, self._retention, self._rule, self._draw = provenance, retention, health, draw
        self.free_bytes: int | None = None
        self._refused: deque[Sounded] = deque(maxlen=_MOST_REFUSED)
        self._evidence = _Worker("evidence", every_s=TIDY_S, idle=self._tidy)
        self._notes = _Worker("notes", every_s=RETRY_S, idle=self._look)

    @property
    def trouble(self) -> str:
        """Why something could not be kept, one line; empty when all is well."""
        return self._dispatcher.trouble or self._notes.trouble or self._evidence.trouble

    def tell(self, messages: Sequence[Message], *, but: Sequence[str] = ()) -> None:
        """Store messages and pass them on, in their order; not to the outputs `but`, which are disabled."""
        self._dispatcher.leave_out(but)
        for message in messages:
            self._dispatcher.dispatch(message)

    def keep_sound(self, sounded: Sounded) -> None:
        """Make a bundle of the sound of an event, when there is time for it; dropped when too many wait."""
        if self._evidence.waiting >= _MOST_WAITING:
            self._evidence.trouble = f"{self.store.folder}: too slow, the clip of {sounded.clip.event} is dropped"
            return
        self._evidence.do(partial(self._keep_sound, sounded))

    def outputs(self) -> tuple[tuple[str, str], ...]:
        """Every output, and what is wrong with it."""
        return tuple((state.name, "" if state.ok else state.reason or "broken") for state in self._dispatcher.states())

    def save_alarm(self, state: AlarmState) -> None:
        """Note the state of the alarm, which must outlive a restart."""
        self._notes.do(partial(self.store.set_value, _ALARM, {"state": saved(state), "utc_s": time.time()}))

    def save_health(self, state: HealthState) -> None:
        """Note what was learned of the array."""
        self._notes.do(partial(self.store.set_value, _HEALTH, saved_health(self._rule, state)))

    def earlier(self) -> tuple[AlarmState | None, HealthState | None, tuple[str, ...]]:
        """States of an earlier watch, and what could not be read of them, for a person."""
        said: list[str] = []
        alarm, health = None, None
        # Each by itself: a note of the array that cannot be used must not cost a latched alarm.
        try:
            if (noted := self.store.value(_HEALTH)) is not None:
                health = restored_health(self._rule, noted)
        except _UNUSABLE as trouble:
            said.append(f"what an earlier watch learned of the array cannot be used: {trouble}")
        try:
            if (noted := self.store.value(_ALARM)) is not None:
                away_s = max(0.0, time.time() - float(noted["utc_s"]))
                faults = () if health is None else active_faults(health)
                alarm = restored(noted["state"], 0.0, away_s=away_s, faults=faults)
        except _UNUSABLE as trouble:
            said.append(f"the state of an earlier watch cannot be used: {trouble}")
        return alarm, health, (*said, *self.store.take_notes())

    def close(self, *, within_s: float = 20.0) -> None:
        """Finish the evidence, deliver what can be delivered, and let go of the store."""
        self._notes.close(within_s=within_s)
        self._evidence.close(within_s=within_s)
        self._dispatcher.close()
        self.store.close()

    def lock(self, event: str, *, locked: bool) -> str:
        """Keep an event for ever, or no longer; why that cannot be, or an empty text."""
        found: queue.Queue[str] = queue.Queue()

        def change() -> None:
            try:
                (self.store.lock if locked else self.store.unlock)(event)
            except StoreError as trouble:
                found.put(str(trouble))
            else:
                found.put("")

        self._notes.do(change)
        try:
            return found.get(timeout=_WISH_S)
        except queue.Empty:
            return f"{self.store.folder}: the disk has not answered for {_WISH_S:g} s"

    def _look(self) -> None:
        """Write what waits for the disk, and see how much room is left."""
        self.free_bytes = self.store.free_bytes()
        if self.store.trouble:
            self.store.retry()

    def _keep_sound(self, sounded: Sounded) -> None:
        """Make a bundle; what a disk refuses is tried again later, the newest few of it."""
        try:
            self._bundle(sounded)
        except StoreError:
            self._refused.append(sounded)
            raise

    def _bundle(self, sounded: Sounded) -> None:
        """Clip, words and numbers of an event; then its pictures."""
        name = sounded.clip.event
        log = [entry.record for entry in self.store.log(event=name)]
        if not log:
            return
        extra = dict(self._provenance.extra)
        if sounded.replay is not None:
            extra[FILE_NAME] = sounded.replay.to_bytes()
        evidence = Evidence(
            event=log[-1],
            messages=log,
            layout_toml=self._provenance.layout_toml,
            config=self._provenance.config,
            clip=sounded.clip,
            hashes=self._provenance.hashes,
            extra=extra,
        )
        folder = write_bundle(self.store.bundles, evidence)
        self.store.set_bundle(name, folder)
        if self._draw:
            draw_apart(folder)
            self.store.set_bundle(name, folder)
        later = [entry.record for entry in self.store.log(event=name)]
        if len(later) > len(log):
            refresh_bundle(folder, later[-1], later)

    def _tidy(self) -> None:
        """Let go of what is too old, try again what a disk refused, draw what nobody has drawn."""
        now = datetime.now(UTC)
        plan = plan_retention(self._retention, take_inventory(self.store, self._retention, now=now), now=now)
        carry_out(self.store, plan, tell=self._dispatcher.dispatch)
        self._dispatcher.tidy()
        for _ in range(len(self._refused)):
            self._keep_sound(self._refused.popleft())
        if plan.short_bytes:
            raise StoreError(f"{self.store.folder}: {plan.short_bytes / 1e6:.0f} MB over its ceiling are locked or new")
        for folder in undrawn(self.store.bundles) if self._draw else ():
            draw_apart(folder)


class _Worker:
    """A thread that does one thing after the other, and something else now and then."""

    def __init__(self, name: str, *, every_s: float, idle: Callable[[], None]) -> None:
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._every_s, self._idle, self._due_s = every_s, idle, time.monotonic()
        self.trouble = ""
        self._thread = threading.Thread(target=self._works, name=name, daemon=True)
        self._thread.start()

    def do(self, task: Callable[[], None]) -> None:
        """Do it when there is time."""
        self._tasks.put(task)

    @property
    def waiting(self) -> int:
        """How much is to be done."""
        return self._tasks.qsize()

    def close(self, *, within_s: float) -> None:
        """Finish what waits, in that time."""
        self._tasks.put(None)
        self._thread.join(within_s)

    def _works(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=max(0.0, self._due_s - time.monotonic()))
            except queue.Empty:
                self._due_s = time.monotonic() + self._every_s
                task = self._idle
            if task is None:
                return
            try:
                task()
                self.trouble = ""
            except Exception as trouble:  # whatever it is, it is shown as a fault, and the next thing is done
                known = isinstance(trouble, TradArrayError)
                self.trouble = str(trouble) if known else f"{self._thread.name}: {type(trouble).__name__}: {trouble}"
