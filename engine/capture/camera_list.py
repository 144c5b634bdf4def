"""Which cameras this machine has, and why one cannot be used: from sysfs and the device nodes of Linux (V4L2).

A webcam shows several nodes, of which the first of each function (``index`` 0) gives the pictures and the others data
about them. Some chips show their video codecs as such nodes too; the driver tells them apart where it may be asked.
Elsewhere than on Linux nothing is listed, because OpenCV offers no list: there a camera's number is typed.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

SYSFS: Final = Path("/sys/class/video4linux")
DEV: Final = Path("/dev")
#: Shown in place of a list on systems where none is made.
NOT_LISTED: Final = "Cameras are not listed on this system: type the number of a camera, 0 for the first."
NONE_FOUND: Final = "No camera is connected: plug one in."
#: What to do about a camera that the user may not open.
_JOIN_GROUP: Final = "add yourself to the group video (sudo usermod -aG video $USER), then log in again"

_NODE: Final = re.compile(r"video([0-9]+)")
# linux/videodev2.h: the requests VIDIOC_QUERYCAP and VIDIOC_REQBUFS with the sizes of their records, and capabilities.
_QUERYCAP, _QUERYCAP_BYTES, _CAPABILITIES_AT = 0x80685600, 104, 84
_REQBUFS = 0xC0145608
_CAN_CAPTURE, _CAN_CAPTURE_PLANES = 0x1, 0x1000
_IS_CODEC = 0x4000 | 0x8000
_HAS_DEVICE_CAPABILITIES = 0x80000000
_MEMORY_MMAP = 1


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as a list shows it."""

    spec: str  # what open_source takes: "0"
    name: str  # as its maker calls it; numbered where two are called the same
    usable: bool  # whether it may be opened now
    told: str  # why not, and what to do; "" when usable


class NodeState(Enum):
    """What becomes of opening a device node."""

    USABLE = "usable"
    MISSING = "missing"
    DENIED = "denied"
    BUSY = "busy"
    NO_CAMERA = "no camera"  # data about pictures, or a codec
    UNKNOWN = "unknown"  # it can be opened, but the driver does not tell what it is


_TOLD: Final[dict[NodeState, str]] = {
    NodeState.MISSING: "its device file is not here: in a container, pass it on with --device",
    NodeState.DENIED: f"it may not be used: {_JOIN_GROUP}",
    NodeState.BUSY: "another program uses it: close that",
}


def list_cameras(sysfs: Path = SYSFS, dev: Path = DEV) -> tuple[Camera, ...]:
    """The cameras of this machine, those that cannot be used among them, in the order of their numbers.

    Elsewhere than on Linux none; NOT_LISTED says so.
    """
    if not listable():
        return ()
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
        Camera(str(number), name, state not in _TOLD, _TOLD.get(state, ""))
        for (number, _, state), name in zip(found, names, strict=True)
    )


def listable() -> bool:
    """Whether cameras can be listed on this system."""
    return sys.platform.startswith("linux")


def watch_folders(dev: Path = DEV) -> tuple[Path, ...]:
    """The folders in which something changes when a camera comes or goes, or may be used from now on."""
    return (dev,) if listable() and dev.is_dir() else ()


def node_state(node: Path, in_use: bool = False) -> NodeState:
    """Whether a device node can be used; with ``in_use`` also whether another program takes pictures from it."""
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
    """Why a camera that OpenCV refused cannot be used, as a sentence with the remedy."""
    name = f"camera {device}"
    unknown = f"{name} cannot be opened: plug it in, close other programs that use it, or try another number"
    if not listable():
        return unknown
    node = dev / f"video{device}" if isinstance(device, int) else Path(device)
    state = node_state(node, in_use=True)
    if state is NodeState.DENIED:
        return f"{name} may not be used: {_JOIN_GROUP}"
    if state is NodeState.BUSY:
        return f"{name} is in use by another program: close that, then try again"
    if state in (NodeState.USABLE, NodeState.UNKNOWN):
        return unknown
    others = [camera for camera in list_cameras(sysfs, dev) if camera.usable]
    if not others:
        return f"{name} cannot be opened: plug it in, no camera is connected"
    choice = ", ".join(f"{camera.spec} ({camera.name})" for camera in others)
    if state is NodeState.NO_CAMERA:
        return f"{name} gives no pictures: use one that does: {choice}"
    return f"{name} cannot be opened: plug it in, or use one that is here: {choice}"


def _numbers(sysfs: Path, dev: Path) -> list[int]:
    """Numbers of all video nodes; those of the device folder where a container hides sysfs."""
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
    """The name without the echo that most webcams carry.

    >>> _plain_name("Integrated Camera: Integrated C"), _plain_name("Cam: infrared")
    ('Integrated Camera', 'Cam: infrared')
    """
    first, _, echo = name.partition(": ")
    return first if first.startswith(echo) else name


def _numbered(names: list[str]) -> list[str]:
    """The names, with a number behind those that come twice or more."""
    total, seen = Counter(names), Counter[str]()
    told = []
    for name in names:
        seen[name] += 1
        told.append(f"{name} ({seen[name]})" if total[name] > 1 else name)
    return told


def _capabilities(handle: int) -> int | None:
    """What a V4L2 node can do; None when it does not tell."""
    record = bytearray(_QUERYCAP_BYTES)
    if _ask(handle, _QUERYCAP, record):
        return None
    of_driver, of_node = struct.unpack_from("=II", record, _CAPABILITIES_AT)
    return int(of_node if of_driver & _HAS_DEVICE_CAPABILITIES else of_driver)


def _is_taken(handle: int, can: int) -> bool:
    """Whether another program holds the buffers of a node. Asking for none changes nothing."""
    kind = 1 if can & _CAN_CAPTURE else 9  # V4L2_BUF_TYPE_VIDEO_CAPTURE, ..._MPLANE
    record = bytearray(struct.pack("=5I", 0, kind, _MEMORY_MMAP, 0, 0))
    return _ask(handle, _REQBUFS, record) == errno.EBUSY


def _ask(handle: int, request: int, record: bytearray) -> int:
    """Send a request to a driver, which fills the record; 0 or the error's number."""
    import fcntl  # not on Windows

    try:
        fcntl.ioctl(handle, request, record)
    except OSError as error:
        return error.errno or errno.EIO
    return 0
