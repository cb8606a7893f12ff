"""Between the driver's thread and the listener's: a bounded queue that knows what it could not take."""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Heard:
    """One callback.

    samples : (n, open_channels), in the type that was asked for
    at_s : s of the clock
    dropped : samples just before that found the queue full
    overflow : the driver says that it threw sound away
    """

    samples: NDArray[Any]
    at_s: float
    dropped: int
    overflow: bool


class Line:
    """One opened stream; only its driver's thread writes, only the listener takes."""

    def __init__(self, *, blocks: int, clock: Callable[[], float]) -> None:
        self.heard: queue.Queue[Heard] = queue.Queue(maxsize=blocks)
        self.ended = Event()
        self.last_s = clock()
        self.stream: Any = None
        self._clock = clock
        self._dropped = 0

    def callback(self, samples: NDArray[Any], frames: int, _times: Any, flags: Any) -> None:
        """Copies and counts, nothing else."""
        self.last_s = now = self._clock()
        try:
            self.heard.put_nowait(Heard(samples.copy(), now, self._dropped, bool(flags.input_overflow)))
            self._dropped = 0
        except queue.Full:
            self._dropped += frames
