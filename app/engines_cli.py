"""The commands ``mien engines``: build, list and delete the TensorRT engines of this machine's GPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

Precision = Literal["fp32", "fp16", "int8"]

engines = typer.Typer(no_args_is_help=True, help="TensorRT engines of this machine's NVIDIA GPU.")


@engines.command("build")
def build_engines_command(
    precision: Annotated[Precision | None, typer.Option("--precision", help="fp32, fp16 or int8.")] = None,
    max_faces: Annotated[int | None, typer.Option("--max-faces", min=1, help="Faces of one run.")] = None,
    device: Annotated[int | None, typer.Option("--device", min=0, help="Number of the GPU.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Build again what is already built.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")] = None,
) -> None:
    """Build the engines of both models, check their numbers, and store them; the live view does so by itself."""
    from app.system.gpu import build_engines
    from engine.config import load_config

    settings = load_config(config).gpu
    settings = dataclasses.replace(
        settings,
        precision=precision or settings.precision,
        max_faces=max_faces or settings.max_faces,
        device=settings.device if device is None else device,
    )
    for path in build_engines(settings, force, lambda line: typer.echo(line, err=True)):
        typer.echo(str(path))


@engines.command("list")
def list_engines_command() -> None:
    """List the stored engines: model, precision, GPU, version of TensorRT, size and file."""
    from app.system.gpu import list_engines

    for line in list_engines():
        typer.echo(line)


@engines.command("clear")
def clear_engines_command() -> None:
    """Delete all stored engines and timing caches."""
    from engine.backends.plans import PlanStore

    typer.echo(f"{PlanStore().clear()} files deleted")
