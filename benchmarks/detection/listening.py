"""Takes through every detector, as the chain hears them: the scores that all figures are counted from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from corpus import SNRS_DB, Place, Size, negative_snr_db, take_of
from limit import LIMIT, SPEC, band_limit
from numpy.typing import NDArray
from systems import SMOOTH_S, Trained, loaded
from takes import FS, NORMAL, VENT, Take

from trad_array.detection.fusion import KOfN
from trad_array.detection.trigger import Trigger
from trad_array.features import FeatureSpec, frames_of
from trad_array.hearing import Hearing, HearingState
from trad_array.learning.alarm_metrics import ScoredEvent, block_peaks, held, scored_event
from trad_array.learning.frames import contexts_of, first_frame
from trad_array.learning.scored import Detector, require_finite
from trad_array.records import Block, FloatArray, Scores
from trad_array.scoring.embeddings.scorer import EmbeddingScorer

# Levels at which frames are told apart; the others are for events only. At home one level of each says enough.
FRAME_SNRS_DB = (-25.0, -20.0, -15.0)
HOME_SNRS_DB = (-20.0, -10.0)
# A vent is loudest at first: the frames of its first second are told apart from the rest.
EARLY_S = 1.0
# Frames of the cabin count from so long before the onset; up to there all levels of a take are one sound, s.
BEFORE_S = 0.3
# Normal sound is counted in blocks as long as the chain's alarm takes to be over.
BLOCK_S = 2.0
# Frames of one take and microphone that count: a hiss of 30 s shall not outvote a hundred of 0.3 s. Our choice.
_MOST_FRAMES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """Scores of a stretch of sound.

    values : (n_mics, n_frames), calibrated; fused : (n_frames,), what two microphones reach
    known_s : (n_frames,), when each score was known, s since the recording began
    features : of the scorer
    """

    values: FloatArray
    fused: FloatArray
    known_s: NDArray[np.float64]
    features: FeatureSpec

    @property
    def middles_s(self) -> NDArray[np.float64]:
        """Middle of each frame, s."""
        return self.known_s - 0.5 * self.features.n_fft / self.features.fs

    def smoothed(self) -> "Said":
        """The same with every microphone's scores averaged over the last 0.5 s, and fused anew."""
        values = causal_mean(self.values, max(1, round(SMOOTH_S * self.features.fs / self.features.hop)))
        return replace(self, values=values, fused=_fused(values))

    def since(self, at_s: float) -> "Said":
        """What was said of frames whose middle is not before that."""
        later = self.middles_s >= at_s
        return replace(self, values=self.values[:, later], fused=self.fused[later], known_s=self.known_s[later])


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Scores of the frames of one take, every microphone by itself.

    values : (n_mics, n_frames), float32
    early : (n_frames,), bool, in the first second of the sound
    """

    values: NDArray[np.float32]
    early: NDArray[np.bool_]

    @property
    def clips(self) -> NDArray[np.float32]:
        """Mean score of each microphone, (n_mics,)."""
        return self.values.mean(axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What one detector said of one take.

    system : name; place : which take
    quiet : frames of the same cabin with nothing in it, as the detector scores them and with the mean of 0.5 s
    venting : by full-band SNR, the frames that truly vent, likewise; clip : by SNR, (n_mics,), mean over all frames
    events : by SNR (vents), or the everyday sound at its level
    blocks : (n,), highest level of every 2 s of normal sound; hours : of it
    """

    system: str
    place: Place
    quiet: tuple[Frames, Frames] | None = None
    venting: Mapping[float, tuple[Frames, Frames]] | None = None
    clip: Mapping[float, NDArray[np.float32]] | None = None
    events: tuple[ScoredEvent, ...] = ()
    blocks: NDArray[np.float32] | None = None
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """One take, through all those detectors."""

    place: Place
    size: Size
    systems: tuple[Trained, ...]


def listen(task: Task) -> list[Told]:
    """Simulate a take and let every detector hear it."""
    take = take_of(task.place, task.size)
    hear = _hear_normal if take.kind == NORMAL else _hear_vent if take.kind == VENT else _hear_negative
    said = [
        hear(trained, detector, take, task.place)
        for trained, detector in zip(task.systems, _detectors(task.systems, task.size), strict=True)
    ]
    if take.kind == VENT:
        said.append(_hear_limit(take, task.place))
    for memory in _memories.values():
        memory.clear()
    return said


