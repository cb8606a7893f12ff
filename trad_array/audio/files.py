"""Recordings on disk: one multi-channel file or one file per channel, streamed.

Memory does not grow with length.
"""

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.records import Block, FloatArray, Recording

CHANNEL_FIELD = "{channel}"
# Sample rates that a microphone array can have; others are a damaged header (our choice).
MIN_FS, MAX_FS = 8_000, 384_000
# A header that promises this much was written by a program that did not know the length yet.
_UNKNOWN_LENGTH = 0x7FFF_0000
# What holds the samples of a file without loss; those not named are read as float32.
_OWN_DTYPE = {"PCM_U8": "int16", "PCM_S8": "int16", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32"}


@dataclass(frozen=True, slots=True)
class Source:
    """Files that hold one recording, not opened yet.

    name : for messages
    files : a single multi-channel file, or one single-channel file per microphone
    channels : for a single file, its channel for each microphone, counted from 0
    others_allowed : a single file may have channels that nobody asked for
    """

    name: str
    files: tuple[Path, ...]
    channels: tuple[int, ...] = ()
    others_allowed: bool = False


def find_source(text: str, *, channels: Sequence[int], channel_map: Sequence[int] | None = None) -> Source:
    """Files behind what a person wrote.

    Parameters
    ----------
    text : a path; or a pattern with ``{channel}`` for one file per channel; or a list of such files with commas
    channels : channel of each microphone as in the layout, counted from 1
    channel_map : the same, when the recording has them in other places than the layout says

    Raises
    ------
    AudioError
        If the list has not one file per microphone, or the map not one channel per microphone.
    """
    if channel_map is not None and len(channel_map) != len(channels):
        raise AudioError(
            f"{text}: channel map: expected {len(channels)} channels, one for each microphone, found {len(channel_map)}"
        )
    wanted = tuple(channels if channel_map is None else channel_map)
    if CHANNEL_FIELD in text:
        return Source(text, tuple(Path(text.replace(CHANNEL_FIELD, str(c))) for c in wanted))
    if "," in text and not Path(text).exists():
        files = tuple(Path(part.strip()) for part in text.split(","))
        if len(files) != len(wanted):
            raise AudioError(f"{text}: expected {len(wanted)} files, one for each microphone, found {len(files)}")
        return Source(text, files)
    return Source(text, (Path(text),), tuple(c - 1 for c in wanted), others_allowed=channel_map is not None)


class RecordingReader:
    """An opened recording: its length and rate, and its blocks. Use it in a `with` statement.

    Parameters
    ----------
    source : Source
    fs : int, Hz, rate of the blocks; other rates are resampled with soxr (HQ)

    Raises
    ------
    AudioError
        If a file is missing, not audio, empty or truncated, or the channels differ in length, rate or number.
    """

    def __init__(self, source: Source, *, fs: int) -> None:
        self._source = source
        self.fs = fs
        with ExitStack() as stack:
            self._sounds = [stack.enter_context(_open(path)) for path in source.files]
            self.file_fs = _same([s.samplerate for s in self._sounds], source, "sample rate", "Hz")
            self.file_samples = _same([s.frames for s in self._sounds], source, "length", "samples")
            _check_channels(self._sounds, source)
            self._stack = stack.pop_all()

    def __enter__(self) -> "RecordingReader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return self.file_samples / self.file_fs

    def blocks(self, *, block_s: float = 1.0, from_s: int = 0) -> Iterator[Block]:
        """The recording from its beginning, in blocks of about `block_s` seconds, at rate `fs`.

        With `from_s` from that whole second on, without reading what lies before; their samples are counted from the
        beginning all the same.

        Raises
        ------
        AudioError
            If a sample is not a number, or the file ends before its header says.
        """
        for sound, path in zip(self._sounds, self._source.files, strict=True):
            _rewind(sound, path, to=from_s * self.file_fs)
        resampler = None
        if self.file_fs != self.fs:
            resampler = soxr.ResampleStream(self.file_fs, self.fs, self._n_mics, dtype="float32", quality="HQ")
        start, read, size = from_s * self.fs, from_s * self.file_fs, max(1, round(block_s * self.file_fs))
        while read < self.file_samples:
            raw = self._read(min(size, self.file_samples - read), read)
            read += len(raw)
            samples = raw if resampler is None else resampler.resample_chunk(raw, last=read == self.file_samples)
            if len(samples):
                yield Block(samples=np.ascontiguousarray(samples.T), start=start, fs=self.fs)
                start += len(samples)

    def own_blocks(self, *, block_s: float = 1.0) -> Iterator[tuple[int, NDArray[Any]]]:
        """The recording as it is stored: index of the first sample and samples, (n, n_mics), at the file's own rate.

        They are int16 where no file has more than 16 bits, int32 where all hold integers, float32 otherwise.

        Raises
        ------
        AudioError
            If a sample is not a number, or the file ends before its header says.
        """
        kinds = {_OWN_DTYPE.get(sound.subtype, "float32") for sound in self._sounds}
        dtype = next(kind for kind in ("float32", "int32", "int16") if kind in kinds)
        for sound, path in zip(self._sounds, self._source.files, strict=True):
            _rewind(sound, path, to=0)
        size = max(1, round(block_s * self.file_fs))
        for at in range(0, self.file_samples, size):
            yield at, self._read(min(size, self.file_samples - at), at, dtype)

    @property
    def _n_mics(self) -> int:
        return len(self._source.channels) or len(self._sounds)

    def _read(self, n: int, at: int, dtype: str = "float32") -> NDArray[Any]:
        """The next n samples, shape (n, n_mics)."""
        parts = [_read(sound, path, n, dtype) for sound, path in zip(self._sounds, self._source.files, strict=True)]
        samples = parts[0][:, list(self._source.channels)] if self._source.channels else np.concatenate(parts, axis=1)
        if not np.isfinite(samples).all():
            row, mic = np.argwhere(~np.isfinite(samples))[0]
            raise AudioError(
                f"{self._source.name}: expected numbers, found {samples[row, mic]} in the channel of microphone "
                f"{mic + 1} at {(at + row) / self.file_fs:.4f} s"
            )
        return np.ascontiguousarray(samples)


def read_recording(
    source: Source | str | Path,
    *,
    fs: int = 16_000,
    channels: Sequence[int] | None = None,
    first_s: float = 0.0,
    last_s: float = math.inf,
) -> Recording:
    """A recording, or the stretch of it from `first_s` to `last_s`, in memory at rate `fs`.

    Parameters
    ----------
    source : as `find_source` gives it; or the path of a multi-channel file
    channels : for a path, the channel of each microphone, counted from 1; None for all channels in their order

    Raises
    ------
    AudioError
        See `RecordingReader`.
    """
    if not isinstance(source, Source):
        n = channels or range(1, channel_count(source) + 1)
        source = Source(str(source), (Path(source),), tuple(c - 1 for c in n), others_allowed=True)
    first, last = round(first_s * fs), last_s * fs
    parts: list[FloatArray] = []
    with RecordingReader(source, fs=fs) as reader:
        if first_s >= reader.duration_s:
            raise AudioError(f"{source.name}: expected more than {first_s:g} s, found {reader.duration_s:g} s")
        # A second earlier, so that a resampler has settled.
        for block in reader.blocks(from_s=max(0, int(first_s) - 1)):
            if block.start >= last:
                break
            if block.end > first:
                end = block.samples.shape[1] if math.isinf(last) else round(last) - block.start
                parts.append(block.samples[:, max(first - block.start, 0) : end])
    return Recording(samples=np.concatenate(parts, axis=1), fs=fs, source=source.name)


def channel_count(path: str | Path) -> int:
    """Number of channels of a file; raises `AudioError` when it is not audio."""
    with _open(Path(path)) as sound:
        return int(sound.channels)


def sample_rate(path: str | Path) -> int:
    """Sample rate of a file, Hz; raises `AudioError` when it is not audio."""
    with _open(Path(path)) as sound:
        return int(sound.samplerate)


def blocks(recording: Recording, *, size: int = 16_000) -> Iterator[Block]:
    """A recording in memory as a stream of blocks of `size` samples, the last one shorter."""
    for start in range(0, recording.samples.shape[1], size):
        yield Block(samples=recording.samples[:, start : start + size], start=start, fs=recording.fs)


def write_recording(path: Path, samples: FloatArray, *, fs: int, subtype: str = "PCM_16") -> None:
    """Write channel-first samples as WAV, FLAC or RF64 by the file's suffix; a whole file or none.

    Raises
    ------
    AudioError
        If the suffix names no format that can be written.
    OSError
        If the folder does not exist or the file cannot be written.
    """
    kind = path.suffix.removeprefix(".").upper()
    if kind not in ("WAV", "FLAC", "RF64"):
        raise AudioError(f"{path}: expected a name ending in .wav, .flac or .rf64, found {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: no such folder: {path.parent}")
    part = path.with_name(path.name + ".part")
    try:
        soundfile.write(part, samples.T, fs, format=kind, subtype=subtype)
        part.replace(path)
    except soundfile.LibsndfileError as trouble:
        raise OSError(f"{path}: cannot be written: {trouble.error_string.rstrip('.')}") from trouble
    finally:
        part.unlink(missing_ok=True)


def _open(path: Path) -> soundfile.SoundFile:
    try:
        found = path.stat()
    except (OSError, ValueError) as trouble:  # ValueError: a NUL in the name
        raise AudioError(f"{path}: expected a sound file, found none") from trouble
    if S_ISDIR(found.st_mode):
        raise AudioError(f"{path}: expected a sound file, found a folder")
    if found.st_size == 0:
        raise AudioError(f"{path}: expected sound, found an empty file")
    if not os.access(path, os.R_OK):
        raise AudioError(f"{path}: expected a sound file that may be read, found no permission")
    try:
        sound = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, ValueError) as trouble:
        # Raw formats ask for parameters with TypeError; for us they are not audio files.
        raise AudioError(f"{path}: expected WAV, FLAC or RF64, found something else or a damaged file") from trouble
    try:
        _check_header(sound, path)
    except AudioError:
        sound.close()
        raise
    return sound


