"""UGN: action-unit features and the uncertain graph head, at the paper's size and at edge size, and its baselines.

Tengfei Song, Lisha Chen, Wenming Zheng and Qiang Ji, "Uncertain Graph Neural Networks for Facial Action Unit
Detection", AAAI 2021, pages 5993-6001. No code of the authors was found; this is our own writing.

In this file (N faces, S samples, K units, D features). Numbers 3 and 9 are the paper's own; the letters are ours, for
lines whose printed number could not be checked:
  Eq. a  p_i = sigmoid(w_i x_i + b_i), stage 1
  Eq. b  A = relu(B + B^T), A~ = A + I, A^ = D^-1/2 A~ D^-1/2, D the row sums of A~
  Eq. c  g_i = P x_i, mu_ij = a_mu . [g_i ; g_j], sigma_ij = softplus(a_sg . [g_i ; g_j])
  Eq. d  M = sigmoid(mu + sigma eps), eps standard normal
  Eq. 3  H = relu((M * A^) X W), element-wise product first; GN-D has M = 1
  Eq. e  p_i = sigmoid(v_i h_i + c_i), stage 2
  Eq. f  total = Hb(mean_s p), aleatoric = mean_s Hb(p), epistemic = total - aleatoric, Hb the binary entropy in nats
(Eq. 9, the adaptive loss, is in training/action_units/loss.py.)

Where we differ: a grey 96-pixel face, as the engine crops it, instead of 224 pixels in colour (colour data sets are
read as grey), and no ImageNet weights. The paper does not specify how ResNet18 yields K vectors: ``pooling = "linear"``
expands the mean over space, ``"attention"`` takes a weighted mean for each unit. Edge size is a smaller ResNet, or the
first blocks of dlib's network (``face_trunk``). The printed second exponent of Eq. b lacks its minus; own B, P, a and W
per layer; a bias for sigma, so that it starts at ``initial_sigma``; eps is an input, so that a stream sees one fixed
bank of samples; a weak prior on the mask in the loss (training/action_units/loss.py), without which sigma went to 0 and
every mask to 1.

``centred`` (ours; False is the paper's form): X is the deviation of a unit's vector from its mean over training faces
without the unit, and Eq. 3 gets a bias inside the relu. A mask scales a node's features. If the features of a neutral
face are not zero, the mask changes them most where the prediction is most certain: accuracy at p = 0.5 was 0.92 in the
least uncertain tenth (epistemic) and 0.91 in the most uncertain. Centred, a neutral face has nothing for a mask to
scale: the same two tenths are 0.98 and 0.77, and average precision went from 0.755 to 0.753 (validation people of
faces128, 12 units with the labels of the first model).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.facs import HIGHEST_INTENSITY
from training.layers.face_trunk import BLOCKS, ShortFaceTrunk, kept_blocks
from training.layers.residual import ResidualBlock, conv_norm, fan_out


class Variant(str, Enum):
    """The paper's five models; the last three use the frozen features of RESNET_BL."""

    RESNET = "resnet"  # stage 1, equal unit weights
    RESNET_BL = "resnet-bl"  # stage 1, units weighted by rarity
    GN_D = "gn-d"  # the graph without a mask (M = 1)
    UGN = "ugn"  # a sampled mask, equal face weights
    UGN_B = "ugn-b"  # a sampled mask, faces weighted by their epistemic uncertainty (Eq. 9)

    @property
    def has_graph(self) -> bool:
        """Whether there is a second stage."""
        return self not in (Variant.RESNET, Variant.RESNET_BL)


