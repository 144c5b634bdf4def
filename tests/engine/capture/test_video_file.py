"""Video files: times, orientation, damage, going on at a frame."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.capture import video_decoder
from engine.capture.source import MAX_SIDE_PX, SourceKind, StreamChoice
from engine.capture.video_decoder import VideoDecoder
from engine.capture.video_file import VideoFileSource
from engine.config import CaptureConfig
from engine.errors import SourceError
from engine.types import Frame, UInt8


def read_all(source: VideoFileSource) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    return frames


def times_of(decoder: VideoDecoder) -> list[float]:
    times = []
    while decoder.read() is not None:
        times.append(decoder.now_s)
    return times


@contextlib.contextmanager
def decoding(path: Path) -> Iterator[VideoDecoder]:
    """Decode in this process, where a test can reach in."""
    decoder = VideoDecoder(path, CaptureConfig())
    yield decoder
    decoder.close()


def test_every_frame_comes_in_order_with_what_the_container_tells(write_clip, pictures):
    with VideoFileSource(write_clip("clip.mp4", pictures)) as source:
        info = source.info
        frames = read_all(source)
        assert source.read() is None
    assert (info.source_id, info.kind, info.is_live) == ("clip.mp4", SourceKind.VIDEO, False)
    assert (info.width_px, info.height_px, info.frame_count) == (96, 64, 50)
    assert info.fps == pytest.approx(25)
    assert info.duration_s == pytest.approx(50 / 25)
    assert [frame.index for frame in frames] == list(range(50))
    assert all(frame.source_id == "clip.mp4" for frame in frames)
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.image.astype(int) - picture).mean() < 12
    assert (source.damaged, source.truncated, source.fault()) == (0, False, None)


@pytest.mark.parametrize("name", ["irregular.mp4", "irregular.mkv"])
def test_irregular_times_are_exact(write_clip, pictures, name):
    times_ms = [0, 40, 55, 200, 201, 1000, 1033, 1500, 4000]
    with VideoFileSource(write_clip(name, pictures[:9], times_ms)) as source:
        frames = read_all(source)
    assert [frame.timestamp_s for frame in frames] == [each / 1000 for each in times_ms]
    assert [frame.pts_s for frame in frames] == [each / 1000 for each in times_ms]


def test_times_count_from_the_first_frame(write_clip, pictures):
    with VideoFileSource(write_clip("late.mkv", pictures[:3], [700, 740, 900])) as source:
        frames = read_all(source)
    assert [frame.pts_s for frame in frames] == [0.7, 0.74, 0.9]
    assert [frame.timestamp_s for frame in frames] == pytest.approx([0, 0.04, 0.2])


def test_frames_without_times_are_spaced_by_the_rate(write_clip, pictures, tmp_path):
    raw = tmp_path / "raw.h264"
    with av.open(str(write_clip("clip.mp4", pictures[:10]))) as clip, av.open(str(raw), "w", format="h264") as out:
        stream = out.add_stream_from_template(clip.streams.video[0])
        to_raw = av.BitStreamFilterContext("h264_mp4toannexb", clip.streams.video[0])
        for packet in clip.demux(video=0):
            for filtered in to_raw.filter(packet if packet.dts is not None else None):
                filtered.stream = stream
                out.mux(filtered)
    with VideoFileSource(raw) as source:
        frames = read_all(source)
        assert source.info.duration_s is None
        assert source.info.frame_count is None
    assert [frame.pts_s for frame in frames] == [None] * 10
    fps = source.info.fps or 25.0  # some encoders name a clock instead of a rate, which is not taken for one
    assert [frame.timestamp_s for frame in frames] == pytest.approx([step / fps for step in range(10)])


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix (a, b, c, d) into the track header of an mp4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the matrix follows 40 bytes of version 0
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # a telephone held upright
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),  # mirrored
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),  # mirrored and turned
    ],
)
def test_the_orientation_that_the_file_asks_for_is_honoured(write_clip, pictures, matrix, upright):
    path = write_clip("clip.mp4", pictures[:3])
    with VideoFileSource(path) as source:
        plain = read_all(source)
    with VideoFileSource(turned(path, matrix)) as source:
        frames = read_all(source)
        expected = upright(plain[0].image)
        assert (source.info.height_px, source.info.width_px) == expected.shape[:2]
    for frame, before in zip(frames, plain, strict=True):
        assert np.array_equal(frame.image, upright(before.image))


def test_wide_pixels_become_square(write_clip, pictures):
    with VideoFileSource(write_clip("wide.mp4", pictures[:2], pixel_aspect=Fraction(4, 3))) as source:
        frame = source.read()
    assert (source.info.width_px, source.info.height_px) == (96 * 4 // 3, 64)
    assert frame is not None
    assert frame.image.shape == (64, 128, 3)


def test_colours_are_those_of_the_matrix_that_the_file_names(shared):
    path = shared / "media" / "pyfeat_mit" / "WolfgangLanger_Pexels.mp4"
    with VideoFileSource(path) as source, av.open(str(path)) as container:
        for reference, _ in zip(container.decode(video=0), range(5), strict=False):
            frame = source.read()
            assert frame is not None
            difference = np.abs(frame.image.astype(int) - reference.to_ndarray(format="rgb24"))
            assert difference.max() <= 2


@pytest.mark.parametrize("target", [0, 1, 13, 49, 50])
def test_going_on_at_a_frame_gives_what_a_full_reading_gives(write_clip, pictures, target):
    path = write_clip("clip.mp4", pictures, [40 * step + step % 3 for step in range(50)])
    with VideoFileSource(path) as source:
        full = read_all(source)[target:]
    with VideoFileSource(path) as source:
        source.skip_to(target)
        rest = read_all(source)
    assert [(frame.index, frame.timestamp_s, frame.pts_s) for frame in rest] == [
        (frame.index, frame.timestamp_s, frame.pts_s) for frame in full
    ]
    assert all(np.array_equal(ours.image, theirs.image) for ours, theirs in zip(rest, full, strict=True))


def test_going_on_behind_the_end_or_backwards_is_refused(write_clip, pictures):
    with VideoFileSource(write_clip("clip.mp4", pictures[:5])) as source:
        source.skip_to(3)
        with pytest.raises(SourceError, match="cannot go back to 2"):
            source.skip_to(2)
        with pytest.raises(SourceError, match="has 5 frames.* 9"):
            source.skip_to(9)


def test_interrupt_ends_the_reading(write_clip, pictures):
    with VideoFileSource(write_clip("clip.mp4", pictures)) as source:
        assert source.read() is not None
        source.interrupt()
        assert source.read() is None
        source.skip_to(40)  # returns at once and complains of nothing
        assert source.read() is None
        assert not source.truncated


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_sound_without_video_is_refused(tmp_path):
    sound_only(tmp_path / "talk.m4a")
    with pytest.raises(SourceError, match=r"talk.m4a holds only sound: give"):
        VideoFileSource(tmp_path / "talk.m4a")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", r"is empty \(0 bytes\): copy it again"),
        ("text.mp4", b"hello\nthis is a letter\n" * 40, "is no video that can be read .*: check"),
        ("letter.nfo", b"hello\nthis is a letter\n" * 40, "is no video of a kind that is read: give"),
        ("zeros.mkv", bytes(5000), "is no video that can be read"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        VideoFileSource(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="nowhere.mp4 does not exist: check the path"):
        VideoFileSource(tmp_path / "nowhere.mp4")


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(SourceError, match="is neither a file nor a folder|is no video|holds no"):
        VideoFileSource(tmp_path)


def test_a_file_with_a_colon_in_its_name_is_a_file(write_clip, pictures):
    with VideoFileSource(write_clip("http:clip.mp4", pictures[:2])) as source:
        assert len(read_all(source)) == 2


def test_a_name_that_is_no_utf8_can_be_written_into_tables(write_clip, pictures, tmp_path):
    clip = write_clip("cafe.mp4", pictures[:2]).rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    with VideoFileSource(clip) as source:
        assert source.info.source_id == "caf\N{REPLACEMENT CHARACTER}.mp4"
        assert {frame.source_id for frame in read_all(source)} == {source.info.source_id}


def test_a_file_without_frames_is_refused(write_clip, pictures):
    path = write_clip("clip.mp4", pictures[:3], options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])  # the header promises what is no longer there
    with pytest.raises(SourceError, match="holds no frame that can be decoded|is no video"):
        VideoFileSource(path)


def test_a_file_that_lost_its_index_is_refused(write_clip, pictures):
    path = write_clip("clip.mp4", pictures)  # the index stands at the end
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="is no video that can be read"):
        VideoFileSource(path)


@pytest.mark.parametrize(("name", "options"), [("cut.mp4", {"movflags": "faststart"}), ("cut.mkv", {})])
def test_a_file_that_was_cut_off_gives_its_beginning_and_says_so(write_clip, pictures, name, options):
    path = write_clip(name, pictures * 3, options=options, gop=1)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 5])
    with VideoFileSource(path) as source:
        frames = read_all(source)
        fault = source.fault()
    assert 5 < len(frames) < 130
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert source.truncated or source.damaged
    assert fault is not None
    assert "damaged or cut off" in fault
    assert "\n" not in fault


def test_a_whole_file_is_called_neither_damaged_nor_cut_off(shared):
    for path in sorted((shared / "media").rglob("*.mkv")) + [shared / "media" / "pyfeat_mit" / "no_face.mp4"]:
        with decoding(path) as decoder:
            decoder.skip_to(20)
            times_of(decoder)
            assert decoder.fault() is None


@pytest.fixture
def sound_clip(write_clip, pictures) -> Path:
    return write_clip("sound.mp4", pictures[:6], options={"movflags": "faststart"})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=64), cut=st.floats(0.2, 1))
def test_a_mangled_file_gives_frames_or_one_clear_error(sound_clip, place, junk, cut):
    path = sound_clip.with_name("mangled.mp4")
    data = bytearray(sound_clip.read_bytes())
    at = int(place * (len(data) - 1))
    data[at : at + len(junk)] = junk
    path.write_bytes(data[: int(cut * len(data))])
    try:
        with decoding(path) as decoder:
            times, shapes = [], set()
            while (picture := decoder.read()) is not None:
                times.append(decoder.now_s)
                shapes.add(decoder.convert(picture).shape)
    except SourceError as error:
        told = str(error)
    else:
        told = ""
        assert times == sorted(times)
        assert shapes == {(decoder.info.height_px, decoder.info.width_px, 3)}
    assert "\n" not in told


def test_a_title_that_is_not_utf8_does_no_harm(write_clip, pictures):
    path = write_clip("clip.mp4", pictures[:2])
    data = path.read_bytes()
    assert b"VideoHandler" in data
    path.write_bytes(data.replace(b"VideoHandler", b"Vid\xe9oHandler"))
    with VideoFileSource(path) as source:
        assert len(read_all(source)) == 2


def test_a_picture_above_the_limit_is_refused(write_clip):
    huge: UInt8 = np.zeros((16, MAX_SIDE_PX + 16, 3), np.uint8)
    with pytest.raises(SourceError, match=f"{MAX_SIDE_PX + 16} x 16 pixels, the limit is {MAX_SIDE_PX}"):
        VideoFileSource(write_clip("huge.mkv", [huge], codec="ffv1"))


@pytest.mark.parametrize("wrong_ms", [0, 30_400, 80])
@pytest.mark.parametrize("place", [5, 8])
def test_one_wrong_time_changes_no_other_and_is_reported(write_clip, pictures, monkeypatch, wrong_ms, place):
    path = write_clip("clip.mkv", pictures[:20])
    right = [0.04 * step for step in range(20)]
    _replace_times(monkeypatch, {place: wrong_ms / 1000})
    with decoding(path) as source:
        times = times_of(source)
        fault = source.fault()
    assert times == pytest.approx(right)
    assert "1 time stamp is out of order" in str(fault)


def test_a_wrong_first_time_does_not_move_the_others(write_clip, pictures, monkeypatch):
    path = write_clip("clip.mkv", pictures[:10])
    _replace_times(monkeypatch, {0: 500.0})
    with decoding(path) as source:
        times = times_of(source)
    assert times == pytest.approx([0.04 * step for step in range(10)])


def test_times_that_begin_anew_continue_after_the_last(write_clip, pictures, monkeypatch):
    path = write_clip("clip.mkv", pictures[:20])
    _replace_times(monkeypatch, {step: 0.04 * (step - 10) for step in range(10, 20)})
    with decoding(path) as source:
        times = times_of(source)
    assert times == pytest.approx([0.04 * step for step in range(20)])


def _replace_times(monkeypatch: pytest.MonkeyPatch, times_s: dict[int, float]) -> None:
    """Make the decoder report other presentation times for some frames."""
    count = iter(range(1000))

    class Retimed:
        def __init__(self, frame: av.VideoFrame) -> None:
            self._frame = frame
            self.time = times_s.get(next(count), frame.time)

        def __getattr__(self, name: str) -> object:
            return getattr(self._frame, name)

    def decoded(packet: av.Packet) -> list[Retimed]:
        return [Retimed(frame) for frame in real(packet) or []]

    real = video_decoder.decoded
    monkeypatch.setattr(video_decoder, "decoded", decoded)


def _raw_stream(path: Path, pictures: list[UInt8], rate: int) -> Path:
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for step, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = step, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("rate", [15, 30, 50])
def test_a_raw_stream_has_the_rate_that_it_names(tmp_path, pictures, rate):
    with VideoFileSource(_raw_stream(tmp_path / "raw.h264", pictures[:12], rate)) as source:
        frames = read_all(source)
        assert source.info.fps == rate
        assert source.fault() is None
    assert [frame.timestamp_s for frame in frames] == pytest.approx([step / rate for step in range(12)])


def test_a_raw_stream_that_names_a_clock_instead_of_a_rate_says_what_is_assumed(tmp_path, pictures):
    with VideoFileSource(_raw_stream(tmp_path / "raw.h264", pictures[:4], 1000)) as source:
        assert [frame.timestamp_s for frame in read_all(source)] == pytest.approx([step / 25 for step in range(4)])
        assert "25 per second are assumed" in str(source.fault())


def test_a_raw_stream_without_a_rate_says_what_is_assumed(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(video_decoder, "_rate", lambda container, stream: None)
    with decoding(_raw_stream(tmp_path / "raw.h264", pictures[:4], 30)) as source:
        times_of(source)
        assert "neither times nor a frame rate: 25 per second are assumed" in str(source.fault())


def test_a_whole_recording_that_begins_at_two_hours_is_not_cut_off(write_clip, pictures):
    start_ms = 7_200_000
    path = write_clip("late.mkv", pictures, [start_ms + 40 * step for step in range(50)])
    with VideoFileSource(path) as source:
        frames = read_all(source)
        assert source.fault() is None
        assert source.info.duration_s == pytest.approx(2.0, abs=0.05)
    assert frames[-1].timestamp_s == pytest.approx(49 * 0.04)
    assert frames[0].pts_s == pytest.approx(7200)


def test_the_stream_flagged_as_default_is_read(tmp_path, pictures):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, size in zip(streams, ((64, 48), (96, 64)), strict=True):
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for picture in pictures[:3]:
            for stream in streams:
                scaled = np.ascontiguousarray(picture[: stream.height, : stream.width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(scaled, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    with VideoFileSource(path) as source:
        assert (source.info.width_px, source.info.height_px) == (96, 64)
        assert source.info.stream == StreamChoice(1, 2, "h264")
        assert len(read_all(source)) == 3


# Jumping, as a viewer does.


@pytest.mark.parametrize("time_s", [0.0, 0.2, 1.0, 1.9])
def test_a_jump_starts_at_the_frame_shown_at_that_time(write_clip, pictures, time_s: float) -> None:
    path = write_clip("clip.mp4", pictures)
    with VideoFileSource(path) as source:
        every = read_all(source)
    wanted = next(frame for frame in every if frame.timestamp_s >= time_s - 1e-6)
    with VideoFileSource(path) as source:
        source.jump_to_time(time_s)
        rest = read_all(source)
    assert rest[0].timestamp_s == pytest.approx(wanted.timestamp_s)
    assert np.abs(rest[0].image.astype(int) - wanted.image).mean() < 1
    assert len(rest) == len(every) - wanted.index
    assert rest[0].index == wanted.index


@pytest.mark.parametrize(("time_s", "first"), [(0.0, 0), (0.2, 5)])
def test_a_jump_in_a_file_that_cannot_be_sought_loses_no_frame(write_clip, pictures, time_s: float, first: int) -> None:
    decoder = VideoDecoder(write_clip("clip.mp4", pictures), CaptureConfig())
    decoder._container = _Unseekable(decoder._container)
    decoder.jump_to_time(time_s)
    assert decoder.upcoming == first
    decoder.read()
    assert decoder.next_index == first + 1
    assert decoder.now_s == pytest.approx(first / 25)
    decoder.close()


class _Unseekable:
    """A container that cannot be sought."""

    def __init__(self, container):
        self._container = container

    def __getattr__(self, name):
        return getattr(self._container, name)

    def seek(self, *where, **options):
        raise av.error.InvalidDataError(1, "cannot be sought")
