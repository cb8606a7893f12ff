"""One output and its thread: messages in their order, from memory while all is well, from disk after trouble."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from trad_array.alarm.outputs import Output
from trad_array.alarm.outputs.clerk import Clerk
from trad_array.alarm.store import Store
from trad_array.alarm.store_file import utc_now
from trad_array.alarm.store_records import kind_of
from trad_array.errors import OutputError, StoreError


@dataclass(frozen=True, slots=True)
class LaneRule:
    """Limits of one output; our choice.

    first_retry_s, longest_retry_s : s, pause after a failure, doubled each time up to the longest
    tries : failures of one message after which the next one is tried; if that arrives and the first does not, the first
        is set aside and offered again every `longest_retry_s`
    stuck_s : s, after which an output that does not return counts as broken
    in_memory : messages; those beyond it are read from the disk again
    without_disk : messages in memory while the disk refuses them
    disk_limit_s : s, after which what is in memory is sent although the disk does not say what waits there
    """

    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0
    tries: int = 5
    stuck_s: float = 10.0
    in_memory: int = 256
    without_disk: int = 10_000
    disk_limit_s: float = 1.0


@dataclass(frozen=True, slots=True)
class OutputState:
    """How an output does.

    name : of the output
    ok : the last message arrived, and none takes too long
    since_utc : since when that is so
    reason : what is wrong, one line, or None
    waiting : messages that have not arrived
    refused : messages that were set aside because others were taken and they were not
    delivered : messages since the start
    """

    name: str
    ok: bool
    since_utc: str
    reason: str | None
    waiting: int
    refused: int
    delivered: int


@dataclass(frozen=True, slots=True)
class _Item:
    """A message, its number in the store when it must arrive, and what it was before an output had it in its hands."""

    message: Mapping[str, Any]
    seq: int | None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the disk says to the question of this number: the oldest of the outbox, and whether that is all of it."""

    question: int
    found: list[_Item]
    unreadable: bool


