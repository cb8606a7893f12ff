"""Clips on disk, bit for bit what was captured."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from trad_array.alarm.clip import Clip
from trad_array.alarm.disk import sync_file
from trad_array.audio.captured import CapturedArray
from trad_array.errors import StoreError

CLIP_JSON = "clip.json"
# FLAC has no more channels.
_FLAC_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class ClipFile:
    """What `clip.json` says about the sound beside it.

    file : name
    fs : Hz, as captured
    n_mics : channels, one for each microphone of the layout, in its order
    dtype : type of the samples as captured
    subtype : as libsndfile calls it; all of them hold every sample exactly
    start, onset, end : samples since the stream began; the file begins at `start`
    gaps : (first sample in the file, number) of sound that went missing; the file has 0 there
    is_whole : it goes on to the end of the event
    """

    file: str
    fs: int
    n_mics: int
    dtype: str
    subtype: str
    start: int
    onset: int
    end: int
    gaps: tuple[tuple[int, int], ...]
    is_whole: bool

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"schema": "trad-array/clip/1", **asdict(self), "exact": True}


def write_clip(clip: Clip, folder: Path) -> ClipFile:
    """Write the sound of an event as `clip.flac`, or as `clip.rf64` where FLAC cannot hold it exactly.

    FLAC takes 16 bits as they are, and what fits 24: of int32 those that leave the last 8 bits 0, of float32 those that
    are whole steps of 24 bits. More than 8 channels, and samples of more bits, go into RF64.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    first = clip.pieces[0].samples
    n_mics, dtype, subtype = len(first), first.dtype, _subtype(clip)
    is_flac = subtype in ("PCM_16", "PCM_24") and n_mics <= _FLAC_CHANNELS
    path = folder / ("clip.flac" if is_flac else "clip.rf64")
    form = "FLAC" if is_flac else "RF64"
    try:
        with soundfile.SoundFile(path, "w", clip.fs, n_mics, format=form, subtype=subtype) as sound:
            for stretch in clip.stretches():
                sound.write(np.ascontiguousarray(_for_file(stretch, subtype).T))
        sync_file(path)
    except (soundfile.LibsndfileError, OSError) as trouble:
        raise StoreError(f"{path}: cannot be written: {getattr(trouble, 'error_string', trouble)}") from trouble
    return ClipFile(
        file=path.name,
        fs=clip.fs,
        n_mics=n_mics,
        dtype=dtype.name,
        subtype=subtype,
        start=clip.start,
        onset=clip.onset,
        end=clip.end,
        gaps=clip.gaps,
        is_whole=clip.is_whole,
    )


def read_clip(folder: Path, about: Mapping[str, Any]) -> CapturedArray:
    """The sound of a bundle as it was captured, shape (n_mics, n), in the type it had.

    Parameters
    ----------
    folder : of the event
    about : the object in its `clip.json`

    Raises
    ------
    StoreError
        If it is missing or damaged.
    """
    path = folder / os.path.basename(about["file"])
    try:
        samples, _ = soundfile.read(path, dtype=about["dtype"], always_2d=True)
    except (soundfile.LibsndfileError, OSError) as trouble:
        raise StoreError(f"{path}: cannot be read: {getattr(trouble, 'error_string', trouble)}") from trouble
    if samples.shape != (about["end"] - about["start"], about["n_mics"]):
        raise StoreError(f"{path}: expected {about['end'] - about['start']} samples, found {len(samples)}")
    return np.ascontiguousarray(samples.T)


def read_gaps(folder: Path) -> tuple[tuple[int, int], ...]:
    """Stretches of a bundle's clip that only fill the place of lost sound: first sample in the file, and number.

    Raises
    ------
    StoreError
        If `clip.json` is missing or is none.
    """
    path = folder / CLIP_JSON
    try:
        gaps = json.loads(path.read_text(encoding="utf-8"))["gaps"]
        return tuple((int(first), int(number)) for first, number in gaps)
    except (OSError, ValueError, KeyError, TypeError) as trouble:
        raise StoreError(f"{path}: expected what belongs to a clip, found something else") from trouble


def _subtype(clip: Clip) -> str:
    """The smallest form that holds every sample exactly."""
    dtype = clip.pieces[0].samples.dtype
    if dtype == np.int16:
        return "PCM_16"
    exact = all(_in_24_bits(stretch) for stretch in clip.stretches())
    return "PCM_24" if exact else "PCM_32" if dtype == np.int32 else "FLOAT"


def _in_24_bits(samples: NDArray[Any]) -> bool:
    """Whether the samples are whole steps of 24 bits."""
    if samples.dtype == np.int32:
        return not (samples & 0xFF).any()
    steps = samples * np.float32(2.0**23)  # exact: a power of two
    inside = (steps >= -(2.0**23)) & (steps < 2.0**23)  # false for NaN
    return bool((inside & (steps == np.rint(steps))).all())


def _for_file(samples: NDArray[Any], subtype: str) -> NDArray[Any]:
    """The samples as libsndfile takes them."""
    if samples.dtype == np.float32 and subtype == "PCM_24":
        # As whole numbers: libsndfile's own scaling of floats to 24 bits is one part in 2^23 off.
        return (samples * np.float32(2.0**23)).astype(np.int32) << 8
    return samples
