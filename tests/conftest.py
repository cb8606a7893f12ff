"""What many tests share: random numbers, layouts, and sounds with exact delays."""

import numpy as np
import pytest

from trad_array.records import Recording
from trad_array_geometry import Layout, layout_names, load_layout, travel_times

FS = 16_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_260_101)


# Those with four microphones around one pack; the container, a thousand times the work, has tests of its own.
ONE_PACK = [name for name in layout_names() if len(load_layout(name).pack_names) == 1]


@pytest.fixture(params=ONE_PACK)
def shipped_layout(request: pytest.FixtureRequest) -> Layout:
    return load_layout(request.param)


class Hiss:
    """White hiss heard by an array in a free field, with exact fractional delays, over independent noise."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def recording(
        self,
        layout: Layout,
        point_m: np.ndarray,
        *,
        seconds: float = 5.0,
        spans_s: tuple[tuple[float, float], ...] = ((2.5, 3.5),),
        snr_db: float = 6.0,
        noise: float = 0.01,
        speed_of_sound: float | None = None,
        fs: int = FS,
    ) -> Recording:
        """One place that hisses once or more often; channels late as the layout says."""
        sounds = [(point_m, first_s, last_s, snr_db) for first_s, last_s in spans_s]
        return self.several(layout, sounds, seconds=seconds, noise=noise, speed_of_sound=speed_of_sound, fs=fs)

    def several(
        self,
        layout: Layout,
        sounds: list[tuple[np.ndarray, float, float, float]],
        *,
        seconds: float = 5.0,
        noise: float = 0.01,
        speed_of_sound: float | None = None,
        fs: int = FS,
    ) -> Recording:
        """Several sounds, each (place in m, first s, last s, level over the noise in dB)."""
        n = round(seconds * fs)
        heard = np.zeros((layout.n_mics, n))
        frequencies = np.fft.rfftfreq(n, 1 / fs)
        for point_m, first_s, last_s, snr_db in sounds:
            source = np.zeros(n)
            size = round((last_s - first_s) * fs)
            source[round(first_s * fs) :][:size] = self.rng.standard_normal(size) * noise * 10 ** (snr_db / 20)
            times_s = travel_times(
                np.asarray(point_m)[None, :], layout.mics, speed_of_sound=speed_of_sound or layout.speed_of_sound
            )[0]
            turn = np.exp(-2j * np.pi * frequencies * (times_s + layout.mic_delay_s)[:, None])
            # Near microphones hear it louder; the level given is the mean over microphones in decibels.
            nearer = np.exp(-np.log(times_s) + np.log(times_s).mean())[:, None]
            heard += nearer * np.fft.irfft(np.fft.rfft(source) * turn, n)
        samples = heard + noise * self.rng.standard_normal((layout.n_mics, n))
        return Recording(samples=samples.astype(np.float32), fs=fs, source="hiss")


@pytest.fixture
def hiss(rng: np.random.Generator) -> Hiss:
    return Hiss(rng)
