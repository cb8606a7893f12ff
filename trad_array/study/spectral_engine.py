"""Events without sound: the cross-spectra that a localizer would have taken are drawn as complex Wishart matrices.

The time engine makes half a second of sound, cuts it into frames and adds up their cross-spectra. All that is random
in the sum is known: for a steady Gaussian hiss it is a complex Wishart matrix (Goodman, Ann. Math. Statist. 34, 1963)
whose mean follows from the responses of the room and whose degrees of freedom follow from the frames. In noise it is a
noncentral one (James, Ann. Math. Statist. 35, 1964), given what the stretch of noise alone adds up to, which is taken
from the noise itself: fans are heard by all microphones, and their lines are no Gaussian noise. So the sum is drawn,
and what the localizer does with it is done by compiled twins of its functions.

How far this is from the time engine is measured each time, see `agreement.py`; what it cannot represent, it refuses.
"""

from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, MissingExtra
from trad_array.localization.event_correlations import EventSpec
from trad_array.localization.evidence import UNHEARD, temper
from trad_array.localization.hypotheses import Prior, cell_delays
from trad_array.localization.packs import PackRule
from trad_array.study.draws import Draws, event_draws
from trad_array.study.records import Choice, Condition
from trad_array.study.spectral_tables import (
    Blurs,
    Floats,
    Lags,
    Spectra,
    array_frames,
    blur_tables,
    lag_tables,
    mean_spectra,
)
from trad_array.study.time_engine import Answers, Heard, heard
from trad_array.study.world import World

# Raised when the same events get other answers.
VERSION = 1
# Taps that make normals of neighbouring bins as alike as sums over frames are, see `frame_weights.NEXT_BINS`: p, q, r
# with p^2 + q^2 + r^2 = 1, q (p + r) = the first, p r = the second.
NEIGHBOURS_ALIKE = np.array([0.43901388, 0.89168648, 0.11028157], dtype=np.float32)
# Events that are drawn together; part of what a seed means.
_TOGETHER = 32


def localized(world: World, choice: Choice, condition: Condition, *, first: int, n: int) -> Answers:
    """True and named cells of the events `first` to `first + n - 1`; as `time_engine.localized`.

    Raises
    ------
    ConfigError
        If the engine cannot represent it: more microphones than the localizer weighs at once, or too short a sound.
    MissingExtra
        If numba is not installed.
    """
    study = world.study
    draws = event_draws(study.site, condition, seed=study.seed, first=first, n=n)
    return Answers(draws.cell, spectral_engine(world, choice, condition).named(draws, first=first, n=n))


def spectral_engine(world: World, choice: Choice, condition: Condition) -> "SpectralEngine":
    """Prepare one layout in one condition; errors as `localized`."""
    _kernels()
    room = heard(world, choice, condition)
    layout, wrong, fs = room.layout, condition.mismatch, world.bank(condition.rt60_s).fs
    if layout.n_mics > PackRule().mics:
        raise ConfigError(
            f"{choice.name}: the spectral engine: expected at most {PackRule().mics} microphones, which the localizer "
            f'weighs together, found {layout.n_mics}; use engine = "time"'
        )
    spec, prior = EventSpec(), Prior()
    known = cell_delays(layout, layout.speed_of_sound, prior)
    # What the file may say too much: two displaced microphones, two early channels, the air.
    warm = abs(wrong.temperature_k) / (layout.temperature_c + 200.0)
    margin_s = 2.0 * (wrong.mic_m / layout.speed_of_sound + wrong.skew_s) + warm * float(known.pair_max_s.max())
    frames = array_frames(spec, known.max_delay_s + margin_s, fs)
    lags = lag_tables(known, frames, spec, fs=fs, margin_s=margin_s)
    files = [replace(layout, temperature_c=layout.temperature_c + sign * wrong.temperature_k) for sign in (-1.0, 1.0)]
    return SpectralEngine(
        seed=world.study.seed,
        condition=condition,
        room=room,
        fs=fs,
        prior=prior,
        spectra=mean_spectra(world, choice, room, condition, frames, max_delay_s=known.max_delay_s + margin_s),
        lags=lags,
        blurs=blur_tables(known, step_s=lags.step_s, spec=spec),
        speeds=np.stack([cell_delays(file, file.speed_of_sound, prior).speeds for file in files]),
        air_weights=np.exp(known.log_air_prior),
    )


