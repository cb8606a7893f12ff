"""Which cell, when air, microphones and channels are not quite what the layout file says? The default localizer.

For every cell the evidence (`evidence.py`) is summed over jet heights, speeds of sound and errors of microphones and
channels, each with its prior weight (`hypotheses.py`): a marginal likelihood, not the best fit, because the best of
many fits finds peaks of the noise. Other places compete: the same sum over the guard points and the whole room, coarse
at first and fine around the best places. docs/localization.md has the mathematics and what was measured.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.event_correlations import EventCorrelations, EventSpec, event_correlations
from trad_array.localization.evidence import log_sum, peak_height, places, summed, temper, tolerant_scales, within
from trad_array.localization.gate import Clues, Gate
from trad_array.localization.hypotheses import FINE_OFFSETS_M, CellDelays, Hypotheses, Prior, differences_m, hypotheses
from trad_array.localization.levels import level_evidence, level_patterns_db
from trad_array.localization.packs import PackRule, best_packs
from trad_array.records import Block, CellMap
from trad_array_geometry import Layout, mic_pairs

ROOM = "room"
# The places around which the room is searched finely.
_BEST_PLACES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What the sound says, before it is turned into probabilities.

    cells : (n_weighed,), log-evidence over "no sound", nats
    cell_indices : (n_weighed,), which cells of the layout these are; the others are out of the question
    clues : what tells a cell from other places
    z : height of the peaks over the spread of the noise
    place, place_m : the best place elsewhere, its name and where it is, m
    power : (n_weighed,), highest mean correlation over pairs at any hypothesis of a cell
    pair_delays_s : (n_pairs,), s, delay of each pair's highest correlation
    pairs : (n_pairs, 2), indices of the layout's microphones
    """

    cells: NDArray[np.float64]
    cell_indices: NDArray[np.intp]
    clues: Clues
    z: float
    place: str | None
    place_m: tuple[float, float, float] | None
    power: NDArray[np.float64]
    pair_delays_s: NDArray[np.float64]
    pairs: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Certainty:
    """From evidence to probability.

    cells : temper of the evidence among cells, fitted by benchmarks/localization/fit_certainty.py
    gate : whether it is a cell at all; its log-odds are those of the probability
    """

    cells: float = 1.0
    gate: Gate = field(default_factory=Gate)

    def __call__(self, weighed: Weighed) -> tuple[NDArray[np.float64], float]:
        """Probability of every cell, shape (n_cells,), and of elsewhere; together 1."""
        shares = np.exp(self.cells * (weighed.cells - weighed.cells.max()))
        shares /= shares.sum()
        odds = float(np.clip(-self.gate(weighed.clues), -50.0, 50.0))
        # Not 1 - elsewhere, which is 0 from 37 on: the best cell is told also of a loud sound from elsewhere.
        return shares / (1.0 + np.exp(odds)), float(1.0 / (1.0 + np.exp(-odds)))


