"""A checkpoint that is hostile, damaged, of another kind or incomplete gives one line and runs nothing."""

import json
import pickle
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from trad_array.errors import ConfigError, WeightsError
from trad_array.scoring.embeddings.encoder import ENCODERS, load_encoder, weights_path

TORCH = ("beats", "eat", "dasheng")


class Opened:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def message(name, path):
    with pytest.raises(WeightsError) as trouble:
        load_encoder(name, path)
    line = str(trouble.value)
    assert "\n" not in line
    assert str(path) in line
    return line


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("form", ["pickle", "torch", "inside"])
def test_a_hostile_pickle_runs_nothing(tmp_path, name, form):
    path, trace = tmp_path / "hostile.pt", tmp_path / "trace"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Opened(trace)))
    elif form == "torch":
        torch.save(Opened(trace), path)
    else:
        torch.save({"cfg": {}, "config": {}, "model": {"x": torch.ones(1)}, "more": Opened(trace)}, path)
    assert "nothing was run" in message(name, path)
    assert not trace.exists()


def test_a_hostile_folder_runs_nothing(checkpoint, tmp_path):
    folder, trace = checkpoint("eat"), tmp_path / "trace"
    (folder / "model.safetensors").write_bytes(pickle.dumps(Opened(trace)))
    assert "config.json or model.safetensors is damaged" in message("eat", folder)
    assert not trace.exists()


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"RIFF....WAVE", bytes(1000)])
def test_not_a_checkpoint(tmp_path, name, content):
    path = tmp_path / "odd.pt"
    path.write_bytes(content)
    assert "expected a" in message(name, path)


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_download_that_broke_off(checkpoint, name, share):
    path = checkpoint(name)
    file = path / "model.safetensors" if name == "eat" else path
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert "damaged" in message(name, path)


@pytest.mark.parametrize(("name", "other"), [("beats", "dasheng"), ("dasheng", "beats"), ("eat", "dasheng")])
def test_another_encoders_file(checkpoint, name, other):
    has = "'cfg', 'model'" if other == "beats" else "'config', 'model'"
    assert f"found {has}" in message(name, checkpoint(other))


def test_a_list_is_no_checkpoint(tmp_path):
    torch.save([torch.ones(3)], tmp_path / "list.pt")
    assert "expected a checkpoint with 'model', 'config', found list" in message("dasheng", tmp_path / "list.pt")


def changed(name, path, change):
    """Rewrite a tiny checkpoint with its tensors and settings changed."""
    if name == "eat":
        tensors, settings = load_file(path / "model.safetensors"), json.loads((path / "config.json").read_text())
        change(tensors, settings)
        save_file(tensors, path / "model.safetensors")
        (path / "config.json").write_text(json.dumps(settings))
        return
    stored = torch.load(path, weights_only=True)
    change(stored["model"], stored["cfg" if name == "beats" else "config"])
    torch.save(stored, path)


NEEDED = {
    "beats": ("encoder.layers.1.fc1.weight", "encoder.pos_conv.0.weight_g", "layer_norm.bias"),
    "eat": ("model.blocks.1.mlp.fc2.bias", "model.extra_tokens", "model.local_encoder.proj.weight"),
    "dasheng": ("blocks.0.attn.qkv.weight", "init_bn.1.running_var", "time_pos_embed"),
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in NEEDED.items() for key in keys])
def test_a_missing_tensor_is_named(checkpoint, name, key):
    path = checkpoint(name)
    changed(name, path, lambda tensors, _: tensors.pop(key))
    assert f"expected '{key.removeprefix('model.')}' in the weights of" in message(name, path)


@pytest.mark.parametrize(("name", "key"), [("beats", "encoder.layers.1.fc1.weight"), ("dasheng", "norm.weight")])
def test_a_tensor_of_another_shape_is_named(checkpoint, name, key):
    path = checkpoint(name)
    changed(name, path, lambda tensors, _: tensors.update({key: torch.ones(7, 7)}))
    assert f"{key}: expected shape (" in message(name, path)


