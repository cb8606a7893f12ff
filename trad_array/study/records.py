"""What a study is about: the site, the points where microphones may stand, layouts made of them, and conditions.

Read-only values. `study_file.py` reads them from TOML; nothing here computes.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry import Layout, frozen_array

ALL_MICS = -1


@dataclass(frozen=True, slots=True)
class Box:
    """A rack, a lid or a cabinet: no microphone stands inside, and sound that passes through it loses.

    min_m, max_m : lowest and highest corner, m
    loss_db : what direct sound loses on its way through, dB at 4 kHz; it grows by `slope_db` an octave
    """

    name: str
    min_m: tuple[float, float, float]
    max_m: tuple[float, float, float]
    loss_db: float = 10.0
    slope_db: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Where a microphone may stand.

    positions_m : (n_points, 3), m; names : n_points; zones : n_points, name of the zone or layout each comes from
    sigma_m, delay_sigma_s : (n_points,), what the layout file will admit of a microphone there
    """

    names: tuple[str, ...]
    positions_m: NDArray[np.float64]
    zones: tuple[str, ...]
    sigma_m: NDArray[np.float64]
    delay_sigma_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("positions_m", "sigma_m", "delay_sigma_s"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Choice:
    """One layout that is tried: indices of its microphones among the study's `Points`, ascending."""

    name: str
    points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How far the world is from the layout file, drawn anew for every event; as in benchmarks/localization.

    temperature_k : K, by which the air is warmer or colder than the file says
    mic_m : m, by which each microphone stands elsewhere, in a random direction
    skew_s : s, by which each channel is early or late
    """

    name: str
    temperature_k: float = 0.0
    mic_m: float = 0.0
    skew_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FanState:
    """Steady noise of the cabin: factor on the speed of the fans, and level over that of the study, dB."""

    name: str
    speed: float = 1.0
    level_db: float = 0.0


MISMATCHES = {
    m.name: m
    for m in (
        Mismatch("none"),
        Mismatch("M1", temperature_k=10.0, mic_m=0.005, skew_s=30e-6),
        Mismatch("M2", temperature_k=15.0, mic_m=0.020, skew_s=125e-6),
    )
}
FANS = {f.name: f for f in (FanState("normal"), FanState("fast", speed=1.6, level_db=8.0))}


@dataclass(frozen=True, slots=True)
class Condition:
    """One operating point.

    snr_db : full-band ratio of the event over the noise of the "normal" fans, mean over the cells and over the
        microphones of the reference layout: how loud the vent is, the same for every layout
    dead : place of the lost microphone in the choice's points, or `ALL_MICS`
    """

    rt60_s: float
    snr_db: float
    duration_s: float = 0.5
    fan: FanState = FANS["normal"]
    mismatch: Mismatch = MISMATCHES["none"]
    dead: int = ALL_MICS


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """What does not change in a study.

    layout : cells, room, guards and air; its microphones play no part
    cells : (n_studied,), indices of the layout's cells that are made to vent; all cells compete for the name
    jet_heights_m : heights of the sound above the valve that are tried, each as often
    boxes : racks and lids
    noise_dbfs : level of the "normal" fans, dB re full scale, mean over the reference layout's microphones
    """

    layout: Layout
    cells: NDArray[np.intp]
    jet_heights_m: tuple[float, ...] = (0.0, 0.05)
    boxes: tuple[Box, ...] = ()
    noise_dbfs: float = -45.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", frozen_array(self.cells, np.intp))


@dataclass(frozen=True, slots=True)
class DetectionPart:
    """The whole chain of the live watch over simulated sound: detected, alarmed, when, and false alarms.

    events : vents for each layout and condition; 0 leaves the part out
    negatives : kinds of `NEGATIVE_KINDS`; negative_events : of each kind, for each layout
    duration_s : of a vent or another sound here
    """

    events: int = 0
    negatives: tuple[str, ...] = ()
    negative_events: int = 0
    duration_s: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A whole study.

    choices : layouts to compare, the reference first
    conditions : every operating point, for all microphones; `each_dead` adds the loss of each
    engine : "spectral" or "time"; events : for each layout and condition; shard_events : computed and kept together
    """

    name: str
    seed: int
    site: Site
    points: Points
    choices: tuple[Choice, ...]
    conditions: tuple[Condition, ...]
    each_dead: bool = False
    engine: str = "spectral"
    events: int = 2000
    shard_events: int = 2000
    agreement_events: int = 1000
    detection: DetectionPart = field(default_factory=DetectionPart)
