"""What the spectral engine prepares for a layout in a condition: mean cross-spectra, lags, blurs."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.localization.event_correlations import (
    EMPTY_LAGS_S,
    MARGIN_S,
    EventSpec,
    analysis_frames,
    background_spectra,
    event_lead,
)
from trad_array.localization.hypotheses import CellDelays
from trad_array.study.draws import N_SOUNDS
from trad_array.study.frame_weights import EventFrames, event_frames, weighing
from trad_array.study.hiss import hiss_density, peak_hz
from trad_array.study.pair_spectra import Frames, signal_spectra, weighted_spectra
from trad_array.study.records import ALL_MICS, Choice, Condition, Study
from trad_array.study.time_engine import AFTER_S, PRE_ROLL_S, Heard, heard
from trad_array.study.world import World

Floats = NDArray[np.float32]

# Fine steps of a coarse one, see `naming_kernels.FINE`, and of a sample: half as many as the localizer has, which
# doubles the speed. What is lost by rounding to them is taken off the blurs. The band must fit between coarse steps.
FINE, PER_SAMPLE = 8, 4
# Taps of the interpolation from coarse to fine lags and the shape of their window: 60 dB. Our choice.
_TAPS, _KAISER = 10, 6.0
# A blur of at least so many fine steps is made on steps that are 2^shift times as wide. Our choice.
_WIDE_STEPS = ((8.0, 2), (3.0, 1), (0.0, 0))


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Cross-spectra, as lower triangles in real and imaginary parts.

    roots : (n_rows, n_lower, n_bins), Cholesky factors of the mean of white sound as loud as the study's; a row is a
        cell and a height
    noise, noise_roots : (n_stretches, n_lower, n_bins), sums over the frames of each stretch of noise, their factors
    backgrounds : (n_stretches, n_lower, n_bins), as the localizer finds them before each
    density : (N_SOUNDS, n_bins), roots of the hisses' densities
    dofs, togethers : (n_rows,), see `frame_weights.Weighed`
    row_of : (n_layout_cells, n_heights), -1 for cells that are not studied
    """

    roots: tuple[Floats, Floats]
    noise: tuple[Floats, Floats]
    noise_roots: tuple[Floats, Floats]
    backgrounds: tuple[Floats, Floats]
    density: Floats
    dofs: Floats
    togethers: Floats
    row_of: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Lags:
    """How correlations are looked at.

    turns : (n_bins, 2 * n_coarse), cosines, then sines, of the bins around the middle one at coarse lags from 0
    taps : (n_taps, n_fine), of each fine lag
    carrier : cosines and sines of the middle bin at fine lags, lag 0 at halves.max() * FINE
    halves, limits : (n_pairs,), see `naming_kernels.name_cells`
    step_s : s, a fine step
    """

    turns: Floats
    taps: Floats
    carrier: tuple[Floats, Floats]
    halves: NDArray[np.intp]
    limits: NDArray[np.intp]
    step_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Blurs:
    """Blurs of the scales of errors, weights of the scales.

    shifts : (n_scales,), a step is 2^shift fine steps
    kernels : (n_pairs, n_scales, most_taps); n_taps : (n_pairs, n_scales)
    """

    shifts: NDArray[np.intp]
    kernels: Floats
    n_taps: NDArray[np.intp]
    weights: NDArray[np.float64]


def stretch_count(room: Heard, condition: Condition, *, fs: int) -> int:
    """How many stretches of noise events fall into."""
    return 1 + room.stretch(1.0 - 1e-12, fs=fs, duration_s=condition.duration_s) // room.step(fs)


@dataclass(frozen=True, slots=True, eq=False)
class _Signals:
    """Of every studied cell and height at the microphones of a choice, none lost; kept for all levels.

    whites : (n_rows, n_bins, n_mics, n_mics), of white sound of rms 1 at 1 m, frames plainly weighed
    power : (n_rows, n_mics), of the study's hisses had they always sounded, mean over bins
    heard : (n_rows, n_frames), see `EventFrames.heard`
    """

    whites: NDArray[np.complex64]
    power: NDArray[np.float64]
    heard: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Quiet:
    """Of each stretch of the cabin's noise: sums over the frames of an event with plain weights and with equal ones,
    (2, n_stretches, n_bins, n_mics, n_mics), and what the localizer finds before it, (n_stretches, ...).
    """

    sums: NDArray[np.complex64]
    backgrounds: NDArray[np.complex64]


