"""Build a Debian package of the service, or a tarball of the same files where dpkg-deb is missing.

    python packaging/kiosk/build_package.py --out dist [--bundle dist/mien-0.1.0-x86_64.tar] [--tarball]

With a bundle, installing the package installs Mien too. The service is not enabled.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

CONTROL = """Package: mien
Version: {version}
Architecture: {architecture}
Maintainer: Mien <mien@localhost.invalid>
Depends: python3 (>= 3.10), python3-venv
Section: science
Priority: optional
Description: facial expressions in video with calibrated uncertainty
 Service with WebSocket, MQTT and Lab Streaming Layer, kiosk screen, and offline updates.
"""
POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if [ ! -e /etc/mien/token ]; then
    (umask 077; python3 -c 'import secrets; print(secrets.token_hex(24))' > /etc/mien/token)
  fi
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  for bundle in /usr/share/mien/*.tar; do
    if [ -e "$bundle" ]; then mien-update install "$bundle"; fi
  done
fi
"""
PRERM = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now mien-serve.service || true
fi
"""
POSTRM = """#!/bin/sh
set -e
if [ "$1" = purge ]; then
  rm -rf /opt/mien /var/cache/mien /var/cache/private/mien /etc/mien/token
fi
"""


def version() -> str:
    """Version in pyproject.toml."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit("pyproject.toml has no version")
    return found[1]


def make_tree(tree: Path, bundle: Path | None) -> None:
    """Put the files where they are installed."""
    _copy(HERE / "mien-serve.service", tree / "usr/lib/systemd/system/mien-serve.service", 0o644)
    _copy(HERE / "mien-kiosk.desktop", tree / "usr/share/applications/mien-kiosk.desktop", 0o644)
    _copy(HERE / "mien_update.py", tree / "usr/sbin/mien-update", 0o755)
    _copy(HERE / "mien.toml", tree / "etc/mien/mien.toml", 0o600)
    _copy(ROOT / "LICENSE", tree / "usr/share/doc/mien/copyright", 0o644)
    if bundle is not None:
        _copy(bundle, tree / "usr/share/mien" / bundle.name, 0o644)


def build_deb(tree: Path, out: Path, architecture: str) -> Path:
    """Build the package with dpkg-deb; all files belong to root."""
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(CONTROL.format(version=version(), architecture=architecture))
    (control / "conffiles").write_text("/etc/mien/mien.toml\n")
    for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
        (control / name).write_text(text)
        (control / name).chmod(0o755)
    package = out / f"mien_{version()}_{architecture}.deb"
    # wheels are compressed already: xz would take minutes and gain nothing
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    return package


def build_tarball(tree: Path, out: Path) -> Path:
    """Pack the same files, to be unpacked at / by root."""
    path = out / f"mien-{version()}-kiosk.tar.gz"

    def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(path, "w:gz") as archive:
        for child in sorted(tree.iterdir()):
            archive.add(child, child.name, filter=owned_by_root)
    return path


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def main() -> None:
    """Build and print the path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--bundle", type=Path, help="of build_bundle.py")
    parser.add_argument("--tarball", action="store_true", help="also where dpkg-deb is present")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "mien"
        tree.mkdir(mode=0o755)
        make_tree(tree, given.bundle)
        if given.tarball or shutil.which("dpkg-deb") is None:
            path = build_tarball(tree, given.out)
        else:
            architecture = ARCHITECTURES.get(platform.machine(), "all") if given.bundle else "all"
            path = build_deb(tree, given.out, architecture)
    print(path)  # noqa: T201 (the result)


if __name__ == "__main__":
    main()
