"""What everyday sound tells about an array, and what it cannot tell.

Of a sound from an unknown place only one thing is sure: no pair of microphones hears it further apart than its distance
allows, |tau_ij - (d_i - d_j)| <= D_ij / c. Many sounds from many directions so bound the difference of two channel
delays from both sides; the bounds of all pairs tighten each other (shortest paths through difference constraints). A
window counts when all microphones agree on one set of arrival times; even so an echo may stand in for the direct sound
at one of them, so a broken bound is a hint, not a proof.

The loop tau_ij + tau_jk + tau_ki is 0 whatever the channel delays are, so it cannot see them. Sounds at known places -
a door that bangs at a guard point, events that were named - are better: they go through the same fit as a person's
sounds, with the positions believed as they stand. A steady fan is not used as one: in simulated rooms the set of
delays with the highest correlation was that of its direct sound in 1 of 12 cases only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.arrivals import measure_arrivals
from trad_array.array_calibration.calibrate import Calibration, HeardSound, calibrate
from trad_array.array_calibration.problem import Beliefs
from trad_array.array_calibration.stretch import Stretch
from trad_array.array_calibration.swaps import Order
from trad_array.errors import AudioError
from trad_array.records import Recording
from trad_array_geometry import Layout, max_pair_delays, mic_pairs
from trad_array_geometry.air import speed_sigma

# All numbers are our choice.
_WINDOW_S = 0.5
# Channels may be this late; a peak beyond what the distance allows must be looked for somewhere.
_MARGIN_S = 10e-3
# A window counts with this support, in units of chance. Sources whose delays differ by this are different ones, and at
# least so many of them must reach a bound.
_CLEAR_SUPPORT, _APART_S, _AGREE = 6.0, 200e-6, 3
# Distances and speed of sound are right to so many standard deviations.
_SURE = 3.0
# A delay is observed when it is known at least this much better than before.
_OBSERVED = 0.5


@dataclass(frozen=True, slots=True)
class PairBound:
    """What sounds from unknown places say about the delay of the first channel of a pair against the second.

    mics : indices
    n_sources : different sounds that the pair heard clearly
    seen_us : earliest and latest pair delay that several sources reach, or None
    low_us, high_us : bounds on the difference of the channel delays, infinite where nothing bounds it
    """

    mics: tuple[int, int]
    n_sources: int
    seen_us: tuple[float, float] | None
    low_us: float
    high_us: float


@dataclass(frozen=True, slots=True, eq=False)
class AmbientResult:
    """What could be found without anybody making a sound.

    bounds : one for each pair
    broken : pairs whose sounds are further apart than the layout allows; none when the bounds contradict each other
    late : microphone that is part of every broken pair, or None
    orders : when some are broken: exchanges of channels that would mend all
    calibration : the fit to known sources, or None without any
    observed : (n_mics,), whether the delay of the channel is now known better
    not_observable : one line for each thing that cannot be known from this
    """

    bounds: tuple[PairBound, ...]
    broken: tuple[tuple[int, int], ...]
    late: int | None
    orders: tuple[Order, ...]
    calibration: Calibration | None
    observed: tuple[bool, ...]
    not_observable: tuple[str, ...]


def listen_ambient(
    recordings: Iterable[Recording], layout: Layout, *, known: Sequence[HeardSound] = ()
) -> AmbientResult:
    """Look at everyday recordings, and at sounds of known places among them.

    Parameters
    ----------
    known : from `sounds_from_events`, or from `hear_sounds` with sounds at cells or guard points

    Raises
    ------
    AudioError
        If a recording has another number of channels.
    """
    peaks: list[NDArray[np.float64]] = []
    for recording in recordings:
        if recording.samples.shape[0] != layout.n_mics:
            raise AudioError(
                f"{recording.source}: expected {layout.n_mics} channels, found {recording.samples.shape[0]}"
            )
        peaks += _window_peaks(recording, layout)
    bounds = _bounds(np.array(peaks).reshape(-1, len(mic_pairs(layout.n_mics))), layout)
    contradict = any(b.low_us > b.high_us for b in bounds)
    broken = () if contradict else tuple(b.mics for b in bounds if _is_broken(b, layout))
    found = None
    if known:
        found = calibrate(layout, known, beliefs=_delays_only(layout))
    observed = _observed(layout, found)
    return AmbientResult(
        bounds,
        broken,
        _common(broken),
        _mending_orders(bounds, layout) if broken else (),
        found,
        observed,
        tuple(_unknowable(layout, found, observed, bounds)),
    )


def _delays_only(layout: Layout) -> Beliefs:
    """Positions and air as the layout says, delays open."""
    wide = Beliefs.for_calibration(layout)
    return replace(Beliefs.of(layout), delay_s=wide.delay_s)


def _window_peaks(recording: Recording, layout: Layout) -> list[NDArray[np.float64]]:
    """Pair delays of each window in which the microphones clearly agree on one sound, s, (n_pairs,) each."""
    size = round(_WINDOW_S * recording.fs)
    max_delay_s = float(max_pair_delays(layout.mics, speed_of_sound=layout.speed_of_sound).max()) + _MARGIN_S
    first, second = mic_pairs(layout.n_mics).T
    found = []
    for start in range(0, recording.samples.shape[1] - size + 1, size):
        window = recording.samples[:, start : start + size]
        stretch = Stretch(window, np.zeros((layout.n_mics, 1024), dtype=np.float32), start / recording.fs)
        try:
            arrivals = measure_arrivals(stretch, fs=recording.fs, max_delay_s=max_delay_s, label="window")
        except AudioError:
            continue
        if arrivals.support[0] > _CLEAR_SUPPORT:
            found.append(arrivals.times_s[0, first] - arrivals.times_s[0, second])
    return found


def _allowed_us(layout: Layout) -> NDArray[np.float64]:
    """Largest delay of each pair that distance, its error and the air allow, us."""
    c, pairs = layout.speed_of_sound, mic_pairs(layout.n_mics)
    plain = max_pair_delays(layout.mics, speed_of_sound=c)
    position = np.linalg.norm(layout.mic_sigma_m[pairs], axis=1) / c
    air = plain * speed_sigma(layout.temperature_c, layout.temperature_sigma_c) / c
    allowed: NDArray[np.float64] = 1e6 * (plain + _SURE * np.hypot(position, air))
    return allowed


def _bounds(peaks_s: NDArray[np.float64], layout: Layout) -> tuple[PairBound, ...]:
    allowed, pairs, n = _allowed_us(layout), mic_pairs(layout.n_mics), layout.n_mics
    # A source that keeps sounding, and its echoes with it, is one witness however often it is heard.
    _, first = np.unique(np.round(np.nan_to_num(peaks_s) / _APART_S), axis=0, return_index=True)
    distinct = peaks_s[first]
    seen: list[tuple[float, float] | None] = []
    counts = []
    upper = np.full((n, n), np.inf)
    np.fill_diagonal(upper, 0.0)
    for p, (i, j) in enumerate(pairs):
        clear = np.sort(1e6 * distinct[np.isfinite(distinct[:, p]), p])
        counts.append(len(clear))
        if len(clear) < _AGREE:
            seen.append(None)
            continue
        low, high = float(clear[_AGREE - 1]), float(clear[-_AGREE])
        seen.append((min(low, high), max(low, high)))
        upper[i, j], upper[j, i] = low + allowed[p], allowed[p] - high
    tight = _shortest_paths(upper)
    return tuple(
        PairBound((int(i), int(j)), counts[p], seen[p], float(-tight[j, i]), float(tight[i, j]))
        for p, (i, j) in enumerate(pairs)
    )


def _shortest_paths(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference constraints d_i - d_j <= upper[i, j], each tightened by all others (Floyd, Commun. ACM 5, 1962)."""
    tight = upper.copy()
    for k in range(len(tight)):
        tight = np.minimum(tight, tight[:, [k]] + tight[[k], :])
    return tight


