"""A second cell that vents while the first still hisses: heard as an event of its own.

While a sound lasts, later stretches of it are mapped too, each with the half second before it as background. What was
sounding before cancels; what is new remains. A new cell that stands out clearly is a second event. Where the first
sound came from is not asked again: its cells, and those found since, are known.

Windows depend on sample numbers alone, so the way a stream is cut into blocks changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from trad_array.localization.cut import CutRule, Window
from trad_array.localization.place import OUTSIDE, Placed
from trad_array.records import Block, CellMap, Detection, Ended


@dataclass(frozen=True, slots=True)
class WatchRule:
    """When a later stretch of a sound holds a second event; numbers are our choice, on simulated vents.

    hop_s : from window to window
    background_s : before each window; short, for the first sound changes while it lasts
    sure : probability of the new cell, elsewhere counted, that is enough by itself
    probability : that is enough when both halves of the stretch name the same cell with log-odds above `half_gate`: a
        syllable may pass for a cell once, a hiss does it all the time
    sharpness : of its map, see `CellMap`
    """

    hop_s: float = 0.5
    background_s: float = 0.5
    sure: float = 0.95
    probability: float = 0.75
    half_gate: float = 0.5
    sharpness: float = 4.5


@dataclass(frozen=True, slots=True)
class Watched:
    """A sound that may still last.

    detection : the first one
    planned : samples, first sample of the next window that is not planned yet
    known : indices of the cells it is known to come from
    sharpness : of the map that says so
    later : onsets of the events found since
    ended : its end, once that is known
    """

    detection: Detection
    planned: int
    known: tuple[int, ...] = ()
    sharpness: float = 0.0
    later: tuple[int, ...] = ()
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class WatchState:
    """Every sound that may still last, in the order of onsets."""

    sounds: tuple[Watched, ...] = ()


def begin(
    state: WatchState, detections: tuple[Detection, ...], ended: tuple[Ended, ...], *, rule: CutRule, fs: int
) -> WatchState:
    """Take up new detections and the ends of earlier ones."""
    sounds = list(state.sounds)
    for detection in detections:
        sounds.append(Watched(detection, planned=detection.onset + round(rule.window_s * fs)))
    ends = {end.onset: end for end in ended}
    return WatchState(tuple(replace(sound, ended=ends.get(sound.detection.onset, sound.ended)) for sound in sounds))


def plan(
    state: WatchState, *, until: int, watch: WatchRule, rule: CutRule, fs: int
) -> tuple[WatchState, tuple[Window, ...]]:
    """Windows that begin before sample `until` and are not planned yet."""
    hop, length, before = (round(s * fs) for s in (watch.hop_s, rule.window_s, watch.background_s))
    sounds: list[Watched] = []
    windows: list[Window] = []
    for sound in state.sounds:
        first = sound.planned
        while first - before < until and (sound.ended is None or first + length <= sound.ended.decided_at):
            windows.append(Window(first, first - before, first + length, parent=sound.detection.onset))
            first += hop
        sounds.append(replace(sound, planned=first))
    return WatchState(tuple(sounds)), tuple(windows)


def first_place(state: WatchState, placed: Placed) -> WatchState:
    """Remember the cells that the sound of that onset may come from, by its sharpest map; none if from elsewhere.

    A wide map of the first tenth of a second, or a hose beside the cells, must not hide every cell that vents later.
    What only a reference microphone tells from a cell would pass for that cell all the while it lasts.
    """
    found = placed.cell_map
    if found is None:
        return state
    cells = tuple(sorted(found.credible_set())) if found.from_a_cell or found.place == OUTSIDE else ()
    return WatchState(
        tuple(
            replace(sound, known=cells, sharpness=found.sharpness)
            if sound.detection.onset == placed.onset and found.sharpness >= sound.sharpness
            else sound
            for sound in state.sounds
        )
    )


def may_be_second(state: WatchState, window: Window, placed: Placed, watch: WatchRule) -> bool:
    """Whether a later window seems to hold another event."""
    sound = _parent(state, window)
    found = placed.cell_map
    if sound is None or found is None or (sound.ended is not None and window.end > sound.ended.decided_at):
        return False
    new = found.best not in sound.known and window.onset not in sound.later
    return new and found.probability[found.best] >= watch.probability and found.sharpness >= watch.sharpness


def halves(cut: Block, window: Window) -> tuple[Block, Block]:
    """Each half of a later window after the background of the whole."""
    begin = window.onset - cut.start
    middle = begin + (window.end - window.onset) // 2
    second_half = np.concatenate([cut.samples[:, :begin], cut.samples[:, middle:]], axis=1)
    return (
        Block(cut.samples[:, :middle], cut.start, cut.fs),
        Block(second_half, cut.start + middle - begin, cut.fs),
    )


def confirmed(placed: Placed, parts: Iterable[CellMap | None], watch: WatchRule) -> bool:
    """Whether the halves of a later window agree with the whole."""
    found = placed.cell_map
    return found is not None and all(
        part is not None and part.best == found.best and part.gate > watch.half_gate for part in parts
    )


def second(state: WatchState, window: Window, placed: Placed) -> tuple[WatchState, Detection]:
    """The event that a later window holds."""
    sound, found = _parent(state, window), placed.cell_map
    assert sound is not None
    assert found is not None
    detection = replace(sound.detection, onset=window.onset, decided_at=window.end)
    cells = tuple(sorted({*sound.known, *found.credible_set()}))
    changed = replace(sound, known=cells, later=(*sound.later, window.onset))
    return WatchState(tuple(changed if s is sound else s for s in state.sounds)), detection


def _parent(state: WatchState, window: Window) -> Watched | None:
    return next((s for s in state.sounds if s.detection.onset == window.parent), None)


def finished(state: WatchState, *, heard_until: int | None) -> tuple[WatchState, tuple[Ended, ...]]:
    """Forget sounds that are over and wholly looked at, and end the events found in them.

    heard_until : samples heard so far; None when nothing will follow
    """
    left: list[Watched] = []
    ends: list[Ended] = []
    for sound in state.sounds:
        if sound.ended is None or (heard_until is not None and heard_until < sound.ended.decided_at):
            left.append(sound)
            continue
        ends += [replace(sound.ended, onset=onset, end=max(sound.ended.end, onset + 1)) for onset in sound.later]
    return WatchState(tuple(left)), tuple(ends)
