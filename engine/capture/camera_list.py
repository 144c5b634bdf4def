"""Lists the cameras of this machine and explains why one cannot be used.

On Linux the list comes from sysfs and the V4L2 device nodes, because only these also say that a camera is denied or
busy. A webcam has several nodes: the first of each function (``index`` 0) delivers images, the others metadata. Some
chips expose their video codecs as nodes too; the driver's capabilities distinguish them.

On Windows and macOS the list comes from the package cv2-enumerate-cameras, which returns the indices that OpenCV uses.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import struct
import sys
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

SYSFS: Final = Path("/sys/class/video4linux")
DEV: Final = Path("/dev")
#: Shown instead of a list on systems where cameras cannot be listed.
NOT_LISTED: Final = "Cameras are not listed on this system: type the number of a camera, 0 for the first."
NONE_FOUND: Final = "No camera is connected: plug one in."
#: Package that lists cameras where there is no sysfs.
_LISTING_PACKAGE: Final = "cv2_enumerate_cameras"
#: Remedy for a camera that the user may not open.
_JOIN_GROUP: Final = "add yourself to the group video (sudo usermod -aG video $USER), then log in again"

_NODE: Final = re.compile(r"video([0-9]+)")
# linux/videodev2.h: the requests VIDIOC_QUERYCAP and VIDIOC_REQBUFS, their record sizes, and capability flags.
_QUERYCAP, _QUERYCAP_BYTES, _CAPABILITIES_AT = 0x80685600, 104, 84
_REQBUFS = 0xC0145608
_CAN_CAPTURE, _CAN_CAPTURE_PLANES = 0x1, 0x1000
_IS_CODEC = 0x4000 | 0x8000
_HAS_DEVICE_CAPABILITIES = 0x80000000
_MEMORY_MMAP = 1


@dataclass(frozen=True, slots=True)
class Camera:
    """One entry of the camera list."""

    spec: str  # argument for open_source: "0"
    name: str  # the vendor's; numbered if two cameras have the same name
    usable: bool  # whether it can be opened now
    problem: str = ""  # why not, and the remedy; "" if usable


class NodeState(Enum):
    """Result of opening a device node."""

    USABLE = "usable"
    MISSING = "missing"
    DENIED = "denied"
    BUSY = "busy"
    NO_CAMERA = "no camera"  # metadata or a codec
    UNKNOWN = "unknown"  # can be opened, but the driver reports no capabilities


_PROBLEMS: Final[dict[NodeState, str]] = {
    NodeState.MISSING: "its device file is missing: in a container, pass it with --device",
    NodeState.DENIED: f"permission denied: {_JOIN_GROUP}",
    NodeState.BUSY: "in use by another program: close that program",
}


def list_cameras(sysfs: Path = SYSFS, dev: Path = DEV) -> tuple[Camera, ...]:
    """The cameras of this machine by number, including unusable ones; empty where cameras cannot be listed."""
    if not _has_v4l2():
        return _listed_by_package()
    found: list[tuple[int, str, NodeState]] = []
    for number in _numbers(sysfs, dev):
        node = f"video{number}"
        if _read(sysfs / node / "index") not in ("", "0"):
            continue
        state = node_state(dev / node)
        if state is not NodeState.NO_CAMERA:
            found.append((number, _plain_name(_read(sysfs / node / "name")) or f"Camera {number}", state))
    names = _numbered([name for _, name, _ in found])
    return tuple(
        Camera(str(number), name, state not in _PROBLEMS, _PROBLEMS.get(state, ""))
        for (number, _, state), name in zip(found, names, strict=True)
    )


def listable() -> bool:
    """Whether cameras can be listed on this system."""
    return _has_v4l2() or _listing_package() is not None


def watch_folders(dev: Path = DEV) -> tuple[Path, ...]:
    """Folders that change when a camera is plugged in, unplugged or changes its permissions; none outside Linux."""
    return (dev,) if _has_v4l2() and dev.is_dir() else ()


def _has_v4l2() -> bool:
    return sys.platform.startswith("linux")


def _listing_package() -> Any:
    """The module cv2_enumerate_cameras, or None where it is not installed or cannot be loaded."""
    try:
        return importlib.import_module(_LISTING_PACKAGE)
    except (ImportError, OSError):
        return None


def _listed_by_package() -> tuple[Camera, ...]:
    """Cameras by the index that OpenCV's default backend of the system uses."""
    package = _listing_package()
    if package is None:
        return ()
    found = sorted(package.enumerate_cameras(package.supported_backends[0]), key=lambda camera: camera.index)
    names = _numbered([_plain_name(camera.name) or f"Camera {camera.index}" for camera in found])
    return tuple(Camera(str(camera.index), name, True) for camera, name in zip(found, names, strict=True))


