"""Lists of cameras from made trees, and the reasons why a camera cannot be used."""

from __future__ import annotations

import doctest
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.capture import camera_list
from engine.capture.camera_list import Camera, NodeState, list_cameras, node_state, watch_folders, why_not

if not camera_list.listable():
    pytest.skip("cameras are listed on Linux only", allow_module_level=True)

CAPTURE, METADATA, CODEC, PLANES = 0x1, 0x00800000, 0x4000, 0x1000
Machine = Callable[..., tuple[Path, Path]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make sysfs and device folder; each node is (number, index, name), numbers without a device file are given too."""

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
    """Let device files answer as a driver does: capabilities by file name, and the names that another program uses."""

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
    """Let opening the device file of this name fail with an error number."""
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


def test_codecs_and_metadata_that_the_driver_tells_are_left_out(machine, driver):
    sysfs, dev = machine((0, "0", "Decoder"), (1, "0", "Cam"), (2, "0", "Data"), (3, "0", "Sensor"))
    driver({"video0": CODEC | PLANES, "video1": CAPTURE, "video2": METADATA, "video3": PLANES})
    assert [camera.name for camera in list_cameras(sysfs, dev)] == ["Cam", "Sensor"]


def test_a_listed_camera_is_not_asked_whether_it_is_taken(machine, driver):
    """Else the list would call the camera taken that this program shows."""
    sysfs, dev = machine((0, "0", "Cam"))
    driver({"video0": CAPTURE}, taken=("video0",))
    assert list_cameras(sysfs, dev)[0].usable


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_camera_that_may_not_be_used_says_how_it_may(machine, monkeypatch, number):
    sysfs, dev = machine((0, "0", "Cam"), (2, "0", "Free"))
    refuse(monkeypatch, "video0", number)
    denied, free = list_cameras(sysfs, dev)
    assert not denied.usable
    assert "sudo usermod -aG video $USER), then log in again" in denied.told
    assert free.usable


def test_a_camera_without_its_device_file_is_told(machine):
    sysfs, dev = machine((0, "0", "Cam"), without_file=(0,))
    (camera,) = list_cameras(sysfs, dev)
    assert not camera.usable
    assert "in a container, pass it on" in camera.told


def test_a_camera_that_another_program_keeps_shut_is_told(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Cam"))
    refuse(monkeypatch, "video0", errno.EBUSY)
    (camera,) = list_cameras(sysfs, dev)
    assert (camera.usable, camera.told) == (False, "another program uses it: close that")


def test_a_container_without_sysfs_lists_device_files(machine):
    _, dev = machine()
    for name in ("video1", "video0", "vide", "video", "video1x"):
        (dev / name).touch()
    cameras = list_cameras(dev / "nothing", dev)
    assert [(camera.spec, camera.name) for camera in cameras] == [("0", "Camera 0"), ("1", "Camera 1")]


def test_a_name_that_is_no_text_and_one_that_is_missing(machine):
    sysfs, dev = machine((0, "0", "x"), (1, "0", "y"))
    (sysfs / "video0" / "name").write_bytes(b"Cam\xff\n")
    (sysfs / "video1" / "name").unlink()
    assert [camera.name for camera in list_cameras(sysfs, dev)] == ["Cam�", "Camera 1"]


def test_a_machine_without_cameras(tmp_path):
    assert list_cameras(tmp_path / "none", tmp_path / "neither") == ()


def test_other_systems_list_nothing_and_watch_nothing(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Cam"))
    monkeypatch.setattr(camera_list.sys, "platform", "win32")
    assert list_cameras(sysfs, dev) == ()
    assert watch_folders(dev) == ()
    assert why_not(0, sysfs, dev).startswith("camera 0 cannot be opened: plug it in, close other programs")


def test_the_folder_of_the_device_files_is_watched(tmp_path):
    assert watch_folders(tmp_path) == (tmp_path,)
    assert watch_folders(tmp_path / "gone") == ()


def test_looking_at_a_node_leaves_it_closed(machine):
    _, dev = machine((0, "0", "Cam"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert node_state(dev / "video0") is NodeState.UNKNOWN  # a plain file is no driver
    assert node_state(dev / "video0", in_use=True) is NodeState.UNKNOWN
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_why_there_is_no_camera_at_all(machine):
    assert why_not(0, *machine()) == "camera 0 cannot be opened: plug it in, no camera is connected"


def test_why_a_number_does_not_exist(machine):
    told = why_not(7, *machine((0, "0", "Cam"), (2, "0", "HD: HD")))
    assert told == "camera 7 cannot be opened: plug it in, or use one that is here: 0 (Cam), 2 (HD)"


def test_a_camera_that_may_not_be_used_is_not_offered(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Shut"), (2, "0", "Cam"))
    refuse(monkeypatch, "video0", errno.EACCES)
    assert why_not(7, sysfs, dev).endswith("use one that is here: 2 (Cam)")


def test_why_a_camera_may_not_be_used(machine, monkeypatch):
    sysfs, dev = machine((0, "0", "Cam"))
    refuse(monkeypatch, "video0", errno.EACCES)
    assert why_not(0, sysfs, dev).startswith("camera 0 may not be used: add yourself to the group video (sudo usermod")


@pytest.mark.parametrize("can", [CAPTURE, PLANES])
def test_why_a_camera_is_taken(machine, driver, can):
    sysfs, dev = machine((0, "0", "Cam"))
    driver({"video0": can}, taken=("video0",))
    assert why_not(0, sysfs, dev) == "camera 0 is in use by another program: close that, then try again"


def test_why_a_node_gives_no_pictures(machine, driver):
    sysfs, dev = machine((0, "0", "Cam"), (1, "1", "Cam"))
    driver({"video0": CAPTURE, "video1": METADATA})
    assert why_not(1, sysfs, dev) == "camera 1 gives no pictures: use one that does: 0 (Cam)"


def test_a_free_camera_that_opencv_refuses(machine, driver):
    sysfs, dev = machine((0, "0", "Cam"))
    driver({"video0": CAPTURE})
    assert why_not(str(dev / "video0"), sysfs, dev).endswith(
        "video0 cannot be opened: plug it in, close other programs that use it, or try another number"
    )


def test_examples_in_the_documentation_hold():
    assert doctest.testmod(camera_list).attempted > 0
    assert doctest.testmod(camera_list).failed == 0
