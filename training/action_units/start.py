"""A new training that starts from the trunk of an exported model, or from dlib's, instead of random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from engine.types import Float32
from training.action_units.exported import ExportedActionUnits
from training.action_units.features import MEAN, STD, FeatureTask, network_input
from training.action_units.model import UGN
from training.layers.face_trunk import FaceTrunk, ShortFaceTrunk, load_trunk, match_statistics
from training.layers.face_trunk_weights import read_trunk
from training.layers.residual import ResidualBlock

#: Images whose activations set the batch norms and the classifier.
_IMAGES: Final = 1024
_RIDGE: Final = 1.0


def start_from_file(task: FeatureTask, file: Path) -> None:
    """Give a stage-1 task a trunk: that of an exported model, or of dlib's weights where the file is an npz.

    Raises:
        ValueError: the file's trunk has another shape than the task's.
        ContractError: it is not an action-unit model.
        ModelError: the arrays are not dlib's.
    """
    if file.suffix == ".npz":
        _start_from_face_trunk(task, file)
    else:
        _start_from_model(task, file)


def _start_from_face_trunk(task: FeatureTask, file: Path) -> None:
    """Take the blocks that the task keeps; its batch norms get the statistics of training images."""
    trunk = task.model.features.trunk
    if not isinstance(trunk, ShortFaceTrunk):
        raise ValueError(f"{file} needs a model with face_trunk, such as [2, 2, 2]: set it in the configuration")
    whole = FaceTrunk()
    load_trunk(whole, read_trunk(file), MEAN, STD)
    trunk.take(whole)
    match_statistics(trunk, network_input(task.some_crops(_IMAGES)))


def _start_from_model(task: FeatureTask, file: Path) -> None:
    """The trunk of an exported model, whose batch norms were folded into its convolutions.

    The norms take the statistics of training images as they are, so that the network computes what the file does and
    its norms work as usual; the classifier is fitted to the file's logits by least squares. Blocks that the file does
    not have, the last ones of a width, start as identity.
    """
    model, crops = task.model, task.some_crops(_IMAGES)
    with torch.no_grad():
        taken = _take_filters(model, file)
        images = network_input(crops)
        model.eval()
        _take_statistics(model, images, taken)
        features = model.features(images)  # (N, K, D)
        logits = torch.from_numpy(ExportedActionUnits(file).logits(crops).mean(1))
        _fit_classifier(model, features, logits)


#: A convolution and its norm; the attention has no norm.
_Layer = tuple[nn.Conv2d, nn.BatchNorm2d | None]


def _take_filters(model: UGN, file: Path) -> set[nn.BatchNorm2d]:
    """Fill the convolutions with the file's; returns the norms of those, which pass values through.

    Raises:
        ValueError: the file's trunk has another shape, or more blocks of a width.
    """
    waiting, taken = list(_filters(file)), set[nn.BatchNorm2d]()
    for layers, may_be_new in _parts(model):
        given = waiting[: len(layers)]
        if [tuple(convolution.weight.shape) for convolution, _ in layers] == [weight.shape for weight, _ in given]:
            for (convolution, norm), (weight, bias) in zip(layers, given, strict=True):
                convolution.weight.copy_(torch.from_numpy(weight))
                if norm is None:
                    assert convolution.bias is not None
                    convolution.bias.copy_(torch.from_numpy(bias))
                else:
                    _pass_through(norm, torch.from_numpy(bias))
                    taken.add(norm)
            del waiting[: len(layers)]
        elif may_be_new:
            last = layers[-1][1]
            assert last is not None
            last.weight.zero_()
        else:
            raise ValueError(f"the trunk of {file} does not have the shape of this configuration: choose another file")
    return taken


def _parts(model: UGN) -> Iterator[tuple[list[_Layer], bool]]:
    """Layers in the order of execution, those of a block together; and whether the part may start as identity."""
    trunk = model.features.trunk
    if isinstance(trunk, ShortFaceTrunk):
        for layer in trunk.layers():
            yield [layer], False
    else:
        for part in trunk:
            groups = [part.first, part.second, part.shortcut] if isinstance(part, ResidualBlock) else [part]
            layers = [_layer(group) for group in groups if isinstance(group, nn.Sequential)]
            if layers:
                yield layers, isinstance(part, ResidualBlock) and isinstance(part.shortcut, nn.Identity)
    assert model.features.attention is not None
    yield [(model.features.attention, None)], False


def _layer(group: nn.Sequential) -> _Layer:
    convolution, norm = group
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return convolution, norm


def _filters(file: Path) -> Iterator[tuple[Float32, Float32]]:
    """Weight and bias of each convolution of a file, in the order of execution."""
    graph = onnx.load(str(file)).graph
    stored = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in graph.initializer}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]
    stored |= {cast.output[0]: stored[cast.input[0]] for cast in casts}
    for node in graph.node:
        if node.op_type == "Conv":
            yield stored[node.input[1]], stored[node.input[2]]


def _pass_through(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)
    norm.bias.copy_(bias)


def _take_statistics(model: UGN, images: Tensor, taken: set[nn.BatchNorm2d]) -> None:
    """Give each norm the statistics of its inputs over these images; the taken ones undo them and change nothing."""
    seen: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def keep(norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        seen[norm] = (inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3)))

    hooks = [part.register_forward_hook(keep) for part in model.features.modules() if isinstance(part, nn.BatchNorm2d)]
    model.features(images)
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in seen.items():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        if norm in taken:
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)


def _fit_classifier(model: UGN, features: Tensor, logits: Tensor) -> None:
    """Ridge regression of each unit's logit (N, K) on its own features (N, K, D)."""
    for unit in range(features.shape[1]):
        x = torch.cat([features[:, unit], torch.ones(len(features), 1)], 1).double()
        penalty = _RIDGE * torch.eye(x.shape[1], dtype=torch.float64)
        found = torch.linalg.solve(x.T @ x + penalty, x.T @ logits[:, unit].double())
        model.classifier.weight[unit] = found[:-1].float()
        model.classifier.bias[unit] = found[-1].float()