@dataclass(frozen=True, slots=True)
class UGNConfig:
    """Shape of the network; the defaults are the edge size, training/configs/action_units_ref.toml is the paper's."""

    units: int = 18  # K; training takes it from the data
    side_px: int = 96
    stem: int = 16  # channels after the first convolution
    resnet_stem: bool = False  # 7x7/2 and pooling, as in the paper's ResNet18, instead of two 3x3/2
    widths: tuple[int, ...] = (32, 64, 128)  # channels at 1/4, 1/8, 1/16 of the side; the last is D
    blocks: tuple[int, ...] = (1, 2, 2)  # residual blocks of each
    face_trunk: tuple[int, ...] = ()  # blocks of each width of dlib's network, its first ones, instead of `blocks`
    pooling: str = "attention"  # or "linear"
    graph_width: int = 64
    projection: int = 64  # width of g
    mask: str = "sampled"  # or "none": M = 1, which is GN-D
    centred: bool = True
    links: str = "relu"  # of Eq. b; with "softplus" an edge that has faded can return
    self_noise: float = 1.0  # share of the noise that the mask of a unit's own loop gets; 0: only those of edges
    initial_edge: float = 0.1  # A starts uniform in 0..twice this: at 0 its gradient through relu would be 0
    initial_sigma: float = 1.0
    intensity: bool = False  # an output 0-5 per unit, from its own vector alone

    def __post_init__(self) -> None:
        if self.pooling not in ("attention", "linear"):
            raise ValueError(f"pooling must be 'attention' or 'linear', not {self.pooling!r}")
        if self.mask not in ("sampled", "none"):
            raise ValueError(f"mask must be 'sampled' or 'none', not {self.mask!r}")
        if self.links not in ("relu", "softplus"):
            raise ValueError(f"links must be 'relu' or 'softplus', not {self.links!r}")
        require_share(self.self_noise)
        if len(self.widths) != len(self.blocks):
            raise ValueError(f"widths {self.widths} and blocks {self.blocks} must have the same length")
        if self.face_trunk and self.widths[-1] != BLOCKS[kept_blocks(self.face_trunk)[-1]][0]:
            raise ValueError(f"the last of widths {self.widths} must be that of the face trunk {self.face_trunk}")


