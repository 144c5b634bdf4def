"""Versions and licences of what the program stands on, as the installed packages tell them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import Final

#: Packages that the program imports, whether or not all are installed; the last ones come with the extras.
PACKAGES: Final = (
    "numpy",
    "opencv-python-headless",
    "ai-edge-litert",
    "onnxruntime",
    "av",
    "typer",
    "rich",
    "arro3-core",
    "arro3-io",
    "PySide6-Essentials",
    "openvino",
    "mediapipe",
)
#: A field ``License`` longer than this is the whole text of a licence, not its name.
_LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package."""

    name: str
    version: str
    licence: str  # empty if the package does not tell


@dataclass(frozen=True, slots=True)
class Codecs:
    """The FFmpeg that PyAV carries."""

    version: str
    licence: str  # of its libraries, as they were built
    has_gpl_parts: bool  # built with libx264 or libx265, which are under the GPL


def installed_packages() -> tuple[Package, ...]:
    """Those of PACKAGES that are installed here."""
    found = []
    for name in PACKAGES:
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(Package(name, about["Version"], _licence(about)))
    return tuple(found)


def codecs() -> Codecs:
    """What the FFmpeg inside PyAV says of itself."""
    import av
    from av import _core

    about = _core.library_meta["libavcodec"]
    configuration = str(about["configuration"])
    gpl_parts = re.search(r"--enable-(libx264|libx265|gpl)\b", configuration) is not None
    return Codecs(str(av.ffmpeg_version_info), str(about["license"]), gpl_parts)


def _licence(about: metadata.PackageMetadata) -> str:
    fields = about.json
    for field in ("license_expression", "license"):
        told = fields.get(field)
        if isinstance(told, str) and 0 < len(told) <= _LONGEST_NAME and told.upper() != "UNKNOWN":
            return told
    classifiers = fields.get("classifier", [])
    named = [line.rsplit(" :: ", 1)[1] for line in classifiers if line.startswith("License :: ")]
    return ", ".join(named)