def _is_broken(bound: PairBound, layout: Layout) -> bool:
    """Whether the layout's own channel delays lie outside the bounds."""
    i, j = bound.mics
    said = 1e6 * float(layout.mic_delay_s[i] - layout.mic_delay_s[j])
    spread = 1e6 * _SURE * float(np.hypot(layout.mic_delay_sigma_s[i], layout.mic_delay_sigma_s[j]))
    return not bound.low_us - spread <= said <= bound.high_us + spread


def _common(broken: Sequence[tuple[int, int]]) -> int | None:
    """The one microphone of all broken pairs, when there are at least two of them."""
    shared = set.intersection(*(set(pair) for pair in broken)) if len(broken) >= 2 else set()
    return shared.pop() if len(shared) == 1 else None


def _mending_orders(bounds: Sequence[PairBound], layout: Layout) -> tuple[Order, ...]:
    """Exchanges of channels after which no pair hears more than its distance allows; delays as the layout says."""
    n, straight = layout.n_mics, tuple(range(layout.n_mics))
    seen = {b.mics: b.seen_us for b in bounds}
    allowed = dict(zip([tuple(map(int, p)) for p in mic_pairs(n)], _allowed_us(layout), strict=True))
    slack = 1e6 * _SURE * float(np.hypot(*np.sort(layout.mic_delay_sigma_s)[-2:]))

    def mends(order: Order) -> bool:
        for i, j in combinations(range(n), 2):
            a, b = order[i], order[j]
            span = seen[min(a, b), max(a, b)]
            if span is not None and max(-span[0], span[1]) > allowed[i, j] + slack:
                return False
        return True

    swaps = permutations(range(n)) if n <= 4 else (_swap(n, a, b) for a, b in combinations(range(n), 2))
    return tuple(order for order in swaps if order != straight and mends(order))


