"""The paper's five models on a pretrained trunk that stays as it is, so that a study can train them to the end.

Training a trunk for each fold and setting is what made earlier trainings of the study short. Here the trunk is that of
dlib's face network (training/layers/face_trunk_weights.py), fitted to recognise people: it has seen no label of an
action unit, so people held out from the models are held out altogether. The paper starts from weights of ImageNet, and
trains them further; here one convolution of 1x1 on the trunk's maps, the attention of each unit and everything behind
it are trained. Maps of all faces, as they are and augmented, are computed once and stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.types import Float32, Int64, UInt8
from training.action_units.features import (
    MEAN,
    STD,
    ActionUnitsConfig,
    FeatureTask,
    TrainingFaces,
    network_input,
    unit_means,
)
from training.action_units.fit import fit_head, fit_stage_1, for_units, logits_of_batches
from training.action_units.model import UGN, UGNConfig, Variant
from training.data.action_unit_faces import UnitFaces, UnitSplit
from training.expression.trunk_levels import WIDTHS, PretrainedLevels
from training.layers.face_trunk import FaceTrunk, load_trunk
from training.layers.face_trunk_weights import read_trunk
from training.layers.residual import conv_norm, fan_out
from training.loop.trainer import channels_last
from training.studies.action_units import CellTraining

#: Level whose maps are kept, of 128 channels; docs/action_units_study.md has what they say of intensity.
_LEVEL: Final = 1
CHANNELS: Final = WIDTHS[1 + _LEVEL]
#: Crops are grown to this side; maps then have 7 x 7 cells.
SIDE_PX: Final = 128
_BATCH: Final = 64
_HEADS: Final = (Variant.GN_D, Variant.UGN, Variant.UGN_B)


class TrunkMaps:
    """Maps of faces by the frozen trunk: of each face as it is, and of augmented copies."""

    def __init__(
        self,
        weights: Path,
        faces: UnitFaces,
        config: ActionUnitsConfig,
        cache: Path,
        report: Callable[[str], None] = print,
    ) -> None:
        """Read or compute the maps of all faces; ``cache`` receives them, 12 kB for each face and copy.

        Raises:
            ModelError: the weights are missing or not dlib's.
        """
        trunk = read_trunk(weights)
        settings = json.dumps([asdict(config.augment), config.views, config.stage2.seed, SIDE_PX, _LEVEL])
        digest = hashlib.sha256(settings.encode())
        for part in (weights.read_bytes(), faces.crops.tobytes()):
            digest.update(part)
        self.sha256: str = digest.hexdigest()
        stored = cache / f"trunk_maps_{self.sha256[:16]}.npy"
        if not stored.is_file():
            report(f"maps of {len(faces.people)} faces, {config.views} augmented copies")
            cache.mkdir(parents=True, exist_ok=True)
            partial = stored.with_suffix(".part.npy")
            np.save(partial, _all_maps(trunk, faces, config))
            partial.replace(stored)
        #: (1 + V, N, C, H, W), left on disk
        self._maps: npt.NDArray[np.float16] = np.load(stored, mmap_mode="r", allow_pickle=False)
        self._rows = {crop.tobytes(): row for row, crop in enumerate(faces.crops)}

    def plain(self, crops: UInt8) -> Tensor:
        """Maps (N, C, H, W) of crops (N, 96, 96) as they are."""
        return torch.from_numpy(self._maps[0, self._rows_of(crops)])

    def views(self, crops: UInt8) -> Tensor:
        """Maps (V, N, C, H, W) of the augmented copies of crops (N, 96, 96)."""
        return torch.from_numpy(self._maps[1:, self._rows_of(crops)])

    def _rows_of(self, crops: UInt8) -> Int64:
        return np.array([self._rows[crop.tobytes()] for crop in crops], np.int64)


def pretrained_levels(weights: dict[str, Float32]) -> PretrainedLevels:
    """Dlib's network up to its third level, as published."""
    whole, levels = FaceTrunk(), PretrainedLevels()
    load_trunk(whole, weights, MEAN, STD)
    kept = whole.state_dict()
    levels.load_state_dict({name: kept[name] for name in levels.state_dict()})
    return channels_last(levels).eval()


