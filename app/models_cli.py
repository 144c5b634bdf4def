"""The command ``mien models``: check the networks before anything runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from app.printable import printable
from engine.errors import EngineError, FaceModelError, ModelError

models = typer.Typer(no_args_is_help=True, help="The networks of the program, and those of others.")


@models.callback()
def _group() -> None:
    """The networks of the program, and those of others."""


@models.command("verify")
def verify_models_command(
    path: Annotated[
        Path | None, typer.Argument(help="An ONNX file, or a folder of them. Default: all networks of the program.")
    ] = None,
) -> None:
    """Check hash, contract, operators and sizes of models, and run each once in a process with limits.

    The exit status is 2 if a model is refused. A model that is not part of this release can pass: the check finds
    damage and hostile files, not what a network has learned.
    """
    refused = 0
    for name, finding in _verified(path):
        typer.echo(printable(f"{name}: {finding}"))
        refused += finding.startswith("refused")
    if refused:
        raise typer.Exit(2)


def _verified(path: Path | None) -> Iterator[tuple[str, str]]:
    """Name and finding of each network."""
    from engine.backends.model_file import MODELS_FOLDER
    from engine.tracking.face_models import FACE_MODELS, face_model_path

    for model in _model_files(path or MODELS_FOLDER):
        yield str(model), _finding(model)
    if path is not None:
        return
    for network in FACE_MODELS:
        try:
            face_model_path(network)
            yield network.name, f"ok, part of this release, sha256 {network.sha256[:12]}..."
        except FaceModelError as error:
            yield network.name, f"refused ({error})"


def _finding(model: Path) -> str:
    from engine.backends.model_file import read_model
    from engine.backends.trial import try_model

    try:
        checked = read_model(model)
        try_model(checked)
    except EngineError as error:
        return f"refused ({error})"
    origin = "part of this release" if checked.released else "not part of this release"
    return f"ok, {origin}, sha256 {checked.contract.sha256[:12]}..."


def _model_files(path: Path) -> list[Path]:
    """The models of a path.

    Raises:
        ModelError: there is none.
    """
    found = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
    if not found:
        raise ModelError(f"{path} holds no ONNX file: name a model, or a folder of models")
    return found
