"""Every package that an installation pulls in is pinned to one exact version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXTRAS = ("", "window", "train", "export", "serve", "mqtt", "lsl", "test")
LINE = re.compile(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+(; python_version (<|>=) \"3\.\d+\")?")


def pinned_lines() -> list[str]:
    lines = (ROOT / "packaging" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins_here() -> dict[str, Requirement]:
    """Pins by package name that apply to this Python."""
    found = map(Requirement, pinned_lines())
    return {canonicalize_name(pin.name): pin for pin in found if not pin.marker or pin.marker.evaluate()}


def required(name: str, extras: tuple[str, ...]) -> Iterator[Requirement]:
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement


def closure() -> dict[str, Requirement]:
    """All packages that mien needs with its extras, as installed here."""
    waiting = list(required("mien", EXTRAS))
    found: dict[str, Requirement] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found[name] = requirement
            try:
                waiting += required(name, ("", *requirement.extras))
            except metadata.PackageNotFoundError:
                pytest.skip(f"needs the extras window, train, export and test: {name} is not installed")
    return found


def test_every_line_is_an_exact_pin() -> None:
    assert [line for line in pinned_lines() if not LINE.fullmatch(line)] == []


def test_every_needed_package_is_pinned() -> None:
    # setuptools comes with the virtual environment or from the build, which resolves its own.
    assert sorted(set(closure()) - set(pins_here()) - {"setuptools"}) == []


def test_pins_satisfy_the_requirements_of_the_project() -> None:
    pins = pins_here()
    for requirement in required("mien", EXTRAS):
        (pin,) = pins[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), f"{requirement} excludes its pin {pin}"