@dataclass(frozen=True, slots=True, eq=False)
class SpectralEngine:
    """One layout in one condition, ready to name the cells of any number of events.

    speeds : (2, n_air), m/s, that the localizer tries when its file says too cold, too warm; air_weights : (n_air,)
    """

    seed: int
    condition: Condition
    room: Heard
    fs: int
    prior: Prior
    spectra: Spectra
    lags: Lags
    blurs: Blurs
    speeds: NDArray[np.float64]
    air_weights: NDArray[np.float64]

    def named(self, draws: Draws, *, first: int, n: int) -> NDArray[np.intp]:
        """Names of the cells of events `first` to `first + n - 1`, which are those of the draws; shape (n,)."""
        out = np.empty(n, dtype=np.intp)
        for block in range(first // _TOGETHER, -(-(first + n) // _TOGETHER)):
            begin, end = max(block * _TOGETHER, first), min((block + 1) * _TOGETHER, first + n)
            used = slice(begin - first, end - first)
            phases = self.phases(draws, used, block=block, skip=begin - block * _TOGETHER)
            products = (phases.reshape(-1, phases.shape[-1]) @ self.lags.turns).reshape(*phases.shape[:2], -1)
            out[used] = self._names(products, draws, used)
        return out

    def phases(self, draws: Draws, used: slice, *, block: int, skip: int) -> Floats:
        """Drawn cross-spectra, weighed against their backgrounds; (n_events, 2 * n_pairs, n_bins).

        The events are those of a block of `_TOGETHER`, the first `skip` of it left out.
        """
        kernels, _ = _kernels()
        n, mics = used.stop - used.start, self.room.layout.n_mics
        columns = few_columns(float(self.spectra.dofs.mean()), mics)
        n_bins = len(self.lags.turns)
        # xorshift128+ must not start from zeros alone.
        state = np.random.default_rng([self.seed, 0x5350, block]).integers(1, 2**63, (2, n_bins + 2), dtype=np.uint64)
        stretches = [
            self.room.stretch(float(moment), fs=self.fs, duration_s=self.condition.duration_s)
            // self.room.step(self.fs)
            for moment in draws.moment[used]
        ]
        out = np.empty((n, mics * (mics - 1), n_bins), dtype=np.float32)
        kernels.sample_phases(
            *self.spectra.roots,
            self.spectra.row_of[draws.cell[used], draws.height[used]],
            self.spectra.density,
            draws.sound[used],
            *self.spectra.noise,
            *self.spectra.noise_roots,
            *self.spectra.backgrounds,
            np.array(stretches, dtype=np.intp),
            self.spectra.dofs,
            self.spectra.togethers,
            state,
            skip,
            columns,
            NEIGHBOURS_ALIKE,
            mics,
            out,
        )
        return out

    def _names(self, products: Floats, draws: Draws, used: slice) -> NDArray[np.intp]:
        _, naming = _kernels()
        layout, slots, wrong = self.room.layout, self.room.slots, self.condition.mismatch
        rate = 1.0 / self.lags.step_s
        heights = np.array(self.prior.jet_heights_m)[:, None] * np.array([0.0, 0.0, 1.0])
        shares = np.array(self.prior.jet_weights)
        out = np.empty(len(products), dtype=np.intp)
        naming.name_cells(
            products,
            self.lags.turns.shape[1] // 2,
            self.lags.halves,
            self.lags.limits,
            self.lags.taps,
            *self.lags.carrier,
            temper(layout.n_mics),
            UNHEARD,
            self.blurs.shifts,
            self.blurs.kernels,
            self.blurs.n_taps,
            self.blurs.weights,
            layout.cells[None] + heights[:, None],
            layout.mics[None] + wrong.mic_m * draws.away[used][:, slots],
            -wrong.skew_s * draws.late[used][:, slots] * rate,
            np.outer(self.air_weights, shares / shares.sum()).ravel(),
            rate / self.speeds[(draws.warm[used] > 0).astype(np.intp)],
            out,
        )
        return out


def few_columns(dof: float, n_mics: int) -> Floats:
    """Weights of columns whose weighted sum has so many degrees of freedom; none when they are many.

    Many are at least twice as many as microphones and one more: Bartlett's decomposition then serves for the part of
    the event that does not meet the noise. All columns but the last weigh the same; the sum of the weights is 1, that
    of their squares 1 / dof.
    """
    if dof >= 2.0 * n_mics + 1.0:
        return np.zeros(0, dtype=np.float32)
    n = int(np.ceil(dof))
    if n == 1:
        return np.ones(1, dtype=np.float32)
    # (1 - t)^2 / (n - 1) + t^2 = 1 / dof, the smaller root.
    last = (1.0 - np.sqrt(max(1.0 - n * (1.0 - (n - 1) / dof), 0.0))) / n
    return np.array([(1.0 - last) / (n - 1)] * (n - 1) + [last], dtype=np.float32)


def _kernels() -> tuple[ModuleType, ModuleType]:
    try:
        from trad_array.study import kernels, naming_kernels
    except ImportError as error:
        raise MissingExtra("numba", "study") from error
    return kernels, naming_kernels
