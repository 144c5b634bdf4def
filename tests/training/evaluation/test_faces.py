"""The labelled face set, the figures, and the choice of the rule of evidence."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from engine.errors import SourceError
from engine.types import FaceTrack, HeadPose, TrackState, UInt8
from training.evaluation import face_scenes
from training.evaluation.face_rule import Point, Rule, fit_logistic
from training.evaluation.face_scenes import (
    CONDITIONS,
    DRAWN,
    Condition,
    People,
    Portrait,
    Scene,
    SceneMaker,
    drawn_image,
    half_of,
    moved_images,
)
from training.evaluation.faces import FacesConfig, evaluate_faces, judge, lies_on, share_of
from training.reports.faces import write_faces_report

RED = (250, 10, 10)


def _portrait(person: str, yaw_deg: float = 0.0) -> Portrait:
    """A red square as a face: its mesh is a circle of 80 pixels around the middle."""
    image: UInt8 = np.full((128, 128, 3), RED, np.uint8)
    angle = np.linspace(0, 2 * math.pi, 468, endpoint=False)
    points = np.stack([64 + 40 * np.cos(angle), 64 + 40 * np.sin(angle)], axis=1).astype(np.float32)
    return Portrait(image, points, person, yaw_deg)


@pytest.fixture
def maker() -> SceneMaker:
    people = [_portrait(f"person {number}", yaw) for number in range(40) for yaw in (0.0, 30.0, 60.0)]
    return SceneMaker(People(people, "report"), [np.full((90, 160, 3), 90, np.uint8)])


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_scene_shows_its_faces_where_it_says_and_of_the_size_it_says(maker: SceneMaker, condition: Condition) -> None:
    scene = maker.make(dataclasses.replace(condition, light=1.0, grey=False, blur=0.0), seed=3)
    assert scene.image.shape == (condition.height, condition.width, 3)
    assert 1 <= len(scene.boxes) <= condition.faces
    for box in scene.boxes:
        size = math.sqrt(float(np.prod(box[2:] - box[:2])))
        assert condition.size_px[0] * 0.98 <= size <= condition.size_px[1] * 1.02
        x, y = np.clip((box[:2] + box[2:]) / 2, 1, (condition.width - 2, condition.height - 2)).astype(int)
        np.testing.assert_allclose(scene.image[y, x], RED, atol=3)


@pytest.mark.parametrize("outside", [0.1, 0.3, 0.5])
def test_the_share_outside_is_that_of_the_condition(maker: SceneMaker, outside: float) -> None:
    for seed in range(8):
        scene = maker.make(Condition("cut", outside=outside), seed)
        x0, y0, x1, y1 = scene.boxes[0]
        inside = (min(x1, 1280) - max(x0, 0)) * (min(y1, 720) - max(y0, 0))
        assert 1 - inside / ((x1 - x0) * (y1 - y0)) == pytest.approx(outside, abs=0.02)


def test_the_same_seed_gives_the_same_scene_and_another_another(maker: SceneMaker) -> None:
    one, same, other = (maker.make(CONDITIONS[3], seed) for seed in (1, 1, 5))
    np.testing.assert_array_equal(one.image, same.image)
    assert not np.array_equal(one.image, other.image)


def test_the_halves_share_no_person_and_a_half_without_people_is_refused() -> None:
    people = [_portrait(f"person {number}") for number in range(100)]
    halves = {half: {each.person for each in people if half_of(each.person) == half} for half in ("choose", "report")}
    assert not halves["choose"] & halves["report"]
    assert min(map(len, halves.values())) > 30
    alone = next(each for each in people if half_of(each.person) == "choose")
    with pytest.raises(SourceError, match="no portrait belongs to the half 'report'"):
        People([alone], "report")


@pytest.mark.parametrize("kind", DRAWN)
def test_drawn_images_differ_between_halves_and_seeds(kind: str) -> None:
    one = drawn_image(kind, "choose", 0)
    assert one.shape == (720, 1280, 3)
    np.testing.assert_array_equal(one, drawn_image(kind, "choose", 0))
    assert not np.array_equal(one, drawn_image(kind, "report", 0))
    assert not np.array_equal(one, drawn_image(kind, "choose", 1))


def test_a_moved_image_stays_nearly_the_same() -> None:
    still = drawn_image("shapes", "choose", 0)[::4, ::4]
    moved = list(moved_images(np.ascontiguousarray(still), 5, np.random.default_rng(0)))
    assert len(moved) == 5
    assert all(each.shape == still.shape for each in moved)


def test_a_track_lies_on_a_face_of_its_place_and_size() -> None:
    truth = np.array([100, 100, 200, 200], np.float32)
    assert lies_on(truth, truth)
    assert lies_on(truth + 40, truth)
    assert not lies_on(truth + 50, truth)
    assert not lies_on(np.array([140, 140, 160, 160], np.float32), truth)
    assert not lies_on(np.array([150, 150, 150, 150], np.float32), truth)


def test_only_confirmed_tracks_count_and_those_beside_faces_are_false() -> None:
    def track(x: float, state: TrackState) -> FaceTrack:
        box = np.array([x, 0, x + 50, 50], np.float32)
        return FaceTrack(1, state, box, np.zeros((468, 3), np.float32), HeadPose(0, 0, 0), 1.0, 0.0)

    scene = Scene(np.zeros((50, 400, 3), np.uint8), np.array([[0, 0, 50, 50], [100, 0, 150, 50]], np.float32))
    tracks = [track(3, TrackState.CONFIRMED), track(100, TrackState.TENTATIVE), track(300, TrackState.CONFIRMED)]
    assert judge(tracks, scene) == ([True, False], 1)


def test_shares_have_wilson_intervals() -> None:
    assert share_of([]).n == 0
    none = share_of([False] * 30)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1.96**2 / (30 + 1.96**2), abs=1e-3)


def test_the_logistic_fit_finds_the_direction_that_separates() -> None:
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (400, 3))
    is_face = features[:, 0] + 0.5 * features[:, 1] > 0
    weights = fit_logistic(features, is_face)
    assert weights[0] > 1.5 * weights[1] > 0
    assert abs(weights[2]) < 0.2 * weights[1]
    assert np.mean((features @ weights[:3] + weights[3] > 0) == is_face) > 0.97


@pytest.mark.usefixtures("face_models")
def test_a_small_measurement_gives_all_figures_and_a_report(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media, pack = shared / "media", shared / "data" / "lfw" / "faces128.npz"
    if not pack.is_file():
        pytest.skip("needs faces128")
    names = ("upright_80_200px", "tilted_45", "cut_off_30")
    chosen = tuple(condition for condition in CONDITIONS if condition.name in names)
    for module in ("training.evaluation.faces", "training.evaluation.face_scenes"):
        monkeypatch.setattr(f"{module}.CONDITIONS", chosen)
    monkeypatch.setattr("training.evaluation.faces.clip_portraits", lambda folder: [])
    monkeypatch.setattr("training.evaluation.faces.DRAWN", {"text": DRAWN["text"]})
    monkeypatch.setattr(face_scenes, "FACELESS_CLIPS", face_scenes.FACELESS_CLIPS[:1])
    few = face_scenes.faceless_frames(media, "report")[::8]
    monkeypatch.setattr("training.evaluation.faces.faceless_frames", lambda *_, every=1: few[::every])
    monkeypatch.setattr("training.evaluation.faces._VIDEO_FRAMES", 12)  # a face is confirmed after 4 to 8
    monkeypatch.setattr("training.evaluation.faces._FRAMES_BEFORE", 4)
    monkeypatch.setattr("training.evaluation.faces._FIGURE_FACTOR", 2)
    config = FacesConfig(scenes=1, photographs=12, drawn=1, moving=1, video_frames=3, portraits=8)
    lines: list[str] = []
    alone = evaluate_faces(pack, media, config, lines.append, tmp_path / "parts", ["photographs"])
    assert [line.split(":")[0] for line in lines] == ["photographs"]
    assert alone.conditions == {}
    report = evaluate_faces(pack, media, config, lines.append, tmp_path / "parts")
    assert len([line for line in lines if line.startswith("photographs")]) == 1
    measured = len(lines)
    again = evaluate_faces(pack, media, config, lines.append, tmp_path / "parts")
    assert again.figures == report.figures
    assert len(lines) == measured
    assert report.closeups.value >= 0.9
    assert report.figures["false_faces_per_10000_frames"] == 0
    assert report.conditions["upright_80_200px"].value >= 0.9
    point = Point(0.5, 0.9, 0)
    rule = Rule((1, 1, 1, 0), 0.5, 10, 20, 5, (point,), {"presence": (point,)})
    write_faces_report(report, rule, None, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "report.json").read_text())
    assert kept["faces"]["closeups"]["n"] == 12
    assert "<svg" in (tmp_path / "out" / "faces.svg").read_text()
