"""Which recordings a model is fitted on, calibrated on and tested on. Always split by recording, never by frame."""

from dataclasses import dataclass

import numpy as np

from trad_array.errors import AudioError, ConfigError
from trad_array.learning.dataset import LABELS, Dataset, Segment


@dataclass(frozen=True, slots=True)
class Split:
    """Recordings by what they are used for; no recording is used twice.

    fitting : of the weights; holds abnormal ones only for a supervised scorer
    calibration : normal, their scores give the common scale
    validation : they tell when to stop training; () unless that is asked for
    test : everything else
    """

    fitting: tuple[Segment, ...]
    calibration: tuple[Segment, ...]
    test: tuple[Segment, ...]
    validation: tuple[Segment, ...] = ()


def split_recordings(
    dataset: Dataset,
    *,
    supervised: bool,
    rng: np.random.Generator,
    train_share: float = 0.8,
    calibration_share: float = 0.1,
    validation_share: float = 0.0,
) -> Split:
    """Split a data set by recording, each set by itself.

    Parameters
    ----------
    supervised : whether abnormal recordings are split too; else all of them are for the test
    train_share : of the normal (and, supervised, the abnormal) recordings of each set; 80 % in the paper
    calibration_share : of the training recordings that are normal, kept from fitting; our choice, at least one
    validation_share : of what is then left to fit on, each label by itself, at least one; 0 for none

    Raises
    ------
    AudioError
        If there are fewer than 2 normal recordings to train with, or, supervised, no abnormal one; or nothing would be
        left beside those for validation.
    ConfigError
        If a share is not between 0 and 1.
    """
    for name, share in (("train_share", train_share), ("calibration_share", calibration_share)):
        if not 0 < share < 1:
            raise ConfigError(f"{name}: expected more than 0 and less than 1, found {share:g}")
    dataset.need(*(LABELS if supervised else ("normal",)))
    # Normal ones first: every kind of scorer then has the same split of them for the same seed.
    normal, normal_test = _train_and_test(dataset.of("normal"), train_share, rng)
    if len(normal) < 2:
        raise AudioError(
            f"{dataset.root}: expected at least 2 normal recordings to train with (one more to test), "
            f"found {len(dataset.of('normal'))} in all"
        )
    n_calibration = min(len(normal) - 1, max(1, round(calibration_share * len(normal))))
    held_out = set(rng.permutation(len(normal))[:n_calibration].tolist())
    fitting = [segment for n, segment in enumerate(normal) if n not in held_out]
    calibration = [normal[n] for n in sorted(held_out)]
    abnormal_share = train_share if supervised else 0.0
    abnormal, abnormal_test = _train_and_test(dataset.of("abnormal"), abnormal_share, rng)
    validation: list[Segment] = []
    if validation_share > 0:
        fitting, kept = _apart(fitting, validation_share, rng)
        abnormal, kept_abnormal = _apart(abnormal, validation_share, rng)
        validation = kept + kept_abnormal
    return Split(
        fitting=(*fitting, *abnormal),
        calibration=tuple(calibration),
        test=(*normal_test, *abnormal_test),
        validation=tuple(validation),
    )


def _apart(segments: list[Segment], share: float, rng: np.random.Generator) -> tuple[list[Segment], list[Segment]]:
    """Segments of one label without some, and these; at least one of each."""
    if not segments:
        return [], []
    if len(segments) < 2:
        raise AudioError(
            f"early stop: expected at least 2 {segments[0].label} recordings to fit on, one of them to be kept apart, "
            f"found {len(segments)}"
        )
    n_apart = min(len(segments) - 1, max(1, round(share * len(segments))))
    apart = set(rng.permutation(len(segments))[:n_apart].tolist())
    return (
        [segment for n, segment in enumerate(segments) if n not in apart],
        [segments[n] for n in sorted(apart)],
    )


def _train_and_test(
    segments: tuple[Segment, ...], train_share: float, rng: np.random.Generator
) -> tuple[list[Segment], list[Segment]]:
    train: list[Segment] = []
    test: list[Segment] = []
    for name in sorted({segment.set_name for segment in segments}):
        of_set = [segment for segment in segments if segment.set_name == name]
        order = rng.permutation(len(of_set))
        n_train = round(train_share * len(of_set))
        train += [of_set[n] for n in order[:n_train]]
        test += [of_set[n] for n in order[n_train:]]
    return train, test
