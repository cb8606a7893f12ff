"""Tiny checkpoints with random numbers in the official structures: what is computed matters here, not how well."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from trad_array.features import FeatureSpec
from trad_array.learning.dataset import find_dataset
from trad_array.learning.options import TrainingOptions

FS = 16_000
N, HEADS, LAYERS = 48, 4, 2

# The others run without the extras "train", "embeddings" and "dev".
if all(map(find_spec, ("torch", "onnx", "onnxruntime", "safetensors", "kaldi_native_fbank"))):
    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.torch import save_file

    # Public packages to compare with; see tests/requirements-no-deps.txt.
    collect_ignore = [] if find_spec("openbeats") and find_spec("dasheng") else ["test_public_packages.py"]
else:
    collect_ignore_glob = ["test_*.py"]

BEATS_CFG = {
    "input_patch_size": 16,
    "embed_dim": 32,
    "conv_bias": False,
    "encoder_layers": LAYERS,
    "encoder_embed_dim": N,
    "encoder_ffn_embed_dim": 96,
    "encoder_attention_heads": HEADS,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "relative_position_embedding": True,
    "num_buckets": 320,
    "max_distance": 800,
    "gru_rel_pos": True,
    "dropout": 0.0,
    "finetuned_model": False,
}
EAT_CONFIG = {
    "model_type": "eat",
    "embed_dim": N,
    "depth": LAYERS,
    "num_heads": HEADS,
    "patch_size": 16,
    "stride": 16,
    "in_chans": 1,
    "mel_bins": 128,
    "max_length": 16,
    "layer_norm_first": False,
    "norm_eps": 1e-6,
    "img_size": [1024, 128],
    "model_variant": "pretrain",
}
DASHENG_CONFIG = {"embed_dim": N, "depth": LAYERS, "num_heads": HEADS, "patch_size": [64, 4], "patch_stride": [64, 4]}


class Maker:
    """Random tensors by shape; those that scale are near 1."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape, around=0.0, spread=None):
        spread = spread or 1.0 / np.sqrt(max(shape[1:] or (1,)))
        return around + spread * torch.randn(shape, generator=self.generator)

    def linear(self, name, n_out, n_in):
        return {f"{name}.weight": self(n_out, n_in), f"{name}.bias": self(n_out, spread=0.1)}

    def norm(self, name, n):
        return {f"{name}.weight": self(n, around=1.0, spread=0.1), f"{name}.bias": self(n, spread=0.1)}


