"""BEATs and Dasheng give the numbers that the public packages openbeats and dasheng give.

Both packages import torchaudio for their front ends, which these tests do not use: ours is compared with Kaldi's and
librosa's elsewhere. An empty stand-in takes torchaudio's place while they are imported.
"""

import sys
import types
import warnings
from importlib import import_module

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from trad_array.scoring.embeddings.encoder import load_encoder
from trad_array.scoring.embeddings.fbank import kaldi_fbank


class Unused(nn.Module):
    """Stands where a front end of torchaudio would; it is made and never run."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


@pytest.fixture
def public(monkeypatch):
    """Function that imports a module of a package that names torchaudio, and forgets it after the test."""
    names = ["torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi", "torchaudio.transforms"]
    modules = {name: types.ModuleType(name) for name in names}
    modules["torchaudio"].transforms = modules["torchaudio.transforms"]
    modules["torchaudio"].compliance = modules["torchaudio.compliance"]
    modules["torchaudio.compliance"].kaldi = modules["torchaudio.compliance.kaldi"]
    modules["torchaudio.transforms"].MelSpectrogram = Unused
    modules["torchaudio.transforms"].AmplitudeToDB = Unused
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    before = set(sys.modules)
    with warnings.catch_warnings():
        # Both packages use parts of torch that are on their way out.
        warnings.simplefilter("ignore")
        yield import_module
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("openbeats", "dasheng"):
            del sys.modules[name]


@pytest.mark.parametrize("n_samples", [16_000, 2_960, 100_000])
def test_beats(public, checkpoint, rng, n_samples):
    path = checkpoint("beats")
    stored = torch.load(path, weights_only=True)
    theirs = public("openbeats.beats_encoder").BeatsEncoder(0, beats_config=stored["cfg"]).eval()
    fitted = theirs.load_state_dict(stored["model"], strict=False)
    # Their own helpers for padding, which no checkpoint holds.
    assert set(fitted.missing_keys) == {"patch_embedding_pad.weight", "raw2fbank_pad.weight"}
    assert not fitted.unexpected_keys
    ours = load_encoder("beats", path, window=n_samples)
    samples = (0.1 * rng.standard_normal(n_samples)).astype(np.float32)
    fbank = torch.from_numpy(kaldi_fbank(2.0**15 * samples))[None]
    with torch.inference_mode():
        expected = theirs(fbank, torch.tensor([fbank.shape[1]]), waveform_input=False)[0][0]
    found = ours.tokens(samples)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(ours(samples[None])[0], expected.mean(0), atol=2e-5)


@pytest.mark.parametrize("n_samples", [16_000, 1_600, 160_000])
def test_dasheng(public, checkpoint, rng, n_samples):
    path = checkpoint("dasheng")
    stored = torch.load(path, weights_only=True)
    theirs = public("dasheng.pretrained.pretrained").Dasheng(**stored["config"]).eval()
    ours_alone = {"front_end.0.spectrogram.window", "front_end.0.mel_scale.fb"}
    nn.Module.load_state_dict(theirs, {k: v for k, v in stored["model"].items() if k not in ours_alone}, strict=True)
    ours = load_encoder("dasheng", path, window=n_samples)
    samples = (0.1 * rng.standard_normal(n_samples)).astype(np.float32)
    mel = librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=512, hop_length=160, n_mels=64, htk=True, norm=None, pad_mode="reflect"
    )
    levels = torch.from_numpy(librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=120.0))
    np.testing.assert_allclose(ours.levels(samples), levels, atol=2e-3)
    with torch.inference_mode():
        expected = theirs.forward_spectrogram(theirs.init_bn(ours.levels(samples)[None, None]))[0]
    found = ours.tokens(samples)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5)