def node_state(node: Path, in_use: bool = False) -> NodeState:
    """Whether a device node can be used; with ``in_use`` also whether another program is capturing from it."""
    try:
        handle = os.open(node, os.O_RDWR | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    except PermissionError:
        return NodeState.DENIED
    except OSError as error:
        return NodeState.BUSY if error.errno == errno.EBUSY else NodeState.MISSING
    try:
        can = _capabilities(handle)
        if can is None:
            return NodeState.UNKNOWN
        if can & _IS_CODEC or not can & (_CAN_CAPTURE | _CAN_CAPTURE_PLANES):
            return NodeState.NO_CAMERA
        return NodeState.BUSY if in_use and _is_taken(handle, can) else NodeState.USABLE
    finally:
        os.close(handle)


def why_not(device: int | str, sysfs: Path = SYSFS, dev: Path = DEV) -> str:
    """Why OpenCV could not open a camera, as a sentence with the remedy."""
    name = f"camera {device}"
    unknown = f"{name} cannot be opened: plug it in, close other programs that use it, or try another number"
    if not _has_v4l2():
        return unknown
    node = dev / f"video{device}" if isinstance(device, int) else Path(device)
    state = node_state(node, in_use=True)
    if state is NodeState.DENIED:
        return f"{name} cannot be opened, permission denied: {_JOIN_GROUP}"
    if state is NodeState.BUSY:
        return f"{name} is in use by another program: close that program and try again"
    if state in (NodeState.USABLE, NodeState.UNKNOWN):
        return unknown
    others = [camera for camera in list_cameras(sysfs, dev) if camera.usable]
    if not others:
        return f"{name} cannot be opened: plug it in, no camera is connected"
    choice = ", ".join(f"{camera.spec} ({camera.name})" for camera in others)
    if state is NodeState.NO_CAMERA:
        return f"{name} delivers no images: use one of {choice}"
    return f"{name} cannot be opened: plug it in, or use one of {choice}"


def _numbers(sysfs: Path, dev: Path) -> list[int]:
    """Numbers of all video nodes, from the device folder if a container hides sysfs."""
    for folder in (sysfs, dev):
        try:
            matches = [_NODE.fullmatch(entry.name) for entry in folder.iterdir()]
        except OSError:
            continue
        numbers = sorted(int(match[1]) for match in matches if match)
        if numbers:
            return numbers
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _plain_name(name: str) -> str:
    """The name without its truncated repetition, which most webcams append.

    >>> _plain_name("Integrated Camera: Integrated C"), _plain_name("Cam: infrared")
    ('Integrated Camera', 'Cam: infrared')
    """
    first, _, echo = name.partition(": ")
    return first if first.startswith(echo) else name


def _numbered(names: list[str]) -> list[str]:
    """The names, with a number appended to duplicates."""
    total, seen = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name} ({seen[name]})" if total[name] > 1 else name)
    return numbered


def _capabilities(handle: int) -> int | None:
    """Capability flags of a V4L2 node; None if the driver reports none."""
    record = bytearray(_QUERYCAP_BYTES)
    if _ask(handle, _QUERYCAP, record):
        return None
    of_driver, of_node = struct.unpack_from("=II", record, _CAPABILITIES_AT)
    return int(of_node if of_driver & _HAS_DEVICE_CAPABILITIES else of_driver)


def _is_taken(handle: int, can: int) -> bool:
    """Whether another program holds the buffers of a node. A request for zero buffers changes nothing."""
    kind = 1 if can & _CAN_CAPTURE else 9  # V4L2_BUF_TYPE_VIDEO_CAPTURE, ..._MPLANE
    record = bytearray(struct.pack("=5I", 0, kind, _MEMORY_MMAP, 0, 0))
    return _ask(handle, _REQBUFS, record) == errno.EBUSY


def _ask(handle: int, request: int, record: bytearray) -> int:
    """Send an ioctl request, which fills the record; return 0 or the errno."""
    import fcntl  # not on Windows

    try:
        fcntl.ioctl(handle, request, record)
    except OSError as error:
        return error.errno or errno.EIO
    return 0
