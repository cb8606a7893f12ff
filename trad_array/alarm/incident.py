"""What sounds, faults and the ends of disablements and tests do to the state of the alarm logic."""

from collections.abc import Iterable
from dataclasses import replace

from trad_array.alarm.fault_table import FaultChange, fault_kind
from trad_array.alarm.state import ActiveFault, AlarmState, Change, Latched, Mark, OpenSound, Sound

Stepped = tuple[AlarmState, tuple[Change, ...]]
# So many sounds that were placed nowhere are kept one by one (our choice).
_UNPLACED = 50
_EARLIER = "unplaced:earlier"


def hear(state: AlarmState, sound: Sound) -> Stepped:
    """Take what is known of a sound now."""
    known = next((s for s in state.sounds if s.id == sound.id), None)
    if sound.level == "report":
        # Certainly elsewhere: as an alert or alarm it is over, and falls back as one.
        if known is None or known.ended_s is not None:
            return state, ()
        return with_sound(state, replace(known, heard_s=state.at_s, ended_s=state.at_s)), ()
    ended_s = None if not sound.over else state.at_s if known is None or known.ended_s is None else known.ended_s
    cell = sound.cell if sound.level == "alarm" else None
    began_s = state.at_s if known is None else known.began_s
    among = () if cell is None else sound.among
    now = OpenSound(sound.id, sound.level, cell, began_s, state.at_s, ended_s=ended_s, among=among)
    state = with_sound(state, now)
    if now.level != "alarm":
        return state, ()
    if not state.counts(now):
        if known is not None and (known.level, known.cell) == (now.level, now.cell):
            return state, ()
        detail = f"alarm from cell {now.cell}, which is disabled: told, but not raised"
        return state, (Change("disabled-alarm", state.at_s, f"cell:{now.cell}", detail),)
    return latch(state, now, known)


def latch(state: AlarmState, sound: OpenSound, known: OpenSound | None) -> Stepped:
    """Add an alarm sound to the incident. `known` is what was latched of it before, or None."""
    key, at_s = _key(sound), state.at_s
    test = state.test is not None
    old = None if known is None or known.level != "alarm" or not state.counts(known) else _key(known)
    items = {item.key: item for item in state.latched}
    found = items.get(key)
    told: list[Change] = []
    if old == key and found is not None:
        items[key] = replace(found, last_s=at_s, test=found.test and test)
        return _latched(state, items.values()), ()
    first_s = at_s
    if old is not None and old in items:
        told.append(Change("revised", at_s, key, f"{_words(old)} is now {_words(key)}"))
        if items[old].sounds <= 1:
            first_s = items[old].first_s
        if old.startswith("unplaced:"):
            del items[old]
        else:
            items[old] = replace(items[old], sounds=max(items[old].sounds - 1, 0))
    mark = " (test)" if test else ""
    if found is None:
        items[key] = Latched(key, sound.cell, first_s, at_s, test=test)
        told.append(Change("alarm", at_s, key, f"alarm: {_words(key)}{mark}"))
    else:
        first_s = min(found.first_s, first_s)
        items[key] = replace(found, first_s=first_s, last_s=at_s, sounds=found.sounds + 1, test=found.test and test)
        told.append(Change("again", at_s, key, f"heard again: {_words(key)}{mark}"))
        if found.test and not test:
            # What was acknowledged was the test.
            state = without_marks(state, {key})
    return _latched(state, items.values()), tuple(told)


def _latched(state: AlarmState, items: Iterable[Latched]) -> AlarmState:
    """The incident, without the marks of what is not in it any more."""
    latched = tuple(items)
    gone = {item.key for item in state.latched} - {item.key for item in latched}
    return _bounded(replace(without_marks(state, gone) if gone else state, latched=latched))


def _bounded(state: AlarmState) -> AlarmState:
    """Keep an incident that nobody resets from growing: the oldest of the sounds placed nowhere become one.

    That one is acknowledged or silenced only when each of them was.
    """
    on = {f"unplaced:{sound.id}" for sound in state.sounds}
    over = [item for item in state.latched if item.cell is None and item.key not in on]
    if len(over) <= _UNPLACED:
        return state
    merged = over[: len(over) - _UNPLACED + 1]
    keys = {item.key for item in merged}
    one = Latched(
        _EARLIER,
        None,
        first_s=min(item.first_s for item in merged),
        last_s=max(item.last_s for item in merged),
        sounds=sum(item.sounds for item in merged),
        test=all(item.test for item in merged),
    )
    rest = tuple(item for item in state.latched if item.key not in keys)
    acknowledged, silenced = (_merged(marks, keys) for marks in (state.acknowledged, state.silenced))
    return replace(state, latched=(one, *rest), acknowledged=acknowledged, silenced=silenced)


