"""A scorer of one's own, in one file, fitted and compared like the others; see docs/extending.md.

It is named by the person who runs the command, never by a file that is read: it is not stored as a model, because a
model file that could name code would run it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trad_array.detection.calibration import Calibration
from trad_array.errors import ConfigError, TradArrayError
from trad_array.features import FeatureSpec
from trad_array.learning.frames import Corpus, contexts_of
from trad_array.learning.training import calibrated, check_enough
from trad_array.plugins import make_scorer
from trad_array.scoring.frame_scorer import FrameScorer


@dataclass(frozen=True, slots=True, eq=False)
class OwnDetector:
    """A scorer of one's own with its scale; goes wherever a `learning.scored.Detector` does.

    kind : as it was named, "file.py:Class" or "module:Class"
    scorer : fitted, if it has `fit`
    calibration : from normal recordings that it was not fitted on
    provenance : names and digests of those recordings are left to whoever split them
    """

    kind: str
    scorer: FrameScorer
    calibration: Calibration
    provenance: Mapping[str, Any] = field(default_factory=dict)


def is_own(name: str) -> bool:
    """Whether that names a scorer of one's own: "file.py:Class" or "module:Class"."""
    return ":" in name


def own_features(where: str) -> FeatureSpec:
    """What it wants to be fed; `learning.frames.read_corpus` reads recordings that way.

    Raises
    ------
    ConfigError
        If the file or class is not there, or the class needs arguments or lacks a member of `FrameScorer`.
    """
    return make_scorer(where).features


def fit_own(where: str, fitting: Corpus, calibration: Corpus) -> OwnDetector:
    """Fit a scorer of one's own and its calibration.

    Parameters
    ----------
    where : "file.py:Class" or "module:Class". The class needs no arguments. If it has the class method
        `fit(normal_frames)`, that gives the scorer; `normal_frames` is a tuple with an array of shape
        (n_mics, n_frames, features.n_values) for each normal recording, as its `features` say.
    fitting : frames with its features, see `own_features`; abnormal recordings in it are passed over
    calibration : frames of other normal recordings

    Raises
    ------
    AudioError
        If there is too little normal sound.
    ConfigError
        If the class cannot be used, its `fit` fails, or its scores are not one finite number a frame.
    """
    scorer = make_scorer(where)
    check_enough(fitting, scorer.features)
    fit = getattr(type(scorer), "fit", None)
    if fit is not None:
        pairs = zip(fitting.segments, fitting.frames, strict=True)
        scorer = _fitted(where, scorer, fit, tuple(frames for segment, frames in pairs if segment.label == "normal"))
    _check_scores(where, scorer, calibration)
    return OwnDetector(kind=where, scorer=scorer, calibration=calibrated(where, scorer, calibration))


def _fitted(where: str, plain: FrameScorer, fit: Any, normal_frames: tuple[Any, ...]) -> FrameScorer:
    try:
        scorer = fit(normal_frames)
    except TradArrayError:
        raise
    except Exception as trouble:
        raise ConfigError(f"scorer: {where}: its fit failed: {type(trouble).__name__}: {trouble}") from trouble
    if not isinstance(scorer, FrameScorer) or scorer.features != plain.features:
        raise ConfigError(
            f"scorer: {where}: expected its fit to give a scorer with the same features, found {type(scorer).__name__}"
        )
    return scorer


def _check_scores(where: str, scorer: FrameScorer, corpus: Corpus) -> None:
    for frames in corpus.frames[:1]:
        contexts = contexts_of(frames, scorer.context)
        try:
            scores = scorer.score(contexts)
        except Exception as trouble:
            raise ConfigError(f"scorer: {where}: cannot score: {type(trouble).__name__}: {trouble}") from trouble
        if getattr(scores, "shape", None) != contexts.shape[:2]:
            found = getattr(scores, "shape", type(scores).__name__)
            raise ConfigError(f"scorer: {where}: expected scores of shape {contexts.shape[:2]}, found {found}")
