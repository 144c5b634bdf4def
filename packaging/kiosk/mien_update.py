#!/usr/bin/python3
"""Install an offline update bundle of Mien, or go back to the version before. Standard library only; run as root.

    mien-update install mien-0.2.0.tar [--sha256 HEX]
    mien-update rollback
    mien-update list

A version is a folder of /opt/mien/versions with its own virtual environment; `current` is a link to the one in use,
which changes in one step. If the service does not become ready with a new version, the link goes back. One earlier
version is kept. The hashes of the manifest find damage, not forgery: compare the hash of the bundle with one that you
got elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_MAX_MANIFEST_BYTES: Final = 1 << 20
_MAX_BUNDLE_BYTES: Final = 8 << 30
_CHUNK_BYTES: Final = 1 << 20
_VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}")
_EXTRA: Final = re.compile(r"[a-z]{1,20}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
SERVICE: Final = "mien-serve"

Run = Callable[[list[str]], None]


class UpdateError(Exception):
    """The bundle or the system does not allow the update; nothing has changed."""


@dataclass(frozen=True)
class Manifest:
    """Content of a bundle."""

    version: str
    machine: str  # as platform.machine() names it
    python: str  # such as "3.11"
    extras: tuple[str, ...]
    files: dict[str, tuple[int, str]]  # path: bytes, sha256


def read_manifest(raw: bytes) -> Manifest:
    """Parse and check a manifest.

    Raises:
        UpdateError: it is damaged or not for this program.
    """
    try:
        values = json.loads(raw)
        if values["format"] != FORMAT or values["name"] != "mien":
            raise UpdateError(
                f"the bundle has format {values['format']} of {values['name']}: this program reads mien 1"
            )
        files = {item["path"]: (item["bytes"], item["sha256"]) for item in values["files"]}
        manifest = Manifest(values["version"], values["machine"], values["python"], tuple(values["extras"]), files)
        well_formed = (
            _VERSION.fullmatch(manifest.version)
            and all(_EXTRA.fullmatch(extra) for extra in manifest.extras)
            and all(
                _is_safe(path) and type(size) is int and size >= 0 and _SHA256.fullmatch(digest)
                for path, (size, digest) in files.items()
            )
            and sum(size for size, _ in files.values()) <= _MAX_BUNDLE_BYTES
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UpdateError(f"the manifest is damaged ({error!r}): copy the bundle again") from None
    if not well_formed:
        raise UpdateError("the manifest is damaged (a version, extra, path, size or hash): copy the bundle again")
    return manifest


def unpack(bundle: Path, into: Path) -> Manifest:
    """Check every file of a bundle against the manifest while writing it below a new folder.

    Raises:
        UpdateError: the bundle is damaged, has a file too many or too few, or anything but plain files.
    """
    try:
        with tarfile.open(bundle, "r:") as archive:
            first = archive.next()
            if first is None or first.name != MANIFEST or not first.isreg() or first.size > _MAX_MANIFEST_BYTES:
                raise UpdateError(f"{bundle} is not an update bundle: its first file must be {MANIFEST}")
            manifest = read_manifest(_content(archive, first).read())
            _check_machine(manifest)
            into.mkdir(parents=True)
            missing = dict(manifest.files)
            while (member := archive.next()) is not None:
                expected = missing.pop(member.name, None)
                if expected is None or not member.isreg() or member.size != expected[0]:
                    raise UpdateError(
                        f"{member.name!r} is not in the manifest, or has another size: copy the bundle again"
                    )
                _write(_content(archive, member), into / member.name, expected[1])
            if missing:
                raise UpdateError(f"the bundle lacks {next(iter(missing))}: copy it again")
            return manifest
    except (tarfile.TarError, EOFError) as error:
        raise UpdateError(f"{bundle} is damaged ({error}): copy it again") from None
    except OSError as error:
        raise UpdateError(f"{error.filename or bundle} cannot be read or written ({error.strerror})") from None


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class Versions:
    """The folder with all versions and the link to the one in use."""

    def __init__(
        self, root: Path, run: Run, is_ready: Callable[[], bool], log: Callable[[str], object] = print
    ) -> None:
        """Use a folder.

        Args:
            root: such as /opt/mien; created when needed.
            run: runs a command and raises CalledProcessError if it fails.
            is_ready: restarts the service, if it is in use, and waits until it is ready.
            log: receives one line per step.
        """
        self._folder = root / "versions"
        self._current = root / "current"
        self._run = run
        self._is_ready = is_ready
        self._log = log

    def current(self) -> str | None:
        """Name of the version in use."""
        return self._current.readlink().name if self._current.is_symlink() else None

    def complete(self) -> list[str]:
        """Names of the versions that were installed to their end, oldest first."""
        marks = sorted(self._folder.glob("*/complete"), key=lambda mark: mark.stat().st_mtime)
        return [mark.parent.name for mark in marks]

    def install(self, bundle: Path, sha256: str | None = None) -> str:
        """Install a bundle and switch to it; returns its name.

        Raises:
            UpdateError: the version in use has not changed, or is in use again.
        """
        try:
            digest = sha256_of(bundle)
        except OSError as error:
            raise UpdateError(f"{bundle} cannot be read ({error.strerror})") from None
        if sha256 is not None and digest != sha256.strip().lower():
            raise UpdateError(f"{bundle} has the hash {digest}, not the one given: get it again")
        self._remove_incomplete()
        part = self._folder / f".{digest[:12]}.part"
        try:
            manifest = unpack(bundle, part)
            name = f"{manifest.version}-{digest[:12]}"
            target = self._folder / name
            if name in self.complete():
                self._log(f"{name} is installed already")
            else:
                part.replace(target)
                self._build(target, manifest)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._switch(name)
        return name

    def rollback(self) -> str:
        """Switch to the newest other version; returns its name.

        Raises:
            UpdateError: there is none, or it does not become ready.
        """
        others = [name for name in self.complete() if name != self.current()]
        if not others:
            raise UpdateError("there is no earlier version to go back to")
        self._switch(others[-1])
        return others[-1]

    def _build(self, target: Path, manifest: Manifest) -> None:
        """Make the virtual environment from the wheels of the bundle; nothing is fetched."""
        self._log(f"installing {target.name}")
        extras = f"[{','.join(manifest.extras)}]" if manifest.extras else ""
        wheels = target / "wheels"
        try:
            self._run([sys.executable, "-m", "venv", str(target)])
            pip = [str(target / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            self._run([*pip, "--no-index", "--find-links", str(wheels), f"mien{extras}=={manifest.version}"])
            self._run([str(target / "bin" / "mien"), "--version"])
        except (subprocess.CalledProcessError, OSError) as error:
            shutil.rmtree(target, ignore_errors=True)
            raise UpdateError(f"{target.name} cannot be installed ({error}): the version in use is unchanged") from None
        shutil.rmtree(wheels)
        (target / "complete").touch()

    def _switch(self, name: str) -> None:
        """Make a version the one in use; go back if the service does not become ready with it."""
        before = self.current()
        self._link(name)
        if not self._is_ready():
            if before is None or before == name:
                raise UpdateError(f"the service does not become ready with {name}: see journalctl -u {SERVICE}")
            self._link(before)
            back = "is ready again" if self._is_ready() else "does not become ready either"
            raise UpdateError(f"the service does not become ready with {name}; {before} is in use again and {back}")
        self._log(f"{name} is in use")
        for other in self.complete():
            if other not in (name, before):
                shutil.rmtree(self._folder / other)

    def _link(self, name: str) -> None:
        link = self._current.with_name(".current.part")
        link.unlink(missing_ok=True)
        link.symlink_to(Path("versions") / name)
        link.replace(self._current)

    def _remove_incomplete(self) -> None:
        """Remove what an interrupted installation left behind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in self._folder.iterdir():
            if not (folder / "complete").exists():
                shutil.rmtree(folder)


