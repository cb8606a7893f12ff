"""One simulated recording with its truth: a sound, a room, the noise of the cabin, microphones that overload.

Everything random comes from the caller's generator, in separate streams for the cabin and the event: with the same seed
the cabin sounds the same, sample by sample, whatever the event or its level.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import ConfigError
from trad_array.records import FloatArray, Recording
from trad_array.simulation.cabin import cabin_noise, through_room
from trad_array.simulation.negatives import NEGATIVE_KINDS, negative, typical_seconds
from trad_array.simulation.places import event_places, noise_places, room_box
from trad_array.simulation.rooms import Responses, room_responses
from trad_array.simulation.sounds import SHORTEST_S, vent
from trad_array_geometry import Layout, speed_of_sound, travel_times

# Level of the cabin's noise, dB re full scale, mean over microphones. With an ICS-43434 (94 dB SPL = -26 dBFS rms,
# 120 dB SPL = full scale) this is 75 dB SPL.
NOISE_DBFS = -45.0
# Noise that comes first, when nothing else is asked for: enough for a tracked floor to settle.
LEAD_S = 2.0

_BAND_HZ = (2_000.0, 7_000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A simulated recording and what is true about it.

    recording : Recording, float32, (layout.n_mics, n); clipped to +-1, the microphones' overload
    truth : JSON values, see `simulate_scene`
    event : (layout.n_mics, n), float32, the event alone before the microphones overload, or None; mixed with the rest
        of the recording at another level, it saves simulating it again
    """

    recording: Recording
    truth: dict[str, Any]
    event: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Room:
    """The room around the microphones.

    box_m : (2, 3), m; mics : (n_mics, 3), m; rt60_s : s, requested; fs : Hz; speed_of_sound : m/s
    """

    box_m: NDArray[np.float64]
    mics: NDArray[np.float64]
    rt60_s: float
    fs: int
    speed_of_sound: float

    def responses(self, sources: NDArray[np.float64], rng: np.random.Generator) -> Responses:
        return room_responses(
            self.box_m,
            sources,
            self.mics,
            rt60_s=self.rt60_s,
            fs=self.fs,
            speed_of_sound=self.speed_of_sound,
            rng=rng,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Event:
    """What sounds and when.

    signals : (n_places, n), float32, each place its own signal
    start : sample at which they are emitted
    active : samples until it is over
    arrival_s : s, travel time to the first microphone
    """

    signals: NDArray[np.float32]
    start: int
    active: int
    arrival_s: float

    def times(self, fs: int) -> dict[str, float]:
        """When the first microphone hears its beginning and its end, s."""
        return {
            "onset_s": round(self.start / fs + self.arrival_s, 6),
            "end_s": round((self.start + self.active) / fs + self.arrival_s, 6),
        }


def simulate_scene(
    layout: Layout,
    *,
    rng: np.random.Generator,
    cell: str | None = None,
    negative: str | None = None,
    rt60_s: float = 0.4,
    snr_db: float = 0.0,
    seconds: float = 10.0,
    onset_s: float | None = None,
    duration_s: float | None = None,
    temperature_c: float | None = None,
    fs: int = 16_000,
    source_m: tuple[float, float, float] | None = None,
    noise_dbfs: float = NOISE_DBFS,
    fan_speed: float = 1.0,
    sound: FloatArray | None = None,
) -> Scene:
    """Simulate what the microphones of a layout hear while a cell vents, something else sounds, or nothing does.

    Parameters
    ----------
    layout : Layout
        With a room.
    rng : numpy.random.Generator
    cell : str or None
        Name of the cell that vents.
    negative : str or None
        One of `NEGATIVE_KINDS` instead. With neither, only the cabin's noise is heard, and what describes an
        event is not used.
    rt60_s : float, s
        Reverberation time to aim at, 0.15 to 1.5, or 0 for no walls; the truth says what was measured.
    snr_db : float, dB
        Full band, at the microphones: mean power over microphones from onset to end, against the same stretch of noise.
    seconds : float, s
        Length of the recording.
    onset_s : float or None, s
        When the first microphone hears it; None draws it so that two seconds of noise come first, if there is room.
    duration_s : float or None, s
        How long the source sounds (a door and a contactor end earlier by themselves); None draws it.
    temperature_c : float or None, degrees Celsius
        Of the air, instead of the layout's.
    fs : int, Hz
    source_m : (3,) or None, m
        Where it sounds instead of at the valve or at a drawn place.
    noise_dbfs : float, dB re full scale
        Level of the noise, mean over microphones.
    fan_speed : float
        Factor on the speed of the fans.
    sound : array, shape (n,), or None
        What sounds, mono, at `fs`, instead of a simulated sound: a recording, say. `negative` is then any name for it,
        and `source_m` says where it sounds. It is cut to `duration_s`.

    Returns
    -------
    Scene
        Its truth holds `kind` ("vent", a negative kind or "normal"), `simulated`, `cell`, `source_m`; `onset_s` (the
        arrival at the first microphone, not the emission) and `end_s` (there too, when 99.9 % of the source's energy
        is out; echoes last longer); `snr_db` and `snr_2_7khz_db` (before clipping); `rt60_requested_s` and `rt60_s`
        (measured on the responses of the noise sources); `temperature_c`, `speed_of_sound_m_s`, `layout`, `fs`,
        `seconds`, `noise_dbfs`, `fan_speed`, `noise_sources`, `clipped` (samples of each microphone). What does not
        apply is None.

    Raises
    ------
    ConfigError
        If the settings do not go together or are out of range.
    LayoutError
        If the layout has no room or no such cell, a place is outside the room, or the temperature out of range.
    MissingExtra
        If pyroomacoustics is not installed.
    """
    n = _check(
        cell,
        None if sound is not None else negative,
        seconds=seconds,
        fs=fs,
        snr_db=snr_db,
        duration_s=duration_s,
        noise_dbfs=noise_dbfs,
    )
    if not 0.2 <= fan_speed <= 5.0:
        raise ConfigError(f"fan_speed: expected 0.2 to 5, found {fan_speed:g}")
    air_c = layout.temperature_c if temperature_c is None else temperature_c
    room = _Room(room_box(layout), layout.mics, rt60_s, fs, speed_of_sound(air_c))
    kind = "normal" if cell is None and negative is None else negative or "vent"
    place_rng, cabin_rng, event_rng = rng.spawn(3)
    names, noise_at = noise_places(layout)
    cabin = room.responses(noise_at, cabin_rng)
    heard = cabin_noise(cabin_rng, cabin, n=n, noise_dbfs=noise_dbfs, fan_speed=fan_speed)
    truth: dict[str, Any] = {
        "kind": kind,
        "simulated": True,
        "cell": cell,
        **dict.fromkeys(("onset_s", "end_s", "snr_db", "snr_2_7khz_db", "source_m")),
        "rt60_requested_s": rt60_s,
        "rt60_s": round(cabin.rt60_s, 4),
        "temperature_c": air_c,
        "speed_of_sound_m_s": room.speed_of_sound,
        "layout": layout.id,
        "fs": fs,
        "seconds": n / fs,
        "noise_dbfs": round(_level_db(heard), 3),
        "fan_speed": fan_speed,
        "noise_sources": [{"name": name, "position_m": _rounded(at)} for name, at in zip(names, noise_at, strict=True)],
    }
    alone = None
    if kind != "normal":
        at = event_places(layout, kind, cell=cell, source_m=source_m, rng=place_rng)
        travel_s = travel_times(at, layout.mics, speed_of_sound=room.speed_of_sound)
        event = _make_event(
            kind, travel_s, rng=event_rng, fs=fs, seconds=n / fs, onset_s=onset_s, duration_s=duration_s, sound=sound
        )
        sound = through_room(event.signals, room.responses(at, event_rng).impulse, n, start=event.start)
        sound, ratios = _at_snr(sound, heard, event, fs=fs, snr_db=snr_db)
        heard, alone = heard + sound, sound.astype(np.float32)
        truth |= {**ratios, **event.times(fs), "source_m": _rounded(at[0]) if len(at) == 1 else None}
    truth["clipped"] = [int(count) for count in (np.abs(heard) > 1.0).sum(axis=1)]
    samples = np.clip(heard, -1.0, 1.0).astype(np.float32)
    return Scene(Recording(samples, fs, source=f"simulated {kind}"), truth, alone)


def _rounded(at: NDArray[np.float64]) -> list[float]:
    return [round(float(v), 4) for v in at]


def _check(
    cell: str | None,
    negative: str | None,
    *,
    seconds: float,
    fs: int,
    snr_db: float,
    duration_s: float | None,
    noise_dbfs: float,
) -> int:
    """Length of the recording in samples, after a look at the settings that concern only one another."""
    if cell is not None and negative is not None:
        raise ConfigError(f"cell, negative: expected at most one of them, found {cell!r} and {negative!r}")
    if negative is not None and negative not in NEGATIVE_KINDS:
        raise ConfigError(f"negative: expected one of {', '.join(NEGATIVE_KINDS)}, found {negative!r}")
    if not 8_000 <= fs <= 192_000:
        raise ConfigError(f"fs: expected 8000 to 192000 Hz, found {fs}")
    for name, value, low, high in (
        ("seconds", seconds, 0.1, 600.0),
        ("snr_db", snr_db, -80.0, 80.0),
        ("noise_dbfs", noise_dbfs, -80.0, -10.0),
        ("duration_s", SHORTEST_S if duration_s is None else duration_s, SHORTEST_S, seconds),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{name}: expected {low:g} to {high:g}, found {value:g}")
    return round(seconds * fs)


def _make_event(
    kind: str,
    travel_s: NDArray[np.float64],
    *,
    rng: np.random.Generator,
    fs: int,
    seconds: float,
    onset_s: float | None,
    duration_s: float | None,
    sound: FloatArray | None,
) -> _Event:
    """Draw the sound of each place, and when it starts."""
    arrival_s, slack_s = float(travel_s.min()), float(travel_s.max())
    room_s = seconds - slack_s - (0.0 if onset_s is None else onset_s)
    if duration_s is None and sound is not None:
        duration_s = min(len(sound) / fs, seconds - slack_s - (onset_s or 0.0))
    if duration_s is None:
        drawn = rng.uniform(1.0, 4.0) if kind == "vent" else typical_seconds(kind, rng)
        lead_s = min(LEAD_S, 0.5 * seconds) if onset_s is None else 0.0
        duration_s = max(min(float(drawn), room_s - lead_s), SHORTEST_S)
    latest_s = seconds - slack_s - duration_s
    if onset_s is None:
        onset_s = float(rng.uniform(max(min(LEAD_S, latest_s), arrival_s), max(latest_s, arrival_s)))
    if not arrival_s - 1.0 / fs <= onset_s <= latest_s + arrival_s:
        raise ConfigError(
            f"onset_s: expected {arrival_s:.3f} to {latest_s:.3f} s for a sound of {duration_s:g} s in {seconds:g} s, "
            f"found {onset_s:g}"
        )
    if sound is not None:
        signals = sound[None, : round(duration_s * fs)].astype(np.float32)
    elif kind == "vent":
        signals = np.stack([vent(rng, fs=fs, seconds=duration_s, repeat=bool(rng.random() < 0.2))])
    else:
        signals = np.stack([negative(kind, rng, fs=fs, seconds=duration_s) for _ in travel_s])
    return _Event(signals, max(round((onset_s - arrival_s) * fs), 0), _active(signals), arrival_s)


def _active(signals: FloatArray) -> int:
    """Samples until 99.9 % of the energy is out."""
    energy = np.cumsum((signals.astype(np.float64) ** 2).sum(axis=0))
    return int(np.searchsorted(energy, 0.999 * energy[-1])) + 1


def _at_snr(
    sound: NDArray[np.float64], noise: NDArray[np.float64], event: _Event, *, fs: int, snr_db: float
) -> tuple[NDArray[np.float64], dict[str, float]]:
    """The event at the level asked for, and its ratios to the noise while it lasts."""
    first = event.start + int(event.arrival_s * fs)
    stretch = slice(first, first + event.active)
    gain = 10 ** ((snr_db - _level_db(sound[:, stretch]) + _level_db(noise[:, stretch])) / 20)
    sound = sound * gain
    band_db = _level_db(sound[:, stretch], fs=fs, band_hz=_BAND_HZ) - _level_db(
        noise[:, stretch], fs=fs, band_hz=_BAND_HZ
    )
    full_db = _level_db(sound[:, stretch]) - _level_db(noise[:, stretch])
    return sound, {"snr_db": round(full_db, 3) + 0.0, "snr_2_7khz_db": round(band_db, 3) + 0.0}


def _level_db(samples: NDArray[np.float64], *, fs: int = 0, band_hz: tuple[float, float] | None = None) -> float:
    """Mean power over microphones, dB re full scale squared, of the whole or of one band."""
    if band_hz is None:
        return float(10 * np.log10(np.mean(samples**2)))
    power = np.abs(scipy.fft.rfft(samples, axis=1)) ** 2
    frequencies = scipy.fft.rfftfreq(samples.shape[1], 1.0 / fs)
    within = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    return float(10 * np.log10(2.0 * power[:, within].sum() / samples.shape[0] / samples.shape[1] ** 2))
