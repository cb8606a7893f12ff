"""From sounds at known places to a corrected layout."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.arrivals import Arrivals, measure_arrivals
from trad_array.array_calibration.expected import DelayError, delay_error, error_believed
from trad_array.array_calibration.fit import Fit, fit_array
from trad_array.array_calibration.known import KnownSound
from trad_array.array_calibration.problem import HEIGHT_M, Beliefs, Problem, State
from trad_array.array_calibration.stretch import find_stretch
from trad_array.array_calibration.swaps import Order, find_order
from trad_array.errors import AudioError, ConfigError
from trad_array.records import Recording
from trad_array_geometry import CalibrationNote, Layout, max_pair_delays, travel_times
from trad_array_geometry.air import speed_sigma, temperature_from_speed

# A sound is left out when all others together fit better without it by this (twice the log-likelihood; our choice).
_OUTLIER = 25.0
# Distances and delays that the layout does not know of: how much longer than expected a pair delay may be.
_MARGIN_S = 1e-3
# A cell explains a sound when this is left of its arrival times (our choice).
_EXPLAINED_US = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class HeardSound:
    """A known sound as it was found in the recording.

    at_s : s, where it begins
    """

    sound: KnownSound
    arrivals: Arrivals
    at_s: float


@dataclass(frozen=True, slots=True)
class SoundResult:
    """How well one sound fits.

    name, at_s : which
    before_us, after_us : root mean square of what is left of its arrival times, with the layout as it was and corrected
    used : False when it contradicts the others and was left out
    better_cell : for a sound that was left out, the cell that would explain it, or None
    """

    name: str
    at_s: float
    before_us: float
    after_us: float
    used: bool
    better_cell: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What was found.

    layout : the corrected layout, without a note about the calibration
    moved_m : (n_mics, 3), m, from the old to the new position
    order : microphone k of the layout is heard in what was taken for microphone `order[k]`
    rivals : orders that cannot be told from it
    sounds : one for each sound
    height_m : m, above the valves, of the sounds
    residual_us : root mean square of what is left of all arrival times that were used, us
    before, after : expected delay error at the cells
    """

    layout: Layout
    moved_m: NDArray[np.float64]
    order: Order
    rivals: tuple[Order, ...]
    sounds: tuple[SoundResult, ...]
    height_m: float
    residual_us: float
    before: DelayError
    after: DelayError

    @property
    def n_used(self) -> int:
        """Number of sounds that the fit used."""
        return sum(sound.used for sound in self.sounds)

    def noted(self, *, date: str, method: str) -> Layout:
        """The corrected layout with the note about how it came about."""
        return replace(self.layout, calibration=CalibrationNote(date, method, self.n_used, round(self.residual_us, 2)))


def hear_sounds(
    recording: Recording, layout: Layout, sounds: Sequence[KnownSound], *, margin_s: float | None = None
) -> tuple[tuple[HeardSound, ...], tuple[str, ...]]:
    """Find the sounds in a recording and measure their arrival times.

    Parameters
    ----------
    recording : row k is what is taken for microphone k
    margin_s : float or None, s, by how much a pair delay may exceed what the layout allows; None takes 1 ms, or 4
        standard deviations of the channel delays when that is more

    Returns
    -------
    The sounds that were heard, and one line for each that was not

    Raises
    ------
    AudioError
        If the recording has another number of channels, or no sound was heard.
    """
    if recording.samples.shape[0] != layout.n_mics:
        raise AudioError(
            f"{recording.source}: expected {layout.n_mics} channels, one for each microphone of {layout.id}, "
            f"found {recording.samples.shape[0]}"
        )
    if not sounds:
        raise ConfigError("sounds: expected at least one sound at a known place, found none")
    slack_s = max(_MARGIN_S, 4.0 * float(layout.mic_delay_sigma_s.max())) if margin_s is None else margin_s
    slack_s += float(np.ptp(layout.mic_delay_s))
    reach_s = float(max_pair_delays(layout.mics, speed_of_sound=layout.speed_of_sound).max()) + slack_s
    heard, trouble = [], []
    for sound in sounds:
        try:
            stretch = find_stretch(recording, sound)
            found = measure_arrivals(stretch, fs=recording.fs, max_delay_s=reach_s, label=sound.label)
        except AudioError as error:
            trouble.append(str(error))
            continue
        heard.append(HeardSound(sound, found, stretch.at_s))
    if not heard:
        raise AudioError("; ".join(trouble))
    return tuple(heard), tuple(trouble)


