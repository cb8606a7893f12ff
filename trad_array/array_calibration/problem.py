"""What is not known exactly, what is believed of it beforehand, and what follows for the arrival times.

One sound s is heard by microphone k at

    t_sk = |p_s + o_s + h z - m_k| / c + d_k + e_s

p_s: the named place; o_s: how far beside it the sound was really made; h: common height of sounds made above valves;
m_k: microphone; c: speed of sound; d_k: delay of the channel; e_s: when it was emitted, of which nothing is known.
Every other unknown has a Gaussian belief, so the problem always has one answer, however few the sounds are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.array_calibration.known import KnownSound
from trad_array_geometry import Layout
from trad_array_geometry.air import speed_sigma

# A calibration must be able to correct a layout that is too sure of itself: never believe it more than this (our
# choice: a tape measure in a cabin, two samples of skew at 16 kHz, the air of another season).
FLOOR_M, FLOOR_S, FLOOR_C = 0.020, 150e-6, 8.0
# A finger or a phone is 0 to 50 mm above the valve.
HEIGHT_M, HEIGHT_SIGMA_M = 0.02, 0.015
# Error of one arrival time: correlation peaks, bodies that are no points, microphones that are no points (our choice).
ARRIVAL_SIGMA_S = 12e-6


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """Standard deviations of what is believed beforehand; the means are the layout's.

    mic_m : (n_mics,); delay_s : (n_mics,); speed_m_s, height_m : numbers
    """

    mic_m: NDArray[np.float64]
    delay_s: NDArray[np.float64]
    speed_m_s: float
    height_m: float = HEIGHT_SIGMA_M

    @classmethod
    def of(cls, layout: Layout) -> "Beliefs":
        """As the layout says."""
        return cls(
            layout.mic_sigma_m,
            layout.mic_delay_sigma_s,
            speed_sigma(layout.temperature_c, layout.temperature_sigma_c),
        )

    @classmethod
    def for_calibration(cls, layout: Layout) -> "Beliefs":
        """As the layout says, but never surer than 20 mm, 150 us and 8 degrees."""
        return cls(
            np.maximum(layout.mic_sigma_m, FLOOR_M),
            np.maximum(layout.mic_delay_sigma_s, FLOOR_S),
            speed_sigma(layout.temperature_c, max(layout.temperature_sigma_c, FLOOR_C)),
        )

    def with_mic(self, mic: int, *, sigma_m: float | None = None, delay_s: float | None = None) -> "Beliefs":
        """The same with another belief about one microphone."""
        mic_m, delays = self.mic_m.copy(), self.delay_s.copy()
        mic_m[mic] = mic_m[mic] if sigma_m is None else sigma_m
        delays[mic] = delays[mic] if delay_s is None else delay_s
        return replace(self, mic_m=mic_m, delay_s=delays)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """One value for everything that is not known.

    mics : (n_mics, 3), m; delays_s : (n_mics,), s; speed_m_s : m/s; height_m : m; aside_m : (n_sounds, 3), m
    """

    mics: NDArray[np.float64]
    delays_s: NDArray[np.float64]
    speed_m_s: float
    height_m: float
    aside_m: NDArray[np.float64]


class Problem:
    """The unknowns of one calibration as a vector of numbers that all have mean 0 and deviation 1 beforehand.

    Order: microphones (x, y, z of the first, ...), channel delays, speed of sound, height, offsets of the sounds.
    """

    def __init__(self, layout: Layout, sounds: Sequence[KnownSound], beliefs: Beliefs) -> None:
        self.layout, self.sounds, self.beliefs = layout, tuple(sounds), beliefs
        self.n_mics, self.n_sounds = layout.n_mics, len(sounds)
        self.places = np.array([sound.position_m for sound in sounds]).reshape(-1, 3)
        self.lifted = np.array([float(sound.lifted) for sound in sounds])
        self.aside_sigma_m = np.array([sound.sigma_m for sound in sounds])
        self.scale = np.concatenate(
            [
                np.repeat(beliefs.mic_m, 3),
                beliefs.delay_s,
                [beliefs.speed_m_s, beliefs.height_m],
                np.repeat(self.aside_sigma_m, 3),
            ]
        )

    @property
    def n_array(self) -> int:
        """Number of unknowns that belong to the array: positions, delays and the speed of sound."""
        return 4 * self.n_mics + 1

    def state(self, unknowns: NDArray[np.float64]) -> State:
        """What the vector stands for."""
        value = unknowns * self.scale
        n = self.n_mics
        return State(
            mics=self.layout.mics + value[: 3 * n].reshape(n, 3),
            delays_s=self.layout.mic_delay_s + value[3 * n : 4 * n],
            speed_m_s=self.layout.speed_of_sound + float(value[4 * n]),
            height_m=HEIGHT_M + float(value[4 * n + 1]),
            aside_m=value[4 * n + 2 :].reshape(self.n_sounds, 3),
        )

    def arrivals(self, state: State) -> NDArray[np.float64]:
        """Expected arrival times but for the time of emission, (n_sounds, n_mics), s."""
        way = self._ways(state)
        expected: NDArray[np.float64] = np.linalg.norm(way, axis=2) / state.speed_m_s + state.delays_s
        return expected

    def slopes(self, state: State) -> NDArray[np.float64]:
        """Derivative of `arrivals` by the unknowns, (n_sounds, n_mics, n_unknowns), s."""
        n, way = self.n_mics, self._ways(state)
        distance = np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-6)
        by_place = way / distance / state.speed_m_s
        slopes = np.zeros((self.n_sounds, n, len(self.scale)))
        for k in range(n):
            slopes[:, k, 3 * k : 3 * k + 3] = -by_place[:, k]
            slopes[:, k, 3 * n + k] = 1.0
        slopes[:, :, 4 * n] = -distance[:, :, 0] / state.speed_m_s**2
        slopes[:, :, 4 * n + 1] = by_place[:, :, 2] * self.lifted[:, None]
        for s in range(self.n_sounds):
            first = 4 * n + 2 + 3 * s
            slopes[s, :, first : first + 3] = by_place[s]
        scaled: NDArray[np.float64] = slopes * self.scale
        return scaled

    def _ways(self, state: State) -> NDArray[np.float64]:
        """From every microphone to every sound, (n_sounds, n_mics, 3), m."""
        lift = np.zeros((self.n_sounds, 3))
        lift[:, 2] = self.lifted * state.height_m
        ways: NDArray[np.float64] = (self.places + lift + state.aside_m)[:, None, :] - state.mics[None]
        return ways


def without_emission(values: NDArray[np.float64], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values less their weighted mean over the microphones (second axis); weight 0 leaves a value out of the mean."""
    w = weights.reshape(weights.shape + (1,) * (values.ndim - 2))
    total = np.maximum(w.sum(axis=1, keepdims=True), 1e-12)
    mean = (np.where(w > 0, values, 0.0) * w).sum(axis=1, keepdims=True) / total
    less: NDArray[np.float64] = np.where(w > 0, values - mean, 0.0)
    return less
