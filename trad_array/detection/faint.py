"""Sounds too faint for the trigger that last: what the array may still place in a cell.

The mean of half a second of scores wavers a third as much as a single frame does, so a hiss may be ten times fainter to
be noticed in it. Many things are as faint: what is noticed here is no event yet. It becomes one when the map puts it in
a cell, and is forgotten otherwise.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from trad_array.detection.trigger import Found, Trigger, TriggerState
from trad_array.features import FeatureSpec
from trad_array.records import FloatArray, Fused, Scores
from trad_array_geometry import frozen_array


@dataclass(frozen=True, slots=True, eq=False)
class FaintState:
    """The last scores, shape (n_mics, < mean_frames), and where the trigger on their mean stands."""

    recent: FloatArray
    trigger: TriggerState = TriggerState()

    def __post_init__(self) -> None:
        object.__setattr__(self, "recent", frozen_array(self.recent))


@dataclass(frozen=True, slots=True)
class FaintRule:
    """A trigger on the mean of the last `mean_frames` scores; numbers are our choice.

    With the default threshold the noise of the simulated cabins gives some candidates an hour.
    """

    mean_frames: int = 16
    trigger: Trigger = field(default_factory=lambda: Trigger(on=1.1, off=0.6, hold_frames=2, release_frames=31))

    @classmethod
    @lru_cache(maxsize=16)
    def for_features(cls, spec: FeatureSpec) -> "FaintRule":
        """The same rule for frames of another length; the same object each time, for it is asked for in every step."""
        trigger = Trigger.for_features(spec, on=1.1, off=0.6, hold_s=0.064, release_s=1.0)
        return cls(max(2, round(0.51 * spec.fs / spec.hop)), trigger)

    def start(self, n_mics: int) -> FaintState:
        """State before the first frame."""
        return FaintState(np.zeros((n_mics, 0)))

    def means(self, state: FaintState, scores: Scores) -> tuple[FaintState, Scores]:
        """Causal means of the scores of each microphone; until there are enough frames they are 0."""
        together = np.concatenate([state.recent, scores.values], axis=1)
        short = max(self.mean_frames - 1 - state.recent.shape[1], 0)
        padded = np.pad(together, ((0, 0), (short, 0))) if short else together
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.mean_frames, axis=1)
        values = windows.mean(axis=2)
        values[:, :short] = 0.0
        recent = together[:, max(together.shape[1] - self.mean_frames + 1, 0) :]
        return FaintState(recent, state.trigger), Scores(values, scores.starts)

    def step(self, state: FaintState, fused: Fused, scores: Scores) -> tuple[FaintState, Found]:
        """Take the fused means of the next frames; see `EventRule.step`."""
        trigger, found = self.trigger.step(state.trigger, fused, scores)
        return FaintState(state.recent, trigger), self._earlier(found)

    def finish(self, state: FaintState, end: int) -> Found:
        """See `EventRule.finish`."""
        return self._earlier(self.trigger.finish(state.trigger, end))

    @property
    def lead(self) -> int:
        """Samples from the first frame of a mean to its last: by so much a sound may be older than its mean tells."""
        return (self.mean_frames - 1) * self.trigger.fresh

    @property
    def lag(self) -> int:
        """Most samples that can pass between an onset and its detection."""
        return self.lead + self.trigger.lag_frames * self.trigger.fresh

    def _earlier(self, found: Found) -> Found:
        """Onsets where the means begin."""
        return Found(
            detections=tuple(replace(d, onset=max(d.onset - self.lead, 0)) for d in found.detections),
            ended=tuple(replace(e, onset=max(e.onset - self.lead, 0)) for e in found.ended),
        )
