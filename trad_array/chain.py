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
    faint_ends,
    from_a_cell,
    loud,
    take_up,
)
from trad_array.localization.localizer import Localizer
from trad_array.localization.place import Placed, place
from trad_array.localization.robust import Robust
from trad_array.localization.watch import (
    WatchRule,
    WatchState,
    begin,
    confirmed,
    finished,
    first_place,
    halves,
    may_be_second,
    plan,
    second,
)
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
    free_position : whether the free position is looked for that people check maps against; no verdict depends on it
    """

    layout: Layout
    hearing: Hearing
    speed_of_sound: float
    localizer: Localizer = field(default_factory=Robust)
    window: CutRule = field(default_factory=CutRule)
    watch: WatchRule = field(default_factory=WatchRule)
    faint: FaintWatchRule = field(default_factory=FaintWatchRule)
    free_position: bool = True

    @property
    def features(self) -> FeatureSpec:
        """What the chain computes from the sound."""
        return self.hearing.features

    @property
    def latency_s(self) -> float:
        """Longest time from an onset to its map: a frame, and the localization window."""
        return self.window.window_s + self.features.n_fft / self.features.fs

    @property
    def memory(self) -> int:
        """Samples of the past that a detection still to come may ask for."""
        spec = self.features
        lag = max(self.hearing.events.lag_frames * spec.hop, self.hearing.faint_rule.lag)
        return self.window.pre_roll(spec.fs) + spec.n_fft + lag

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
        candidates = () if self.hearing.events.exhaustive else _while_quiet(heard, state.watch)
        windows = self._windows(heard.detections)
        for candidate in candidates:
            windows += self.window.around_faint(candidate.onset, fs=fs)
        watched = tuple(d for d in heard.detections if self.hearing.events.window(d) is None)
        watch = begin(state.watch, watched, heard.ended, rule=self.window, fs=fs)
        watch, later = plan(watch, until=block.end, watch=self.watch, rule=self.window, fs=fs)
        ring, cuts = cut_step(state.ring, block, windows + later, keep=self.memory)
        faint = take_up(state.faint, candidates, heard.faint_ended)
        judged = self._judged(watch, faint, heard.detections, cuts)
        watch, ended = finished(judged.watch, heard_until=block.end)
        faint, heard = _told(heard, judged, ended)
        faint = _still_absorbing(faint, watch, ring)
        return ChainState(hearing, ring, watch, faint), StepOutput(heard, judged.placed, judged.every)

    def finish(self, state: ChainState) -> StepOutput:
        """End the stream: events still on are ended, detections still waiting for their window are placed."""
        heard = self.hearing.finish(state.hearing)
        watch = begin(state.watch, (), heard.ended, rule=self.window, fs=self.features.fs)
        cuts = flush_cuts(state.ring, self._windows(heard.detections))
        judged = self._judged(watch, take_up(state.faint, (), heard.faint_ended), heard.detections, cuts)
        _, ended = finished(judged.watch, heard_until=None)
        return StepOutput(_told(heard, judged, ended)[1], judged.placed, judged.every)

    def _after_gap(self, state: ChainState, block: Block) -> tuple[ChainState, StepOutput]:
        """End what was on, say what is missing, and begin anew; what was learned of the floor is kept."""
        before = self.finish(state)
        end = state.hearing.end
        gap = Fault("gap", None, end, detail=f"{max(block.lost, block.start - end)} samples are missing")
        fresh = ChainState(self.hearing.restart(state.hearing, at=block.start), RingState())
        fresh, after = self.step(fresh, replace(block, lost=0))
        heard = join_heard([replace(before.heard, faults=(*before.heard.faults, gap)), after.heard])
        return fresh, StepOutput(heard, before.placed + after.placed, before.maps + after.maps)

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

    def _judged(
        self, watch: WatchState, faint: FaintWatch, detections: tuple[Detection, ...], cuts: tuple[Cut, ...]
    ) -> "_Judged":
        """What the maps of the cuts say: places, second events during a sound, faint sounds that come from a cell.

        Loud onsets and cuts are taken in the order of time, so that the way a stream is cut changes nothing.
        """
        told: list[Detection] = []
        placed: list[Placed] = []
        every: list[tuple[Window, Placed]] = []
        moments: list[tuple[int, int, Detection | Cut]] = [(d.decided_at, 0, d) for d in detections]
        moments += [(cut[0].end, 1 + (cut[0].parent is not None), cut) for cut in cuts]
        for _, _, item in sorted(moments, key=lambda moment: moment[:2]):
            if isinstance(item, Detection):
                faint, new = loud(faint, item, rule=self.faint, fs=self.features.fs)
                told += [item] if new else []
                continue
            window, cut = item
            if window.onset in faint.absorbed or window.parent in faint.absorbed:
                continue
            found = self._place(cut, window.onset)
            found = replace(found, final=window.final)
            every.append((window, found))
            detection, known = None, True
            if window.faint:
                faint, detection, known = from_a_cell(faint, found, rule=self.faint)
            elif window.parent is not None:
                known = self._is_second(watch, window, cut, found)
                if known:
                    watch, detection = second(watch, window, found)
            else:
                watch = first_place(watch, found)
            told += [detection] if detection is not None else []
            placed += [found] if known else []
        return _Judged(watch, faint, tuple(told), tuple(placed), tuple(every))

    def _is_second(self, watch: WatchState, window: Window, cut: Block, found: Placed) -> bool:
        """Whether a later window of a sound holds another event."""
        rule, cell_map = self.watch, found.cell_map
        if cell_map is None or not may_be_second(watch, window, found, rule):
            return False
        if cell_map.probability[cell_map.best] >= rule.sure:
            return True
        begin = window.onset - cut.start
        parts = (self._place(half, half.start + begin) for half in halves(cut, window))
        return confirmed(found, (part.cell_map for part in parts), rule)

    def _place(self, cut: Block, onset: int) -> Placed:
        return place(
            self.localizer,
            cut,
            self.layout,
            onset=onset,
            speed_of_sound=self.speed_of_sound,
            free_position=self.free_position,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What the maps of a step brought to light, and the states after them."""

    watch: WatchState
    faint: FaintWatch
    detections: tuple[Detection, ...]
    placed: tuple[Placed, ...]
    every: tuple[tuple[Window, Placed], ...]


