"""Does a layout explain sounds at known places? If not, which single fault would?

Every explanation is the same fit with one belief made wide: one channel's delay, one microphone's position, the air,
the order of the channels, the place of one sound. The best one must earn its freedom (a penalty for each).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trad_array.array_calibration.arrivals import Arrivals
from trad_array.array_calibration.calibrate import HeardSound, expected_at, hear_sounds, rms_us
from trad_array.array_calibration.fit import Fit, fit_array
from trad_array.array_calibration.known import KnownSound
from trad_array.array_calibration.problem import Beliefs, Problem
from trad_array.array_calibration.swaps import find_order, quick_cost
from trad_array.array_calibration.wiring import WiringFault, find_wiring_faults
from trad_array.errors import AudioError
from trad_array.records import Recording
from trad_array_geometry import Layout
from trad_array_geometry.air import speed_sigma, temperature_from_speed

# A layout that fits is called wrong once in ten thousand checks, if its sigmas are right.
_WRONGLY_REJECTED = 1e-4
# What an explanation may free, and what it costs in twice the log-likelihood (our choice).
_WIDE_S, _WIDE_M, _WIDE_C = 5e-3, 0.3, 40.0
_PENALTY = {"channel": 8.0, "microphone": 14.0, "air": 8.0, "swapped": 10.0, "sound": 14.0}
# A channel may be this late and is still found.
_WIDE_MARGIN_S = 20e-3
# An explanation that gains this much is given although the layout would pass; one that leaves more than this many times
# the limit explains nothing.
_STRIKING, _NEARLY = 15.0, 1.0
# With a channel that late, more must be supported by the sound than without, by this factor.
_FAR_BETTER = 1.1
# One explanation must beat the other by this, or both are given.
_DECIDED = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    kind : "dead", "deaf", "identical", "swapped", "channel" (late), "microphone" (elsewhere), "air", "sound" (made
        at another place than said) or "unexplained"
    mics : indices of the microphones concerned
    sentence : for a person
    delay_us, offset_mm : how late or how far off, where that applies
    """

    kind: str
    mics: tuple[int, ...]
    sentence: str
    delay_us: float | None = None
    offset_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a check found.

    findings : empty when the layout fits
    residual_us : root mean square of what the layout leaves of the arrival times; None when nothing could be measured
    sounds : name, time (s) and residual (us) of each
    unheard : one line for each sound that was not heard
    """

    findings: tuple[Finding, ...]
    residual_us: float | None
    sounds: tuple[tuple[str, float, float], ...]
    unheard: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.fits:
            return f"fits the layout: residual {self.residual_us:.0f} us"
        return "; ".join(finding.sentence for finding in self.findings)


@dataclass(frozen=True, slots=True, eq=False)
class _Explanation:
    kind: str
    mic: int | None
    fit: Fit
    cost: float
    order: tuple[int, ...] = ()
    sound: int | None = None


def check_recording(recording: Recording, layout: Layout, sounds: Sequence[KnownSound]) -> Diagnosis:
    """Compare a recording of sounds at known places with a layout.

    Raises
    ------
    AudioError
        If the recording has another number of channels, or nothing was heard although no channel is at fault.
    """
    wiring = tuple(_wiring_finding(fault, layout) for fault in find_wiring_faults(recording))
    try:
        heard, unheard = hear_sounds(recording, layout, sounds)
    except AudioError as trouble:
        if not wiring:
            raise
        return Diagnosis(wiring, None, (), (str(trouble),))
    # One signal on two channels would be blamed on the place of a microphone.
    if any(finding.kind == "identical" for finding in wiring):
        return replace(_measured(layout, heard), findings=wiring, unheard=unheard)
    diagnosis = check_sounds(layout, heard)
    if not diagnosis.fits:
        far, _ = hear_sounds(recording, layout, sounds, margin_s=_WIDE_MARGIN_S)
        if _support(far) > _FAR_BETTER * _support(heard):
            diagnosis = check_sounds(layout, far)
    return replace(diagnosis, findings=wiring + diagnosis.findings, unheard=unheard)


def _support(heard: Sequence[HeardSound]) -> float:
    return float(np.mean([h.arrivals.support[0] for h in heard]))


def check_sounds(layout: Layout, heard: Sequence[HeardSound]) -> Diagnosis:
    """Compare sounds that were heard with a layout; see `check_recording`."""
    sounds, arrivals = [h.sound for h in heard], [h.arrivals for h in heard]
    problem = Problem(layout, sounds, Beliefs.of(layout))
    plain = fit_array(problem, arrivals)
    measured, limit = _measured(layout, heard), _limit(arrivals)
    found = sorted(_explanations(problem, arrivals), key=lambda e: e.cost)
    best = found[0]
    if plain.cost <= limit and best.cost > plain.cost - _STRIKING:
        return measured
    finding = _finding(layout, problem, best, found)
    if best.cost - _PENALTY[best.kind] > _NEARLY * limit:
        text = f"does not fit the layout (residual {measured.residual_us:.0f} us) and no single fault explains it"
        finding = Finding("unexplained", (), f"{text}; nearest: {finding.sentence}")
    if len(heard) == 1 and finding.kind != "air":
        cells = _other_cells(problem, arrivals[0], limit)
        if cells:
            text = f"{finding.sentence}; or the sound was not made at {sounds[0].name} but at {cells[0]}"
            finding = replace(finding, sentence=text)
    return replace(measured, findings=(finding,))


def _other_cells(problem: Problem, arrivals: Arrivals, limit: float) -> list[str]:
    """Cells that would explain a single sound with the layout as it is, best first."""
    layout, (sound,) = problem.layout, problem.sounds
    straight = tuple(range(layout.n_mics))
    costs = []
    for name, place in zip(layout.cell_names, layout.cells, strict=True):
        moved = Problem(layout, [replace(sound, name=name, position_m=place)], problem.beliefs)
        costs.append((quick_cost(moved, [arrivals], straight), name))
    return [name for cost, name in sorted(costs) if cost <= limit and name != sound.name]


def _limit(arrivals: Sequence[Arrivals]) -> float:
    from scipy.stats import chi2

    dof = sum(int(a.heard.sum()) - 1 for a in arrivals)
    return float(chi2.isf(_WRONGLY_REJECTED, max(dof, 1)))


def _measured(layout: Layout, heard: Sequence[HeardSound]) -> Diagnosis:
    """What the layout leaves of each sound, the air and the height being free."""
    problem = Problem(layout, [h.sound for h in heard], Beliefs.of(layout))
    fit = fit_array(problem, [h.arrivals for h in heard])
    layout_state = replace(
        problem.state(np.zeros(len(problem.scale))),
        speed_m_s=fit.state.speed_m_s,
        height_m=fit.state.height_m,
        aside_m=np.zeros((1, 3)),
    )
    sounds = tuple(
        (h.sound.name, h.at_s, rms_us(times - expected_at(layout, h.sound, layout_state)))
        for h, times in zip(heard, fit.times_s, strict=True)
    )
    return Diagnosis((), float(np.sqrt(np.mean([off**2 for _, _, off in sounds]))), sounds)


def _explanations(problem: Problem, arrivals: Sequence[Arrivals]) -> list[_Explanation]:
    layout, sounds, beliefs = problem.layout, problem.sounds, problem.beliefs
    found = []

    def attempt(kind: str, freed: Beliefs, mic: int | None = None) -> None:
        fit = fit_array(Problem(layout, sounds, freed), arrivals)
        found.append(_Explanation(kind, mic, fit, fit.cost + _PENALTY[kind]))

    for mic in range(layout.n_mics):
        attempt("channel", beliefs.with_mic(mic, delay_s=_WIDE_S), mic)
        attempt("microphone", beliefs.with_mic(mic, sigma_m=_WIDE_M), mic)
    attempt("air", replace(beliefs, speed_m_s=speed_sigma(layout.temperature_c, _WIDE_C)))
    order, fit, _ = find_order(problem, arrivals)
    if order != tuple(range(layout.n_mics)):
        found.append(_Explanation("swapped", None, fit, fit.cost + _PENALTY["swapped"], order=order))
    if len(sounds) >= 3:
        for k in range(len(sounds)):
            rest = [m for m in range(len(sounds)) if m != k]
            fit = fit_array(Problem(layout, [sounds[m] for m in rest], beliefs), [arrivals[m] for m in rest])
            found.append(_Explanation("sound", None, fit, fit.cost + _PENALTY["sound"], sound=k))
    return found


def _finding(layout: Layout, problem: Problem, best: _Explanation, found: Sequence[_Explanation]) -> Finding:
    if best.kind == "swapped":
        moved = tuple(k for k, source in enumerate(best.order) if k != source)
        names = _joined([str(layout.mic_channels[k]) for k in moved])
        return Finding("swapped", moved, f"channels {names} look swapped")
    if best.kind == "air":
        warmer = temperature_from_speed(best.fit.state.speed_m_s) - layout.temperature_c
        word = "warmer" if warmer > 0 else "colder"
        return Finding("air", (), f"the air is about {abs(warmer):.0f} degrees {word} than the layout says")
    if best.kind == "sound":
        name = problem.sounds[best.sound or 0].label
        return Finding("sound", (), f"the sound {name} does not fit the others: wrong cell?")
    return _one_microphone(layout, best, found)


def _one_microphone(layout: Layout, best: _Explanation, found: Sequence[_Explanation]) -> Finding:
    """A late channel, a misplaced microphone, or either: with few sounds one cannot be told from the other."""
    mic = best.mic or 0
    costs = {e.kind: e for e in found if e.mic == mic}
    late, moved = costs["channel"], costs["microphone"]
    steps = late.fit.state.delays_s - layout.mic_delay_s
    delay_us = 1e6 * float(steps[mic] - np.median(np.delete(steps, mic)))
    offset_mm = 1e3 * float(np.linalg.norm(moved.fit.state.mics[mic] - layout.mics[mic]))
    name, channel = layout.mic_names[mic], layout.mic_channels[mic]
    when = f"{abs(delay_us):.0f} us {'late' if delay_us > 0 else 'early'}"
    if late.cost < moved.cost - _DECIDED:
        return Finding("channel", (mic,), f"channel {channel} (microphone {name}) is about {when}", delay_us=delay_us)
    if moved.cost < late.cost - _DECIDED:
        text = f"microphone {name} is about {offset_mm:.0f} mm off"
        return Finding("microphone", (mic,), text, offset_mm=offset_mm)
    offset_mm = abs(delay_us) * 1e-3 * layout.speed_of_sound
    text = f"microphone {name} is about {offset_mm:.0f} mm off or {when}"
    return Finding("microphone", (mic,), text, delay_us=delay_us, offset_mm=offset_mm)


def _wiring_finding(fault: WiringFault, layout: Layout) -> Finding:
    channels = _joined([str(layout.mic_channels[k]) for k in fault.mics])
    names = _joined([layout.mic_names[k] for k in fault.mics])
    sentence = {
        "dead": f"channel {channels} (microphone {names}) is dead",
        "deaf": f"channel {channels} (microphone {names}) is more than 40 dB quieter than the others",
        "identical": f"identical signal on channels {channels}",
    }[fault.kind]
    return Finding(fault.kind, fault.mics, sentence)


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