def beats_state(seed=1):
    make, hidden, inner = Maker(seed), BEATS_CFG["encoder_ffn_embed_dim"], BEATS_CFG["embed_dim"]
    state = {"patch_embedding.weight": make(inner, 1, 16, 16, spread=0.05)}
    state |= make.norm("layer_norm", inner) | make.linear("post_extract_proj", N, inner)
    state |= {
        "encoder.pos_conv.0.bias": make(N, spread=0.1),
        "encoder.pos_conv.0.weight_g": make(1, 1, 128, around=1.0, spread=0.3),
        "encoder.pos_conv.0.weight_v": make(N, N // 16, 128),
    }
    state |= make.norm("encoder.layer_norm", N)
    table = make(320, HEADS, spread=0.5)
    for n in range(LAYERS):
        name = f"encoder.layers.{n}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            state |= make.linear(f"{name}.self_attn.{part}", N, N)
        state |= make.linear(f"{name}.self_attn.grep_linear", 8, N // HEADS)
        state[f"{name}.self_attn.grep_a"] = make(1, HEADS, 1, 1, around=1.0, spread=0.3)
        state[f"{name}.self_attn.relative_attention_bias.weight"] = table
        state |= make.norm(f"{name}.self_attn_layer_norm", N) | make.norm(f"{name}.final_layer_norm", N)
        state |= make.linear(f"{name}.fc1", hidden, N) | make.linear(f"{name}.fc2", N, hidden)
    return state


def vit_blocks(make):
    state = {}
    for n in range(LAYERS):
        name = f"blocks.{n}"
        state |= make.norm(f"{name}.norm1", N) | make.norm(f"{name}.norm2", N)
        state |= make.linear(f"{name}.attn.qkv", 3 * N, N) | make.linear(f"{name}.attn.proj", N, N)
        state |= make.linear(f"{name}.mlp.fc1", 4 * N, N) | make.linear(f"{name}.mlp.fc2", N, 4 * N)
    return state


def eat_state(seed=2, n_positions=128):
    make = Maker(seed)
    state = {
        "local_encoder.proj.weight": make(N, 1, 16, 16, spread=0.05),
        "local_encoder.proj.bias": make(N, spread=0.1),
        "extra_tokens": make(1, 1, N, spread=1.0),
        "fixed_positional_encoder.positions": make(1, n_positions, N, spread=0.5),
    }
    return state | make.norm("pre_norm", N) | vit_blocks(make)


def dasheng_state(seed=3):
    import librosa

    make = Maker(seed)
    filters = librosa.filters.mel(sr=FS, n_fft=512, n_mels=64, fmin=0, fmax=8000, htk=True, norm=None).T
    state = {
        "front_end.0.spectrogram.window": torch.hann_window(512),
        "front_end.0.mel_scale.fb": torch.from_numpy(np.ascontiguousarray(filters, dtype=np.float32)),
        "init_bn.1.running_mean": make(64, around=-20.0, spread=5.0),
        "init_bn.1.running_var": make(64, spread=1.0).abs() + 200.0,
        "init_bn.1.num_batches_tracked": torch.tensor(7),
        "patch_embed.proj.weight": make(N, 1, 64, 4, spread=0.06),
        "patch_embed.proj.bias": make(N, spread=0.1),
        "time_pos_embed": make(1, N, 1, 252, spread=0.5),
        "freq_pos_embed": make(1, N, 1, 1, spread=0.5),
    }
    return state | make.norm("init_bn.1", 64) | vit_blocks(make) | make.norm("norm", N)


def onnx_bytes(shape, *, n_values=12, seed=4):
    """A network that squares its input and multiplies its last axis by random numbers, or takes the mean of all."""
    n_in = shape[-1] if isinstance(shape[-1], int) and shape[-1] > 1 else None
    rng = np.random.default_rng(seed)
    nodes, initializers = [helper.make_node("Mul", ["x", "x"], ["squared"])], []
    if n_in is None:
        nodes.append(helper.make_node("ReduceMean", ["squared"], ["y"], keepdims=1))
        output = [1] * len(shape)
    else:
        weights = (rng.normal(size=(n_in, n_values)) / n_in).astype(np.float32)
        initializers.append(numpy_helper.from_array(weights, "weights"))
        nodes.append(helper.make_node("MatMul", ["squared", "weights"], ["y"]))
        output = [*shape[:-1], n_values]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_checkpoint(name, folder):
    """A tiny checkpoint of that encoder; what `--encoder` is given, or None."""
    if name == "beats":
        torch.save({"cfg": BEATS_CFG, "model": beats_state()}, folder / "beats.pt")
        return folder / "beats.pt"
    if name == "dasheng":
        torch.save({"model": dasheng_state(), "config": DASHENG_CONFIG}, folder / "dasheng.pt")
        return folder / "dasheng.pt"
    if name == "eat":
        (folder / "eat").mkdir(exist_ok=True)
        (folder / "eat" / "config.json").write_text(json.dumps(EAT_CONFIG))
        save_file({f"model.{k}": v for k, v in eat_state().items()}, folder / "eat" / "model.safetensors")
        return folder / "eat"
    if name == "onnx":
        (folder / "own.onnx").write_bytes(onnx_bytes(("batch", 4_000)))
        return folder / "own.onnx"
    return None


@pytest.fixture
def checkpoint(tmp_path):
    """Function from the name of an encoder to a tiny checkpoint of it."""
    return lambda name: write_checkpoint(name, tmp_path)


@pytest.fixture
def make_onnx(tmp_path):
    """Function from the shape of an input to an ONNX file."""

    def make(*shape, **how):
        path = tmp_path / "network.onnx"
        path.write_bytes(onnx_bytes(shape, **how))
        return path

    return make


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.fixture
def second(rng):
    """A second of noise."""
    return (0.1 * rng.standard_normal(FS)).astype(np.float32)


def _sound(rng, *, hiss):
    spectrum = np.fft.rfft(rng.normal(size=(2, 3 * FS)))
    hz = np.fft.rfftfreq(3 * FS, 1 / FS)
    low = 0.02 * np.fft.irfft(spectrum / np.sqrt(1 + (hz / 500) ** 2), 3 * FS)
    if hiss:
        low[:, FS:] += 0.05 * np.fft.irfft(np.fft.rfft(rng.normal(size=(2, 3 * FS))) * (hz > 2000), 3 * FS)[:, FS:]
    return low


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """Eight normal and four abnormal recordings of 3 s and two channels; the abnormal ones hiss from 1 s on."""
    root, rng = tmp_path_factory.mktemp("embeddings") / "data", np.random.default_rng(5)
    for label, count in (("normal", 8), ("abnormal", 4)):
        (root / label).mkdir(parents=True)
        for n in range(count):
            soundfile.write(root / label / f"set1_{n}.wav", _sound(rng, hiss=label == "abnormal").T, FS)
            if label == "abnormal":
                (root / label / f"set1_{n}_truth.json").write_text(json.dumps({"onset_s": 1.0, "end_s": 3.0}))
    return root


@pytest.fixture(scope="session")
def dataset(data_folder):
    return find_dataset(data_folder)


@pytest.fixture
def options():
    """Function from an encoder's file and a back end to options of a fit."""

    def make(path, back_end="knn"):
        given = None if path is None else str(path)
        return TrainingOptions(features=FeatureSpec(), encoder=given, back_end=back_end)

    return make
