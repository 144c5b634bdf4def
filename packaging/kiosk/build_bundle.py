"""Build an offline update bundle: wheels of Mien and all it needs, and the face networks, with a manifest.

    python packaging/kiosk/build_bundle.py --out dist [--extras serve,mqtt] [--models ~/.cache/mien/models]

Run it on a machine of the same kind and with the same version of Python as the kiosk; it uses the package index.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

from mien_update import FORMAT, MANIFEST, sha256_of  # noqa: E402


def collect_wheels(folder: Path, extras: list[str]) -> None:
    """Build the wheel of this checkout and fetch those of its dependencies, as pinned."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--wheel-dir", str(folder)]
    wanted = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    subprocess.run([*pip, "--constraint", str(ROOT / "packaging" / "constraints.txt"), wanted], check=True)


def write_bundle(bundle: Path, version: str, extras: list[str], content: dict[str, Path]) -> str:
    """Write a bundle of the files, whose times and owners are removed; returns its sha256.

    Args:
        bundle: is overwritten.
        version: of the program.
        extras: to be installed.
        content: path in the bundle to file.
    """
    files = [
        {"path": name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for name, path in sorted(content.items())
    ]
    manifest = {
        **{"format": FORMAT, "name": "mien", "version": version, "machine": platform.machine()},
        **{"python": f"{sys.version_info.major}.{sys.version_info.minor}", "extras": extras, "files": files},
    }
    raw = json.dumps(manifest, indent=1).encode()
    with tarfile.open(bundle, "w:") as archive:
        first = tarfile.TarInfo(MANIFEST)
        first.size = len(raw)
        archive.addfile(first, io.BytesIO(raw))
        for name, path in sorted(content.items()):
            member = tarfile.TarInfo(name)
            member.size = path.stat().st_size
            with path.open("rb") as handle:
                archive.addfile(member, handle)
    return sha256_of(bundle)


def main() -> None:
    """Build the bundle; print its path and hash."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--extras", default="serve,mqtt", help="separated by commas; window for the kiosk screen")
    parser.add_argument("--models", type=Path, help="folder of the face networks, as 'mien prepare' prints it")
    given = parser.parse_args()
    extras = [extra for extra in given.extras.split(",") if extra]
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder)
        collect_wheels(wheels, extras)
        content = {f"wheels/{path.name}": path for path in wheels.glob("*.whl")}
        if given.models is not None:
            content |= {
                f"models/{path.relative_to(given.models).as_posix()}": path
                for path in given.models.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
        (own,) = wheels.glob("mien-*.whl")
        version = own.name.split("-")[1]
        given.out.mkdir(parents=True, exist_ok=True)
        bundle = given.out / f"mien-{version}-{platform.machine()}.tar"
        digest = write_bundle(bundle, version, extras, content)
    print(f"{bundle}\nsha256 {digest}")  # noqa: T201 (the result)


if __name__ == "__main__":
    main()
