"""GPU, TensorRT and Jetson: what ``mien doctor`` reports about them, and ``mien engines``."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.system.check import Check
from engine.backends.contract import CONTRACTS
from engine.backends.cuda import CudaError, open_driver
from engine.backends.model_file import model_path, read_model
from engine.backends.plans import PlanStore
from engine.backends.precision import with_precision_of
from engine.backends.registry import GPU_BACKENDS
from engine.backends.tensorrt_build import open_package
from engine.backends.tensorrt_engines import build_missing
from engine.config import GpuConfig
from engine.errors import BackendError

#: JetPack by the major release of its Linux (L4T); 38 and 39 are two generations of JetPack 7.
JETPACKS: Final = {35: "JetPack 5", 36: "JetPack 6", 38: "JetPack 7", 39: "JetPack 7"}
#: Degrees below the temperature at which the board slows down, from which on doctor warns.
_THERMAL_MARGIN_C: Final = 5.0
_QUERY_S: Final = 10.0


def build_engines(config: GpuConfig, force: bool, report: Callable[[str], None]) -> list[Path]:
    """Build the engines of both models that are missing, or all with ``force``.

    Raises:
        BackendError: this machine cannot build them, or a model has no file in this precision.
        ModelError: a model is missing or damaged.
        OSError: the engines cannot be stored.
    """
    package = open_package(config.device)
    report(f"{package.gpu.name}, compute capability {package.gpu.capability}, TensorRT {package.version}")
    paths = []
    for task in CONTRACTS:
        model = read_model(model_path(task))
        what = f"{task}, {with_precision_of(model.path, config).precision}"
        report(f"{what}: building; this can take minutes")
        path, built = build_missing(model, config, PlanStore(), force=force)
        report(f"{what}: {'built' if built else 'already built'}, {path}")
        paths.append(path)
    return paths


def list_engines(store: PlanStore | None = None) -> list[str]:
    """One line per stored engine."""
    lines = []
    for plan in (store or PlanStore()).stored():
        what = "cannot be read"
        if plan.key is not None:
            what = f"{plan.key.task}, {plan.key.precision}, {plan.key.gpu}, TensorRT {plan.key.tensorrt}"
        lines.append(f"{what}: {plan.size_bytes / 1e6:.1f} MB, {plan.path}")
    return lines


def gpu_checks(root: Path = Path("/")) -> Iterator[Check]:
    """Check the GPU and TensorRT, and on a Jetson its power and temperatures; none is required."""
    try:
        gpu = open_driver().facts(0)
    except CudaError as error:
        yield Check("NVIDIA GPU", False, f"{', '.join(sorted(GPU_BACKENDS))} are passed over: {error}", required=False)
    else:
        memory = f"{gpu.memory_bytes / 1e9:.1f} GB{' shared with the CPU' if gpu.integrated else ''}"
        detail = f"{gpu.name}, compute capability {gpu.capability}, {memory}, driver for CUDA {gpu.driver}"
        yield Check("NVIDIA GPU", True, detail, required=False)
        yield _tensorrt()
    if is_jetson(root):
        yield from jetson_checks(root)


def _tensorrt() -> Check:
    try:
        package = open_package(0)
    except BackendError as error:
        return Check("TensorRT", False, str(error), required=False)
    engines = list_engines()
    detail = f"{package.version}; {len(engines)} engines stored"
    return Check("TensorRT", True, detail if engines else f"{detail}: run 'mien engines build'", required=False)


def is_jetson(root: Path = Path("/")) -> bool:
    """Whether this is an NVIDIA Jetson, also inside a container, where only the device tree is visible."""
    return (root / "etc/nv_tegra_release").exists() or "Jetson" in _board(root)


def jetson_checks(root: Path = Path("/")) -> Iterator[Check]:
    """Board and JetPack, power mode, GPU clock, and temperatures."""
    yield Check("Jetson", True, f"{_board(root) or 'unknown board'}, {_jetpack(root)}", required=False)
    yield _power_mode()
    clock = _gpu_clock(root)
    if clock is not None:
        yield clock
    yield _temperatures(root)


def _board(root: Path) -> str:
    return _read(root / "proc/device-tree/model").rstrip("\0")


def _jetpack(root: Path) -> str:
    """JetPack and L4T of ``/etc/nv_tegra_release``: "# R36 (release), REVISION: 4.3, GCID: ..."."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", _read(root / "etc/nv_tegra_release"))
    if found is None:
        return "JetPack unknown: /etc/nv_tegra_release is missing, as in a container"
    return f"{JETPACKS.get(int(found[1]), 'unknown JetPack')} (L4T {found[1]}.{found[2]})"