def _check_header(sound: soundfile.SoundFile, path: Path) -> None:
    if sound.frames == 0:
        raise AudioError(f"{path}: expected sound, found no samples")
    if not MIN_FS <= sound.samplerate <= MAX_FS:
        raise AudioError(f"{path}: expected a sample rate of {MIN_FS} to {MAX_FS} Hz, found {sound.samplerate}")
    promised, found = _promised_and_found(sound.extra_info)
    if found < promised < _UNKNOWN_LENGTH:
        raise AudioError(f"{path}: truncated: expected {promised} from its header, found {found}")


# libsndfile reads what is there of a truncated file and only says so in its log: "data : 64000 (should be 31978)" for
# WAV, "Riff size : 64096 (should be 32044)" and "Calculated frame count 4974 does not match value from 'ds64' chunk
# of 16000" for RF64.
_SHORT_CHUNK = re.compile(r"^\s*(?:data|RIFF|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_SHORT_RF64 = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")


def _promised_and_found(log: str) -> tuple[int, int]:
    """Length in the header and in the file, in the header's own unit; equal when nothing is wrong."""
    for promised, found in _SHORT_CHUNK.findall(log):
        if int(found) < int(promised) < _UNKNOWN_LENGTH:
            return int(promised), int(found)
    match = _SHORT_RF64.search(log)
    return (int(match[2]), int(match[1])) if match else (0, 0)


