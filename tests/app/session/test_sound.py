"""Sound of the annotated video: copied or encoded, and in sync with the images.

The clips show black and are silent until `EVENT_S`, then show white and have a tone of 1 kHz.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app.annotate import AnnotateOptions, JobControl, annotate
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from engine.capture.time_range import TimeRange
from engine.capture.video_file import VideoFileSource
from tests.fakes.engines import FakePipeline, fake_engine
from tests.fakes.sessions import SilentListener

EVENT_S, END_S, FPS, RATE = 2.0, 4.0, 25, 48_000
#: An AAC packet at 48 kHz, and as much again for the decoder to start.
TOLERANCE_S = 2 * 1024 / RATE

#: Container and codec, and the codec of the annotated video.
KINDS = [
    ("mp4", "aac", "aac"),
    ("ts", "aac", "aac"),
    ("mkv", "mp3", "mp3"),
    ("mkv", "opus", "opus"),
    ("mkv", "flac", "flac"),
    ("mkv", "ac3", "ac3"),
    ("mov", "pcm_s16le", "aac"),
    ("avi", "pcm_s16le", "aac"),
    ("mkv", "mp2", "aac"),
]
ENCODERS = {"mp3": "libmp3lame", "opus": "libopus"}


def write_clip(path: Path, codec: str | None, first_s: float = 0.0) -> Path:
    """A clip whose times begin at ``first_s``."""
    time = np.arange(round(END_S * RATE)) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time) * (time >= EVENT_S) * 32767).astype(np.int16)
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": "0"})
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        sound = None if codec is None else output.add_stream(ENCODERS.get(codec, codec), rate=RATE, layout="mono")
        for index in range(round(END_S * FPS)):
            image = np.full((480, 640, 3), 255 if index / FPS >= EVENT_S else 0, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(1000 * (first_s + index / FPS)), Fraction(1, 1000)
            output.mux(video.encode(frame))
            if sound is not None:
                part = tone[round(index / FPS * RATE) : round((index + 1) / FPS * RATE)]
                samples = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
                samples.sample_rate = RATE
                samples.pts = round((first_s + index / FPS) * RATE)
                samples.time_base = Fraction(1, RATE)
                output.mux(sound.encode(samples))
        output.mux(video.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))
    return path


def annotated(clip: Path, out: Path, **options: object) -> SessionFolder:
    folder = SessionFolder(out)
    annotate(
        str(clip),
        folder,
        lambda spec: VideoFileSource(Path(spec)),
        lambda source: fake_engine(FakePipeline()),
        AnnotateOptions("0.1", **options),  # type: ignore[arg-type]
        SilentListener(),
        JobControl(),
    )
    return folder


def white_from_s(video: Path) -> float:
    """Time of the first white frame away from the overlay."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if frame.to_ndarray(format="gray")[220:260, 580:620].mean() > 100:
                assert frame.time is not None
                return frame.time
    raise AssertionError("no white frame")


def tone_from_s(video: Path) -> float:
    """Time at which the sound becomes loud."""
    with av.open(str(video)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for decoded in container.decode(audio=0):
            for frame in resampler.resample(decoded):
                loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.1)
                if len(loud):
                    assert frame.time is not None
                    return frame.time + int(loud[0]) / RATE
    raise AssertionError("no tone")


def ends_s(video: Path) -> tuple[float, float]:
    """End of the last image and of the sound."""
    with av.open(str(video)) as container:
        images = [frame.time for frame in container.decode(video=0)]
    with av.open(str(video)) as container:
        sounds = [frame.time + frame.samples / frame.sample_rate for frame in container.decode(audio=0)]
    return images[-1] + (images[-1] - images[-2]), sounds[-1]


