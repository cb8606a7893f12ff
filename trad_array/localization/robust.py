"""Which cell, when air, microphones and channels are not quite what the layout file says? The default localizer.

For every cell the evidence (`evidence.py`) is summed over jet heights, speeds of sound and errors of microphones and
channels, each with its prior weight (`hypotheses.py`): a marginal likelihood, not the best fit, because the best of
many fits finds peaks of the noise. Other places compete: the same sum over the guard points and the whole room, coarse
at first and fine around the best places. docs/localization.md has the mathematics and what was measured.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trad_array.localization.event_correlations import EventCorrelations, EventSpec, event_correlations
from trad_array.localization.evidence import at_delays, log_sum, peak_height, temper, tolerant, within
from trad_array.localization.hypotheses import Hypotheses, Prior, differences_m, hypotheses
from trad_array.records import Block, CellMap
from trad_array_geometry import Layout, mic_pairs

ROOM = "room"
# Around each of the best coarse places of the room: this many steps of this size to both sides along each axis.
_FINE_STEPS, _FINE_M = 2, 0.04
# The places around which the room is searched finely.
_BEST_PLACES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What the sound says, before it is turned into probabilities.

    cells : (n_cells,), log-evidence over "no sound", nats
    room : log-evidence of "somewhere else in the room"; -inf when the layout has neither room nor guard points
    z : height of the peaks over the spread of the noise
    place, place_m : the best place elsewhere, its name and where it is, m
    power : (n_cells,), highest mean correlation over pairs at any hypothesis of a cell
    pair_delays_s : (n_pairs,), s, delay of each pair's highest correlation
    """

    cells: NDArray[np.float64]
    room: float
    z: float
    place: str | None
    place_m: tuple[float, float, float] | None
    power: NDArray[np.float64]
    pair_delays_s: NDArray[np.float64]

    @property
    def room_over_cells(self) -> float:
        """Log-evidence of the room over that of "a cell", each cell being as probable."""
        return self.room - float(log_sum(self.cells) - np.log(len(self.cells)))


@dataclass(frozen=True, slots=True)
class Certainty:
    """From evidence to probability. Fitted by benchmarks/localization/fit_certainty.py on simulated scenes that no
    table reports, with mismatches of all sizes in them.

    cells : temper of the evidence among cells
    elsewhere, loudness, bias : the log-odds of "elsewhere" are ``elsewhere * (room - cells) - loudness * log(z) +
        bias``
        with the log-evidences of both and the height of the peaks over the noise. The bias stands for everyday sounds
        being more frequent than vents.
    """

    cells: float = 0.95
    elsewhere: float = 0.45
    loudness: float = 1.26
    bias: float = 5.7

    def __call__(self, weighed: Weighed) -> tuple[NDArray[np.float64], float]:
        """Probability of every cell, shape (n_cells,), and of elsewhere; together 1."""
        shares = np.exp(self.cells * (weighed.cells - weighed.cells.max()))
        shares /= shares.sum()
        if weighed.room == -np.inf:
            return shares, 0.0
        odds = self.elsewhere * weighed.room_over_cells - self.loudness * np.log(max(weighed.z, 1.0)) + self.bias
        elsewhere = float(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 30.0))))
        return shares * (1.0 - elsewhere), elsewhere