def _rewind(sound: soundfile.SoundFile, path: Path, *, to: int) -> None:
    try:
        sound.seek(to)
    except soundfile.LibsndfileError as trouble:
        raise AudioError(f"{path}: damaged or truncated: {trouble.error_string.rstrip('.')}") from trouble


def _read(sound: soundfile.SoundFile, path: Path, n: int, dtype: str) -> NDArray[Any]:
    """The next n samples of all channels, shape (n, channels)."""
    try:
        samples: NDArray[Any] = sound.read(n, dtype=dtype, always_2d=True)
    except soundfile.LibsndfileError as trouble:
        raise AudioError(f"{path}: damaged or truncated: {trouble.error_string.rstrip('.')}") from trouble
    if len(samples) < n:
        raise AudioError(f"{path}: truncated: expected {sound.frames} samples, found fewer")
    return samples


def _same(values: list[int], source: Source, what: str, unit: str) -> int:
    for path, value in zip(source.files, values, strict=True):
        if value != values[0]:
            raise AudioError(
                f"{path}: {what}: expected {values[0]} {unit} as in {source.files[0].name}, found {value} {unit}"
            )
    return values[0]


def _check_channels(sounds: list[soundfile.SoundFile], source: Source) -> None:
    if not source.channels:
        for sound, path in zip(sounds, source.files, strict=True):
            if sound.channels != 1:
                raise AudioError(f"{path}: expected one channel, one file per microphone, found {sound.channels}")
        return
    found, needed = sounds[0].channels, max(source.channels) + 1
    if found < needed:
        raise AudioError(f"{source.name}: expected {needed} channels, found {found}")
    if not source.others_allowed and found > len(source.channels):
        listed = ",".join(str(c + 1) for c in source.channels)
        raise AudioError(
            f"{source.name}: expected {len(source.channels)} channels, found {found}; "
            f"say which belong to the microphones, e.g. --channel-map {listed}"
        )
