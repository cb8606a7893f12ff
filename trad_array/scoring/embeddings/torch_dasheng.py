"""Dasheng: a masked autoencoder's encoder with patches of 40 ms over all bands (Dinkel et al., 2024, arXiv 2406.06992).

Reads the official checkpoints, `{"model", "config"}`. Their mel filters and window lie in the checkpoint and are used
when they do; their batch normalisation of bands is part of the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trad_array.errors import WeightsError
from trad_array.records import FloatArray
from trad_array.scoring.embeddings.encoder import FS
from trad_array.scoring.embeddings.torch_vit import Block
from trad_array.scoring.embeddings.torch_weights import check_heads, filled, number, read_checkpoint, tensor

_EPSILON = 1e-6
# Heads of the published sizes; a checkpoint's config may leave them to the function that loads it.
_HEADS = {768: 12, 1280: 16, 1536: 24}
_FLOOR = 1e-10


@dataclass(frozen=True, slots=True)
class Sizes:
    """Settings of a checkpoint.

    n_mels, n_fft, hop : of the spectrogram
    f_min, f_max : Hz, of the mel bands (HTK scale, not normalised)
    range_db : what lies farther below the loudest of a window is raised to there
    patch : bands and frames of a patch
    n_values, n_heads, n_layers : of the transformer
    n_positions : patches in time that have a position of their own
    mlp_ratio : hidden numbers per number
    qkv_bias, scaled : details of the blocks
    """

    n_mels: int
    n_fft: int
    hop: int
    f_min: float
    f_max: float
    range_db: float
    patch: tuple[int, int]
    n_values: int
    n_heads: int
    n_layers: int
    n_positions: int
    mlp_ratio: float
    qkv_bias: bool
    scaled: bool


class Network(nn.Module):
    """From decibels to tokens; names as in the checkpoints."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        n = sizes.n_values
        self.init_bn = nn.ModuleDict({"1": nn.BatchNorm2d(sizes.n_mels)})
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, n, sizes.patch, stride=sizes.patch)})
        self.time_pos_embed = nn.Parameter(torch.zeros(1, n, 1, sizes.n_positions))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, n, sizes.n_mels // sizes.patch[0], 1))
        self.blocks = nn.ModuleList(
            Block(
                n,
                sizes.n_heads,
                int(n * sizes.mlp_ratio),
                norm_first=True,
                epsilon=_EPSILON,
                qkv_bias=sizes.qkv_bias,
                scaled=sizes.scaled,
            )
            for _ in range(sizes.n_layers)
        )
        self.norm = nn.LayerNorm(n, eps=_EPSILON)

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """Decibels, shape (n, n_mels, n_frames), to tokens, shape (n, n_tokens, n_values)."""
        normalised = self.init_bn["1"](levels[..., None]).transpose(1, 3).transpose(2, 3)
        patches = self.patch_embed["proj"](normalised)
        x = patches + self.time_pos_embed[..., : patches.shape[-1]] + self.freq_pos_embed
        x = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        tokens: torch.Tensor = self.norm(x)
        return tokens


