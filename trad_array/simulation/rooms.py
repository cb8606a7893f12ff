"""Impulse responses of box-shaped rooms, with the reverberation time measured on what was made.

The early part is exact mirror-image reflections, found by pyroomacoustics (this is the only module that imports it);
from `TRANSITION_S` on, a diffuse tail with an exponential envelope takes over, drawn for every source and microphone
from the caller's generator. pyroomacoustics has a ray tracer for the late part. It is not used here: it draws from
two generators that are global to that package, so that the same seed would not give the same room, and it costs 0.12 s
a response.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, MissingExtra
from trad_array.records import FloatArray
from trad_array_geometry import LayoutError, frozen_array, travel_times

# Reverberation times that can be asked for, s; 0 is a room without walls. The tests hold 0.2 to 0.8 s to 15 %.
RT60_RANGE_S = (0.15, 1.5)

# When the tail takes over, and over how long: later than every reflection that competes with the direct path in a
# localizer's window, and early enough to need a few hundred mirror images only. Our choice.
TRANSITION_S = 0.030
FADE_S = 0.010

# Fractional delays: half length in samples of the windowed sinc.
_SINC_HALF = 40
# Nearer than this a point source has no sensible level.
NEAREST_M = 0.005
# 60 dB in nepers: the energy falls as exp(-_DECAY_60 * t / rt60).
_DECAY_60 = 6.0 * np.log(10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Simulated impulse responses of one room.

    impulse : (n_sources, n_mics, n), float32; index = samples since emission, so that the direct sound of a source at
        d metres sits at d / speed_of_sound * fs (not rounded) with the height 1 / d
    rt60_s : s, measured on these responses (`measure_rt60`, median); 0 in a room without walls
    rt60_requested_s : s
    fs : Hz
    speed_of_sound : m/s
    """

    impulse: NDArray[np.float32]
    rt60_s: float
    rt60_requested_s: float
    fs: int
    speed_of_sound: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "impulse", frozen_array(self.impulse, np.float32))


@dataclass(frozen=True, slots=True)
class Walls:
    """What the walls do to sound.

    absorption : share of the energy that each reflection swallows
    decay_s : s, reverberation time of the diffuse tail
    """

    absorption: float
    decay_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Reflections:
    """Mirror images of one source, the source itself left out.

    images : (n_images, 3), m; gains : (n_images,), amplitude that is left after the walls
    """

    images: NDArray[np.float64]
    gains: NDArray[np.float64]


