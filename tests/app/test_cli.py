"""The command as a process: exit statuses, one line per error, and imports."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from app.session.text_tables import safe_cell
from app.termination import INTERRUPTED
from engine.backends.model_file import model_path
from engine.errors import EngineError

CHECKOUT = Path(__file__).resolve().parents[2]


def mien(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": "200", **environment},
        timeout=120,
    )


@pytest.fixture(scope="session")
def models(face_models: None) -> None:
    """The trained models of the checkout."""
    try:
        for task in ("expression", "action_units"):
            model_path(task)
    except EngineError as error:
        pytest.skip(f"needs the trained models: {error}")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three seconds of the demo as a file."""
    from fractions import Fraction

    from engine.capture.synthetic import SyntheticSource

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container, SyntheticSource() as source:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = source.info.width_px, source.info.height_px, "yuv420p"
        for index in range(75):
            frame = source.read()
            assert frame is not None
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def one_line(finished: subprocess.CompletedProcess[str]) -> str:
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1, finished.stderr
    assert lines[0].startswith("mien: ")
    return lines[0]


def bad_file(folder: Path, kind: str) -> Path:
    path = folder / "bad.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is not a video\n" * 100)
    elif kind == "zeros":
        path.write_bytes(bytes(100_000))
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "zeros"])
def test_a_bad_source_is_one_line_and_status_2(tmp_path: Path, kind: str) -> None:
    finished = mien("annotate", bad_file(tmp_path, kind), "--out", tmp_path / "out")
    assert finished.returncode == 2
    assert "bad.mp4" in one_line(finished)
    assert not (tmp_path / "out").exists()


def test_bad_settings_are_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("speed = 3\n")
    finished = mien("annotate", "demo", "--out", tmp_path / "out", "--config", tmp_path / "bad.toml")
    assert finished.returncode == 2
    assert "unknown key 'speed'" in one_line(finished)


def test_an_output_folder_below_a_file_is_one_line_and_status_2(tmp_path: Path, models: None) -> None:
    (tmp_path / "file").write_text("")
    finished = mien("annotate", "demo", "--out", tmp_path / "file")
    assert finished.returncode == 2
    assert "cannot be written" in one_line(finished)


def test_missing_face_networks_are_one_line_and_status_2(tmp_path: Path, models: None) -> None:
    finished = mien("annotate", "demo", "--out", tmp_path / "out", MIEN_MODELS=str(tmp_path))
    assert finished.returncode == 2
    assert "MIEN_MODELS" in one_line(finished)


def test_an_unknown_backend_is_one_line_and_status_2(tmp_path: Path, models: None) -> None:
    finished = mien("annotate", "demo", "--out", tmp_path / "out", "--backend", "abacus")
    assert finished.returncode == 2
    assert "unknown backend abacus" in one_line(finished)


def test_a_missing_camera_is_one_line_and_status_2(tmp_path: Path) -> None:
    finished = mien("annotate", "99", "--out", tmp_path / "out")
    assert finished.returncode == 2
    assert "camera 99" in one_line(finished)


def test_wrong_usage_has_status_2(tmp_path: Path) -> None:
    finished = mien("annotate", "demo", "--out", tmp_path, "--tracker", "abacus")
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr


def test_the_version_is_shown() -> None:
    finished = mien("--version")
    assert (finished.returncode, finished.stdout.split()[0]) == (0, "mien")


def test_an_internal_error_is_one_line_and_status_1(tmp_path: Path) -> None:
    broken = (
        "import app.session.naming\n"
        "def fail(*_): raise KeyError('deliberate failure')\n"
        "app.session.naming.session_folders = fail\n"
        "from app.cli import main\nmain()\n"
    )
    command = [sys.executable, "-c", broken, "annotate", "demo", "--out", str(tmp_path)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT, env=environment)
    assert finished.returncode == 1
    assert "internal error: KeyError: 'deliberate failure'; please report it" in one_line(finished)
    if sys.platform == "linux":
        assert "Traceback" in (tmp_path / "mien" / "last-error.txt").read_text()


