"""opensoundscape 0.13.2: a delay for each microphone by GCC-PHAT, then a free position.

What had to be patched, and why:

- `import opensoundscape` imports its networks, which need torchvision, torchaudio and lightning; those do not go with
  the pinned torch. The package is entered without its `__init__`, so that only `audio` and `localization` are loaded.
- `SpatialEvent` reads files. Its delays come from `audio.estimate_delay`, the function it calls itself, on sound in
  memory; they are handed to it, and `estimate_location` solves as always.
- A largest delay that is no whole number of samples puts its delays off by up to one: it is rounded up.
- Its delays are whole samples: the sound is first resampled twofold with its own `Audio.resample`, which brings a few
  more cells right (109 instead of 102 of 129); fourfold brings no more.
- `gillette` misses a square and `soundfinder` named 9 of 20 cells in easy scenes: `least_squares`, the default.
- The small number in its PHAT weight is absolute (0.001): sounds are brought to a level of 1.
"""

import importlib.machinery
import importlib.metadata
import sys
import types
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch  # noqa: TID253
from numpy.typing import NDArray
from peer_common import BAND_HZ, finite, heard_and_mics, nearness

from trad_array_geometry import Layout, max_pair_delays

_UPSAMPLE = 2


def _enter_package() -> None:
    """Make `opensoundscape` a package whose `__init__` has not been run."""
    if "opensoundscape" in sys.modules:
        return
    spec = importlib.machinery.PathFinder.find_spec("opensoundscape")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'opensoundscape'", name="opensoundscape")
    package = types.ModuleType("opensoundscape")
    package.__path__ = [str(Path(spec.origin).parent)]
    package.__version__ = importlib.metadata.version("opensoundscape")  # type: ignore[attr-defined]
    sys.modules["opensoundscape"] = package


_enter_package()
from opensoundscape import audio  # noqa: E402
from opensoundscape.localization import SpatialEvent  # noqa: E402


@dataclass(frozen=True, slots=True)
class Opensoundscape:
    """SpatialEvent with GCC-PHAT between 2 and 7 kHz and least squares in space; score = minus the distance."""

    name: str = "opensoundscape (delays, then position)"

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        # numba, where it is loaded, sets OpenMP to all cores; torch then waits for threads for up to a second.
        torch.set_num_threads(1)
        heard, mics = heard_and_mics(samples, layout)
        limits_s = max_pair_delays(mics, speed_of_sound=speed_of_sound)
        reference, *others = (audio.Audio(channel, fs).resample(_UPSAMPLE * fs) for channel in heard)
        # The pairs with the first microphone come first.
        found = [_delay(sound, reference, limit) for sound, limit in zip(others, limits_s, strict=False)]
        event = SpatialEvent(
            receiver_files=[""] * len(mics),
            receiver_locations=mics,
            max_delay=float(limits_s.max()),
            duration=heard.shape[1] / fs,
            cc_threshold=-np.inf,
            speed_of_sound=speed_of_sound,
            receiver_start_time_offsets=np.zeros(len(mics)),
        )
        event.tdoas = np.array([0.0, *(delay_s for delay_s, _ in found)])
        event.cc_maxs = np.array([1.0, *(peak for _, peak in found)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            place = event.estimate_location(localization_algorithm="least_squares").location_estimate
        return finite(nearness(place, layout))


def _delay(sound: audio.Audio, reference: audio.Audio, limit_s: float) -> tuple[float, float]:
    """Delay after the reference, s, and the height of its peak."""
    fs = sound.sample_rate
    # A hair more than a whole number, which it rounds down to.
    whole_s = (int(limit_s * fs) + 1) / fs * (1 + 1e-9)
    delay_s, peak = audio.estimate_delay(
        sound, reference, whole_s, frequency_range=BAND_HZ, cc_filter="phat", return_cc_max=True
    )
    return float(delay_s), float(peak)


PEERS = (Opensoundscape(),)
