"""Synthetic faces with action-unit labels, the settings of a short training run, and a model that reads brightness."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import SCHEMA, ActionUnitContract, AUCalibration, CropSpec, TensorSpec, write_contract
from engine.facs import BP4D_UNITS, unit_code
from training.action_units.features import ActionUnitsConfig
from training.action_units.model import UGNConfig
from training.data.action_unit_faces import UnitFaces, fold_of
from training.data.augment import AugmentConfig
from training.loop.trainer import TrainerConfig

UNITS = (1, 12, 25)
STAGE = TrainerConfig(epochs=1, batch_size=16, bf16=False)
#: Settings that train in seconds.
TINY = ActionUnitsConfig(
    model=UGNConfig(stem=4, widths=(4, 8), blocks=(1, 1), graph_width=8, projection=4),
    stage1=STAGE,
    stage2=STAGE,
    augment=AugmentConfig(landmark_noise=0.0),
    weighting_samples=2,
    views=2,
)


def fake_unit_faces(people: int = 60, source: str = "faces128", units: tuple[int, ...] = UNITS) -> UnitFaces:
    """Three images per person; a unit occurs on the bright ones, and everything is known."""
    random = np.random.default_rng(0)
    level = np.tile([30, 128, 220], people).astype(np.uint8)
    noise = random.integers(0, 20, (len(level), 96, 96), dtype=np.uint8)
    names = np.repeat([f"person {number}" for number in range(people)], 3)
    targets = np.repeat(level[:, np.newaxis] / 255, len(units), axis=1).astype(np.float32)
    return UnitFaces(
        units=units,
        crops=level[:, np.newaxis, np.newaxis] + noise,
        occurs=targets > 0.6,
        known=np.ones(targets.shape, bool),
        targets=targets,
        people=names,
        folds=np.array([fold_of(str(name)) for name in names], np.int64),
        sources=np.full(len(names), source),
    )


def fake_labels(
    occurs: np.ndarray, known: np.ndarray | None = None, people: np.ndarray | None = None, units: tuple[int, ...] = ()
) -> UnitFaces:
    """Labels (N, K) without images, everything known and every face another person unless given."""
    count, k = occurs.shape
    return UnitFaces(
        units=units or BP4D_UNITS[:k],
        crops=np.zeros((count, 1, 1), np.uint8),
        occurs=occurs,
        known=np.ones((count, k), bool) if known is None else known,
        targets=occurs.astype(np.float32),
        people=np.array([f"{number}" for number in range(count)]) if people is None else people,
        folds=np.ones(count, np.int64),
        sources=np.full(count, "fake"),
    )


def faulty_faces(people: int = 30, units: tuple[int, ...] = BP4D_UNITS) -> UnitFaces:
    """Four images per person. Bright ones show every unit; a tenth of the labels is wrong, another not known."""
    random = np.random.default_rng(0)
    count = 4 * people
    bright = random.random(count) < 0.5
    names = np.repeat([f"person {number}" for number in range(people)], 4)
    occurs = bright[:, np.newaxis] ^ (random.random((count, len(units))) < 0.1)
    grey = np.where(bright, 200, 40)[:, np.newaxis, np.newaxis]
    return UnitFaces(
        units=units,
        crops=(grey + random.integers(-20, 20, (count, 96, 96))).astype(np.uint8),
        occurs=occurs,
        known=random.random(occurs.shape) < 0.9,
        targets=occurs.astype(np.float32),
        people=names,
        folds=np.array([fold_of(str(name)) for name in names], np.int64),
        sources=np.where(np.arange(count) % 2 == 0, "faces128", "open"),
    )


def brightness_model(
    folder: Path,
    units: tuple[int, ...] = BP4D_UNITS,
    trusted: tuple[int, ...] = (),
    intensity: bool = False,
    data: tuple[str, ...] = ("synthetic <faces>",),
) -> Path:
    """A model whose logits are the mean of the normalised image plus the mean noise of sample and unit.

    Its mean mask is that level plus the mean size of the noise of each edge; its intensity, where it has one, is
    minus that level.
    """
    k = len(units)
    inputs = {"image": ("N", 1, 96, 96), "noise": ("S", 2, k, k)}
    outputs = {"logits": ("N", "S", k), "mask_mean": ("N", k, k)}
    if intensity:
        outputs["intensity"] = ("N", k)
    infos = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in part.items()]
        for part in (inputs, outputs)
    ]
    axes = {"pixels": [1, 2, 3], "edges": [1, 2], "last": [3], "samples": [0, 1]}
    nodes = [
        helper.make_node("ReduceMean", ["image", "pixels"], ["level"], keepdims=1),  # (N, 1, 1, 1)
        helper.make_node("Squeeze", ["level", "last"], ["grey"]),  # (N, 1, 1)
        helper.make_node("ReduceMean", ["noise", "edges"], ["shift"], keepdims=0),  # (S, K)
        helper.make_node("Add", ["grey", "shift"], ["logits"]),  # (N, S, K)
        helper.make_node("Abs", ["noise"], ["size"]),
        helper.make_node("ReduceMean", ["size", "samples"], ["mean_size"], keepdims=0),  # (K, K)
        helper.make_node("Add", ["grey", "mean_size"], ["mask_mean"]),  # (N, K, K)
    ]
    if intensity:
        axes["masks"] = [2]
        nodes += [
            helper.make_node("ReduceMean", ["mask_mean", "masks"], ["row"], keepdims=0),  # (N, K)
            helper.make_node("Neg", ["row"], ["intensity"]),
        ]
    constants = [numpy_helper.from_array(np.array(places), name) for name, places in axes.items()]
    graph = helper.make_graph(nodes, "brightness", infos[0], infos[1], constants)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    onnx.checker.check_model(content)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "action_units.onnx"
    path.write_bytes(content)
    contract = ActionUnitContract(
        schema=SCHEMA,
        name="brightness",
        task="action_units",
        sha256=hashlib.sha256(content).hexdigest(),
        inputs=tuple(TensorSpec(name, shape) for name, shape in inputs.items()),
        outputs=tuple(TensorSpec(name, shape) for name, shape in outputs.items()),
        crop=CropSpec(CROP_TEMPLATE, 96, "grey", 0.47, 0.21),
        labels=tuple(unit_code(unit) for unit in units),
        calibration=AUCalibration(
            1.0, (0.4,) * k, tuple(not trusted or unit in trusted for unit in units), 20, 7, "synthetic faces"
        ),
        data=data,
        licence="none",
        trained="never",
    )
    write_contract(contract, path)
    return path
