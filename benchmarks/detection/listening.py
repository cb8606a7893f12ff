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
from trad_array.learning.alarm_metrics import ScoredEvent, block_peaks, held, scored_event
from trad_array.learning.scored import Detector, Scored, score_segments
from trad_array.records import FloatArray, Recording, Scores
from trad_array.scoring.embeddings.scorer import EmbeddingScorer

# Levels at which frames are told apart; the others are for events only. At home one level says enough.
FRAME_SNRS_DB = (-25.0, -20.0, -15.0)
HOME_SNR_DB = -20.0
# A vent is loudest at first: the frames of its first second are told apart from the rest.
EARLY_S = 1.0
# Normal sound is counted in blocks as long as the chain's alarm takes to be over.
BLOCK_S = 2.0
# Frames of one take and microphone that count: a hiss of 30 s shall not outvote a hundred of 0.3 s. Our choice.
_MOST_FRAMES = 200


@dataclass(frozen=True, slots=True)
class _Sound:
    """A recording in memory where `score_segments` expects a `Segment`."""

    name: str
    label: str
    recording: Recording
    times_s: tuple[float, float] | None = None
    set_name: str = "all"

    def read(self, fs: int) -> Recording:
        assert fs == self.recording.fs
        return self.recording

    def true_times_s(self) -> tuple[float, float] | None:
        return self.times_s

    def known(self) -> Mapping[str, Any]:
        return {}


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
    quiet = _scored(detector, Recording(take.noise, FS, source="cabin"), None)
    venting, clips, events = {}, {}, []
    for snr_db in (HOME_SNR_DB,) if place.suite == "home" else SNRS_DB:
        scored = _scored(detector, take.at(snr_db), take)
        own = _own(trained, scored)
        events.append(_event(own, take, snr_db))
        if snr_db in FRAME_SNRS_DB:
            venting[snr_db] = _both(scored, take)
            clips[snr_db] = own.values.mean(axis=1).astype(np.float32)
    return Told(trained.system.name, place, _both(quiet, take), venting, clips, tuple(events))


def _hear_negative(trained: Trained, detector: Detector, take: Take, place: Place) -> Told:
    snr_db = negative_snr_db(place)
    own = _own(trained, _scored(detector, take.at(snr_db), take))
    return Told(trained.system.name, place, events=(_event(own, take, snr_db),))


def _hear_normal(trained: Trained, detector: Detector, take: Take, place: Place) -> Told:
    own = _own(trained, _scored(detector, take.at(0.0), None))
    peaks = block_peaks(_held(own), max(1, round(BLOCK_S * own.features.fs / own.features.hop)))
    return Told(trained.system.name, place, blocks=peaks.astype(np.float32), hours=own.scored_s / 3600.0)


def _hear_limit(take: Take, place: Place) -> Told:
    """What band energies can say at best, see `limit`."""
    quiet, by_snr = band_limit(take, FRAME_SNRS_DB)
    middles_s = (np.arange(quiet.shape[1]) * SPEC.hop + 0.5 * SPEC.n_fft) / SPEC.fs
    true = (take.onset_s <= middles_s) & (middles_s < take.end_s)
    early, every = middles_s - take.onset_s < EARLY_S, np.ones_like(true)
    n = max(1, round(SMOOTH_S * SPEC.fs / SPEC.hop))

    def both(values: FloatArray, chosen: NDArray[np.bool_]) -> tuple[Frames, Frames]:
        return thinned_frames(values, chosen, early), thinned_frames(causal_mean(values, n), chosen, early)

    return Told(LIMIT, place, both(quiet, every), {snr_db: both(values, true) for snr_db, values in by_snr.items()})


def _scored(detector: Detector, recording: Recording, take: Take | None) -> Scored:
    """A recording of nothing but a cabin, or of what sounds in that take."""
    label = "normal" if take is None else "abnormal"
    times_s = None if take is None else (take.onset_s, take.end_s)
    sound: Any = _Sound(recording.source or label, label, recording, times_s)
    (scored,), _ = score_segments(detector, [sound])
    return scored


def _own(trained: Trained, scored: Scored) -> Scored:
    """The scores that a system alarms with."""
    return _smoothed(scored) if trained.system.ours else scored


def _both(scored: Scored, take: Take) -> tuple[Frames, Frames]:
    """The frames that truly vent, or all of a cabin with nothing in it; as they are, and with the mean of 0.5 s."""
    chosen = scored.truly_abnormal
    if chosen is None or scored.segment.label == "normal":
        chosen = np.ones(scored.values.shape[1], dtype=np.bool_)
    # The middle of a frame is half a window before the moment at which it is known.
    middles_s = scored.known_s - 0.5 * scored.features.n_fft / scored.features.fs
    early = middles_s - take.onset_s < EARLY_S
    return thinned_frames(scored.values, chosen, early), thinned_frames(_smoothed(scored).values, chosen, early)


def thinned_frames(values: FloatArray, chosen: NDArray[np.bool_], early: NDArray[np.bool_]) -> Frames:
    """The chosen frames of (n_mics, n_frames), of a long take an even choice of them."""
    hop = max(1, -(-int(chosen.sum()) // _MOST_FRAMES))
    return Frames(values[:, chosen][:, ::hop].astype(np.float32), early[chosen][::hop])


def _smoothed(scored: Scored) -> Scored:
    """The same with every microphone's scores averaged over the last 0.5 s, and fused anew."""
    n = max(1, round(SMOOTH_S * scored.features.fs / scored.features.hop))
    values = causal_mean(scored.values, n)
    starts = np.arange(values.shape[1], dtype=np.int64) * scored.features.hop
    fused = KOfN()(Scores(values, starts), np.ones(len(values), dtype=np.bool_)).values
    return replace(scored, values=values, fused=fused)


def causal_mean(values: FloatArray, n: int) -> FloatArray:
    """Mean of the last n, or of all so far, along the last axis of (n_mics, n_frames)."""
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=-1, dtype=np.float64)
    last = np.arange(1, values.shape[-1] + 1)
    first = np.maximum(last - n, 0)
    mean: FloatArray = (total[:, last] - total[:, first]) / (last - first)
    return mean


def _event(scored: Scored, take: Take, snr_db: float) -> ScoredEvent:
    return scored_event(
        _held(scored), scored.known_s, kind=take.kind, snr_db=snr_db, onset_s=take.onset_s, end_s=take.end_s
    )


def _held(scored: Scored) -> NDArray[np.float64]:
    """Level that an alarm must have held, as long as the chain's trigger asks."""
    return held(scored.fused, Trigger.for_features(scored.features).hold_frames)


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
