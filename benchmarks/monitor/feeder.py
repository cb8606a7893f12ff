"""Plays the array behind `trad_pipe` in real time, and breaks it when asked to; it waits for nobody, as microphones."""

import errno
import os
import time
from pathlib import Path
from threading import Lock, Thread

import numpy as np
from numpy.typing import NDArray

# s of sound written at a time, as long as that many bytes go into the pipe whole or not at all.
_CHUNK_S, _WHOLE_BYTES = 0.01, 4096


class Feeder:
    """Writes a loop of sound into a named pipe; what the pipe does not take at once is lost, as with a microphone.

    A sample is written when it would have been heard, the first ones of a chunk a chunk's length later.

    Parameters
    ----------
    fifo : the pipe; looked for again when it breaks
    loop : integers, (n, channels)
    fs : Hz
    """

    def __init__(self, fifo: Path, loop: NDArray[np.signedinteger], *, fs: int) -> None:
        self._fifo, self._loop, self._fs = fifo, loop, fs
        self._size = min(round(_CHUNK_S * fs), _WHOLE_BYTES // (loop.shape[1] * loop.itemsize))
        self._guard = Lock()
        self._added: list[tuple[int, NDArray[np.signedinteger]]] = []
        self._stopped = self._silent = self._closed = False
        self._dead: tuple[int, ...] = ()
        self._chunk = 0
        self._handle: int | None = None
        self._began_s = time.monotonic()
        self._thread = Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def add(self, samples: NDArray[np.signedinteger]) -> float:
        """Add sound to the loop, from a moment on; gives when its first sample is heard, s of the monotonic clock."""
        with self._guard:
            at = (self._chunk + 4) * self._size
            self._added.append((at, samples))
        return self._began_s + at / self._fs

    def stop(self) -> None:
        """Nothing is written any more."""
        self._stopped = True

    def fall_silent(self) -> None:
        """Every channel becomes digital silence."""
        self._silent = True

    def kill_channel(self, channel: int) -> None:
        """One channel becomes digital silence."""
        self._dead = (channel,)

    def mend(self) -> None:
        """All is as it was."""
        self._stopped = self._silent = False
        self._dead = ()

    def close(self) -> None:
        """End."""
        self._closed = True
        self._thread.join()
        self._let_go()

    def _run(self) -> None:
        while not self._closed:
            time.sleep(max(0.0, self._began_s + (self._chunk + 1) * self._size / self._fs - time.monotonic()))
            with self._guard:
                at, self._chunk = self._chunk * self._size, self._chunk + 1
                samples = self._at(at)
            if not self._stopped:
                self._write(np.ascontiguousarray(samples).tobytes())

    def _at(self, at: int) -> NDArray[np.signedinteger]:
        """The samples that are heard now."""
        samples = self._loop[np.arange(at, at + self._size) % len(self._loop)]
        for start, added in self._added:
            first, last = max(at, start), min(at + self._size, start + len(added))
            if first < last:
                samples[first - at : last - at] += added[first - start : last - start]
        self._added = [(start, added) for start, added in self._added if start + len(added) > at + self._size]
        if self._silent:
            samples[:] = 0
        samples[:, list(self._dead)] = 0
        return samples

    def _write(self, data: bytes) -> None:
        try:
            if self._handle is None:
                self._handle = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
            os.write(self._handle, data)
        except BlockingIOError:
            return  # nobody reads: this chunk is lost
        except OSError as trouble:
            if trouble.errno not in (errno.ENXIO, errno.ENOENT, errno.EPIPE):
                raise
            self._let_go()

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
