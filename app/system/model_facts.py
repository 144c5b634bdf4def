"""What the model files say of themselves: read from the contracts beside them, without opening the networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.settings.limits import Limits, limits_of
from engine.backends.contract import CONTRACTS, ActionUnitContract, read_contract
from engine.model_files import MODELS_FOLDER, model_path

_CHECKOUT_CARDS: Final = Path(__file__).resolve().parents[2] / "docs" / "models"
#: The model cards: beside the models in an installed wheel (setup.py copies them), in docs/models in a checkout.
CARDS_FOLDER: Final = _CHECKOUT_CARDS if _CHECKOUT_CARDS.is_dir() else MODELS_FOLDER


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a user may want to know of one model."""

    task: str  # "expression" or "action_units"
    name: str
    sha256: str
    labels: tuple[str, ...]
    trusted: tuple[str, ...]  # labels that may be built on; all of them for expressions
    data: tuple[str, ...]  # what it learned from, one line each
    fitted_on: str  # what its limits were chosen on
    licence: str
    trained: str
    limits: Limits | None  # the limits that a user may move; None for action units
    card: Path | None  # the model card, where the documents are installed


def read_model_facts(task: str, folder: Path | None = None, cards: Path = CARDS_FOLDER) -> ModelFacts:
    """The facts of the model for a task; ``folder`` is searched instead of that of the program.

    Raises:
        ModelError: the model is missing, or its contract is missing or broken.
        ValueError: there is no such task.
    """
    contract = read_contract(model_path(task, folder))
    if isinstance(contract, ActionUnitContract):
        pairs = zip(contract.labels, contract.calibration.trusted, strict=True)
        trusted = tuple(label for label, is_trusted in pairs if is_trusted)
        limits = None
    else:
        trusted = contract.labels
        limits = limits_of(contract.calibration)
    card = cards / f"{task}.md"
    return ModelFacts(
        task=task,
        name=contract.name,
        sha256=contract.sha256,
        labels=contract.labels,
        trusted=trusted,
        data=contract.data,
        fitted_on=contract.calibration.fitted_on,
        licence=contract.licence,
        trained=contract.trained,
        limits=limits,
        card=card if card.is_file() else None,
    )


#: Every task that has a model, in the order of a frame's path.
TASKS: Final = tuple(CONTRACTS)
