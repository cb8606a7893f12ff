"""The truth of a study: sound is made, and the shipped localizer names the cell, as in a live watch.

A hiss goes through the simulated responses of its cell into the simulated noise of the cabin; what the localizer does
with the sound is `trad_array.localization.robust`, the same functions in the same order as `Robust.weigh`, without the
part that asks whether it is a cell at all. The onset is given. docs/studies.md says what that leaves out.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.localization.event_correlations import (
    EventSpec,
    analysis_frames,
    background_spectra,
    event_correlations,
    event_lead,
)
from trad_array.localization.evidence import peak_height, places
from trad_array.localization.hypotheses import Prior, cell_delays
from trad_array.localization.robust import cell_evidence, evidence_scales
from trad_array.study.draws import Draws, event_draws, heard_layout, heard_slots, layout_file
from trad_array.study.hiss import hiss
from trad_array.study.levels import hiss_power, source_gain
from trad_array.study.records import Choice, Condition
from trad_array.study.world import World
from trad_array_geometry import Layout, travel_times

# Raised when the same events get other answers.
VERSION = 1
# Sound before the onset that tells what the cabin sounds like, and after the nominal end, s: as the chain cuts it.
PRE_ROLL_S, AFTER_S = 2.0, 0.05
# Distance of the stretches of noise that events fall into, s.
STRETCH_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """True and named cell of every event, as indices of the layout's cells; (n,) each."""

    cell: NDArray[np.intp]
    named: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What the microphones of one layout hear in one condition, before any event.

    layout : as it really is, lost microphones left out; slots : their places in the choice
    points : indices of the study's points
    noise : (n_mics, n), float32
    gain : of the hiss
    arrival_s : (n_layout_cells, n_heights), s, travel time to the first microphone
    """

    layout: Layout
    slots: NDArray[np.intp]
    points: NDArray[np.intp]
    noise: NDArray[np.float32]
    gain: float
    arrival_s: NDArray[np.float64]

    def stretch(self, moment: float, *, fs: int, duration_s: float) -> int:
        """Sample at which the stretch of noise begins that an event falls into."""
        room = self.noise.shape[1] - round((PRE_ROLL_S + duration_s + AFTER_S) * fs)
        return int(moment * (room // self.step(fs) + 1)) * self.step(fs)

    def step(self, fs: int) -> int:
        """Samples from stretch to stretch."""
        return round(STRETCH_S * fs)


def heard(world: World, choice: Choice, condition: Condition) -> Heard:
    """Open what one layout hears in one condition."""
    study = world.study
    slots = heard_slots(choice, condition)
    points = np.array(choice.points)[slots]
    layout = heard_layout(study.site, study.points, choice, condition)
    heights = np.array(study.site.jet_heights_m)[:, None] * np.array([0.0, 0.0, 1.0])
    sources = (layout.cells[:, None, :] + heights[None]).reshape(-1, 3)
    arrival = travel_times(sources, layout.mics, speed_of_sound=layout.speed_of_sound).min(axis=1)
    return Heard(
        layout=layout,
        slots=slots,
        points=points,
        noise=np.ascontiguousarray(world.noise(condition.rt60_s, condition.fan)[points]),
        gain=source_gain(study, condition.snr_db, power=hiss_power(world, condition.rt60_s)),
        arrival_s=arrival.reshape(layout.n_cells, -1),
    )


def localized(world: World, choice: Choice, condition: Condition, *, first: int, n: int) -> Answers:
    """True and named cells of the events `first` to `first + n - 1`.

    Raises
    ------
    AudioError
        If the event is too short for the array.
    """
    study = world.study
    draws = event_draws(study.site, condition, seed=study.seed, first=first, n=n)
    engine = _TimeEngine(world, condition, heard(world, choice, condition), draws)
    return Answers(draws.cell, np.array([engine.named(event) for event in range(n)], dtype=np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class _TimeEngine:
    """Makes and hears one event after the other; what events share is kept."""

    world: World
    condition: Condition
    heard: Heard
    draws: Draws
    spec: EventSpec = field(default_factory=EventSpec)
    prior: Prior = field(default_factory=Prior)
    _hisses: dict[int, NDArray[np.complex64]] = field(default_factory=dict)
    _responses: dict[int, NDArray[np.complex64]] = field(default_factory=dict)
    _backgrounds: dict[tuple[int, int], NDArray[np.complexfloating] | None] = field(default_factory=dict)

    def named(self, event: int) -> int:
        """The cell that the localizer names."""
        file = layout_file(self.heard.layout, self.condition, self.draws, event, self.heard.slots)
        known = cell_delays(file, file.speed_of_sound, self.prior)
        fs, begin = self._fs, self._begin(event)
        n_frame, _, _ = analysis_frames(self.spec, known.max_delay_s, fs)
        samples, onset = self._sound(event, begin, lead=event_lead(n_frame))
        found = event_correlations(
            samples,
            onset=onset,
            fs=fs,
            spec=self.spec,
            max_delay_s=known.max_delay_s,
            background=self._background(begin, n_frame, known.max_delay_s),
        )
        height, _ = peak_height(found, known.pair_max_s, known.offset_s)
        scales = evidence_scales(found, known, height=height, n_mics=file.n_mics)
        return int(cell_evidence(places(found, known.cell_delays_s), scales, known).argmax())

    @property
    def _fs(self) -> int:
        return self.world.bank(self.condition.rt60_s).fs

    def _begin(self, event: int) -> int:
        return self.heard.stretch(float(self.draws.moment[event]), fs=self._fs, duration_s=self.condition.duration_s)

    def _sound(self, event: int, begin: int, *, lead: int) -> tuple[NDArray[np.float32], int]:
        """The event and `lead` samples before it, in noise, and where in it the event begins."""
        fs = self._fs
        onset = begin + round(PRE_ROLL_S * fs)
        length = round((self.condition.duration_s + AFTER_S) * fs)
        samples = self.heard.noise[:, onset - lead : onset + length].copy()
        cell, height = int(self.draws.cell[event]), int(self.draws.height[event])
        spectrum = self._hiss(int(self.draws.sound[event])) * self._response(cell, height)
        # The first microphone hears it at the onset; what was emitted earlier is cut off with the silence before it.
        early = int(self.heard.arrival_s[cell, height] * fs)
        event_sound = scipy.fft.irfft(spectrum, self._size)[:, early : early + length]
        samples[:, lead:] += self.heard.gain * event_sound
        return np.clip(samples, -1.0, 1.0, out=samples), lead

    @property
    def _size(self) -> int:
        """Length of the transforms: the part of hiss and response that is heard, without wrapping round."""
        seconds = 2.0 * self.condition.duration_s + AFTER_S + float(self.heard.arrival_s.max())
        return int(scipy.fft.next_fast_len(round(seconds * self._fs) + 1, real=True))

    def _hiss(self, sound: int) -> NDArray[np.complex64]:
        if sound not in self._hisses:
            made = hiss(self.world.study.seed, sound, fs=self._fs, duration_s=self.condition.duration_s)
            self._hisses[sound] = scipy.fft.rfft(made, self._size)
        return self._hisses[sound]

    def _response(self, cell: int, height: int) -> NDArray[np.complex64]:
        bank = self.world.bank(self.condition.rt60_s)
        row = int(bank.cell_rows[cell, height])
        if row not in self._responses:
            longest = self._size - round(self.condition.duration_s * self._fs)
            impulse = bank.responses(np.array([row]), self.heard.points)[0][:, :longest]
            self._responses[row] = scipy.fft.rfft(impulse, self._size, axis=-1)
        return self._responses[row]

    def _background(self, begin: int, n_frame: int, max_delay_s: float) -> NDArray[np.complexfloating] | None:
        """Cross-spectra of the cabin before the event; stretches are few, so that they are taken once."""
        key = (begin, n_frame)
        if key not in self._backgrounds:
            quiet = self.heard.noise[:, begin : begin + round(PRE_ROLL_S * self._fs)]
            self._backgrounds[key] = background_spectra(quiet, fs=self._fs, spec=self.spec, max_delay_s=max_delay_s)
        return self._backgrounds[key]
