"""Faint sounds that the map puts in a cell become events; all others are forgotten.

A faint event may grow loud enough for the trigger while it is on: that is the same sound, not a new event.
"""

from dataclasses import dataclass, replace

from trad_array.localization.place import Placed
from trad_array.records import Detection, Ended


@dataclass(frozen=True, slots=True)
class FaintWatchRule:
    """When a faint sound is an event; numbers are our choice.

    probability : of the best cell, elsewhere counted
    same_s : a loud onset within this time after that of an open faint event belongs to it
    """

    probability: float = 0.5
    same_s: float = 3.0


@dataclass(frozen=True, slots=True)
class FaintWatch:
    """What is known of faint sounds.

    candidates : sounds that may still become events
    over : ends of candidates that were over before their maps were made
    events : faint events that are on
    absorbed : loud onsets that belong to one of these
    """

    candidates: tuple[Detection, ...] = ()
    over: tuple[Ended, ...] = ()
    events: tuple[Detection, ...] = ()
    absorbed: tuple[int, ...] = ()


def take_up(state: FaintWatch, candidates: tuple[Detection, ...]) -> FaintWatch:
    """New faint sounds."""
    return replace(state, candidates=state.candidates + candidates)


def loud(state: FaintWatch, detection: Detection, *, rule: FaintWatchRule, fs: int) -> tuple[FaintWatch, bool]:
    """A sound has become loud: whether it is told as an event, for it may belong to a faint one that is on."""
    if any(0 <= detection.onset - event.onset <= rule.same_s * fs for event in state.events):
        return replace(state, absorbed=(*state.absorbed, detection.onset)), False
    # What is loud needs no second hearing as faint.
    later = tuple(c for c in state.candidates if c.decided_at > detection.decided_at)
    return replace(state, candidates=later), True


def without_absorbed(state: FaintWatch, ended: tuple[Ended, ...]) -> tuple[FaintWatch, tuple[Ended, ...]]:
    """Ends of loud events that are told of; the ends of those that belong to faint events are not."""
    told = tuple(end for end in ended if end.onset not in state.absorbed)
    over = {end.onset for end in ended}
    return replace(state, absorbed=tuple(onset for onset in state.absorbed if onset not in over)), told


def faint_ends(state: FaintWatch, faint_ended: tuple[Ended, ...]) -> tuple[FaintWatch, tuple[Ended, ...]]:
    """Ends of the faint sounds that became events."""
    over = {end.onset: end for end in (*state.over, *faint_ended)}
    told = tuple(over[event.onset] for event in state.events if event.onset in over)
    waiting = {candidate.onset for candidate in state.candidates}
    events = tuple(event for event in state.events if event.onset not in over)
    return replace(state, events=events, over=tuple(e for e in over.values() if e.onset in waiting)), told


def from_a_cell(
    state: FaintWatch, placed: Placed, *, rule: FaintWatchRule
) -> tuple[FaintWatch, Detection | None, bool]:
    """Take the map of a faint sound: the event it makes, if any, and whether the map is to be told."""
    if any(event.onset == placed.onset for event in state.events):
        return state, None, True
    candidate = next((c for c in state.candidates if c.onset == placed.onset), None)
    if candidate is None:
        return state, None, False
    found = placed.cell_map
    if found is not None and found.from_a_cell and found.probability[found.best] >= rule.probability:
        detection = replace(candidate, decided_at=placed.heard_until)
        candidates = tuple(c for c in state.candidates if c is not candidate)
        return replace(state, candidates=candidates, events=(*state.events, detection)), detection, True
    if placed.final:
        state = replace(state, candidates=tuple(c for c in state.candidates if c is not candidate))
    return state, None, False
