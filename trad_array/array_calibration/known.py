"""Sounds whose place is known: a phone or a finger at a named cell, a fan at a guard point, an event that was named."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.audio.labels import Label
from trad_array.errors import ConfigError
from trad_array_geometry import Layout, frozen_array

# How well a person hits the valve, and how large a fan is; standard deviation along each axis (our choice).
HAND_SIGMA_M = 0.005
FAN_SIGMA_M = 0.05
# A vent sits up to 25 mm beside the valve and its jet reaches up.
VENT_SIGMA_M = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class KnownSound:
    """A sound of which the place is known, and roughly the time.

    name : of the cell or the guard point
    position_m : (3,), m, the valve or the guard point
    sigma_m : standard deviation of the true place along each axis, m
    at_s, end_s : s; a mere point in time has end_s equal to at_s
    lifted : made above the valve, by the common height of such sounds
    """

    name: str
    position_m: NDArray[np.float64]
    sigma_m: float
    at_s: float
    end_s: float
    lifted: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "position_m", frozen_array(self.position_m, np.float64))

    @property
    def label(self) -> str:
        """As a person writes it: R1C05@3.2."""
        return f"{self.name}@{self.at_s:g}"


def known_sound(layout: Layout, text: str) -> KnownSound:
    """A sound from `CELL@SECONDS`; a guard point may stand for the cell.

    Raises
    ------
    ConfigError
        If the text has another form.
    LayoutError
        If the layout has no such cell or guard point.
    """
    name, mark, when = text.rpartition("@")
    at_s = _seconds(when)
    if not mark or not name or at_s is None:
        raise ConfigError(f"--at: expected a cell and a time like {layout.cell_names[0]}@3.2, found {text[:60]!r}")
    return at_place(layout, name, at_s, at_s)


def sounds_from_labels(layout: Layout, labels: Iterable[Label]) -> tuple[KnownSound, ...]:
    """Labels whose text is a cell or guard point, as sounds; see `known_sound`.

    Raises
    ------
    LayoutError
        If a label names no cell or guard point.
    """
    return tuple(at_place(layout, label.text.strip(), label.onset_s, label.end_s) for label in labels)


def at_place(layout: Layout, name: str, at_s: float, end_s: float) -> KnownSound:
    """A sound at a cell or guard point; raises `LayoutError` when the layout has neither."""
    if name in layout.guard_names:
        place = layout.guards[layout.guard_names.index(name)]
        return KnownSound(name, place, FAN_SIGMA_M, at_s, end_s, lifted=False)
    return KnownSound(name, layout.cells[layout.cell_index(name)], HAND_SIGMA_M, at_s, end_s)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
