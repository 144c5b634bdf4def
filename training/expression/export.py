"""From a finished run to ``expression.onnx`` with its contract, calibrated on validation faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import (
    SCHEMA,
    CropSpec,
    ExpressionCalibration,
    ExpressionContract,
    TensorSpec,
    write_contract,
)
from engine.expression import softmax
from engine.facs import EXPRESSIONS
from engine.tracking.face_models import sha256_of
from engine.types import COVERED_PARTS, MESH_POINTS, Float32, UInt8
from engine.uncertainty import decompose
from training.data.fer2013 import MEAN, STD, FerFaces, majority_labels, read_faces
from training.expression.calibration import (
    epistemic_quantiles,
    fit_aleatoric_limit,
    fit_epistemic_limit,
    fit_logit_adjustment,
    fit_temperature,
)
from training.expression.cover_head import CoverHead, load_cover_head
from training.expression.fit import ExpressionRunConfig, load_members, member_folder
from training.expression.landmark_maps import LANDMARK_POINTS
from training.expression.model import Arbex
from training.expression.stacked import StackedArbex
from training.layers.onnx_export import export_onnx, largest_difference, require_parity, store_weights_as_half
from training.loop.checkpoint import read_facts

#: Share of clean validation faces that the epistemic limit may reject (SPEC 4.2).
FALSE_REJECTION: Final = 0.05
#: A face counts as ambiguous when no label has more than this share of the votes (SPEC 4.2).
AMBIGUOUS_TOP_SHARE: Final = 0.5
#: Weights in half precision change the logits by less than this on real faces.
_PARITY: Final = 0.05


class ArbexEnsemble(nn.Module):
    """Networks side by side: image and whole mesh in, ln of the fused distribution of each of their branches out.

    ``stacked`` computes the branches of a network together (training/expression/stacked.py): same numbers, faster.
    """

    def __init__(
        self,
        members: Sequence[Arbex],
        *,
        stacked: bool = False,
        adjustment: Sequence[float] | None = None,
        covered: CoverHead | None = None,
    ) -> None:
        """Put networks side by side.

        Args:
            members: the networks.
            stacked: see the class.
            adjustment: (C,), added to the logits (training/expression/calibration.py).
            covered: head on the tokens of the first network, for a second output (training/expression/cover_head.py).
        """
        super().__init__()
        self.covered = covered
        self.outputs = ("logits",) if covered is None else ("logits", "covered")
        self.register_buffer("adjustment", None if adjustment is None else torch.tensor(adjustment), persistent=False)
        self.adjustment: Tensor | None
        self.members = nn.ModuleList(
            StackedArbex(member) if stacked and len(member.each_branch()) > 1 else member for member in members
        )
        self.register_buffer("points", torch.tensor(LANDMARK_POINTS), persistent=False)
        self.points: Tensor
        self._maps_of = members[0].maps_of
        self.inputs = ("image", "landmarks") if members[0].config.landmarks else ("image",)

    def forward(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Image (N, 1, S, S) normalised grey, landmarks (N, 468, 2) 0-1, to logits (N, M, C), and covered (N, 3).

        Networks without landmarks take the image alone.
        """
        maps = [] if landmarks is None else self._maps_of(landmarks[:, self.points])
        tokens = [_network_of(member).features(image, maps) for member in self.members]
        fused = [_fused(member, part) for member, part in zip(self.members, tokens, strict=True)]
        logits = torch.cat(fused, dim=1).clamp(min=1e-9).log()
        if self.adjustment is not None:
            logits = logits + self.adjustment
        return logits if self.covered is None else (logits, self.covered(tokens[0]))


def _network_of(member: nn.Module) -> Arbex:
    network = member.network if isinstance(member, StackedArbex) else member
    if not isinstance(network, Arbex):
        raise TypeError(f"an ARBEx network was expected, not {type(network).__name__}")
    return network


def _fused(member: nn.Module, tokens: Tensor) -> Tensor:
    """Fused distributions (N, branches, C) of the tokens (N, T, width) of one network."""
    if isinstance(member, StackedArbex):
        found: Tensor = member.stacked(tokens)
        return found
    return torch.stack([branch(tokens).fused for branch in _network_of(member).each_branch()], dim=1)


