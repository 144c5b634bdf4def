"""The interface of inference backends, and the checks that each of them makes on a newly opened network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.backends.contract import ModelContract, TensorSpec
from engine.errors import BackendError, ContractError, ModelError
from engine.types import Float32


class InferenceBackend(Protocol):
    """A network ready to run, in terms of tensors. Not thread-safe: one instance per thread."""

    @property
    def contract(self) -> ModelContract:
        """The checked contract of the network."""

    @property
    def name(self) -> str:
        """Name of the backend in the registry, such as ``onnxruntime``."""

    @property
    def device(self) -> str:
        """The device that the network runs on, such as ``CPU``."""

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        """Run inputs by name to outputs by name, as the contract lists them. The caller owns the returned arrays.

        Raises:
            BackendError: the network cannot run on these inputs.
        """

    def close(self) -> None:
        """Release the network; it cannot run afterwards. A second call does nothing."""


def check_signature(where: Path, kind: str, promised: Sequence[TensorSpec], found: Sequence[TensorSpec]) -> None:
    """Compare the tensors that a contract promises with those that the opened network declares.

    Args:
        where: the model file, for the message.
        kind: "input" or "output", for the message.
        promised: from the contract.
        found: from the network; an axis given as text is of any or unknown length.

    Raises:
        ContractError: names or types differ, or an axis cannot have the promised length.
    """
    by_name = {spec.name: spec for spec in found}
    names = sorted(spec.name for spec in promised)
    if sorted(by_name) != names:
        raise ContractError(
            f"{where} has the {kind}s {', '.join(sorted(by_name))}, its contract names {', '.join(names)}: "
            "restore both from one release"
        )
    for want in promised:
        have = by_name[want.name]
        axes_fit = len(have.shape) == len(want.shape) and all(
            isinstance(length, str) or length == promise for length, promise in zip(have.shape, want.shape, strict=True)
        )
        if have.dtype != want.dtype or not axes_fit:
            raise ContractError(
                f"{where} has {kind} {want.name} {have.dtype} {have.shape}, "
                f"its contract states {want.dtype} {want.shape}: restore both from one release"
            )


def warm_up(where: Path, backend: InferenceBackend, fixed: Mapping[str, int] | None = None) -> None:
    """Run a new network on zeros, to check its output shapes and to make the first real run fast.

    The first run gives every free axis a different length, which detects a network that works for one face only or
    confuses two axes. The second is the usual case, one face.

    Args:
        where: the model file, for messages.
        backend: the network.
        fixed: lengths of the axes whose length the backend has fixed.

    Raises:
        ModelError: the network cannot run.
        ContractError: the shape of an output differs from the contract.
    """
    contract = backend.contract
    free = {axis: 0 for spec in contract.inputs for axis in spec.shape if isinstance(axis, str)}
    for own in ({axis: 2 + place for place, axis in enumerate(free)}, dict.fromkeys(free, 1)):
        lengths = {**own, **(fixed or {})}
        shapes = {spec.name: [_length(axis, lengths) for axis in spec.shape] for spec in contract.inputs}
        try:
            outputs = backend.run({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
        except BackendError as error:
            raise ModelError(str(error)) from None
        for spec in contract.outputs:
            _check_output(where, spec, outputs[spec.name], lengths)


def read_logits(outputs: Mapping[str, Float32], contract: ModelContract, name: str = "logits") -> Float32:
    """An output of a network that holds logits.

    Raises:
        ModelError: a value is not finite: its probabilities would exceed every limit or none.
    """
    logits = outputs[name]
    if not np.isfinite(logits).all():
        raise ModelError(
            f"{contract.name!r} returned {name} that are not finite: restore the model, or use another backend"
        )
    return logits


def _length(axis: int | str, lengths: Mapping[str, int]) -> int:
    return lengths[axis] if isinstance(axis, str) else axis


def _check_output(where: Path, spec: TensorSpec, output: Float32, lengths: Mapping[str, int]) -> None:
    wanted = [lengths.get(axis) if isinstance(axis, str) else axis for axis in spec.shape]  # None: any length
    fits = output.ndim == len(wanted) and all(
        want in (None, have) for want, have in zip(wanted, output.shape, strict=True)
    )
    if output.dtype != spec.dtype or not fits:
        raise ContractError(
            f"{where} returns {spec.name} {output.dtype} {output.shape}, its contract states {spec.dtype} "
            f"{spec.shape}: "
            "restore both from one release"
        )
