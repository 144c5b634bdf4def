"""ARBEx: attentive features with reliability balancing.

Wasi, Šerbetar, Islam, Rafi, Chae, "ARBEx: Attentive Feature Extraction with Reliability Balancing for Robust Facial
Expression Learning", 2023, arXiv 2305.01486; feature extractor after Mao, Xu, Yin, Chang, Nie, Huang, "POSTER++",
2023, arXiv 2301.12149 (MIT). In this file: window cross-attention between landmark and image features at three levels,
token transformer, 128-d embedding (section 3.2), anchors, attentive correction, confidence and fusion (3.3); the
losses (3.4) are in loss.py. SPEC is docs/spec.md. The official code carries no licence and was read, never copied.
Where we differ, and why (SPEC 2):

- Landmark features are heat maps of the tracker's mesh (landmark_maps.py), not a pretrained MobileFaceNet; their query
  is a learned projection. The shipped size reads no landmarks: its levels are the maps of the trunk (`landmarks`).
- The shipped size (training/configs/student.toml) reads 96 px grey. Its trunk is pretrained on identities, as the
  published one is (trunk_levels.py). The defaults here are the size of 0.1.0: 48 px, shrunk to 32, and a small ResNet
  trained on the votes alone first (trunk.py).
- Beside the levels' tokens the transformer may read the mean of the last map and the mesh points (`point_token`).
- The token transformer has depth 1, 4 heads and width 128 (published: 2, 8, 768). ReLU in the MLPs for GELU. LayerScale
  starts at 0.1, not 1e-5: in few epochs the branch must learn early.
- Attentive correction: attention from the embedding to the anchors. The official layer attends over the batch, so a
  face's output depends on the other faces in it.
- Anchors start at random on the unit sphere, not at zero, where all of them get the same gradient.
- Losses on vote shares, averaged over the batch, with a bounded anchor loss (loss.py). AdamW with a cosine and averaged
  weights (training/loop) for Adam with an exponentially decaying rate.
- Everything after the tokens may exist several times on one trunk: late branches, a cheap ensemble (SPEC 4.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.expression.landmark_maps import GROUPS, LANDMARK_POINTS, LandmarkMaps
from training.expression.trunk_levels import WIDTHS, PretrainedLevels, level_sides
from training.layers.attention import DropPath, TransformerBlock, WindowCrossAttention
from training.layers.residual import residual_stage

_EPSILON = 1e-9
#: Brings centred points of the crop, within half a side, to about unit variance.
_POINT_SCALE: Final = 4.0
#: FER2013's own labels (training/data/fer2013.py).
FER2013_CLASSES: Final = 7


@dataclass(frozen=True, slots=True)
class ArbexConfig:
    """Shape of the network; the defaults are the size of 0.1.0 (48 px grey)."""

    input_side_px: int = 48
    network_side_px: int = 32  # the image is shrunk to this inside the network
    classes: int = 8
    stem_stride: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (2, 2, 2, 1)
    level_heads: tuple[int, ...] = (2, 4, 4)
    window: int = 8  # side of the attention windows; smaller maps are one window
    level_mlp_ratio: float = 1.5
    layer_scale: float = 0.1
    level_drop_path: tuple[float, ...] = (0.0, 0.05, 0.1)
    token_width: int = 128
    token_depth: int = 1
    token_heads: int = 4
    token_mlp_ratio: float = 2.0
    gate_width: int = 32
    embedding: int = 128  # D
    head_width: int = 64
    dropout: float = 0.2
    anchors: int = 10  # K per class
    anchor_scale: float = 0.2  # delta of the geometric correction, for unit vectors
    attention_heads: int = 8  # of the attentive correction
    branches: int = 1
    fer2013_head: bool = False  # a second, plain head for the seven FER2013 labels; training only
    pretrained_trunk: bool = False  # the teacher's trunk (trunk_levels.py) instead of a small ResNet
    point_token: bool = False  # the mesh points in the crop's frame as one more token
    landmarks: bool = True  # cross-attention with the landmark maps; without it the levels are the trunk's maps

    def __post_init__(self) -> None:
        """Check that the shape suits the trunk.

        Raises:
            ValueError: the pretrained trunk has other widths, or reads the image as it comes; or a network without
                landmarks has a token for their points.
        """
        if self.point_token and not self.landmarks:
            raise ValueError("point_token needs landmarks = true: set point_token = false")
        if not self.pretrained_trunk:
            return
        if self.widths != WIDTHS or self.network_side_px != self.input_side_px:
            raise ValueError(
                f"the pretrained trunk has widths {list(WIDTHS)} and reads the whole input: set model.widths and "
                f"network_side_px = input_side_px, not {list(self.widths)} and {self.network_side_px}"
            )
        first, second, last = sides = level_sides(self.input_side_px)
        if ((first - 3) // 2 + 1, (second - 3) // 2 + 1) != (second, last):
            raise ValueError(f"{self.input_side_px} px give levels of {sides} cells that do not meet: use 96 px")


@dataclass(frozen=True, slots=True, eq=False)
class ArbexOutput:
    """Output of one branch for a batch; every distribution is (N, C)."""

    embedding: Tensor  # (N, D), unit length
    logits: Tensor  # (N, C) before softmax, primary
    primary: Tensor  # p
    geometric: Tensor  # s
    attentive: Tensor  # u
    fused: Tensor  # q
    fer2013_logits: Tensor | None = None  # (N, 7)


class ArbexLevel(nn.Module):
    """Cross-attention of one level with its residual MLP; the shortcut is the normalised image map (SPEC 2.1)."""

    def __init__(self, width: int, heads: int, grid: int, config: ArbexConfig, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = WindowCrossAttention(width, heads, grid, min(config.window, grid), len(GROUPS))
        self.norm_mlp = nn.LayerNorm(width)
        hidden = round(width * config.level_mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.scale_attention = nn.Parameter(torch.full((width,), config.layer_scale))
        self.scale_mlp = nn.Parameter(torch.full((width,), config.layer_scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, image: Tensor, landmark_maps: Tensor) -> Tensor:
        """Image map (N, C, H, W) and landmark maps (N, H, W, G) to the attended map (N, C, H, W)."""
        x: Tensor = self.norm(image.permute(0, 2, 3, 1))  # (N, H, W, C)
        attended = self.attention(x, landmark_maps.to(x.dtype))
        y: Tensor = x + self.drop_path(self.scale_attention * attended)
        y = y + self.drop_path(self.scale_mlp * self.mlp(self.norm_mlp(y)))
        return y.permute(0, 3, 1, 2)  # (N, C, H, W)


class Reliability(nn.Module):
    """Anchors and the two corrections computed from them (ARBEx 3.3; SPEC 2.2, 2.3)."""

    def __init__(self, config: ArbexConfig) -> None:
        super().__init__()
        self.classes, self.per_class, self.scale = config.classes, config.anchors, config.anchor_scale
        self.heads = config.attention_heads
        count = config.classes * config.anchors
        self.anchors = nn.Parameter(functional.normalize(torch.randn(count, config.embedding), dim=1))
        self.query = nn.Linear(config.embedding, config.embedding, bias=False)
        self.key = nn.Linear(config.embedding, config.embedding, bias=False)

    def unit_anchors(self) -> Tensor:
        """Anchors (C*K, D) on the unit sphere, class after class."""
        return functional.normalize(self.anchors, dim=1)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Corrections s and u, each (N, C) with rows that sum to 1, of unit embeddings (N, D)."""
        anchors = self.unit_anchors()
        # |e - a|^2 = 2 - 2 e.a for unit vectors; the floor keeps the gradient of the root finite
        distance = (2 - 2 * embedding @ anchors.T).clamp(min=1e-6).sqrt()  # (N, C*K)
        geometric = self._by_class(functional.softmax(-distance / self.scale, dim=-1))
        unit_variance = math.sqrt(
            embedding.shape[1]
        )  # entries of unit vectors, 1/sqrt(D), are too small to attend with
        width = self.query.out_features // self.heads
        query = self.query(embedding * unit_variance).reshape(-1, self.heads, width)  # (N, h, d)
        key = self.key(anchors * unit_variance).reshape(-1, self.heads, width)  # (C*K, h, d)
        scores = torch.einsum("nhd,ahd->nha", query, key) * query.shape[-1] ** -0.5
        attentive = self._by_class(functional.softmax(scores, dim=-1).mean(1))
        return geometric, attentive

    def _by_class(self, weights: Tensor) -> Tensor:
        return weights.view(-1, self.classes, self.per_class).sum(-1)