def test_annotate_never_imports_torch_or_qt(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "import app.cli, app.annotate, app.engine_cache, app.progress, app.session.folder, engine.capture.opening\n"
        "print([name for name in ('torch', 'PySide6', 'PyQt5', 'mediapipe') if name in sys.modules])\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert finished.stdout.strip() == "[]"


def test_the_command_line_alone_imports_nothing_heavy() -> None:
    program = (
        "import sys, app.cli\n"
        "print([name for name in ('numpy', 'cv2', 'av', 'onnxruntime', 'arro3') if name in sys.modules])\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert finished.stdout.strip() == "[]"


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "faces.csv").open(newline="") as handle:
        return [{name: cell for name, cell in row.items() if name != "latency_ms"} for row in csv.DictReader(handle)]


def started(clip: Path, out: Path, frames: int) -> subprocess.Popen[str]:
    """An annotate that has written so many frames of its journal."""
    command = [sys.executable, "-m", "app", "annotate", str(clip), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT)
    journal = out / clip.stem / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b'"rows"') < frames:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def test_a_killed_annotate_resumes_to_the_same_table(clip: Path, tmp_path: Path, models: None) -> None:
    whole = mien("annotate", clip, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    process = started(clip, tmp_path / "out", 30)
    process.kill()
    process.communicate()
    refused = mien("annotate", clip, "--out", tmp_path / "out")
    assert refused.returncode == 2
    assert "--resume" in one_line(refused)
    assert "--force" in one_line(refused)
    resumed = mien("annotate", clip, "--out", tmp_path / "out", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    table = table_of(tmp_path / "out" / "clip")
    assert table == table_of(tmp_path / "whole" / "clip")
    assert {row["frame"] for row in table} == {str(index) for index in range(75)}
    metadata = json.loads((tmp_path / "out" / "clip" / "metadata.json").read_text())
    assert metadata["completed"] is True
    assert len(metadata["resumed_at"]) == 1
    assert len(metadata["source"]["sha256"]) == 64


def test_an_interrupted_annotate_says_how_to_resume(clip: Path, tmp_path: Path, models: None) -> None:
    process = started(clip, tmp_path / "out", 5)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--resume" in messages
    assert "Traceback" not in messages
    assert sorted(path.name for path in (tmp_path / "out" / "clip").iterdir()) == ["journal.jsonl", "metadata.json"]


def test_files_of_one_name_get_folders_of_their_own_that_resume_finds_again(
    clip: Path, tmp_path: Path, models: None
) -> None:
    clips = [tmp_path / person / "video.mp4" for person in ("P01", "P02")]
    for path in clips:
        path.parent.mkdir()
        path.write_bytes(clip.read_bytes())
    out = tmp_path / "out"
    first = mien("annotate", clips[0], "--out", out, "--no-video", "--resume")
    second = mien("annotate", clips[1], "--out", out, "--no-video", "--resume")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert {path.name for path in out.iterdir()} == {"video", "P02-video"}
    assert table_of(out / "video") == table_of(out / "P02-video")
    again = mien("annotate", *clips[::-1], "--out", out, "--no-video", "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is already finished") == 2


def test_bench_writes_its_results(clip: Path, tmp_path: Path, models: None) -> None:
    json_file, page = tmp_path / "bench.json", tmp_path / "bench.html"
    options = ("--seconds", "1", "--warm-up", "0.5", "--repeats", "1", "--json", json_file, "--plot", page)
    finished = mien("bench", clip, *options)
    assert finished.returncode == 0, finished.stderr
    (case,) = json.loads(json_file.read_text())["cases"]
    (annotate,), (paced,), (fast,), (stages,) = (case[part] for part in ("annotate", "paced", "fast", "stages"))
    assert annotate["frames"] == 75
    assert 0 < annotate["first_result_s"] <= annotate["total_s"]
    assert annotate["fps"] == pytest.approx(75 / annotate["total_s"], rel=0.01)
    assert annotate["peak_rss_mb"] > 50
    assert set(annotate["stage_wall_ms"]) == {"tracking", "alignment", "expression", "action_units", "routing"}
    assert 0 < paced["processed"] <= paced["captured"] + 2  # some were under way when the measurement began
    assert 0 < fast["latency"]["p50_ms"] <= fast["latency"]["p99_ms"]
    assert fast["dropped"] == 0
    assert annotate["faces_per_frame"] == pytest.approx(stages["faces_per_frame"], abs=0.2)
    assert set(stages["cpu_ms"]) == set(case["stage_cpu_ms"]) - {"other"}
    assert sum(case["stage_cpu_ms"].values()) == pytest.approx(annotate["steady_cpu_ms"], abs=0.01)
    assert page.read_text().count("<svg") == 2
    assert "capture to result, as fast as possible" in finished.stdout


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--sizes", "4k", "--sizes: 4k is unknown"),
        ("--parts", "speed", "--parts: speed is unknown"),
        ("--faces", "9", "--faces must be numbers from 0 to 8"),
        ("--faces", "many", "--faces: many is not a number"),
        ("--backend", "abacus", "unknown backend abacus"),
    ],
)
def test_bench_refuses_what_it_does_not_know(option: str, value: str, problem: str) -> None:
    finished = mien("bench", option, value)
    assert finished.returncode == 2
    assert problem in one_line(finished)


