"""What is deleted, when, and in which order; all of it is logged and told.

By age: an event goes with its bundle once it is older than the days of its class, unless it is among the newest of its
class that are always kept. By room: while the folder is larger than the ceiling, bundles go, and the rows of their
events stay. Reports go before alerts, alerts before alarms, in each class the oldest first, whatever the days and
counts above say: a full disk would lose the next alarm. Alarms of the last day go last of all, for nobody may have seen
them yet. Locked events never go; when nothing else is left, the plan says how much room is missing.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from trad_array.alarm import disk
from trad_array.alarm.store import Store
from trad_array.alarm.store_records import CLASSES, StoredEvent
from trad_array.errors import StoreError


@dataclass(frozen=True, slots=True)
class ClassRule:
    """How long events of one class are kept: so many days, and the newest so many whatever their age."""

    days: float
    least: int


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long what is kept; our choice.

    alarm, alert, report : events by class
    ceiling_bytes : of the whole folder, the database included
    young_s : s, alarms younger than this go only when nothing else is left
    log_days, log_least : messages older than this and not among the newest so many go from the log
    """

    alarm: ClassRule = ClassRule(400.0, 1000)
    alert: ClassRule = ClassRule(90.0, 100)
    report: ClassRule = ClassRule(30.0, 0)
    ceiling_bytes: int = 10_000_000_000
    young_s: float = 86_400.0
    log_days: float = 400.0
    log_least: int = 10_000

    def __post_init__(self) -> None:
        if self.log_days < 366 or self.log_least < 10_000:
            raise ValueError(
                "retention: expected a log of at least 366 days and 10000 entries, "
                f"found {self.log_days:g} and {self.log_least}"
            )


@dataclass(frozen=True, slots=True)
class Kept:
    """One event of the inventory, as far as retention cares.

    event : id
    kept_as : its class
    at : its onset
    bundle_bytes : 0 without a bundle
    locked : it never goes
    """

    event: str
    kept_as: str
    at: datetime
    bundle_bytes: int
    locked: bool


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is.

    events : in any order
    other_bytes : of the folder, besides bundles
    log_entries, log_old : messages in the log, and those of them that are older than the rule keeps them
    """

    events: tuple[Kept, ...]
    other_bytes: int = 0
    log_entries: int = 0
    log_old: int = 0


@dataclass(frozen=True, slots=True)
class Deletion:
    """Something that goes.

    event : id, or None for entries of the log
    what : "event" (row and bundle), "bundle" (its row stays) or "log"
    kept_as : class of the event, or "log"
    number : 1, or entries of the log
    bytes : of the bundle
    why : one line for a person
    """

    event: str | None
    what: str
    kept_as: str
    number: int
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Deletions in their order, and by how much the folder is larger than the ceiling after them."""

    deletions: tuple[Deletion, ...]
    short_bytes: int = 0


def plan_retention(rule: RetentionRule, inventory: Inventory, *, now: datetime) -> Plan:
    """What has to go now."""
    too_old = _too_old(rule, inventory.events, now=now)
    gone = {deletion.event for deletion in too_old}
    left = [event for event in inventory.events if event.event not in gone]
    for_room, short = _for_room(rule, left, other_bytes=inventory.other_bytes, now=now)
    log = min(inventory.log_old, max(0, inventory.log_entries - rule.log_least))
    why = f"older than {rule.log_days:g} days and not among the newest {rule.log_least}"
    from_log = [Deletion(None, "log", "log", log, 0, why)] if log else []
    return Plan((*too_old, *for_room, *from_log), short)


def take_inventory(store: Store, rule: RetentionRule, *, now: datetime) -> Inventory:
    """What a store holds; raises `StoreError`."""
    found = store.events()
    entries, old = store.log_size(before_utc=_utc(now - timedelta(days=rule.log_days)))
    try:
        # Measured, not remembered: pictures come into a bundle later.
        events = tuple(_kept(e, 0 if e.bundle is None else disk.size_of(store.bundles / e.bundle)) for e in found)
        other = sum(disk.size_of(path) for path in store.folder.iterdir() if path != store.bundles)
    except OSError as trouble:
        raise StoreError(f"{store.folder}: {trouble.strerror or trouble}") from trouble
    return Inventory(events, other, entries, old)