def confidence(probabilities: Tensor) -> Tensor:
    """c(p) = 1 - H(p) / ln C of distributions (N, C), as (N, 1)."""
    clamped = probabilities.clamp(min=_EPSILON)
    entropy = -(clamped * clamped.log()).sum(-1, keepdim=True)
    return 1 - entropy / math.log(probabilities.shape[-1])


def fuse(primary: Tensor, geometric: Tensor, attentive: Tensor) -> Tensor:
    """q: a confident primary distribution is kept, an unsure one gives way to the corrections (SPEC 2.2)."""
    weight_s, weight_u = confidence(geometric), confidence(attentive)
    mixed = (weight_s * geometric + weight_u * attentive) / (weight_s + weight_u + _EPSILON)  # t
    # without any confidence in the corrections t would be 0: keep the primary
    mixed = torch.where(weight_s + weight_u > 1e-6, mixed, primary)
    certain = confidence(primary)
    return certain * primary + (1 - certain) * mixed


class Shrink(nn.Module):
    """Fixed antialiased bilinear resampling of square images as two matrix products, which every runtime supports."""

    def __init__(self, side_in_px: int, side_px: int) -> None:
        super().__init__()
        columns = torch.eye(side_in_px)[None, None]
        weights = functional.interpolate(
            columns, size=(side_px, side_in_px), mode="bilinear", antialias=True, align_corners=False
        )
        self.register_buffer("weights", weights[0, 0], persistent=False)
        self.weights: Tensor  # (side_px, side_in_px), rows sum to 1

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, 1, S, S) to (N, 1, side_px, side_px)."""
        return self.weights @ image @ self.weights.T


class Trunk(nn.Module):
    """Stem and four residual stages; the last three are the levels."""

    def __init__(self, config: ArbexConfig) -> None:
        super().__init__()
        same = config.network_side_px == config.input_side_px
        self.shrink = nn.Identity() if same else Shrink(config.input_side_px, config.network_side_px)
        first, *widths = config.widths
        self.stem = nn.Sequential(
            nn.Conv2d(1, first, 3, config.stem_stride, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.stage1 = residual_stage(first, first, config.blocks[0], 1)
        self.stages = nn.ModuleList(
            residual_stage(config.widths[index], width, config.blocks[index + 1], 2)
            for index, width in enumerate(widths)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised grey (N, 1, S, S) to the maps (N, C, H, W) of the three levels."""
        x = self.stage1(self.stem(self.shrink(image)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class ArbexBranch(nn.Module):
    """Tokens to distributions: transformer, gate, 128-d embedding, heads and reliability balancing."""

    def __init__(self, config: ArbexConfig, tokens: int) -> None:
        super().__init__()
        width = config.token_width
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, tokens + 1, width) * 0.02)
        blocks = [
            TransformerBlock(tokens + 1, width, config.token_heads, config.token_mlp_ratio, 0.05)
            for _ in range(config.token_depth)
        ]
        self.transformer = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.gate = nn.Sequential(
            nn.Linear(width, config.gate_width), nn.ReLU(), nn.Linear(config.gate_width, width), nn.Sigmoid()
        )
        self.reduce = nn.Sequential(nn.Linear(width, config.embedding), nn.LayerNorm(config.embedding))
        self.head = nn.Sequential(
            nn.Linear(config.embedding, config.head_width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.head_width, config.classes),
        )
        self.fer2013 = nn.Linear(config.embedding, FER2013_CLASSES) if config.fer2013_head else None
        self.reliability = Reliability(config)

    def forward(self, tokens: Tensor) -> ArbexOutput:
        """Tokens (N, T, width) of all levels to the distributions."""
        joined = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1) + self.positions
        token = self.norm(self.transformer(joined)[:, 0])  # (N, width)
        features = self.reduce(token * self.gate(token))  # (N, D)
        with torch.autocast(features.device.type, enabled=False):  # distances and entropies need single precision
            features = features.float()
            logits = self.head(features)
            embedding = functional.normalize(features, dim=1)
            primary = functional.softmax(logits, dim=-1)
            geometric, attentive = self.reliability(embedding)
            fused = fuse(primary, geometric, attentive)
            second = self.fer2013(features) if self.fer2013 is not None else None
        return ArbexOutput(embedding, logits, primary, geometric, attentive, fused, second)


