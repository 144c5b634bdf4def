"""Random access to video frames: each must equal the frame that sequential reading gives."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app.review.clip import ClipReader
from app.session.video import VideoSink
from engine.capture.decoding import decoded
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError
from engine.types import Frame

COUNT = 120
STEADY = [n / 25 for n in range(COUNT)]
#: Steps of 5 to 200 ms, and a gap of four seconds.
VARIABLE = list(itertools.accumulate([0.0] + [0.005 + 0.195 * ((n * 37) % 50) / 49 for n in range(COUNT - 1)]))
VARIABLE[60:] = [time_s + 4.0 for time_s in VARIABLE[60:]]


def image(index: int) -> np.ndarray:
    """(48, 80, 3): eight stripes that encode the index in binary, so that no two frames are alike."""
    bits = [(index >> bit) & 1 for bit in range(8)]
    return np.repeat(np.repeat(np.array(bits, np.uint8)[None] * 200 + 20, 10, 1), 48, 0)[..., None].repeat(3, 2)


def index_of(image: np.ndarray) -> int:
    """The index that `image` encoded."""
    return sum(int(image[24, 10 * bit + 5].mean() > 120) << bit for bit in range(8))


def write(path: Path, times_s: list[float], codec: str = "libx264", tick: int = 90_000, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        # key frames only where requested, however much the frames differ
        options["x264-params" if codec == "libx264" else "sc_threshold"] = ":".join(
            filter(None, (options.get("x264-params"), "scenecut=0" if codec == "libx264" else "1000000000"))
        )
        stream = container.add_stream(codec, options=options)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, tick)
        if codec == "mpeg2video":
            stream.codec_context.framerate = Fraction(25)
        for index, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(image(index), format="rgb24")
            frame.pts, frame.time_base = round(time_s * tick), Fraction(1, tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_through(path: Path) -> list[tuple[float, np.ndarray]]:
    with VideoFileSource(path) as source:
        frames = []
        while (frame := source.read()) is not None:
            assert frame.pts_s is not None
            frames.append((frame.pts_s, frame.image))
    return frames


FORMS = {
    "B-frames, one key frame": ("a.mp4", STEADY, {"g": "250", "bf": "3"}),
    "B-frames, open groups": ("a.mp4", STEADY, {"g": "12", "bf": "3", "x264-params": "open-gop=1:keyint=12"}),
    "variable rate": ("a.mp4", VARIABLE, {"g": "250", "bf": "3"}),
    "variable rate, milliseconds": ("a.mkv", VARIABLE, {"g": "20", "bf": "2", "tick": 1000}),
    "key frames only": ("a.mp4", VARIABLE, {"g": "1"}),
    "transport stream": ("a.ts", STEADY, {"g": "25", "bf": "2"}),
    "MPEG-2": ("a.ts", STEADY, {"codec": "mpeg2video", "tick": 25, "g": "12", "bf": "2"}),
    "MPEG-4 in a transport stream": ("a.ts", STEADY, {"codec": "mpeg4", "tick": 25, "g": "30"}),
    "no index": ("a.avi", STEADY, {"codec": "mpeg4", "tick": 25, "g": "30"}),
    "refreshed bit by bit": ("a.mp4", STEADY, {"g": "30", "x264-params": "intra-refresh=1:keyint=30"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_time_gives_the_same_frame_as_sequential_reading(tmp_path, form):
    name, times_s, options = FORMS[form]
    path = write(tmp_path / name, times_s, **options)
    frames = read_through(path)
    assert len(frames) == COUNT
    order = np.random.default_rng(1).permutation(COUNT)[:40].tolist()
    ways = {"forwards": range(COUNT), "backwards": range(COUNT - 1, -1, -1), "anywhere": order}
    for way, places in ways.items():
        reader = ClipReader(path)
        for place in places:
            pts_s, image = frames[place]
            assert np.array_equal(reader.image_at(round(pts_s, 6)), image), (way, place)
        reader.close()


def test_unreliable_times_after_a_seek_are_not_used(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)  # incompressible: frames fill packets
    path = tmp_path / "a.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", options={"g": "12", "bf": "2", "b": "4000000"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        stream.codec_context.framerate = Fraction(25)
        for index in range(COUNT):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, 3 * index, axis=1).copy(), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = read_through(path)
    monkeypatch.setattr("app.review.clip._NEAR_S", 0.0)  # seek even for short jumps
    reader = ClipReader(path)
    for place in (109, 37, 67, 52, 55, 119, 0, 68, 56):
        assert np.array_equal(reader.image_at(frames[place][0]), frames[place][1]), place
    reader.close()


def test_a_frame_is_shown_until_the_next_starts(tmp_path):
    path = write(tmp_path / "a.mp4", VARIABLE, g="250")
    reader = ClipReader(path)
    pts = [pts_s for pts_s, _ in read_through(path)]
    assert index_of(reader.image_at(pts[59] + 3.9)) == 59  # in the middle of the gap
    for place in (3, 100, 7):
        assert index_of(reader.image_at(pts[place + 1] - 0.002)) == place
    reader.close()


def test_times_outside_the_video_give_the_first_and_last_frame(tmp_path):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY, g="250"))
    for time_s, place in ((-5.0, 0), (1e6, COUNT - 1), (0.0, 0), (5000.0, COUNT - 1), (-0.001, 0)):
        assert index_of(reader.image_at(time_s)) == place
    reader.close()


def test_our_own_videos_match_the_times_of_the_table(tmp_path, monkeypatch):
    sink = VideoSink(tmp_path / "v.mp4", None)
    sink.open()
    times_s = [round(n * 1001 / 30000, 6) for n in range(60)] + [round(3 + n / 7, 6) for n in range(20)]
    for index, time_s in enumerate(times_s):
        sink.write_rows(Frame(image(index), index, time_s, "clip.mp4"), ())
    sink.close(completed=True)
    sink.publish()
    reader = ClipReader(tmp_path / "v.mp4")
    for place in (0, 79, 1, 2, 60, 59, 58, 40, 78):
        assert index_of(reader.image_at(times_s[place])) == place
    reader.close()


@pytest.fixture
def decoded_frames(monkeypatch) -> list[int]:
    """Grows by one for every frame that a reader decodes."""
    count: list[int] = []

    def counted(packet):
        frames = list(decoded(packet) or ())
        count.extend([1] * len(frames))
        return frames

    monkeypatch.setattr("app.review.clip.decoded", counted)
    return count


def test_stepping_back_decodes_nothing_and_stepping_forward_decodes_few_frames(tmp_path, decoded_frames):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY, g="250"))
    reader.image_at(STEADY[60])
    decoded_frames.clear()
    for place in range(59, 20, -1):
        assert index_of(reader.image_at(STEADY[place])) == place
    assert not decoded_frames
    for place in range(21, 70):
        assert index_of(reader.image_at(STEADY[place])) == place
    assert 9 <= len(decoded_frames) <= 20  # frames 61 to 69, and what the decoder returns with them
    reader.close()


def test_the_window_of_decoded_frames_is_bounded(tmp_path, decoded_frames):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY, g="250"))
    reader.image_at(STEADY[100])
    decoded_frames.clear()
    reader.image_at(STEADY[60])
    assert not decoded_frames
    reader.image_at(STEADY[40])  # more than 48 frames back
    assert decoded_frames
    reader.close()


def test_frames_are_upright(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY[:10], g="250")
    turned = tmp_path / "t.mp4"
    raw = path.read_bytes()
    # the display matrix of the track, 16.16 fixed point: replace the identity by a quarter turn
    track = raw.index(b"tkhd")
    at = raw.index(bytes.fromhex("00010000" + "00" * 12 + "00010000" + "00" * 12 + "40000000"), track)
    matrix = bytes.fromhex("000000000001000000000000ffff00000000000000000000000000000000000040000000")
    turned.write_bytes(raw[:at] + matrix + raw[at + 36 :])
    reader = ClipReader(turned)
    assert reader.size == (48, 80)
    frames = read_through(turned)
    for place in (9, 0, 5):
        assert np.array_equal(reader.image_at(frames[place][0]), frames[place][1])
    assert reader.image_at(0.0).shape == (80, 48, 3)
    reader.close()


def test_a_truncated_file_gives_the_frames_it_has(tmp_path):
    path = write(tmp_path / "a.ts", STEADY, g="25", bf="2")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 2 // 3])
    frames = read_through(path)
    reader = ClipReader(path)
    assert np.array_equal(reader.image_at(1e4), frames[-1][1])
    assert np.array_equal(reader.image_at(frames[5][0]), frames[5][1])
    reader.close()


@pytest.mark.parametrize(("raw", "words"), [(b"", "is empty"), (b"no video" * 99, "is no video"), (None, "not exist")])
def test_a_file_without_video_is_reported(tmp_path, raw, words):
    path = tmp_path / "a.mp4"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(SourceError, match=words):
        ClipReader(path)


def test_a_closed_reader_raises(tmp_path):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY[:5]))
    reader.close()
    with pytest.raises(SourceError, match="is closed"):
        reader.image_at(0.0)