@torch.no_grad()
def maps_of_images(network: PretrainedLevels, images: Tensor) -> Tensor:
    """Maps (N, C, H, W) float16 of normalised images (N, 1, S, S)."""
    grown = functional.interpolate(images, size=(SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
    with torch.autocast("cpu", torch.bfloat16):
        maps: Tensor = network(grown.contiguous(memory_format=torch.channels_last))[_LEVEL]
    return maps.half()


def maps_of_crops(network: PretrainedLevels, crops: UInt8) -> Tensor:
    """Maps (N, C, H, W) float16 of crops (N, 96, 96)."""
    starts = range(0, len(crops), _BATCH)
    return torch.cat([maps_of_images(network, network_input(crops[start : start + _BATCH])) for start in starts])


def _all_maps(
    weights: dict[str, Float32], faces: UnitFaces, config: ActionUnitsConfig
) -> npt.NDArray[np.float16]:  # (1 + V, N, C, H, W)
    network = pretrained_levels(weights)
    copies = TrainingFaces(faces, config.augment, torch.device("cpu"))
    generator = torch.Generator().manual_seed(config.stage2.seed)
    found = [maps_of_crops(network, faces.crops)]
    for _ in range(config.views):
        rows = torch.split(torch.arange(copies.samples), _BATCH)
        found.append(torch.cat([maps_of_images(network, copies.changed(part, generator)) for part in rows]))
    return np.asarray(torch.stack(found).numpy())


def map_network(config: UGNConfig) -> UGN:
    """The network with maps (N, C, H, W) of the frozen trunk as its input."""
    model = UGN(config)
    width = config.widths[-1]
    model.features.trunk = nn.Sequential(conv_norm(CHANNELS, width, kernel=1, initialise=fan_out), nn.ReLU())
    return model


class _MapFaces(TrainingFaces):
    """Training faces whose images are maps."""

    def __init__(self, faces: UnitFaces, config: ActionUnitsConfig, device: torch.device, maps: Tensor) -> None:
        super().__init__(faces, config.augment, device)
        self._maps = maps

    def changed(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Maps (B, C, H, W) of these row numbers (B,), of a random copy each."""
        views = torch.randint(len(self._maps), rows.shape, generator=generator)
        return self._maps[views, rows].float().to(self._device)


class MapTask(FeatureTask):
    """Stage 1 on maps (V, N, C, H, W) of the training faces and (N, C, H, W) of the validation faces."""

    def __init__(
        self,
        split: UnitSplit,
        config: ActionUnitsConfig,
        balanced: bool,
        device: torch.device,
        training_maps: Tensor,
        validation_maps: Tensor,
    ) -> None:
        super().__init__(split, config, balanced, device)
        torch.manual_seed(config.stage1.seed)
        self.model = map_network(config.model).to(device)
        self._train = _MapFaces(split.training, config, device, training_maps)
        self._validation_maps = validation_maps

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Validation figures of the stage-1 classifier."""
        assert isinstance(model, UGN)
        found = features_of_maps(model, self._validation_maps, self._device)
        return unit_means(self._validation, model.classifier(found).sigmoid())


@torch.no_grad()
def features_of_maps(model: UGN, maps: Tensor, device: torch.device) -> Tensor:
    """Features (N, K, D) float32 of maps (N, C, H, W)."""
    return torch.cat([model.features(part.float().to(device)) for part in torch.split(maps, _BATCH)])


class FrozenTrunk:
    """Trains the five models of the study on maps of a frozen trunk."""

    def __init__(self, maps: TrunkMaps) -> None:
        self._maps = maps
        self.trunk: str | None = maps.sha256

    def fit(self, cell: CellTraining) -> dict[Variant, UGN]:
        """All five models."""
        split, device, report, config = cell.split, cell.device, cell.report, for_units(cell.config, cell.split)
        views, plain = self._maps.views(split.training.crops), self._maps.plain(split.validation.crops)
        facts = {**cell.facts, "start_sha256": self._maps.sha256}
        fitted = {}
        for variant, balanced in ((Variant.RESNET, False), (Variant.RESNET_BL, True)):
            task = MapTask(split, config, balanced, device, views, plain)
            place = cell.folder / variant.value
            fitted[variant] = fit_stage_1(task, split, config, place, balanced, facts, report)
        trunk = fitted[Variant.RESNET_BL]
        features = torch.stack([features_of_maps(trunk, view, device).half() for view in views])
        held_out = features_of_maps(trunk, plain, device)
        for variant in _HEADS:
            place = cell.folder / variant.value
            fitted[variant] = fit_head(
                split, config, trunk, variant, place, device, facts, report, features, held_out, map_network
            )
        return fitted

    def logits(self, model: UGN, variant: Variant, crops: UInt8, samples: int) -> Float32:
        """Logits (N, S, K) of crops (N, 96, 96)."""
        batches = (part.float() for part in torch.split(self._maps.plain(crops), _BATCH))
        return logits_of_batches(model, variant, batches, samples)