def service_is_ready(url: str, token_file: Path, wait_s: float) -> bool:
    """Restart the service and wait until it is ready; True where it is not in use.

    Args:
        url: of /readyz.
        token_file: with the token, if there is one.
        wait_s: time limit.
    """
    if shutil.which("systemctl") is None:
        return True
    show = ["systemctl", "show", "--property=ActiveState", "--value", SERVICE]
    state = subprocess.run(show, capture_output=True, text=True, check=False).stdout.strip()
    if state in ("", "inactive"):
        return True  # a unit that starts or has failed is in use
    subprocess.run(["systemctl", "restart", SERVICE], check=False)  # ends when it is ready or has failed
    return becomes_ready(url, token_file, wait_s)


def becomes_ready(url: str, token_file: Path, wait_s: float) -> bool:
    """Ask /readyz until it answers 200 or the time is over."""
    request = urllib.request.Request(url)
    if token_file.exists():
        request.add_header("Authorization", f"Bearer {token_file.read_text(encoding='ascii').split()[0]}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        try:
            with opener.open(request, timeout=2.0) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False


def _is_safe(path: object) -> bool:
    """Whether a path stays below the folder that it is written to, and names no part of the program's own files."""
    if not isinstance(path, str) or len(path) > 300 or path != PurePosixPath(path).as_posix():
        return False
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[0] in ("wheels", "models") and ".." not in parts and "\\" not in path


def _check_machine(manifest: Manifest) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if manifest.machine != platform.machine() or manifest.python != here:
        raise UpdateError(
            f"the bundle is for {manifest.machine} with Python {manifest.python}, "
            f"and this machine is {platform.machine()} with Python {here}"
        )


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise UpdateError(f"{member.name!r} is not a plain file")
    return content


def _write(content: IO[bytes], path: Path, sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as handle:
        while block := content.read(_CHUNK_BYTES):
            digest.update(block)
            handle.write(block)
        os.fsync(handle.fileno())
    if digest.hexdigest() != sha256:
        raise UpdateError(f"{path.name} does not have the hash of the manifest: copy the bundle again")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("/opt/mien"))
    parser.add_argument("--ready-url", default="http://127.0.0.1:8600/readyz")
    parser.add_argument("--token-file", type=Path, default=Path("/etc/mien/token"))
    parser.add_argument("--wait-s", type=float, default=120.0, help="for the service to become ready")
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install")
    install.add_argument("bundle", type=Path)
    install.add_argument("--sha256", help="hash of the bundle, from a source that you trust")
    commands.add_parser("rollback")
    commands.add_parser("list")
    given = parser.parse_args()
    versions = Versions(given.root, _run, lambda: service_is_ready(given.ready_url, given.token_file, given.wait_s))
    try:
        if given.command == "install":
            versions.install(given.bundle, given.sha256)
        elif given.command == "rollback":
            versions.rollback()
        else:
            for name in versions.complete():
                print(f"{'*' if name == versions.current() else ' '} {name}")  # noqa: T201 (the answer)
    except (UpdateError, OSError) as error:
        sys.stderr.write(f"mien-update: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