def require_share(self_noise: float) -> None:
    """Check a share of noise.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if not 0 <= self_noise <= 1:
        raise ValueError(f"self_noise must be between 0 and 1, not {self_noise}")


@dataclass(frozen=True, slots=True, eq=False)
class MaskSample:
    """The mask of one layer: samples and the Gaussian of their logits; S is 1 where all samples share it."""

    mask: Tensor  # (N, S, K, K) M, 0-1
    mu: Tensor  # (N, S or 1, K, K); infinite where the mask is fixed at 1
    sigma: Tensor  # (N, S or 1, K, K); 0 there


@dataclass(frozen=True, slots=True, eq=False)
class GraphOutput:
    """Output of the graph head for N faces and S samples."""

    logits: Tensor  # (N, S, K)
    layers: tuple[MaskSample, MaskSample]
    intensity: Tensor | None  # (N, K) logits of intensity 0-1, where the model grades it


@dataclass(frozen=True, slots=True, eq=False)
class UnitUncertainty:
    """Occurrence and its uncertainty, each (N, K); the uncertainties in nats."""

    occurrence: Tensor
    occurrence_std: Tensor  # over the samples
    total: Tensor
    aleatoric: Tensor
    epistemic: Tensor


class UnitFeatures(nn.Module):
    """One feature vector per unit from an image of the face."""

    def __init__(self, config: UGNConfig) -> None:
        super().__init__()
        self.units = config.units
        self.trunk = ShortFaceTrunk(config.face_trunk) if config.face_trunk else _own_trunk(config)
        width = config.widths[-1]
        self.attention = nn.Conv2d(width, config.units, 1) if config.pooling == "attention" else None
        self.expand = nn.Linear(width, config.units * width) if config.pooling == "linear" else None

    def forward(self, image: Tensor) -> Tensor:
        """Image (N, 1, S, S), normalised, to features (N, K, D), none negative."""
        maps = self.trunk(image)  # (N, D, H, W)
        if self.expand is not None:
            pooled: Tensor = torch.relu(self.expand(maps.mean((2, 3))))
            return pooled.reshape(-1, self.units, maps.shape[1])  # (N, K, D)
        assert self.attention is not None
        weights = self.attention(maps).flatten(2).softmax(-1)  # (N, K, H W)
        features: Tensor = weights @ maps.flatten(2).transpose(1, 2)  # (N, K, D)
        return features


def _own_trunk(config: UGNConfig) -> nn.Sequential:
    """A small ResNet."""
    width = config.stem if config.resnet_stem else config.widths[0]
    layers: list[nn.Module] = [
        conv_norm(1, config.stem, 2, 7 if config.resnet_stem else 3, initialise=fan_out),
        nn.ReLU(),
    ]
    if config.resnet_stem:
        layers.append(nn.MaxPool2d(3, 2, 1))
    else:
        layers += [conv_norm(config.stem, width, 2, initialise=fan_out), nn.ReLU()]
    for level, (wide, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
        for block in range(count):
            stride = 2 if level > 0 and block == 0 else 1
            layers.append(ResidualBlock(width, wide, stride, initialise=fan_out))
            width = wide
    return nn.Sequential(*layers)


class UnitClassifier(nn.Module):
    """One logistic regression per unit on its own vector."""

    def __init__(self, units: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, width).uniform_(-1.0, 1.0) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, nodes: Tensor) -> Tensor:
        """Vectors (..., K, D) to logits (..., K)."""
        return (nodes * self.weight).sum(-1) + self.bias  # Eq. a and e, before the sigmoid


class UncertainGraphLayer(nn.Module):
    """Graph convolution over the units, whose edges are masked by a sampled mask."""

    def __init__(self, config: UGNConfig, width_in: int) -> None:
        super().__init__()
        units = config.units
        self.sampled = config.mask == "sampled"
        self.rectify: Callable[[Tensor], Tensor] = torch.relu if config.links == "relu" else functional.softplus
        self.edges = nn.Parameter(_initial_edges(config))  # B
        self.noisy: Tensor  # (K, K) share of the noise that each mask gets
        self.register_buffer("noisy", torch.ones(units, units), persistent=False)
        self.set_self_noise(config.self_noise)
        self.project = nn.Linear(width_in, config.projection, bias=False)  # P
        # Halves of a_mu and a_sg: the first meets node i, the second node j. The dot product with [g_i ; g_j] is their
        # sum, so no (K, K, 2 d') tensor is needed.
        self.mean = nn.Linear(config.projection, 2, bias=False)
        self.spread = nn.Linear(config.projection, 2, bias=False)
        self.spread_bias = nn.Parameter(torch.tensor(math.log(math.expm1(config.initial_sigma))))
        self.weight = nn.Linear(width_in, config.graph_width, bias=False)  # W
        self.bias = nn.Parameter(torch.zeros(config.graph_width), requires_grad=config.centred)
        for layer in (self.mean, self.spread):
            nn.init.normal_(layer.weight, std=0.01)  # the mask starts near 1/2 everywhere

    def set_self_noise(self, share: float) -> None:
        """Set the share of the noise that the mask of a unit's own loop gets; a trained layer keeps its weights.

        Raises:
            ValueError: the share is not between 0 and 1.
        """
        require_share(share)
        self.noisy.fill_(1).fill_diagonal_(share)

    def adjacency(self) -> Tensor:
        """The learned adjacency (K, K), symmetric, normalised."""
        edges = self.rectify(self.edges + self.edges.T) + torch.eye(len(self.edges), device=self.edges.device)  # Eq. b
        scale = edges.sum(1).rsqrt()
        return scale.unsqueeze(1) * edges * scale  # Eq. b

    def mask_parameters(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (..., K, K) of the mask's logits for nodes (..., K, D)."""
        if not self.sampled:
            fixed = nodes.new_zeros(*nodes.shape[:-1], len(self.edges))
            return fixed + torch.inf, fixed  # M = 1
        projected = self.project(nodes)  # (..., K, d') Eq. c
        mean, spread = self.mean(projected), self.spread(projected)  # (..., K, 2)
        mu = mean[..., 0:1] + mean[..., 1:2].transpose(-1, -2)  # (..., K, K) Eq. c
        sigma = functional.softplus(spread[..., 0:1] + spread[..., 1:2].transpose(-1, -2) + self.spread_bias)  # Eq. c
        return mu, sigma

    def forward(self, nodes: Tensor, noise: Tensor) -> tuple[Tensor, MaskSample]:
        """Nodes (N, S or 1, K, D) and eps (S, K, K) or (N, S, K, K) to nodes (N, S, K, D') and their mask."""
        mu, sigma = self.mask_parameters(nodes)
        mask = torch.sigmoid(mu + sigma * (noise * self.noisy))  # (N, S, K, K) Eq. d
        hidden = torch.relu((mask * self.adjacency()) @ self.weight(nodes) + self.bias)  # (N, S, K, D') Eq. 3
        return hidden, MaskSample(mask, mu, sigma)


def _initial_edges(config: UGNConfig) -> Tensor:
    """B (K, K) from which the rectified B + B^T is uniform-like in 0..2 initial_edge, whatever rectifies it."""
    start = torch.rand(config.units, config.units) * config.initial_edge
    if config.links == "relu":
        return start
    return torch.expm1((2 * start).clamp(min=1e-3)).log() / 2  # softplus^-1, half of it for each of B and B^T


