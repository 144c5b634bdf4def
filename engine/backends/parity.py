"""Whether two backends compute the same numbers, on random inputs for one and for several faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from engine.backends.base import InferenceBackend
from engine.backends.contract import ModelContract, input_shapes
from engine.types import Float32

#: Floor of an output's standard deviation, for outputs that are nearly constant.
_SMALLEST_SPREAD: Final = 1e-3


def random_inputs(contract: ModelContract, faces: int) -> dict[str, Float32]:
    """Inputs between 0 and 1 for a number of faces, the same in every process."""
    random = np.random.default_rng(0)
    return {name: random.random(shape, dtype=np.float32) for name, shape in input_shapes(contract, faces).items()}


def difference_beyond(
    share: float, reference: InferenceBackend, backend: InferenceBackend, batches: Sequence[Mapping[str, Float32]]
) -> str | None:
    """The first output whose mean difference exceeds a share of its standard deviation, described; None = no output.

    Raises:
        BackendError: a backend cannot run.
    """
    for inputs in batches:
        found = backend.run(inputs)
        for name, wanted in reference.run(inputs).items():
            difference = float(np.abs(found[name] - wanted).mean())
            allowed = share * max(float(wanted.std()), _SMALLEST_SPREAD)
            if not difference <= allowed:  # also if it is not a number
                return f"{name} is off by {difference:.2g} on average, allowed {allowed:.2g}"
    return None
