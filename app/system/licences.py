"""Versions and licences of the packages that the program uses, from their metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from app.system.doctor import OPTIONAL_PACKAGES, REQUIRED_PACKAGES

#: Installed on Windows and macOS only, so the doctor does not look for it.
_PLATFORM_PACKAGES: Final = ("cv2-enumerate-cameras",)
#: Packages that the program imports if installed.
PACKAGES: Final = (*REQUIRED_PACKAGES, *OPTIONAL_PACKAGES, *_PLATFORM_PACKAGES)
#: A field ``License`` longer than this holds the full text, not the name.
_LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package."""

    name: str
    version: str
    licence: str  # empty if not stated


@dataclass(frozen=True, slots=True)
class Codecs:
    """The FFmpeg libraries bundled with PyAV."""

    version: str
    licence: str  # of this build
    has_gpl_parts: bool  # built with libx264 or libx265, which are under the GPL


def installed_packages() -> tuple[Package, ...]:
    """Find the packages of PACKAGES that are installed."""
    found = []
    for name in PACKAGES:
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(Package(name, about["Version"], _licence(about)))
    return tuple(found)


def codecs() -> Codecs:
    """Read version, licence and build options of PyAV's FFmpeg."""
    import av
    from av import _core

    about = _core.library_meta["libavcodec"]
    configuration = str(about["configuration"])
    gpl_parts = re.search(r"--enable-(libx264|libx265|gpl)\b", configuration) is not None
    return Codecs(str(av.ffmpeg_version_info), str(about["license"]), gpl_parts)


def _licence(about: metadata.PackageMetadata) -> str:
    fields = about.json
    for field in ("license_expression", "license"):
        name = fields.get(field)
        if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.upper() != "UNKNOWN":
            return name
    classifiers = fields.get("classifier", [])
    named = [line.rsplit(" :: ", 1)[1] for line in classifiers if line.startswith("License :: ")]
    return ", ".join(named)
