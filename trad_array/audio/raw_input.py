"""Raw samples from standard input or a named pipe: what `arecord`, `parec` or `ffmpeg` can hand over."""

import os
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trad_array.audio.capture_rule import check_map, check_shape
from trad_array.audio.captured import Captured, NoSound, Piece
from trad_array.errors import AudioError, ConfigError

# Bytes of a sample in each encoding; all have the lowest byte first.
ENCODINGS = {"s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
PREFIX = "raw:"


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What the bytes are: frame after frame, in each frame one sample of every channel.

    samplerate_hz : Hz
    encoding : "s16le", "s24le", "s32le" or "f32le"
    open_channels : channels in the stream
    channel_map : channel of each microphone, counted from 1
    block_s : s, of sound that is handed on at a time, when so much comes

    Raises
    ------
    ConfigError
        If one of them is out of range, or the map does not fit the channels.
    """

    samplerate_hz: int = 16_000
    encoding: str = "s16le"
    open_channels: int = 4
    channel_map: tuple[int, ...] = (1, 2, 3, 4)
    block_s: float = 0.05

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"encoding: expected {', '.join(ENCODINGS)}, found {self.encoding!r}")
        check_shape(self.samplerate_hz, self.open_channels, self.channel_map, self.block_s)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return ENCODINGS[self.encoding] * self.open_channels


class RawInput:
    """Sound from a file descriptor; a `SoundSource` that ends with its input.

    Parameters
    ----------
    descriptor : int, of a pipe, a named pipe, a socket or a file
    name : for messages and events
    format : RawFormat
    n_mics : int, microphones of the layout; the channel map must have one entry for each
    owned : bool, whether `close` closes the descriptor
    clock : monotonic clock, s

    Raises
    ------
    ConfigError
        If the channel map has not one entry for each microphone.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        name: str,
        format: RawFormat,
        n_mics: int,
        owned: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_map(format.channel_map, n_mics)
        self._descriptor, self._name, self._format, self._owned, self._clock = descriptor, name, format, owned, clock
        self._closed = False

    @property
    def name(self) -> str:
        """What it was called."""
        return self._name

    @property
    def fs(self) -> int:
        """Sample rate, Hz."""
        return self._format.samplerate_hz

    def pieces(self) -> Iterator[Piece]:
        """Sound as it comes, and every second without sound a word about it; ends with the input or when closed.

        Raises
        ------
        AudioError
            If a sample is not a number, or the input ends within a frame.
        """
        waiting, start = b"", 0
        enough = max(1, round(self._format.block_s * self.fs)) * self._format.frame_bytes
        sound_s = told_s = self._clock()
        try:
            while not self._closed:
                came = self._read(16 * enough)
                now = self._clock()
                waiting += came or b""
                whole = len(waiting) - len(waiting) % self._format.frame_bytes
                # Less than a block is handed on when nothing follows.
                if whole and (not came or whole >= enough):
                    lost = self._missed(now - sound_s, whole) if told_s > sound_s else 0
                    piece = self._captured(waiting[:whole], start + lost, now, lost=lost)
                    waiting, start, sound_s, told_s = waiting[whole:], piece.end, now, now
                    yield piece
                if came == b"":
                    self._check_end(waiting)
                    return
                if now - told_s >= 1.0:
                    told_s = now
                    yield NoSound(for_s=now - sound_s, reason=f"{self._name}: nothing is written into it")
        finally:
            if self._owned:
                os.close(self._descriptor)

    def close(self) -> None:
        """End `pieces` within a quarter of a second; may be called twice and from another thread."""
        self._closed = True

    def _read(self, size: int) -> bytes | None:
        """What is there; empty at the end of the input; None when nothing came for a moment."""
        ready, _, _ = select.select([self._descriptor], [], [], 0.25)
        return os.read(self._descriptor, size) if ready else None

    def _missed(self, pause_s: float, size: int) -> int:
        """Samples that would have come in a pause of which was told, so that the stream stays with the clock."""
        return max(1, round(pause_s * self.fs) - size // self._format.frame_bytes)

    def _captured(self, data: bytes, start: int, now: float, *, lost: int) -> Captured:
        samples = _decoded(data, self._format.encoding).reshape(-1, self._format.open_channels)
        rows = np.ascontiguousarray(samples[:, [c - 1 for c in self._format.channel_map]].T)
        if rows.dtype == np.float32 and not np.isfinite(rows).all():
            mic, at = np.argwhere(~np.isfinite(rows))[0]
            raise AudioError(
                f"{self._name}: expected numbers, found {rows[mic, at]} in the channel of microphone {mic + 1} at "
                f"{(start + at) / self.fs:.4f} s"
            )
        return Captured(samples=rows, start=start, fs=self.fs, lost=lost, received_s=now)

    def _check_end(self, rest: bytes) -> None:
        if rest:
            raise AudioError(
                f"{self._name}: expected frames of {self._format.frame_bytes} bytes ({self._format.open_channels} "
                f"channels of {self._format.encoding}), found {len(rest)} bytes at the end"
            )


def open_raw(text: str, *, format: RawFormat, n_mics: int) -> RawInput:
    """What a person wrote: `raw:-` for standard input, `raw:PATH` for a named pipe or a file.

    Raises
    ------
    ConfigError
        If the text is something else, or the map does not fit the microphones.
    AudioError
        If there is no such file.
    """
    if not text.startswith(PREFIX) or text == PREFIX:
        raise ConfigError(f"input: expected raw:- or raw:PATH, found {text!r}")
    where = text.removeprefix(PREFIX)
    if where == "-":
        return RawInput(0, name="standard input", format=format, n_mics=n_mics)
    check_map(format.channel_map, n_mics)
    try:
        # Without waiting for a writer; nothing comes until there is one.
        descriptor = os.open(Path(where), os.O_RDONLY | os.O_NONBLOCK)
    except OSError as trouble:
        raise AudioError(f"{where}: expected a named pipe or a file, found: {trouble.strerror}") from trouble
    return RawInput(descriptor, name=where, format=format, n_mics=n_mics, owned=True)


def _decoded(data: bytes, encoding: str) -> NDArray[Any]:
    """Bytes to int16, int32 or float32; 24 bits stand in the upper part of 32, as sound cards give them."""
    if encoding != "s24le":
        return np.frombuffer(data, {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}[encoding])
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0]