def room_responses(
    box_m: NDArray[np.float64],
    sources: NDArray[np.float64],
    mics: NDArray[np.float64],
    *,
    rt60_s: float,
    fs: int,
    speed_of_sound: float,
    rng: np.random.Generator,
) -> Responses:
    """Simulate the impulse responses from every source to every microphone in a box-shaped room.

    Parameters
    ----------
    box_m : array, shape (2, 3), m
        Lowest and highest corner of the room.
    sources, mics : array, shape (n_sources, 3) and (n_mics, 3), m
        Points inside the room.
    rt60_s : float, s
        Reverberation time to aim at, 0.15 to 1.5 s, or 0 for a room without walls.
    fs : int, Hz
    speed_of_sound : float, m/s
    rng : numpy.random.Generator
        Draws the late tails; the early part does not depend on it.

    Returns
    -------
    Responses
        With the reverberation time that was measured on them.

    Raises
    ------
    ConfigError
        If the reverberation time cannot be made, or a source is on top of a microphone.
    LayoutError
        If a point is outside the room.
    MissingExtra
        If pyroomacoustics is not installed.

    Notes
    -----
    Mirror images: Allen & Berkley, J. Acoust. Soc. Am. 65(4), 1979, with walls that swallow the same share of energy at
    every frequency and angle, by the formula of Eyring, J. Acoust. Soc. Am. 1, 1930. The tail is Gaussian noise whose
    energy per second is that of the mirror images of a diffuse field, ``4 pi c / V * exp(-13.8 t / T)`` at amplitude
    1 / d: its level follows from the room, nothing is fitted. Tails of different microphones are independent; in a
    diffuse field that holds above roughly c / (2 * distance). Air absorption, diffraction and furniture are left out.
    """
    _check(box_m, sources, mics, rt60_s)
    size = box_m[1] - box_m[0]
    walls = walls_for(box_m, rt60_s, speed_of_sound=speed_of_sound)
    reach_s = travel_times(sources, mics, speed_of_sound=speed_of_sound).max()
    n = int(np.ceil((reach_s + (1.1 * rt60_s + TRANSITION_S if walls else 0.0)) * fs)) + _SINC_HALF + 1
    impulse = _early(size, sources - box_m[0], mics - box_m[0], walls, n=n, fs=fs, speed_of_sound=speed_of_sound)
    if walls is None:
        return Responses(impulse.astype(np.float32), 0.0, rt60_s, fs, speed_of_sound)
    early_gain, tail_gain = _crossfade(n, fs)
    envelope = tail_gain * _diffuse_rms(size, walls.decay_s, n=n, fs=fs, speed_of_sound=speed_of_sound)
    impulse = impulse * early_gain + envelope * rng.standard_normal(impulse.shape)
    measured = [measure_rt60(response, fs) for response in impulse.reshape(-1, n)]
    return Responses(impulse.astype(np.float32), float(np.median(measured)), rt60_s, fs, speed_of_sound)


def measure_rt60(impulse: FloatArray, fs: int) -> float:
    """Reverberation time of one impulse response: T30, -5 to -35 dB of the decay curve, extrapolated to 60 dB.

    Parameters
    ----------
    impulse : array, shape (n,)
    fs : int, Hz

    Returns
    -------
    float, s; 0 when the curve falls by 35 dB within three samples, as in a room without walls

    Raises
    ------
    ConfigError
        If the response is silent.

    Notes
    -----
    Backward integration of Schroeder, J. Acoust. Soc. Am. 37(3), 1965; T30 by a straight line through the decay curve
    in decibels, as in ISO 3382-1 and ISO 3382-2. Over all frequencies, not per octave band.
    """
    energy = np.cumsum(np.asarray(impulse, dtype=np.float64)[::-1] ** 2)[::-1]
    if not energy[0] > 0:
        raise ConfigError("impulse: expected a sound in it, found silence")
    level_db = 10 * np.log10(np.maximum(energy / energy[0], 1e-30))
    start, stop = (int(np.argmax(level_db <= limit)) for limit in (-5.0, -35.0))
    if stop - start < 3:
        return 0.0
    slope = np.polyfit(np.arange(start, stop) / fs, level_db[start:stop], 1)[0]
    return float(-60.0 / slope)


def walls_for(box_m: NDArray[np.float64], rt60_s: float, *, speed_of_sound: float) -> Walls | None:
    """Walls that give a box-shaped room this reverberation time by Eyring's formula; None for 0, no walls at all.

    Parameters
    ----------
    box_m : array, shape (2, 3), m
    rt60_s : float, s
    speed_of_sound : float, m/s
    """
    return Walls(_eyring_absorption(box_m[1] - box_m[0], rt60_s, speed_of_sound), rt60_s) if rt60_s else None


def reflections(
    box_m: NDArray[np.float64], sources: NDArray[np.float64], walls: Walls | None, *, speed_of_sound: float
) -> list[Reflections]:
    """Mirror images of each source that a microphone anywhere in the room can hear before the tail takes over.

    They depend on the source alone, so one list serves every microphone.

    Parameters
    ----------
    box_m : array, shape (2, 3), m
    sources : array, shape (n_sources, 3), m
    walls : Walls or None
    speed_of_sound : float, m/s

    Raises
    ------
    MissingExtra
        If pyroomacoustics is not installed.
    """
    if walls is None:
        return [Reflections(np.empty((0, 3)), np.empty(0))] * len(sources)
    size = box_m[1] - box_m[0]
    found = []
    for images, gains, orders in _mirror_images(size, sources - box_m[0], size[None] / 2, walls, speed_of_sound):
        beyond_m = np.linalg.norm(np.maximum(np.maximum(-images, images - size), 0.0), axis=1)
        heard = (orders > 0) & (beyond_m < TRANSITION_S * speed_of_sound)
        found.append(Reflections(images[heard] + box_m[0], gains[heard]))
    return found


