"""What chance decides about every event of a study: the same for every layout, loudness and engine.

Common random numbers: layouts are compared on the same vents, so their difference is known better than either of them.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.study.choice_layout import choice_layout
from trad_array.study.records import ALL_MICS, Choice, Condition, Points, Site
from trad_array_geometry import Layout

# More microphones than this are no array of this kind.
MOST_MICS = 16
# Different hisses of a study, and events that are drawn together; part of what a seed means.
N_SOUNDS = 256
_TOGETHER = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """The events with numbers `first` to `first + n - 1`.

    cell : (n,), index of the layout's cell that vents
    height : (n,), index into the site's jet heights
    sound : (n,), which of the study's `N_SOUNDS` hisses
    moment : (n,), 0 to 1, which part of the cabin's noise it falls into
    away : (n, MOST_MICS, 3), unit vectors, where each microphone is displaced to
    late : (n, MOST_MICS), -1 or 1; warm : (n,), -1 or 1
    """

    cell: NDArray[np.intp]
    height: NDArray[np.intp]
    sound: NDArray[np.intp]
    moment: NDArray[np.float64]
    away: NDArray[np.float64]
    late: NDArray[np.float64]
    warm: NDArray[np.float64]


def event_draws(site: Site, condition: Condition, *, seed: int, first: int, n: int) -> Draws:
    """Draws of some events; the same numbers however they are cut into shards."""
    blocks = [
        _block(site, condition, seed=seed, block=block)
        for block in range(first // _TOGETHER, -(-(first + n) // _TOGETHER))
    ]
    skip = first % _TOGETHER
    joined = [np.concatenate(parts)[skip : skip + n] for parts in zip(*blocks, strict=True)]
    return Draws(*joined)


def _block(site: Site, condition: Condition, *, seed: int, block: int) -> tuple[NDArray[np.generic], ...]:
    # Loudness, fans and lost microphones change nothing of what is drawn.
    words = f"{condition.rt60_s:g} {condition.duration_s:g} {condition.mismatch.name}"
    rng = np.random.default_rng([seed, zlib.crc32(words.encode()), block])
    away = rng.standard_normal((_TOGETHER, MOST_MICS, 3))
    return (
        site.cells[rng.integers(len(site.cells), size=_TOGETHER)],
        rng.integers(len(site.jet_heights_m), size=_TOGETHER),
        rng.integers(N_SOUNDS, size=_TOGETHER),
        rng.random(_TOGETHER),
        away / np.linalg.norm(away, axis=2, keepdims=True),
        rng.choice([-1.0, 1.0], (_TOGETHER, MOST_MICS)),
        rng.choice([-1.0, 1.0], _TOGETHER),
    )


def heard_slots(choice: Choice, condition: Condition) -> NDArray[np.intp]:
    """Places in the choice of the microphones that are alive; shape (n_mics,)."""
    return np.array([k for k in range(len(choice.points)) if k != condition.dead or condition.dead == ALL_MICS])


def heard_layout(site: Site, points: Points, choice: Choice, condition: Condition) -> Layout:
    """The layout of the microphones that are alive, as it really is."""
    alive = heard_slots(choice, condition)
    return choice_layout(site, points, Choice(choice.name, tuple(choice.points[k] for k in alive)))


def layout_file(true: Layout, condition: Condition, draws: Draws, event: int, slots: NDArray[np.intp]) -> Layout:
    """The layout that the localizer is given for one event.

    The room is as the site says, and the file is wrong: displaced microphones, other air. A channel that is late is the
    same to a localizer as a file that says it were early.
    """
    wrong = condition.mismatch
    return replace(
        true,
        mics=true.mics + wrong.mic_m * draws.away[event, slots],
        mic_delay_s=true.mic_delay_s - wrong.skew_s * draws.late[event, slots],
        temperature_c=true.temperature_c + wrong.temperature_k * float(draws.warm[event]),
    )
