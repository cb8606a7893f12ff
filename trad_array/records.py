"""Read-only records that flow from stage to stage.

Channel first, always: `(n_mics, ...)`. Time is an integer sample index since the stream began; seconds and dates
appear only at the edges. Samples are float32, full scale = 1.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from trad_array_geometry import frozen_array

FloatArray = NDArray[np.floating]
# The verdict on a sound that a cell made.
CELL = "cell"


def _freeze(record: object, *names: str) -> None:
    for name in names:
        object.__setattr__(record, name, frozen_array(getattr(record, name)))


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Sound of all microphones that is wholly in memory.

    samples : (n_mics, n), float32, full scale = 1
    fs : Hz
    started_at : when sample 0 was heard, with time zone, or None
    source : where it came from, for messages
    """

    samples: FloatArray
    fs: int
    started_at: datetime | None = None
    source: str = ""

    def __post_init__(self) -> None:
        _freeze(self, "samples")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.fs)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of a stream.

    samples : (n_mics, n), float32, full scale = 1
    start : index of the first sample since the stream began
    fs : Hz
    lost : samples that went missing just before this block
    """

    samples: FloatArray
    start: int
    fs: int
    lost: int = 0

    def __post_init__(self) -> None:
        _freeze(self, "samples")

    @property
    def end(self) -> int:
        """Index of the sample after the last."""
        return self.start + int(self.samples.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Calibrated frame scores of every microphone.

    values : (n_mics, n_frames), robust z of normal sound
    starts : (n_frames,), index of each frame's first sample
    """

    values: FloatArray
    starts: NDArray[np.int64]

    def __post_init__(self) -> None:
        _freeze(self, "values", "starts")


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """What the microphones say together.

    values : (n_frames,), same scale as Scores
    starts : (n_frames,), index of each frame's first sample
    live : (n_mics,), bool, the microphones that had a say
    """

    values: FloatArray
    starts: NDArray[np.int64]
    live: NDArray[np.bool_]

    def __post_init__(self) -> None:
        _freeze(self, "values", "starts", "live")


@dataclass(frozen=True, slots=True)
class Detection:
    """The moment at which the trigger became sure that something is sounding.

    onset, decided_at : samples since the stream began
    score : fused score that decided it
    channels : calibrated score of each microphone in that frame
    """

    onset: int
    decided_at: int
    score: float
    channels: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lasting:
    """A detection whose sound has lasted for the verification time.

    onset : the detection's onset, samples
    at : samples, when that was certain
    """

    onset: int
    at: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a detection.

    onset : the detection's onset, samples; it identifies the detection
    end : first sample of the first frame that was quiet again
    decided_at : samples, when that was certain
    peak : highest fused score of the event
    channels : highest calibrated score of each microphone
    """

    onset: int
    end: int
    decided_at: int
    peak: float
    channels: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CellMap:
    """How well each cell explains the arrival times of one sound.

    power : (n_cells,), mean PHAT correlation over microphone pairs, -1 to 1
    probability : (n_cells,), 0 to 1; with `elsewhere` they sum to 1
    elsewhere : probability that no cell made the sound
    place : name of the best place that is not a cell (a guard point, or "room"), or None when there is none
    place_m : (3,), m, where that place is, or None when the localizer does not say
    sharpness : height of the correlation peaks over the spread of the noise; of two maps of one event the sharper
        counts
    otherwise : what the sound is when it is not from a cell: "elsewhere" (from a place that is told), "diffuse" (from
        no single place: rain on the roof, or far away among echoes) or "unplaced" (cannot tell)
    gate : log-odds that a cell made the sound, before the threshold that a site sets; 0 when the localizer has none
    onset : samples since the stream began
    speed_of_sound : m/s, the value the travel times were computed with
    pair_delays_s : (n_pairs,), s, delay of highest correlation of each microphone pair as heard, which holds what
        the channels themselves are late
    pairs : (n_pairs, 2), indices of the layout's microphones
    """

    power: NDArray[np.float64]
    probability: NDArray[np.float64]
    elsewhere: float
    place: str | None
    onset: int
    speed_of_sound: float
    pair_delays_s: NDArray[np.float64]
    pairs: NDArray[np.intp]
    place_m: tuple[float, float, float] | None = None
    sharpness: float = 0.0
    otherwise: str = "elsewhere"
    gate: float = 0.0

    def __post_init__(self) -> None:
        if self.power.ndim != 1 or not np.isfinite(self.power).all():
            raise ValueError(f"power must be finite, shape (n_cells,), got {self.power.shape}")
        total = float(self.probability.sum()) + self.elsewhere
        if self.probability.shape != self.power.shape or not abs(total - 1.0) < 1e-6:
            raise ValueError(f"probabilities must belong to the cells and sum to 1, got a sum of {total:g}")
        _freeze(self, "power", "probability", "pair_delays_s", "pairs")

    @property
    def best(self) -> int:
        """Index of the most probable cell."""
        return int(self.probability.argmax())

    @property
    def from_a_cell(self) -> bool:
        """Whether a cell is more probable than all other places together."""
        return self.elsewhere < 0.5

    @property
    def verdict(self) -> str:
        """`cell`, or what the sound is otherwise."""
        return CELL if self.from_a_cell else self.otherwise

    def credible_set(self, mass: float = 0.9) -> tuple[int, ...]:
        """Fewest cells, most probable first, that hold `mass` of the probability given that a cell made the sound."""
        order = np.argsort(-self.probability, kind="stable")
        total = float(self.probability.sum())
        if total <= 0.0:
            return tuple(int(k) for k in order)
        enough = int(np.searchsorted(np.cumsum(self.probability[order]), mass * total * (1 - 1e-12))) + 1
        return tuple(int(k) for k in order[:enough])


@dataclass(frozen=True, slots=True)
class Fault:
    """Something about the stream that a person should know; not an exception, the watch goes on.

    kind : "gap" (samples lost), "dead" (a channel is silent), "alive" (it is back), "steady" (a sound has lasted so
        long that it is now the background)
    channel : index of the microphone, or None when it concerns all
    at : samples since the stream began
    detail : one line for a person
    """

    kind: str
    channel: int | None
    at: int
    detail: str
