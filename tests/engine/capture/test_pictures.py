"""Pictures and folders of pictures."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from engine.capture import pictures
from engine.capture.folder import list_files
from engine.capture.opening import open_source
from engine.capture.pictures import PICTURE_STEP_S, PictureSource, is_picture
from engine.capture.source import MAX_SIDE_PX, SourceKind
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError
from engine.types import Frame, UInt8


def write_picture(path: Path, colour: tuple[int, int, int] = (200, 100, 50), size: tuple[int, int] = (40, 30)) -> Path:
    image: UInt8 = np.full((size[1], size[0], 3), colour, np.uint8)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF block with this orientation (tag 0x0112) right behind the start marker of a JPEG."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + b"\x01\x12\x00\x03\x00\x00\x00\x01"
    tiff += orientation.to_bytes(2, "big") + b"\x00\x00" + b"\x00\x00\x00\x00"
    block = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def test_one_picture_is_one_frame(tmp_path):
    with PictureSource(write_picture(tmp_path / "face.png")) as source:
        frame = source.read()
        assert source.read() is None
    assert (source.info.source_id, source.info.kind) == ("face.png", SourceKind.PICTURES)
    assert (source.info.width_px, source.info.height_px, source.info.frame_count) == (40, 30, 1)
    assert frame is not None
    assert frame.image[5, 5].tolist() == [200, 100, 50]  # RGB
    assert (frame.index, frame.timestamp_s, frame.pts_s) == (0, 0.0, None)


def test_a_folder_comes_in_the_order_in_which_people_count(tmp_path):
    names = ["face1.png", "face2.png", "Face3.PNG", "face10.png", "other.png"]
    for number, name in reversed(list(enumerate(names))):
        write_picture(tmp_path / name, colour=(number * 10, 0, 0))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes(b"junk")
    (tmp_path / "deeper").mkdir()
    with PictureSource(tmp_path) as source:
        frames = [source.read() for _ in names]
        assert source.read() is None
    assert source.info.frame_count == len(names)
    assert [int(frame.image[0, 0, 0]) for frame in frames if frame] == [0, 10, 20, 30, 40]
    assert [frame.index for frame in frames if frame] == [0, 1, 2, 3, 4]
    assert [frame.timestamp_s for frame in frames if frame] == [step * PICTURE_STEP_S for step in range(5)]


@pytest.mark.parametrize(
    ("orientation", "bright_corner"),
    [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))],
)
def test_exif_orientation_is_honoured(tmp_path, orientation, bright_corner):
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :16] = 255  # bright at the upper left
    done, jpeg = cv2.imencode(".jpg", image)
    assert done
    path = tmp_path / "turned.jpg"
    path.write_bytes(with_exif_orientation(jpeg.tobytes(), orientation))
    with PictureSource(path) as source:
        frame = source.read()
    assert frame is not None
    assert frame.image.shape[:2] == ((64, 32) if orientation >= 5 else (32, 64))
    assert frame.image.shape[:2] == (source.info.height_px, source.info.width_px)
    corners = {place: int(frame.image[place].mean()) for place in ((0, 0), (0, -1), (-1, 0), (-1, -1))}
    assert max(corners, key=corners.__getitem__) == bright_corner


@pytest.mark.parametrize("mode", [cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED])
def test_grey_and_transparent_pictures_become_rgb(tmp_path, mode):
    channels = 1 if mode == cv2.IMREAD_GRAYSCALE else 4
    cv2.imwrite(str(tmp_path / "odd.png"), np.full((8, 9, channels), 77, np.uint8))
    with PictureSource(tmp_path / "odd.png") as source:
        frame = source.read()
    assert frame is not None
    assert frame.image.shape == (8, 9, 3)
    assert (frame.image == 77).all()


def test_damaged_pictures_of_a_folder_are_left_out_and_counted(tmp_path, capfd):
    write_picture(tmp_path / "2.png")
    write_picture(tmp_path / "4.png")
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes((tmp_path / "2.png").read_bytes()[:40])
    with PictureSource(tmp_path) as source:
        indices = []
        while (frame := source.read()) is not None:
            indices.append(frame.index)
    assert indices == [1, 3]
    assert source.damaged == 2
    assert [item.file for item in source.unread] == ["1.png", "3.png"]
    assert str(source.fault()).startswith(
        f"{tmp_path}: 2 of 4 pictures were left out (1.png: check it, or copy it again"
    )
    assert capfd.readouterr() == ("", "")


def test_whole_folders_have_no_fault(tmp_path):
    with PictureSource(write_picture(tmp_path / "1.png")) as source:
        source.read()
    assert source.fault() is None


@pytest.mark.parametrize("content", [b"", b"hello", bytes(2000)])
def test_a_file_that_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "face.jpg").write_bytes(content)
    with pytest.raises(SourceError, match=r"face\.jpg holds no picture that can be decoded: check"):
        PictureSource(tmp_path / "face.jpg")


def test_a_folder_without_pictures_and_a_missing_picture_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"holds no pictures \(\.avif, \.bmp"):
        PictureSource(tmp_path)
    with pytest.raises(SourceError, match=r"gone\.png cannot be read \(No such file"):
        PictureSource(tmp_path / "gone.png")


def test_a_picture_above_the_limit_is_refused(tmp_path):
    with pytest.raises(SourceError, match=f"the limit is {MAX_SIDE_PX}"):
        PictureSource(write_picture(tmp_path / "wide.png", size=(MAX_SIDE_PX + 1, 2)))


def test_skip_and_interrupt(tmp_path):
    for number in range(4):
        write_picture(tmp_path / f"{number}.png", colour=(number, 0, 0))
    with PictureSource(tmp_path) as source:
        source.skip_to(2)
        frame = source.read()
        assert frame is not None
        assert (frame.index, int(frame.image[0, 0, 0])) == (2, 2)
        with pytest.raises(SourceError, match="cannot go on at 1"):
            source.skip_to(1)
        with pytest.raises(SourceError, match="cannot go on at 5"):
            source.skip_to(5)
        source.interrupt()
        assert source.read() is None


def read_all(source: PictureSource) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    return frames


def write_pages(path: Path, levels: list[int]) -> Path:
    images: list[np.ndarray] = [np.full((20, 30, 3), level, np.uint8) for level in levels]
    if path.suffix == ".tif":
        assert cv2.imwritemulti(str(path), images)
    else:
        animation = cv2.Animation()
        animation.frames, animation.durations = images, np.full(len(images), 100, np.int32)
        assert cv2.imwriteanimation(str(path), animation)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".avif", ".gif", ".ppm"])
@pytest.mark.parametrize("name", ["face", "face.dat", "face.mp4"])
def test_an_image_is_read_whatever_its_name(tmp_path, suffix, name):
    path = write_picture(tmp_path / f"right{suffix}").rename(tmp_path / name)
    assert is_picture(path)
    with open_source(str(path)) as source:
        assert isinstance(source, PictureSource)
        (frame,) = read_all(source)
    tolerance = 40 if suffix == ".gif" else 6  # few colours
    np.testing.assert_allclose(frame.image[5, 5], [200, 100, 50], atol=tolerance)
    with PictureSource(tmp_path) as source:
        assert len(read_all(source)) == 1


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".png", ".avif"])
def test_each_page_is_a_frame(tmp_path, suffix):
    write_pages(tmp_path / f"scan{suffix}", [10, 100, 200])
    write_picture(tmp_path / "zoo.png")
    with PictureSource(tmp_path) as source:
        frames = read_all(source)
        assert source.info.frame_count == 4
    assert [frame.file for frame in frames] == [*(f"scan{suffix}#{page}" for page in (1, 2, 3)), "zoo.png"]
    assert [int(frame.image.mean()) for frame in frames[:3]] == pytest.approx([10, 100, 200], abs=4)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]


def test_a_gif_that_moves_is_a_video_and_one_that_does_not_an_image(tmp_path):
    moving = write_pages(tmp_path / "moving.gif", [10, 100, 200])
    still = write_pages(tmp_path / "still.gif", [50])
    for path, kind in ((moving, VideoFileSource), (still, PictureSource)):
        with open_source(str(path)) as source:
            assert type(source) is kind


def test_one_bad_image_never_ends_a_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    write_picture(tmp_path / "1.png", size=(MAX_SIDE_PX + 1, 2))
    write_picture(tmp_path / "2.png")
    (tmp_path / "3.heic").write_bytes(bytes([0, 0, 0, 24]) + b"ftypheic" + bytes(80))
    (tmp_path / "4.png").symlink_to(tmp_path / "gone.png")
    write_picture(tmp_path / "5.png")
    with PictureSource(tmp_path) as source:
        assert [frame.file for frame in read_all(source)] == ["2.png", "5.png"]
        fault = str(source.fault())
    assert fault.startswith(f"{tmp_path}: 2 of 4 pictures were left out (1.png: is {MAX_SIDE_PX + 1} x 2 pixels")
    assert "3.heic: is a HEIC image: install pillow-heif" in fault


def test_a_heic_image_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "phone.jpg").write_bytes(bytes([0, 0, 0, 24]) + b"ftypheic" + bytes(80))
    with pytest.raises(SourceError, match=r"phone\.jpg is a HEIC image: install pillow-heif, or convert it to JPEG"):
        open_source(str(tmp_path / "phone.jpg"))


def test_a_heic_image_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    row, column = np.mgrid[:64, :96]
    image = np.stack([2 * column, 3 * row, 120 + 0 * row], axis=-1).astype(np.uint8)
    heic = pillow_heif.from_bytes("RGB", (96, 64), image.tobytes())
    heic.save(tmp_path / "phone.jpg", quality=95, format="HEIF")  # phones and chat programs rename them
    with open_source(str(tmp_path / "phone.jpg")) as source:
        (frame,) = source
    assert frame.image.shape == (64, 96, 3)
    assert np.abs(frame.image.astype(int) - image).mean() < 4


def test_a_picture_above_the_limit_or_without_permission_does_not_end_a_folder(tmp_path, monkeypatch):
    for name in ("1.png", "3.png", "5.png"):
        write_picture(tmp_path / name)
    write_picture(tmp_path / "2.png", size=(MAX_SIDE_PX + 1, 2))
    write_picture(tmp_path / "4.png")
    read = np.fromfile

    def refuse(path: Path, kind: object) -> UInt8:
        if path.name == "4.png":
            raise PermissionError(13, "Permission denied")
        return read(path, kind)

    monkeypatch.setattr(np, "fromfile", refuse)
    with PictureSource(tmp_path) as source:
        frames = list(source)
    assert [(frame.index, frame.file) for frame in frames] == [(0, "1.png"), (2, "3.png"), (4, "5.png")]
    assert [item.file for item in source.unread] == ["2.png", "4.png"]
    assert f"the limit is {MAX_SIDE_PX}" in source.unread[0].reason
    assert "Permission denied" in source.unread[1].reason
    assert "permissions" in source.unread[1].reason


def test_pictures_left_out_are_known_after_a_skip(tmp_path):
    for name in ("1.png", "3.png"):
        write_picture(tmp_path / name)
    (tmp_path / "2.png").write_bytes(b"junk")
    with PictureSource(tmp_path) as source:
        source.skip_to(2)
        assert [frame.file for frame in source] == ["3.png"]
        assert [item.file for item in source.unread] == ["2.png"]


def test_the_file_is_the_path_below_the_folder(tmp_path):
    folder = tmp_path / "faces"
    for name in ("b.png", "P2/1.png", "P10/1.png", "P2/deep/2.png", ".hidden/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(folder / name)
    with PictureSource(folder, recursive=True) as source:
        assert [frame.file for frame in source] == ["b.png", "P2/1.png", "P2/deep/2.png", "P10/1.png"]
    with PictureSource(folder) as source:
        assert [frame.file for frame in source] == ["b.png"]
    with PictureSource(folder / "P2" / "1.png") as source:
        assert [frame.file for frame in source] == ["1.png"]


def test_a_link_to_a_folder_above_is_followed_once(tmp_path):
    (tmp_path / "P1").mkdir()
    write_picture(tmp_path / "P1" / "1.png")
    (tmp_path / "P1" / "up").symlink_to(tmp_path)
    with PictureSource(tmp_path, recursive=True) as source:
        assert [frame.file for frame in source] == ["P1/1.png"]


def test_results_below_a_folder_are_not_sources(tmp_path):
    write_picture(tmp_path / "1.png")
    (tmp_path / "out" / "clip").mkdir(parents=True)
    write_picture(tmp_path / "out" / "clip" / "plot.png")
    (tmp_path / "out" / "clip" / "journal.jsonl").touch()
    found = list_files(tmp_path, recursive=True)
    assert found.files == (tmp_path / "1.png",)
    assert found.sessions == (tmp_path / "out" / "clip",)


# Small files that would fill the memory.


def write_blank_png(path: Path, width: int, height: int) -> Path:
    """A black one-bit image: about a thousandth of a byte per pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    lines = zlib.compress(bytes(height * (1 + -(-width // 8))), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b""))
    return path


def test_an_image_of_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_blank_png(tmp_path / "bomb.png", 12_000, 12_000)
    assert path.stat().st_size < 200_000
    with pytest.raises(SourceError, match=r"bomb.png has more than 8192 x 8192 pixels: shrink it"):
        PictureSource(path)


def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path: Path, monkeypatch) -> None:
    path = write_picture(tmp_path / "long.png", size=(4000, 300))
    with path.open("ab") as file:
        file.write(bytes(3 << 20))
    monkeypatch.setattr(pictures, "_MAX_FILE_BYTES", 2 << 20)
    with pytest.raises(SourceError, match="has 3 MB, the limit of an image is 2 MB: shrink it"):
        PictureSource(path)


def test_a_folder_leaves_out_an_image_of_many_pixels(tmp_path: Path) -> None:
    write_blank_png(tmp_path / "1.png", 12_000, 12_000)
    write_picture(tmp_path / "2.png")
    with PictureSource(tmp_path) as source:
        assert [frame.file for frame in source] == ["2.png"]
        assert [each.reason for each in source.unread] == ["has more than 8192 x 8192 pixels: shrink it"]


@pytest.mark.parametrize("suffix", [".webp", ".png", ".avif"])
def test_an_animation_that_needs_too_much_memory_is_refused(tmp_path: Path, monkeypatch, suffix: str) -> None:
    path = write_pages(tmp_path / f"moving{suffix}", [10, 100, 200])
    image_bytes = PictureSource(path).read().image.nbytes
    monkeypatch.setattr(pictures, "_MAX_PAGES_BYTES", 3 * image_bytes)
    assert PictureSource(path).read() is not None
    monkeypatch.setattr(pictures, "_MAX_PAGES_BYTES", 3 * image_bytes - 1)
    with pytest.raises(SourceError, match="has 3 images that take .* MB, the limit is .* convert it to a video"):
        PictureSource(path)


def test_the_pages_of_a_tiff_are_decoded_one_by_one(tmp_path: Path, monkeypatch) -> None:
    path = write_pages(tmp_path / "scan.tif", [10, 100, 200])
    decode, together = cv2.imdecodemulti, []

    def counting(*arguments, **options):
        done, images = decode(*arguments, **options)
        together.append(len(images))
        return done, images

    monkeypatch.setattr(cv2, "imdecodemulti", counting)
    with PictureSource(path) as source:
        assert [int(frame.image.mean()) for frame in source] == [10, 100, 200]
    assert set(together) == {1}


@pytest.mark.parametrize(
    ("size", "message"),
    [((30_000, 20), "30000 x 20 pixels, the limit is 8192"), ((40, 30), r"cannot be decoded \(damaged\): convert it")],
)
def test_a_heic_image_is_refused_by_its_header_or_with_the_reason(tmp_path: Path, monkeypatch, size, message) -> None:
    class Opened:
        def __init__(self) -> None:
            self.size = size

        def __array__(self, *arguments, **options):
            raise ValueError("damaged")

    path = tmp_path / "phone.heic"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(64))
    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(open_heif=lambda name: Opened()))
    with pytest.raises(SourceError, match=message):
        PictureSource(path)