def mean_spectra(
    world: World, choice: Choice, room: Heard, condition: Condition, frames: Frames, *, max_delay_s: float
) -> Spectra:
    """Prepare the sums of every studied cell and height, and of every stretch of noise.

    Raises
    ------
    ConfigError
        If the event is too short for a sum of frames.
    """
    study, bank = world.study, world.bank(condition.rt60_s)
    duration = round(condition.duration_s * bank.fs)
    if duration < frames.n:
        raise ConfigError(
            f"duration_s: the spectral engine: expected more than {frames.n / bank.fs:.3g} s of sound for this array, "
            f'found {condition.duration_s:g}; use engine = "time"'
        )
    event = event_frames(frames, duration=duration, after=round(AFTER_S * bank.fs))
    # One entry for a choice, whichever of its microphones is lost.
    key = (condition.rt60_s, frames.n, choice.points)
    signals = world.kept(("signals", duration, *key), lambda: _signals(world, choice, condition, event))
    quiet = world.kept(
        ("quiet", duration, condition.fan, *key),
        lambda: _quiet(world, choice, condition, event, max_delay_s=max_delay_s),
    )
    by_stretch = _of(quiet.sums, room.slots)
    power = np.einsum("sfii->i", by_stretch[1]).real / by_stretch[1][..., 0, 0].size
    loudness = room.gain**2 * signals.power[:, room.slots]
    weighed = [
        weighing(event, frames_heard, excess=float((row / power).mean()), n_mics=len(power))
        for frames_heard, row in zip(signals.heard, loudness, strict=True)
    ]
    floor = float(np.mean([one.floor for one in weighed]))
    noise = _lower((1.0 - floor) * by_stretch[0] + floor * by_stretch[1])
    factors = room.gain**2 * np.array([one.louder for one in weighed])
    row_of = np.full((room.layout.n_cells, len(study.site.jet_heights_m)), -1, dtype=np.intp)
    row_of[study.site.cells] = np.arange(len(factors)).reshape(len(study.site.cells), -1)
    return Spectra(
        roots=_roots(_lower(_of(signals.whites, room.slots) * factors[:, None, None, None])),
        noise=noise,
        noise_roots=_roots(noise),
        backgrounds=_lower(_of(quiet.backgrounds, room.slots)),
        density=np.sqrt(world.kept(("hisses", frames.n), lambda: _densities(study, frames, bank.fs))),
        dofs=np.array([one.dof for one in weighed], dtype=np.float32),
        togethers=np.array([one.together for one in weighed], dtype=np.float32),
        row_of=row_of,
    )


