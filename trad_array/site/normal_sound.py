"""Hours of normal sound through the ordinary chain: what everyday sounds reach, and how loud the site is.

Memory does not grow with the sound, but for a few numbers per event.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.chain import Chain, StepOutput, run
from trad_array.detection.calibration import Calibration, fit_calibration
from trad_array.detection.listed import Listed
from trad_array.events import OpenEvents, event_step
from trad_array.features import FeatureSpec
from trad_array.features.log_mel import band_centres_hz, log_mel
from trad_array.localization.cut import Window
from trad_array.localization.place import Placed
from trad_array.records import CELL, Block
from trad_array.site.record import HISS_HZ, LOW_HZ, Levels, gate_of, trigger_of

# Levels are taken of one quiet second in ten, after the first two of a recording.
_EVERY_S, _NOT_BEFORE_S = 10.0, 2.0
_LOWEST_DB, _STEP_DB, _BINS = -110.0, 0.5, 240
_QUANTILES = (0.1, 0.5, 0.9)
_QUARTERS = 4
# Scores are calibrated on the first minutes of every six hours, without the seconds in which the floor settles.
CALIBRATE_S, CALIBRATE_EVERY_S, SETTLE_S = 300, 6 * 3600, 4.0
# A microphone whose scores hardly vary would be all ears: it keeps half the chain's own scale.
_LEAST_SCALE = 0.5


@dataclass(slots=True)
class Sound:
    """An everyday sound.

    recording : index of the one it is in
    at_s, end_s : s, in the recording; what lies between is normal sound that is left out when it looks like a cell
    odds : the highest log-odds at which a gate's threshold would still have made it an alarm; -inf without a map
    peak : highest fused score, or NaN when the trigger did not find it
    unplaced : it lasted and was placed nowhere: an alarm whatever the threshold
    """

    recording: int
    at_s: float
    end_s: float
    odds: float = -math.inf
    peak: float = math.nan
    unplaced: bool = False


@dataclass(slots=True)
class Listener:
    """Takes notes while a chain hears recordings; may be stopped at any time and keeps what it has heard.

    chain : its gate says what looks like a cell
    names, heard_s : of each recording, and how much of it was heard, s
    sounds : by recording and onset (samples)
    faults : kinds of the stream's faults, with how often they occurred
    """

    chain: Chain
    names: list[str] = field(default_factory=list)
    heard_s: list[float] = field(default_factory=list)
    sounds: dict[tuple[int, int], Sound] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    _levels: NDArray[np.int64] | None = None
    _course: list[NDArray[np.float64]] = field(default_factory=list)
    _since_s: float = _EVERY_S

    def hear(self, name: str, stream: Iterable[Block]) -> None:
        """Hear one recording, or as much of it as comes."""
        self.names.append(name)
        self.heard_s.append(0.0)
        last: list[Block] = []
        told, fs = OpenEvents(), self.chain.features.fs
        for output in run(self.chain, _kept(stream, last)):
            before = told
            told, events = event_step(told, output)
            self._note_maps(output)
            self._note_scores(output)
            for event in events:
                if event.level == "alarm" and event.verdict != CELL:
                    self._sound(event.detection.onset).unplaced = True
            for fault in output.heard.faults:
                self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1
            if last:
                block = last.pop()
                self.heard_s[-1] += block.samples.shape[1] / fs
                self._since_s += block.samples.shape[1] / fs
                quiet = not (before.events or told.events or events)
                if quiet and self._since_s >= _EVERY_S and self.heard_s[-1] > _NOT_BEFORE_S:
                    self._note_level(block, output)

    def levels(self) -> Levels | None:
        """Levels of the seconds without an event; None when a microphone was heard in none."""
        if self._levels is None or (self._levels.sum(axis=2) == 0).any():
            return None
        spec = _level_spec(self.chain.features.fs)
        upto = np.cumsum(self._levels, axis=2) / self._levels.sum(axis=2, keepdims=True)
        low, middle, high = (_LOWEST_DB + _STEP_DB * ((upto < q).sum(axis=2) + 0.5) for q in _QUANTILES)
        return Levels(band_centres_hz(spec), low, middle, high)

    def quarters_db(self) -> NDArray[np.float64] | None:
        """Median level of the hiss band and of the low band in each quarter of the time, (4, 2, n_mics), dB.

        None with less than 4 quiet seconds; NaN where a microphone was dead.
        """
        if len(self._course) < _QUARTERS:
            return None
        return np.stack([np.median(part, axis=0) for part in np.array_split(np.stack(self._course), _QUARTERS)])

    def silent(self) -> tuple[str, ...]:
        """Microphones that were never heard in a quiet second, if there was one."""
        if self._levels is None:
            return ()
        names = self.chain.layout.mic_names
        return tuple(name for name, counts in zip(names, self._levels, strict=True) if counts.sum() == 0)

    def _note_maps(self, output: StepOutput) -> None:
        for window, placed in output.maps:
            odds = alarm_odds(window, placed, self.chain)
            if window.parent is not None and odds == -math.inf:
                continue
            sound = self._sound(window.onset)
            sound.odds = max(sound.odds, odds)
            sound.end_s = max(sound.end_s, placed.heard_until / self.chain.features.fs)

    def _note_scores(self, output: StepOutput) -> None:
        trigger, fs = trigger_of(self.chain), self.chain.features.fs
        for detection in output.heard.detections:
            if detection.score > trigger.on:
                self._sound(detection.onset).peak = detection.score
        for ended in output.heard.ended:
            sound = self._sound(ended.onset)
            sound.end_s = max(sound.end_s, ended.end / fs)
            if not math.isnan(sound.peak):
                sound.peak = max(sound.peak, ended.peak)

    def _note_level(self, block: Block, output: StepOutput) -> None:
        frames = log_mel(block.samples, _level_spec(block.fs))
        if not frames.shape[1]:
            return
        self._since_s = 0.0
        level_db = frames.mean(axis=1)
        heard = output.heard.fused.live | ~self._voting()
        self._course.append(np.where(heard, [level_db[:, inside].mean(axis=1) for inside in _bands(block.fs)], np.nan))
        bins = np.clip(((level_db - _LOWEST_DB) / _STEP_DB).astype(np.intp), 0, _BINS - 1)
        if self._levels is None:
            self._levels = np.zeros((*bins.shape, _BINS), np.int64)
        for mic in np.flatnonzero(heard):
            self._levels[mic, np.arange(bins.shape[1]), bins[mic]] += 1

    def _voting(self) -> NDArray[np.bool_]:
        votes = np.zeros(self.chain.layout.n_mics, dtype=np.bool_)
        votes[self.chain.layout.array_mics] = True
        return votes

    def _sound(self, onset: int) -> Sound:
        key = (len(self.names) - 1, onset)
        at_s = onset / self.chain.features.fs
        return self.sounds.setdefault(key, Sound(key[0], at_s, at_s))


def alarm_odds(window: Window, placed: Placed, chain: Chain) -> float:
    """The highest threshold of the gate at which this map would still have raised an alarm; -inf when none would.

    A map lets a sound through when its log-odds are above the threshold. A second event, and a sound too faint for the
    trigger, must have one cell that is probable enough, and so much more than the threshold. A second event may need
    the halves of its stretch as well, which are not asked here: its odds are an upper limit.
    """
    cell_map = placed.cell_map
    if cell_map is None:
        return -math.inf
    from_a_cell = float(cell_map.probability.sum())
    if from_a_cell <= 0.0:
        return -math.inf
    odds = gate_of(chain).threshold + math.log(from_a_cell / max(cell_map.elsewhere, 1e-300))
    if window.parent is None and not window.faint:
        return odds
    needed = chain.faint.probability if window.faint else chain.watch.probability
    if not window.faint and cell_map.sharpness < chain.watch.sharpness:
        return -math.inf
    spare = float(cell_map.probability[cell_map.best]) / from_a_cell - needed
    return odds + min(math.log(spare / needed), 0.0) if spare > 0.0 else -math.inf


def calibrate(chain: Chain, streams: Iterable[Iterable[Block]]) -> Calibration:
    """Calibration of the chain's scores on some sound that is quiet more than half of the time.

    A microphone that is not heard keeps the chain's own.
    """
    own = chain.hearing.calibration
    n_mics = chain.layout.n_mics
    centre, scale = (np.broadcast_to(values, n_mics).copy() for values in (own.centre, own.scale))
    raw = [scores * scale[:, None] + centre[:, None] for stream in streams for scores in _scores(chain, stream)]
    if not raw:
        return Calibration(centre, scale)
    together = np.concatenate(raw, axis=1)
    for mic in range(n_mics):
        heard = together[mic][np.isfinite(together[mic])]
        if len(heard) and np.ptp(heard) > 0:
            fitted = fit_calibration(heard[None, :])
            centre[mic], scale[mic] = fitted.centre[0], max(fitted.scale[0], _LEAST_SCALE * scale[mic])
    return Calibration(centre, scale)


def _scores(chain: Chain, stream: Iterable[Block]) -> Iterator[NDArray[np.float64]]:
    """Scores of every step, (n_mics, n_frames), NaN where a microphone is dead; not those before the floor is settled.

    Nothing is an event, for the floor stands still during events.
    """
    hearing, state, first = replace(chain.hearing, events=Listed(())), None, 0
    for block in stream:
        if state is None:
            state, first = hearing.start(at=block.start), block.start
        state, heard = hearing.step(state, block)
        if block.end > first + SETTLE_S * block.fs:
            live = heard.fused.live | ~np.isin(np.arange(chain.layout.n_mics), chain.layout.array_mics)
            yield np.where(live[:, None], heard.scores.values, np.nan)


def _kept(stream: Iterable[Block], last: list[Block]) -> Iterator[Block]:
    """Pass blocks on, each also into `last`: `run` gives one output for each."""
    for block in stream:
        last[:] = [block]
        yield block


def _bands(fs: int) -> list[NDArray[np.bool_]]:
    """Which mel bands are in the hiss band, and which in the low one."""
    hz = band_centres_hz(_level_spec(fs))
    return [(hz >= low) & (hz <= high) for low, high in (HISS_HZ, LOW_HZ)]


def _level_spec(fs: int) -> FeatureSpec:
    return FeatureSpec(fs=fs, f_max_hz=min(8_000.0, fs / 2))