def calibrate(layout: Layout, heard: Sequence[HeardSound], *, beliefs: Beliefs | None = None) -> Calibration:
    """Correct a layout so that it explains the sounds.

    Parameters
    ----------
    beliefs : how far the layout is trusted; None takes `Beliefs.for_calibration`

    Raises
    ------
    ConfigError
        If there is no sound.
    """
    if not heard:
        raise ConfigError("sounds: expected at least one sound that was heard, found none")
    beliefs = beliefs or Beliefs.for_calibration(layout)
    sounds, arrivals = [h.sound for h in heard], [h.arrivals for h in heard]
    order, fit, rivals = find_order(Problem(layout, sounds, beliefs), arrivals)
    ordered = [a.reordered(np.array(order)) for a in arrivals]
    used, fit = _without_outliers(layout, sounds, ordered, beliefs, fit)
    corrected = _corrected(layout, fit, order)
    results = _results(layout, heard, ordered, used, fit)
    return Calibration(
        layout=corrected,
        moved_m=corrected.mics - layout.mics,
        order=order,
        rivals=rivals,
        sounds=results,
        height_m=fit.state.height_m,
        residual_us=float(np.sqrt(np.mean([r.after_us**2 for r in results if r.used]))),
        before=error_believed(layout, beliefs),
        after=delay_error(corrected, fit.covariance),
    )


def _without_outliers(
    layout: Layout, sounds: Sequence[KnownSound], arrivals: Sequence[Arrivals], beliefs: Beliefs, fit: Fit
) -> tuple[list[int], Fit]:
    """Indices of the sounds that go together, and the fit to them; at least half of them, and two, are kept."""
    used = list(range(len(sounds)))
    while len(used) > max(2, (len(sounds) + 1) // 2):
        trials = []
        for k in used:
            rest = [m for m in used if m != k]
            without = fit_array(Problem(layout, [sounds[m] for m in rest], beliefs), [arrivals[m] for m in rest])
            trials.append((without.cost, k, rest, without))
        cost, _, rest, without = min(trials, key=lambda trial: trial[0])
        if fit.cost - cost < _OUTLIER:
            break
        used, fit = rest, without
    return used, fit


def _corrected(layout: Layout, fit: Fit, order: Order) -> Layout:
    n = layout.n_mics
    deviations = np.sqrt(np.maximum(np.diag(fit.covariance), 0.0))
    temperature_c = temperature_from_speed(fit.state.speed_m_s)
    per_degree = speed_sigma(temperature_c, 1.0)
    return replace(
        layout,
        provenance="calibrated",
        mics=fit.state.mics,
        mic_sigma_m=deviations[: 3 * n].reshape(n, 3).max(axis=1),
        mic_delay_s=fit.state.delays_s,
        mic_delay_sigma_s=deviations[3 * n : 4 * n],
        mic_channels=tuple(layout.mic_channels[k] for k in order),
        temperature_c=temperature_c,
        temperature_sigma_c=float(deviations[4 * n] / per_degree),
    )


def _results(
    layout: Layout, heard: Sequence[HeardSound], ordered: Sequence[Arrivals], used: list[int], fit: Fit
) -> tuple[SoundResult, ...]:
    """Residuals before and after; places are taken as named, the common height as fitted."""
    before = State(layout.mics, layout.mic_delay_s, layout.speed_of_sound, HEIGHT_M, np.zeros((1, 3)))
    after = replace(fit.state, aside_m=np.zeros((1, 3)))
    results = []
    for k, (h, arrivals) in enumerate(zip(heard, ordered, strict=True)):
        times = fit.times_s[used.index(k)] if k in used else _nearest(arrivals, expected_at(layout, h.sound, after))
        # The recording's own order again: this is how the old layout took it.
        old = h.arrivals.times_s[_same(arrivals.times_s, times)][0]
        results.append(
            SoundResult(
                h.sound.name,
                h.at_s,
                before_us=rms_us(old - expected_at(layout, h.sound, before)),
                after_us=rms_us(times - expected_at(layout, h.sound, after)),
                used=k in used,
                better_cell=None if k in used else _better_cell(layout, arrivals, after),
            )
        )
    return tuple(results)


def _same(sets: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which sets are these times, microphones that hear nothing left out."""
    same: NDArray[np.bool_] = (np.nan_to_num(sets) == np.nan_to_num(times)).all(axis=1)
    return same


def expected_at(layout: Layout, sound: KnownSound, state: State) -> NDArray[np.float64]:
    """Arrival times of one sound but for the time of emission, (n_mics,), s."""
    problem = Problem(layout, [sound], Beliefs.of(layout))
    arrivals: NDArray[np.float64] = problem.arrivals(state)[0]
    return arrivals


def _nearest(arrivals: Arrivals, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    off = [rms_us(times - expected) for times in arrivals.times_s]
    best: NDArray[np.float64] = arrivals.times_s[int(np.argmin(off))]
    return best


def _better_cell(layout: Layout, arrivals: Arrivals, state: State) -> str | None:
    """The cell that explains the arrivals to 100 us, if there is one."""
    lifted = layout.cells + (0.0, 0.0, state.height_m)
    times = travel_times(lifted, state.mics, speed_of_sound=state.speed_m_s) + state.delays_s
    off = [rms_us(_nearest(arrivals, expected) - expected) for expected in times]
    best = int(np.argmin(off))
    return layout.cell_names[best] if off[best] < _EXPLAINED_US else None


def rms_us(off_s: NDArray[np.float64]) -> float:
    """Root mean square of what differs between the microphones that hear the sound, us."""
    heard = off_s[np.isfinite(off_s)]
    return 1e6 * float(np.std(heard))
