"""When a sample was heard: from sample numbers to the time of day, over months.

A sound card's clock is off by some ten parts in a million, seconds a day. So the beginning of the stream is not noted
once but followed: what has arrived was heard before it arrived, and by no less than the shortest delay of the last
minute.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEEP_S = 60.0


@dataclass(frozen=True, slots=True)
class StreamClock:
    """Recent beliefs of when the stream began.

    seen : (stream time, s; belief, s since 1970), of the last minute, ascending in both
    """

    seen: tuple[tuple[float, float], ...] = ()

    @property
    def started_at(self) -> datetime | None:
        """When sample 0 would have been heard, by the card's clock of now; None before any sound."""
        if not self.seen:
            return None
        return datetime.fromtimestamp(0.0, UTC) + timedelta(seconds=self.seen[0][1])


def clock_step(clock: StreamClock, *, end_s: float, arrived_utc_s: float) -> StreamClock:
    """Sound up to `end_s` of the stream has arrived at `arrived_utc_s`.

    The least belief of the last minute counts: nothing arrives before it is heard. Beliefs that a later one undercuts
    are forgotten, so few are kept.
    """
    belief = arrived_utc_s - end_s
    kept = tuple((at, value) for at, value in clock.seen if at > end_s - KEEP_S and value < belief)
    return StreamClock((*kept, (end_s, belief)))
