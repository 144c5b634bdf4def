"""The command ``mien purge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.terminal import print_note, print_result
from app.termination import INTERRUPTED


def purge_command(
    results: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders for results (--out), besides those of the window's settings."),
    ] = None,
    keep_sessions: Annotated[bool, typer.Option("--keep-sessions", help="Delete cache and settings only.")] = False,
    keep_cache: Annotated[
        bool, typer.Option("--keep-cache", help="Delete sessions only: keep the networks and settings.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete what mien has stored: sessions, snapshots, cache and settings, after listing them.

    Deleted are only files that the program writes; other files in a session folder stay. Links are not followed. Files
    in other folders, such as results copied elsewhere, are not found. Deleted is not erased: a disk may keep the
    blocks, and backups their copies.
    """
    from app.purge import delete_stored, find_stored

    stored = find_stored(results or (), sessions=not keep_sessions, cache=not keep_cache)
    for line in stored.in_use:
        print_note(line)
    if stored.is_empty:
        print_note("nothing is stored in the folders of the program")
        return
    for path in (*stored.sessions, *stored.files, *stored.folders):
        print_result(path)
    if not yes and not typer.confirm("Delete all of these?", err=True):
        raise typer.Exit(INTERRUPTED)
    for line in delete_stored(stored):
        print_note(line)
