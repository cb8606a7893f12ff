"""A chirp from a loudspeaker at a known place: does every microphone hear it as loud and as late as it should?

Pure: what was recorded goes in, what was found comes out. `audio/loudspeaker.py` plays and records.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import AudioError, ConfigError
from trad_array.records import FloatArray
from trad_array_geometry import Layout

# How finely the place of a peak is looked for, steps in a sample.
_STEPS = 8


@dataclass(frozen=True, slots=True)
class ChirpRule:
    """The sound, and when a microphone is wrong (our choice).

    low_hz, high_hz, length_s : of the chirp, whose frequency rises exponentially
    heard_db : dB, that its peak stands over the rest of the channel after compression
    early : share of a channel's largest peak that counts as the first arrival; echoes may be larger
    gain_db : dB, off the other microphones, after the distance is allowed for
    delay_s : s, off the other microphones
    speed : share, off the layout's speed of sound
    believed_speed : share, beyond which a fit of the speed is not believed, and the layout's is taken
    """

    low_hz: float = 500.0
    high_hz: float = 7_000.0
    length_s: float = 0.5
    heard_db: float = 20.0
    early: float = 0.5
    gain_db: float = 6.0
    delay_s: float = 50e-6
    speed: float = 0.03
    believed_speed: float = 0.1


_USUAL = ChirpRule()


@dataclass(frozen=True, slots=True)
class MicCheck:
    """What was found of one microphone.

    gain_db : dB over the middle of all, distance allowed for; None when it did not hear the chirp
    late_s : s that it hears later than it should, beside the middle of all; None likewise
    faults : what is wrong, one line each
    """

    name: str
    gain_db: float | None
    late_s: float | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelftestResult:
    """What a chirp showed.

    speed_m_s, speed_sigma_m_s : speed of sound that fits the arrival times best, and its standard error; None when
        fewer than three microphones can say
    faults : of the air and of the array as a whole
    """

    mics: tuple[MicCheck, ...]
    speed_m_s: float | None
    speed_sigma_m_s: float | None
    faults: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and not any(mic.faults for mic in self.mics)


def chirp(rule: ChirpRule, *, fs: int) -> NDArray[np.float32]:
    """The sound to play, (n,), full scale = 1, faded in and out.

    Exponential sweep of Farina, 2000.

    Raises
    ------
    ConfigError
        If the rate is too low for it.
    """
    if fs < 2.2 * rule.high_hz:
        raise ConfigError(f"expected a sample rate over {2.2 * rule.high_hz:.0f} Hz for the chirp, found {fs} Hz")
    n = round(rule.length_s * fs)
    share = np.arange(n) / n
    octaves = np.log(rule.high_hz / rule.low_hz)
    phase = 2 * np.pi * rule.low_hz * rule.length_s / octaves * (np.exp(share * octaves) - 1.0)
    fade = np.minimum(1.0, np.minimum(share, 1.0 - share) * 20.0)
    sound: NDArray[np.float32] = (0.7 * np.sin(0.5 * np.pi * fade) ** 2 * np.sin(phase)).astype(np.float32)
    return sound


def judge_chirp(
    samples: FloatArray, layout: Layout, place_m: Sequence[float] | FloatArray, *, fs: int, rule: ChirpRule = _USUAL
) -> SelftestResult:
    """What a recording of one chirp says about the array.

    Parameters
    ----------
    samples : (n_mics, n), full scale = 1
    place_m : (3,), m, of the loudspeaker

    Raises
    ------
    AudioError
        If the recording is shorter than the chirp or has another number of channels.
    """
    sound = chirp(rule, fs=fs)
    if samples.shape[0] != layout.n_mics or samples.shape[1] < len(sound):
        raise AudioError(
            f"selftest: expected {layout.n_mics} channels of at least {len(sound)} samples, found {samples.shape}"
        )
    distance_m = np.linalg.norm(layout.mics - np.asarray(place_m), axis=1)
    due_s = distance_m / layout.speed_of_sound + layout.mic_delay_s
    compressed = _compressed(samples, sound, fs=fs, rule=rule)
    heard = _heard(compressed, rule)
    if not heard.any():
        mics = tuple(MicCheck(name, None, None, (_DEAF,)) for name in layout.mic_names)
        return SelftestResult(mics, None, None, ("no microphone hears the chirp: is the loudspeaker on?",))
    at_s, height = _arrivals(compressed, heard, due_s, fs=fs, rule=rule)
    level_db = 20 * np.log10(height * distance_m)
    gain_db = level_db - np.median(level_db[heard])
    at_s = at_s - layout.mic_delay_s
    air = _air(at_s, distance_m, heard, layout.speed_of_sound, rule)
    late_s = at_s - air.began_s - distance_m / air.speed_m_s
    mics = tuple(
        _mic(name, bool(heard[k]), float(gain_db[k]), float(late_s[k]), rule) for k, name in enumerate(layout.mic_names)
    )
    if air.sigma_m_s is None:
        return SelftestResult(mics, None, None, ())
    return SelftestResult(mics, air.speed_m_s, air.sigma_m_s, _air_faults(air, layout, rule))


_DEAF = "does not hear the chirp"


@dataclass(frozen=True, slots=True)
class _Air:
    """When the chirp began, s of the recording, and the speed of sound; no sigma when that is the layout's."""

    began_s: float
    speed_m_s: float
    sigma_m_s: float | None


