"""Ids over time: made-up faces in, tracks out, no network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrackingConfig
from engine.tracking.evidence import Evidence
from engine.tracking.mesh import roi_from_mesh
from engine.tracking.track_book import Sighting, TrackBook
from engine.types import FaceTrack, Float32, Frame, TrackState

MeshMaker = Callable[..., Float32]
FPS = 30
CONFIG = TrackingConfig()


def _frame(index: int) -> Frame:
    return Frame(np.zeros((480, 640, 3), np.uint8), index, index / FPS, "made up")


def _frame_at(time_s: float) -> Frame:
    return Frame(np.zeros((480, 640, 3), np.uint8), 0, time_s, "made up")


def _seen(mesh: Float32, presence: float = 0.999999, detection: float | None = 0.9) -> Sighting:
    evidence = None if detection is None else Evidence(presence, detection, 0.03 if detection else math.inf).value
    return Sighting(mesh, roi_from_mesh(mesh), presence, detection, evidence)


def _ids(tracks: Sequence[FaceTrack]) -> list[int]:
    return [track.track_id for track in tracks]


def _confirmed_book(meshes: Sequence[Float32], frames: int = 10, config: TrackingConfig = CONFIG) -> TrackBook:
    """A book that has seen these faces, resting, for some frames from time 0 on."""
    book = TrackBook(config)
    for index in range(frames):
        tracks = book.update(_frame(index), [_seen(mesh) for mesh in meshes])
    assert {track.state for track in tracks} <= {TrackState.CONFIRMED}
    return book


def test_a_face_is_tentative_until_it_lasted(make_mesh: MeshMaker) -> None:
    book = TrackBook(CONFIG)
    states = [book.update(_frame(index), [_seen(make_mesh(300, 200))])[0] for index in range(10)]
    for track in states:
        wanted = TrackState.CONFIRMED if track.age_s >= CONFIG.confirm_s else TrackState.TENTATIVE
        assert track.state is wanted
    assert states[-1].age_s == pytest.approx(9 / FPS)
    assert states[-1].state is TrackState.CONFIRMED


@pytest.mark.parametrize("fps", [0.6, 1.0, 4.0, 6.0])
def test_slow_videos_have_tracks_with_one_id(make_mesh: MeshMaker, fps: float) -> None:
    book = TrackBook(CONFIG)
    tracks = [book.update(_frame_at(index / fps), [_seen(make_mesh(300, 200))])[0] for index in range(5)]
    assert {track.track_id for track in tracks} == {1}
    assert [track.state for track in tracks] == [TrackState.TENTATIVE, *(4 * [TrackState.CONFIRMED])]


def test_a_face_after_a_long_gap_is_someone_new(make_mesh: MeshMaker) -> None:
    book = _confirmed_book([make_mesh(300, 200)])
    assert _ids(book.update(_frame_at(9 / FPS + 2.5), [_seen(make_mesh(300, 200))])) == [2]


def test_a_face_in_a_single_picture_is_confirmed_at_once_when_no_time_is_asked_for(make_mesh: MeshMaker) -> None:
    book = TrackBook(TrackingConfig(confirm_s=0.0))
    assert book.update(_frame(0), [_seen(make_mesh(300, 200))])[0].state is TrackState.CONFIRMED


def test_a_mesh_that_flickers_is_never_confirmed(make_mesh: MeshMaker) -> None:
    book = TrackBook(CONFIG)
    for index in range(60):
        presence, detection = (0.9 if index % 2 else 0.5), (0.9 if index in (0, 6) else None)
        tracks = book.update(_frame(index), [_seen(make_mesh(300, 200), presence, detection)])
        assert [track.state for track in tracks] == [TrackState.TENTATIVE]


def test_a_mesh_that_the_detector_never_saw_again_is_not_confirmed(make_mesh: MeshMaker) -> None:
    book = TrackBook(CONFIG)
    for index in range(60):
        tracks = book.update(_frame(index), [_seen(make_mesh(300, 200), 0.99, 0.9 if index == 0 else None)])
        assert tracks[0].state is TrackState.TENTATIVE


def test_a_mesh_without_a_detection_starts_no_track(make_mesh: MeshMaker) -> None:
    book = TrackBook(CONFIG)
    assert book.update(_frame(0), [_seen(make_mesh(300, 200), 0.99, None)]) == ()
    assert book.update(_frame(1), [_seen(make_mesh(300, 200), 0.99, 0.0)]) == ()


def test_a_new_face_does_not_lie_on_half_of_another(make_mesh: MeshMaker) -> None:
    face, beside, apart = make_mesh(300, 200, 100), make_mesh(350, 200, 100), make_mesh(410, 200, 100)
    book = TrackBook(CONFIG)
    assert len(book.update(_frame(0), [_seen(beside, 0.99), _seen(face, 0.9999), _seen(apart)])) == 2
    book = _confirmed_book([face])
    assert _ids(book.update(_frame(10), [_seen(face), _seen(beside, 0.99999), _seen(apart)])) == [1, 2]


def test_two_denials_end_a_doubtful_face_but_not_a_certain_one(make_mesh: MeshMaker) -> None:
    for presence, stays in ((0.85, False), (0.999, True)):
        book = TrackBook(CONFIG)
        for index in range(10):
            book.update(_frame(index), [_seen(make_mesh(300, 200), presence)])
        book.update(_frame(10), [_seen(make_mesh(300, 200), presence, 0.0)])
        tracks = book.update(_frame(11), [_seen(make_mesh(300, 200), presence, 0.0)])
        assert bool(tracks) is stays


def test_a_small_face_is_confirmed_by_the_detector_alone_if_it_is_sure(make_mesh: MeshMaker) -> None:
    for score, confirmed in ((0.75, True), (0.5, False)):
        book = TrackBook(CONFIG)
        for index in range(30):
            tracks = book.update(_frame(index), [_seen(make_mesh(300, 200, 20), 0.05, score)])
            if tracks[0].age_s < 2 * CONFIG.confirm_s:
                assert tracks[0].state is TrackState.TENTATIVE
        assert (tracks[0].state is TrackState.CONFIRMED) is confirmed


def test_a_face_that_is_gone_briefly_comes_back_under_its_id(make_mesh: MeshMaker) -> None:
    book = _confirmed_book([make_mesh(300, 200)])
    for index in range(10, 25):
        assert book.update(_frame(index), []) == ()
    back = book.update(_frame(25), [_seen(make_mesh(330, 205))])
    assert _ids(back) == [1]
    assert back[0].state is TrackState.CONFIRMED
    assert back[0].age_s == pytest.approx(25 / FPS)


def test_a_face_that_is_gone_for_long_is_someone_new(make_mesh: MeshMaker) -> None:
    book = _confirmed_book([make_mesh(300, 200)])
    assert book.update(_frame(10), []) == ()
    late = 10 + round(CONFIG.keep_lost_s * FPS)
    assert _ids(book.update(_frame(late), [_seen(make_mesh(300, 200))])) == [2]


def test_a_lost_face_elsewhere_is_someone_new(make_mesh: MeshMaker) -> None:
    book = _confirmed_book([make_mesh(100, 200)])
    book.update(_frame(10), [])
    assert _ids(book.update(_frame(11), [_seen(make_mesh(500, 200))])) == [2]


def _cross(book: TrackBook, make_mesh: MeshMaker, frames: int, back_size_px: float) -> list[dict[int, float]]:
    """A near face walks right and a far one left, behind it; x of each id per frame."""
    paths = []
    for index in range(frames):
        share = index / (frames - 1)
        near, far = make_mesh(120 + 400 * share, 200, 110), make_mesh(520 - 400 * share, 195, back_size_px)
        hidden = abs(400 - 800 * share) < 70
        sightings = [_seen(near), _seen(near, 0.97)] if hidden else [_seen(far), _seen(near)]
        tracks = book.update(_frame(index), sightings)
        paths.append({track.track_id: float(track.box[[0, 2]].mean()) for track in tracks})
    return paths


@pytest.mark.parametrize("frames", [31, 61, 91])
@pytest.mark.parametrize("back_size_px", [80.0, 110.0, 125.0])
def test_ids_survive_crossing(make_mesh: MeshMaker, frames: int, back_size_px: float) -> None:
    paths = _cross(TrackBook(CONFIG), make_mesh, frames, back_size_px)
    right = next(track_id for track_id, x in paths[0].items() if x < 320)
    left = next(track_id for track_id, x in paths[0].items() if x > 320)
    assert {track_id for path in paths for track_id in path} == {left, right}
    assert paths[-1][right] > 320 > paths[-1][left]
    assert [path[right] for path in paths] == sorted(path[right] for path in paths)


def test_the_id_stays_with_the_face_even_if_the_mesh_of_the_hidden_one_slips_onto_it(make_mesh: MeshMaker) -> None:
    # Both networks' meshes lie on the front face: one sighting counts, and it belongs to the front face.
    paths = _cross(TrackBook(CONFIG), make_mesh, 61, 100.0)
    assert {len(path) for path in paths} == {1, 2}


def test_two_tracks_that_end_on_one_face_are_merged_and_the_older_id_wins(make_mesh: MeshMaker) -> None:
    book = TrackBook(CONFIG)
    for index in range(20):  # two meshes of one face that was taken for two, drawing together
        apart = 60 - 3 * index
        meshes = [make_mesh(300 - apart / 2, 200), make_mesh(300 + apart / 2, 200)]
        started = [0] if index == 0 else [0, 1]
        tracks = book.update(_frame(index), [_seen(meshes[which]) for which in started])
    assert _ids(tracks) == [1]
    for index in range(20, 60):
        tracks = book.update(_frame(index), [_seen(make_mesh(300, 200)), _seen(make_mesh(301, 200), 0.95)])
        assert _ids(tracks) == [1]
    assert [memory.track_id for memory in book.memories] == [1]


def test_a_face_that_moves_fast_is_expected_where_it_is_heading(make_mesh: MeshMaker) -> None:
    book = TrackBook(CONFIG)
    for index in range(12):
        book.update(_frame(index), [_seen(make_mesh(100 + 20 * index, 200))])
    shift_x, shift_y = book.memories[0].shift_at(12 / FPS)
    assert shift_x == pytest.approx(20, abs=2)
    assert shift_y == pytest.approx(0, abs=0.1)
    far_x, _ = book.memories[0].shift_at(1000.0)
    assert far_x == pytest.approx(20 * FPS * 0.5, rel=0.1)  # a lost face does not run on for ever


def test_there_are_never_more_faces_than_allowed_and_known_ones_come_first(make_mesh: MeshMaker) -> None:
    config = TrackingConfig(max_faces=2)
    book = _confirmed_book([make_mesh(100, 200, 40), make_mesh(200, 200, 40)], config=config)
    crowd = [make_mesh(100, 200, 40), make_mesh(200, 200, 40), make_mesh(400, 200, 150)]
    assert _ids(book.update(_frame(10), [_seen(mesh) for mesh in crowd])) == [1, 2]


@given(st.lists(st.permutations(range(4)), min_size=2, max_size=8))
def test_the_order_of_the_sightings_changes_nothing(make_mesh: MeshMaker, orders: list[list[int]]) -> None:
    straight, mixed = TrackBook(CONFIG), TrackBook(CONFIG)
    for index, order in enumerate(orders):
        sightings = [_seen(make_mesh(100 + 130 * place + 5 * index, 200, 60 + 20 * place)) for place in range(4)]
        one = straight.update(_frame(index), sightings)
        other = mixed.update(_frame(index), [sightings[place] for place in order])
        assert [(track.track_id, track.box.tolist()) for track in one] == [
            (track.track_id, track.box.tolist()) for track in other
        ]


def test_a_restored_book_goes_on_to_the_last_bit(make_mesh: MeshMaker) -> None:
    book, config = TrackBook(CONFIG), CONFIG
    for index in range(9):
        book.update(_frame(index), [_seen(make_mesh(100.3 + 3.7 * index, 200.1)), _seen(make_mesh(400, 201, 77.7))])
    book.update(_frame(9), [_seen(make_mesh(400, 201, 77.7))])
    text = book.snapshot()
    json.loads(text)
    other = TrackBook(config)
    other.restore(text)
    assert other.snapshot() == text
    for index in range(10, 20):
        sightings = [_seen(make_mesh(140 + 3 * index, 200)), _seen(make_mesh(400 + index, 201, 77.7))]
        for one, two in zip(book.update(_frame(index), sightings), other.update(_frame(index), sightings), strict=True):
            assert (one.track_id, one.state, one.age_s, one.score) == (two.track_id, two.state, two.age_s, two.score)
            np.testing.assert_array_equal(one.mesh, two.mesh)
    assert book.snapshot() == other.snapshot()


def test_tracks_carry_the_box_and_the_pose_of_their_mesh(make_mesh: MeshMaker) -> None:
    mesh = make_mesh(320, 240, 120, roll_deg=20)
    track = TrackBook(CONFIG).update(_frame(0), [_seen(mesh, 0.87)])[0]
    np.testing.assert_allclose(track.box, [*mesh[:, :2].min(0), *mesh[:, :2].max(0)])
    assert track.pose.roll_deg == pytest.approx(20, abs=2)
    assert track.score == 0.87
