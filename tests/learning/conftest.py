"""Small data sets in LiB-TRAD form: coloured noise, and the same with a hiss between 2 and 6 kHz in it."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from trad_array.learning.dataset import find_dataset
from trad_array.learning.options import TrainingOptions

FS = 16_000

# These train networks; the others run without the extra "train".
_HEAVY = [
    "test_bad_training_input.py",
    "test_boosted.py",
    "test_commands.py",
    "test_parity.py",
    "test_protocol.py",
    "test_training.py",
]
collect_ignore = [] if find_spec("torch") else _HEAVY


def noise(rng, *, n_channels, seconds):
    """Low-heavy noise, (n_channels, n)."""
    white = rng.normal(size=(n_channels, int(seconds * FS)))
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(white.shape[1], 1 / FS)
    return 0.02 * np.fft.irfft(spectrum / np.sqrt(1 + (hz / 500) ** 2), white.shape[1])


def hiss(rng, *, n_channels, seconds):
    """Noise between 2 and 6 kHz, (n_channels, n)."""
    spectrum = np.fft.rfft(rng.normal(size=(n_channels, int(seconds * FS))))
    hz = np.fft.rfftfreq(int(seconds * FS), 1 / FS)
    return 0.02 * np.fft.irfft(spectrum * ((hz > 2000) & (hz < 6000)), int(seconds * FS))


def write_segment(folder, name, samples, *, fs=FS):
    folder.mkdir(parents=True, exist_ok=True)
    for channel, values in enumerate(samples, 1):
        soundfile.write(folder / f"{name}_ch{channel}.wav", values, fs)


def write_dataset(root, *, n_normal=6, n_abnormal=4, sets=("set1", "set2"), n_channels=2, seconds=2.0, seed=3):
    """Every abnormal segment hisses from a third of its length on; the truth lies beside it."""
    rng = np.random.default_rng(seed)
    shape = {"n_channels": n_channels, "seconds": seconds}
    for name in sets:
        for n in range(n_normal):
            write_segment(root / "normal", f"{name}_{n:04}", noise(rng, **shape))
        for n in range(n_abnormal):
            onset = int(seconds * FS / 3)
            sound = noise(rng, **shape)
            sound[:, onset:] += hiss(rng, **shape)[:, onset:]
            write_segment(root / "abnormal", f"{name}_{n:04}", sound)
            truth = {"onset_s": onset / FS, "end_s": seconds, "cell": "R1C01"}
            (root / "abnormal" / f"{name}_{n:04}_truth.json").write_text(json.dumps(truth))
    return root


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("trad") / "data")


@pytest.fixture(scope="session")
def longer(tmp_path_factory):
    """Segments of 4 s: one second for the noise floor, the hiss from 1.33 s on."""
    root = tmp_path_factory.mktemp("longer")
    return find_dataset(write_dataset(root, n_normal=5, n_abnormal=3, seconds=4.0))


@pytest.fixture(scope="session")
def dataset(data_folder):
    return find_dataset(data_folder)


@pytest.fixture
def make_dataset():
    return write_dataset


@pytest.fixture
def make_segment():
    return write_segment


@pytest.fixture
def make_noise():
    return noise


@pytest.fixture(scope="session")
def quick():
    """Options that make every kind train in about a second."""
    from trad_array.features import FeatureSpec

    return TrainingOptions(features=FeatureSpec(front_end="absolute"), epochs=3, batch=64)
