"""The service unit, the desktop entry, the package, and offline updates with their way back."""

from __future__ import annotations

import configparser
import hashlib
import http.server
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
KIOSK = ROOT / "packaging" / "kiosk"
UNIT = KIOSK / "mien-serve.service"
#: Exposure by `systemd-analyze security` (0 = safest, 10), times ten; the camera and the network cost most of it.
MAX_EXPOSURE = 20


def module(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, KIOSK / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # dataclasses look their module up
    spec.loader.exec_module(loaded)
    return loaded


mien_update = module("mien_update")
build_bundle = module("build_bundle")
build_package = module("build_package")

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/mien/current/bin/mien", "/bin/true"))
    return path


@analyze
def test_the_unit_is_valid(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr, done.stderr
    unit.write_text(unit.read_text().replace("WatchdogSec=10", "WatchdogSeconds=10"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "WatchdogSeconds" in done.stderr


@analyze
def test_the_unit_is_confined(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a file")
    assert done.returncode == 0, done.stdout[-300:]


def test_the_unit_has_what_the_service_relies_on() -> None:
    lines = UNIT.read_text().splitlines()
    for line in (
        *("Type=notify", "WatchdogSec=10", "Restart=always", "DynamicUser=yes", "ProtectSystem=strict"),
        *("IPAddressDeny=any", "IPAddressAllow=localhost", "LoadCredential=token:/etc/mien/token"),
    ):
        assert line in lines


def test_the_desktop_entry_is_valid() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(KIOSK / "mien-kiosk.desktop")
    entry = parser["Desktop Entry"]
    assert entry["Type"] == "Application"
    assert entry["Exec"].endswith("/opt/mien/current/bin/mien kiosk")
    if shutil.which("desktop-file-validate"):
        subprocess.run(["desktop-file-validate", str(KIOSK / "mien-kiosk.desktop")], check=True)


def test_the_package_holds_the_files_at_their_places(tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    command = [sys.executable, str(KIOSK / "build_package.py"), "--out", str(tmp_path)]
    package = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    modes = {line.split()[-1]: (line.split()[0], line.split()[1]) for line in listed.splitlines()}
    assert modes["./etc/mien/mien.toml"] == ("-rw-------", "root/root")
    assert modes["./usr/sbin/mien-update"] == ("-rwxr-xr-x", "root/root")
    assert "./usr/lib/systemd/system/mien-serve.service" in modes
    subprocess.run(["dpkg-deb", "--control", package, str(tmp_path / "control")], check=True)
    assert (tmp_path / "control" / "conffiles").read_text() == "/etc/mien/mien.toml\n"
    for name in ("postinst", "prerm", "postrm"):
        script = tmp_path / "control" / name
        subprocess.run(["sh", "-n", str(script)], check=True)
        assert "enable --now" not in script.read_text()  # nobody is filmed because a package was installed


def test_without_dpkg_there_is_a_tarball(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    bundle = tmp_path / "mien.tar"
    bundle.write_bytes(b"bundle")
    build_package.make_tree(tree, bundle)
    with tarfile.open(build_package.build_tarball(tree, tmp_path)) as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert members["usr/share/mien/mien.tar"].size == 6
    assert {member.uid for member in members.values()} == {0}


# Updates


def make_bundle(folder: Path, version: str = "1.0", **content: bytes) -> Path:
    """A bundle of small files; ``content``: names of wheels."""
    files = {}
    for name, data in {"mien.whl": version.encode(), **content}.items():
        path = folder / name
        path.write_bytes(data)
        files[f"wheels/{name}"] = path
    bundle = folder / f"mien-{version}.tar"
    build_bundle.write_bundle(bundle, version, [], files)
    return bundle


class System:
    """A folder of versions whose environments are empty, and a service that is ready with all but some versions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.broken: set[str] = set()
        self.commands: list[list[str]] = []
        self.fails_at: str | None = None
        self.versions = mien_update.Versions(root, self.run, self.is_ready, lambda line: None)

    def run(self, command: list[str]) -> None:
        self.commands.append(command)
        if self.fails_at is not None and self.fails_at in command:
            raise subprocess.CalledProcessError(1, command)

    def is_ready(self) -> bool:
        return str(self.versions.current()).split("-")[0] not in self.broken

    def content(self) -> str:
        return str(self.versions.current()).split("-")[0]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path / "opt")


def test_an_update_is_installed_from_its_wheels_only(system: System, tmp_path: Path) -> None:
    name = system.versions.install(make_bundle(tmp_path))
    assert system.versions.current() == name
    assert name.startswith("1.0-")
    pip = next(command for command in system.commands if "pip" in command)
    assert "--no-index" in pip
    assert (system.root / "current").resolve() == system.root / "versions" / name


def test_one_earlier_version_is_kept_and_rollback_returns_to_it(system: System, tmp_path: Path) -> None:
    for version in ("1.0", "1.1", "1.2"):
        system.versions.install(make_bundle(tmp_path, version))
    assert [name.split("-")[0] for name in system.versions.complete()] == ["1.1", "1.2"]
    system.versions.rollback()
    assert system.content() == "1.1"
    system.versions.install(make_bundle(tmp_path, "1.2"))  # installed already: only the link changes
    assert system.content() == "1.2"


def test_a_version_with_which_the_service_is_not_ready_is_taken_back(system: System, tmp_path: Path) -> None:
    system.versions.install(make_bundle(tmp_path, "1.0"))
    system.broken.add("2.0")
    with pytest.raises(mien_update.UpdateError, match="1.0-.* is in use again and is ready again"):
        system.versions.install(make_bundle(tmp_path, "2.0"))
    assert system.content() == "1.0"


@pytest.mark.parametrize("step", ["venv", "pip", "--version"])
def test_a_failed_installation_changes_nothing(system: System, tmp_path: Path, step: str) -> None:
    system.versions.install(make_bundle(tmp_path, "1.0"))
    system.fails_at = step
    with pytest.raises(mien_update.UpdateError, match="the version in use is unchanged"):
        system.versions.install(make_bundle(tmp_path, "2.0"))
    assert system.content() == "1.0"
    assert len(list((system.root / "versions").iterdir())) == 1


def test_what_an_interrupted_installation_left_is_removed(system: System, tmp_path: Path) -> None:
    (system.root / "versions" / ".abc.part").mkdir(parents=True)
    (system.root / "versions" / "0.9-abc").mkdir()
    system.versions.install(make_bundle(tmp_path))
    assert [path.name.split("-")[0] for path in (system.root / "versions").iterdir()] == ["1.0"]


def test_rollback_without_an_earlier_version_is_refused(system: System, tmp_path: Path) -> None:
    system.versions.install(make_bundle(tmp_path))
    with pytest.raises(mien_update.UpdateError, match="no earlier version"):
        system.versions.rollback()


def test_a_bundle_with_another_hash_than_the_one_given_is_refused(system: System, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    with pytest.raises(mien_update.UpdateError, match="not the one given"):
        system.versions.install(bundle, "0" * 64)
    system.versions.install(bundle, digest.upper())


def rewritten(bundle: Path, change: Callable[[dict[str, Any], list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """The bundle with its manifest and members changed."""
    with tarfile.open(bundle) as archive:
        members = []
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content is not None
            members.append((member, content.read()))
    manifest = json.loads(members.pop(0)[1])
    change(manifest, members)
    raw = json.dumps(manifest).encode()
    first = tarfile.TarInfo("manifest.json")
    first.size = len(raw)
    with tarfile.open(bundle, "w:") as archive:
        for member, data in [(first, raw), *members]:
            archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return bundle


def _flip(manifest: Any, members: Any) -> None:
    members[0] = (members[0][0], b"x" * len(members[0][1]))


def _drop(manifest: Any, members: Any) -> None:
    members.pop()


def _add(manifest: Any, members: Any) -> None:
    extra = tarfile.TarInfo("wheels/extra.whl")
    extra.size = 1
    members.append((extra, b"x"))


def _link(manifest: Any, members: Any) -> None:
    link = tarfile.TarInfo("wheels/mien.whl")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    members[0] = (link, b"")


def _escape(manifest: Any, members: Any) -> None:
    manifest["files"][0]["path"] = "wheels/../../../etc/cron.d/x"


def _own(manifest: Any, members: Any) -> None:
    manifest["files"][0]["path"] = "complete"


def _other_machine(manifest: Any, members: Any) -> None:
    manifest["machine"] = "vax"


def _version(manifest: Any, members: Any) -> None:
    manifest["version"] = "../1"


def _format(manifest: Any, members: Any) -> None:
    manifest["format"] = 2


def _negative(manifest: Any, members: Any) -> None:
    manifest["files"][0]["bytes"] = -1


@pytest.mark.parametrize(
    "change", [_flip, _drop, _add, _link, _escape, _own, _other_machine, _version, _format, _negative]
)
def test_a_damaged_or_foreign_bundle_is_refused(system: System, tmp_path: Path, change: Any) -> None:
    bundle = rewritten(make_bundle(tmp_path), change)
    with pytest.raises(mien_update.UpdateError):
        system.versions.install(bundle)
    assert system.versions.current() is None
    assert list((system.root / "versions").iterdir()) == []


def test_every_truncation_of_a_bundle_is_refused(system: System, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    raw = bundle.read_bytes()
    for length in (0, 10, 512, 700, 1024, 1500):
        bundle.write_bytes(raw[:length])
        with pytest.raises(mien_update.UpdateError):
            system.versions.install(bundle)
    assert system.versions.current() is None


def small_wheel(folder: Path, version: str) -> Path:
    """A wheel named mien whose program prints its version."""
    path = folder / f"mien-{version}-py3-none-any.whl"
    info = f"mien-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("mien_probe.py", f"def main():\n    print('mien {version}')\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: mien\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\nmien = mien_probe:main\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.mark.slow
def test_a_real_bundle_is_installed_by_the_program(tmp_path: Path) -> None:
    """A real virtual environment and pip, without network."""
    wheel = small_wheel(tmp_path, "9.1")
    bundle = tmp_path / "bundle.tar"
    digest = build_bundle.write_bundle(bundle, "9.1", [], {f"wheels/{wheel.name}": wheel})
    program = [sys.executable, str(KIOSK / "mien_update.py"), "--root", str(tmp_path / "opt")]
    subprocess.run([*program, "install", str(bundle), "--sha256", digest], check=True, capture_output=True, timeout=300)
    command = [str(tmp_path / "opt" / "current" / "bin" / "mien")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "mien 9.1\n"
    listed = subprocess.run([*program, "list"], check=True, capture_output=True, text=True).stdout
    assert listed == f"* 9.1-{digest[:12]}\n"
    failed = subprocess.run([*program, "rollback"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("mien-update: there is no earlier version")


def test_readiness_is_asked_with_the_token(tmp_path: Path) -> None:
    answers = [503, 200]
    seen: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(answers[min(len(seen), len(answers)) - 1])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    token = tmp_path / "token"
    token.write_text("secret-token\n")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/readyz"
        try:
            assert mien_update.becomes_ready(url, token, 20.0)
        finally:
            server.shutdown()
            thread.join()
    assert seen == ["Bearer secret-token"] * 2
    assert not mien_update.becomes_ready(url, token, 0.1)
