"""Puts the model cards, which the window shows, beside the models in the wheel. All other settings: pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCards(build_py):
    """Copies docs/models/*.md to assets/models; an editable install reads them from docs/models."""

    def run(self) -> None:
        """Build the packages, then add the cards."""
        super().run()
        if not self.editable_mode:
            for card in sorted(Path("docs/models").glob("*.md")):
                self.copy_file(str(card), str(Path(self.build_lib, "assets", "models", card.name)))


setup(cmdclass={"build_py": BuildWithCards})
