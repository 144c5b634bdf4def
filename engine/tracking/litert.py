"""Running a LiteRT (tflite) network: one input, several outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import FaceModelError
from engine.native_log import without_native_log
from engine.types import Float32, UInt8


class LiteRTNetwork:
    """A network with one float32 input of shape (1, S, S, 3). Not thread-safe: one instance per thread."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        with without_native_log():  # C++ start-up lines do not belong in the user's terminal
            from ai_edge_litert.interpreter import Interpreter  # here, so that no other stage pays for the import

            try:
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise FaceModelError(
                    f"{path} is no network that LiteRT can run: delete it and run 'mien prepare'"
                ) from error
        details = self._interpreter.get_input_details()[0]
        self._input = self._interpreter.tensor(details["index"])
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self.side = int(details["shape"][1])

    def run(self, picture: UInt8, scale: float, shift: float) -> list[Float32]:
        """Run on a picture (S, S, 3) uint8 RGB, fed as picture * scale + shift; outputs without the batch axis."""
        fed = self._input()[0]  # a view of the network's own memory: no copy, but no view may live on past this call
        np.multiply(picture, np.float32(scale), out=fed)
        if shift:
            fed += np.float32(shift)
        del fed
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index)[0], np.float32) for index in self._outputs]
