"""Pictures of a file at any time: each must be the one that reading the file from its beginning gives."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app.review.clip import ClipReader
from app.session.video import VideoSink
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError
from engine.types import Frame

COUNT = 120
STEADY = [n / 25 for n in range(COUNT)]
#: Steps between 5 and 200 ms, and a gap of four seconds.
VARIABLE = list(itertools.accumulate([0.0] + [0.005 + 0.195 * ((n * 37) % 50) / 49 for n in range(COUNT - 1)]))
VARIABLE[60:] = [time_s + 4.0 for time_s in VARIABLE[60:]]


def picture(index: int) -> np.ndarray:
    """(48, 80, 3): eight stripes that write the index in binary, so that no two pictures are alike."""
    bits = [(index >> bit) & 1 for bit in range(8)]
    return np.repeat(np.repeat(np.array(bits, np.uint8)[None] * 200 + 20, 10, 1), 48, 0)[..., None].repeat(3, 2)


def number(image: np.ndarray) -> int:
    """The index that `picture` wrote."""
    return sum(int(image[24, 10 * bit + 5].mean() > 120) << bit for bit in range(8))


def write(path: Path, times_s: list[float], codec: str = "libx264", tick: int = 90_000, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        # key pictures only where they are asked for, however much the pictures change
        options["x264-params" if codec == "libx264" else "sc_threshold"] = ":".join(
            filter(None, (options.get("x264-params"), "scenecut=0" if codec == "libx264" else "1000000000"))
        )
        stream = container.add_stream(codec, options=options)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, tick)
        if codec == "mpeg2video":
            stream.codec_context.framerate = Fraction(25)
        for index, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = round(time_s * tick), Fraction(1, tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_through(path: Path) -> list[tuple[float, np.ndarray]]:
    with VideoFileSource(path) as source:
        pictures = []
        while (frame := source.read()) is not None:
            assert frame.pts_s is not None
            pictures.append((frame.pts_s, frame.image))
    return pictures


FORMS = {
    "B-pictures, one key picture": ("a.mp4", STEADY, {"g": "250", "bf": "3"}),
    "B-pictures, open groups": ("a.mp4", STEADY, {"g": "12", "bf": "3", "x264-params": "open-gop=1:keyint=12"}),
    "variable rate": ("a.mp4", VARIABLE, {"g": "250", "bf": "3"}),
    "variable rate, milliseconds": ("a.mkv", VARIABLE, {"g": "20", "bf": "2", "tick": 1000}),
    "key pictures only": ("a.mp4", VARIABLE, {"g": "1"}),
    "transport stream": ("a.ts", STEADY, {"g": "25", "bf": "2"}),
    "MPEG-2": ("a.ts", STEADY, {"codec": "mpeg2video", "tick": 25, "g": "12", "bf": "2"}),
    "MPEG-4 in a transport stream": ("a.ts", STEADY, {"codec": "mpeg4", "tick": 25, "g": "30"}),
    "no index": ("a.avi", STEADY, {"codec": "mpeg4", "tick": 25, "g": "30"}),
    "refreshed bit by bit": ("a.mp4", STEADY, {"g": "30", "x264-params": "intra-refresh=1:keyint=30"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_time_gives_the_picture_that_reading_through_gives(tmp_path, form):
    name, times_s, options = FORMS[form]
    path = write(tmp_path / name, times_s, **options)
    pictures = read_through(path)
    assert len(pictures) == COUNT
    order = np.random.default_rng(1).permutation(COUNT)[:40].tolist()
    ways = {"forwards": range(COUNT), "backwards": range(COUNT - 1, -1, -1), "anywhere": order}
    for way, places in ways.items():
        reader = ClipReader(path)
        for place in places:
            pts_s, image = pictures[place]
            assert np.array_equal(reader.image_at(round(pts_s, 6)), image), (way, place)
        reader.close()


def test_times_that_are_guessed_behind_a_jump_are_not_taken(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)  # pictures that fill packets
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
    pictures = read_through(path)
    reader = ClipReader(path)
    for place in (109, 37, 67, 52, 55, 119, 0, 68, 56):
        reader._jump(pictures[place][0])
        assert np.array_equal(reader.image_at(pictures[place][0]), pictures[place][1]), place
    reader.close()


def test_picture_stays_until_the_next_begins(tmp_path):
    path = write(tmp_path / "a.mp4", VARIABLE, g="250")
    reader = ClipReader(path)
    pts = [pts_s for pts_s, _ in read_through(path)]
    assert number(reader.image_at(pts[59] + 3.9)) == 59  # in the middle of the gap
    for place in (3, 100, 7):
        assert number(reader.image_at(pts[place + 1] - 0.002)) == place
    reader.close()


def test_times_outside_give_the_first_and_the_last_picture(tmp_path):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY, g="250"))
    for time_s, place in ((-5.0, 0), (1e6, COUNT - 1), (0.0, 0), (5000.0, COUNT - 1), (-0.001, 0)):
        assert number(reader.image_at(time_s)) == place
    reader.close()


def test_our_own_videos_answer_to_the_times_of_the_table(tmp_path, monkeypatch):
    sink = VideoSink(tmp_path / "v.mp4", None)
    sink.open()
    times_s = [round(n * 1001 / 30000, 6) for n in range(60)] + [round(3 + n / 7, 6) for n in range(20)]
    for index, time_s in enumerate(times_s):
        sink.write_rows(Frame(picture(index), index, time_s, "made"), ())
    sink.close(completed=True)
    sink.publish()
    reader = ClipReader(tmp_path / "v.mp4")
    for place in (0, 79, 1, 2, 60, 59, 58, 40, 78):
        assert number(reader.image_at(times_s[place])) == place
    reader.close()


def test_steps_back_decode_nothing_within_the_run_and_one_step_forward_decodes_one(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY, g="250")
    reader = ClipReader(path)
    reader.image_at(STEADY[60])
    pulls = []
    pull = reader._pull
    reader._pull = lambda: pulls.append(1) or pull()
    for place in range(59, 20, -1):
        assert number(reader.image_at(STEADY[place])) == place
    assert not pulls
    reader.image_at(STEADY[61])
    assert len(pulls) == 1
    reader.close()


def test_run_stays_short_whatever_the_way(tmp_path):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY, g="250"))
    for time_s in (4.5, 0.1, 3.9, 0.0):
        reader.image_at(time_s)
        assert len(reader._run) == len(reader._times) <= 48
    reader.close()


def test_pictures_stand_upright(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY[:10], g="250")
    turned = tmp_path / "t.mp4"
    raw = path.read_bytes()
    # the display matrix of the track: a quarter turn in place of the identity, 16.16 fixed point
    track = raw.index(b"tkhd")
    at = raw.index(bytes.fromhex("00010000" + "00" * 12 + "00010000" + "00" * 12 + "40000000"), track)
    matrix = bytes.fromhex("000000000001000000000000ffff00000000000000000000000000000000000040000000")
    turned.write_bytes(raw[:at] + matrix + raw[at + 36 :])
    reader = ClipReader(turned)
    assert reader.size == (48, 80)
    pictures = read_through(turned)
    for place in (9, 0, 5):
        assert np.array_equal(reader.image_at(pictures[place][0]), pictures[place][1])
    assert reader.image_at(0.0).shape == (80, 48, 3)
    reader.close()


def test_file_cut_off_gives_what_there_is(tmp_path):
    path = write(tmp_path / "a.ts", STEADY, g="25", bf="2")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 2 // 3])
    pictures = read_through(path)
    reader = ClipReader(path)
    assert np.array_equal(reader.image_at(1e4), pictures[-1][1])
    assert np.array_equal(reader.image_at(pictures[5][0]), pictures[5][1])
    reader.close()


@pytest.mark.parametrize(("raw", "words"), [(b"", "is empty"), (b"no video" * 99, "is no video"), (None, "not exist")])
def test_what_is_no_video_is_told(tmp_path, raw, words):
    path = tmp_path / "a.mp4"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(SourceError, match=words):
        ClipReader(path)


def test_closed_reader_says_so(tmp_path):
    reader = ClipReader(write(tmp_path / "a.mp4", STEADY[:5]))
    reader.close()
    with pytest.raises(SourceError, match="was closed"):
        reader.image_at(0.0)
