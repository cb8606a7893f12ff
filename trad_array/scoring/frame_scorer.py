"""What every frame scorer looks like. Adding one takes one file: see docs/extending.md."""

from typing import Any, Protocol, Self, runtime_checkable

from numpy.typing import NDArray

from trad_array.features import FeatureSpec
from trad_array.records import FloatArray


@runtime_checkable
class FrameScorer(Protocol):
    """Says how unlike normal sound each frame of each microphone is; usually a frozen dataclass."""

    @property
    def features(self) -> FeatureSpec:
        """What it must be fed."""
        ...

    @property
    def context(self) -> int:
        """Frames per decision: the frame itself and `context - 1` before it."""
        ...

    def score(self, log_mel: FloatArray) -> FloatArray:
        """Score frames; larger means less normal.

        Parameters
        ----------
        log_mel : array, shape (n_mics, n_frames, context, features.n_values), dB or samples as
            `features.front_end` says;
            the frame to be scored is the last of its context

        Returns
        -------
        array, shape (n_mics, n_frames), finite; each frame's score depends on its own context alone
        """
        ...


class StoredScorer(FrameScorer, Protocol):
    """A scorer that was fitted and lives in a model file."""

    def settings(self) -> dict[str, Any]:
        """What is not an array, as JSON values."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        ...

    @classmethod
    def restore(cls, features: FeatureSpec, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Opposite of `settings` and `arrays`; raises KeyError, TypeError or ValueError when they do not fit."""
        ...