def test_bench_of_the_window_writes_its_results(tmp_path: Path, models: None) -> None:
    pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 and its libraries", exc_type=ImportError)
    options = ("--gui", "--seconds", "1", "--hours", "0.01", "--repeats", "1")
    finished = mien("bench", *options, "--json", tmp_path / "window.json")
    assert finished.returncode == 0, finished.stderr
    assert "main thread per live frame" in finished.stdout
    assert "opening 0.01 h (900 frames)" in finished.stdout
    figures = json.loads((tmp_path / "window.json").read_text())
    if figures["start"] is not None:  # Windows has none
        assert "start to painted window" in finished.stdout
        assert (figures["start"]["starts"], figures["start"]["median_s"] > 0) == (1, True)
    live, review = figures["live"], figures["review"]
    assert live["frames"] > 0
    assert live["cpu_ms"] > 0
    assert 0 < live["busy_ms"] <= 1000 * live["seconds"]
    assert live["turn_p95_ms"] <= live["turn_worst_ms"]
    assert (review["hours"], review["frames"]) == (0.01, 900)
    assert 0 < review["open_s"] <= review["open_worst_s"]
    assert 0 < review["scroll_ms"] <= review["scroll_p95_ms"]


def test_a_source_that_cannot_be_read_does_not_stop_the_others(clip: Path, tmp_path: Path, models: None) -> None:
    bad = bad_file(tmp_path, "text")
    finished = mien("annotate", bad, clip, "--out", tmp_path / "out", "--no-video")
    assert finished.returncode == 2
    assert "bad.mp4" in finished.stderr
    assert len(table_of(tmp_path / "out" / "clip")) >= 75


