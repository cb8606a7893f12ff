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
    ) -> Recording:
        n = round(seconds * FS)
        source = np.zeros(n)
        for first_s, last_s in spans_s:
            size = round((last_s - first_s) * FS)
            source[round(first_s * FS) :][:size] = self.rng.standard_normal(size) * noise * 10 ** (snr_db / 20)
        times_s = travel_times(point_m[None, :], layout.mics, speed_of_sound=speed_of_sound or layout.speed_of_sound)[0]
        spectrum, frequencies = np.fft.rfft(source), np.fft.rfftfreq(n, 1 / FS)
        heard = [np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * t), n) for t in times_s]
        samples = np.stack(heard) + noise * self.rng.standard_normal((layout.n_mics, n))
        return Recording(samples=samples.astype(np.float32), fs=FS, source="hiss")


@pytest.fixture
def hiss(rng: np.random.Generator) -> Hiss:
    return Hiss(rng)
