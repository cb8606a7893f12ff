"""EAT against a plain forward pass in NumPy, written for this test: no public package of it can be installed."""

import argparse
import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from trad_array.scoring.embeddings.encoder import load_encoder
from trad_array.scoring.embeddings.fbank import kaldi_fbank

HEADS, LAYERS, EPSILON = 4, 2, 1e-6


def normalised(x, state, name):
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
    return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x, state, name):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(x, state, name):
    query, key, value = np.split(linear(x, state, f"{name}.qkv"), 3, axis=-1)
    heads = []
    for q, k, v in zip(*(np.split(part, HEADS, axis=-1) for part in (query, key, value)), strict=True):
        weights = np.exp(q @ k.T / math.sqrt(q.shape[-1]))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v)
    return linear(np.concatenate(heads, axis=-1), state, f"{name}.proj")


def forward(state, samples):
    """Class token and patches of a window."""
    fbank = kaldi_fbank(samples - samples.mean(), window="hanning")
    rows = -(-len(fbank) // 16)
    padded = np.zeros((16 * rows, 128))
    padded[: len(fbank)] = fbank
    image = (padded + 4.268) / (2 * 4.569)
    kernel = state["local_encoder.proj.weight"].reshape(-1, 256)
    patches = [
        kernel @ image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16].ravel()
        for row in range(rows)
        for column in range(8)
    ]
    x = np.stack(patches) + state["local_encoder.proj.bias"]
    x = x + state["fixed_positional_encoder.positions"][0, : len(x)]
    x = normalised(np.concatenate([state["extra_tokens"][0], x]), state, "pre_norm")
    for n in range(LAYERS):
        name = f"blocks.{n}"
        x = normalised(x + attention(x, state, f"{name}.attn"), state, f"{name}.norm1")
        hidden = gelu(linear(x, state, f"{name}.mlp.fc1"))
        x = normalised(x + linear(hidden, state, f"{name}.mlp.fc2"), state, f"{name}.norm2")
    return x


@pytest.fixture
def state(checkpoint):
    stored = load_file(checkpoint("eat") / "model.safetensors")
    return {name.removeprefix("model."): values.numpy().astype(np.float64) for name, values in stored.items()}


@pytest.mark.parametrize("n_samples", [16_000, 12_345, 2_800])
def test_equal_to_a_plain_forward_pass(checkpoint, state, rng, n_samples):
    encoder = load_encoder("eat", checkpoint("eat"), window=n_samples)
    samples = 0.1 * rng.standard_normal(n_samples) + 0.02
    expected = forward(state, samples)
    np.testing.assert_allclose(encoder.tokens(samples), expected, atol=5e-5)
    np.testing.assert_allclose(encoder(samples[None])[0], expected[0], atol=5e-5)


def fairseq(state):
    """The training framework's form: other names, tensors besides, and settings in plain containers of its own."""
    named = {
        "_ema": {"blocks.0.norm1.weight": torch.ones(48)},
        "modality_encoders.IMAGE.decoder.proj.bias": torch.ones(3),
    }
    for name, values in state.items():
        inside = "" if name.startswith("blocks.") else "modality_encoders.IMAGE."
        named[inside + name.replace("pre_norm.", "context_encoder.norm.")] = torch.from_numpy(values).float()
    return {
        "args": argparse.Namespace(user_dir="somewhere"),
        "cfg": {"model": {"_name": "data2vec_multi", "num_heads": HEADS, "depth": LAYERS, "norm_eps": EPSILON}},
        "model": named,
        "extra_state": {"best": np.float64(0.5), "epoch": 30},
    }


def test_both_forms_are_the_same_encoder(checkpoint, state, tmp_path, second):
    torch.save(fairseq(state), tmp_path / "eat.pt")
    from_folder, from_fairseq = (load_encoder("eat", path) for path in (checkpoint("eat"), tmp_path / "eat.pt"))
    np.testing.assert_array_equal(from_folder(second[None]), from_fairseq(second[None]))


def test_a_fine_tuned_one_is_read_without_its_head(checkpoint, tmp_path, second):
    folder = checkpoint("eat")
    before = load_encoder("eat", folder)(second[None])
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"model.head.weight": torch.ones(527, 48)}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_variant": "finetune"}))
    np.testing.assert_array_equal(load_encoder("eat", folder)(second[None]), before)
    np.testing.assert_array_equal(load_encoder("eat", folder / "model.safetensors")(second[None]), before)
