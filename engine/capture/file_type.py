"""What a file is, by its first bytes: names lie, and many have no suffix."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

#: Bytes that are enough to tell the types apart.
_HEAD: Final = 64
#: Brands of ISO media files that hold still images.
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_STARTS: Final = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"BM",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"II+\x00",  # BigTIFF
    b"MM\x00+",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"#?RADIANCE",
)
_NETPBM: Final = frozenset(b"123456")
_CONTAINERS: Final = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",
    b".RMF",
)


class FileType(Enum):
    """What the readers distinguish."""

    IMAGE = "image"  # one image or several pages
    GIF = "gif"  # an image or a video
    HEIF = "heif"  # an image that needs a package of its own
    VIDEO = "video"
    OTHER = "other"  # not recognised: text, an unusual video, damage


def file_type(path: Path) -> FileType:
    """Type of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return type_of(file.read(_HEAD))


def type_of(head: bytes) -> FileType:
    """Type of a file that starts with these bytes.

    >>> type_of(b"GIF89a").value, type_of(bytes([0, 0, 0, 24]) + b"ftypheic").value, type_of(b"hello").value
    ('gif', 'heif', 'other')
    """
    if head.startswith((b"GIF87a", b"GIF89a")):
        return FileType.GIF
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _HEIF_BRANDS:
            compatible = {head[at : at + 4] for at in range(16, len(head), 4)}
            return FileType.IMAGE if compatible & _AVIF_BRANDS else FileType.HEIF
        return FileType.IMAGE if brand in _AVIF_BRANDS else FileType.VIDEO
    netpbm = len(head) > 2 and head[:1] == b"P" and head[1] in _NETPBM and head[2:3].isspace()
    if head.startswith(_STARTS) or netpbm or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return FileType.IMAGE
    riff_video = head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AMV ")
    quicktime = head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip")
    return FileType.VIDEO if head.startswith(_CONTAINERS) or riff_video or quicktime else FileType.OTHER
