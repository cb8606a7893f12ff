"""What a watch keeps: messages on disk before anybody is told, evidence of events, and what must outlive a restart.

Everything slow - clips, pictures, retention - happens in a thread of its own, one thing after the other; the watch
never waits for it.
"""

import queue
import threading
import time
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
from trad_array.errors import ConfigError, StoreError
from trad_array.monitor.moments import FILE_NAME
from trad_array.monitor.watch import Message, Sounded

# s between looks at what is too old, and between notes of what was learned; our choice.
TIDY_S = 600.0
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
        self._work: queue.Queue[Sounded | None] = queue.Queue()
        self._trouble = ""
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._works, name="keeper", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why something could not be kept, one line; empty when all is well."""
        with self._guard:
            return self.store.trouble or self._trouble

    def tell(self, messages: Sequence[Message]) -> None:
        """Store messages and pass them on, in their order."""
        for message in messages:
            self._dispatcher.dispatch(message)

    def keep_sound(self, sounded: Sounded) -> None:
        """Make a bundle of the sound of an event, when there is time for it."""
        self._work.put(sounded)

    def outputs(self) -> tuple[tuple[str, str], ...]:
        """Every output, and what is wrong with it."""
        return tuple((state.name, "" if state.ok else state.reason or "broken") for state in self._dispatcher.states())

    def save_alarm(self, state: AlarmState) -> None:
        """Note the state of the alarm, which must outlive a restart."""
        self._note(_ALARM, {"state": saved(state), "utc_s": time.time()})

    def save_health(self, state: HealthState) -> None:
        """Note what was learned of the array."""
        self._note(_HEALTH, saved_health(self._rule, state))

    def earlier(self) -> tuple[AlarmState | None, HealthState | None, tuple[str, ...]]:
        """States of an earlier watch, and what could not be read of them, for a person."""
        said: list[str] = []
        alarm, health = None, None
        try:
            if (noted := self.store.value(_HEALTH)) is not None:
                health = restored_health(self._rule, noted)
            if (noted := self.store.value(_ALARM)) is not None:
                away_s = max(0.0, time.time() - float(noted["utc_s"]))
                faults = () if health is None else active_faults(health)
                alarm = restored(noted["state"], 0.0, away_s=away_s, faults=faults)
        except (ConfigError, StoreError, KeyError, TypeError, ValueError) as trouble:
            said.append(f"what an earlier watch left cannot be used: {trouble}")
        return alarm, health, (*said, *self.store.take_notes())

    def close(self, *, within_s: float = 20.0) -> None:
        """Finish the evidence, deliver what can be delivered, and let go of the store."""
        self._work.put(None)
        self._thread.join(within_s)
        self._dispatcher.close()
        self.store.close()

    def _note(self, key: str, value: Any) -> None:
        try:
            self.store.set_value(key, value)
        except StoreError as trouble:
            self._in_trouble(str(trouble))

    def _in_trouble(self, why: str) -> None:
        with self._guard:
            self._trouble = why

    def _works(self) -> None:
        """The keeper's own thread."""
        tidy_s = 0.0
        while True:
            try:
                sounded = self._work.get(timeout=1.0)
            except queue.Empty:
                if time.monotonic() >= tidy_s:
                    tidy_s = time.monotonic() + TIDY_S
                    self._try(self._tidy)
                continue
            if sounded is None:
                return
            self._try(partial(self._bundle, sounded))

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoreError as trouble:
            self._in_trouble(str(trouble))
        else:
            self._in_trouble("")

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
        """Draw what nobody has drawn, and let go of what is too old."""
        if self._draw:
            for folder in undrawn(self.store.bundles):
                draw_apart(folder)
        now = datetime.now(UTC)
        plan = plan_retention(self._retention, take_inventory(self.store, self._retention, now=now), now=now)
        carry_out(self.store, plan, tell=self._dispatcher.dispatch)
        self._dispatcher.tidy()
        if plan.short_bytes:
            raise StoreError(f"{self.store.folder}: {plan.short_bytes / 1e6:.0f} MB over its ceiling are locked or new")
