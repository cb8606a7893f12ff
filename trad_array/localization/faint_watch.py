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
class FaintEvent:
    """A faint sound that a map has put in a cell.

    detection : what is told of it
    settled : its last map is made; ended : its end is told
    """

    detection: Detection
    settled: bool = False
    ended: bool = False

    @property
    def onset(self) -> int:
        """The detection's onset, samples."""
        return self.detection.onset


@dataclass(frozen=True, slots=True)
class FaintWatch:
    """What is known of faint sounds.

    candidates : sounds that may still become events
    events : those that became events and are not over, or wait for their last map
    over : ends of candidates and events, as far as they are known
    absorbed : loud onsets that belong to an event
    """

    candidates: tuple[Detection, ...] = ()
    events: tuple[FaintEvent, ...] = ()
    over: tuple[Ended, ...] = ()
    absorbed: tuple[int, ...] = ()


def take_up(state: FaintWatch, candidates: tuple[Detection, ...], ended: tuple[Ended, ...]) -> FaintWatch:
    """New faint sounds, and ends of these and of earlier ones."""
    return replace(state, candidates=state.candidates + candidates, over=state.over + ended)


def loud(state: FaintWatch, detection: Detection, *, rule: FaintWatchRule, fs: int) -> tuple[FaintWatch, bool]:
    """A sound has become loud: whether it is told as an event, for it may belong to a faint one that is on."""
    now = detection.decided_at
    over = {end.onset for end in state.over if end.decided_at <= now}
    on = [event.onset for event in state.events if event.onset not in over]
    if any(0 <= detection.onset - onset <= rule.same_s * fs for onset in on):
        return replace(state, absorbed=(*state.absorbed, detection.onset)), False
    # What is loud needs no second hearing as faint.
    return replace(state, candidates=tuple(c for c in state.candidates if c.decided_at > now)), True


def from_a_cell(
    state: FaintWatch, placed: Placed, *, rule: FaintWatchRule
) -> tuple[FaintWatch, Detection | None, bool]:
    """Take the map of a faint sound: the event it makes, if any, and whether the map is to be told."""
    if any(event.onset == placed.onset for event in state.events):
        events = tuple(
            replace(e, settled=e.settled or placed.final) if e.onset == placed.onset else e for e in state.events
        )
        return replace(state, events=events), None, True
    candidate = next((c for c in state.candidates if c.onset == placed.onset), None)
    found = placed.cell_map
    passes = found is not None and found.from_a_cell and found.probability[found.best] >= rule.probability
    if candidate is None or not (passes or placed.final):
        return state, None, False
    state = replace(state, candidates=tuple(c for c in state.candidates if c is not candidate))
    if not passes:
        return state, None, False
    detection = replace(candidate, decided_at=placed.heard_until)
    return replace(state, events=(*state.events, FaintEvent(detection, settled=placed.final))), detection, True


def faint_ends(state: FaintWatch) -> tuple[FaintWatch, tuple[Ended, ...]]:
    """Ends that are to be told now; what is over and wholly mapped is forgotten."""
    over = {end.onset: end for end in state.over}
    told = tuple(over[e.onset] for e in state.events if e.onset in over and not e.ended)
    events = tuple(replace(e, ended=e.onset in over) for e in state.events)
    left = tuple(e for e in events if not (e.ended and e.settled))
    known = {c.onset for c in state.candidates} | {e.onset for e in left}
    return replace(state, events=left, over=tuple(end for end in over.values() if end.onset in known)), told
