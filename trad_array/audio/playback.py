"""A recording as if it were captured: its own rate, its own integers, fast or in its own time."""

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event

import numpy as np

from trad_array.audio.captured import Captured, Piece
from trad_array.audio.files import RecordingReader, Source
from trad_array.errors import ConfigError


class Playback:
    """A recording that is played to the watch; a `SoundSource` that ends.

    Parameters
    ----------
    source : Source, from `find_source`
    in_real_time : each piece is handed on when its last sample would have been heard; otherwise at once
    block_s : s, of sound in a piece, 0.001 to 1
    first : index of the file's first sample in its stream, for a clip that was cut out of one
    gaps : (first sample in the file, number) of stretches that only fill the place of sound that went missing
    clock : monotonic clock, s

    Raises
    ------
    AudioError
        If the recording cannot be used, see `RecordingReader`.
    ConfigError
        If a setting is out of range.
    """

    def __init__(
        self,
        source: Source,
        *,
        in_real_time: bool = False,
        block_s: float = 1.0,
        first: int = 0,
        gaps: Sequence[tuple[int, int]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0.001 <= block_s <= 1.0:
            raise ConfigError(f"block_s: expected 0.001 to 1 s, found {block_s:g}")
        if first < 0:
            raise ConfigError(f"first: expected an index from 0, found {first}")
        self._source, self._block_s, self._first, self._gaps = source, block_s, first, tuple(gaps)
        self._in_real_time, self._clock = in_real_time, clock
        self._closed = Event()
        # The files are opened once to know that they can be read, and again when they are.
        with RecordingReader(source, fs=16_000) as reader:
            self._fs, self._samples = reader.file_fs, reader.file_samples

    @property
    def name(self) -> str:
        """The recording, as it was named."""
        return self._source.name

    @property
    def fs(self) -> int:
        """The recording's own rate, Hz."""
        return self._fs

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return self._samples / self._fs

    def pieces(self) -> Iterator[Piece]:
        """The recording from its beginning to its end, or until it is closed.

        Raises
        ------
        AudioError
            If a sample is not a number, or a file is damaged.
        """
        with RecordingReader(self._source, fs=self._fs) as reader:
            began_s, heard = self._clock(), 0
            for at, samples in reader.own_blocks(block_s=self._block_s):
                end_s = (at + len(samples)) / self._fs
                if self._in_real_time:
                    self._closed.wait(max(0.0, began_s + end_s - self._clock()))
                if self._closed.is_set():
                    return
                for begin, end in _outside(self._gaps, at, at + len(samples)):
                    piece = np.ascontiguousarray(samples[begin - at : end - at].T)
                    yield Captured(samples=piece, start=self._first + begin, fs=self._fs, lost=begin - heard)
                    heard = end

    def close(self) -> None:
        """End `pieces` at the next piece; may be called twice and from another thread."""
        self._closed.set()


def _outside(gaps: Sequence[tuple[int, int]], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """What is left of a stretch of samples without the gaps."""
    for first, number in gaps:
        if first + number <= begin or first >= end:
            continue
        if first > begin:
            yield begin, first
        begin = first + number
    if begin < end:
        yield begin, end