@dataclass(frozen=True, slots=True, eq=False)
class Dasheng:
    """See `encoder.Encoder`; a window's vector is the mean of its tokens.

    hann : (n_fft,)
    filters : (n_bins, n_mels)
    """

    net: nn.Module
    window: int
    n_values: int
    sizes: Sizes
    hann: torch.Tensor
    filters: torch.Tensor

    def __call__(self, windows: FloatArray) -> NDArray[np.float32]:
        """See `Encoder`."""
        return np.stack([self.tokens(window).mean(0).numpy() for window in windows])

    def levels(self, window: FloatArray) -> torch.Tensor:
        """Mel spectrogram of a window, dB, shape (n_mels, n_frames); centred frames, mirrored at the ends."""
        samples = torch.tensor(window, dtype=torch.float32)
        spectrum = torch.stft(
            samples,
            self.sizes.n_fft,
            hop_length=self.sizes.hop,
            window=self.hann,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        mel = self.filters.T @ (spectrum.real**2 + spectrum.imag**2)
        found = 10.0 * torch.log10(mel.clamp(min=_FLOOR))
        return found.clamp(min=float(found.max()) - self.sizes.range_db)

    def tokens(self, window: FloatArray) -> torch.Tensor:
        """Vectors of all patches of a window, shape (n_tokens, n_values)."""
        with torch.inference_mode():
            found: torch.Tensor = self.net(self.levels(window)[None])[0]
        return found


def load(path: Path, window: int | None) -> Dasheng:
    """See `encoder.LoadEncoder`."""
    found = read_checkpoint(path, "model", "config")
    state, config = found["model"], found["config"]
    sizes = _sizes(path, config, state)
    n_samples = FS if window is None else window
    n_tokens = (1 + n_samples // sizes.hop) // sizes.patch[1]
    if n_samples <= sizes.n_fft // 2 or not 0 < n_tokens <= sizes.n_positions:
        raise WeightsError(f"{path}: expected windows of 1 to {sizes.n_positions} patches, found {n_tokens}")
    hann_name, filters_name = "front_end.0.spectrogram.window", "front_end.0.mel_scale.fb"
    hann, filters = torch.hann_window(sizes.n_fft), mel_filters(sizes)
    if hann_name in state:
        hann = tensor(path, "Dasheng", state, hann_name, tuple(hann.shape))
    if filters_name in state:
        filters = tensor(path, "Dasheng", state, filters_name, tuple(filters.shape))
    net = filled(path, "Dasheng", lambda: Network(sizes), state)
    return Dasheng(net, n_samples, sizes.n_values, sizes, hann, filters)


def mel_filters(sizes: Sizes) -> torch.Tensor:
    """Triangles of height 1 that are evenly spaced in HTK's mel scale, shape (n_fft // 2 + 1, n_mels)."""
    bins = np.linspace(0.0, FS / 2, sizes.n_fft // 2 + 1)[:, None]
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (sizes.f_min, sizes.f_max))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, sizes.n_mels + 2) / 2595.0) - 1.0)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre))
    return torch.from_numpy(np.maximum(triangles, 0.0).astype(np.float32))


def _sizes(path: Path, config: Mapping[str, Any], state: Mapping[str, Any]) -> Sizes:
    if config.get("pooling", "mean") == "token":
        raise WeightsError(f"{path}: config.pooling: expected 'mean', found 'token'")
    n_fft = number(path, config, "n_fft", 512)
    if number(path, config, "win_size", n_fft) != n_fft or config.get("center", True) is not True:
        raise WeightsError(f"{path}: config: expected centred windows of {n_fft} samples, found others")
    times = tensor(path, "Dasheng", state, "time_pos_embed", None)
    if times.ndim != 4:
        raise WeightsError(f"{path}: time_pos_embed: expected 4 dimensions, found shape {tuple(times.shape)}")
    n_values = number(path, config, "embed_dim", int(times.shape[1]))
    sizes = Sizes(
        n_mels=number(path, config, "n_mels", 64),
        n_fft=n_fft,
        hop=number(path, config, "hop_size", 160),
        f_min=_real(path, config, "f_min", 0.0, highest=FS / 4),
        f_max=_real(path, config, "f_max", FS / 2, highest=FS / 2),
        range_db=_real(path, config, "top_db", 120.0, highest=1e3),
        patch=_patch(path, config),
        n_values=n_values,
        n_heads=number(path, config, "num_heads", _HEADS.get(n_values, 8)),
        n_layers=number(path, config, "depth", 12, highest=256),
        n_positions=int(times.shape[-1]),
        mlp_ratio=_real(path, config, "mlp_ratio", 4.0, highest=64.0),
        qkv_bias=bool(config.get("qkv_bias", True)),
        scaled=bool(config.get("init_values")),
    )
    check_heads(path, n_values, sizes.n_heads)
    return sizes


def _patch(path: Path, config: Mapping[str, Any]) -> tuple[int, int]:
    size, stride = (config.get(name, [64, 4]) for name in ("patch_size", "patch_stride"))
    whole = isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(n, int) and 0 < n < 512 for n in size)
    if not whole or list(size) != list(stride):
        raise WeightsError(f"{path}: config: expected two numbers as patch_size and patch_stride, found {size!r}")
    return int(size[0]), int(size[1])


def _real(path: Path, config: Mapping[str, Any], name: str, default: float, *, highest: float) -> float:
    value = config.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
        raise WeightsError(f"{path}: config.{name}: expected a number from 0 to {highest:g}, found {value!r}")
    return float(value)
