"""``mien-train fit au``: train one of the paper's five models in its stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from engine.action_units import noise_bank
from engine.config import read_toml
from engine.facs import unit_code
from engine.tracking.face_models import sha256_of
from engine.types import Float32, UInt8
from training.action_units.features import ActionUnitsConfig, FeatureTask, TrainingFaces, network_input
from training.action_units.graph import GraphTask, view_features
from training.action_units.model import UGN, UGNConfig, Variant
from training.action_units.start import start_from_file
from training.data.action_unit_faces import UnitFaces, UnitSplit
from training.loop.checkpoint import code_version, load_weights, read_facts
from training.loop.trainer import channels_last, fit

Report = Callable[[str], None]

#: Facts of a stage that must match, where present, before training resumes in its folder.
_SAME: Final = ("units", "data", "test_fold", "balanced", "variant", "start_sha256", "trunk_sha256")
#: Settings that must match too: stage 1 depends on these, stage 2 on all.
_STAGE_1: Final = ("model", "stage1", "augment")
#: Settings that affect logging and checkpoints, but not the result.
_FREE: Final = ("save_every_s", "log_every_steps")
_BATCH: Final = 64


def read_action_units_config(path: Path) -> ActionUnitsConfig:
    """Settings of a TOML file laid over the defaults.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
        ValueError: a value is out of range.
    """
    return read_toml(ActionUnitsConfig, path)


def fit_action_units(
    split: UnitSplit,
    config: ActionUnitsConfig,
    run: Path,
    device: str = "cpu",
    report: Report = print,
    data_description: str = "",
    start: Path | None = None,
) -> UGN:
    """Train the config's variant, or resume it; RUN receives stage1/ and, for a graph, stage2/.

    ``start`` is an exported model whose trunk is the first stage's initial one.

    ``data_description`` goes into the contract; the default lists the sources and their sizes.

    Raises:
        ValueError: the run holds another variant, or was trained on other data or with other settings.
    """
    variant, where = Variant(config.variant), torch.device(device)
    facts = {"data": data_description or describe_faces(split.training), "test_fold": int(split.test.folds[0])}
    shown = (split.training.occurs & split.training.known).sum(0)
    untaught = [unit for unit, count in zip(split.training.units, shown.tolist(), strict=True) if not count]
    if untaught:
        report(f"no positive training label, so never predicted: {', '.join(map(unit_code, untaught))}")
    report("stage 1: features")
    if start is not None:
        facts["start_sha256"] = sha256_of(start)
    trunk = fit_features(split, config, run / "stage1", variant is not Variant.RESNET, where, facts, report, start)
    if not variant.has_graph:
        return trunk
    report("stage 2: graph")
    return fit_head(split, config, trunk, variant, run / "stage2", where, facts, report)


def fit_features(
    split: UnitSplit,
    config: ActionUnitsConfig,
    folder: Path,
    balanced: bool,
    device: torch.device,
    facts: dict[str, Any],
    report: Report = print,
    start: Path | None = None,
) -> UGN:
    """Stage 1: the trunk with its classifier, units weighted by rarity where ``balanced``; folder as in `fit`.

    Raises:
        ValueError: the folder has a stage trained on other data or with other settings of model, stage 1
            or augmentation.
    """
    config = for_units(config, split)
    _require_same(folder, _stage_1_facts(split, config, balanced, facts), _STAGE_1)  # before the file is read
    task = FeatureTask(split, config, balanced, device)
    if start is not None:
        start_from_file(task, start)
    return fit_stage_1(task, split, config, folder, balanced, facts, report)


def fit_stage_1(
    task: FeatureTask,
    split: UnitSplit,
    config: ActionUnitsConfig,
    folder: Path,
    balanced: bool,
    facts: dict[str, Any],
    report: Report = print,
) -> UGN:
    """Train or resume a task of the first stage; otherwise as `fit_features`."""
    facts = _stage_1_facts(split, for_units(config, split), balanced, facts)
    _require_same(folder, facts, _STAGE_1)
    load_weights(fit(task, config.stage1, folder, facts, report), task.model)
    return task.model.eval()


def fit_head(
    split: UnitSplit,
    config: ActionUnitsConfig,
    trunk: UGN,
    variant: Variant,
    folder: Path,
    device: torch.device,
    facts: dict[str, Any],
    report: Report = print,
    features: Tensor | None = None,
    validation_features: Tensor | None = None,
    network: Callable[[UGNConfig], UGN] = UGN,
) -> UGN:
    """Stage 2: a new model with the graph head of a variant on the frozen features of ``trunk``.

    ``features`` are those of `head_features`, to share between heads; by default they are computed here, as are those
    (N, K, D) of the validation faces. ``network`` builds a model like ``trunk``.

    Raises:
        ValueError: the variant has no graph, or the folder holds another variant, other data, other settings or a head
            on another trunk.
    """
    if not variant.has_graph:
        raise ValueError(f"{variant.value} has no second stage: use fit_features")
    config = for_units(replace(config, variant=variant.value), split)
    config = replace(config, model=replace(config.model, mask="none" if variant is Variant.GN_D else "sampled"))
    facts = {**_facts(split, config), "trunk_sha256": _sha256_of(trunk), **facts}
    _require_same(folder, facts, tuple(facts["config"]))
    torch.manual_seed(config.stage2.seed)
    model = network(config.model)
    model.features.load_state_dict(trunk.features.state_dict())
    model.classifier.load_state_dict(trunk.classifier.state_dict())
    final = folder / "weights.safetensors"
    if not final.is_file():  # otherwise the features, the expensive part, are not needed
        task = GraphTask(split, config, model, device, features, validation_features)
        final = fit(task, config.stage2, folder, facts, report)
    load_weights(final, model.head)
    return model.to(device).eval()


def head_features(split: UnitSplit, config: ActionUnitsConfig, trunk: UGN, device: torch.device) -> Tensor:
    """Features (V, N, K, D) float16 that stage 2 learns from, the same for every variant on this trunk."""
    train = TrainingFaces(split.training, config.augment, device)
    return view_features(channels_last(trunk.to(device)).eval(), train, config, device)


def sampled_logits(model: UGN, variant: Variant, crops: UInt8, samples: int = 20, seed: int = 0) -> Float32:
    """Logits (N, S, K) of crops (N, 96, 96) with the noise bank of this seed, as an exported file computes them.

    S is 1 where no mask is sampled: gn-d, and resnet and resnet-bl, whose logits are those of the first stage.
    """
    batches = (network_input(crops[start : start + _BATCH]) for start in range(0, len(crops), _BATCH))
    return logits_of_batches(model, variant, batches, samples, seed)


@torch.no_grad()
def logits_of_batches(
    model: UGN, variant: Variant, batches: Iterable[Tensor], samples: int = 20, seed: int = 0
) -> Float32:
    """Logits (N, S, K) of batches of what the model takes, by default images (n, 1, 96, 96); see `sampled_logits`."""
    device = model.classifier.weight.device
    count = samples if variant in (Variant.UGN, Variant.UGN_B) else 1
    bank = torch.from_numpy(noise_bank(count, model.config.units, seed)).to(device)
    parts = []
    for batch in batches:
        images = batch.to(device)
        if variant.has_graph:
            parts.append(model(images, bank).logits)
        else:
            parts.append(model.classifier(model.features(images)).unsqueeze(1))
    return np.asarray(torch.cat(parts).float().cpu().numpy(), np.float32)


def describe_faces(faces: UnitFaces) -> str:
    """The sources of the faces with their sizes, such as ``faces128 (7000 faces of 3000 people)``."""
    parts = []
    for source in np.unique(faces.sources):
        chosen = faces.sources == source
        parts.append(f"{source} ({chosen.sum()} faces of {len(np.unique(faces.people[chosen]))} people)")
    return ", ".join(parts)


def for_units(config: ActionUnitsConfig, split: UnitSplit) -> ActionUnitsConfig:
    """The configuration for the units that the faces are labelled with."""
    return replace(config, model=replace(config.model, units=len(split.training.units)))


def _facts(split: UnitSplit, config: ActionUnitsConfig) -> dict[str, Any]:
    return {
        "config": asdict(config),
        "code": code_version(),
        "units": list(split.training.units),
        "variant": config.variant,
    }


def _stage_1_facts(
    split: UnitSplit, config: ActionUnitsConfig, balanced: bool, facts: dict[str, Any]
) -> dict[str, Any]:
    return {**_facts(split, config), "balanced": balanced, **facts}


def _sha256_of(trunk: UGN) -> str:
    """Hash of the tensors that determine the features."""
    digest = hashlib.sha256()
    for name, value in sorted(trunk.features.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _require_same(folder: Path, facts: dict[str, Any], settings: tuple[str, ...]) -> None:
    """Refuse to resume a stage that was trained on other data or settings."""
    wanted = _compared(facts, settings)
    defaults = _compared({"config": asdict(ActionUnitsConfig())}, settings)  # of settings newer than the folder
    for name in ("weights.safetensors", "checkpoint.safetensors"):
        if not (folder / name).is_file():
            continue
        kept = defaults | _compared(read_facts(folder / name), settings)
        for key, value in wanted.items():
            if kept.get(key) != value:
                raise ValueError(
                    f"{folder} was trained with {key} {kept.get(key)!r}, not {value!r}: choose another folder"
                )


def _compared(facts: dict[str, Any], settings: tuple[str, ...]) -> dict[str, Any]:
    """Facts of _SAME, and each single setting of these parts of the configuration under its dotted name."""
    read = json.loads(json.dumps(facts))  # as read from a file: tuples are lists
    found = {key: read[key] for key in _SAME if key in read}
    for part in settings:
        found |= _single(part, read.get("config", {}).get(part))
    return found


def _single(name: str, value: Any) -> dict[str, Any]:
    """``{"stage1.epochs": 3, ...}`` of a part of a configuration; a single setting yields itself."""
    if not isinstance(value, dict):
        return {name: value}
    return {f"{name}.{key}": setting for key, setting in value.items() if key not in _FREE}
