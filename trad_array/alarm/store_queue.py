"""What could not be written yet, in memory."""

from collections.abc import Sequence

from trad_array.alarm.store_records import Write


class WriteQueue:
    """Writes in their order, bounded: when it is full, the oldest of what is missed least goes.

    Parameters
    ----------
    most : writes
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._writes: list[Write] = []
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, write: Write) -> None:
        """Join the queue; an older write with the same key is not needed any more."""
        if write.key is not None:
            self._writes = [other for other in self._writes if other.key != write.key]
        self._writes.append(write)
        if len(self._writes) > self._most:
            least = min(range(len(self._writes)), key=lambda k: (self._writes[k].weight, k))
            del self._writes[least]
            self.dropped += 1

    def first(self, number: int) -> Sequence[Write]:
        """The oldest writes, at most so many."""
        return self._writes[:number]

    def written(self, writes: Sequence[Write]) -> None:
        """The oldest ones, as `first` gave them, are on the disk."""
        del self._writes[: len(writes)]

    def take_dropped(self) -> int:
        """How many went since this was last asked."""
        number, self.dropped = self.dropped, 0
        return number
