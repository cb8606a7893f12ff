"""How often is the right cell named? The script that one writes without `trad_array.study`.

Made to be short and not to be slow: responses and cabin noise are made once and kept, spectra are taken once for each
microphone, lengths suit the transforms. One event after the other in plain NumPy and SciPy.
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.simulation.cabin import cabin_noise
from trad_array.simulation.places import noise_places, room_box
from trad_array.simulation.rooms import room_responses
from trad_array_geometry import Layout

FS = 16_000
PRE_ROLL_S, NOISE_S = 2.0, 30.0
JETS_M = (0.0, 0.05)
UPSAMPLE = 8
BAND_HZ = (1000.0, 7500.0)
# The layout file is wrong by so much, M1: air, microphones, channels.
AIR_K, MIC_M, SKEW_S = 10.0, 0.005, 30e-6


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """layout : as it is; file : as its file says, wrong once for all events, so that what is made of it is kept;
    responses : (n_cells, n_jets, n_mics, n); noise : (n_mics, n).
    """

    layout: Layout
    file: Layout
    responses: NDArray[np.float32]
    noise: NDArray[np.float32]


def make_room(layout: Layout, *, rt60_s: float, seed: int) -> Room:
    """Responses of every cell, and half a minute of cabin noise."""
    rng = np.random.default_rng(seed)
    jets = np.array(JETS_M)[:, None] * np.array([0.0, 0.0, 1.0])
    sources = (layout.cells[:, None] + jets).reshape(-1, 3)
    _, noisy = noise_places(layout)
    c = layout.speed_of_sound
    heard, cabin = (
        room_responses(room_box(layout), at, layout.mics, rt60_s=rt60_s, fs=FS, speed_of_sound=c, rng=rng)
        for at in (sources, noisy)
    )
    noise = cabin_noise(rng, cabin, n=round(NOISE_S * FS), noise_dbfs=-45.0, fan_speed=1.0)
    by_cell = heard.impulse.reshape(layout.n_cells, len(JETS_M), layout.n_mics, -1)
    return Room(layout, wrong_file(layout, rng), by_cell, noise.astype(np.float32))


def wrong_file(layout: Layout, rng: np.random.Generator) -> Layout:
    """The layout as its file says it is."""
    away = rng.standard_normal(layout.mics.shape)
    return replace(
        layout,
        mics=layout.mics + MIC_M * away / np.linalg.norm(away, axis=1, keepdims=True),
        mic_delay_s=layout.mic_delay_s + SKEW_S * rng.choice([-1.0, 1.0], layout.n_mics),
        temperature_c=layout.temperature_c + AIR_K * rng.choice([-1.0, 1.0]),
    )


def hiss(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """A hiss with a broad hump."""
    spectrum = scipy.fft.rfft(rng.standard_normal(n))
    over_peak = scipy.fft.rfftfreq(n, 1 / FS) / np.exp(rng.uniform(*np.log((2500.0, 6000.0))))
    return scipy.fft.irfft(spectrum * over_peak / np.sqrt(1 + over_peak**4), n)


def event(
    room: Room, rng: np.random.Generator, *, snr_db: float, duration_s: float
) -> tuple[int, NDArray[np.float32], int]:
    """Cell, sound of an event with two seconds of noise before it, (n_mics, n), and the sample where it begins."""
    from scipy.signal import fftconvolve

    cell, jet = int(rng.integers(room.layout.n_cells)), int(rng.integers(len(JETS_M)))
    n, onset = round(duration_s * FS), round(PRE_ROLL_S * FS)
    begin = int(rng.integers(room.noise.shape[1] - onset - n))
    samples = room.noise[:, begin : begin + onset + n].copy()
    sound = fftconvolve(hiss(rng, n)[None], room.responses[cell, jet], axes=-1)
    source = room.layout.cells[cell] + (0.0, 0.0, JETS_M[jet])
    nearest_m = np.linalg.norm(room.layout.mics - source, axis=1).min()
    early = int(nearest_m / room.layout.speed_of_sound * FS)
    sound = sound[:, early : early + n]
    loud = np.sqrt(10 ** (snr_db / 10) * np.mean(samples[:, onset:] ** 2) / np.mean(sound**2))
    samples[:, onset:] += loud * sound
    return cell, samples, onset


def name_cell(cut: NDArray[np.float32], file: Layout) -> int:
    """GCC-PHAT of each pair of microphones, summed over the pairs at the delays of every cell: the loudest cell."""
    travel_s = np.linalg.norm(file.cells[:, None] - file.mics, axis=-1) / file.speed_of_sound + file.mic_delay_s
    n = scipy.fft.next_fast_len(2 * cut.shape[1], real=True)
    spectra = scipy.fft.rfft(cut.astype(np.float64), n)
    frequencies = scipy.fft.rfftfreq(n, 1 / FS)
    in_band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
    power = np.zeros(file.n_cells)
    for i, j in combinations(range(file.n_mics), 2):
        cross = spectra[i] * np.conj(spectra[j])
        phase = in_band * cross / (np.abs(cross) + 1e-20)
        correlation = scipy.fft.irfft(phase, UPSAMPLE * n)
        lags = np.round((travel_s[:, i] - travel_s[:, j]) * FS * UPSAMPLE).astype(int)
        power += correlation[lags]
    return int(power.argmax())
