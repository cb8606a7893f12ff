"""EAT: an audio transformer that predicts its own layers, after data2vec 2.0 (Chen et al., 2024, arXiv 2401.03497).

Reads a folder with `config.json` and `model.safetensors`, a bare `.safetensors` beside a `config.json`, or a fairseq
checkpoint `.pt`; pre-trained or fine-tuned.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trad_array.errors import WeightsError
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.encoder import FS
from trad_array.scoring.embeddings.fbank import kaldi_fbank, n_frames_of
from trad_array.scoring.embeddings.torch_vit import Block
from trad_array.scoring.embeddings.torch_weights import check_heads, filled, number, read_checkpoint, tensor

N_MELS = 128
# Of AudioSet's fbank, from the official code; the division is by twice the deviation.
MEAN, DEVIATION = -4.268, 4.569


@dataclass(frozen=True, slots=True)
class Sizes:
    """Settings of a checkpoint.

    patch : mel bands and frames of a patch
    n_values, n_hidden, n_heads, n_layers : of the transformer
    n_positions : patches that have a position of their own
    epsilon : of the normalisations
    """

    patch: int
    n_values: int
    n_hidden: int
    n_heads: int
    n_layers: int
    n_positions: int
    epsilon: float


class Network(nn.Module):
    """From fbank frames to tokens; names as in the folder form."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        n = sizes.n_values
        self.local_encoder = nn.ModuleDict({"proj": nn.Conv2d(1, n, sizes.patch, stride=sizes.patch)})
        self.extra_tokens = nn.Parameter(torch.zeros(1, 1, n))
        self.positions = nn.Parameter(torch.zeros(1, sizes.n_positions, n))
        self.pre_norm = nn.LayerNorm(n, eps=sizes.epsilon)
        self.blocks = nn.ModuleList(
            Block(n, sizes.n_heads, sizes.n_hidden, norm_first=False, epsilon=sizes.epsilon)
            for _ in range(sizes.n_layers)
        )

    def forward(self, fbank: torch.Tensor) -> torch.Tensor:
        """Normalised frames, shape (n, n_frames, 128), to tokens, the class first, (n, 1 + n_patches, n_values)."""
        patches = self.local_encoder["proj"](fbank[:, None]).flatten(2).transpose(1, 2)
        patches = patches + self.positions[:, : patches.shape[1]]
        x = self.pre_norm(torch.cat([self.extra_tokens.expand(len(patches), -1, -1), patches], dim=1))
        for block in self.blocks:
            x = block(x)
        tokens: torch.Tensor = x
        return tokens


@dataclass(frozen=True, slots=True, eq=False)
class Eat:
    """See `encoder.Encoder`; a window's vector is that of the class token, as the authors advise for clips.

    Frames are padded to a whole number of patches, as the authors do with clips that are not 10 s long. (To pad a
    second to the 10 s of training takes seven times as long and puts nine seconds of nothing into every window.)
    """

    net: nn.Module
    window: int
    n_values: int
    patch: int

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        """See `Encoder`."""
        return np.stack([self.tokens(window)[0].numpy() for window in windows])

    def tokens(self, window: FloatArray) -> torch.Tensor:
        """Vectors of the class and of all patches of a window, shape (1 + n_patches, n_values)."""
        centred = window.astype(np.float64) - window.mean(dtype=np.float64)
        fbank = kaldi_fbank(centred, n_mels=N_MELS, window="hanning")
        padded = np.pad(fbank, ((0, -len(fbank) % self.patch), (0, 0)))
        normalised = ((padded - MEAN) / (2 * DEVIATION)).astype(np.float32)
        with torch.inference_mode():
            found: torch.Tensor = self.net(torch.from_numpy(normalised)[None])[0]
        return found


def load(path: Path, window: int | None) -> Eat:
    """See `encoder.LoadEncoder`."""
    n_samples = FS if window is None else window
    state, settings = _fairseq(path) if path.suffix == ".pt" else _folder(path)
    sizes = _sizes(path, settings, state)
    n_patches = -(-n_frames_of(n_samples) // sizes.patch) * (N_MELS // sizes.patch)
    if not 0 < n_patches <= sizes.n_positions:
        raise WeightsError(f"{path}: expected windows of 1 to {sizes.n_positions} patches, found {n_patches}")
    return Eat(filled(path, "EAT", lambda: Network(sizes), state), n_samples, sizes.n_values, sizes.patch)


def _folder(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    """Weights and settings of the folder form; `path` is the folder or the file in it."""
    folder = path if path.is_dir() else path.parent
    weights = folder / "model.safetensors" if path.is_dir() else path
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = load_file(weights)
    except OSError as trouble:
        raise WeightsError(
            f"{path}: expected a folder with config.json and model.safetensors: {trouble.strerror or trouble}"
        ) from trouble
    except (ValueError, SafetensorError) as trouble:
        raise WeightsError(
            f"{path}: config.json or model.safetensors is damaged ({type(trouble).__name__})"
        ) from trouble
    if not isinstance(settings, dict) or settings.get("model_type", "eat") != "eat":
        raise WeightsError(f"{folder / 'config.json'}: expected model_type 'eat', found another model's settings")
    return _renamed(state), settings


def _fairseq(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    """Weights and settings of the training framework's own form."""
    found = read_checkpoint(path, "cfg", "model")
    settings = found["cfg"].get("model")
    return _renamed(found["model"]), settings if isinstance(settings, Mapping) else {}


def _renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors under the names of `Network`, whichever form they come from."""
    renamed = {}
    for name, values in state.items():
        name = name.removeprefix("model.").removeprefix("modality_encoders.IMAGE.")
        name = name.replace("context_encoder.norm.", "pre_norm.").removeprefix("fixed_positional_encoder.")
        renamed[name] = values
    return renamed


def _sizes(path: Path, settings: Mapping[str, Any], state: Mapping[str, Any]) -> Sizes:
    """Sizes from the tensors themselves; from the settings only what they do not show."""
    if settings.get("layer_norm_first", False):
        raise WeightsError(f"{path}: layer_norm_first: expected false, found true")
    patches = tensor(path, "EAT", state, "local_encoder.proj.weight", None)
    hidden = tensor(path, "EAT", state, "blocks.0.mlp.fc1.weight", None)
    positions = tensor(path, "EAT", state, "positions", None)
    if patches.ndim != 4 or hidden.ndim != 2 or positions.ndim != 3:
        raise WeightsError(f"{path}: expected the shapes of EAT, found a convolution {tuple(patches.shape)}")
    n_layers = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    epsilon = settings.get("norm_eps", 1e-6)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        raise WeightsError(f"{path}: norm_eps: expected a number between 0 and 1, found {epsilon!r}")
    sizes = Sizes(
        patch=int(patches.shape[-1]),
        n_values=int(patches.shape[0]),
        n_hidden=int(hidden.shape[0]),
        n_heads=number(path, settings, "num_heads", 12),
        n_layers=number(path, settings, "depth", n_layers, highest=256),
        n_positions=int(positions.shape[1]),
        epsilon=epsilon,
    )
    if not 0 < sizes.patch <= N_MELS:
        raise WeightsError(f"{path}: expected patches of 1 to {N_MELS} bands, found {sizes.patch}")
    check_heads(path, sizes.n_values, sizes.n_heads)
    return sizes
