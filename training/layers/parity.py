"""An exported file must answer as the torch module did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn


def largest_difference(
    model: nn.Module, inputs: Mapping[str, Tensor], path: Path, output_names: Sequence[str]
) -> dict[str, float]:
    """Largest absolute difference per output between the module and the file, on the same inputs."""
    with torch.no_grad():
        expected = model.eval()(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(output_names), {name: value.numpy() for name, value in inputs.items()})
    pairs = zip(output_names, expected, found, strict=True)
    return {name: float(np.abs(want.numpy() - have).max()) for name, want, have in pairs}


def require_parity(differences: Mapping[str, float], tolerance: float) -> None:
    """Refuse an export that differs.

    Raises:
        ValueError: an output differs by more than the tolerance.
    """
    for name, difference in differences.items():
        if not difference <= tolerance:
            raise ValueError(
                f"output {name!r} of the exported model differs by {difference:.2g}, allowed {tolerance:.2g}"
            )
