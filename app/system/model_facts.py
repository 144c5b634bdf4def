"""Facts about the models for the user, from their contracts; no network is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.settings.limits import Limits, limits_of
from engine.backends.contract import CONTRACTS, ActionUnitContract, read_contract
from engine.backends.model_file import MODELS_FOLDER, model_path

_CHECKOUT_CARDS: Final = Path(__file__).resolve().parents[2] / "docs" / "models"
#: The model cards: beside the models in an installed wheel (setup.py copies them), in docs/models in a checkout.
CARDS_FOLDER: Final = _CHECKOUT_CARDS if _CHECKOUT_CARDS.is_dir() else MODELS_FOLDER


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Description of one model."""

    task: str  # "expression" or "action_units"
    name: str
    sha256: str
    labels: tuple[str, ...]
    trusted: tuple[str, ...]  # labels with sufficient evidence; all of them for expressions
    data: tuple[str, ...]  # training data, one line each
    fitted_on: str  # data on which its limits were chosen
    licence: str
    trained: str
    limits: Limits | None  # None for action units
    card: Path | None  # the model card, if installed


def read_model_facts(task: str, folder: Path | None = None, cards: Path = CARDS_FOLDER) -> ModelFacts:
    """Read the facts of the model for a task, in ``folder`` or among the models of the program.

    Raises:
        ModelError: the model is missing, or its contract is missing or damaged.
        ValueError: unknown task.
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


#: All tasks, in processing order.
TASKS: Final = tuple(CONTRACTS)