def direct_sound(distance_m: float, *, n: int, fs: int, speed_of_sound: float) -> NDArray[np.float64]:
    """Response of the straight path alone: height 1 / distance at distance / speed of sound; shape (n,)."""
    delay = np.array([distance_m / speed_of_sound * fs])
    return _pulses(delay, np.array([1.0 / distance_m]), n)


def early_response(
    source: NDArray[np.float64], mirrored: Reflections, mic: NDArray[np.float64], *, fs: int, speed_of_sound: float
) -> NDArray[np.float64]:
    """Direct sound, and what is left of the reflections until the tail has taken over.

    The same as the beginning of `room_responses`, but that the direct sound is never faded out, however far away.

    Parameters
    ----------
    source, mic : array, shape (3,), m
    mirrored : Reflections, of that source
    fs : int, Hz
    speed_of_sound : float, m/s

    Returns
    -------
    array, shape (n,), n depends on the distance
    """
    distance_m = float(np.linalg.norm(source - mic))
    n = int(max(TRANSITION_S, distance_m / speed_of_sound) * fs) + 2 * _SINC_HALF + 2
    early = np.zeros(n)
    if len(mirrored.gains):
        distances = np.linalg.norm(mirrored.images - mic, axis=1)
        heard = distances < TRANSITION_S * speed_of_sound
        distances = distances[heard]
        early = _pulses(distances / speed_of_sound * fs, mirrored.gains[heard] / distances, n) * _crossfade(n, fs)[0]
    return early + direct_sound(distance_m, n=n, fs=fs, speed_of_sound=speed_of_sound)


def tail_envelope(
    box_m: NDArray[np.float64], walls: Walls, *, n: int, fs: int, speed_of_sound: float
) -> NDArray[np.float64]:
    """Standard deviation of each sample of the late tail, 0 until it begins to take over; shape (n,)."""
    rms = _diffuse_rms(box_m[1] - box_m[0], walls.decay_s, n=n, fs=fs, speed_of_sound=speed_of_sound)
    return _crossfade(n, fs)[1] * rms


def _check(box_m: NDArray[np.float64], sources: NDArray[np.float64], mics: NDArray[np.float64], rt60_s: float) -> None:
    low, high = RT60_RANGE_S
    if rt60_s != 0 and not low <= rt60_s <= high:
        raise ConfigError(f"rt60_s: expected {low:g} to {high:g} s, or 0 for a room without walls, found {rt60_s:g}")
    for name, points in (("sources", sources), ("mics", mics)):
        outside = np.flatnonzero(~((points >= box_m[0]) & (points <= box_m[1])).all(axis=1))
        if len(outside):
            found = np.round(points[outside[0]], 3).tolist()
            raise LayoutError(
                f"{name}: expected points inside the room {box_m[0].tolist()} to {box_m[1].tolist()}, found {found}"
            )
    nearest = float(np.linalg.norm(sources[:, None] - mics[None], axis=-1).min())
    if nearest < NEAREST_M:
        raise ConfigError(f"sources: expected at least {NEAREST_M} m from a microphone, found {nearest:.4f} m")


def _eyring_absorption(size: NDArray[np.float64], rt60_s: float, speed_of_sound: float) -> float:
    """Share of the energy that the walls must swallow for this reverberation time in a diffuse field."""
    volume = float(np.prod(size))
    surface = float(2 * (size[0] * size[1] + size[1] * size[2] + size[2] * size[0]))
    return float(1.0 - np.exp(-4.0 * _DECAY_60 * volume / (speed_of_sound * surface * rt60_s)))