def _while_quiet(heard: Heard, watch: WatchState) -> tuple[Detection, ...]:
    """Faint sounds that begin while no event is on: the maps of an event look for other cells themselves."""
    ends = {end.onset: end.decided_at for end in heard.ended}
    on = [(s.detection, s.ended.decided_at if s.ended else ends.get(s.detection.onset)) for s in watch.sounds]
    on += [(d, ends.get(d.onset)) for d in heard.detections]
    return tuple(
        c
        for c in heard.faint
        if not any(d.decided_at <= c.decided_at and (end is None or c.decided_at < end) for d, end in on)
    )


def _told(heard: Heard, judged: _Judged, ended: tuple[Ended, ...]) -> tuple[FaintWatch, Heard]:
    """What a step tells, once it is known which loud onsets belong to faint events."""
    absorbed = judged.faint.absorbed
    lasting = tuple(x for x in heard.lasting if x.onset not in absorbed)
    over = tuple(end for end in heard.ended if end.onset not in absorbed)
    faint, faint_over = faint_ends(judged.faint)
    return faint, replace(heard, detections=judged.detections, lasting=lasting, ended=over + ended + faint_over)


def _still_absorbing(faint: FaintWatch, watch: WatchState, ring: RingState) -> FaintWatch:
    """Forget loud onsets that nothing will speak of any more: no window waits for them, and they are over."""
    named = {window.onset for window in ring.waiting} | {window.parent for window in ring.waiting}
    named |= {sound.detection.onset for sound in watch.sounds}
    return replace(faint, absorbed=tuple(onset for onset in faint.absorbed if onset in named))


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
