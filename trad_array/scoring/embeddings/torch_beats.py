"""BEATs: an audio transformer with gated relative positions (Chen et al., 2022, arXiv 2212.09058).

Reads the official checkpoints, `{"cfg", "model"}`, pre-trained or fine-tuned, and OpenBEATs encoders in that form. Of
the settings only those are taken that the published checkpoints use: layer normalisation after each part, GELU.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import nn

from trad_array.errors import WeightsError
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.encoder import FS
from trad_array.scoring.embeddings.fbank import kaldi_fbank, n_frames_of
from trad_array.scoring.embeddings.torch_weights import check_heads, filled, number, read_checkpoint, tensor

N_MELS = 128
# Of the fbank of 16-bit samples, from the official code; the division is by twice the deviation.
MEAN, DEVIATION = 15.41663, 6.55582
_FULL_SCALE = 2.0**15


@dataclass(frozen=True, slots=True)
class Sizes:
    """Settings of a checkpoint, by the names that the paper's code gives them.

    patch : mel bands and frames of a patch
    n_patch : numbers in a patch's vector before the transformer
    n_values, n_hidden, n_heads, n_layers : of the transformer
    kernel, groups : of the convolution that tells positions
    n_buckets, max_distance : of relative positions; 0 buckets without them
    gated : relative positions weigh as the query says
    deep_norm : the residual is raised by (2 n_layers)^(1/4)
    patch_bias : the first convolution has a bias
    """

    patch: int
    n_patch: int
    n_values: int
    n_hidden: int
    n_heads: int
    n_layers: int
    kernel: int
    groups: int
    n_buckets: int
    max_distance: int
    gated: bool
    deep_norm: bool
    patch_bias: bool


class Attention(nn.Module):
    """Self-attention with relative positions."""

    def __init__(self, sizes: Sizes, *, table: bool) -> None:
        super().__init__()
        n, self.n_heads, self.gated = sizes.n_values, sizes.n_heads, sizes.gated
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(n, n) for _ in range(4))
        if table:
            self.relative_attention_bias = nn.Embedding(sizes.n_buckets, sizes.n_heads)
        if sizes.gated:
            self.grep_linear = nn.Linear(n // sizes.n_heads, 8)
            self.grep_a = nn.Parameter(torch.ones(1, sizes.n_heads, 1, 1))

    def forward(self, x: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        """Tokens, shape (n, n_tokens, n_values); positions, shape (1, n_heads, n_tokens, n_tokens), or None."""
        n, n_tokens, n_values = x.shape
        query, key, value = (
            layer(x).view(n, n_tokens, self.n_heads, -1).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        if positions is not None and self.gated:
            positions = self._gate(query) * positions
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=positions)
        projected: torch.Tensor = self.out_proj(attended.transpose(1, 2).reshape(n, n_tokens, n_values))
        return projected

    def _gate(self, query: torch.Tensor) -> torch.Tensor:
        """How much positions weigh for each query, shape (n, n_heads, n_tokens, 1); section 3.1 of WavLM."""
        sums = self.grep_linear(query).unflatten(-1, (2, 4)).sum(-1)
        update, reset = torch.sigmoid(sums).chunk(2, dim=-1)
        gate: torch.Tensor = update * (reset * self.grep_a - 1.0) + 2.0
        return gate


class Layer(nn.Module):
    """Attention and two layers, each added to what came in and then normalised."""

    def __init__(self, sizes: Sizes, *, table: bool) -> None:
        super().__init__()
        self.residual = (2.0 * sizes.n_layers) ** 0.25 if sizes.deep_norm else 1.0
        self.self_attn = Attention(sizes, table=table)
        self.self_attn_layer_norm = nn.LayerNorm(sizes.n_values)
        self.fc1 = nn.Linear(sizes.n_values, sizes.n_hidden)
        self.fc2 = nn.Linear(sizes.n_hidden, sizes.n_values)
        self.final_layer_norm = nn.LayerNorm(sizes.n_values)

    def forward(self, x: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        """Tokens to tokens, shape (n, n_tokens, n_values)."""
        x = self.self_attn_layer_norm(self.residual * x + self.self_attn(x, positions))
        out: torch.Tensor = self.final_layer_norm(self.residual * x + self.fc2(functional.gelu(self.fc1(x))))
        return out


class Transformer(nn.Module):
    """A convolution that tells positions, then the layers; names as in the checkpoints."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        convolution = nn.Conv1d(
            sizes.n_values, sizes.n_values, sizes.kernel, padding=sizes.kernel // 2, groups=sizes.groups
        )
        self.pos_conv = nn.ModuleList([convolution])
        # All layers share the table of the first.
        self.layers = nn.ModuleList(Layer(sizes, table=sizes.n_buckets > 0 and n == 0) for n in range(sizes.n_layers))
        self.layer_norm = nn.LayerNorm(sizes.n_values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens to tokens, shape (n, n_tokens, n_values)."""
        n_tokens = x.shape[1]
        # An even kernel gives one token too many at the end.
        told = self.pos_conv[0](x.transpose(1, 2))[..., :n_tokens].transpose(1, 2)
        x = self.layer_norm(x + functional.gelu(told))
        positions = self._positions(n_tokens)
        for layer in self.layers:
            x = layer(x, positions)
        return x

    def _positions(self, n_tokens: int) -> torch.Tensor | None:
        """What the distance of two tokens adds to their attention, shape (1, n_heads, n_tokens, n_tokens)."""
        if not self.sizes.n_buckets:
            return None
        steps = torch.arange(n_tokens)
        buckets = distance_buckets(
            steps[None, :] - steps[:, None], n_buckets=self.sizes.n_buckets, max_distance=self.sizes.max_distance
        )
        table: Any = self.layers[0].self_attn
        told: torch.Tensor = table.relative_attention_bias(buckets)
        return told.permute(2, 0, 1)[None]


class Network(nn.Module):
    """From fbank frames to tokens; names as in the checkpoints."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.patch_embedding = nn.Conv2d(1, sizes.n_patch, sizes.patch, stride=sizes.patch, bias=sizes.patch_bias)
        self.layer_norm = nn.LayerNorm(sizes.n_patch)
        self.post_extract_proj = nn.Linear(sizes.n_patch, sizes.n_values) if sizes.n_patch != sizes.n_values else None
        self.encoder = Transformer(sizes)

    def forward(self, fbank: torch.Tensor) -> torch.Tensor:
        """Normalised frames, shape (n, n_frames, 128), to tokens, shape (n, n_tokens, n_values)."""
        patches = self.patch_embedding(fbank[:, None]).flatten(2).transpose(1, 2)
        x = self.layer_norm(patches)
        tokens: torch.Tensor = self.encoder(x if self.post_extract_proj is None else self.post_extract_proj(x))
        return tokens


def distance_buckets(distance: torch.Tensor, *, n_buckets: int, max_distance: int) -> torch.Tensor:
    """Distances of tokens as numbers of buckets: near ones each have their own, far ones share them (T5, 2.1).

    Half of the buckets are for tokens that come later. Of a half, the first half counts single steps and the second
    half is spaced in logarithms up to `max_distance`.
    """
    half = n_buckets // 2
    exact = half // 2
    size = distance.abs()
    share = torch.log(size.clamp(min=1).to(torch.float32) / exact) / math.log(max_distance / exact)
    far = (exact + (share * (half - exact)).to(torch.long)).clamp(max=half - 1)
    return torch.where(size < exact, size, far) + torch.where(distance > 0, half, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """See `encoder.Encoder`; a window's vector is the mean of its tokens."""

    net: nn.Module
    window: int
    n_values: int

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        """See `Encoder`."""
        return np.stack([self._encode(window) for window in windows])

    def tokens(self, window: FloatArray) -> torch.Tensor:
        """Vectors of all patches of a window, time after time, shape (n_tokens, n_values)."""
        fbank = (kaldi_fbank(_FULL_SCALE * window, n_mels=N_MELS) - MEAN) / (2 * DEVIATION)
        with torch.inference_mode():
            found: torch.Tensor = self.net(torch.from_numpy(fbank.astype(np.float32))[None])[0]
        return found

    def _encode(self, window: FloatArray) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = self.tokens(window).mean(0).numpy()
        return mean


def load(path: Path, window: int | None) -> Beats:
    """See `encoder.LoadEncoder`."""
    found = read_checkpoint(path, "cfg", "model")
    state: dict[str, Any] = dict(found["model"])
    if "encoder.patch_embedding.weight" in state:
        # A whole model that was built around the encoder.
        state = {name.removeprefix("encoder."): values for name, values in state.items()}
    sizes = _sizes(path, found["cfg"])
    n_samples = FS if window is None else window
    if n_frames_of(n_samples) < sizes.patch:
        raise WeightsError(f"{path}: expected windows of {sizes.patch} frames or more, found {n_samples} samples")
    state["encoder.pos_conv.0.weight"] = _position_kernel(path, sizes, state)
    return Beats(filled(path, "BEATs", lambda: Network(sizes), state), n_samples, sizes.n_values)


def _sizes(path: Path, cfg: Mapping[str, Any]) -> Sizes:
    for name, expected in (("layer_norm_first", False), ("activation_fn", "gelu")):
        if cfg.get(name, expected) != expected:
            raise WeightsError(f"{path}: cfg.{name}: expected {expected!r}, found {cfg[name]!r}")
    relative = bool(cfg.get("relative_position_embedding", False))
    sizes = Sizes(
        patch=number(path, cfg, "input_patch_size", 16, highest=N_MELS),
        n_patch=number(path, cfg, "embed_dim", 512),
        n_values=number(path, cfg, "encoder_embed_dim", 768),
        n_hidden=number(path, cfg, "encoder_ffn_embed_dim", 3072),
        n_heads=number(path, cfg, "encoder_attention_heads", 12),
        n_layers=number(path, cfg, "encoder_layers", 12, highest=256),
        kernel=number(path, cfg, "conv_pos", 128),
        groups=number(path, cfg, "conv_pos_groups", 16),
        n_buckets=number(path, cfg, "num_buckets", 320) if relative else 0,
        max_distance=number(path, cfg, "max_distance", 1280),
        gated=relative and bool(cfg.get("gru_rel_pos", False)),
        deep_norm=bool(cfg.get("deep_norm", False)),
        patch_bias=bool(cfg.get("conv_bias", False)),
    )
    check_heads(path, sizes.n_values, sizes.n_heads)
    check_heads(path, sizes.n_values, sizes.groups)
    if relative and not 0 < sizes.n_buckets // 4 < sizes.max_distance:
        raise WeightsError(
            f"{path}: cfg: expected 4 num_buckets or more and a max_distance above a quarter of them, found "
            f"{sizes.n_buckets} and {sizes.max_distance}"
        )
    return sizes


def _position_kernel(path: Path, sizes: Sizes, state: Mapping[str, Any]) -> torch.Tensor:
    """The convolution that tells positions, stored as directions and lengths (weight normalisation, one a tap)."""
    shape = (sizes.n_values, sizes.n_values // sizes.groups, sizes.kernel)
    length = tensor(path, "BEATs", state, "encoder.pos_conv.0.weight_g", (1, 1, sizes.kernel))
    direction = tensor(path, "BEATs", state, "encoder.pos_conv.0.weight_v", shape)
    kernel: torch.Tensor = direction * (length / torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True))
    return kernel
