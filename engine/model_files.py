"""Where the trained models stand: in assets/models beside the package, in a checkout as in an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.backends.contract import CONTRACTS
from engine.errors import ModelError

#: Folder of the models that come with the program.
MODELS_FOLDER: Final = Path(__file__).resolve().parents[1] / "assets" / "models"


def model_path(task: str, folder: Path | None = None) -> Path:
    """The ONNX file for a task, "expression" or "action_units"; its contract stands beside it.

    Args:
        task: a key of CONTRACTS.
        folder: where to look instead of MODELS_FOLDER.

    Raises:
        ModelError: there is no such file.
        ValueError: there is no such task.
    """
    if task not in CONTRACTS:
        raise ValueError(f"unknown task {task!r}: known are {', '.join(CONTRACTS)}")
    path = (folder or MODELS_FOLDER) / f"{task}.onnx"
    if not path.is_file():
        remedy = "name a folder that holds it" if folder else "install the program again, or fetch the whole repository"
        raise ModelError(f"{path} is missing: {remedy}")
    return path