def export_expression(
    run: Path, data: Path, model: Path, report: Callable[[str], None] = print, cache: Path | None = None
) -> ExpressionContract:
    """Write MODEL and its contract; the file itself is calibrated on PublicTest.

    ``cache`` holds the meshes of the images; by default RUN/cache.

    Raises:
        FileNotFoundError: a member of the run is not finished, or the data are missing.
        ValueError: the run is a Dirichlet, or the file's logits differ from those of the torch module by more than
            rounding explains.
    """
    members, config = load_members(run)
    if read_facts(member_folder(run, 0) / "weights.safetensors").get("student", {}).get("dirichlet"):
        raise ValueError(f"{run} is a Dirichlet, which the engine does not read: give a run with branches")
    side = config.model.input_side_px
    validation = read_faces(data, "PublicTest", cache or run / "cache", side)
    image, landmarks = model_inputs(validation.crops[:3], validation.landmarks[:3])
    sample = (torch.from_numpy(image), torch.from_numpy(landmarks))[: 2 if config.model.landmarks else 1]
    export_network(ArbexEnsemble(members, stacked=True), sample, model)
    plain = run_network(open_network(model), validation.crops, validation.landmarks)
    adjustment = fit_logit_adjustment(plain, validation.vote_shares, majority_labels(validation.votes)).tolist()
    report(
        "logit adjustment "
        + ", ".join(f"{name} {part:.2f}" for name, part in zip(EXPRESSIONS, adjustment, strict=True))
    )
    covered = load_cover_head(run)
    ensemble = ArbexEnsemble(members, adjustment=adjustment, covered=covered)
    export_network(ArbexEnsemble(members, stacked=True, adjustment=adjustment, covered=covered), sample, model)
    store_weights_as_half(model)
    inputs = dict(zip(ensemble.inputs, sample, strict=True))
    differences = largest_difference(ensemble, inputs, model, ensemble.outputs)
    require_parity(differences, _PARITY)
    report(f"exported {model} ({model.stat().st_size / 1e6:.1f} MB), logits differ by {differences['logits']:.4f}")
    logits = run_network(open_network(model), validation.crops, validation.landmarks)
    calibration = calibrate(logits, validation)
    facts = read_facts(member_folder(run, 0) / "weights.safetensors")
    contract = _contract(config, facts, model, calibration, ensemble.outputs)
    write_contract(contract, model)
    report(json.dumps({**asdict(calibration), "epistemic_quantiles": "..."}))
    return contract


def export_network(ensemble: ArbexEnsemble, sample: tuple[Tensor, ...], model: Path) -> None:
    """Write networks as ONNX for any batch size, traced with a sample of their inputs."""
    batch = {name: {0: "batch"} for name in (*ensemble.inputs, *ensemble.outputs)}
    export_onnx(ensemble, sample, model, ensemble.inputs, ensemble.outputs, batch)


def _contract(
    config: ExpressionRunConfig,
    facts: dict[str, Any],
    model: Path,
    calibration: ExpressionCalibration,
    outputs: Sequence[str],
) -> ExpressionContract:
    side, now = config.model.input_side_px, datetime.now(timezone.utc)
    shapes = {"logits": (config.members * config.model.branches, len(EXPRESSIONS)), "covered": (len(COVERED_PARTS),)}
    return ExpressionContract(
        schema=SCHEMA,
        name=f"arbex-{side}px-{_kind(facts)}",
        task="expression",
        sha256=sha256_of(model),
        inputs=_inputs(config),
        outputs=tuple(TensorSpec(name, ("batch", *shapes[name])) for name in outputs),
        crop=CropSpec(CROP_TEMPLATE, side, "grey", MEAN, STD),
        labels=EXPRESSIONS,
        calibration=calibration,
        data=(facts["data"],),
        licence=_licence(facts),
        trained=f"{now:%Y-%m-%d}, code {facts['code']}, {_origin(config, facts)}",
    )


def _inputs(config: ExpressionRunConfig) -> tuple[TensorSpec, ...]:
    side = config.model.input_side_px
    image = TensorSpec("image", ("batch", 1, side, side))
    return (image, TensorSpec("landmarks", ("batch", MESH_POINTS, 2))) if config.model.landmarks else (image,)


