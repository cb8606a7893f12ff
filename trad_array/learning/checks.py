"""Doubts about a data set that a person should hear of before believing a model: other rates, vents in normal sound."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trad_array.audio.files import sample_rate
from trad_array.errors import AudioError
from trad_array.learning.dataset import Dataset, Segment
from trad_array.records import FloatArray

# A vent of 0.2 s fills 2 % of a recording of 10 s. Our choice, as are the next three.
_QUANTILE = 0.98
_SUSPECT_Z = 6.0
# Calibrated scores: what the quantiles of one kind of normal sound differ by anyway.
_LEAST_SPREAD = 0.1
# With fewer recordings chance alone lets one stand out: of ten alike ones in 1 % of folders.
_LEAST_RECORDINGS = 10
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Suspects:
    """Normal recordings that do not look it.

    names : the most conspicuous first
    n : how many were looked at
    """

    names: tuple[str, ...] = ()
    n: int = 0

    def line(self) -> str | None:
        """One line for a person, or None when nothing is suspicious."""
        if not self.names:
            return None
        more = f" and {len(self.names) - _NAMED} more" if len(self.names) > _NAMED else ""
        return (
            f"{len(self.names)} of {self.n} clips look abnormal among the normal ones, is there a vent in them? "
            f"{', '.join(self.names[:_NAMED])}{more}"
        )


def level_of(scores: FloatArray) -> float:
    """What a recording reaches in its loudest 2 %, on the median microphone.

    Parameters
    ----------
    scores : array, shape (n_channels, n_frames), calibrated
    """
    return float(np.median(np.quantile(scores, _QUANTILE, axis=1)))


def find_suspects(segments: Sequence[Segment], levels: Sequence[float]) -> Suspects:
    """Normal recordings whose level stands out among those of their own set, by a robust z above 6.

    Parameters
    ----------
    segments : normal recordings
    levels : of each of them, by `level_of`

    Notes
    -----
    Sets are looked at one by one: other fans are not a vent. They are told of, never removed: whoever recorded them
    knows better. A scorer that was fitted on many vents (a tenth of its recordings, say) has learned them, and this
    finds no more than some of them.
    """
    found: list[tuple[float, str]] = []
    for set_name in sorted({segment.set_name for segment in segments}):
        names = [segment.name for segment in segments if segment.set_name == set_name]
        values = np.array([v for segment, v in zip(segments, levels, strict=True) if segment.set_name == set_name])
        if len(values) < _LEAST_RECORDINGS:
            continue
        centre = np.median(values)
        spread = max(1.4826 * float(np.median(np.abs(values - centre))), _LEAST_SPREAD)
        found += [(z, name) for z, name in zip((values - centre) / spread, names, strict=True) if z > _SUSPECT_Z]
    return Suspects(names=tuple(name for _, name in sorted(found, reverse=True)), n=len(segments))


def check_rates(dataset: Dataset, *, fs: int) -> None:
    """Raise AudioError when some recordings have a lower rate than others and than `fs` Hz.

    They would have no sound at all above half their rate, which every scorer takes for the difference that matters.
    Rates of at least `fs` may be mixed: all are brought to `fs`. Files that cannot be opened are passed over here.
    """
    rates: dict[int, str] = {}
    counts: Counter[int] = Counter()
    for segment in dataset.segments:
        try:
            rate = sample_rate(segment.files[0])
        except AudioError:
            continue
        rates.setdefault(rate, segment.name)
        counts[rate] += 1
    if len(rates) > 1 and min(rates) < fs:
        told = ", ".join(f"{counts[rate]} at {rate} Hz (such as {rates[rate]})" for rate in sorted(rates))
        raise AudioError(f"{dataset.root}: expected one sample rate, or all of at least {fs} Hz, found {told}")
