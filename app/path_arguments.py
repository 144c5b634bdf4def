"""Command-line arguments that are paths, such as files whose names start with a dash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand


class PathCommand(TyperCommand):
    """Takes a word that starts with "-" for a path if it is not an option and such a file or folder exists."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the words of the command line."""
        options = {name for parameter in self.params for name in (*parameter.opts, *parameter.secondary_opts)}
        ended = args.index("--") if "--" in args else len(args)
        words = [
            f"./{word}"
            if place < ended and word.startswith("-") and word.partition("=")[0] not in options and path_exists(word)
            else word
            for place, word in enumerate(args)
        ]
        return super().parse_args(ctx, words)


def path_exists(word: str) -> bool:
    """Whether a word of the command line names a file or folder."""
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False