def _swap(n: int, a: int, b: int) -> Order:
    order = list(range(n))
    order[a], order[b] = b, a
    return tuple(order)


def _observed(layout: Layout, found: Calibration | None) -> tuple[bool, ...]:
    if found is None:
        return (False,) * layout.n_mics
    before = Beliefs.for_calibration(layout).delay_s
    return tuple(bool(v) for v in found.layout.mic_delay_sigma_s < _OBSERVED * before)


def _unknowable(
    layout: Layout, found: Calibration | None, observed: Sequence[bool], bounds: Sequence[PairBound]
) -> list[str]:
    lines = ["microphone positions: sounds that nobody placed fit any positions"]
    if found is None:
        lines.append("channel delays: sounds from unknown places only bound them, and loops of delays always sum to 0")
        lines.append("which channel belongs to which microphone, as long as no bound is broken")
    else:
        names = [name for name, seen in zip(layout.mic_names, observed, strict=True) if not seen]
        if names:
            lines.append(f"delay of {', '.join(names)}: the known sources do not tell it from errors of position")
        lines += [f"{exchange_words(order, layout)}: the known sources sound the same" for order in found.rivals]
    if any(b.low_us > b.high_us for b in bounds):
        lines.append("bounds from unknown sounds: they contradict each other; echoes were taken for direct sounds")
    silent = [b.mics for b in bounds if b.seen_us is None]
    if silent:
        pairs = ", ".join(f"{layout.mic_names[i]}-{layout.mic_names[j]}" for i, j in silent)
        lines.append(f"bounds of {pairs}: no sound was clear enough in both channels")
    return lines


def exchange_words(order: Order, layout: Layout) -> str:
    """An order of channels in words: "exchange of channels 2 and 3"."""
    moved = [str(layout.mic_channels[k]) for k, source in enumerate(order) if k != source]
    return f"exchange of channels {', '.join(moved[:-1])} and {moved[-1]}" if moved else "no exchange"
