"""``mien-train export expression``: members -> one calibrated ONNX file with its contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
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
    ModelContract,
    TensorSpec,
    write_contract,
)
from engine.config import read_record
from engine.expression import softmax
from engine.facs import EXPRESSIONS
from engine.tracking.face_models import sha256_of
from engine.types import MESH_POINTS, Float32
from engine.uncertainty.calibration import epistemic_quantiles, fit_max_aleatoric, fit_max_epistemic, fit_temperature
from engine.uncertainty.scores import decompose
from training.datasets.fer2013 import FerFaces, read_faces
from training.export.onnx import export_onnx, store_weights_as_half
from training.export.parity import largest_difference, require_parity
from training.fit_expression import ExpressionRunConfig, member_folder
from training.models.arbex import Arbex
from training.models.landmark_maps import LANDMARK_POINTS
from training.trainers.checkpoint import load_weights, read_facts
from training.trainers.expression import MEAN, STD

MODEL_NAME: Final = "arbex-edge-ensemble"
#: Share of clean validation faces that the epistemic limit may reject (SPEC 4.2).
FALSE_REJECTION: Final = 0.05
#: A face counts as ambiguous when no label has more than this share of the votes (SPEC 4.2).
AMBIGUOUS_TOP_SHARE: Final = 0.5
#: Half-precision weights move the logits by less than this on real faces.
_PARITY: Final = 0.05


class ArbexEnsemble(nn.Module):
    """Members side by side: picture and whole mesh in, ln of each member's fused distribution out."""

    def __init__(self, members: list[Arbex]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("points", torch.tensor(LANDMARK_POINTS), persistent=False)
        self.points: Tensor

    def forward(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """Image (N, 1, S, S) normalised grey, landmarks (N, 468, 2) 0-1, to logits (N, M, C)."""
        maps = next(self._each()).maps_of(landmarks[:, self.points])
        fused = [member.estimate(image, maps).fused for member in self._each()]
        return torch.stack(fused, dim=1).clamp(min=1e-9).log()

    def _each(self) -> Iterator[Arbex]:
        return (member for member in self.members if isinstance(member, Arbex))


def load_ensemble(run: Path) -> tuple[ArbexEnsemble, ExpressionRunConfig]:
    """The finished members of a run and their settings.

    Raises:
        FileNotFoundError: a member has not finished.
    """
    first = member_folder(run, 0) / "weights.safetensors"
    raw = read_facts(first)["config"]
    config = read_record(ExpressionRunConfig, raw, str(first))
    members = []
    for number in range(config.members):
        member = Arbex(config.model)
        load_weights(member_folder(run, number) / "weights.safetensors", member)
        members.append(member.eval())
    return ArbexEnsemble(members), config


def export_expression(run: Path, data: Path, model: Path, report: Callable[[str], None] = print) -> ModelContract:
    """Export, calibrate on PublicTest and write MODEL and its contract; the calibration is that of the file itself."""
    ensemble, config = load_ensemble(run)
    side = config.model.input_side_px
    validation = read_faces(data, "PublicTest", run / "cache", side)
    names = ("image", "landmarks")
    sample = dict(zip(names, map(torch.from_numpy, model_inputs(validation, slice(0, 3))), strict=True))
    batch = {name: {0: "batch"} for name in (*names, "logits")}
    export_onnx(ensemble, tuple(sample.values()), model, names, ("logits",), batch)
    store_weights_as_half(model)
    differences = largest_difference(ensemble, sample, model, ("logits",))
    require_parity(differences, _PARITY)
    report(f"exported {model} ({model.stat().st_size / 1e6:.1f} MB), logits differ by {differences['logits']:.4f}")
    logits = run_model(model, validation)
    calibration = calibrate(logits, validation)
    facts = read_facts(member_folder(run, 0) / "weights.safetensors")
    contract = _contract(config, facts, model, calibration)
    write_contract(contract, model)
    report(json.dumps({**asdict(calibration), "epistemic_quantiles": "..."}))
    return contract


def _contract(
    config: ExpressionRunConfig, facts: dict[str, Any], model: Path, calibration: ExpressionCalibration
) -> ModelContract:
    side, seed = config.model.input_side_px, config.trainer.seed
    epochs = f"{config.trainer.epochs} epochs"
    if "start" in facts:
        epochs = f"{facts['start']['trainer']['epochs']} epochs, then {epochs}"
    seeds = f"seeds {seed} to {seed + config.members - 1}"
    return ModelContract(
        schema=SCHEMA,
        name=MODEL_NAME,
        task="expression",
        sha256=sha256_of(model),
        inputs=(TensorSpec("image", ("batch", 1, side, side)), TensorSpec("landmarks", ("batch", MESH_POINTS, 2))),
        outputs=(TensorSpec("logits", ("batch", config.members, len(EXPRESSIONS))),),
        crop=CropSpec(CROP_TEMPLATE, side, "grey", MEAN, STD),
        labels=EXPRESSIONS,
        calibration=calibration,
        data=(facts["data"],),
        licence="weights MIT; trained on FER2013 pictures (no licence known) with FERPlus labels (MIT)",
        trained=f"{datetime.now(timezone.utc):%Y-%m-%d}, mien-train fit expression, code {facts['code']}, "
        f"{config.members} members, {epochs}, {seeds}",
    )


def calibrate(logits: Float32, validation: FerFaces) -> ExpressionCalibration:
    """Temperature, then both limits, on logits (N, M, C) of validation faces (SPEC 4.1, 4.2)."""
    temperature = fit_temperature(logits, validation.vote_shares)
    parts = decompose(softmax(logits, temperature))
    ambiguous = validation.vote_shares.max(1) <= AMBIGUOUS_TOP_SHARE
    return ExpressionCalibration(
        temperature=temperature,
        max_aleatoric=fit_max_aleatoric(parts.aleatoric, ambiguous),
        max_epistemic=fit_max_epistemic(parts.epistemic, FALSE_REJECTION),
        false_rejection=FALSE_REJECTION,
        epistemic_quantiles=epistemic_quantiles(parts.epistemic),
        fitted_on=f"FERPlus PublicTest, {len(validation.rows)} faces with an emotion vote",
    )


def model_inputs(faces: FerFaces, part: slice) -> tuple[Float32, Float32]:
    """Image (n, 1, S, S) and landmarks (n, 468, 2) of some faces, as the engine gives them."""
    images = (faces.crops[part, None].astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return images, faces.landmarks[part]


def run_model(model: Path, faces: FerFaces, batch_size: int = 128) -> Float32:
    """Logits (N, M, C) of the exported file for all faces."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    found = []
    for start in range(0, len(faces.rows), batch_size):
        image, landmarks = model_inputs(faces, slice(start, start + batch_size))
        found.append(session.run(["logits"], {"image": image, "landmarks": landmarks})[0])
    return np.concatenate(found)
