"""Folders in the form of LiB-TRAD: `normal/` and `abnormal/`, segments of sound, one file per channel.

Sets (one per runaway or layout) are sub-folders of `normal/` and `abnormal/`, or the first word of a name such as
`set1_0001`; everything else belongs to the set "all". A segment may have its truth beside it, `NAME_truth.json` (or
`NAME.truth.json`) with `onset_s` and `end_s`, and, if known, `kind`, `snr_db`, `recording`, `simulated`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trad_array.audio.files import Source, read_recording
from trad_array.errors import AudioError, ConfigError
from trad_array.records import Recording

LABELS = ("normal", "abnormal")
NAME_PATTERN = "{name}_ch{channel}.wav"
NO_SET = "all"

_AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".rf64", ".w64", ".aiff", ".aif"})
_SET_NAME = re.compile(r"(set[A-Za-z0-9-]*)_", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of sound of all microphones.

    name : path without channel and suffix, relative to the data folder, such as "abnormal/set1_0001"
    label : "normal" or "abnormal"
    set_name : which runaway or layout it belongs to
    files : one per channel in the order of the channel numbers, or a single one that holds all channels
    truth : JSON file with the true times, or None
    """

    name: str
    label: str
    set_name: str
    files: tuple[Path, ...]
    truth: Path | None = None

    def read(self, fs: int) -> Recording:
        """Sound of all channels at `fs` Hz; raises AudioError when it cannot be used."""
        return read_recording(Source(self.name, self.files) if len(self.files) > 1 else self.files[0], fs=fs)

    def true_times_s(self) -> tuple[float, float] | None:
        """Onset and end in seconds since the segment began, or None when they are not known.

        Raises
        ------
        AudioError
            If there is a truth file that cannot be understood.
        """
        truth = self.known()
        try:
            onset_s, end_s = truth.get("onset_s"), truth.get("end_s")
            return None if onset_s is None or end_s is None else (float(onset_s), float(end_s))
        except (ValueError, TypeError) as trouble:
            raise AudioError(f"{self.truth}: expected JSON with onset_s and end_s, found {trouble}") from trouble

    def known(self) -> Mapping[str, Any]:
        """What the truth file says (`kind`, `snr_db`, `simulated`, ...); empty without one.

        Raises
        ------
        AudioError
            If there is a truth file that cannot be understood.
        """
        if self.truth is None:
            return {}
        try:
            found = json.loads(self.truth.read_text(encoding="utf-8"))
        except (ValueError, OSError) as trouble:
            raise AudioError(f"{self.truth}: expected JSON with onset_s and end_s, found {trouble}") from trouble
        if not isinstance(found, dict):
            raise AudioError(f"{self.truth}: expected JSON with onset_s and end_s, found {type(found).__name__}")
        return found

    def digest(self) -> str:
        """Name of its content, the same wherever the files lie and whatever they are called."""
        content = hashlib.blake2b(digest_size=12)
        for path in self.files:
            try:
                with path.open("rb") as file:
                    content.update(hashlib.file_digest(file, "blake2b").digest())
            except OSError as trouble:
                raise AudioError(f"{path}: cannot be read: {trouble.strerror or trouble}") from trouble
        return content.hexdigest()


@dataclass(frozen=True, slots=True)
class Dataset:
    """The segments of a folder.

    root : the folder, for messages
    segments : sorted by name
    """

    root: Path
    segments: tuple[Segment, ...]

    def of(self, label: str) -> tuple[Segment, ...]:
        """Segments with that label."""
        return tuple(segment for segment in self.segments if segment.label == label)

    def counts(self) -> Mapping[str, int]:
        """Number of segments by label."""
        return MappingProxyType({label: len(self.of(label)) for label in LABELS})

    def need(self, *labels: str) -> None:
        """Raise AudioError unless there is at least one segment of each of these labels."""
        for label in labels:
            if not self.of(label):
                raise AudioError(f"{self.root / label}: expected {label} segments, found none")


def find_dataset(root: str | Path, *, pattern: str = NAME_PATTERN) -> Dataset:
    """Find the segments of a folder; only names are looked at, no sound is read.

    Parameters
    ----------
    root : folder with `normal/`, `abnormal/` or both
    pattern : str
        File name of one channel, with {name} and {channel} (a number). Other audio files are taken as segments of
        their own that hold all channels.

    Returns
    -------
    Dataset

    Raises
    ------
    AudioError
        If the folder has neither sub-folder, holds no audio file, or a segment lacks a channel that others have.
    ConfigError
        If the pattern lacks {name} or {channel}.
    """
    root = Path(root)
    expression = _expression(pattern)
    if not any((root / label).is_dir() for label in LABELS):
        found = "no such folder" if not root.is_dir() else "neither"
        raise AudioError(f"{root}: expected folders normal/ and abnormal/, found {found}")
    segments = [segment for label in LABELS for segment in _segments_of(root, label, expression)]
    if not segments:
        raise AudioError(f"{root}: expected audio files in normal/ and abnormal/, found none named like {pattern!r}")
    return Dataset(root=root, segments=tuple(sorted(segments, key=lambda segment: segment.name)))


def _expression(pattern: str) -> re.Pattern[str]:
    """Pattern with {name} and {channel} as a regular expression over file names."""
    if pattern.count("{name}") != 1 or pattern.count("{channel}") != 1:
        raise ConfigError(f"name pattern: expected {{name}} and {{channel}} once each, found {pattern!r}")
    text = re.escape(pattern).replace(re.escape("{name}"), "(?P<name>.+)")
    return re.compile(text.replace(re.escape("{channel}"), "(?P<channel>[0-9]+)"))


def _segments_of(root: Path, label: str, expression: re.Pattern[str]) -> list[Segment]:
    channels: dict[Path, dict[int, Path]] = {}
    whole: dict[Path, Path] = {}
    for path in sorted((root / label).rglob("*")):
        if path.suffix.lower() not in _AUDIO_SUFFIXES or path.name.startswith("."):
            continue
        match = expression.fullmatch(path.name)
        if match is None:
            whole[path.with_suffix("")] = path
            continue
        of_segment = channels.setdefault(path.with_name(match["name"]), {})
        if int(match["channel"]) in of_segment:
            raise AudioError(f"{path}: expected channel {int(match['channel'])} once, found it twice")
        of_segment[int(match["channel"])] = path
    _check_channels(channels)
    files = {base: tuple(paths[n] for n in sorted(paths)) for base, paths in channels.items()}
    files |= {base: (path,) for base, path in whole.items()}
    return [_segment(root, label, base, paths) for base, paths in files.items()]


def _check_channels(channels: dict[Path, dict[int, Path]]) -> None:
    """Raise AudioError for a segment that lacks a channel that another one has."""
    expected = {number for paths in channels.values() for number in paths}
    for base, paths in channels.items():
        if missing := sorted(expected - set(paths)):
            raise AudioError(f"{base}: expected channels {_listed(sorted(expected))}, found no {_listed(missing)}")


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _segment(root: Path, label: str, base: Path, files: tuple[Path, ...]) -> Segment:
    folder = base.parent.relative_to(root / label)
    match = _SET_NAME.match(base.name)
    # The second is what `trad-array simulate` writes beside a single recording.
    truths = [base.with_name(f"{base.name}{ending}") for ending in ("_truth.json", ".truth.json")]
    return Segment(
        name=base.relative_to(root).as_posix(),
        label=label,
        set_name=folder.parts[0] if folder.parts else match[1].lower() if match else NO_SET,
        files=files,
        truth=next((truth for truth in truths if truth.is_file()), None),
    )