def _merged(marks: tuple[Mark, ...], keys: set[str]) -> tuple[Mark, ...]:
    """The marks with one for all of these keys, if each has one; it ends with the first of them."""
    those = [mark for mark in marks if mark.key in keys]
    rest = tuple(mark for mark in marks if mark.key not in keys)
    if len(those) < len(keys):
        return rest
    ends = [mark.until_s for mark in those if mark.until_s is not None]
    return (replace(those[-1], key=_EARLIER, until_s=min(ends, default=None)), *rest)


def with_sound(state: AlarmState, now: OpenSound) -> AlarmState:
    """The state with what is now known of a sound."""
    if any(s.id == now.id for s in state.sounds):
        return replace(state, sounds=tuple(now if s.id == now.id else s for s in state.sounds))
    return replace(state, sounds=(*state.sounds, now))


def without_marks(state: AlarmState, keys: set[str]) -> AlarmState:
    """The state in which nothing of these is acknowledged or silenced."""
    return replace(
        state,
        acknowledged=tuple(mark for mark in state.acknowledged if mark.key not in keys),
        silenced=tuple(mark for mark in state.silenced if mark.key not in keys),
    )


def raise_held(state: AlarmState) -> Stepped:
    """Latch alarm sounds that are on and were kept back by a disablement or a test that has just ended."""
    told: tuple[Change, ...] = ()
    for sound in state.sounds:
        if state.holds(sound) and sound.ended_s is None:
            item = next((item for item in state.latched if item.key == _key(sound)), None)
            if item is None:
                state, more = latch(state, sound, None)
                told += more
            elif item.test and state.test is None:
                state = without_marks(state, {item.key})
                items = (replace(i, test=False) if i.key == item.key else i for i in state.latched)
                state = replace(state, latched=tuple(items))
                told += (Change("alarm", state.at_s, item.key, f"alarm: {_words(item.key)}, after the test"),)
    return state, told


def take_fault(state: AlarmState, fault: FaultChange) -> Stepped:
    """A fault that is raised, or over; one that is raised again has another detail."""
    supervisory = fault_kind(fault.code).supervisory
    now = ActiveFault(fault.code, fault.subject, state.at_s, fault.detail, supervisory)
    known = next((f for f in state.trouble if f.key == now.key), None)
    rest = tuple(f for f in state.trouble if f.key != now.key)
    if not fault.raised:
        if known is None:
            return state, ()
        state = without_marks(replace(state, trouble=rest), {now.key})
        return state, (Change("restored", state.at_s, now.key, fault.detail),)
    if known is not None:
        same = replace(known, detail=fault.detail)
        return replace(state, trouble=tuple(same if f.key == now.key else f for f in state.trouble)), ()
    return replace(state, trouble=(*rest, now)), (Change("fault", state.at_s, now.key, fault.detail),)


def _key(sound: OpenSound) -> str:
    return f"unplaced:{sound.id}" if sound.cell is None else f"cell:{sound.cell}"


def _words(key: str) -> str:
    kind, _, name = key.partition(":")
    return f"cell {name}" if kind == "cell" else f"sound {name}, which lasts and is placed nowhere"


def enabled(state: AlarmState, mark: Mark, *, expired: bool) -> Stepped:
    """End a disablement; a cell that hisses at this moment becomes an alarm."""
    state = replace(state, disabled=tuple(m for m in state.disabled if m.key != mark.key))
    state, told = raise_held(state)
    if not expired:
        return state, told
    change = Change("expired", state.at_s, mark.key, f"disablement by {mark.by} has ended", mark.by, mark.comment)
    return state, (change, *told)


def end_test(state: AlarmState, *, expired: bool) -> Stepped:
    """End a test; what sounds at this moment becomes an alarm, what was heard before stays latched and marked."""
    test = state.test
    state, told = raise_held(replace(state, test=None))
    if test is None or not expired:
        return state, told
    return state, (Change("expired", state.at_s, "test", f"test by {test.by} has ended", test.by, test.comment), *told)