class UncertainGraphHead(nn.Module):
    """Two uncertain graph layers and a logistic regression per unit (stage 2); `rest` stays 0 where not centred.

    Intensity, where the model has it, is another regression on the unit's own vector.
    """

    def __init__(self, config: UGNConfig) -> None:
        super().__init__()
        self.rest: Tensor
        self.register_buffer("rest", torch.zeros(config.units, config.widths[-1]))
        self.first = UncertainGraphLayer(config, config.widths[-1])
        self.second = UncertainGraphLayer(config, config.graph_width)
        self.classifier = UnitClassifier(config.units, config.graph_width)
        self.intensity = UnitClassifier(config.units, config.widths[-1]) if config.intensity else None

    def forward(self, features: Tensor, noise: Tensor) -> GraphOutput:
        """Features (N, K, D) and eps (S, 2, K, K), one bank for all faces, or (N, S, 2, K, K), one for each."""
        centred = features - self.rest
        nodes = centred.unsqueeze(1)  # (N, 1, K, D)
        hidden, first = self.first(nodes, noise[..., 0, :, :])  # (N, S, K, D')
        hidden, second = self.second(hidden, noise[..., 1, :, :])  # (N, S, K, D')
        intensity = None if self.intensity is None else self.intensity(centred)
        return GraphOutput(self.classifier(hidden), (first, second), intensity)

    def set_self_noise(self, share: float) -> None:
        """Set the share of the noise on the units' own loops in both layers; raises as that of a layer."""
        for layer in (self.first, self.second):
            layer.set_self_noise(share)

    def set_rest(self, rest: Tensor) -> None:
        """Set the mean features (K, D) of faces without each unit."""
        self.rest.copy_(rest)

    def adjacency(self) -> Tensor:
        """Mean of both layers' normalised adjacency, (K, K)."""
        return (self.first.adjacency() + self.second.adjacency()) / 2


class UGN(nn.Module):
    """Features, the stage-1 classifier and the graph head."""

    def __init__(self, config: UGNConfig) -> None:
        super().__init__()
        self.config = config
        self.features = UnitFeatures(config)
        self.classifier = UnitClassifier(config.units, config.widths[-1])
        self.head = UncertainGraphHead(config)

    def forward(self, image: Tensor, noise: Tensor) -> GraphOutput:
        """Image (N, 1, S, S), normalised, and eps as in `UncertainGraphHead`."""
        output: GraphOutput = self.head(self.features(image), noise)
        return output


class UGNExport(nn.Module):
    """The network as the engine reads it: plain tensors in and out."""

    def __init__(self, model: UGN) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        """Image (N, 1, S, S) and eps (S, 2, K, K).

        Returns logits (N, S, K); mean and standard deviation of the mask over the samples (N, K, K), each the mean over
        both layers; the adjacency (K, K), likewise; and intensities (N, K) 0-5 where the model has them.
        """
        output = self.model(image, noise)
        means = [layer.mask.mean(1) for layer in output.layers]
        stds = [_std(layer.mask, mean) for layer, mean in zip(output.layers, means, strict=True)]
        masks = (means[0] + means[1]) / 2, (stds[0] + stds[1]) / 2
        graph = (output.logits, *masks, self.model.head.adjacency())
        if output.intensity is None:
            return graph
        return (*graph, HIGHEST_INTENSITY * torch.sigmoid(output.intensity))


def _std(samples: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation of samples (N, S, ...) over axis 1, in operators that every backend has; 0 for one sample."""
    return (samples - mean.unsqueeze(1)).square().mean(1).sqrt()


def decompose(logits: Tensor) -> UnitUncertainty:
    """Occurrence and uncertainty from sampled logits (N, S, K)."""
    probabilities = torch.sigmoid(logits)  # (N, S, K) Eq. e
    occurrence = probabilities.mean(1)  # (N, K)
    total = _binary_entropy(occurrence)  # Eq. f
    aleatoric = _binary_entropy(probabilities).mean(1)  # Eq. f
    epistemic = (total - aleatoric).clamp(min=0.0)  # Eq. f
    return UnitUncertainty(occurrence, _std(probabilities, occurrence), total, aleatoric, epistemic)


def _binary_entropy(p: Tensor) -> Tensor:
    entropy: Tensor = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))
    return entropy