@pytest.mark.parametrize(("container", "codec", "wanted"), KINDS)
def test_the_sound_is_kept_in_sync(tmp_path: Path, container: str, codec: str, wanted: str) -> None:
    clip = write_clip(tmp_path / f"clip.{container}", codec)
    folder = annotated(clip, tmp_path / "out")
    with av.open(str(folder.video)) as video:
        assert [stream.codec_context.name.removesuffix("float") for stream in video.streams.audio] == [wanted]
        assert video.streams.video[0].frames == END_S * FPS
    assert white_from_s(folder.video) == pytest.approx(EVENT_S, abs=1e-3)
    assert tone_from_s(folder.video) == pytest.approx(EVENT_S, abs=TOLERANCE_S)
    last_image_s, last_sound_s = ends_s(folder.video)
    assert last_sound_s == pytest.approx(last_image_s, abs=3 * TOLERANCE_S)
    assert read_metadata(folder.metadata).fault is None


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("mkv", "opus"), ("mov", "pcm_s16le")])
@pytest.mark.parametrize("time_range", [TimeRange(1.5), TimeRange(1.01, 3.0), TimeRange(0.0, 2.5)], ids=str)
def test_the_sound_starts_and_ends_with_the_range(
    tmp_path: Path, container: str, codec: str, time_range: TimeRange
) -> None:
    clip = write_clip(tmp_path / f"clip.{container}", codec)
    folder = annotated(clip, tmp_path / "out", time_range=time_range)
    assert white_from_s(folder.video) == pytest.approx(EVENT_S - time_range.start_s, abs=1e-3)
    assert tone_from_s(folder.video) == pytest.approx(EVENT_S - time_range.start_s, abs=TOLERANCE_S)
    wanted_s = (time_range.end_s or END_S) - time_range.start_s
    assert ends_s(folder.video) == pytest.approx((wanted_s, wanted_s), abs=3 * TOLERANCE_S)


def test_the_sound_is_in_sync_when_frames_are_left_out(tmp_path: Path) -> None:
    folder = annotated(write_clip(tmp_path / "clip.mp4", "aac"), tmp_path / "out", every=3)
    assert white_from_s(folder.video) == pytest.approx(EVENT_S + 1 / FPS, abs=1e-3)  # frame 51 of those divisible by 3
    assert tone_from_s(folder.video) == pytest.approx(EVENT_S, abs=TOLERANCE_S)


def test_the_sound_is_in_sync_if_the_times_of_the_clip_begin_late(tmp_path: Path) -> None:
    folder = annotated(write_clip(tmp_path / "clip.mkv", "aac", first_s=100.0), tmp_path / "out")
    assert white_from_s(folder.video) == pytest.approx(EVENT_S, abs=1e-3)
    assert tone_from_s(folder.video) == pytest.approx(EVENT_S, abs=TOLERANCE_S)


def test_a_clip_without_sound_has_none(tmp_path: Path) -> None:
    folder = annotated(write_clip(tmp_path / "clip.mp4", None), tmp_path / "out")
    with av.open(str(folder.video)) as video:
        assert len(video.streams.audio) == 0


def test_the_sound_of_a_file_that_is_cut_off_ends_with_it(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.ts", "aac")
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) * 2 // 3])
    folder = annotated(clip, tmp_path / "out")
    last_image_s, last_sound_s = ends_s(folder.video)
    assert 0 < last_sound_s <= last_image_s + 3 * TOLERANCE_S


def test_the_resumed_video_has_its_sound_from_the_start(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", "aac")
    folder = SessionFolder(tmp_path / "out")
    arguments = (str(clip), folder, lambda spec: VideoFileSource(Path(spec)))
    with pytest.raises(RuntimeError):
        annotate(
            *arguments,
            lambda source: fake_engine(FakePipeline(fail_at=60)),
            AnnotateOptions("0.1"),
            SilentListener(),
            JobControl(),
        )
    annotate(
        *arguments,
        lambda source: fake_engine(FakePipeline()),
        AnnotateOptions("0.1", resume=True),
        SilentListener(),
        JobControl(),
    )
    assert white_from_s(folder.video) == pytest.approx(EVENT_S, abs=1e-3)
    assert tone_from_s(folder.video) == pytest.approx(EVENT_S, abs=TOLERANCE_S)