def _roots(lower: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Cholesky factors of many lower triangles (n, n_lower, n_bins)."""
    from trad_array.study.kernels import cholesky

    re, im = lower[0].copy(), lower[1].copy()
    n_mics = int(np.sqrt(2 * re.shape[1]))
    for number in range(len(re)):
        cholesky(re[number], im[number], n_mics)
    return re, im


def _of(matrices: NDArray[np.complex64], slots: NDArray[np.intp]) -> NDArray[np.complex64]:
    """Matrices (..., n, n) of some of the microphones."""
    return np.asarray(matrices[..., slots[:, None], slots[None, :]])


def _densities(study: Study, frames: Frames, fs: int) -> Floats:
    frequencies = frames.bins * fs / frames.n
    return np.stack([hiss_density(frequencies, peak_hz(study.seed, sound), fs=fs) for sound in range(N_SOUNDS)]).astype(
        np.float32
    )


def _signals(world: World, choice: Choice, condition: Condition, event: EventFrames) -> _Signals:
    bank = world.bank(condition.rt60_s)
    room = heard(world, choice, replace(condition, dead=ALL_MICS))
    density = _densities(world.study, event.frames, bank.fs).mean(axis=0)
    weights, whites, heard_by = event.lag_weights, [], []
    for cell in world.study.site.cells:
        responses = bank.responses(bank.cell_rows[cell], room.points)
        for response, arrival_s in zip(responses, room.arrival_s[cell], strict=True):
            late = response[:, int(arrival_s * bank.fs) :]
            whites.append(signal_spectra(late, weights, event.frames))
            heard_by.append(event.heard(late))
    found, shares = np.stack(whites), np.stack(heard_by)
    power = np.einsum("rfii,f->ri", found, density).real / len(density)
    return _Signals(found, power / (shares @ event.plain)[:, None], shares)


def _quiet(world: World, choice: Choice, condition: Condition, event: EventFrames, *, max_delay_s: float) -> _Quiet:
    fs, frames = world.bank(condition.rt60_s).fs, event.frames
    room = heard(world, choice, replace(condition, dead=ALL_MICS))
    n_frames = len(event.plain)
    weights = np.stack([event.plain, np.full(n_frames, 1.0 / n_frames)])
    length = frames.n + (n_frames - 1) * frames.hop
    sums, backgrounds = [], []
    for number in range(stretch_count(room, condition, fs=fs)):
        begin = number * room.step(fs)
        onset = begin + round(PRE_ROLL_S * fs)
        first = onset - event_lead(frames.n)
        sums.append(weighted_spectra(room.noise[:, first : first + length], weights, frames))
        quiet = background_spectra(room.noise[:, begin:onset], fs=fs, spec=EventSpec(), max_delay_s=max_delay_s)
        assert quiet is not None, "two seconds are enough of a background"
        backgrounds.append(quiet.astype(np.complex64))
    return _Quiet(np.stack(sums, axis=1), np.stack(backgrounds))


def _lower(matrices: NDArray[np.complexfloating]) -> tuple[Floats, Floats]:
    """Lower triangles, (..., n_bins, n, n) to two of (..., n_lower, n_bins)."""
    i, j = np.tril_indices(matrices.shape[-1])
    part = np.swapaxes(matrices[..., i, j], -1, -2)
    return np.ascontiguousarray(part.real, dtype=np.float32), np.ascontiguousarray(part.imag, dtype=np.float32)


def lag_tables(known: CellDelays, frames: Frames, spec: EventSpec, *, fs: int, margin_s: float) -> Lags:
    """Prepare lags for an array.

    margin_s : s, by which delays may be larger than the layout says

    Raises
    ------
    ConfigError
        If the band is too wide for the coarse lags.
    """
    step_s = 1.0 / (fs * PER_SAMPLE)
    coarse_s = FINE * step_s
    width = (frames.bins[-1] - frames.bins[0]) * fs / frames.n
    if width > 0.7 / coarse_s:
        raise ConfigError(
            f"band_hz: the spectral engine: expected a band of at most {0.7 / coarse_s:.0f} Hz, found {width:.0f}"
        )
    n_coarse = int(np.ceil((known.max_delay_s + margin_s + EMPTY_LAGS_S) / coarse_s)) + _TAPS // 2 + 1
    middle = 0.5 * (frames.bins[0] + frames.bins[-1]) * fs / frames.n
    turn = 2 * np.pi * np.outer(frames.bins * fs / frames.n - middle, np.arange(n_coarse) * coarse_s)
    halves = np.ceil((known.pair_max_s + margin_s + MARGIN_S) / coarse_s).astype(np.intp)
    fine = np.arange(-halves.max() * FINE, (halves.max() + 1) * FINE) * step_s
    return Lags(
        turns=(np.concatenate([np.cos(turn), np.sin(turn)], axis=1) / len(frames.bins)).astype(np.float32),
        taps=np.tile(_interpolation(), 2 * int(halves.max()) + 1),
        carrier=(
            np.cos(2 * np.pi * middle * fine).astype(np.float32),
            np.sin(2 * np.pi * middle * fine).astype(np.float32),
        ),
        halves=halves,
        limits=np.floor(known.pair_max_s / step_s).astype(np.intp) + 1,
        step_s=step_s,
    )


def _interpolation() -> Floats:
    """Taps for each fine step after a coarse one: a Kaiser-windowed sinc; (_TAPS, FINE)."""
    at = np.arange(_TAPS) - (_TAPS // 2 - 1)
    offset = np.arange(FINE)[:, None] / FINE - at[None, :]
    window = np.i0(_KAISER * np.sqrt(np.maximum(1.0 - (2.0 * offset / _TAPS) ** 2, 0.0))) / np.i0(_KAISER)
    return np.ascontiguousarray((np.sinc(offset) * window).T, dtype=np.float32)


def blur_tables(known: CellDelays, *, step_s: float, spec: EventSpec) -> Blurs:
    """Prepare the blurs of every pair at every scale, cut off at three standard deviations as the localizer does."""
    steps = known.pair_sigmas_s.T / step_s
    shifts = np.array([next(shift for least, shift in _WIDE_STEPS if s >= least) for s in steps.mean(axis=0)])
    rounding = PER_SAMPLE / spec.upsample
    kernels = [
        [_gaussian(sigma, 1 << int(shift), rounding) for sigma, shift in zip(row, shifts, strict=True)] for row in steps
    ]
    most = max(len(kernel) for row in kernels for kernel in row)
    table = np.zeros((*steps.shape, most), dtype=np.float32)
    for pair, row in enumerate(kernels):
        for scale, kernel in enumerate(row):
            table[pair, scale, : len(kernel)] = kernel
    n_taps = np.array([[len(kernel) for kernel in row] for row in kernels], dtype=np.intp)
    return Blurs(shifts.astype(np.intp), table, n_taps, np.exp(known.log_scale_prior))


def _gaussian(sigma: float, every: int, rounding: float) -> Floats:
    """Kernel on steps of `every` fine ones.

    Less the variance of the mean over `every`, less that of rounding to `every`, plus that of the localizer's own
    rounding to `rounding` fine steps.
    """
    left = np.sqrt(max(sigma**2 - (every**2 - 1) / 12.0 - every**2 / 12.0 + rounding**2 / 12.0, 0.01)) / every
    at = np.arange(-int(3.0 * left + 0.5), int(3.0 * left + 0.5) + 1)
    values = np.exp(-0.5 * (at / left) ** 2)
    return np.asarray(values / values.sum(), dtype=np.float32)


def array_frames(spec: EventSpec, max_delay_s: float, fs: int) -> Frames:
    """Frames of an array of that size."""
    return Frames(*analysis_frames(spec, max_delay_s, fs))
