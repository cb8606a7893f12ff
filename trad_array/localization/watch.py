"""A second cell that vents while the first still hisses: heard as an event of its own.

While a sound lasts, later stretches of it are mapped too, each with the half second before it as background. What was
sounding before cancels; what is new remains. A new cell that stands out clearly is a second event. Where the first
sound came from is not asked again: its cells, and those found since, are known.

Windows depend on sample numbers alone, so the way a stream is cut into blocks changes nothing.
"""

from dataclasses import dataclass, replace

from trad_array.localization.cut import CutRule, Window
from trad_array.localization.place import Placed
from trad_array.records import Detection, Ended


@dataclass(frozen=True, slots=True)
class WatchRule:
    """When a later stretch of a sound holds a second event; numbers are our choice, on simulated vents.

    hop_s : from window to window
    background_s : before each window; short, for the first sound changes while it lasts
    probability : of the new cell, elsewhere counted
    sharpness : of its map, see `CellMap`
    """

    hop_s: float = 0.5
    background_s: float = 0.5
    probability: float = 0.95
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
    """
    found = placed.cell_map
    if found is None:
        return state
    cells = tuple(sorted(found.credible_set())) if found.from_a_cell else ()
    return WatchState(
        tuple(
            replace(sound, known=cells, sharpness=found.sharpness)
            if sound.detection.onset == placed.onset and found.sharpness >= sound.sharpness
            else sound
            for sound in state.sounds
        )
    )


def second(state: WatchState, window: Window, placed: Placed, watch: WatchRule) -> tuple[WatchState, Detection | None]:
    """The event that a later window holds, if it holds one."""
    sound = next((s for s in state.sounds if s.detection.onset == window.parent), None)
    found = placed.cell_map
    if sound is None or found is None or (sound.ended is not None and window.end > sound.ended.decided_at):
        return state, None
    new = found.best not in sound.known and window.onset not in sound.later
    if not new or found.probability[found.best] < watch.probability or found.sharpness < watch.sharpness:
        return state, None
    detection = replace(sound.detection, onset=window.onset, decided_at=window.end)
    cells = tuple(sorted({*sound.known, *found.credible_set()}))
    changed = replace(sound, known=cells, later=(*sound.later, window.onset))
    return WatchState(tuple(changed if s is sound else s for s in state.sounds)), detection


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
