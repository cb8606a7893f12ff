"""One thread that asks and tells the store for all outputs: a disk that hangs holds up this thread, and no output."""

import queue
import threading
from collections.abc import Callable


class Clerk:
    """Does what it is given, one after the other, in a thread of its own.

    Jobs see to their own errors; whatever escapes one of them ends that job alone.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.mistake: str | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Do this when everything before it is done. Never blocks."""
        self._jobs.put(job)

    def close(self, *, within_s: float) -> None:
        """Finish what was given, within that time; a disk that hangs longer is left alone."""
        self._jobs.put(None)
        self._thread.join(within_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
                self.mistake = None
            except Exception as trouble:  # whatever it is, the notes after it must be made
                self.mistake = f"outbox: {type(trouble).__name__}: {trouble}"
