"""The result of one check of ``mien doctor``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check."""

    name: str
    passed: bool
    detail: str  # what was found, or what to do
    required: bool = True  # by annotate

    @property
    def is_fatal(self) -> bool:
        """Whether annotate cannot run."""
        return self.required and not self.passed

    @property
    def status(self) -> str:
        """``ok``, ``missing`` (annotate cannot run) or ``optional``."""
        return "ok" if self.passed else "missing" if self.required else "optional"