def _power_mode() -> Check:
    """The mode that ``nvpmodel -q`` prints: "NV Power Mode: 15W", then its number."""
    name = "power mode"
    program = shutil.which("nvpmodel")
    if program is None:
        return Check(name, False, "nvpmodel was not found; it is outside the container", required=False)
    try:
        done = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=_QUERY_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, False, f"nvpmodel cannot be run ({error})", required=False)
    found = re.search(r"NV Power Mode: *(\S+)\s+(\d+)?", done.stdout + "\n")
    if found is None:
        return Check(name, False, "nvpmodel -q printed no mode: try it with sudo", required=False)
    mode = found[1]
    if mode.startswith("MAXN"):
        return Check(name, True, mode, required=False)
    hint = "for the highest speed choose the MAXN mode: modes are in /etc/nvpmodel.conf, 'sudo nvpmodel -m NUMBER'"
    return Check(name, False, f"{mode}; {hint}, then 'sudo jetson_clocks'", required=False)


def _gpu_clock(root: Path) -> Check | None:
    """Present and highest clock of the GPU; None if the kernel does not report them."""
    for folder in sorted((root / "sys/class/devfreq").glob("*")):
        if not re.search(r"gpu|gpc|ga10b|gv11b", folder.name):
            continue
        present, highest = (_number(folder / name) for name in ("cur_freq", "max_freq"))
        if present is not None and highest:
            return Check("GPU clock", True, f"{present / 1e6:.0f} of {highest / 1e6:.0f} MHz", required=False)
    return None


@dataclass(frozen=True, slots=True)
class _Zone:
    name: str
    celsius: float
    slows_at: float | None  # passive trip point


def _temperatures(root: Path) -> Check:
    """The hottest zone, and whether one is close to where the kernel slows the board down."""
    zones = list(_zones(root / "sys/class/thermal"))
    if not zones:
        return Check("temperature", False, "no thermal zone can be read", required=False)
    hottest = max(zones, key=lambda zone: zone.celsius)
    detail = f"{hottest.name} {hottest.celsius:.1f} C"
    close = [zone for zone in zones if zone.slows_at is not None and zone.celsius >= zone.slows_at - _THERMAL_MARGIN_C]
    if not close:
        return Check("temperature", True, detail, required=False)
    limits = ", ".join(f"{zone.name} {zone.celsius:.1f} of {zone.slows_at:.0f} C" for zone in close)
    return Check("temperature", False, f"the board slows down or soon will: {limits}; cool it better", required=False)


def _zones(folder: Path) -> Iterator[_Zone]:
    for path in sorted(folder.glob("thermal_zone*")):
        value = _number(path / "temp")  # thousandths; zones of parts that are off cannot be read
        if value is None:
            continue
        trips = [
            _number(kind.with_name(kind.name.replace("_type", "_temp")))
            for kind in path.glob("trip_point_*_type")
            if _read(kind).strip() == "passive"
        ]
        limits = [trip / 1000 for trip in trips if trip is not None and trip > 0]
        yield _Zone(_read(path / "type").strip() or path.name, value / 1000, min(limits, default=None))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if re.fullmatch(r"-?\d+", text) else None