class Lane:
    """Feeds one output from a thread of its own, which never waits for the disk but within `disk_limit_s`.

    Parameters
    ----------
    output : closed with the lane
    store : what must arrive is in its outbox; what waits there from before is delivered first
    clerk : asks and tells the store; closed after the lane
    rule : limits
    """

    def __init__(self, output: Output, store: Store, *, clerk: Clerk, rule: LaneRule) -> None:
        self.name = output.name
        self._output, self._store, self._clerk, self._rule = output, store, clerk, rule
        self._turn = threading.Condition()
        self._queue: deque[_Item] = deque()
        # Something in the outbox is not in the queue: left from before, or more than memory takes.
        self._behind = True
        self._finishing = self._closing = self._hurry = False
        self._reason: str | None = None
        self._since = utc_now()
        self._sending_since: float | None = None
        self._delivered = self._last_done = 0
        # What must arrive and has not; counted here, so that nobody who asks waits for the disk.
        self._unsent = store.outbox_size(self.name) if store.trouble is None else 0
        # Delivered, but still in the outbox until that is noted; and those of them of which the disk refused the note.
        self._arrived: set[int] = set()
        self._refused_notes: set[int] = set()
        self._question = 0
        self._answer: _Answer | None = None
        # A question was not answered in time and still is not: nobody waits for the disk again until it is.
        self._overdue = False
        self._aside: list[_Item] = []
        self._aside_due = 0.0
        self._thread = threading.Thread(target=self._run, name=f"output {output.name}", daemon=True)
        self._thread.start()

    def put(self, message: Mapping[str, Any], *, seq: int | None) -> None:
        """Hand over a message; it is sent at once when nothing is before it. Never blocks for the output's sake.

        An alarm ends the pause after a failure.
        """
        with self._turn:
            self._unsent += seq is not None
            if seq is not None and seq <= self._last_done:
                return  # it was read from the disk in between
            self._queue.append(_Item(message, seq, kind_of(message)))
            self._hurry = self._hurry or message.get("level") == "alarm"
            if self._reason is not None or len(self._queue) > self._rule.in_memory:
                self._make_room()
            self._turn.notify()

    def state(self) -> OutputState:
        """How the output does."""
        with self._turn:
            reason, since = self._reason, self._since
            sending = self._sending_since
            waiting = max(0, self._unsent) + sum(item.seq is None for item in self._queue)
            delivered, refused = self._delivered, len(self._aside)
            is_over = self._finishing or self._closing
        stuck_s = 0.0 if sending is None else time.monotonic() - sending
        if reason is None and stuck_s > self._rule.stuck_s:
            reason = f"{self.name}: has not taken a message for {stuck_s:.0f} s"
        if reason is None and not is_over and not self._thread.is_alive():
            reason = f"{self.name}: its thread has ended"
        return OutputState(self.name, reason is None, since, reason, waiting, refused, delivered)

    def let_go(self, number: int) -> None:
        """So many messages were taken out of the outbox without having arrived."""
        with self._turn:
            self._unsent -= number

    def finish(self) -> None:
        """Nothing more comes: end when all is sent, or at the first failure."""
        with self._turn:
            self._finishing = True
            self._turn.notify()

    def close(self, *, within_s: float) -> None:
        """End within that time, and close the output."""
        self.finish()
        self._thread.join(within_s)
        with self._turn:
            self._closing = True
            self._turn.notify()
        self._output.close()
        # A thread that hangs in its output is left alone; it holds nothing that anybody needs.
        self._thread.join(0.5)

    def _run(self) -> None:
        """Work until the end; a mistake, wherever it is made, is shown, and the work goes on after a pause."""
        while True:
            try:
                self._work()
                return
            except Exception as trouble:  # whatever it is, a silent end would be worse
                mistake = OutputError(f"{self.name}: {type(trouble).__name__}: {trouble}")
            with self._turn:
                self._sending_since = None
            if not self._ill(mistake, self._rule.first_retry_s):
                return
            with self._turn:
                self._behind = True

    def _work(self) -> None:
        pause_s = self._rule.first_retry_s
        failures = 0
        while (items := self._next()) is not None:
            self._offer_refused()
            if not items:
                continue
            trouble = self._offer(items[0])
            if trouble is not None and failures + 1 >= self._rule.tries and len(items) > 1:
                trouble = self._offer_past(items[0], items[1], trouble)
            if trouble is None:
                pause_s, failures = self._rule.first_retry_s, 0
                self._well()
                continue
            failures += 1
            if not self._ill(trouble, pause_s):
                return
            pause_s = min(2 * pause_s, self._rule.longest_retry_s)

    def _next(self) -> list[_Item] | None:
        """What is to be sent now, and what must arrive after it; None when it is time to end."""
        with self._turn:
            while True:
                while not (self._queue or self._behind or self._finishing or self._closing):
                    due_s = self._aside_due - time.monotonic() if self._aside else None
                    if due_s is not None and due_s <= 0.0:
                        return []
                    self._turn.wait(due_s)
                if self._closing:
                    return None
                if self._behind and (items := self._from_disk()):
                    return items
                if self._queue:
                    after = (item for item in list(self._queue)[1:] if item.seq is not None)
                    return [self._queue[0], *([second] if (second := next(after, None)) else [])]
                if self._finishing and not self._behind:
                    return None
                if self._behind and not self._closing:
                    self._turn.wait(self._rule.first_retry_s)

    def _from_disk(self) -> list[_Item]:
        """The oldest two of the outbox; none when all of it is in memory as well, or the disk cannot be read."""
        self._behind = False
        answer = self._asked()
        if answer.found and all(item.seq != answer.found[0].seq for item in self._queue):
            self._behind = True
            return answer.found
        # What left memory is with the store, which writes it when the disk takes it again.
        self._behind = self._behind or (answer.unreadable and not self._finishing)
        return []

    def _asked(self) -> _Answer:
        """What the disk says to what waits for this output, if it says so in time."""
        if not self._overdue:
            self._question += 1
            self._clerk.do(partial(self._read, self._question))
            until = time.monotonic() + self._rule.disk_limit_s
            while (left := until - time.monotonic()) > 0 and not self._closing:
                if self._answer is not None and self._answer.question == self._question:
                    return self._answer
                self._turn.wait(left)
            self._overdue = self._answer is None or self._answer.question != self._question
            if not self._overdue and self._answer is not None:
                return self._answer
        return _Answer(self._question, [], unreadable=True)

    def _read(self, question: int) -> None:
        """Look into the outbox, in the clerk's thread; what arrived before the question was noted before it."""
        found: list[_Item] = []
        rotten, mistake = 0, None
        # Asked for before the outbox: what is written in between is found there.
        unreadable = self._store.waiting > 0
        with self._turn:
            skip = self._arrived | {item.seq for item in self._aside}
        try:
            waiting, rotten = self._store.undelivered(self.name, limit=2 + len(skip))
            found = [_Item(message, seq) for seq, message in waiting if seq not in skip][:2]
        except StoreError:
            unreadable = True
        except Exception as trouble:  # whatever it is, the messages in memory must go on, and a person must hear
            unreadable, mistake = True, f"{self.name}: what waits cannot be read: {type(trouble).__name__}: {trouble}"
        with self._turn:
            self._unsent -= rotten
            if mistake is not None:
                self._say_ill(mistake)
            self._answer, self._overdue = _Answer(question, found, unreadable), False
            self._turn.notify()

    def _offer_past(self, first: _Item, second: _Item, trouble: OutputError) -> OutputError | None:
        """Is it the output, or this message? Set the message aside when another one is taken and it is still not."""
        if self._offer(second) is not None:
            return trouble
        again = self._offer(first)
        if again is not None and first.seq is not None:
            with self._turn:
                self._aside.append(first)
                self._aside_due = time.monotonic() + self._rule.longest_retry_s
                self._queue = deque(item for item in self._queue if item.seq != first.seq)
                self._say_ill(f"{len(self._aside)} messages refused while others are taken: {again}")
            return None
        return again

    def _offer_refused(self) -> None:
        """Messages that were set aside, once in a while."""
        if not self._aside or time.monotonic() < self._aside_due:
            return
        self._aside = [item for item in self._aside if self._offer(item) is not None]
        self._aside_due = time.monotonic() + self._rule.longest_retry_s
        self._well()

    def _offer(self, item: _Item) -> OutputError | None:
        """Send one message; what went wrong, or None when it arrived and is noted."""
        with self._turn:
            self._sending_since = time.monotonic()
            self._hurry = False
        try:
            self._output.send(item.message)
        except OutputError as trouble:
            return trouble
        except BaseException as trouble:  # an output of somebody else: its mistakes, sys.exit too, end no thread
            return OutputError(f"{self.name}: {type(trouble).__name__}: {trouble}")
        finally:
            with self._turn:
                self._sending_since = None
        self._done(item)
        with self._turn:
            self._delivered += 1
        return None

    def _done(self, item: _Item) -> None:
        """The message is no longer to be sent."""
        with self._turn:
            if item.seq is not None:
                self._last_done = max(self._last_done, item.seq)
                self._unsent -= 1
            self._queue = deque(
                other for other in self._queue if other is not item and (item.seq is None or other.seq != item.seq)
            )
            if item.seq is not None:
                self._arrived.add(item.seq)
                self._clerk.do(partial(self._note, item.seq))

    def _note(self, seq: int) -> None:
        """Take a message out of the outbox, in the clerk's thread."""
        try:
            self._store.delivered(self.name, seq)
        except StoreError:
            # It waits with the store.
            self._refused_notes.add(seq)
            return
        with self._turn:
            # With this note all earlier ones are on the disk.
            self._arrived -= self._refused_notes | {seq}
        self._refused_notes.clear()

    def _well(self) -> None:
        with self._turn:
            if self._reason is not None and not self._aside:
                self._reason, self._since = None, utc_now()

    def _say_ill(self, reason: str) -> None:
        if self._reason is None:
            self._since = utc_now()
        self._reason = reason

    def _ill(self, trouble: OutputError, pause_s: float) -> bool:
        """Remember what is wrong and wait; whether to go on."""
        with self._turn:
            self._say_ill(str(trouble))
            self._make_room()
            if self._finishing or self._closing:
                return False
            until = time.monotonic() + pause_s
            while (left := until - time.monotonic()) > 0 and not (self._finishing or self._closing or self._hurry):
                self._turn.wait(left)
            self._hurry = False
            return not (self._finishing or self._closing)

    def _make_room(self) -> None:
        """Of what may be lost only the newest of each kind stays; what is on the disk is read from there again."""
        newest = {item.kind: item for item in self._queue if item.seq is None}
        queue = [item for item in self._queue if item.seq is not None or newest[item.kind] is item]
        must = [item for item in queue if item.seq is not None]
        on_disk = self._store.waiting == 0
        if len(must) > (self._rule.in_memory if on_disk else self._rule.without_disk):
            self._behind = True
            queue = [item for item in queue if item.seq is None]
        self._queue = deque(queue)
