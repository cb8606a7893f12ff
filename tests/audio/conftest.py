import numpy as np
import pytest
import soundfile


@pytest.fixture
def four(rng) -> np.ndarray:
    """Half a second of four different channels, shape (4, 8000), at most half of full scale."""
    return rng.uniform(-0.5, 0.5, (4, 8000)).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    """Write channel-first samples under a name in the test's folder; gives back the path."""

    def write_file(name, samples, *, fs=16_000, subtype="FLOAT", format=None):
        path = tmp_path / name
        soundfile.write(path, np.asarray(samples).T, fs, subtype=subtype, format=format)
        return path

    return write_file