def _kind(facts: dict[str, Any]) -> str:
    if "student" in facts:
        return "student"
    return str(facts["uar"]["method"]) if "uar" in facts else "ensemble"


def _licence(facts: dict[str, Any]) -> str:
    pictures = "trained on FER2013 pictures (no licence known) with FERPlus labels (MIT)"
    if "student" not in facts:
        return f"weights MIT; {pictures}"
    return f"weights MIT, from dlib's face network (CC0 1.0); {pictures}"


def _origin(config: ExpressionRunConfig, facts: dict[str, Any]) -> str:
    """How the networks were trained, in one line."""
    seed, trunk = config.trainer.seed, config.trunk.epochs
    if "student" in facts:
        versions, teachers = facts["student"]["versions"]["count"], facts["student"]["teachers"]
        return (
            f"mien-train fit student, {config.trainer.epochs} epochs over {versions} versions of each face, seed "
            f"{seed}, from teachers {', '.join(str(number) for number in teachers)}"
        )
    if "uar" in facts:
        teachers, lessons = facts["members"], facts["uar"]["lessons"]
        versions = lessons["versions"] + lessons["strange_versions"]
        return (
            f"mien-train fit uar, {facts['uar']['method']}, {config.trainer.epochs} epochs over {versions} versions of "
            f"each face, seed {seed}, from {teachers['count']} members of {teachers['trunk']['epochs']} trunk and "
            f"{teachers['trainer']['epochs']} whole epochs"
        )
    epochs = f"{config.trainer.epochs} epochs"
    if "start" in facts:
        epochs = f"{facts['start']['trainer']['epochs']} epochs, then {epochs}"
    elif trunk:
        epochs = f"{trunk} trunk epochs, then {epochs}"
    return f"mien-train fit expression, {config.members} members, {epochs}, seeds {seed} to {seed + config.members - 1}"


def calibrate(logits: Float32, validation: FerFaces) -> ExpressionCalibration:
    """Temperature, then both limits, on logits (N, M, C) of validation faces (SPEC 4.1, 4.2)."""
    temperature = fit_temperature(logits, validation.vote_shares)
    parts = decompose(softmax(logits, temperature))
    ambiguous = validation.vote_shares.max(1) <= AMBIGUOUS_TOP_SHARE
    return ExpressionCalibration(
        temperature=temperature,
        aleatoric_limit=fit_aleatoric_limit(parts.aleatoric, ambiguous),
        epistemic_limit=fit_epistemic_limit(parts.epistemic, FALSE_REJECTION),
        false_rejection=FALSE_REJECTION,
        epistemic_quantiles=epistemic_quantiles(parts.epistemic),
        fitted_on=f"FERPlus PublicTest, {len(validation.rows)} faces with an emotion vote",
    )


def model_inputs(crops: UInt8, landmarks: Float32) -> tuple[Float32, Float32]:
    """Grey crops (N, S, S) as image (N, 1, S, S), and landmarks (N, 468, 2), as the engine passes them."""
    images = (crops[:, None].astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return images, landmarks


def open_network(model: Path) -> onnxruntime.InferenceSession:
    """The exported file, ready to run on the CPU."""
    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])


def run_network(
    network: onnxruntime.InferenceSession, crops: UInt8, landmarks: Float32, batch_size: int = 128
) -> Float32:
    """Logits (N, M, C) of an exported file; see `run_outputs`."""
    return run_outputs(network, crops, landmarks, ("logits",), batch_size)[0]


def run_outputs(
    network: onnxruntime.InferenceSession,
    crops: UInt8,
    landmarks: Float32,
    names: Sequence[str],
    batch_size: int = 128,
) -> list[Float32]:
    """Outputs of an exported file, in the order of ``names``, for grey crops (N, S, S) and landmarks (N, 468, 2) 0-1.

    A file without an input for landmarks gets none.
    """
    read = {entry.name for entry in network.get_inputs()}
    found = []
    for start in range(0, len(crops), batch_size):
        part = slice(start, start + batch_size)
        image, points = model_inputs(crops[part], landmarks[part])
        inputs = {name: value for name, value in (("image", image), ("landmarks", points)) if name in read}
        found.append(network.run(list(names), inputs))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
