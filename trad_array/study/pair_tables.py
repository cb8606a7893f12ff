"""What every pair of points would hear of every studied cell, once for all layouts that are made of them.

A layout of n microphones is n (n - 1) / 2 of these pairs, so that thousands of layouts cost little more than one.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.localization.event_correlations import EMPTY_LAGS_S, EventSpec, analysis_frames
from trad_array.localization.evidence import UNHEARD, temper
from trad_array.localization.hypotheses import Prior, cell_delays, pair_sigmas
from trad_array.study.choice_layout import choice_layout
from trad_array.study.draws import MOST_MICS
from trad_array.study.frame_weights import BIN_OVERLAP, event_frames, weighing
from trad_array.study.hiss import PEAK_HZ, hiss_density
from trad_array.study.levels import hiss_power, source_gain
from trad_array.study.pair_spectra import Frames, noise_spectra, signal_spectra
from trad_array.study.records import Choice, Condition, Mismatch, Points, Site
from trad_array.study.time_engine import AFTER_S
from trad_array.study.world import World
from trad_array_geometry import Layout, max_pair_delays, mic_pairs

Progress = Callable[[int, int], None]

# Humps of the hiss over which spectra are averaged, as `levels.hiss_power` does.
_PEAKS = 9
# Evidence is kept in whole numbers of so many nats, shifts in whole numbers of so many steps.
_NATS, _STEPS = 1.0 / 64.0, 1.0 / 4.0
# Cells that are looked at for the level of a vent over the noise.
_LEVEL_CELLS = 4


@dataclass(frozen=True, slots=True)
class PreviewSpec:
    """How much work a preview does; numbers are our choice, measured in docs/studies.md.

    draws : of errors of microphones, channels and air, for each layout and cell
    upsample : steps per sample of the delay axis, between which correlations are interpolated
    rivals : cells nearest to the true one that compete with it
    cells : studied cells that are looked at, evenly spread over all of them
    most_bytes : of memory for the tables
    """

    draws: int = 8
    upsample: int = 4
    rivals: int = 64
    cells: int = 64
    most_bytes: int = 1_500_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PairTables:
    """What pairs of points say of a vent in every studied cell. Lengths of delays are in steps of the tables.

    cells : (n_studied,), indices of the layout's cells whose vents are looked at; each has `n_heights` sources
    pair_of : (n_points, n_points), row of each pair of points i < j
    evidence : (n_pairs, n_sources, n_places), what the expected correlation says for evenly spaced delays, in
        `units[0]` nats over "no sound"; errors of microphones and channels are summed over
    shift : (n_pairs, n_sources, n_places), how far from each delay the evidence mostly comes from, in `units[1]` steps
    variance : (n_pairs, n_sources), of the chance in the evidence where the sound is heard, nats^2
    alike : (n_pairs, n_places), correlation of the chance of two delays so many places apart
    places : (n_airs, n_pairs, n_cells, n_hypotheses), where a cell's delay stands among the places
    log_prior : (n_hypotheses,), nats
    rivals : (n_studied, n_rivals), cells that compete, the true one first
    errors : (n_draws, n_studied, MOST_MICS), by which a microphone hears late
    snr : (n_points, n_studied, n_bins), power of the hiss over the noise; bins_hz : (n_bins,)
    dof : complex degrees of freedom of every bin
    """

    cells: NDArray[np.intp]
    n_heights: int
    pair_of: NDArray[np.int32]
    evidence: NDArray[np.int16]
    shift: NDArray[np.int8]
    units: NDArray[np.float32]
    variance: NDArray[np.float32]
    alike: NDArray[np.float32]
    places: NDArray[np.float32]
    log_prior: NDArray[np.float32]
    rivals: NDArray[np.int32]
    errors: NDArray[np.float32]
    snr: NDArray[np.float32]
    bins_hz: NDArray[np.float64]
    dof: float


def pair_tables(
    world: World,
    condition: Condition,
    *,
    n_mics: int,
    spec: PreviewSpec | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> PairTables:
    """Tables of all pairs of a study's points under one condition; `condition.dead` plays no part.

    Parameters
    ----------
    world : the simulated world, whose bank is made when it is missing
    condition : Condition
    n_mics : int, of the layouts; the localizer trusts each pair less, the more there are
    spec : PreviewSpec
    workers : int, threads
    progress : function of (cells done, cells), or None

    Raises
    ------
    ConfigError
        If the tables would take more memory than the settings allow.
    """
    spec = PreviewSpec() if spec is None else spec
    study = world.study
    cells = _spread(study.site.cells, spec.cells)
    geometry = _geometry(study.site, study.points, condition.mismatch, cells, spec, fs=world.bank(condition.rt60_s).fs)
    _require_memory(geometry, len(study.points), n_sources=len(cells) * len(study.site.jet_heights_m), spec=spec)
    heard = _heard(world, condition, geometry.max_delay_s)
    bank = world.bank(condition.rt60_s)
    rows = bank.cell_rows[cells].ravel()
    maker = _Maker(heard, geometry, spec.upsample, bank.fs, temper(n_mics))

    def made(row: int) -> _Row:
        return maker(signal_spectra(_late(world, condition, row), heard.lag_weights, heard.frames))

    parts = _in_order(made, [int(row) for row in rows], workers, progress)
    return _joined(parts, heard, geometry, cells, n_heights=len(study.site.jet_heights_m))


@dataclass(frozen=True, slots=True, eq=False)
class _Geometry:
    """Delays of all pairs and what may be wrong with them; lengths in delay steps.

    pairs : (n_pairs, 2); origin : (n_pairs,), delay of the first place; n_places : of every pair
    sigmas : (n_scales, n_pairs), error of a pair's delay that the localizer sums over; scale_weights : (n_scales,)
    """

    pairs: NDArray[np.intp]
    origin: NDArray[np.int64]
    n_places: int
    places: NDArray[np.float32]
    log_prior: NDArray[np.float32]
    rivals: NDArray[np.int32]
    errors: NDArray[np.float32]
    sigmas: NDArray[np.float64]
    scale_weights: NDArray[np.float64]
    max_delay_s: float


def _geometry(
    site: Site, points: Points, mismatch: Mismatch, cells: NDArray[np.intp], spec: PreviewSpec, *, fs: int
) -> _Geometry:
    prior, steps = Prior(), float(fs * spec.upsample)
    whole = choice_layout(site, points, Choice("all", tuple(range(len(points)))))
    pairs = mic_pairs(len(points))
    airs = (-mismatch.temperature_k, mismatch.temperature_k) if mismatch.temperature_k else (0.0,)
    known = [_delays(whole, kelvin, prior) for kelvin in airs]
    delays = np.stack([delay for delay, _ in known]) * steps
    errors = _errors(mismatch, len(cells), spec.draws, speed_of_sound=whole.speed_of_sound) * steps
    margin = 2.0 * float(np.abs(errors).max(initial=0.0)) + 2.0
    origin = np.floor(delays.min(axis=(0, 2, 3)) - margin).astype(np.int64)
    longest = float((delays.max(axis=(0, 2, 3)) + margin - origin).max())
    sigmas = pair_sigmas(whole, whole.speed_of_sound, prior, pairs=pairs)
    apart = np.linalg.norm(whole.cells[cells][:, None] - whole.cells[None], axis=-1)
    rivals = np.argsort(apart, axis=1, kind="stable")[:, : spec.rivals + 1]
    return _Geometry(
        pairs,
        origin,
        int(np.ceil(longest)) + 2,
        (delays - origin[None, :, None, None]).astype(np.float32),
        known[0][1].astype(np.float32),
        rivals.astype(np.int32),
        errors.astype(np.float32),
        sigmas * steps,
        np.array(prior.error_weights) / np.sum(prior.error_weights),
        float(np.median(max_pair_delays(whole.mics, speed_of_sound=whole.speed_of_sound))),
    )


def _delays(whole: Layout, kelvin: float, prior: Prior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delays of all cells and hypotheses when the file is wrong about the air, and their log prior."""
    file = replace(whole, temperature_c=whole.temperature_c + kelvin)
    known = cell_delays(file, file.speed_of_sound, prior)
    return known.cell_delays_s, known.log_prior