def _crossfade(n: int, fs: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gains of the mirror images and of the tail; the sum of their squares is 1 everywhere."""
    progress = np.clip((np.arange(n) / fs - (TRANSITION_S - FADE_S)) / FADE_S, 0.0, 1.0)
    return np.cos(progress * np.pi / 2), np.sin(progress * np.pi / 2)


def _diffuse_rms(
    size: NDArray[np.float64], decay_s: float, *, n: int, fs: int, speed_of_sound: float
) -> NDArray[np.float64]:
    """Standard deviation of each sample of a diffuse tail; shape (n,)."""
    power = 4.0 * np.pi * speed_of_sound / float(np.prod(size)) / fs
    rms: NDArray[np.float64] = np.sqrt(power * np.exp(-_DECAY_60 * np.arange(n) / fs / decay_s))
    return rms


def _early(
    size: NDArray[np.float64],
    sources: NDArray[np.float64],
    mics: NDArray[np.float64],
    walls: Walls | None,
    *,
    n: int,
    fs: int,
    speed_of_sound: float,
) -> NDArray[np.float64]:
    """Direct sound and mirror images up to the transition; shape (n_sources, n_mics, n).

    pyroomacoustics lists the images; the pulses are set here, in double precision, because its own builder delays every
    response by 40 samples, filters it, and takes both settings from a place that is global to the process.
    """
    impulse = np.zeros((len(sources), len(mics), n))
    for source, (images, gains, _) in enumerate(_mirror_images(size, sources, mics, walls, speed_of_sound)):
        for mic, position in enumerate(mics):
            distances = np.linalg.norm(images - position, axis=1)
            impulse[source, mic] = _pulses(distances / speed_of_sound * fs, gains / distances, n)
    return impulse


def _mirror_images(
    size: NDArray[np.float64],
    sources: NDArray[np.float64],
    mics: NDArray[np.float64],
    walls: Walls | None,
    speed_of_sound: float,
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]]:
    """Images of each source: positions (n_images, 3), gains and orders (n_images,); order 0 is the source itself."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise MissingExtra("pyroomacoustics", "sim") from error
    # A path of length d meets at most d * |1 / size| walls, plus one for each axis.
    reach_m = TRANSITION_S * speed_of_sound
    order = 0 if walls is None else int(np.ceil(reach_m * np.linalg.norm(1.0 / size))) + 2
    material = pyroomacoustics.Material(1.0 if walls is None else walls.absorption)
    room = pyroomacoustics.ShoeBox(size, materials=material, max_order=order)
    room.set_sound_speed(speed_of_sound)
    for position in sources:
        room.add_source(position)
    room.add_microphone_array(mics.T)
    room.image_source_model()
    return [
        (source.images.T.astype(np.float64), source.damping[0].astype(np.float64), source.orders.astype(np.intp))
        for source in room.sources
    ]


def _pulses(delays: NDArray[np.float64], gains: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Sum of band-limited pulses at fractional delays in samples; shape (n,).

    Hann-windowed sinc of 81 taps; shorter near sample 0, so that nothing sounds before it was emitted.
    """
    within = delays < n - _SINC_HALF
    delays, gains = delays[within, None], gains[within, None]
    first = np.floor(delays)
    half = np.clip(first, 2, _SINC_HALF)
    taps = first + np.arange(-_SINC_HALF, _SINC_HALF + 1)
    offset = taps - delays
    window = np.where(np.abs(offset) < half, np.cos(np.pi * offset / (2 * half)) ** 2, 0.0)
    used = taps >= 0
    weights = (gains * np.sinc(offset) * window)[used]
    return np.bincount(taps[used].astype(np.intp), weights, minlength=n)[:n].astype(np.float64)