def _hear_vent(trained: Trained, detector: Detector, take: Take, place: Place) -> Told:
    ear = Ear(detector, take.noise[:, : _begin(take)])
    quiet = ear.hear(take.noise[:, _begin(take) :])
    venting, clips, events = {}, {}, []
    for snr_db in HOME_SNRS_DB if place.suite == "home" else SNRS_DB:
        said = ear.hear(take.at(snr_db).samples[:, _begin(take) :])
        own = _own(trained, said)
        events.append(_event(own, take, snr_db))
        if snr_db in FRAME_SNRS_DB:
            venting[snr_db] = _both(said, take, venting=True)
            clips[snr_db] = own.since(take.onset_s - BEFORE_S).values.mean(axis=1).astype(np.float32)
    return Told(trained.system.name, place, _both(quiet, take, venting=False), venting, clips, tuple(events))


def _hear_negative(trained: Trained, detector: Detector, take: Take, place: Place) -> Told:
    snr_db = negative_snr_db(place)
    own = _own(trained, Ear(detector, take.at(snr_db).samples).hear(take.noise[:, :0]))
    return Told(trained.system.name, place, events=(_event(own, take, snr_db),))


def _hear_normal(trained: Trained, detector: Detector, take: Take, place: Place) -> Told:
    own = _own(trained, Ear(detector, take.noise).hear(take.noise[:, :0]))
    spec = own.features
    peaks = block_peaks(_held(own), max(1, round(BLOCK_S * spec.fs / spec.hop)))
    return Told(trained.system.name, place, blocks=peaks, hours=len(own.known_s) * spec.hop / spec.fs / 3600.0)


def _hear_limit(take: Take, place: Place) -> Told:
    """What band energies can say at best, see `limit`."""
    quiet, by_snr = band_limit(take, FRAME_SNRS_DB)
    known_s = (np.arange(quiet.shape[1]) * SPEC.hop + SPEC.n_fft) / SPEC.fs

    def both(values: FloatArray, *, venting: bool) -> tuple[Frames, Frames]:
        return _both(Said(values, _fused(values), known_s, SPEC), take, venting=venting)

    by_level = {snr_db: both(values, venting=True) for snr_db, values in by_snr.items()}
    return Told(LIMIT, place, both(quiet, venting=False), by_level)


def _begin(take: Take) -> int:
    """Sample a little before anything sounds: up to there every level of a take is the same."""
    return round((take.onset_s - BEFORE_S) * FS)


class Ear:
    """A detector that has heard the beginning of a recording, and then hears several ways in which it goes on."""

    def __init__(self, detector: Detector, beginning: FloatArray) -> None:
        self.detector = detector
        self.beginning = beginning
        self._streams = getattr(detector.scorer, "streamable", True)
        if self._streams:
            trigger = Trigger.for_features(detector.scorer.features)
            n_mics = len(beginning)
            self._hearing = Hearing(n_mics, scorer=detector.scorer, calibration=detector.calibration, events=trigger)
            self._state, self._heard = self._step(self._hearing.start(), beginning)

    def hear(self, rest: FloatArray) -> Said:
        """Scores of the beginning and this rest, without the frames in which the floor is learned."""
        spec = self.detector.scorer.features
        if self._streams:
            _, heard = self._step(self._state, rest)
            values = np.concatenate([self._heard, heard], axis=1)
        else:
            values = self._in_batches(np.concatenate([self.beginning, rest], axis=1))
        require_finite(values, kind=self.detector.kind, name="a take")
        starts = np.arange(values.shape[1]) * spec.hop
        first = first_frame(spec)
        known_s = (starts[first:] + spec.n_fft) / spec.fs
        return Said(values[:, first:], _fused(values[:, first:]), known_s, spec)

    def _step(self, state: HearingState, samples: FloatArray) -> tuple[HearingState, FloatArray]:
        if samples.shape[1] == 0:
            return state, np.zeros((len(samples), 0))
        state, heard = self._hearing.step(state, Block(samples=samples, start=state.end, fs=FS))
        return state, heard.scores.values

    def _in_batches(self, samples: FloatArray) -> FloatArray:
        """Of the reading "batch", which cannot stream: batches of 128 frames of one microphone."""
        scorer = self.detector.scorer
        contexts = contexts_of(frames_of(samples, scorer.features), scorer.context)
        return self.detector.calibration.for_mics(len(samples))(scorer.score(contexts))


