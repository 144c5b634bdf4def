"""``mien-train fit covered``: which part of a face is hidden, read from the finished network's own features.

A face that is unlike the training data is not assessed; where a part of it is hidden, that is the reason to name. The
head sees the tokens that the branches see, so it costs almost nothing, and no other output changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.config import read_toml
from engine.types import COVERED_PARTS, Float32, UInt8
from training.corruptions.catalogue import Strength, corrupt
from training.data.covers import covered_parts, plain_cover
from training.data.fer2013 import MEAN, STD, FerFaces, read_faces
from training.expression.degrade import SEEN
from training.expression.fit import load_members, member_folder
from training.expression.model import Arbex
from training.loop.checkpoint import code_version, load_weights, read_facts, save_weights

#: Share of clean validation faces of which one part is wrongly said to be covered.
FALSE_NAMING: Final = 0.01
#: Kinds of a training picture: with a cover, as it is, dark or bright, or otherwise corrupted.
_KINDS: Final = (0.7, 0.12, 0.06, 0.12)


@dataclass(frozen=True, slots=True)
class CoverConfig:
    """Settings of the head's training."""

    pictures: int = 18_000
    hidden: int = 32
    epochs: int = 12
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


def read_cover_config(path: Path) -> CoverConfig:
    """Settings of a TOML file.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(CoverConfig, path)


class CoverHead(nn.Module):
    """Tokens of a network to one logit for each of COVERED_PARTS; above 0 the part counts as covered."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.mean: Tensor
        self.deviation: Tensor
        self.first = nn.Linear(features, hidden)
        self.last = nn.Linear(hidden, len(COVERED_PARTS))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, width) to logits (N, 3)."""
        found: Tensor = self.last(functional.relu(self.first((tokens.flatten(1) - self.mean) / self.deviation)))
        return found


def cover_file(run: Path) -> Path:
    """Weights of the head of a run."""
    return member_folder(run, 0) / "covered.safetensors"


def load_cover_head(run: Path) -> CoverHead | None:
    """The head of a run in evaluation mode; None if it has none."""
    path = cover_file(run)
    if not path.is_file():
        return None
    facts = read_facts(path)["covered"]
    head = CoverHead(facts["features"], facts["hidden"])
    load_weights(path, head)
    return head.eval()


def fit_cover_head(
    config: CoverConfig, data: Path, run: Path, cache: Path | None = None, report: Callable[[str], None] = print
) -> Path:
    """Train the head of a finished run of one network; PublicTest gives its zero (FALSE_NAMING). Minutes on one core.

    Args:
        config: all settings.
        data: folder with fer2013.csv and fer2013new.csv.
        run: finished run of ``mien-train fit student``; the head is stored beside its weights.
        cache: of the images' meshes; by default RUN/cache.
        report: receives progress lines.

    Raises:
        FileNotFoundError: the network is not finished, or the data are missing.
        ValueError: the run has several networks, or they read landmarks.
    """
    networks, settings = load_members(run)
    if len(networks) != 1 or settings.model.landmarks:
        raise ValueError(f"{run} has {len(networks)} networks or reads landmarks: give a run of mien-train fit student")
    (network,) = networks
    side, cache = settings.model.input_side_px, cache or run / "cache"
    training = read_faces(data, "Training", cache, side)
    pictures, parts = cover_pictures(training, config.pictures, np.random.default_rng(config.seed))
    report(f"{len(pictures)} pictures; covered: {_shares(parts)}")
    tokens = tokens_of(network, pictures)
    head = _trained(tokens, torch.from_numpy(parts), config)
    clean = tokens_of(network, read_faces(data, "PublicTest", cache, side).crops)
    with torch.no_grad():
        zero = torch.quantile(head(clean), 1 - FALSE_NAMING, dim=0)
        head.last.bias.sub_(zero)
    path = cover_file(run)
    facts = {"covered": asdict(config) | {"features": len(head.mean)}, "code": code_version()}
    save_weights(path, dict(head.state_dict()), facts)
    report(f"wrote {path}; above 0 are {FALSE_NAMING:.0%} of {len(clean)} clean faces of PublicTest, for each part")
    return path


def cover_pictures(faces: FerFaces, count: int, random: np.random.Generator) -> tuple[UInt8, Float32]:
    """Crops (N, S, S) and what is covered in them (N, 3): 1 yes, 0 no, NaN neither."""
    crops, parts = [], []
    for row in random.integers(len(faces.crops), size=count):
        crop: UInt8 = faces.crops[row]
        kind = int(random.choice(len(_KINDS), p=_KINDS))
        if kind == 0:
            other = faces.crops[int(random.integers(len(faces.crops)))]
            covered, mask = plain_cover(crop, faces.landmarks[row], other, random)
            crops.append(covered)
            parts.append(covered_parts(mask, faces.landmarks[row]))
        else:
            crops.append((crop, _relit(crop, random), _corrupted(crop, random))[kind - 1])
            parts.append(np.zeros(len(COVERED_PARTS), np.float32))
    return np.stack(crops), np.stack(parts)


@torch.no_grad()
def tokens_of(network: Arbex, crops: UInt8, batch_size: int = 128) -> Tensor:
    """Tokens (N, T, width) of grey crops (N, S, S), in half precision to save memory."""
    found = []
    for start in range(0, len(crops), batch_size):
        grey = torch.from_numpy(crops[start : start + batch_size, None]).float() / 255
        found.append(network.features((grey - MEAN) / STD, []).half())
    return torch.cat(found)


def _trained(tokens: Tensor, parts: Tensor, config: CoverConfig) -> CoverHead:
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    head = CoverHead(tokens[0].numel(), config.hidden)
    flat = tokens.flatten(1).float()
    head.mean.copy_(flat.mean(0))
    head.deviation.copy_(flat.std(0) + 1e-3)
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    for _ in range(config.epochs):
        for rows in torch.split(torch.randperm(len(tokens), generator=generator), config.batch_size):
            known = ~parts[rows].isnan()
            logits = head(tokens[rows].float())
            loss = functional.binary_cross_entropy_with_logits(logits[known], parts[rows][known])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            optimizer.step()
    return head.eval()


def _relit(crop: UInt8, random: np.random.Generator) -> UInt8:
    gain = random.uniform(0.1, 0.5) if random.random() < 0.5 else random.uniform(1.4, 3.0)
    return np.asarray(np.clip(crop * gain, 0, 255), np.uint8)


def _corrupted(crop: UInt8, random: np.random.Generator) -> UInt8:
    """One of the corruptions that training may see, at severity 1 to 5."""
    name, severity = str(random.choice(SEEN)), int(random.integers(1, 6))
    found = corrupt(crop[None], name, severity, Strength.CIFAR_C, int(random.integers(1 << 30)))
    return np.asarray(found[0], np.uint8)


def _shares(parts: Float32) -> str:
    return ", ".join(
        f"{part.value.removesuffix('_covered')} {share:.2f}"
        for part, share in zip(COVERED_PARTS, np.nanmean(parts, axis=0), strict=True)
    )
