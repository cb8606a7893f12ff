"""From a cut to its place: leave out microphones that cannot be used, ask the localizer, measure levels."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.localization.localizer import Localizer
from trad_array.localization.position import Position, least_squares_position
from trad_array.records import Block, CellMap, FloatArray
from trad_array_geometry import Layout, frozen_array

# A sample this near to full scale is taken for clipped; resampling turns clipped ones into slightly smaller ones.
CLIPPED = 0.985
# A channel with more clipped samples than this is left out while three others are left (our choice: a pop overloads a
# microphone for a few milliseconds, and its hiss is still good).
CLIPPED_SHARE = 0.02
# Two microphones never hear the same to this degree, one wire does.
_SAME_SIGNAL = 0.9999
# Below this level a channel holds no sound at all, only the last bit of its converter.
DEAD_DBFS = -110.0


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where one detection came from, and how loud it was.

    onset : samples, of the detection
    cell_map : None when fewer than two microphones could be used, or too little was heard
    position : free least-squares position, for checking
    level_dbfs : (n_mics,), root mean square of the cut
    clipped : (n_mics,), bool
    used : (n_mics,), bool, whether the localizer heard the microphone
    why_not : one line for a person when there is no map, else empty
    doubts : lines for a person about the array: microphones left out, and what that means
    heard_until : samples, end of the sound that the map was made from
    final : no map from a longer window follows
    """

    onset: int
    cell_map: CellMap | None
    position: Position | None
    level_dbfs: NDArray[np.float64]
    clipped: NDArray[np.bool_]
    used: NDArray[np.bool_]
    why_not: str = ""
    doubts: tuple[str, ...] = ()
    heard_until: int = 0
    final: bool = True

    def __post_init__(self) -> None:
        for name in ("level_dbfs", "clipped", "used"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def place(localizer: Localizer, cut: Block, layout: Layout, *, onset: int, speed_of_sound: float) -> Placed:
    """Place one detection from its cut, samples of shape (layout.n_mics, n)."""
    level_dbfs = levels_dbfs(cut.samples)
    clipped = np.any(np.abs(cut.samples) >= CLIPPED, axis=1)
    used, doubts = _usable(cut.samples, level_dbfs, layout)
    placed = Placed(onset, None, None, level_dbfs, clipped, used, doubts=doubts, heard_until=cut.end)
    if used.sum() < 2:
        why = "; ".join((*doubts, f"expected sound from at least two microphones, found {int(used.sum())}"))
        return replace(placed, why_not=why)
    indices = np.flatnonzero(used)
    heard = _with_mics(layout, tuple(int(k) for k in indices))
    heard_cut = replace(cut, samples=cut.samples[indices])
    try:
        cell_map = localizer(heard_cut, heard, speed_of_sound=speed_of_sound, onset=max(onset, cut.start))
    except AudioError as trouble:
        return replace(placed, why_not=str(trouble))
    position = least_squares_position(cell_map, heard)
    whole = replace(cell_map, onset=onset, pairs=indices[cell_map.pairs])
    return replace(placed, cell_map=whole, position=position)


def levels_dbfs(samples: FloatArray) -> NDArray[np.float64]:
    """Root mean square of each channel, shape (n_mics,), dB re full scale, not below -200."""
    if samples.shape[1] == 0:
        return np.full(len(samples), -200.0)
    power = np.mean(samples.astype(np.float64) ** 2, axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-20)))


def _usable(
    samples: FloatArray, level_dbfs: NDArray[np.float64], layout: Layout
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Microphones of the array whose sound can be used, and why others cannot."""
    array = np.zeros(layout.n_mics, dtype=np.bool_)
    array[layout.array_mics] = True
    moves = np.ptp(samples, axis=1) > 0 if samples.shape[1] else np.zeros(len(samples), dtype=np.bool_)
    sounding = array & moves & (level_dbfs > DEAD_DBFS)
    doubts = [f"microphone {layout.mic_names[k]} is silent" for k in np.flatnonzero(array & ~sounding)]
    used = sounding.copy()
    for group in _same_signals(samples, sounding):
        used[list(group)] = False
        names = ", ".join(str(layout.mic_channels[k]) for k in group)
        doubts.append(f"channels {names} carry the same signal, a wiring fault: they are left out")
    overloaded = used & ((np.abs(samples) >= CLIPPED).mean(axis=1) > CLIPPED_SHARE)
    if overloaded.any() and (used & ~overloaded).sum() >= 3:
        doubts += [f"microphone {layout.mic_names[k]} is overloaded and left out" for k in np.flatnonzero(overloaded)]
        used &= ~overloaded
    elif overloaded.any():
        doubts.append("the sound is overloaded")
    if used.sum() == 2:
        doubts.append("two microphones are left: a line of possible places")
    return used, tuple(doubts)


def _same_signals(samples: FloatArray, sounding: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Groups of channels that carry one signal, whatever their gains."""
    chosen = np.flatnonzero(sounding)
    # Differences of neighbouring samples: two microphones do hear the same hum, but not the same hiss.
    steps = np.diff(samples[chosen].astype(np.float64), axis=1)
    size = np.linalg.norm(steps, axis=1, keepdims=True)
    alike = np.abs(steps @ steps.T) > _SAME_SIGNAL * (size @ size.T)
    groups: list[tuple[int, ...]] = []
    for row in range(len(chosen)):
        group = tuple(int(k) for k in chosen[np.flatnonzero(alike[row])])
        if len(group) > 1 and group not in groups:
            groups.append(group)
    return groups


@lru_cache(maxsize=64)
def _with_mics(layout: Layout, indices: tuple[int, ...]) -> Layout:
    """Sub-layout, the same object each time, so that the localizer's tables for it are found again."""
    return layout if len(indices) == layout.n_mics else layout.with_mics(indices)