def _own(trained: Trained, said: Said) -> Said:
    """The scores that a system alarms with."""
    return said.smoothed() if trained.system.ours else said


def _both(said: Said, take: Take, *, venting: bool) -> tuple[Frames, Frames]:
    """Frames that truly vent, or as many seconds of the cabin with nothing in it; as they are, and averaged."""
    after_s = said.middles_s - take.onset_s
    chosen = (after_s >= 0) & (said.middles_s < take.end_s) if venting else after_s >= -BEFORE_S
    early = after_s < EARLY_S
    return thinned_frames(said.values, chosen, early), thinned_frames(said.smoothed().values, chosen, early)


def thinned_frames(values: FloatArray, chosen: NDArray[np.bool_], early: NDArray[np.bool_]) -> Frames:
    """The chosen frames of (n_mics, n_frames), of a long take an even choice of them."""
    hop = max(1, -(-int(chosen.sum()) // _MOST_FRAMES))
    return Frames(values[:, chosen][:, ::hop].astype(np.float32), early[chosen][::hop])


def _fused(values: FloatArray) -> FloatArray:
    starts = np.arange(values.shape[1], dtype=np.int64)
    return KOfN()(Scores(values, starts), np.ones(len(values), dtype=np.bool_)).values


def causal_mean(values: FloatArray, n: int) -> FloatArray:
    """Mean of the last n, or of all so far, along the last axis of (n_mics, n_frames)."""
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=-1, dtype=np.float64)
    last = np.arange(1, values.shape[-1] + 1)
    first = np.maximum(last - n, 0)
    mean: FloatArray = (total[:, last] - total[:, first]) / (last - first)
    return mean


def _event(said: Said, take: Take, snr_db: float) -> ScoredEvent:
    return scored_event(
        _held(said), said.known_s, kind=take.kind, snr_db=snr_db, onset_s=take.onset_s, end_s=take.end_s
    )


def _held(said: Said) -> NDArray[np.float64]:
    """Level that an alarm must have held, as long as the chain's trigger asks."""
    return held(said.fused, Trigger.for_features(said.features).hold_frames)


# Of this process: detectors, and vectors of the take that is heard.
_loaded: dict[tuple[Path | bytes | None, int], Detector] = {}
_memories: dict[str, dict[bytes, NDArray[np.float32]]] = {}


def _detectors(systems: Sequence[Trained], size: Size) -> Iterator[Detector]:
    """Every detector, restored once in a process."""
    for trained in systems:
        key = (trained.model or trained.pickled, size.encoder_step)
        if key not in _loaded:
            _loaded[key] = _remembering(loaded(trained, encoder_step=size.encoder_step))
        yield _loaded[key]


def _remembering(detector: Detector) -> Detector:
    """Back ends of one encoder share its vectors: a window is encoded once for all of them."""
    scorer: Any = detector.scorer
    if not isinstance(scorer, EmbeddingScorer):
        return detector
    memory = _memories.setdefault(scorer.weights.digest, {})
    model: Any = detector
    return replace(model, scorer=replace(scorer, encoder=_Remembering(scorer.encoder, memory)))


@dataclass(frozen=True, slots=True, eq=False)
class _Remembering:
    """An encoder that gives the vector of a window that it knows without computing it anew."""

    encoder: Any
    memory: dict[bytes, NDArray[np.float32]]

    @property
    def window(self) -> int:
        return int(self.encoder.window)

    @property
    def n_values(self) -> int:
        return int(self.encoder.n_values)

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        key = hashlib.blake2b(windows.tobytes(), digest_size=16).digest()
        if key not in self.memory:
            self.memory[key] = self.encoder(windows)
        return self.memory[key]