@pytest.mark.parametrize("name", TORCH)
def test_weights_that_are_no_numbers_are_refused(checkpoint, name):
    path, key = checkpoint(name), NEEDED[name][0]
    changed(name, path, lambda tensors, _: tensors.update({key: torch.full_like(tensors[key], torch.nan)}))
    assert "expected finite numbers, found NaN or infinities" in message(name, path)


@pytest.mark.parametrize(
    ("name", "setting", "says"),
    [
        ("beats", {"encoder_layers": 10**9}, "encoder_layers: expected a whole number from 1 to 256, found 1000000000"),
        ("beats", {"encoder_embed_dim": "48"}, "encoder_embed_dim: expected a whole number"),
        ("beats", {"encoder_embed_dim": 65_536, "encoder_ffn_embed_dim": 65_536}, "expected shape"),
        ("beats", {"layer_norm_first": True}, "cfg.layer_norm_first: expected False, found True"),
        ("beats", {"encoder_attention_heads": 5}, "expected vectors of a multiple of 5 heads, found 48"),
        ("beats", {"max_distance": 3}, "a max_distance above a quarter of them"),
        ("eat", {"num_heads": 0}, "num_heads: expected a whole number"),
        ("eat", {"model_type": "bert"}, "expected model_type 'eat'"),
        ("eat", {"layer_norm_first": True}, "layer_norm_first: expected false"),
        ("eat", {"norm_eps": -1.0}, "norm_eps: expected a number between 0 and 1"),
        ("dasheng", {"pooling": "token"}, "config.pooling: expected 'mean', found 'token'"),
        ("dasheng", {"patch_size": [64, 8]}, "expected two numbers as patch_size and patch_stride"),
        ("dasheng", {"depth": 3}, "expected 'blocks.2.norm1.weight' in the weights of Dasheng"),
        ("dasheng", {"f_max": 1e9}, "config.f_max: expected a number from 0 to 8000"),
    ],
)
def test_settings_that_do_not_fit_are_named(checkpoint, name, setting, says):
    path = checkpoint(name)
    changed(name, path, lambda _, settings: settings.update(setting))
    with pytest.raises(WeightsError) as trouble:
        load_encoder(name, path)
    assert says in str(trouble.value)
    assert "\n" not in str(trouble.value)


def test_a_safetensors_file_that_claims_to_be_huge(checkpoint):
    folder = checkpoint("eat")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    assert "damaged" in message("eat", folder)


@pytest.mark.parametrize("name", ["beats", "eat", "dasheng", "onnx"])
def test_without_a_path_it_says_which_file_to_get(name):
    with pytest.raises(ConfigError) as trouble:
        weights_path(name, None)
    line, kind = str(trouble.value), ENCODERS[name]
    assert kind.file in line
    assert name == "onnx" or f"(licence {kind.licence}, {kind.size})" in line
    assert "\n" not in line


def test_a_path_without_anything_says_so(tmp_path):
    with pytest.raises(
        WeightsError, match="expected the weights of beats, found nothing; get BEATs_iter3_plus_AS2M.pt"
    ):
        weights_path("beats", str(tmp_path / "none.pt"))
    with pytest.raises(WeightsError, match="expected the weights of dasheng, found folder; get dasheng_base.pt"):
        weights_path("dasheng", str(tmp_path))
    with pytest.raises(ConfigError, match="expected none with wakeword, whose file comes with a package"):
        weights_path("wakeword", str(tmp_path))


@pytest.mark.parametrize("name", TORCH)
def test_windows_that_an_encoder_cannot_hear(checkpoint, name):
    with pytest.raises(WeightsError, match="expected windows of"):
        load_encoder(name, checkpoint(name), window=100)


def test_silence_and_full_scale_give_finite_vectors(checkpoint):
    for name in TORCH:
        vectors = load_encoder(name, checkpoint(name))(np.stack([np.zeros(16_000), np.ones(16_000)]).astype(np.float32))
        assert vectors.shape == (2, 48)
        assert np.isfinite(vectors).all()
