"""The chain: sound to events. `run` is the only loop, for recorded and for live sound alike.

Every stage is a small function `(rule, state, input) -> (state, output)`, and `Chain.step` is their composition. How a
stream is cut into blocks changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from trad_array.audio.files import blocks
from trad_array.detection.calibration import Calibration
from trad_array.detection.fusion import Fuser, KOfN
from trad_array.detection.trigger import EventRule, Trigger
from trad_array.features import FeatureSpec
from trad_array.hearing import Heard, Hearing, HearingState, join_heard
from trad_array.localization.cut import Cut, CutRule, RingState, Window, cut_step, flush_cuts
from trad_array.localization.faint_watch import (
    FaintWatch,
    FaintWatchRule,
    absorb,
    ends,
    judged,
    without_absorbed,
)
from trad_array.localization.localizer import Localizer
from trad_array.localization.place import Placed, place
from trad_array.localization.robust import Robust
from trad_array.localization.watch import WatchRule, WatchState, begin, finished, first_place, plan, second
from trad_array.records import Block, Detection, Ended, Fault, Recording, Scores
from trad_array.scoring.frame_scorer import FrameScorer
from trad_array.scoring.model_file import Model
from trad_array_geometry import Layout, speed_of_sound


@dataclass(frozen=True, slots=True, eq=False)
class StepOutput:
    """What one step brought to light.

    heard : scores, detections, ends and faults
    placed : detections whose window is complete, with their maps
    maps : every map that was made, with its window: those of sounds that are no events, too
    """

    heard: Heard
    placed: tuple[Placed, ...] = ()
    maps: tuple[tuple[Window, Placed], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ChainState:
    """All that the chain remembers between blocks: its hearing, recent sound for the localizer, sounds that last, and
    sounds that are too faint for an event so far.
    """

    hearing: HearingState
    ring: RingState
    watch: WatchState = WatchState()
    faint: FaintWatch = FaintWatch()


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Everything that turns blocks into events; immutable, so one chain may serve many streams.

    layout : where microphones and cells are
    hearing : sound to detections
    speed_of_sound : m/s, that travel times are computed with
    localizer : which cell a sound came from
    window : what the localizer is given of a detection
    watch : when a second event is heard during the first
    faint : when a sound that is too faint for the trigger is an event
    """

    layout: Layout
    hearing: Hearing
    speed_of_sound: float
    localizer: Localizer = field(default_factory=Robust)
    window: CutRule = field(default_factory=CutRule)
    watch: WatchRule = field(default_factory=WatchRule)
    faint: FaintWatchRule = field(default_factory=FaintWatchRule)

    @property
    def features(self) -> FeatureSpec:
        """What the chain computes from the sound."""
        return self.hearing.features

    @property
    def latency_s(self) -> float:
        """Longest time from an onset to its map: a frame, and the localization window."""
        return self.window.window_s + self.features.n_fft / self.features.fs

    def with_events(self, events: EventRule) -> "Chain":
        """The same chain with another rule about which stretches are events."""
        return replace(self, hearing=replace(self.hearing, events=events))

    def start(self, *, at: int = 0) -> ChainState:
        """State before the stream's first block, which begins at sample `at`."""
        return ChainState(self.hearing.start(at=at), RingState())

    def step(self, state: ChainState, block: Block) -> tuple[ChainState, StepOutput]:
        """Take the next block.

        Raises
        ------
        ConfigError
            If the block has another rate or number of channels than the chain.
        """
        if block.lost or block.start != state.hearing.end:
            return self._after_gap(state, block)
        hearing, heard = self.hearing.step(state.hearing, block)
        fs = self.features.fs
        faint, heard = self._with_faint(state.faint, heard)
        windows = self._windows(heard.detections)
        for candidate in heard.faint:
            windows += self.window.around_faint(candidate.onset, fs=fs)
        watched = tuple(d for d in heard.detections if self.hearing.events.window(d) is None)
        watch = begin(state.watch, watched, heard.ended, rule=self.window, fs=fs)
        watch, later = plan(watch, until=block.end, watch=self.watch, rule=self.window, fs=fs)
        ring, cuts = cut_step(state.ring, block, windows + later, keep=self._keep())
        maps = self._placed(watch, faint, cuts)
        faint, over = ends(maps.faint, heard.faint_ended)
        watch = begin(maps.watch, (), over, rule=self.window, fs=fs)
        watch, ended = finished(watch, heard_until=block.end)
        heard = _with_later(heard, maps.detections, ended + over)
        return ChainState(hearing, ring, watch, faint), StepOutput(heard, maps.placed, maps.every)

    def finish(self, state: ChainState) -> StepOutput:
        """End the stream: events still on are ended, detections still waiting for their window are placed."""
        faint, heard = self._with_faint(state.faint, self.hearing.finish(state.hearing))
        watch = begin(state.watch, (), heard.ended, rule=self.window, fs=self.features.fs)
        maps = self._placed(watch, faint, flush_cuts(state.ring, self._windows(heard.detections)))
        _, over = ends(maps.faint, heard.faint_ended)
        _, ended = finished(begin(maps.watch, (), over, rule=self.window, fs=self.features.fs), heard_until=None)
        return StepOutput(_with_later(heard, maps.detections, ended + over), maps.placed, maps.every)

    def _with_faint(self, faint: FaintWatch, heard: Heard) -> tuple[FaintWatch, Heard]:
        """Loud detections that are not told because a faint event has told of them; new faint sounds taken up."""
        faint, detections = absorb(faint, heard.detections, rule=self.faint, fs=self.features.fs)
        faint, ended = without_absorbed(faint, heard.ended)
        lasting = tuple(x for x in heard.lasting if x.onset not in faint.absorbed)
        faint = replace(faint, candidates=faint.candidates + heard.faint)
        return faint, replace(heard, detections=detections, ended=ended, lasting=lasting)

    def _after_gap(self, state: ChainState, block: Block) -> tuple[ChainState, StepOutput]:
        """End what was on, say what is missing, and begin anew; what was learned of the floor is kept."""
        before = self.finish(state)
        end = state.hearing.end
        gap = Fault("gap", None, end, detail=f"{max(block.lost, block.start - end)} samples are missing")
        fresh = ChainState(self.hearing.restart(state.hearing, at=block.start), RingState())
        fresh, after = self.step(fresh, replace(block, lost=0))
        heard = join_heard([replace(before.heard, faults=(*before.heard.faults, gap)), after.heard])
        return fresh, StepOutput(heard, before.placed + after.placed, before.maps + after.maps)

    def _keep(self) -> int:
        """Samples of the past that a detection still to come may ask for."""
        spec = self.features
        lag = max(self.hearing.events.lag_frames * spec.hop, self.hearing.faint_rule.lag)
        return self.window.pre_roll(spec.fs) + spec.n_fft + lag

    def _windows(self, detections: tuple[Detection, ...]) -> tuple[Window, ...]:
        """What the localizer shall hear of each detection."""
        windows: list[Window] = []
        for detection in detections:
            asked = self.hearing.events.window(detection)
            if asked is None:
                windows += self.window.around(detection.onset, fs=self.features.fs)
            else:
                windows.append(Window(detection.onset, asked[0] - self.window.pre_roll(self.features.fs), asked[1]))
        return tuple(windows)

    def _placed(self, watch: WatchState, faint: FaintWatch, cuts: tuple[Cut, ...]) -> "_Judged":
        """Maps of the cuts; the second events that the later ones of a sound hold, and faint sounds from a cell."""
        detections: list[Detection] = []
        placed: list[Placed] = []
        every: list[tuple[Window, Placed]] = []
        for window, cut in sorted(cuts, key=lambda item: (item[0].end, item[0].parent is not None)):
            found = place(self.localizer, cut, self.layout, onset=window.onset, speed_of_sound=self.speed_of_sound)
            found = replace(found, final=window.final)
            every.append((window, found))
            detection: Detection | None = None
            if window.faint:
                faint, detection, told = judged(faint, found, rule=self.faint)
                if detection is not None:
                    watch = begin(watch, (detection,), (), rule=self.window, fs=self.features.fs)
            elif window.parent is None:
                told = True
            else:
                watch, detection = second(watch, window, found, self.watch)
                told = detection is not None
            if told and window.parent is None:
                watch = first_place(watch, found)
            if detection is not None:
                detections.append(detection)
            if told:
                placed.append(found)
        return _Judged(watch, faint, tuple(detections), tuple(placed), tuple(every))


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What the maps of a step brought to light, and the states after them."""

    watch: WatchState
    faint: FaintWatch
    detections: tuple[Detection, ...]
    placed: tuple[Placed, ...]
    every: tuple[tuple[Window, Placed], ...]


def _with_later(heard: Heard, detections: tuple[Detection, ...], ended: tuple[Ended, ...]) -> Heard:
    return replace(heard, detections=heard.detections + detections, ended=heard.ended + ended)


def make_chain(
    layout: Layout,
    *,
    model: Model | None = None,
    scorer: FrameScorer | None = None,
    fuser: Fuser | None = None,
    events: EventRule | None = None,
    localizer: Localizer | None = None,
    temperature_c: float | None = None,
) -> Chain:
    """Chain for a layout; whatever is not named takes its default.

    Parameters
    ----------
    model : a fitted scorer with its calibration, from `load_model`
    scorer : instead of a model, a scorer whose scores are already robust z of normal sound
    temperature_c : degrees Celsius; None takes the layout's

    Raises
    ------
    ConfigError, LayoutError
        If the parts do not go together, or the temperature is outside the formula's range.
    """
    hearing = Hearing(
        layout.n_mics,
        fuser=fuser or KOfN(),
        voters=tuple(int(k) for k in layout.array_mics),
    )
    if model is not None:
        hearing = replace(hearing, scorer=model.scorer, calibration=model.calibration)
    elif scorer is not None:
        hearing = replace(hearing, scorer=scorer, calibration=Calibration.identity())
    hearing = replace(hearing, events=events or Trigger.for_features(hearing.features))
    return Chain(
        layout,
        hearing=hearing,
        speed_of_sound=layout.speed_of_sound if temperature_c is None else speed_of_sound(temperature_c),
        localizer=localizer or Robust(),
    )


def run(chain: Chain, stream: Iterable[Block]) -> Iterator[StepOutput]:
    """The only loop: start, a step for each block, finish."""
    state: ChainState | None = None
    for block in stream:
        if state is None:
            state = chain.start(at=block.start)
        state, output = chain.step(state, block)
        yield output
    if state is not None:
        yield chain.finish(state)


def score_recording(recording: Recording, model: Model) -> Scores:
    """Calibrated scores of a recording in memory, shape (n_mics, n_frames), by the hearing part of the chain alone."""
    hearing = Hearing(recording.samples.shape[0], scorer=model.scorer, calibration=model.calibration)
    state, heard = hearing.start(), []
    for block in blocks(recording):
        state, more = hearing.step(state, block)
        heard.append(more)
    return join_heard(heard).scores