class Arbex(nn.Module):
    """The network: image and landmarks to the distributions of each branch."""

    def __init__(self, config: ArbexConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = PretrainedLevels() if config.pretrained_trunk else Trunk(config)
        widths, grids = config.widths[1:], _grids(config)
        levels = zip(widths, config.level_heads, grids, config.level_drop_path, strict=True)
        self.landmark_maps = nn.ModuleList(LandmarkMaps(grid) for grid in grids if config.landmarks)
        self.levels = nn.ModuleList(
            ArbexLevel(width, heads, grid, config, drop_path)
            for width, heads, grid, drop_path in levels
            if config.landmarks
        )
        self.tokens = nn.ModuleList(
            _tokens_of(width, config, strides) for width, strides in zip(widths, (2, 1, 0), strict=True)
        )
        self.cells = grids[-1] ** 2  # tokens of each level
        # A token for the mean of the last map, which the pretrained head read, and one for the landmarks.
        self.summary = nn.Linear(widths[-1], config.token_width) if config.pretrained_trunk else None
        self.point_token = PointToken(config.token_width) if config.point_token else None
        tokens = 3 * self.cells + sum(part is not None for part in (self.summary, self.point_token))
        self.branches = nn.ModuleList(ArbexBranch(config, tokens) for _ in range(config.branches))

    def forward(self, image: Tensor, points: Tensor) -> list[ArbexOutput]:
        """Normalised grey (N, 1, S, S) and landmark points (N, P, 2) in 0-1 of the crop, order of LANDMARK_POINTS."""
        return self.estimate(image, self.maps_of(points))

    def maps_of(self, points: Tensor) -> list[Tensor]:
        """Landmark maps (N, H, W, G) of each level and the points; no weights, so an ensemble computes them once.

        A network without landmarks has no maps and reads none.
        """
        return [*(maps(points) for maps in self.landmark_maps), points]

    def estimate(self, image: Tensor, landmark_maps: list[Tensor]) -> list[ArbexOutput]:
        """Normalised grey (N, 1, S, S) and what `maps_of` gives to the distributions of each branch."""
        tokens = self.features(image, landmark_maps)
        return [branch(tokens) for branch in self.each_branch()]

    def each_branch(self) -> list[ArbexBranch]:
        """The branches with their type, which a ModuleList loses."""
        return [branch for branch in self.branches if isinstance(branch, ArbexBranch)]

    def features(self, image: Tensor, landmark_maps: list[Tensor]) -> Tensor:
        """Tokens (N, T, token_width): those of the three levels, then the summary and the points where there are."""
        levels = attended = self.trunk(image)
        if self.config.landmarks:
            attended = [level(x, maps) for x, level, maps in zip(levels, self.levels, landmark_maps[:-1], strict=True)]
        parts = []
        for x, tokens in zip(attended, self.tokens, strict=True):
            grid = tokens(x)
            parts.append(grid.reshape(-1, self.config.token_width, self.cells).transpose(1, 2))  # (N, T, width)
        if self.summary is not None:
            parts.append(self.summary(levels[-1].mean((2, 3)))[:, None])
        if self.point_token is not None:
            parts.append(self.point_token(landmark_maps[-1])[:, None])
        return torch.cat([part.to(parts[0].dtype) for part in parts], dim=1)


class PointToken(nn.Module):
    """The mesh points in the crop's frame as a token: what the crop hides, the mesh may still show."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 2 * width
        self.mlp = nn.Sequential(nn.Linear(2 * len(LANDMARK_POINTS), hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, points: Tensor) -> Tensor:
        """Points (N, P, 2) in 0-1 of the crop to the token (N, width)."""
        centred = (points - 0.5).reshape(-1, 2 * len(LANDMARK_POINTS)) * _POINT_SCALE
        token: Tensor = self.mlp(centred)
        return token


def _grids(config: ArbexConfig) -> list[int]:
    """Sides of the maps of the three levels."""
    if config.pretrained_trunk:
        return level_sides(config.input_side_px)
    levels = range(1, len(config.widths))
    return [config.network_side_px // config.stem_stride // 2**level for level in levels]


def _tokens_of(width: int, config: ArbexConfig, strides: int) -> nn.Module:
    """Map (N, C, H, W) to the grid of the last level with token_width channels by strided convolutions (SPEC 2.1)."""
    if strides == 0:
        return nn.Conv2d(width, config.token_width, 1)
    padding = 0 if config.pretrained_trunk else 1  # as in the trunk, or the grids would not meet
    steps: list[nn.Module] = [nn.Conv2d(width, width, 3, 2, padding), nn.ReLU()] * (strides - 1)
    return nn.Sequential(*steps, nn.Conv2d(width, config.token_width, 3, 2, padding))