def _compressed(samples: FloatArray, sound: FloatArray, *, fs: int, rule: ChirpRule) -> NDArray[np.float64]:
    """How well the chirp fits at every moment, (n_mics, n * _STEPS); 1 for the chirp itself."""
    n = samples.shape[1] + len(sound)
    played = np.fft.rfft(sound.astype(np.float64), n)
    # Inside the band all frequencies count alike, so that the peak is narrow; towards its ends less.
    octave = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / fs), 1.0) / rule.low_hz) / np.log2(rule.high_hz / rule.low_hz)
    weight = np.where((octave > 0.0) & (octave < 1.0), np.sin(np.pi * np.clip(octave, 0.0, 1.0)) ** 2, 0.0)
    inverse = weight * np.conj(played) / np.maximum(np.abs(played) ** 2, 1e-12)
    fine = np.fft.irfft(np.fft.rfft(samples, n, axis=1) * inverse, n * _STEPS, axis=1)
    size: NDArray[np.float64] = np.abs(fine[:, : samples.shape[1] * _STEPS])
    size *= n * _STEPS / (2.0 * float(weight.sum()))
    return size


def _heard(compressed: NDArray[np.float64], rule: ChirpRule) -> NDArray[np.bool_]:
    rest = np.sqrt((compressed**2).mean(axis=1))
    return np.asarray(compressed.max(axis=1) > 10 ** (rule.heard_db / 20) * np.maximum(rest, 1e-12))


def _arrivals(
    compressed: NDArray[np.float64], heard: NDArray[np.bool_], due_s: FloatArray, *, fs: int, rule: ChirpRule
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First arrival of each channel, s, and its height, both (n_mics,)."""
    per_s = fs * _STEPS
    # The moment that all agree on, when each is moved by what it should be late; then each for itself, near it.
    shift = np.round((due_s - due_s.min()) * per_s).astype(int)
    n = compressed.shape[1] - int(shift.max())
    together = np.sum([compressed[k, shift[k] : shift[k] + n] / compressed[k].max() for k in np.flatnonzero(heard)], 0)
    begin = int(together.argmax())
    reach = round(0.005 * per_s)
    at_s, height = np.zeros(len(due_s)), np.ones(len(due_s))
    for k in np.flatnonzero(heard):
        first = max(0, begin + int(shift[k]) - reach)
        near = compressed[k, first : first + 2 * reach]
        over = int(np.argmax(near >= rule.early * near.max()))
        # Up from there to the top of this arrival, within half a period of the chirp's middle.
        top = over + int(near[over : over + round(per_s / (rule.low_hz + rule.high_hz))].argmax())
        at_s[k], height[k] = (first + top) / per_s, near[top]
    return at_s, height


def _mic(name: str, heard: bool, gain_db: float, late_s: float, rule: ChirpRule) -> MicCheck:
    if not heard:
        return MicCheck(name, None, None, (_DEAF,))
    faults: list[str] = []
    if abs(gain_db) > rule.gain_db:
        faults.append(f"hears it {abs(gain_db):.1f} dB {'louder' if gain_db > 0 else 'quieter'} than the others")
    if abs(late_s) > rule.delay_s:
        faults.append(f"hears it {1e6 * abs(late_s):.0f} us {'later' if late_s > 0 else 'earlier'} than the others")
    return MicCheck(name, gain_db, late_s, tuple(faults))


def _air(at_s: FloatArray, distance_m: FloatArray, heard: NDArray[np.bool_], speed_m_s: float, rule: ChirpRule) -> _Air:
    """The straight line through the arrivals: of all that heard it, or of all but one if only then they agree."""
    all_of = np.flatnonzero(heard)
    choices = [all_of, *(all_of[all_of != k] for k in all_of)] if len(all_of) > 3 else [all_of]
    fits = [_line(at_s[who], distance_m[who]) for who in choices if len(who) >= 3]
    good = [
        (air, worst)
        for air, worst in fits
        if worst <= rule.delay_s / 2 and abs(air.speed_m_s / speed_m_s - 1.0) <= rule.believed_speed
    ]
    if good and good[0] == fits[0]:
        return good[0][0]
    if good:
        return min(good, key=lambda fit: fit[1])[0]
    return _Air(float(np.median((at_s - distance_m / speed_m_s)[heard])), speed_m_s, None)


def _line(at_s: FloatArray, distance_m: FloatArray) -> tuple[_Air, float]:
    """Beginning and speed that fit best, and how far the worst is off, s."""
    spread = distance_m - distance_m.mean()
    weight = max(float((spread**2).sum()), 1e-9)
    slowness = max(float((spread * at_s).sum()) / weight, 1e-9)
    left = at_s - at_s.mean() - slowness * spread
    error = float(np.sqrt((left**2).sum() / (len(at_s) - 2) / weight))
    began_s = float(at_s.mean() - slowness * distance_m.mean())
    return _Air(began_s, 1.0 / slowness, error / slowness**2), float(np.abs(left).max())


def _air_faults(air: _Air, layout: Layout, rule: ChirpRule) -> tuple[str, ...]:
    expected, sigma = layout.speed_of_sound, air.sigma_m_s or 0.0
    if abs(air.speed_m_s - expected) <= rule.speed * expected + 2 * sigma:
        return ()
    return (
        f"speed of sound: expected {expected:.1f} m/s as the layout says, found {air.speed_m_s:.1f} +- {sigma:.1f} m/s",
    )
