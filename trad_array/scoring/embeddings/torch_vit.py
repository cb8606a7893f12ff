"""The transformer block that EAT and Dasheng share, with the names that their checkpoints use."""

import torch
import torch.nn.functional as functional
from torch import nn


class Attention(nn.Module):
    """Self-attention; query, key and value come from one matrix."""

    def __init__(self, n_values: int, n_heads: int, *, qkv_bias: bool) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(n_values, 3 * n_values, bias=qkv_bias)
        self.proj = nn.Linear(n_values, n_values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens, shape (n, n_tokens, n_values), to the same shape."""
        n, n_tokens, n_values = x.shape
        parts = self.qkv(x).view(n, n_tokens, 3, self.n_heads, n_values // self.n_heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        projected: torch.Tensor = self.proj(attended.transpose(1, 2).reshape(n, n_tokens, n_values))
        return projected


class Mlp(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, n_values: int, n_hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_values, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        out: torch.Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class Scale(nn.Module):
    """Each number of a vector times one of its own."""

    def __init__(self, n_values: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(n_values))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return x * self.gamma


class Block(nn.Module):
    """Attention and two layers, each added to what came in; normalised before (Dasheng) or after (EAT)."""

    def __init__(
        self,
        n_values: int,
        n_heads: int,
        n_hidden: int,
        *,
        norm_first: bool,
        epsilon: float,
        qkv_bias: bool = True,
        scaled: bool = False,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.norm1 = nn.LayerNorm(n_values, eps=epsilon)
        self.attn = Attention(n_values, n_heads, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(n_values, eps=epsilon)
        self.mlp = Mlp(n_values, n_hidden)
        self.ls1 = Scale(n_values) if scaled else nn.Identity()
        self.ls2 = Scale(n_values) if scaled else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens, shape (n, n_tokens, n_values), to the same shape."""
        if self.norm_first:
            x = x + self.ls1(self.attn(self.norm1(x)))
            out: torch.Tensor = x + self.ls2(self.mlp(self.norm2(x)))
            return out
        x = self.norm1(x + self.attn(x))
        out = self.norm2(x + self.mlp(x))
        return out
