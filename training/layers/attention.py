"""Attention layers shared by the networks: window cross-attention, token transformer, drop path."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class DropPath(nn.Module):
    """Drops a residual branch for a random share of the batch (Huang et al., "Stochastic Depth", ECCV 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """Branch (N, ...), kept and scaled up, or zero, per sample."""
        if not self.training or self.rate == 0.0:
            return branch
        kept = torch.rand((len(branch), *[1] * (branch.ndim - 1)), device=branch.device) >= self.rate
        return branch * (kept / (1 - self.rate)).to(branch.dtype)


class WindowCrossAttention(nn.Module):
    """Cross-attention inside windows of a map (ARBEx 3.2, POSTER++ 3.2).

    q is a projection of the landmark map, k and v of the image map; a learned bias per relative position is added.
    """

    def __init__(self, width: int, heads: int, grid: int, window: int, query_width: int) -> None:
        """For maps of ``grid`` x ``grid`` cells, which ``window`` divides; fixed sizes keep exports small."""
        super().__init__()
        self.width, self.heads, self.grid, self.window = width, heads, grid, window
        self.query = nn.Linear(query_width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.project = nn.Linear(width, width)
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        places = torch.stack([rows.flatten(), columns.flatten()])  # (2, T)
        offsets = places[:, :, None] - places[:, None, :] + window - 1  # (2, T, T)
        self.register_buffer("bias_index", offsets[0] * (2 * window - 1) + offsets[1], persistent=False)
        self.bias_index: Tensor

    def forward(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """Maps image (N, H, W, C) and landmarks (N, H, W, G) to (N, H, W, C)."""
        query = self._split(self.query(landmarks))  # (N*windows, heads, T, d)
        key, value = (self._split(part) for part in self.key_value(image).split(self.width, dim=-1))
        tokens = self.window * self.window
        bias = self.position_bias[self.bias_index.flatten()].view(tokens, tokens, self.heads).permute(2, 0, 1)
        scores = query @ key.transpose(-2, -1) * (self.width // self.heads) ** -0.5 + bias  # (N*windows, heads, T, T)
        mixed = (functional.softmax(scores, dim=-1) @ value).transpose(1, 2)  # (N*windows, T, heads, d)
        count, side = self.grid // self.window, self.window
        if count > 1:
            mixed = mixed.reshape(-1, count, count, side, side, self.width).permute(0, 1, 3, 2, 4, 5)
        projected: Tensor = self.project(mixed.reshape(-1, self.grid, self.grid, self.width))
        return projected

    def _split(self, grid: Tensor) -> Tensor:
        """Map (N, H, W, C) to windows and heads (N*windows, heads, T, d)."""
        count, side = self.grid // self.window, self.window
        if count > 1:
            grid = grid.reshape(-1, count, side, count, side, self.width).permute(0, 1, 3, 2, 4, 5)
        return grid.reshape(-1, side * side, self.heads, self.width // self.heads).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and MLP (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021)."""

    def __init__(self, tokens: int, width: int, heads: int, mlp_ratio: float, drop_path: float) -> None:
        """For ``tokens`` tokens of ``width`` features; sizes are fixed so that exports stay small."""
        super().__init__()
        self.tokens, self.width, self.heads = tokens, width, heads
        self.norm_attention = nn.LayerNorm(width, eps=1e-6)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width, eps=1e-6)
        hidden = round(width * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, D) to (N, T, D)."""
        tokens = tokens + self.drop_path(self._attend(self.norm_attention(tokens)))
        attended: Tensor = tokens + self.drop_path(self.mlp(self.norm_mlp(tokens)))
        return attended

    def _attend(self, tokens: Tensor) -> Tensor:
        parts = self.query_key_value(tokens).split(self.width, dim=-1)
        shape = (-1, self.tokens, self.heads, self.width // self.heads)
        query, key, value = (part.reshape(shape).transpose(1, 2) for part in parts)
        scores = query @ key.transpose(-2, -1) * (self.width // self.heads) ** -0.5
        mixed = functional.softmax(scores, dim=-1) @ value  # (N, heads, T, d)
        projected: Tensor = self.project(mixed.transpose(1, 2).reshape(-1, self.tokens, self.width))
        return projected