@pytest.fixture
def mixed(clip: Path, tmp_path: Path) -> Path:
    """A folder with two videos, two pictures and much else."""
    import cv2

    folder = tmp_path / "mixed"
    (folder / "P1").mkdir(parents=True)
    with av.open(str(clip)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24")
    for name in ("a.mp4", "P1/a.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    for name in ("1.png", "P1/2.png"):
        cv2.imwrite(str(folder / name), image)
    (folder / "bad.mp4").write_text("not a video")
    (folder / "wide.png").write_bytes(cv2.imencode(".png", np.zeros((2, 8200, 3), np.uint8))[1].tobytes())
    (folder / "notes.txt").touch()
    return folder


def test_a_mixed_folder_is_annotated_whole_and_summed_up(mixed: Path, tmp_path: Path, models: None) -> None:
    out = tmp_path / "out"
    finished = mien("annotate", mixed, "--recursive", "--out", out, "--no-video")
    assert finished.returncode == 2, finished.stderr
    assert {path.name for path in out.iterdir()} == {"mixed", "mixed-a", "P1-a", "failed.txt"}
    assert {row["file"] for row in table_of(out / "mixed")} == {"1.png", "P1/2.png"}
    assert {row["file"] for row in table_of(out / "P1-a")} == {"P1/a.mp4"}
    metadata = json.loads((out / "mixed" / "metadata.json").read_text())
    assert metadata["files"] == ["1.png", "wide.png", "P1/2.png"]
    assert [item["file"] for item in metadata["files_left_out"]] == ["wide.png"]
    assert "1 file left out (1 with .txt)" in finished.stderr
    assert "[2/4]" in finished.stderr
    assert "1 of 4 sources failed" in finished.stderr
    summary = finished.stdout[finished.stdout.index("state ") :].splitlines()
    assert len(summary) == 1 + 4
    assert [line.split()[0] for line in summary[1:]].count("failed") == 1
    assert (out / "failed.txt").read_text().startswith(f"{mixed / 'bad.mp4'}\t")
    again = mien("annotate", mixed, "--recursive", "--out", out, "--no-video", "--resume")
    assert again.returncode == 2
    assert again.stdout.count("is already finished") == 3


def test_a_part_of_a_video_is_annotated(clip: Path, tmp_path: Path, models: None) -> None:
    out = tmp_path / "out"
    finished = mien("annotate", clip, "--out", out, "--start", "0:01", "--end", "2.2", "--every", "5", "--excel")
    assert finished.returncode == 0, finished.stderr
    content = (out / "clip" / "faces.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfsource_id,")
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert sorted({int(row["frame"]) for row in rows}) == [25, 30, 35, 40, 45, 50]
    with av.open(str(out / "clip" / "annotated.mp4")) as video:
        times = [frame.time for frame in video.decode(video=0)]
    assert times == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--start", "x"), "x is not a time"),
        (("--start", "5", "--end", "3"), "is empty"),
        (("--every", "0"), "--every"),
        (("--max-faces", "0"), "--max-faces"),
    ],
)
def test_a_wrong_choice_of_frames_has_status_2(options: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    finished = mien("annotate", "demo", "--out", tmp_path / "out", *options)
    assert finished.returncode == 2
    assert problem in finished.stderr
    assert not (tmp_path / "out").exists()


def test_the_number_of_faces_and_crops_are_settings(mixed: Path, tmp_path: Path, models: None) -> None:
    out = tmp_path / "out"
    finished = mien("annotate", mixed / "1.png", "--out", out, "--no-video", "--max-faces", "3", "--face-crops")
    assert finished.returncode == 0, finished.stderr
    tracking = json.loads((out / "1" / "metadata.json").read_text())["config"]["tracking"]
    assert (tracking["max_faces"], tracking["face_crops"]) == (3, True)


def test_the_default_source_is_a_camera_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import cli

    opened: list[object] = []
    monkeypatch.setattr(cli, "open_window", lambda source, *_, **__: opened.append(source))
    monkeypatch.chdir(tmp_path)
    cli.app(["live"], standalone_mode=False)
    (tmp_path / "0").mkdir()
    cli.app(["live"], standalone_mode=False)
    cli.app(["live", "0"], standalone_mode=False)
    assert opened == ["0", "camera:0", "0"]


@pytest.mark.parametrize("command", [["doctor"], ["annotate", "--help"], ["--version"]])
def test_an_output_that_nobody_reads_ends_quietly(command: list[str], tmp_path: Path) -> None:
    """As ``mien doctor | head -0``."""
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run(
        [sys.executable, "-m", "app", *command],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        check=False,
    )
    os.close(writer)
    assert finished.stderr == ""
    assert finished.returncode in (0, 1, 141)


def test_a_batch_whose_output_nobody_reads_leaves_sessions_that_resume(
    clip: Path, tmp_path: Path, models: None
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "app", "annotate", str(clip), "demo", "--out", str(out), "--no-video"]
    finished = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT, check=False)
    os.close(writer)
    assert finished.returncode == 141
    assert "Error" not in finished.stderr
    assert "error" not in finished.stderr
    assert json.loads((out / "clip" / "metadata.json").read_text())["completed"] is True
    assert not (out / "clip" / "session.lock").exists()


