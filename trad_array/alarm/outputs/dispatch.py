"""Messages to all outputs: stored first, then told at once, and told again until they have arrived.

What waits on disk for an output that does not take it: events of level alarm or alert and all that is said of them
later, faults, states, actions and deletions. It is delivered in its order when the output works again, also after a
restart. A single message that is refused while others are taken is set aside, and offered again every minute.
What may be lost: heartbeats, and reports of sounds that never were more than that; while an output is broken only the
newest of each waits, in memory.

Delivery is at least once. A message is offered again when the process ended, or the power was cut, between its arrival
and the note of it: receivers that mind look at `id` and `state`.
"""

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trad_array.alarm.outputs import Output
from trad_array.alarm.outputs.clerk import Clerk
from trad_array.alarm.outputs.lane import Lane, LaneRule, OutputState
from trad_array.alarm.store import Store
from trad_array.alarm.store_records import KINDS, check_message, kind_of, sendable

# Events that are remembered as announced although they are not over (our choice; a few dozen are open at once).
_MOST_ANNOUNCED = 1_000


def waits_on_disk(message: Mapping[str, Any], *, announced: bool) -> bool:
    """Whether a message must arrive; `announced`: something was said of its event that must arrive."""
    kind = kind_of(message)
    if kind == "event":
        return announced or message["level"] in ("alarm", "alert")
    return kind in KINDS


@dataclass(frozen=True, slots=True)
class DispatchRule:
    """How outputs are treated; our choice.

    lane : retries and limits of each output
    most_waiting : messages on disk for one output; beyond that the oldest go, which is logged
    commit_limit_s : s, after which the outputs are told although the disk has not answered
    """

    lane: LaneRule = LaneRule()
    most_waiting: int = 10_000
    commit_limit_s: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _ToKeep:
    """A message on its way into the store; `kept` once it is there, or waits there in memory."""

    message: Mapping[str, Any]
    must_arrive: bool
    kept: threading.Event


class Dispatcher:
    """Stores messages and passes them on, each output from a thread of its own.

    Parameters
    ----------
    store : also holds what waits
    outputs : no two of the same name; closed with the dispatcher
    rule : retries and limits
    """

    def __init__(self, store: Store, outputs: Sequence[Output], *, rule: DispatchRule | None = None) -> None:
        self._store, self._rule = store, rule or DispatchRule()
        self._guard = threading.Lock()
        self._announced: dict[str, None] = {}
        names = [output.name for output in outputs]
        if len(set(names)) < len(names):
            raise ValueError(f"outputs: expected different ones, found {', '.join(names)}")
        self._clerk = Clerk()
        self._lanes = [Lane(output, store, clerk=self._clerk, rule=self._rule.lane) for output in outputs]
        self._keeping_since: float | None = None
        self._mistake: str | None = None
        self._left_out: frozenset[str] = frozenset()
        self._inbox: queue.SimpleQueue[_ToKeep | None] = queue.SimpleQueue()
        self._keeper = threading.Thread(target=self._keep, name="store", daemon=True)
        self._keeper.start()

    def dispatch(self, message: Mapping[str, Any]) -> None:
        """Store a message and pass it on; returns after the commit, and does not wait for outputs.

        It never raises for the sake of a disk or an output: the watch goes on, and `trouble` and `states` tell. With a
        disk that is full, or does not answer within `commit_limit_s`, the outputs are told all the same; in the latter
        case they are told again when it does.

        Raises
        ------
        ValueError, TypeError
            If it is no message, or not JSON.
        """
        message = sendable(message)
        kind = check_message(message)
        if kind not in KINDS:
            self._pass_on(message, None)
            return
        with self._guard:
            must_arrive = waits_on_disk(message, announced=message.get("id") in self._announced)
            if kind == "event":
                self._remember(message, must_arrive)
            item = _ToKeep(message, must_arrive, threading.Event())
            self._inbox.put(item)
        # Whoever waited once for this disk does not wait again until it answers.
        if not item.kept.wait(max(0.0, self._rule.commit_limit_s - self._stalled_s())):
            self._pass_on(message, None)

    def leave_out(self, names: Sequence[str]) -> None:
        """From now on these outputs are disabled: they get no message, now or later; the others are enabled."""
        self._left_out = frozenset(names)

    @property
    def trouble(self) -> str | None:
        """What is wrong with keeping messages, for a person; None when all is well. Never waits for the disk."""
        if (stalled_s := self._stalled_s()) > self._rule.commit_limit_s:
            return f"{self._store.folder}: the disk has not answered for {stalled_s:.1f} s"
        return self._mistake or self._clerk.mistake or self._store.trouble

    def states(self) -> tuple[OutputState, ...]:
        """How each output does. Never waits for the disk."""
        return tuple(lane.state() for lane in self._lanes)

    def tidy(self) -> tuple[dict[str, Any], ...]:
        """Let go of what waits beyond the limit, or for outputs that nobody uses any more; messages that say so.

        They are dispatched, too. Call it now and then. Raises `StoreError` when the disk refuses.
        """
        lanes = {lane.name: lane for lane in self._lanes}
        told: list[dict[str, Any]] = []
        for name in (*lanes, *(n for n in self._store.outbox_names() if n not in lanes)):
            most = self._rule.most_waiting if name in lanes else 0
            if number := self._store.drop_outbox(name, most=most):
                why = f"more than {most} waited for {name}" if name in lanes else f"there is no output {name} any more"
                about = {"what": "undelivered", "output": name, "number": number, "why": why}
                told.append({"schema": "trad-array/deletion/1", **about})
                if name in lanes:
                    lanes[name].let_go(number)
        for message in told:
            self.dispatch(message)
        return tuple(told)

    def close(self, *, within_s: float = 5.0) -> None:
        """Keep and deliver what can be in that time, then close the outputs; the rest waits on disk."""
        until = time.monotonic() + within_s
        self._inbox.put(None)
        self._keeper.join(within_s)
        for lane in self._lanes:
            lane.finish()
        for lane in self._lanes:
            lane.close(within_s=max(0.0, until - time.monotonic()))
        self._clerk.close(within_s=max(0.5, until - time.monotonic()))

    def _keep(self) -> None:
        """Store what comes, one after the other, and hand it to the outputs: in a thread, for a disk may hang."""
        while (item := self._inbox.get()) is not None:
            seq, self._keeping_since = None, time.monotonic()
            names = [lane.name for lane in self._lanes if lane.name not in self._left_out]
            try:
                number = self._store.keep(item.message, to=names if item.must_arrive else [])
                seq = number if item.must_arrive else None
                self._mistake = None
            except Exception as trouble:  # whatever it is, the outputs must hear, and a person of the mistake
                self._mistake = f"{self._store.folder}: not stored: {type(trouble).__name__}: {trouble}"
            self._keeping_since = None
            self._pass_on(item.message, seq)
            item.kept.set()

    def _stalled_s(self) -> float:
        """How long the disk has been busy with one message."""
        since = self._keeping_since
        return 0.0 if since is None else time.monotonic() - since

    def _pass_on(self, message: Mapping[str, Any], seq: int | None) -> None:
        for lane in self._lanes:
            if lane.name not in self._left_out:
                lane.put(message, seq=seq)

    def _remember(self, message: Mapping[str, Any], must_arrive: bool) -> None:
        """Events of which the end must arrive as the beginning had to."""
        if message.get("state") == "end":
            self._announced.pop(message["id"], None)
        elif must_arrive:
            self._announced[message["id"]] = None
            if len(self._announced) > _MOST_ANNOUNCED:
                del self._announced[next(iter(self._announced))]
