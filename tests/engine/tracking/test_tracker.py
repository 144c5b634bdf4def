"""The tracker: when the detector searches which view, with fake networks; and its tracks on the shared clips."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pytest

from engine.capture.synthetic import SyntheticSource
from engine.config import TrackingConfig
from engine.tracking import tracker as tracker_module
from engine.tracking.mesh import FaceRoi, roi_from_mesh
from engine.tracking.tracker import FaceTracker
from engine.tracking.views import BORDERED, STILL_MARGIN, TURNED, WHOLE, View, tile_levels, video_tiles
from engine.types import FaceDetection, FaceTrack, Float32, Frame, TrackState, UInt8

MeshMaker = Callable[..., Float32]
ClipReader = Callable[..., Iterator[Frame]]
FPS = 30
CONFIG = TrackingConfig()


class World:
    """Faces that are there, and networks that see them: id of a face -> mesh, presence, what the detector thinks."""

    def __init__(self) -> None:
        self.meshes: dict[str, Float32] = {}
        self.presence: dict[str, float] = defaultdict(lambda: 0.999999)
        self.score: dict[str, float] = defaultdict(lambda: 0.9)
        self.searches: list[int] = []  # frames in which the detector searched
        self.views: list[View] = []  # what it searched
        self.checks: list[int] = []
        self.twins: list[int] = []  # frames in which the network of the second thread was loaded
        self.shown_in: dict[float, set[str]] = {}  # share of a view -> the faces that the detector finds in it
        self.now = 0

    def __call__(self, *arguments: object, **options: object) -> World:
        return self  # stands for both networks' classes

    def _near(self, roi: FaceRoi) -> str | None:
        for name, mesh in self.meshes.items():
            own = roi_from_mesh(mesh)
            gap = math.hypot(own.centre_x_px - roi.centre_x_px, own.centre_y_px - roi.centre_y_px)
            if gap < 0.3 * roi.side_px and 0.5 < own.side_px / roi.side_px < 2:
                return name
        return None

    def _detection(self, name: str) -> FaceDetection:
        mesh = self.meshes[name]
        landmarks = np.zeros((6, 2), np.float32)
        landmarks[:4] = mesh[[[33, 133], [362, 263], [1, 1], [13, 14]], :2].mean(1)
        box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
        return FaceDetection(box, landmarks, self.score[name])

    def detect(self, image: UInt8, view: View) -> list[FaceDetection]:
        self.searches.append(self.now)
        self.views.append(view)
        shown = self.shown_in.get(view.share, self.meshes)
        return [self._detection(name) for name in self.meshes if self.score[name] >= 0.4 and name in shown]

    def check(self, image: UInt8, roi: FaceRoi, min_score: float, scale: float = 3.0) -> FaceDetection | None:
        self.checks.append(self.now)
        name = self._near(roi)
        return self._detection(name) if name is not None and self.score[name] >= min_score else None

    def locate(self, image: UInt8, roi: FaceRoi) -> tuple[Float32, float]:
        name = self._near(roi)
        return (self.meshes[name], self.presence[name]) if name else (np.zeros((468, 3), np.float32), 0.01)

    def locate_all(self, image: UInt8, rois: Sequence[FaceRoi], together: bool) -> list[tuple[Float32, float]]:
        return [self.locate(image, roi) for roi in rois]

    def load_twin(self) -> None:
        self.twins.append(self.now)

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    fake = World()
    monkeypatch.setattr(tracker_module, "FaceDetector", fake)
    monkeypatch.setattr(tracker_module, "FaceMesh", fake)
    return fake


def _step(tracker: FaceTracker, world: World, index: int, from_file: bool = False) -> tuple[FaceTrack, ...]:
    world.now, time_s = index, index / FPS
    return tracker.track(Frame(ROOM, index, time_s, "fake", time_s if from_file else None))


@pytest.mark.parametrize("from_file", [False, True])
def test_the_network_of_the_second_thread_is_loaded_with_the_first_live_frame(world: World, from_file: bool) -> None:
    tracker = FaceTracker(CONFIG)
    for index in range(3):
        _step(tracker, world, index, from_file)
    assert world.twins == ([] if from_file else [0])


#: Coarse noise.
ROOM: UInt8 = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8).repeat(40, 0).repeat(40, 1)
TILES = video_tiles(640, 480)
SHIFTED = video_tiles(640, 480, shifted=True)


def test_a_camera_starts_with_every_view_in_turn_and_then_searches_an_empty_room_less_often(world: World) -> None:
    tracker = FaceTracker(CONFIG)
    assert [_step(tracker, world, index) for index in range(60)] == [()] * 60
    found = list(zip(world.searches, world.views, strict=True))
    first = [view for frame, view in found if frame <= len(TILES) + 1]
    assert Counter(first)[WHOLE] > 1
    assert set(first) == {WHOLE, BORDERED, *TILES}
    whole = [frame for frame, view in found if view == WHOLE]
    assert whole == list(range(0, 60, 3))
    others = [frame for frame, view in found if view != WHOLE and frame > len(TILES) + 6]
    assert set(np.diff(others).tolist()) <= {6, 7}  # at least 0.2 s apart, not beside a search of the whole image


@pytest.mark.parametrize("fps", [10, 24, 25, 30, 50, 60])
def test_in_an_empty_room_no_new_face_waits_longer_than_a_tenth_of_a_second(
    world: World, make_mesh: MeshMaker, fps: int
) -> None:
    for first in range(1, 14):
        tracker = FaceTracker(CONFIG)
        world.meshes.clear()
        for index in range(first + fps):
            world.now = index
            if index == first:
                world.meshes["ann"] = make_mesh(300, 200)
            if tracker.track(Frame(np.zeros((480, 640, 3), np.uint8), index, index / fps, "fake")):
                break
        assert 0 <= (index - first) / fps <= 0.1 + 1e-9


@pytest.mark.parametrize("size_px", [None, 30, 120])
def test_the_start_of_a_shot_of_a_file_is_searched_in_tiles_unless_large_faces_explain_it(
    world: World, make_mesh: MeshMaker, size_px: float | None
) -> None:
    if size_px:
        world.meshes["ann"] = make_mesh(300, 200, size_px)
    _step(FaceTracker(CONFIG), world, 0, from_file=True)
    assert world.views == [WHOLE, BORDERED, *(() if size_px == 120 else TILES)]


def test_a_camera_starts_without_tiles(world: World) -> None:
    _step(FaceTracker(CONFIG), world, 0)
    assert world.views == [WHOLE, BORDERED]


def test_after_a_cut_a_search_starts_anew(world: World) -> None:
    tracker = FaceTracker(CONFIG)
    shots = [np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640, 3), np.uint8)]
    shots[0][:, :320], shots[1][:240, :] = 255, (200, 40, 40)
    for index in range(6):
        world.now = index
        tracker.track(Frame(shots[index // 3], index, index / FPS, "fake", index / FPS))
    counts = Counter(world.searches)
    assert counts[0] == counts[3] == 2 + len(TILES)
    assert max(counts[index] for index in (1, 2, 4, 5)) <= 1


def test_with_find_small_every_tile_is_searched_within_a_second_and_in_turn_shifted(
    world: World, make_mesh: MeshMaker
) -> None:
    world.meshes["ann"] = make_mesh(300, 200)
    tracker = FaceTracker(dataclasses.replace(CONFIG, find_small=True))
    last: dict[View, int] = {}
    for index in range(90):
        world.views.clear()
        assert len(_step(tracker, world, index)) == 1
        last |= dict.fromkeys(world.views, index)
        if index == 0:
            assert set(last) == {WHOLE, BORDERED, *TILES}
        for tile, shifted in zip(TILES, SHIFTED, strict=True):
            assert index - max(last[tile], last.get(shifted, -1)) <= FPS
            assert index - min(last[tile], last.get(shifted, -1)) <= 2 * FPS


def test_a_tile_in_which_something_changes_is_searched_soon_and_with_it_the_whole_image(
    world: World, make_mesh: MeshMaker
) -> None:
    world.meshes["ann"] = make_mesh(60, 60, 60)
    tracker = FaceTracker(CONFIG)
    for index in range(60):
        _step(tracker, world, index)
    image = ROOM.copy()
    image[360:420, 520:570] = 180
    world.views.clear()
    world.searches.clear()
    for index in range(60, 60 + 2 * 8):  # two searches
        world.now = index
        tracker.track(Frame(image, index, index / FPS, "fake"))
    tiles = [(frame, view.box) for frame, view in zip(world.searches, world.views, strict=True) if view.box is not None]
    frame, box = tiles[0]
    assert box is not None
    assert box[0] < 570 <= box[2] + 50
    assert box[1] < 420 <= box[3] + 60
    assert WHOLE in [view for searched, view in zip(world.searches, world.views, strict=True) if searched == frame]


def test_movements_of_a_known_face_are_no_reason_to_search(world: World, make_mesh: MeshMaker) -> None:
    world.meshes["ann"] = make_mesh(300, 200, 100)
    tracker = FaceTracker(CONFIG)
    image = ROOM.copy()
    for index in range(60):
        world.now = index
        image[150:250, 260:340] = 40 * (index % 6)
        tracker.track(Frame(image.copy(), index, index / FPS, "fake"))
    assert max(Counter(frame for frame in world.searches if frame).values()) <= 2  # the image and a tile


def test_a_face_that_fills_the_image_is_found_in_the_view_with_a_border(world: World, make_mesh: MeshMaker) -> None:
    world.meshes["ann"] = make_mesh(320, 240, 440)
    world.shown_in = {WHOLE.share: set(), BORDERED.share: {"ann"}}
    tracker = FaceTracker(CONFIG)
    counts = [len(_step(tracker, world, index)) for index in range(10)]
    assert counts == [1] * 10


def test_a_still_is_searched_in_all_views_and_turned_if_empty(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(dataclasses.replace(CONFIG, confirm_s=0.0), still=True)
    assert _step(tracker, world, 0) == ()
    tiles = list(itertools.chain.from_iterable(tile_levels(640, 480, STILL_MARGIN)))
    assert world.views == [WHOLE, BORDERED, *tiles, *TURNED]
    world.views.clear()
    world.meshes["ann"] = make_mesh(300, 200)
    assert len(_step(tracker, world, 1)) == 1
    assert world.views == [WHOLE, BORDERED, *tiles]


def test_a_followed_face_is_searched_for_only_now_and_then(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes["ann"] = make_mesh(300, 200)
    for index in range(60):
        assert len(_step(tracker, world, index)) == 1
    assert world.searches[:2] == [0, 0]
    gaps = np.diff(world.searches[1:])
    frames = round(CONFIG.detect_every_s * FPS)
    assert set(gaps.tolist()) <= {0, frames, frames + 1}  # times are sums of thirtieths
    # until every tile was searched, one lies beside each search of the whole image
    assert world.views[2:8] == [BORDERED, WHOLE, TILES[0], TILES[1], WHOLE, TILES[2]]
    assert len(world.checks) == 2  # to prove the new face, and to confirm it


def test_before_a_moving_camera_each_search_covers_the_whole_image(world: World, make_mesh: MeshMaker) -> None:
    """Everything changes, so changes do not give a second face away, and it must not wait for the search after next."""
    tracker = FaceTracker(CONFIG)
    world.meshes["ann"] = make_mesh(150, 200)
    for index in range(240):
        world.now = index
        image = np.ascontiguousarray(np.roll(ROOM, 8 * (index % 3), axis=1))
        assert len(tracker.track(Frame(image, index, index / FPS, "fake"))) == 1
    views: dict[int, list[View]] = defaultdict(list)
    for frame, view in zip(world.searches, world.views, strict=True):
        views[frame].append(view)
    later = {frame: found for frame, found in views.items() if frame >= 160}  # all parts were searched once
    assert len(later) == 80 // math.ceil(CONFIG.detect_every_s * FPS)
    assert all(WHOLE in found and len(found) <= 2 for found in later.values())


def test_a_second_face_that_comes_in_is_found_at_the_next_search(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes["ann"] = make_mesh(150, 200)
    for index in range(5):
        _step(tracker, world, index)
    world.meshes["bob"] = make_mesh(450, 200)
    image = ROOM.copy()
    image[140:260, 390:510] = 200
    counts = []
    for index in range(5, 20):
        world.now = index
        counts.append(len(tracker.track(Frame(image, index, index / FPS, "fake"))))
    assert counts.index(2) + 5 == math.ceil(CONFIG.detect_every_s * FPS)


def test_a_lost_face_is_searched_for_at_once_and_in_every_frame(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes["ann"] = make_mesh(300, 200)
    for index in range(10):
        _step(tracker, world, index)
    world.meshes.clear()
    world.searches.clear()
    for index in range(10, 20):
        assert _step(tracker, world, index) == ()
    world.meshes["ann"] = make_mesh(340, 200)
    back = _step(tracker, world, 20)
    assert sorted(set(world.searches)) == list(range(10, 21))
    assert [(track.track_id, track.state) for track in back] == [(1, TrackState.CONFIRMED)]


@pytest.mark.parametrize(
    ("score", "presence", "is_face"),
    [(0.45, 0.9997, False), (0.9, 0.9997, True), (0.45, 0.99999, True), (0.9, 0.9, False)],
)
def test_detector_and_mesh_make_up_for_each_other_but_not_for_both(
    world: World, make_mesh: MeshMaker, score: float, presence: float, is_face: bool
) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes["it"] = make_mesh(300, 200)
    world.score["it"], world.presence["it"] = score, presence
    assert [len(_step(tracker, world, index)) for index in range(3)] == [int(is_face)] * 3


def test_a_large_face_that_the_mesh_denies_is_no_face(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes["cloud"] = make_mesh(300, 200, 100)
    world.presence["cloud"] = 0.1
    assert [_step(tracker, world, index) for index in range(20)] == [()] * 20


def test_a_small_face_that_the_mesh_denies_is_followed_by_the_detector(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.presence["far"] = 0.1
    for index in range(40):
        world.meshes["far"] = make_mesh(300 - index, 200, 25)
        tracks = _step(tracker, world, index)
        assert [track.track_id for track in tracks] == [1]
    assert tracks[0].state is TrackState.CONFIRMED
    assert tracks[0].score == 0.1


def test_a_track_that_only_the_mesh_believes_in_is_given_up(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes["ann"] = make_mesh(300, 200)
    for index in range(15):
        _step(tracker, world, index)
    world.presence["ann"] = 0.7
    world.score["ann"] = 0.0
    ended = next(index for index in range(15, 100) if not _step(tracker, world, index))
    assert ended / FPS <= 15 / FPS + 4 * CONFIG.detect_every_s + 1 / FPS  # every second search judges it


def test_a_fast_face_is_followed_where_it_is_heading(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    for index in range(20):  # speeds up to more than half its width per frame
        world.meshes["ann"] = make_mesh(60 + 1.6 * index**2 if index < 15 else 420 + 46 * (index - 15), 200, 80)
        assert [track.track_id for track in _step(tracker, world, index)] == [1]
    assert set(world.searches) == set(range(0, 20, math.ceil(CONFIG.detect_every_s * 30)))


def test_the_detector_agrees_with_both_of_two_faces_side_by_side(world: World, make_mesh: MeshMaker) -> None:
    tracker = FaceTracker(CONFIG)
    world.meshes |= {"ann": make_mesh(250, 200), "bob": make_mesh(360, 200)}
    for index in range(60):
        tracks = _step(tracker, world, index)
    assert [track.state for track in tracks] == [TrackState.CONFIRMED] * 2
    assert len(world.checks) == 4


def test_snapshot_and_restore_give_the_same_tracks_and_searches(world: World, make_mesh: MeshMaker) -> None:
    def play(tracker: FaceTracker, frames: Iterable[int]) -> list[tuple[int, str, list[float], float]]:
        told = []
        for index in frames:
            world.meshes["ann"] = make_mesh(200 + 3.3 * index, 200)
            for track in _step(tracker, world, index):
                told.append((track.track_id, track.state.value, track.box.tolist(), track.age_s))
        return told

    whole = FaceTracker(CONFIG)
    before = play(whole, range(17))
    text = whole.snapshot()
    world.searches.clear()
    after, searches = play(whole, range(17, 40)), list(world.searches)
    world.searches.clear()
    resumed = FaceTracker(CONFIG)
    resumed.restore(text)
    assert play(resumed, range(17, 40)) == after
    assert world.searches == searches
    assert before
    assert resumed.snapshot() == whole.snapshot()


_DAMAGES: tuple[tuple[tuple[str, ...], object], ...] = (
    (("whole_s",), "0"),
    (("whole_s",), None),
    (("now_s",), -1e300),
    (("detected_s",), True),
    (("turn_s",), [1.0]),
    (("searches",), 1.5),
    (("first_left",), -1),
    (("left_out",), "many"),
    (("book",), {}),
    (("turns",), []),
    (("turns", "waited"), "12"),
    (("turns", "waited"), [0]),
    (("turns", "shifted"), [1, 0]),
    (("turns", "searched"), [2, 2, "AAAA"]),
    (("turns", "searched"), [-1, 1, "AAAA"]),
    (("turns", "searched"), [36, 64]),
    (("cuts", "before"), "no base64"),
    (("cuts", "before"), "AAAA"),
    (("cuts", "changes"), ["0.1"]),
    (("cuts", "changes"), 3),
)


@pytest.mark.parametrize(("place", "value"), _DAMAGES, ids=[f"{place[-1]}={value}" for place, value in _DAMAGES])
def test_a_damaged_state_is_refused(world: World, make_mesh: MeshMaker, place: tuple[str, ...], value: object) -> None:
    world.meshes["ann"] = make_mesh(300, 200)
    tracker = FaceTracker(CONFIG)
    for index in range(3):
        _step(tracker, world, index)
    state = json.loads(tracker.snapshot())
    part = state
    for name in place[:-1]:
        part = part[name]
    assert place[-1] in part
    part[place[-1]] = value
    with pytest.raises((TypeError, ValueError)):
        FaceTracker(CONFIG).restore(json.dumps(state))
    del part[place[-1]]
    with pytest.raises((TypeError, ValueError)):
        FaceTracker(CONFIG).restore(json.dumps(state))


def test_faces_beyond_the_limit_are_counted(world: World, make_mesh: MeshMaker) -> None:
    world.meshes = {str(place): make_mesh(60 + 100 * place, 200, 60) for place in range(6)}
    tracker = FaceTracker(dataclasses.replace(CONFIG, max_faces=4))
    for index in range(30):
        assert len(_step(tracker, world, index)) == 4
        assert tracker.left_out == 2
    del world.meshes["5"], world.meshes["4"]
    for index in range(30, 60):
        _step(tracker, world, index)
    assert tracker.left_out == 0


def test_a_single_picture_gives_a_confirmed_face_when_no_time_is_asked_for(world: World, make_mesh: MeshMaker) -> None:
    world.meshes["ann"] = make_mesh(300, 200)
    tracks = _step(FaceTracker(TrackingConfig(confirm_s=0.0)), world, 0)
    assert [track.state for track in tracks] == [TrackState.CONFIRMED]


# The shared clips.


@pytest.mark.usefixtures("face_models")
def test_at_a_cut_every_track_ends_and_the_next_person_has_another_id(read_clip: ClipReader) -> None:
    shots = [list(read_clip(f"ccby_intel/{name}.mkv", limit=20)) for name in ("yes", "thanks")]
    tracker = FaceTracker(CONFIG)
    ids, cuts = [], []
    for index, frame in enumerate(itertools.chain(*shots)):
        tracks = tracker.track(Frame(frame.image, index, index / FPS, "two shots"))
        ids.append([track.track_id for track in tracks])
        cuts.append(tracker.cut)
    assert [index for index, cut in enumerate(cuts) if cut] == [20]
    assert ids == [[1]] * 20 + [[2]] * 20


LIFE_OF_A_FALSE_FACE_S = 0.3


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize(("clip", "step"), [("pyfeat_mit/no_face.mp4", 1), ("ccby_intel/car-detection.mp4", 2)])
def test_no_false_face_lives(read_clip: ClipReader, clip: str, step: int) -> None:
    tracker, seen_s = FaceTracker(CONFIG), defaultdict(list)
    for frame in read_clip(clip, step=step):
        for track in tracker.track(frame):
            if track.state is TrackState.CONFIRMED:
                seen_s[track.track_id].append(frame.timestamp_s)
    assert all(times[-1] - times[0] <= LIFE_OF_A_FALSE_FACE_S for times in seen_s.values())


@pytest.mark.usefixtures("face_models")
def test_both_walking_people_keep_one_id_each(read_clip: ClipReader) -> None:
    tracker = FaceTracker(CONFIG)
    sides: dict[int, set[bool]] = defaultdict(set)
    frames: Counter[int] = Counter()
    for frame in read_clip("ccby_intel/face-demographics-walking.gif"):
        for track in tracker.track(frame):
            if track.state is TrackState.CONFIRMED:
                sides[track.track_id].add(bool(track.box[0] > 270))  # she walks on the left, he on the right
                frames[track.track_id] += 1
    assert sorted(sides.values(), key=str) == [{False}, {True}]
    assert min(frames.values()) >= 10  # of 35, at 12 frames per second; she is 18 pixels wide when the clip begins


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize(("clip", "people"), [("female", 1), ("female-and-male", 2)])
def test_turning_and_tilting_heads_keep_their_ids(read_clip: ClipReader, clip: str, people: int) -> None:
    tracker = FaceTracker(CONFIG)
    for frame in read_clip(f"ccby_intel/head-pose-face-detection-{clip}.gif"):
        tracks = tracker.track(frame)
        assert sorted(track.track_id for track in tracks) == list(range(1, people + 1))


@pytest.mark.usefixtures("face_models")
def test_yaw_follows_the_head_from_left_to_right_and_back(read_clip: ClipReader) -> None:
    tracker = FaceTracker(CONFIG)
    clip = read_clip("ccby_intel/head-pose-face-detection-female.gif")
    yaw = [tracker.track(frame)[0].pose.yaw_deg for frame in clip]
    assert -65 < min(yaw[:5]) < -35  # to the left edge of the picture
    assert abs(yaw[9]) < 8  # into the camera
    assert 20 < max(yaw[10:16]) < 50  # to the right edge
    assert yaw[-1] < -10


@pytest.mark.usefixtures("face_models")
def test_both_heads_that_tilt_to_the_left_have_negative_roll(read_clip: ClipReader) -> None:
    tracker = FaceTracker(CONFIG)
    for frame in read_clip("ccby_intel/head-pose-face-detection-female-and-male.gif", limit=20):
        tracks = tracker.track(frame)
    assert all(-60 < track.pose.roll_deg < -25 for track in tracks)


@pytest.mark.usefixtures("face_models")
def test_a_resumed_tracker_tells_the_same_of_a_real_clip(read_clip: ClipReader) -> None:
    frames = list(read_clip("pyfeat_mit/single_face.mp4", limit=30))
    whole = FaceTracker(CONFIG)
    for frame in frames[:13]:
        whole.track(frame)
    resumed = FaceTracker(CONFIG)
    resumed.restore(whole.snapshot())
    for frame in frames[13:]:
        (one,), (other,) = whole.track(frame), resumed.track(frame)
        assert one.track_id == other.track_id
        np.testing.assert_array_equal(one.mesh, other.mesh)


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("frames", [31, 61])
def test_two_real_faces_that_cross_keep_their_ids(read_clip: ClipReader, frames: int) -> None:
    near = next(read_clip("ccby_intel/yes.mkv")).image[20:260, 210:430]
    far = next(read_clip("pyfeat_mit/WolfgangLanger_Pexels.mp4")).image[::2, ::2][:, 120:310]
    tracker = FaceTracker(CONFIG)
    last: dict[int, float] = {}
    first: dict[int, float] = {}
    for index in range(frames):
        share = index / (frames - 1)
        picture = np.full((300, 720, 3), 120, np.uint8)
        for patch, x in ((far, 600 - 480 * share), (near, 120 + 480 * share)):
            left = round(x) - patch.shape[1] // 2
            picture[30 : 30 + patch.shape[0], left : left + patch.shape[1]] = patch
        tracks = tracker.track(Frame(picture, index, index / FPS, "crossing"))
        last = {track.track_id: float(track.box[[0, 2]].mean()) for track in tracks}
        first = first or last
    assert set(first) == set(last) == {1, 2}
    assert all((first[track_id] < 360) == (last[track_id] > 360) for track_id in (1, 2))


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("mirrored", [False, True])
def test_faces_of_the_demo_keep_their_ids_when_one_passes_in_front_of_the_other(mirrored: bool) -> None:
    """The copy that passes hides the other for about a third of a second."""
    tracker, source = FaceTracker(CONFIG), SyntheticSource()
    places: dict[int, list[float]] = {}
    for index in range(150, 193):
        image = source.draw(index)
        frame = Frame(np.ascontiguousarray(image[:, ::-1]) if mirrored else image, index, index / 25, "demo")
        for track in tracker.track(frame):
            x = float(track.box[[0, 2]].mean())
            places.setdefault(track.track_id, []).append(640 - x if mirrored else x)
    tracker.close()
    assert sorted(places) == [1, 2]
    assert places[1][0] < places[1][-1]  # the first moves right,
    assert places[2][0] > 400 > 150 > places[2][-1]  # the second left, in front of it
    assert max(abs(step) for each in places.values() for step in np.diff(each)) < 110  # no jump to the other face