@dataclass(frozen=True, slots=True)
class Robust:
    """Marginal likelihood of every cell; see the module.

    spec : how correlations are taken
    prior : what may differ from the layout file
    certainty : evidence to probability
    large : arrays with more microphones than one pack needs
    """

    spec: EventSpec = field(default_factory=EventSpec)
    prior: Prior = field(default_factory=Prior)
    certainty: Certainty = field(default_factory=Certainty)
    large: PackRule = field(default_factory=PackRule)

    def __call__(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> CellMap:
        """Map one cut; see `trad_array.localization.localizer.Localizer`."""
        weighed = self.weigh(cut, layout, speed_of_sound=speed_of_sound, onset=onset)
        shares, elsewhere = self.certainty(weighed)
        probability, power = np.zeros(layout.n_cells), np.zeros(layout.n_cells)
        probability[weighed.cell_indices] = shares
        power[weighed.cell_indices] = weighed.power
        return CellMap(
            power=power,
            probability=probability,
            elsewhere=elsewhere,
            place=weighed.place,
            place_m=weighed.place_m,
            sharpness=weighed.z,
            otherwise=self.certainty.gate.otherwise(weighed.clues),
            gate=self.certainty.gate.log_odds(weighed.clues),
            onset=cut.start if onset is None else onset,
            speed_of_sound=speed_of_sound,
            pair_delays_s=weighed.pair_delays_s,
            pairs=weighed.pairs,
        )

    def weigh(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> Weighed:
        """Evidence of cells and room; arguments and errors as when called."""
        begin = 0 if onset is None else onset - cut.start
        part = layout
        if len(layout.array_mics) > self.large.mics:
            part = best_packs(
                cut,
                layout,
                onset=begin,
                speed_of_sound=speed_of_sound,
                spec=self.spec,
                prior=self.prior,
                rule=self.large,
            )
        mics = np.array([layout.mic_names.index(name) for name in part.mic_names])[part.array_mics]
        known = hypotheses(part, speed_of_sound, self.prior, layout)
        found = event_correlations(
            cut.samples[mics], onset=begin, fs=cut.fs, spec=self.spec, max_delay_s=known.max_delay_s
        )
        height, z = peak_height(found, known.pair_max_s, known.offset_s)
        scales = evidence_scales(found, known, height=height, n_mics=len(mics))
        at_cells = places(found, known.cell_delays_s)
        cells = cell_evidence(at_cells, scales, known)
        room, place, place_m = _room_evidence(found, scales, known, part)
        best = summed(found.values, at_cells).max(axis=1)
        possible = within(found, known.pair_max_s, known.offset_s)
        return Weighed(
            cells=cells,
            cell_indices=_indices(layout, part),
            clues=Clues(
                cells=_mean_evidence(cells),
                room=room,
                lead=_mean_evidence(cells + level_evidence(known.cell_levels_db, found.level_db)) - room,
                share=float(best.max() / max(possible.max(axis=1).sum(), 1e-9)),
                strength=float(best.max() / np.sqrt((found.noise**2).sum())),
                fit=_fit(scales, at_cells, possible),
                heard_s=(cut.samples.shape[1] - begin) / cut.fs,
                distance_m=float(
                    np.median(np.linalg.norm(part.mics[part.array_mics] - part.cells[cells.argmax()], axis=1))
                ),
            ),
            z=z,
            place=place,
            place_m=place_m,
            power=np.clip(best / len(found.values), -1.0, 1.0),
            pair_delays_s=found.delays_s[possible.argmax(axis=1)],
            pairs=mics[mic_pairs(len(mics))],
        )


def evidence_scales(
    found: EventCorrelations, known: CellDelays, *, height: float, n_mics: int
) -> list[tuple[float, NDArray[np.float64]]]:
    """For each scale of errors its log prior and the evidence of each pair and delay."""
    logs = tolerant_scales(found, height=height, sigmas_s=known.pair_sigmas_s, factor=temper(n_mics))
    return [(float(log_prior), log) for log_prior, log in zip(known.log_scale_prior, logs, strict=True)]


@lru_cache(maxsize=16)
def _indices(layout: Layout, part: Layout) -> NDArray[np.intp]:
    """Where the cells of a part stand in the whole layout."""
    if part is layout:
        return np.arange(layout.n_cells)
    place = {name: k for k, name in enumerate(layout.cell_names)}
    return np.array([place[name] for name in part.cell_names])


def cell_evidence(
    at_cells: NDArray[np.intp], scales: list[tuple[float, NDArray[np.float64]]], known: CellDelays
) -> NDArray[np.float64]:
    """Log-evidence of every cell, shape (n_cells,), nats over "no sound"."""
    total = [summed(log, at_cells) + known.log_prior[None, :] + log_scale for log_scale, log in scales]
    return log_sum(np.concatenate(total, axis=1), axis=1)


def _mean_evidence(logs: NDArray[np.float64]) -> float:
    """Log-evidence of "one of these places", each being as probable."""
    return float(log_sum(logs)) - float(np.log(logs.size))


def _fit(
    scales: list[tuple[float, NDArray[np.float64]]], at_cells: NDArray[np.intp], possible: NDArray[np.float64]
) -> float:
    """Evidence of the best cell over that of each pair's best delay; 1 where one cell explains all that is heard."""
    _, log = scales[min(1, len(scales) - 1)]
    free = float(np.where(possible > -1.0, log, -np.inf).max(axis=1).sum())
    return float(summed(log, at_cells).max()) / (abs(free) + 1.0)


def _room_evidence(
    found: EventCorrelations, scales: list[tuple[float, NDArray[np.float64]]], known: Hypotheses, layout: Layout
) -> tuple[float, str | None, tuple[float, float, float] | None]:
    """Log-evidence of "somewhere else in the room", levels included, and the best of those places.

    The whole room is looked at coarsely, with the widest tolerance, and finely around its best places.
    """
    mics = layout.mics[layout.array_mics]
    by_delays = summed(scales[-1][1], places(found, known.grid_delays_s))
    coarse = by_delays + level_evidence(known.grid_levels_db, found.level_db)
    top = np.argpartition(-coarse, min(_BEST_PLACES, len(coarse) - 1))[:_BEST_PLACES]
    best = top[np.argsort(-coarse[top], kind="stable")]
    points = (known.grid_m[best][:, None, :] + FINE_OFFSETS_M)[known.fine_clear[best]]
    paths = differences_m(points, mics)
    levels = level_evidence(level_patterns_db(points, mics), found.level_db)
    share = -np.log(len(FINE_OFFSETS_M)) - np.log(len(known.grid_m))
    logs = []
    for speed, log_air in _few_speeds(known):
        index = places(found, paths / speed + known.offset_s[:, None])
        logs += [summed(log, index) + levels + (log_scale + log_air + share) for log_scale, log in scales]
    x, y, z = (float(v) for v in points[int(np.max(logs, axis=0).argmax())])
    guards = layout.n_guards
    # Delays alone name a guard point: they know its direction well, and levels may say another distance.
    likely = int(by_delays.argmax())
    name = layout.guard_names[likely] if likely < guards else ROOM
    total = np.logaddexp(float(log_sum(np.stack(logs))), _mean_evidence(coarse))
    return float(total), name, (x, y, z)


def _few_speeds(known: Hypotheses) -> list[tuple[float, float]]:
    """Three of the speeds of sound, with the logarithms of their weights: the room need not be told so finely."""
    if len(known.speeds) < 5:
        return list(zip(known.speeds.tolist(), known.log_air_prior.tolist(), strict=True))
    middle, step = len(known.speeds) // 2, len(known.speeds) // 4 + 1
    return [
        (float(known.speeds[middle + k * step]), float(np.log(weight)))
        for k, weight in ((-1, 0.25), (0, 0.5), (1, 0.25))
    ]
