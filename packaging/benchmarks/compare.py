"""Public rivals beside Mien: each in an environment of its own, in the same run, on the same frames.

    python packaging/benchmarks/compare.py --install mediapipe_landmarker,hsemotion    # once, from the package index
    python packaging/benchmarks/compare.py --task face_landmarker.task --openface FeatureExtraction --json compare.json

Run with the Python that has Mien. The frames are decoded once and handed to every rival as they are, so that decoding
counts for none of them; OpenFace, a program that reads videos itself, is compared with ``mien annotate`` on the same
file. The runs are interleaved, and a ratio is taken within a round. Nothing is fetched but the pinned packages of
--install; a rival whose weights cannot be had is skipped with its reason.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RIVALS = Path(__file__).resolve().parent / "rivals"
sys.path.insert(0, str(ROOT))

from app.bench.annotate_run import annotate_command, child_environment  # noqa: E402 (needs the path above)
from app.bench.clips import make_clip  # noqa: E402
from app.bench.figures import Clip, EngineChoice  # noqa: E402
from app.bench.probes import Probes, machine  # noqa: E402
from app.bench.run import clip_of  # noqa: E402
from engine.capture.opening import open_source  # noqa: E402

#: A run that takes longer has failed.
LIMIT_S = 600
#: Frames of the shorter of the two clips from whose difference the start of a program is taken out.
SHORT = 30


@dataclass(frozen=True)
class Rival:
    """A rival with a runner, and what of Mien it is compared with."""

    name: str
    script: str  # in the folder of rivals; pins in a .txt of the same name
    what: str
    against: str  # tracker or engine
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Result:
    """What the rounds gave; or why there are none."""

    name: str
    what: str
    version: str = ""
    faces: float = 0.0  # found in each frame
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    cpu_ratio: list[float] = field(default_factory=list)  # rival / Mien, within a round
    wall_ratio: list[float] = field(default_factory=list)
    against: str = ""
    skipped: str = ""


RUNNERS = (
    Rival("mediapipe", "mediapipe_landmarker", "tracking, without blendshapes", "tracker", {"blendshapes": False}),
    Rival(
        "mediapipe + blendshapes", "mediapipe_landmarker", "tracking and blendshapes", "tracker", {"blendshapes": True}
    ),
    Rival("hsemotion-onnx", "hsemotion", "expression alone, boxes given", "engine"),
    Rival("EmotiEffLib", "emotiefflib_onnx", "expression alone, boxes given", "engine"),
    Rival("fer", "fer_haar", "Haar detector and expression", "engine"),
)
#: Parts of Mien that rivals are compared with.
OWN = {"tracker": "tracking", "engine": "tracking to routing"}
#: Rivals without a runner: name, what they give, and the reason.
NOT_RUN = (
    ("py-feat 2.1.5", "AUs, expressions", "its weights come from a hub at the first use; 6.6 GB to install"),
    ("LibreFace 0.2.0", "AUs, expressions", "its weights come from a hub at the first use; compiles dlib, 5.2 GB"),
    (
        "OpenFace 3.0",
        "AUs, expressions",
        "its package holds no weights, and pins old versions of NumPy and Pillow",
    ),
)


def main() -> int:
    """Compare, print the table, write JSON."""
    options = parse()
    if options.install:
        for name in options.install.split(","):
            install(name, options.environments)
        return 0
    with tempfile.TemporaryDirectory(prefix="mien-compare-") as scratch:
        content = {"machine": dataclasses.asdict(machine()), "frames": options.frames, "clips": []}
        for faces in map(int, options.faces.split(",")):
            if options.clip:
                clip = dataclasses.replace(clip_of(options.clip), faces=faces)
            else:
                clip = make_clip(Path(scratch), options.size, faces, options.frames / 30)
            probes = Probes()
            probes.start()
            results = compare(clip, faces, options, Path(scratch))
            foreign = probes.stop().foreign_cores
            show(clip, results, foreign)
            content["clips"].append(
                {
                    "clip": clip.name,
                    "faces": faces,
                    "foreign_cores": foreign,
                    "results": [vars(each) for each in results],
                }
            )
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Compare Mien with public rivals.")
    parser.add_argument("--install", help="make the environments of these rivals, separated by commas, and end")
    parser.add_argument(
        "--environments", type=Path, default=ROOT / "build" / "rivals", help="folder of the environments"
    )
    parser.add_argument("--clip", help="video to compare on; default: a drawn one")
    parser.add_argument("--size", default="720p", help="of the drawn clip: 360p, 720p or 1080p")
    parser.add_argument("--faces", default="1,4", help="in the clip; several = several clips")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rivals", help="scripts to run, separated by commas; default: all")
    parser.add_argument("--task", type=Path, help="MediaPipe's face_landmarker.task bundle")
    parser.add_argument("--openface", type=Path, help="OpenFace's program FeatureExtraction (2.x or older)")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def install(script: str, folder: Path) -> None:
    """Make a virtual environment with the exact pins of a rival."""
    place = folder / script
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    pins = RIVALS / f"{script}.txt"
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", str(pins)]
    subprocess.run(pip, check=True)
    print(f"{script}: {place}")  # noqa: T201 (a script)


def compare(clip: Clip, faces: int, options: argparse.Namespace, scratch: Path) -> list[Result]:
    """Run everything in rounds on one clip."""
    frames = scratch / "frames.npy"
    with open_source(clip.path) as source:
        images = [frame.image for _, frame in zip(range(options.frames), source, strict=False)]
    np.save(frames, np.stack(images))
    wanted = options.rivals.split(",") if options.rivals else [*{rival.script for rival in RUNNERS}, "openface"]
    rivals = [rival for rival in RUNNERS if rival.script in wanted]
    needed = [what for what in ("tracker", "engine") if any(rival.against == what for rival in rivals)]
    own = {what: Result(f"Mien, {what}", OWN[what]) for what in needed}
    results = {rival.name: Result(rival.name, rival.what, against=rival.against) for rival in rivals}
    programs: dict[str, Result] = {}
    if "openface" in wanted:
        programs = {
            "annotate": Result("Mien, annotate --no-video", "the whole command without its start"),
            "OpenFace": Result("OpenFace", "AUs and pose, the program without its start", against="annotate"),
        }
    for number in range(options.rounds):
        print(f"{clip.name}, round {number + 1} of {options.rounds}", file=sys.stderr)  # noqa: T201
        boxes: Any = None
        for what, result in own.items():
            output = run(sys.executable, "own", frames, {"what": what}, result)
            boxes = output.get("boxes", boxes)
        for rival in rivals:
            asked = {"faces": faces, "weights": str(options.task or ""), "boxes": boxes, **rival.options}
            if rival.script not in ("hsemotion", "emotiefflib_onnx"):
                asked.pop("boxes")
            python = options.environments / rival.script / "bin" / "python"
            run(str(python), rival.script, frames, asked, results[rival.name], own[rival.against])
        if programs:
            run_programs(clip, options, scratch, programs)
    skipped = [Result(name, what, skipped=reason) for name, what, reason in NOT_RUN] if not options.rivals else []
    return [*own.values(), *results.values(), *programs.values(), *skipped]


def run(
    python: str, script: str, frames: Path, options: dict[str, Any], result: Result, own: Result | None = None
) -> dict[str, Any]:
    """Run one runner once; add its figures, and the ratio to those of Mien in this round."""
    if result.skipped:
        return {}
    if own is not None and own.skipped:
        result.skipped = f"{own.name} failed: {own.skipped}"
        return {}
    if not Path(python).exists():
        result.skipped = f"not installed: run compare.py --install {script}"
        return {}
    command = [python, str(RIVALS / f"{script}.py"), str(frames), json.dumps(options)]
    environment = child_environment() if script == "own" else {**os.environ, "PYTHONPATH": ""}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        result.skipped = f"took longer than {LIMIT_S} s"
        return {}
    lines = done.stdout.strip().splitlines()
    try:
        output: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        output = {"skipped": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
    if "skipped" in output:
        result.skipped = output["skipped"]
        return {}
    result.version, result.faces = str(output["version"]), round(output["faces"], 2)
    add(result, output["cpu_ms"], output["wall_ms"], own)
    return output


def add(result: Result, cpu_ms: float, wall_ms: float, own: Result | None) -> None:
    """Add a round."""
    result.cpu_ms.append(round(cpu_ms, 3))
    result.wall_ms.append(round(wall_ms, 3))
    if own is not None:
        result.cpu_ratio.append(round(cpu_ms / own.cpu_ms[-1], 3))
        result.wall_ratio.append(round(wall_ms / own.wall_ms[-1], 3))


def run_programs(clip: Clip, options: argparse.Namespace, scratch: Path, results: dict[str, Result]) -> None:
    """Run annotate and OpenFace on the whole clip and on its beginning; the difference leaves their start out."""
    openface = results["OpenFace"]
    if openface.skipped:
        return
    if options.openface is None or not options.openface.is_file():
        openface.skipped = "no program FeatureExtraction was given (--openface); it has no package"
        del results["annotate"]
        return
    short = clip_beginning(clip, scratch)
    counts = (sum(1 for _ in open_frames(clip.path)), SHORT)
    for name, result in results.items():
        seconds = []
        for path in (clip.path, short):
            with tempfile.TemporaryDirectory(dir=scratch) as out:
                command, folder = program(name, path, Path(out), options)
                seconds.append(timed(command, folder, child_environment() if name == "annotate" else dict(os.environ)))
                if name == "OpenFace" and not any(Path(out).glob("*.txt")) and not any(Path(out).glob("*.csv")):
                    result.skipped = "it wrote no table"
                    return
        (wall, cpu), (short_wall, short_cpu) = seconds
        per_frame = 1000 / (counts[0] - counts[1])
        own = results["annotate"] if name == "OpenFace" else None
        add(result, (cpu - short_cpu) * per_frame, (wall - short_wall) * per_frame, own)


def program(name: str, clip: str, out: Path, options: argparse.Namespace) -> tuple[list[str], Path]:
    """Command line and working folder."""
    if name == "annotate":
        return annotate_command(clip, out, EngineChoice(), video=False), ROOT
    binary = options.openface.resolve()
    table = out / "table.txt"  # the options of 2.x and of the older versions; each ignores those of the other
    return [str(binary), "-f", clip, "-of", str(table), "-out_dir", str(out), "-q", "-no2Dfp", "-no3Dfp"], binary.parent


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=LIMIT_S, check=True)
    wall_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def open_frames(path: str) -> Any:
    """The frames of a video."""
    with open_source(path) as source:
        yield from source


def clip_beginning(clip: Clip, scratch: Path) -> str:
    """The first frames of a clip, without coding them again."""
    import av

    path = scratch / f"{Path(clip.path).stem}-short.mp4"
    if not path.exists():
        with av.open(clip.path) as source, av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for number, packet in enumerate(source.demux(video=0)):
                if packet.dts is None or number >= SHORT:
                    break
                packet.stream = stream
                target.mux(packet)
    return str(path)


def show(clip: Clip, results: list[Result], foreign: float | None) -> None:
    """Print medians, and ratios with the lowest and highest round."""
    print(f"\n{clip.name}, {clip.width_px}x{clip.height_px}; other programs took {foreign} cores")  # noqa: T201
    for each in results:
        name = f"{each.name} {each.version}".strip()
        if each.skipped:
            print(f"  {name}: skipped: {each.skipped}")  # noqa: T201
            continue
        cpu, wall = statistics.median(each.cpu_ms), statistics.median(each.wall_ms)
        line = f"  {name} ({each.what}): {cpu:.2f} ms of processor time, {wall:.2f} ms, {each.faces:.2f} faces"
        if each.cpu_ratio:
            line += f"; {ratio(each.cpu_ratio)} x Mien's {each.against} (wall {ratio(each.wall_ratio)})"
        print(line)  # noqa: T201


def ratio(values: list[float]) -> str:
    """Median, lowest and highest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    sys.exit(main())
