"""Packages of the program with their versions and licences."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from app.system.licences import PACKAGES, codecs, installed_packages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["window"], *extras["openvino"], *extras["mediapipe"]]
    names = {re.match(r"[\w-]+", line)[0] for line in wanted if "python_version" not in line}  # type: ignore[index]
    assert set(PACKAGES) == names


def test_every_installed_package_has_a_version_and_a_licence() -> None:
    found = {one.name: one for one in installed_packages()}
    assert found["numpy"].version == metadata.version("numpy")
    assert all(0 < len(one.licence) <= 80 for one in found.values())


def test_a_licence_is_never_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.message import Message

    class FakeMessage(Message):
        json = {"license": "x" * 2000, "classifier": ["Programming Language :: C", "License :: OSI Approved :: MIT"]}

    def fake(name: str) -> FakeMessage:
        if name != "numpy":
            raise metadata.PackageNotFoundError(name)
        about = FakeMessage()
        about["Version"] = "1"
        return about

    monkeypatch.setattr(metadata, "metadata", fake)
    (only,) = installed_packages()
    assert (only.name, only.version, only.licence) == ("numpy", "1", "MIT")


def test_gpl_parts_of_the_codecs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from av import _core

    assert re.match(r"\d+\.", codecs().version)
    about = {"license": "LGPL", "configuration": "--enable-libx264 --enable-zlib", "version": (1, 2, 3)}
    monkeypatch.setattr(_core, "library_meta", {"libavcodec": about})
    assert codecs().has_gpl_parts
    monkeypatch.setitem(about, "configuration", "--enable-zlib --enable-libx264rgb-not")
    assert not codecs().has_gpl_parts