def carry_out(
    store: Store, plan: Plan, *, tell: Callable[[Mapping[str, Any]], object] | None = None
) -> tuple[dict[str, Any], ...]:
    """Delete what the plan says; return the messages about it.

    Each deletion is told before it is final: first the bundle gets a name that nobody reads, then the deletion is in
    the log, then files and row go. Ended at any moment, nothing is gone that was not logged; what was about to go is
    back at the next start, and goes again. On a full disk the files go once the deletion was told, though the log waits
    in memory: nothing else would make room. What an earlier call left behind is seen to first.

    Parameters
    ----------
    store : the store
    plan : as `plan_retention` gives it
    tell : stores and announces a message, as `Dispatcher.dispatch`; None to store it only

    Raises
    ------
    StoreError
        If the disk refuses; what was done until then is logged.
    """
    _see_to_leftovers(store)
    messages = []
    for deletion in plan.deletions:
        message = {
            "schema": "trad-array/deletion/1",
            "what": deletion.what,
            "event": deletion.event,
            "class": deletion.kept_as,
            "number": deletion.number,
            "bytes": deletion.bytes,
            "why": deletion.why,
        }
        _delete(store, deletion, message, tell or store.add_deletion)
        messages.append(message)
    return tuple(messages)


def _too_old(rule: RetentionRule, events: Iterable[Kept], *, now: datetime) -> list[Deletion]:
    """Events past the days of their class, oldest first; locked ones count among the newest but never go."""
    found: list[tuple[datetime, Deletion]] = []
    for kept_as in CLASSES:
        limits = _limits(rule, kept_as)
        newest_first = sorted((e for e in events if e.kept_as == kept_as), key=lambda e: e.at, reverse=True)
        for event in newest_first[limits.least :]:
            if not event.locked and now - event.at > timedelta(days=limits.days):
                why = f"older than {limits.days:g} days"
                found.append((event.at, Deletion(event.event, "event", kept_as, 1, event.bundle_bytes, why)))
    return [deletion for _, deletion in sorted(found, key=lambda pair: pair[0])]


def _for_room(
    rule: RetentionRule, events: Iterable[Kept], *, other_bytes: int, now: datetime
) -> tuple[list[Deletion], int]:
    """Bundles that go until the folder is below the ceiling, and how much is still too much then."""
    excess = other_bytes + sum(event.bundle_bytes for event in events) - rule.ceiling_bytes
    young = now - timedelta(seconds=rule.young_s)
    mine = [event for event in events if event.bundle_bytes and not event.locked]
    mine.sort(key=lambda e: (e.kept_as == "alarm" and e.at > young, CLASSES.index(e.kept_as), e.at))
    gone: list[Deletion] = []
    for event in mine:
        if excess <= 0:
            break
        why = f"the folder is larger than {rule.ceiling_bytes / 1e9:g} GB"
        gone.append(Deletion(event.event, "bundle", event.kept_as, 1, event.bundle_bytes, why))
        excess -= event.bundle_bytes
    return gone, max(0, excess)


def _limits(rule: RetentionRule, kept_as: str) -> ClassRule:
    return {"alarm": rule.alarm, "alert": rule.alert, "report": rule.report}[kept_as]


def _delete(
    store: Store, deletion: Deletion, message: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], object]
) -> None:
    if deletion.event is None:
        tell(message)
        store.trim_log(deletion.number)
        return
    folder = store.bundles / deletion.event
    try:
        hidden = disk.hide(folder) if folder.exists() else None
        try:
            tell(message)
        except Exception:
            if hidden is not None:
                hidden.rename(folder)
            raise
        try:
            if hidden is not None:
                shutil.rmtree(hidden)
        finally:
            _change_row(store, deletion.event, what=deletion.what)
    except OSError as trouble:
        raise StoreError(f"{folder}: cannot be deleted: {trouble.strerror or trouble}") from trouble


def _change_row(store: Store, event: str, *, what: str) -> None:
    if store.trouble is not None:
        # There may be room now, and the next one needs the log as well.
        store.retry()
    if what == "event":
        store.forget_event(event)
    else:
        store.set_bundle(event, None)


def _see_to_leftovers(store: Store) -> None:
    """Bundles that got another name and stayed: those that a row still knows come back, the others go for good."""
    for hidden in sorted(store.bundles.glob(f"*{disk.OLD}{disk.PART}")):
        folder = hidden.with_name(hidden.name.removesuffix(f"{disk.OLD}{disk.PART}"))
        is_known = any(event.bundle == folder.name for event in store.events(ids=[folder.name]))
        try:
            if is_known and not folder.exists():
                hidden.rename(folder)
            else:
                shutil.rmtree(hidden)
        except OSError as trouble:
            raise StoreError(f"{hidden}: cannot be deleted: {trouble.strerror or trouble}") from trouble


def _kept(event: StoredEvent, size: int) -> Kept:
    at = datetime.fromisoformat(event.onset_utc or event.stored_utc)
    # A level that this version does not know is kept as long as possible.
    kept_as = event.kept_as if event.kept_as in CLASSES else "alarm"
    return Kept(event.id, kept_as, at, size, event.locked)


def _utc(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
