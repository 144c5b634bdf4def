"""An exported action-unit model on ONNX Runtime, as export and evaluation run it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from engine.action_units import noise_bank
from engine.backends.contract import ActionUnitContract, AUCalibration, read_contract
from engine.errors import ContractError
from engine.types import Float32, UInt8
from training.action_units.features import network_input

_BATCH: Final = 64
#: Warm-up runs excluded from the timing.
_WARM_UP: Final = 10


class ExportedActionUnits:
    """An exported model with its contract."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Open the model and its contract.

        Raises:
            ContractError: the contract is missing, broken, or not that of an action-unit model.
        """
        contract = read_contract(path)
        if not isinstance(contract, ActionUnitContract):
            raise ContractError(f"{path} is a model for {contract.task}: pass an action-unit model")
        self.contract: ActionUnitContract = contract
        self.calibration: AUCalibration = self.contract.calibration
        self._session = open_session(path, threads)

    def logits(self, crops: UInt8, samples: int | None = None) -> Float32:
        """Sampled logits (N, S, K) of crops (N, 96, 96), not yet divided by the temperature.

        S is the contract's unless given; every number of samples has a bank of its own.
        """
        return run_logits(self._session, crops, self._bank(samples))

    def intensities(self, crops: UInt8) -> Float32 | None:
        """Intensities (N, K) 0-5 of crops (N, 96, 96), or None if the model does not grade them."""
        if not self.contract.has_intensity:
            return None
        return run_outputs(self._session, ("intensity",), crops, self._bank(1))[0]

    def sampled(self, crops: UInt8, bank: Float32) -> tuple[Float32, Float32]:
        """Logits (N, S, K) and mean mask (N, K, K) of crops (N, 96, 96) with a noise bank (S, 2, K, K)."""
        logits, masks = run_outputs(self._session, ("logits", "mask_mean"), crops, bank)
        return logits, masks

    def latency_ms(self, crop: UInt8, samples: int, runs: int) -> float:
        """Median milliseconds for one crop (96, 96), from grey levels to outputs."""
        bank = self._bank(samples)
        times = []
        for _ in range(runs + _WARM_UP):
            start = time.perf_counter()
            run_logits(self._session, crop[np.newaxis], bank)
            times.append(time.perf_counter() - start)
        return float(np.median(times[_WARM_UP:]) * 1000)

    def _bank(self, samples: int | None) -> Float32:
        count = samples or self.calibration.mask_samples
        return noise_bank(count, len(self.contract.labels), self.calibration.mask_seed)


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU without spinning threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_logits(session: onnxruntime.InferenceSession, crops: UInt8, bank: Float32) -> Float32:
    """Logits (N, S, K) of crops (N, 96, 96) with a noise bank (S, 2, K, K)."""
    return run_outputs(session, ("logits",), crops, bank)[0]


def run_outputs(
    session: onnxruntime.InferenceSession, names: Sequence[str], crops: UInt8, bank: Float32
) -> list[Float32]:
    """Named outputs, N first, of crops (N, 96, 96) with a noise bank (S, 2, K, K)."""
    parts = []
    for start in range(0, len(crops), _BATCH):
        image = network_input(crops[start : start + _BATCH]).numpy()
        parts.append(session.run(list(names), {"image": image, "noise": bank}))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