@pytest.mark.parametrize("name", ["-clip.mp4", "--out.mp4", "-0"])
def test_a_name_that_starts_with_a_dash_is_a_file(name: str, clip: Path, tmp_path: Path, models: None) -> None:
    (tmp_path / name).write_bytes(clip.read_bytes())
    finished = subprocess.run(
        [sys.executable, "-m", "app", "annotate", name, "--out", "out", "--no-video"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert finished.returncode == 0, finished.stderr
    (session,) = (tmp_path / "out").iterdir()
    assert {row["source_id"] for row in table_of(session)} == {safe_cell(name)}  # escaped for spreadsheets


def test_a_word_with_a_dash_that_is_no_file_is_wrong_usage(tmp_path: Path) -> None:
    finished = mien("annotate", "-x.mp4", "--out", tmp_path)
    assert finished.returncode == 2
    assert "No such option" in finished.stderr


def without_display(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        env={**kept, "COLUMNS": "200", **environment},
        timeout=120,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a system where a display can be missing")
@pytest.mark.parametrize("arguments", [(), ("gui",), ("live", "demo")])
def test_a_window_without_a_display_is_one_line_and_status_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 and its libraries", exc_type=ImportError)
    finished = without_display(*arguments, MIEN_CONFIG=str(tmp_path / "desktop.json"))
    assert finished.returncode == 2
    assert "no display is set" in one_line(finished)
    assert not (tmp_path / "desktop.json").exists()


@pytest.mark.parametrize("arguments", [("gui",), ("bench", "--gui")])
def test_a_window_without_pyside_says_what_to_install(arguments: tuple[str, ...]) -> None:
    hide = "import sys\nsys.modules['PySide6'] = None\nfrom app.cli import main\nmain()\n"
    finished = subprocess.run(
        [sys.executable, "-c", hide, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=120,
    )
    assert finished.returncode == 2
    assert "pip install" in one_line(finished)
    assert "PySide6" in one_line(finished)


@pytest.mark.parametrize("arguments", [(), ("live", "demo", "--threads", "2")])
def test_the_window_opens_and_ends_on_sigterm(arguments: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 and its libraries", exc_type=ImportError)
    settings = tmp_path / "desktop.json"
    settings.write_text('{"page": "about", "threads": 3}')
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "MIEN_CONFIG": str(settings)}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *arguments], stderr=subprocess.PIPE, text=True, cwd=CHECKOUT, env=environment
    )
    deadline = time.monotonic() + 60
    while json.loads(settings.read_text())["page"] == "about":  # the event loop writes the page that is shown
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, messages = process.communicate(timeout=30)
    assert process.returncode in (0, INTERRUPTED), messages  # the latter by the limit, on a busy machine
    assert "Traceback" not in messages
    saved = json.loads(settings.read_text())
    assert (saved["threads"], saved["page"]) == (3, "live" if arguments else "start")


def test_a_stuck_thread_does_not_keep_the_program_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    from app import cli
    from engine.errors import ThreadStuckError

    def stuck(out: Path) -> None:
        raise ThreadStuckError("mien-capture did not end within 2 s")

    class Ended(BaseException):
        pass

    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr("app.system.doctor.examine", stuck)
    monkeypatch.setattr(cli.os, "_exit", end)
    with pytest.raises(Ended, match=str(cli.USER_ERROR)):
        cli.app(["doctor"])


def test_opencv_runs_on_one_thread_unless_the_user_chooses() -> None:
    program = (
        "import sys, app.cli, app.entry\napp.cli.main = lambda: None\nsys.argv.append('doctor')\napp.entry.main()\n"
        "import cv2\nprint(cv2.getNumThreads())\n"
    )
    for chosen, threads in (({}, "1"), ({"OPENCV_FOR_THREADS_NUM": "2"}, "2")):
        environment = {**{k: v for k, v in os.environ.items() if k != "OPENCV_FOR_THREADS_NUM"}, **chosen}
        finished = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT, env=environment
        )
        assert finished.stdout.strip() == threads
