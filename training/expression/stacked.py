"""Late branches computed together: the same numbers with a fifth of the operations, for export.

Five small branches are limited by the number of operations, not by their size, so the exported graph multiplies all of
them at once. Only the class token leaves the last transformer block, so only that one is computed there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.expression.model import Arbex, ArbexBranch, fuse
from training.layers.attention import TransformerBlock


class StackedLinear(nn.Module):
    """A linear layer per branch."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))  # (B, in, out)
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        self.bias = nn.Parameter(torch.stack(biases)[:, None]) if biases else None  # (B, 1, out)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, rows, in) to (B, rows, out)."""
        product = features @ self.weight
        return product if self.bias is None else product + self.bias


class StackedNorm(nn.Module):
    """A layer norm per branch."""

    def __init__(self, layers: Sequence[nn.LayerNorm]) -> None:
        super().__init__()
        self.width, self.epsilon = layers[0].normalized_shape[0], layers[0].eps
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers])[:, None])  # (B, 1, width)
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])[:, None])

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, rows, width), normalised and scaled."""
        return functional.layer_norm(features, (self.width,), eps=self.epsilon) * self.weight + self.bias


class StackedBlock(nn.Module):
    """A `TransformerBlock` per branch; the ``last`` one returns the class token alone."""

    def __init__(self, blocks: Sequence[TransformerBlock], last: bool) -> None:
        super().__init__()
        first = blocks[0]
        self.tokens, self.width, self.heads, self.last = first.tokens, first.width, first.heads, last
        self.branches = len(blocks)
        self.norm_attention = StackedNorm([block.norm_attention for block in blocks])
        self.query = StackedLinear([_rows(block.query_key_value, 0, 1, self.width) for block in blocks])
        self.key_value = StackedLinear([_rows(block.query_key_value, 1, 3, self.width) for block in blocks])
        self.project = StackedLinear([block.project for block in blocks])
        self.norm_mlp = StackedNorm([block.norm_mlp for block in blocks])
        self.widen = StackedLinear([_linear(block.mlp[0]) for block in blocks])
        self.narrow = StackedLinear([_linear(block.mlp[2]) for block in blocks])

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N*T, width) to the same, or to (B, N, width) for the last block."""
        size, heads, width = self.tokens, self.heads, self.width
        normed = self.norm_attention(tokens)
        queried, kept = (_class_token(normed, size), _class_token(tokens, size)) if self.last else (normed, tokens)
        queries = 1 if self.last else size
        shape = (self.branches, -1, size, 2, heads, width // heads)
        key, value = self.key_value(normed).reshape(shape).permute(3, 0, 1, 4, 2, 5).unbind(0)  # (B, N, h, T, d)
        query = self.query(queried).reshape(self.branches, -1, queries, heads, width // heads).transpose(2, 3)
        scores = functional.softmax(query @ key.transpose(-2, -1) * (width // heads) ** -0.5, dim=-1)
        mixed = (scores @ value).transpose(2, 3).reshape(self.branches, -1, width)
        attended = kept + self.project(mixed)
        mixed = self.narrow(functional.relu(self.widen(self.norm_mlp(attended))))
        return torch.add(attended, mixed)


class StackedBranches(nn.Module):
    """All branches of a network, from the tokens to the fused distributions."""

    def __init__(self, branches: Sequence[ArbexBranch]) -> None:
        super().__init__()
        first = branches[0].reliability
        self.branches, self.classes, self.scale = len(branches), first.classes, first.scale
        self.heads, self.per_class = first.heads, first.per_class
        self.class_token = nn.Parameter(torch.stack([branch.class_token.detach()[0] for branch in branches])[:, None])
        self.positions = nn.Parameter(torch.stack([branch.positions.detach() for branch in branches]))  # (B, 1, T, w)
        blocks = list(zip(*(_blocks(branch) for branch in branches), strict=True))
        self.blocks = nn.ModuleList(
            StackedBlock(block, number == len(blocks) - 1) for number, block in enumerate(blocks)
        )
        self.norm = StackedNorm([branch.norm for branch in branches])
        self.gate_in = StackedLinear([_linear(branch.gate[0]) for branch in branches])
        self.gate_out = StackedLinear([_linear(branch.gate[2]) for branch in branches])
        self.reduce = StackedLinear([_linear(branch.reduce[0]) for branch in branches])
        self.reduce_norm = StackedNorm([_norm(branch.reduce[1]) for branch in branches])
        self.head_in = StackedLinear([_linear(branch.head[0]) for branch in branches])
        self.head_out = StackedLinear([_linear(branch.head[3]) for branch in branches])
        self.query = StackedLinear([branch.reliability.query for branch in branches])
        anchors = torch.stack([branch.reliability.unit_anchors().detach() for branch in branches])  # (B, CK, D)
        spread = anchors.shape[-1] ** 0.5
        keys = torch.stack(
            [branch.reliability.key(anchor * spread).detach() for branch, anchor in zip(branches, anchors, strict=True)]
        )
        self.anchors = nn.Parameter(anchors.transpose(1, 2))  # (B, D, CK)
        split = keys.reshape(self.branches, 1, keys.shape[1], self.heads, -1)  # (B, 1, CK, h, d)
        self.keys = nn.Parameter(split.permute(0, 1, 3, 4, 2).contiguous())  # (B, 1, h, d, CK)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, width) to fused distributions (N, B, C)."""
        width = tokens.shape[-1]
        many = tokens[None] + self.positions[:, :, 1:]  # (B, N, T, width)
        first = (self.class_token + self.positions[:, :, :1]).expand(-1, tokens.shape[0], -1, -1)
        x = torch.cat([first, many], dim=2).reshape(self.branches, -1, width)  # (B, N*(T+1), width)
        for block in self.blocks:
            x = block(x)
        token = self.norm(x)  # (B, N, width)
        gate = torch.sigmoid(self.gate_out(functional.relu(self.gate_in(token))))
        features = self.reduce_norm(self.reduce(token * gate))  # (B, N, D)
        primary = functional.softmax(self.head_out(functional.relu(self.head_in(features))), dim=-1)
        geometric, attentive = self._corrections(functional.normalize(features, dim=-1))
        return fuse(primary, geometric, attentive).transpose(0, 1)

    def _corrections(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        distance = (2 - 2 * embedding @ self.anchors).clamp(min=1e-6).sqrt()  # (B, N, CK)
        geometric = self._by_class(functional.softmax(-distance / self.scale, dim=-1))
        width = embedding.shape[-1]
        query = self.query(embedding * width**0.5).reshape(self.branches, -1, self.heads, 1, width // self.heads)
        products = query @ self.keys  # (B, N, h, 1, CK)
        # reshape, not squeeze, which the exporter writes as an ``If``
        scores = products.reshape(self.branches, -1, self.heads, products.shape[-1]) * (width // self.heads) ** -0.5
        return geometric, self._by_class(functional.softmax(scores, dim=-1).mean(2))

    def _by_class(self, weights: Tensor) -> Tensor:
        return weights.reshape(self.branches, -1, self.classes, self.per_class).sum(-1)


class StackedArbex(nn.Module):
    """A network with its branches stacked: ``stacked`` takes the tokens of ``network``."""

    def __init__(self, network: Arbex) -> None:
        super().__init__()
        self.network = network
        self.stacked = StackedBranches(network.each_branch())


def _class_token(rows: Tensor, tokens: int) -> Tensor:
    return rows.reshape(rows.shape[0], -1, tokens, rows.shape[-1])[:, :, 0]


def _blocks(branch: ArbexBranch) -> list[TransformerBlock]:
    return [block for block in branch.transformer if isinstance(block, TransformerBlock)]


def _rows(layer: nn.Linear, start: int, stop: int, width: int) -> nn.Linear:
    """The part of a joint projection with the outputs start*width to stop*width."""
    part = nn.Linear(layer.in_features, (stop - start) * width)
    with torch.no_grad():
        part.weight.copy_(layer.weight[start * width : stop * width])
        part.bias.copy_(layer.bias[start * width : stop * width])
    return part


def _linear(layer: nn.Module) -> nn.Linear:
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"a linear layer was expected, not {type(layer).__name__}")
    return layer


def _norm(layer: nn.Module) -> nn.LayerNorm:
    if not isinstance(layer, nn.LayerNorm):
        raise TypeError(f"a layer norm was expected, not {type(layer).__name__}")
    return layer