@dataclass(frozen=True, slots=True)
class Robust:
    """Marginal likelihood of every cell; see the module.

    spec : how correlations are taken
    prior : what may differ from the layout file
    certainty : evidence to probability
    """

    spec: EventSpec = field(default_factory=EventSpec)
    prior: Prior = field(default_factory=Prior)
    certainty: Certainty = field(default_factory=Certainty)

    def __call__(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> CellMap:
        """Map one cut; see `trad_array.localization.localizer.Localizer`."""
        weighed = self.weigh(cut, layout, speed_of_sound=speed_of_sound, onset=onset)
        probability, elsewhere = self.certainty(weighed)
        mics = layout.array_mics
        return CellMap(
            power=weighed.power,
            probability=probability,
            elsewhere=elsewhere,
            place=weighed.place,
            place_m=weighed.place_m,
            sharpness=weighed.z,
            onset=cut.start if onset is None else onset,
            speed_of_sound=speed_of_sound,
            pair_delays_s=weighed.pair_delays_s,
            pairs=mics[mic_pairs(len(mics))],
        )

    def weigh(self, cut: Block, layout: Layout, *, speed_of_sound: float, onset: int | None = None) -> Weighed:
        """Evidence of cells and room; arguments and errors as when called."""
        mics = layout.array_mics
        known = hypotheses(layout, speed_of_sound, self.prior)
        found = event_correlations(
            cut.samples[mics],
            onset=0 if onset is None else onset - cut.start,
            fs=cut.fs,
            spec=self.spec,
            max_delay_s=known.max_delay_s,
        )
        height, z = peak_height(found, known.pair_max_s)
        scales = self._scales(found, known, height=height, n_mics=len(mics))
        room, place, place_m = _room_evidence(found, scales, known, layout, cells_m=layout.cells)
        return Weighed(
            cells=_cell_evidence(found, scales, known),
            room=room,
            z=z,
            place=place,
            place_m=place_m,
            power=_best_correlation(found, known),
            pair_delays_s=found.delays_s[within(found, known.pair_max_s).argmax(axis=1)],
        )

    def _scales(
        self, found: EventCorrelations, known: Hypotheses, *, height: float, n_mics: int
    ) -> list[tuple[float, NDArray[np.float64]]]:
        """For each scale of errors its log prior and the evidence of each pair and delay."""
        return [
            (float(log_prior), tolerant(found, height=height, pair_sigmas_s=sigmas, factor=temper(n_mics)))
            for log_prior, sigmas in zip(known.log_scale_prior, known.pair_sigmas_s, strict=True)
        ]


def _mean_evidence(cells: NDArray[np.float64]) -> float:
    """Log-evidence of "a cell", each being as probable."""
    return float(log_sum(cells) - np.log(len(cells)))


def _cell_evidence(
    found: EventCorrelations, scales: list[tuple[float, NDArray[np.float64]]], known: Hypotheses
) -> NDArray[np.float64]:
    """Log-evidence of every cell, shape (n_cells,), nats over "no sound"."""
    total = [
        at_delays(log, found, known.cell_delays_s) + known.log_prior[None, :] + log_scale for log_scale, log in scales
    ]
    return log_sum(np.concatenate(total, axis=1), axis=1)


def _best_correlation(found: EventCorrelations, known: Hypotheses) -> NDArray[np.float64]:
    """Highest mean correlation over pairs that a cell reaches at any of its hypotheses, shape (n_cells,), -1 to 1."""
    n_pairs = len(found.values)
    mean = at_delays(found.values, found, known.cell_delays_s).max(axis=1) / n_pairs
    return np.asarray(np.clip(mean, -1.0, 1.0))


def _room_evidence(
    found: EventCorrelations,
    scales: list[tuple[float, NDArray[np.float64]]],
    known: Hypotheses,
    layout: Layout,
    *,
    cells_m: NDArray[np.float64],
) -> tuple[float, str | None, tuple[float, float, float] | None]:
    """Log-evidence of "somewhere else in the room", and the best of those places by name and position."""
    if not len(known.grid_m):
        return -np.inf, None, None
    coarse = at_delays(scales[-1][1], found, known.grid_delays_s)
    best = np.argsort(-coarse, kind="stable")[:_BEST_PLACES]
    points = (known.grid_m[best][:, None, :] + _fine_offsets()[None]).reshape(-1, 3)
    points = points[_clear(points, cells_m)]
    if not len(points):
        points = known.grid_m[best]
    paths = differences_m(points, layout.mics[layout.array_mics])
    share = -np.log(len(_fine_offsets())) - np.log(len(known.grid_m))
    air = _few_speeds(known)
    logs = np.stack(
        [
            at_delays(log, found, paths / speed + known.offset_s) + log_scale + log_air + share
            for speed, log_air in air
            for log_scale, log in scales
        ]
    )
    at = points[int(logs.max(axis=0).argmax())]
    x, y, z = (float(v) for v in at)
    guards = layout.n_guards
    name = layout.guard_names[int(coarse[:guards].argmax())] if guards and int(best[0]) < guards else ROOM
    return float(log_sum(logs)), name, (x, y, z)


def _few_speeds(known: Hypotheses) -> list[tuple[float, float]]:
    """Three of the speeds of sound, with the logarithms of their weights: the room need not be told so finely."""
    if len(known.speeds) < 5:
        return list(zip(known.speeds.tolist(), known.log_air_prior.tolist(), strict=True))
    middle, step = len(known.speeds) // 2, len(known.speeds) // 4 + 1
    return [
        (float(known.speeds[middle + k * step]), float(np.log(weight)))
        for k, weight in ((-1, 0.25), (0, 0.5), (1, 0.25))
    ]


def _fine_offsets() -> NDArray[np.float64]:
    """Steps around a coarse place of the room, shape (n, 3), m."""
    axis = _FINE_M * np.arange(-_FINE_STEPS, _FINE_STEPS + 1)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def _clear(points: NDArray[np.float64], cells_m: NDArray[np.float64], *, clear_m: float = 0.27) -> NDArray[np.bool_]:
    """Whether points are far enough from every cell to be another place."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(cells_m).query(points)[0] > clear_m)
