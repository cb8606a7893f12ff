"""What everyday sound tells about an array, and what it cannot tell.

Of a sound from an unknown place only one thing is sure: no pair of microphones hears it further apart than its distance
allows, |tau_ij - (d_i - d_j)| <= D_ij / c. Many sounds from many directions so bound the difference of two channel
delays from both sides; the bounds of all pairs tighten each other (shortest paths through difference constraints).
The loop tau_ij + tau_jk + tau_ki is 0 whatever the channel delays are, so it cannot see them. Known places - a fan at
a guard point, events that were named - are better: they go through the same fit as a person's sounds, with the
positions believed as they stand.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.arrivals import measure_arrivals
from trad_array.array_calibration.calibrate import Calibration, HeardSound, calibrate
from trad_array.array_calibration.known import FAN_SIGMA_M, KnownSound
from trad_array.array_calibration.problem import Beliefs
from trad_array.array_calibration.stretch import BAND_HZ, Stretch
from trad_array.array_calibration.swaps import Order
from trad_array.errors import AudioError, LayoutError
from trad_array.localization.gcc_phat import PhatSpec, pair_correlations
from trad_array.records import Recording
from trad_array_geometry import Layout, max_pair_delays, mic_pairs
from trad_array_geometry.air import speed_sigma

# All numbers are our choice.
_WINDOW_S = 0.5
# Channels may be this late; a peak beyond what the distance allows must be looked for somewhere.
_MARGIN_S = 10e-3
# A peak counts when it is this high; the bounds are taken where at least this many windows agree.
_CLEAR_PEAK, _AGREE = 0.15, 3
# Distances and speed of sound are right to so many standard deviations.
_SURE = 3.0
# Of a steady source this much is listened to.
_STEADY_S = 10.0
# A delay is observed when it is known at least this much better than before.
_OBSERVED = 0.5


@dataclass(frozen=True, slots=True)
class PairBound:
    """What sounds from unknown places say about the delay of the first channel of a pair against the second.

    mics : indices
    n_windows : stretches of half a second in which the pair heard one sound clearly
    seen_us : earliest and latest pair delay that several windows agree on, or None
    low_us, high_us : bounds on the difference of the channel delays, infinite where nothing bounds it
    """

    mics: tuple[int, int]
    n_windows: int
    seen_us: tuple[float, float] | None
    low_us: float
    high_us: float


@dataclass(frozen=True, slots=True, eq=False)
class AmbientResult:
    """What could be found without anybody making a sound.

    bounds : one for each pair
    broken : pairs whose sounds are further apart than the layout allows
    orders : when some are broken: exchanges of channels that would mend all
    calibration : the fit to known sources, or None without any
    observed : (n_mics,), whether the delay of the channel is now known better
    not_observable : one line for each thing that cannot be known from this
    """

    bounds: tuple[PairBound, ...]
    broken: tuple[tuple[int, int], ...]
    orders: tuple[Order, ...]
    calibration: Calibration | None
    observed: tuple[bool, ...]
    not_observable: tuple[str, ...]


def listen_ambient(
    recordings: Iterable[Recording], layout: Layout, *, guard: str | None = None, events: Sequence[HeardSound] = ()
) -> AmbientResult:
    """Look at everyday recordings, and at known sources among them.

    Parameters
    ----------
    guard : name of the guard point that is the loudest steady source in the recordings, or None
    events : from `sounds_from_events`

    Raises
    ------
    AudioError
        If a recording has another number of channels, or the steady source is not heard.
    LayoutError
        If the layout has no such guard point.
    """
    peaks: list[NDArray[np.float64]] = []
    known = list(events)
    for recording in recordings:
        if recording.samples.shape[0] != layout.n_mics:
            raise AudioError(
                f"{recording.source}: expected {layout.n_mics} channels, found {recording.samples.shape[0]}"
            )
        peaks += _window_peaks(recording, layout)
        if guard is not None:
            known.append(_steady_source(recording, layout, guard))
    bounds = _bounds(np.array(peaks).reshape(-1, len(mic_pairs(layout.n_mics))), layout)
    broken = tuple(b.mics for b in bounds if _is_broken(b, layout))
    found = None
    if known:
        found = calibrate(layout, known, beliefs=_delays_only(layout))
    observed = _observed(layout, found)
    return AmbientResult(
        bounds,
        broken,
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
    """Delay of the highest peak of every pair in each window, s, NaN where it is not clear; (n_pairs,) each."""
    size = round(_WINDOW_S * recording.fs)
    max_delay_s = float(max_pair_delays(layout.mics, speed_of_sound=layout.speed_of_sound).max()) + _MARGIN_S
    found = []
    for first in range(0, recording.samples.shape[1] - size + 1, size):
        window = recording.samples[:, first : first + size]
        delays_s, values = pair_correlations(
            window, fs=recording.fs, spec=PhatSpec(band_hz=BAND_HZ, upsample=4), max_delay_s=max_delay_s
        )
        best = values.argmax(axis=1)
        height = values[np.arange(len(values)), best]
        found.append(np.where(height > _CLEAR_PEAK, delays_s[best], np.nan))
    return found


def _allowed_us(layout: Layout) -> NDArray[np.float64]:
    """Largest delay of each pair that distance, its error and the air allow, us."""
    c, pairs = layout.speed_of_sound, mic_pairs(layout.n_mics)
    plain = max_pair_delays(layout.mics, speed_of_sound=c)
    position = np.linalg.norm(layout.mic_sigma_m[pairs], axis=1) / c
    air = plain * speed_sigma(layout.temperature_c, layout.temperature_sigma_c) / c
    return 1e6 * (plain + _SURE * np.hypot(position, air))


def _bounds(peaks_s: NDArray[np.float64], layout: Layout) -> tuple[PairBound, ...]:
    allowed, pairs, n = _allowed_us(layout), mic_pairs(layout.n_mics), layout.n_mics
    seen: list[tuple[float, float] | None] = []
    counts = []
    upper = np.full((n, n), np.inf)
    np.fill_diagonal(upper, 0.0)
    for p, (i, j) in enumerate(pairs):
        clear = np.sort(1e6 * peaks_s[np.isfinite(peaks_s[:, p]), p])
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
    return bound.low_us > bound.high_us or not bound.low_us - spread <= said <= bound.high_us + spread


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


def _steady_source(recording: Recording, layout: Layout, guard: str) -> HeardSound:
    """The steady sound of a recording as a sound at a guard point."""
    if guard not in layout.guard_names:
        known = ", ".join(layout.guard_names) or "none"
        raise LayoutError(f"{layout.id}: guard: expected one of {known}, found {guard!r}")
    place = layout.guards[layout.guard_names.index(guard)]
    n = min(round(_STEADY_S * recording.fs), recording.samples.shape[1])
    samples = recording.samples[:, :n]
    reach_s = float(max_pair_delays(layout.mics, speed_of_sound=layout.speed_of_sound).max()) + 1e-3
    # It never pauses: there is no noise without it to be taken off.
    stretch = Stretch(samples, np.zeros((layout.n_mics, 1024), dtype=np.float32), 0.0)
    arrivals = measure_arrivals(stretch, fs=recording.fs, max_delay_s=reach_s, label=guard)
    return HeardSound(KnownSound(guard, place, FAN_SIGMA_M, 0.0, 0.0, lifted=False), arrivals, 0.0)


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
    silent = [b.mics for b in bounds if b.seen_us is None]
    if silent:
        pairs = ", ".join(f"{layout.mic_names[i]}-{layout.mic_names[j]}" for i, j in silent)
        lines.append(f"bounds of {pairs}: no sound was clear enough in both channels")
    return lines


def exchange_words(order: Order, layout: Layout) -> str:
    """An order of channels in words: "exchange of channels 2 and 3"."""
    moved = [str(layout.mic_channels[k]) for k, source in enumerate(order) if k != source]
    return f"exchange of channels {', '.join(moved[:-1])} and {moved[-1]}" if moved else "no exchange"
