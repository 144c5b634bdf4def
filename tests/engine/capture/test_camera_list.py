"""Camera lists from synthetic device trees, and the reasons why a camera cannot be used."""

from __future__ import annotations

import doctest
import errno
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.capture import camera_list
from engine.capture.camera_list import Camera, NodeState, list_cameras, node_state, watch_folders, why_not

if not sys.platform.startswith("linux"):
    pytest.skip("device nodes are tested on Linux only", allow_module_level=True)

CAPTURE, METADATA, CODEC, PLANES = 0x1, 0x00800000, 0x4000, 0x1000
Machine = Callable[..., tuple[Path, Path]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make sysfs and device folder; nodes are (number, index, name), those of ``without_file`` have no file."""

    def make(*nodes: tuple[int, str, str], without_file: tuple[int, ...] = ()) -> tuple[Path, Path]:
        sysfs, dev = tmp_path / "video4linux", tmp_path / "dev"
        sysfs.mkdir()
        dev.mkdir()
        (dev / "video-notes").touch()
        for number, index, name in nodes:
            folder = sysfs / f"video{number}"
            folder.mkdir()
            (folder / "index").write_text(f"{index}\n")
            (folder / "name").write_text(f"{name}\n")
            if number not in without_file:
                (dev / f"video{number}").touch()
        return sysfs, dev

    return make


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Fake the driver of the device files: capabilities by file name, and the names in use by another program."""

    def answer(capabilities: dict[str, int], taken: tuple[str, ...] = ()) -> None:
        def ioctl(handle: int, request: int, record: bytearray) -> int:
            name = Path(f"/proc/self/fd/{handle}").readlink().name
            if request == camera_list._QUERYCAP:
                assert len(record) == 104  # sizeof(struct v4l2_capability)
                of_driver = 0x80000000 | CAPTURE | METADATA  # of the whole device; that of the node counts
                struct.pack_into("=II", record, 84, of_driver, capabilities[name])
                return 0
            assert request == camera_list._REQBUFS
            assert len(record) == 20  # sizeof(struct v4l2_requestbuffers)
            count, kind = struct.unpack_from("=II", record)
            assert (count, kind) == (0, 9 if capabilities[name] & PLANES else 1)
            if name in taken:
                raise OSError(errno.EBUSY, "busy")
            return 0

        monkeypatch.setattr("fcntl.ioctl", ioctl)

    return answer


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Make opening the device file of this name fail with an errno."""
    real = os.open

    def opened(path: Path, flags: int) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number))
        return real(path, flags)

    monkeypatch.setattr(os, "open", opened)


def test_cameras_in_the_order_of_their_numbers_without_metadata_nodes(machine):
    sysfs, dev = machine(
        (10, "0", "Far Cam"), (2, "0", "Near Cam: Near C"), (3, "1", "Near Cam: Near C"), (0, "0", "Cam: infrared")
    )
    assert list_cameras(sysfs, dev) == (
        Camera("0", "Cam: infrared", True, ""),
        Camera("2", "Near Cam", True, ""),
        Camera("10", "Far Cam", True, ""),
    )


def test_two_of_the_same_name_are_numbered(machine):
    sysfs, dev = machine((0, "0", "HD Cam"), (2, "0", "HD Cam"), (4, "0", "Other"))
    assert [camera.name for camera in list_cameras(sysfs, dev)] == ["HD Cam (1)", "HD Cam (2)", "Other"]


def test_codecs_and_metadata_nodes_are_left_out(machine, driver):
    sysfs, dev = machine((0, "0", "Decoder"), (1, "0", "Cam"), (2, "0", "Data"), (3, "0", "Sensor"))
    driver({"video0": CODEC | PLANES, "video1": CAPTURE, "video2": METADATA, "video3": PLANES})
    assert [camera.name for camera in list_cameras(sysfs, dev)] == ["Cam", "Sensor"]


def test_listing_does_not_check_whether_a_camera_is_in_use(machine, driver):
    """Otherwise the list would report the camera that this program shows as in use."""
    sysfs, dev = machine((0, "0", "Cam"))
    driver({"video0": CAPTURE}, taken=("video0",))
    assert list_cameras(sysfs, dev)[0].usable


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_denied_camera_names_the_remedy(machine, monkeypatch, number):
    sysfs, dev = machine((0, "0", "Cam"), (2, "0", "Free"))
    refuse(monkeypatch, "video0", number)
    denied, free = list_cameras(sysfs, dev)
    assert not denied.usable
    assert "sudo usermod -aG video $USER), then log in again" in denied.problem
    assert free.usable


def test_camera_without_its_device_file(machine):
    sysfs, dev = machine((0, "0", "Cam"), without_file=(0,))
    (camera,) = list_cameras(sysfs, dev)
    assert not camera.usable
    assert "in a container, pass it" in camera.problem


def test_camera_locked_by_another_program(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Cam"))
    refuse(monkeypatch, "video0", errno.EBUSY)
    (camera,) = list_cameras(sysfs, dev)
    assert (camera.usable, camera.problem) == (False, "in use by another program: close that program")


def test_a_container_without_sysfs_lists_device_files(machine):
    _, dev = machine()
    for name in ("video1", "video0", "vide", "video", "video1x"):
        (dev / name).touch()
    cameras = list_cameras(dev / "nothing", dev)
    assert [(camera.spec, camera.name) for camera in cameras] == [("0", "Camera 0"), ("1", "Camera 1")]


def test_name_that_is_not_utf8_and_missing_name(machine):
    sysfs, dev = machine((0, "0", "x"), (1, "0", "y"))
    (sysfs / "video0" / "name").write_bytes(b"Cam\xff\n")
    (sysfs / "video1" / "name").unlink()
    assert [camera.name for camera in list_cameras(sysfs, dev)] == ["Cam�", "Camera 1"]


def test_a_machine_without_cameras(tmp_path):
    assert list_cameras(tmp_path / "none", tmp_path / "neither") == ()


def test_other_systems_list_by_opencv_index(machine, monkeypatch):
    found = [
        SimpleNamespace(index=1, name="HD Cam"),
        SimpleNamespace(index=0, name="HD Cam"),
        SimpleNamespace(index=2, name=""),
    ]
    asked = []

    def enumerate_cameras(backend):
        asked.append(backend)
        return found

    package = SimpleNamespace(supported_backends=(1400, 700), enumerate_cameras=enumerate_cameras)
    monkeypatch.setattr(camera_list.sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", package)
    assert camera_list.listable()
    assert [(camera.spec, camera.name) for camera in list_cameras(*machine((0, "0", "Cam")))] == [
        ("0", "HD Cam (1)"),
        ("1", "HD Cam (2)"),
        ("2", "Camera 2"),
    ]
    assert asked == [1400]  # the backend that OpenCV tries first


def test_other_systems_without_the_package_list_nothing_and_watch_nothing(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Cam"))
    monkeypatch.setattr(camera_list.sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", None)
    assert not camera_list.listable()
    assert list_cameras(sysfs, dev) == ()
    assert watch_folders(dev) == ()
    assert why_not(0, sysfs, dev).startswith("camera 0 cannot be opened: plug it in, close other programs")


def test_the_folder_of_the_device_files_is_watched(tmp_path):
    assert watch_folders(tmp_path) == (tmp_path,)
    assert watch_folders(tmp_path / "gone") == ()


def test_node_state_leaves_the_node_closed(machine, open_files):
    _, dev = machine((0, "0", "Cam"))
    before = open_files()
    assert node_state(dev / "video0") is NodeState.UNKNOWN  # a plain file is no driver
    assert node_state(dev / "video0", in_use=True) is NodeState.UNKNOWN
    assert open_files() <= before


def test_why_there_is_no_camera_at_all(machine):
    assert why_not(0, *machine()) == "camera 0 cannot be opened: plug it in, no camera is connected"


def test_why_a_number_does_not_exist(machine):
    reason = why_not(7, *machine((0, "0", "Cam"), (2, "0", "HD: HD")))
    assert reason == "camera 7 cannot be opened: plug it in, or use one of 0 (Cam), 2 (HD)"


def test_denied_camera_is_not_suggested(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Shut"), (2, "0", "Cam"))
    refuse(monkeypatch, "video0", errno.EACCES)
    assert why_not(7, sysfs, dev).endswith("use one of 2 (Cam)")


def test_why_a_camera_is_denied(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Cam"))
    refuse(monkeypatch, "video0", errno.EACCES)
    assert why_not(0, sysfs, dev).startswith(
        "camera 0 cannot be opened, permission denied: add yourself to the group video (sudo usermod"
    )


@pytest.mark.parametrize("can", [CAPTURE, PLANES])
def test_why_a_camera_is_in_use(machine, driver, can):
    sysfs, dev = machine((0, "0", "Cam"))
    driver({"video0": can}, taken=("video0",))
    assert why_not(0, sysfs, dev) == "camera 0 is in use by another program: close that program and try again"


def test_why_a_node_delivers_no_images(machine, driver):
    sysfs, dev = machine((0, "0", "Cam"), (1, "1", "Cam"))
    driver({"video0": CAPTURE, "video1": METADATA})
    assert why_not(1, sysfs, dev) == "camera 1 delivers no images: use one of 0 (Cam)"


def test_free_camera_that_opencv_cannot_open(machine, driver):
    sysfs, dev = machine((0, "0", "Cam"))
    driver({"video0": CAPTURE})
    assert why_not(str(dev / "video0"), sysfs, dev).endswith(
        "video0 cannot be opened: plug it in, close other programs that use it, or try another number"
    )


def test_examples_in_the_documentation_hold():
    assert doctest.testmod(camera_list).attempted > 0
    assert doctest.testmod(camera_list).failed == 0
