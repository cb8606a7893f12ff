"""Events that a person or a label file has named: the scores are reported, they decide nothing."""

from dataclasses import dataclass, replace

from trad_array.detection.trigger import Found, highest, joined
from trad_array.errors import ConfigError
from trad_array.records import Detection, Ended, FloatArray, Fused, Scores


@dataclass(frozen=True, slots=True)
class _Open:
    """A listed event that has begun: its place in the list and its highest scores so far."""

    number: int
    peak: float = 0.0
    channels: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedState:
    """How many of the listed events have begun, and which of them are on."""

    begun: int = 0
    open: tuple[_Open, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """An `EventRule` that follows a list.

    events : (onset, end) in samples, sorted, no two with one onset; they may overlap
    """

    events: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        for onset, end in self.events:
            if not 0 <= onset < end:
                raise ConfigError(f"events: expected 0 <= onset < end, found {onset} and {end} samples")
        if list(self.events) != sorted(self.events):
            raise ConfigError("events: expected them in the order of time, found otherwise")
        if len({onset for onset, _ in self.events}) < len(self.events):
            raise ConfigError("events: expected each onset once, for it names the event, found one twice")

    def start(self) -> ListedState:
        """See `EventRule`."""
        return ListedState()

    def active(self, state: ListedState) -> bool:
        """See `EventRule`."""
        return bool(state.open)

    @property
    def lag_frames(self) -> int:
        """See `EventRule`."""
        return 2

    @property
    def exhaustive(self) -> bool:
        """See `EventRule`: a person has named them all."""
        return True

    def window(self, detection: Detection) -> tuple[int, int] | None:
        """See `EventRule`."""
        return detection.onset, next(end for onset, end in self.events if onset == detection.onset)

    def step(self, state: ListedState, fused: Fused, scores: Scores) -> tuple[ListedState, Found]:
        """See `EventRule`."""
        found = Found()
        for n, start in enumerate(fused.starts):
            channels = scores.values[:, n]
            state, begun = self._begin(state, int(start), float(fused.values[n]), channels)
            state, ended = self._end(state, int(start))
            state = replace(state, open=tuple(_heard(event, float(fused.values[n]), channels) for event in state.open))
            found = joined(found, joined(begun, ended))
        return state, found

    def finish(self, state: ListedState, end: int) -> Found:
        """See `EventRule`; events after the last frame are begun and ended here, those after the last sample never."""
        state, begun = self._begin(state, end - 1, 0.0, None)
        ended = tuple(
            self._ended(event, min(self.events[event.number][1], end), decided_at=end) for event in state.open
        )
        return joined(begun, Found(ended=ended))

    def _begin(
        self, state: ListedState, now: int, value: float, channels: FloatArray | None
    ) -> tuple[ListedState, Found]:
        due = [n for n in range(state.begun, len(self.events)) if self.events[n][0] <= now]
        if not due:
            return state, Found()
        each = () if channels is None else tuple(float(c) for c in channels)
        detections = tuple(Detection(self.events[n][0], now, value, each) for n in due)
        begun = ListedState(begun=due[-1] + 1, open=state.open + tuple(_Open(n) for n in due))
        return begun, Found(detections=detections)

    def _end(self, state: ListedState, now: int) -> tuple[ListedState, Found]:
        over = [event for event in state.open if self.events[event.number][1] <= now]
        if not over:
            return state, Found()
        left = tuple(event for event in state.open if event not in over)
        ended = tuple(self._ended(event, self.events[event.number][1], decided_at=now) for event in over)
        return replace(state, open=left), Found(ended=ended)

    def _ended(self, event: _Open, end: int, *, decided_at: int) -> Ended:
        onset = self.events[event.number][0]
        return Ended(onset=onset, end=end, decided_at=decided_at, peak=event.peak, channels=event.channels)


def _heard(event: _Open, value: float, channels: FloatArray) -> _Open:
    return replace(event, peak=max(event.peak, value), channels=highest(event.channels, channels))
