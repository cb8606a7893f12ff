"""Three ways to split a data set, from the one that flatters most to the one that tells most.

- random: every stretch of 16 frames (half a second) is drawn by itself, so that stretches of one recording are in both
  halves. Segments of LiB-TRAD are cuts of long recordings: random segments flatter in the same way.
- recording: no recording is in both halves, see `recordings_of`.
- runaways: the last set is tested, the others are trained on, as on another day.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.learning.dataset import Dataset, Segment
from trad_array.learning.frames import Corpus
from trad_array.learning.split import Split

SPLITS: Mapping[str, str] = {
    "random": "random half seconds: the same recording is in both halves",
    "recording": "by recording",
    "runaways": "across runaways: the last set is tested, the others are trained on",
}
# The paper's share, and our choice of what is kept from the fit for the calibration.
TRAIN_SHARE, CALIBRATION_SHARE = 0.8, 0.1

_BLOCK_FRAMES = 16
# Consecutive segments of 10 s that are kept together: at most five minutes, at least ten stretches a set. Our choice.
_LONGEST_STRETCH, _LEAST_STRETCHES = 30, 10
_FITTING, _CALIBRATION, _TEST = range(3)
_NUMBER = re.compile(r"(\d+)(?!.*\d)")


# Segments that were cut from one recording.
Group = tuple[Segment, ...]


def recordings_of(segments: Sequence[Segment]) -> tuple[Group, ...]:
    """Segments that were cut from one recording, together, as far as that can be known.

    A truth file may say `recording`, any name; segments with the same name, label and set belong together. Simulated
    segments are recordings of their own, every one has another room. Of all others the file names must tell: segments
    of one set with consecutive numbers are taken for cuts of one recording. A whole day of charging would then be a
    single one, so it is parted into stretches of 30 segments (five minutes), or a tenth of the set if that is less.
    Only the two segments where stretches meet are neighbours.
    """
    groups: dict[tuple[str, ...], list[Segment]] = {}
    numbered: dict[tuple[str, str], list[Segment]] = {}
    for segment in segments:
        truth = segment.known()
        key = (segment.label, segment.set_name)
        if truth.get("recording") is not None:
            groups.setdefault((*key, "named", str(truth["recording"])), []).append(segment)
        elif truth.get("simulated"):
            groups[*key, "alone", segment.name] = [segment]
        else:
            numbered.setdefault(key, []).append(segment)
    found = [tuple(group) for group in groups.values()]
    for of_set in numbered.values():
        longest = max(1, min(_LONGEST_STRETCH, len(of_set) // _LEAST_STRETCHES))
        found += _stretches(sorted(of_set, key=_place), longest)
    return tuple(sorted(found, key=lambda group: group[0].name))


def _place(segment: Segment) -> tuple[str, int]:
    """Name without its last number, and that number."""
    match = _NUMBER.search(segment.name)
    return (segment.name[: match.start()], int(match[1])) if match else (segment.name, 0)


def _stretches(segments: Sequence[Segment], longest: int) -> list[tuple[Segment, ...]]:
    stretches: list[list[Segment]] = []
    before: tuple[str, int] | None = None
    for segment in segments:
        name, number = place = _place(segment)
        if before != (name, number - 1) or len(stretches[-1]) == longest:
            stretches.append([])
        stretches[-1].append(segment)
        before = place
    return [tuple(stretch) for stretch in stretches]


def protocol_split(dataset: Dataset, way: str, *, supervised: bool, seed: int) -> Split:
    """Split the recordings of a data set.

    Parameters
    ----------
    way : one of `SPLITS`; for "random" the three parts overlap, and `frames_for` tells whose a frame is
    supervised : whether abnormal recordings are trained on too
    seed : same seed, same normal recordings in each part, whatever the scorer

    Raises
    ------
    AudioError
        If there are too few recordings, or, for "runaways", too few sets.
    """
    dataset.need("normal", "abnormal")
    rng = np.random.default_rng([seed, list(SPLITS).index(way)])
    normal, abnormal = dataset.of("normal"), dataset.of("abnormal")
    if way == "random":
        return Split((*normal, *(abnormal if supervised else ())), normal, (*normal, *abnormal))
    groups, abnormal_groups = recordings_of(normal), recordings_of(abnormal)
    train: tuple[Group, ...] = ()
    test = abnormal_groups
    if way == "recording":
        normal_train, normal_test = _divide_sets(groups, rng)
        if supervised:
            train, test = _divide_sets(abnormal_groups, rng)
    else:
        tested = _tested_set(dataset)
        normal_train, normal_test = _by_set(groups, tested)
        if not normal_train or not normal_test:
            # Normal sound that belongs to no runaway.
            normal_train, normal_test = _divide_sets(groups, rng)
        train, test = _by_set(abnormal_groups, tested)
    if len(normal_train) < 2 or not normal_test or not test:
        raise AudioError(
            f"{dataset.root}: split {way!r}: expected at least 3 normal recordings and an abnormal one to test, found "
            f"{len(groups)} and {len(abnormal_groups)}"
        )
    fitting, calibration = _divide(normal_train, 1.0 - CALIBRATION_SHARE, rng)
    return Split(_joined(fitting + (train if supervised else ())), _joined(calibration), _joined(normal_test + test))


def why_not(dataset: Dataset, way: str) -> str | None:
    """Why a data set is too small for a way to split it, in one line; None when it is not."""
    try:
        for supervised in (False, True):
            protocol_split(dataset, way, supervised=supervised, seed=0)
    except AudioError as trouble:
        return str(trouble)
    return None


def frames_for(part: str, segment: Segment, n_frames: int, *, supervised: bool, seed: int) -> NDArray[np.bool_]:
    """Which frames of a segment are for one part of the split "random", shape (n_frames,).

    Parameters
    ----------
    part : "fitting", "calibration" or "test"
    n_frames : as the scorer sees it; the draw for a stretch does not depend on it
    supervised : else all of an abnormal segment is for the test
    """
    wanted = {"fitting": _FITTING, "calibration": _CALIBRATION, "test": _TEST}[part]
    if segment.label == "abnormal" and not supervised:
        return np.full(n_frames, wanted == _TEST)
    name = int.from_bytes(hashlib.blake2b(segment.name.encode(), digest_size=8).digest())
    drawn = np.random.default_rng([seed, name]).random(-(-n_frames // _BLOCK_FRAMES))
    # Abnormal sound is of no use to a calibration.
    fitting = TRAIN_SHARE * (1.0 - CALIBRATION_SHARE if segment.label == "normal" else 1.0)
    roles = np.where(drawn < fitting, _FITTING, np.where(drawn < TRAIN_SHARE, _CALIBRATION, _TEST))
    return np.asarray(np.repeat(roles == wanted, _BLOCK_FRAMES)[:n_frames])


def random_frames(corpus: Corpus, part: str, *, supervised: bool, seed: int) -> Corpus:
    """The stretches of a corpus that are for one part of the split "random", each an entry of its own."""
    segments, stretches = [], []
    for segment, frames in zip(corpus.segments, corpus.frames, strict=True):
        kept = frames_for(part, segment, frames.shape[1], supervised=supervised, seed=seed)
        for first in range(0, frames.shape[1], _BLOCK_FRAMES):
            if kept[first]:
                segments.append(segment)
                stretches.append(frames[:, first : first + _BLOCK_FRAMES])
    return Corpus(segments=tuple(segments), frames=tuple(stretches), unusable=corpus.unusable)


def _tested_set(dataset: Dataset) -> str:
    names = sorted({segment.set_name for segment in dataset.of("abnormal")})
    if len(names) < 2:
        raise AudioError(f"{dataset.root}: split 'runaways': expected at least 2 sets of abnormal recordings, found 1")
    return names[-1]


def _by_set(groups: Sequence[Group], tested: str) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Recordings of the other sets, and of the tested one."""
    others = tuple(group for group in groups if group[0].set_name != tested)
    return others, tuple(group for group in groups if group[0].set_name == tested)


def _divide_sets(groups: Sequence[Group], rng: np.random.Generator) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Recordings to train with and to test with, each set by itself."""
    train: tuple[Group, ...] = ()
    test: tuple[Group, ...] = ()
    for name in sorted({group[0].set_name for group in groups}):
        more, rest = _divide([group for group in groups if group[0].set_name == name], TRAIN_SHARE, rng)
        train, test = train + more, test + rest
    return train, test


def _divide(
    groups: Sequence[Group], share: float, rng: np.random.Generator
) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Draw that share of the recordings; where there are two or more, neither part is empty."""
    n = round(share * len(groups))
    n = min(max(n, 1), len(groups) - 1) if len(groups) > 1 else n
    drawn = set(rng.permutation(len(groups))[:n].tolist())
    rest = tuple(group for k, group in enumerate(groups) if k not in drawn)
    return tuple(group for k, group in enumerate(groups) if k in drawn), rest


def _joined(groups: Sequence[Group]) -> tuple[Segment, ...]:
    return tuple(segment for group in groups for segment in group)