def _errors(mismatch: Mismatch, n_cells: int, draws: int, *, speed_of_sound: float) -> NDArray[np.float64]:
    """By which each microphone hears each cell late, s, (n_draws, n_cells, MOST_MICS); the same in every study.

    A displacement in a random direction changes a distance by a share of it that is even between -1 and 1.
    """
    rng = np.random.default_rng([0x5052, 1])
    shape = (draws, n_cells, MOST_MICS)
    moved = rng.uniform(-1.0, 1.0, shape) * mismatch.mic_m / speed_of_sound
    return np.asarray(moved + rng.choice([-1.0, 1.0], shape) * mismatch.skew_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Noise and loudness: noise (n_points, n_points, n_bins); hiss (n_bins,), power density of the source."""

    frames: Frames
    noise: NDArray[np.complex64]
    hiss: NDArray[np.float64]
    lag_weights: NDArray[np.float64]
    dof: float
    bins_hz: NDArray[np.float64]


def _heard(world: World, condition: Condition, max_delay_s: float) -> _Heard:
    study, bank = world.study, world.bank(condition.rt60_s)
    n, hop, bins = analysis_frames(EventSpec(), max_delay_s, bank.fs)
    frames, bins_hz = Frames(n, hop, bins), bins * bank.fs / n
    noise = noise_spectra(np.asarray(world.noise(condition.rt60_s, condition.fan)), frames).transpose(1, 2, 0)
    gain = source_gain(study, condition.snr_db, power=hiss_power(world, condition.rt60_s))
    peaks = np.geomspace(*PEAK_HZ, _PEAKS)
    hiss = gain**2 * np.mean([hiss_density(bins_hz, float(peak), fs=bank.fs) for peak in peaks], axis=0)
    duration, after = round(condition.duration_s * bank.fs), round(AFTER_S * bank.fs)
    event = event_frames(frames, duration=duration, after=after)
    powers, shares = [], []
    for cell in _spread(study.site.cells, _LEVEL_CELLS):
        response = _late(world, condition, int(bank.cell_rows[cell, 0]))
        unit = signal_spectra(response, event.lag_weights, frames)
        shares.append(event.heard(response))
        powers.append((np.einsum("fii->if", unit).real * hiss).mean() / (event.plain @ shares[-1]))
    excess = float(np.mean(powers) / np.einsum("iif->if", noise).real.mean())
    found = weighing(event, np.mean(shares, axis=0), excess=excess, n_mics=_LEVEL_CELLS)
    # As if every bin were independent of its neighbours.
    return _Heard(frames, noise, hiss * found.louder, event.lag_weights, found.dof / BIN_OVERLAP, bins_hz)


def _late(world: World, condition: Condition, row: int) -> NDArray[np.float32]:
    """Responses of one source at all points, from when the first of them hears it."""
    bank = world.bank(condition.rt60_s)
    responses = bank.responses(np.array([row]), range(len(world.study.points)))[0]
    at = bank.sources.positions_m[row]
    away = np.linalg.norm(world.study.points.positions_m - at, axis=1)
    late: NDArray[np.float32] = responses[:, int(away.min() / bank.speed_of_sound * bank.fs) :]
    return late


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """What all pairs hear of one source; as in `PairTables`."""

    evidence: NDArray[np.int16]
    shift: NDArray[np.int8]
    variance: NDArray[np.float32]
    alike: NDArray[np.float32]
    snr: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Maker:
    """Evidence of all pairs from the cross-spectra of one source."""

    heard: _Heard
    geometry: _Geometry
    upsample: int
    fs: int
    factor: float

    def __call__(self, unit: NDArray[np.complex64]) -> _Row:
        """From the cross-spectra `unit`, (n_bins, n_points, n_points), of a source of white noise of variance 1."""
        g, noise, bins = self.geometry, self.heard.noise, self.heard.frames.bins
        i, j = g.pairs.T
        event = np.einsum("fii->if", unit).real * self.heard.hiss
        quiet = np.einsum("iif->if", noise).real
        cross = unit[:, i, j].T * self.heard.hiss
        weights, both = pair_weights(cross, event + quiet, quiet, g.pairs, dof=self.heard.dof)
        size = self.heard.frames.n * self.upsample
        values = _steered(cross * weights / len(bins), bins, size)
        # Chance that changes sizes only, and all of them by the same factor, misleads nobody.
        both = (both - np.abs(cross + noise[i, j]) ** 2).clip(min=1e-6 * both)
        chance = weights**2 * both / (2.0 * self.heard.dof * len(bins) ** 2)
        variance = chance.sum(axis=1)
        alike = _steered(chance / variance[:, None], bins, size)[:, : g.n_places]
        at = g.origin[:, None] + np.arange(g.n_places)
        reach = int(np.abs(at).max()) + round(EMPTY_LAGS_S * self.fs * self.upsample)
        echoes = 1.4826 * np.median(
            np.abs(np.concatenate([values[:, -reach:], values[:, : reach + 1]], axis=1)), axis=1
        )
        evidence, shift, slope = expected_evidence(
            np.take_along_axis(values, at % size, axis=1),
            np.sqrt(echoes**2 + variance),
            g.sigmas,
            g.scale_weights,
            factor=self.factor,
        )
        return _Row(
            np.clip(np.rint(evidence / _NATS), -32_767, 32_767).astype(np.int16),
            np.clip(np.rint(shift / _STEPS), -127, 127).astype(np.int8),
            (slope**2 * variance).astype(np.float32),
            alike.astype(np.float32),
            (event / quiet).astype(np.float32),
        )


def expected_evidence(
    values: NDArray[np.floating],
    noise: NDArray[np.floating],
    sigmas: NDArray[np.floating],
    scale_weights: NDArray[np.floating],
    *,
    factor: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What correlations say for each delay, as `trad_array.localization.evidence.tolerant` weighs them.

    Unlike there, the scales of errors are summed over in each pair, not over all pairs together: a pair can then be
    worked out without knowing the layout.

    Parameters
    ----------
    values : array, shape (n_pairs, n_places)
    noise : array, shape (n_pairs,), spread of the values where no sound is
    sigmas : array, shape (n_scales, n_pairs), places; scale_weights : (n_scales,), sum 1
    factor : temper

    Returns
    -------
    evidence : array, shape (n_pairs, n_places), nats
    shift : array, shape (n_pairs, n_places), places
        Mean of the error, given the correlation: Tweedie's formula, the variance of the error times the slope of the
        logarithm of what is blurred (Efron, J. Am. Stat. Assoc. 106, 2011).
    slope : array, shape (n_pairs,), nats for a unit of correlation
    """
    from scipy.ndimage import gaussian_filter1d

    peak = np.maximum(values.max(axis=1), 0.5 * noise)
    height = float(np.median(peak))
    slope = factor * height / noise**2
    log = slope[:, None] * (values - 0.5 * height)
    top = log.max(axis=1, keepdims=True)
    likelihood = np.exp(log - top)
    total, moved = np.zeros(log.shape), np.zeros(log.shape)
    for weight, widths in zip(scale_weights, sigmas, strict=True):
        for width in np.unique(widths):
            same = widths == width
            blurred = np.maximum(weight * gaussian_filter1d(likelihood[same], width, axis=1, truncate=3.0), 1e-300)
            total[same] += blurred
            moved[same] += blurred * width**2 * np.gradient(np.log(blurred), axis=1)
    heard = (1.0 - UNHEARD) * total + UNHEARD * np.exp(np.maximum(-top, -600.0))
    return np.log(heard) + top, moved / total, np.asarray(slope, dtype=np.float64)


def pair_weights(
    cross: NDArray[np.complexfloating],
    event: NDArray[np.floating],
    quiet: NDArray[np.floating],
    pairs: NDArray[np.intp],
    *,
    dof: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected factor on the cross-spectra of each pair, as `event_correlations` weighs them, and power of both.

    cross : (n_pairs, n_bins), expected, without noise; event, quiet : (n_mics, n_bins), with the event and without
    """
    i, j = pairs.T
    both = np.asarray(event[i] * event[j], dtype=np.float64)
    size = np.sqrt(np.sqrt(both) * np.sqrt(quiet[i] * quiet[j]))
    # What is seen of a cross-spectrum is its expectation and chance.
    seen = np.sqrt(np.abs(cross) ** 2 + both / dof)
    return 1.0 / (size * (seen / size).mean(axis=1, keepdims=True).clip(min=1.0)), both


def _steered(spectra: NDArray[np.complexfloating], bins: NDArray[np.intp], size: int) -> NDArray[np.float32]:
    """Real part of the sum over bins, turned by every delay; (n_pairs, size), negative delays at the end."""
    table = np.zeros((len(spectra), size // 2 + 1), dtype=np.complex64)
    table[:, bins] = spectra
    found: NDArray[np.float32] = scipy.fft.irfft(table, size, axis=1) * np.float32(size / 2)
    return found


def _joined(
    parts: Iterator[_Row], heard: _Heard, geometry: _Geometry, cells: NDArray[np.intp], *, n_heights: int
) -> PairTables:
    n_pairs, n_sources = len(geometry.pairs), len(cells) * n_heights
    evidence = np.empty((n_pairs, n_sources, geometry.n_places), dtype=np.int16)
    shift = np.empty(evidence.shape, dtype=np.int8)
    variance = np.empty((n_pairs, n_sources), dtype=np.float32)
    alike = np.zeros((n_pairs, geometry.n_places), dtype=np.float32)
    snr = []
    for k, part in enumerate(parts):
        evidence[:, k], shift[:, k], variance[:, k] = part.evidence, part.shift, part.variance
        alike += part.alike / n_sources
        if k % n_heights == 0:
            snr.append(part.snr)
    n_points = int(geometry.pairs.max()) + 1
    pair_of = np.zeros((n_points, n_points), dtype=np.int32)
    pair_of[geometry.pairs[:, 0], geometry.pairs[:, 1]] = np.arange(n_pairs)
    return PairTables(
        cells=cells,
        n_heights=n_heights,
        pair_of=pair_of,
        evidence=evidence,
        shift=shift,
        units=np.array([_NATS, _STEPS], dtype=np.float32),
        variance=variance,
        alike=alike,
        places=geometry.places,
        log_prior=geometry.log_prior,
        rivals=geometry.rivals,
        errors=geometry.errors,
        snr=np.stack(snr, axis=1),
        bins_hz=heard.bins_hz,
        dof=heard.dof,
    )


def _in_order(made: Callable[[int], _Row], rows: list[int], workers: int, progress: Progress | None) -> Iterator[_Row]:
    """What is made of every row, in order, a few at a time."""
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        ahead = 2 * max(workers, 1)
        jobs = [pool.submit(made, row) for row in rows[:ahead]]
        for done in range(len(rows)):
            part = jobs.pop(0).result()
            if done + ahead < len(rows):
                jobs.append(pool.submit(made, rows[done + ahead]))
            if progress is not None:
                progress(done + 1, len(rows))
            yield part


def _spread(values: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the values, evenly spread."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(np.intp)]


def _require_memory(geometry: _Geometry, n_points: int, *, n_sources: int, spec: PreviewSpec) -> None:
    size = 3 * len(geometry.pairs) * n_sources * geometry.n_places + geometry.places.nbytes
    if size > spec.most_bytes:
        raise ConfigError(
            f"points: expected tables of all pairs under {spec.most_bytes / 1e9:.1f} GB, found {n_points} points with "
            f"{size / 1e9:.1f} GB; take fewer points, or study fewer cells"
        )
