"""Stories of streams: frames at irregular times, frames that were dropped, and more faces than one."""

from __future__ import annotations

import itertools
import random

import pytest

FRAME_S = 1 / 25


def _switch_s(scene, steps_s):
    """Seconds from a change of expression to the change of the label shown, for frames at these steps."""
    scene.frame(step_s=0.0, neutral=0.8)
    scene.play(2.0, neutral=0.8)
    start_s = scene.now_s
    for step_s in steps_s:
        decision = scene.frame(step_s=step_s, happiness=0.8)
        if decision.labels == ("happiness",):
            return scene.now_s - start_s
    raise AssertionError("the label never changed")


@pytest.fixture
def new_scene(scene):
    """Make further streams like the first."""
    return type(scene)


def test_a_stream_with_irregular_times_reacts_as_fast_as_a_regular_one(new_scene):
    """At 60, 25 or 10 frames per second, or at random steps, a change takes the same time, to within two frames."""
    regular_s = _switch_s(new_scene(), itertools.repeat(1 / 200, 2000))
    noise = random.Random(8)
    for step_s in (1 / 60, 1 / 25, 1 / 10):
        assert regular_s <= _switch_s(new_scene(), itertools.repeat(step_s, 500)) + 1e-9
        assert _switch_s(new_scene(), itertools.repeat(step_s, 500)) <= regular_s + 2 * step_s
    steps_s = [noise.uniform(0.005, 0.12) for _ in range(500)]
    assert _switch_s(new_scene(), steps_s) <= regular_s + 2 * 0.12


def test_frames_that_were_dropped_do_not_slow_the_answer(new_scene):
    """After a gap the new frame counts by the time that passed, not as one frame among many."""
    scene = new_scene()
    scene.play(2.0, neutral=0.8)
    scene.frame(step_s=3 * scene.config.smoothing_s, happiness=0.8)
    decision = scene.frame(step_s=scene.config.hold_s * 1.01, happiness=0.8)
    assert decision.labels == ("happiness",)


def test_two_frames_with_the_same_time_do_no_harm(scene, changes):
    decisions = [scene.frame(step_s=0.0 if place % 2 else FRAME_S, neutral=0.8) for place in range(50)]
    assert changes(decisions) == ["accept neutral"]


def test_two_faces_do_not_mix(new_scene, told):
    """Each of two faces in one stream gets exactly the decisions that it would get alone."""
    noise = random.Random(3)
    labels = ("happiness", "sadness", "anger")
    stories = {
        track: [
            {
                labels[noise.randrange(3) if place % 9 == 0 else track]: 0.7,
                "disagreement": noise.uniform(0.2, 1.6),
                "strangeness": noise.uniform(0.1, 1.3),
                "bad": "dark" if noise.random() < 0.1 else None,
            }
            for place in range(200)
        ]
        for track in (1, 2)
    }
    together = new_scene()
    shown = {1: [], 2: []}
    for first, second in zip(stories[1], stories[2], strict=True):
        shown[1].append(together.frame(track=1, **first))
        shown[2].append(together.frame(track=2, step_s=0.0, **second))
    for track, frames in stories.items():
        alone = new_scene()
        expected = [alone.frame(track=track, **frame) for frame in frames]
        assert [told(decision) for decision in shown[track]] == [told(decision) for decision in expected]
        assert [decision.shares for decision in shown[track]] == [decision.shares for decision in expected]


def test_a_crowd_that_comes_and_goes_leaves_no_memory_behind(scene):
    sizes = []
    for track in range(1, 200):
        scene.frame(track=track, step_s=scene.keep_lost_s / 4, neutral=0.8)
        sizes.append(len(scene.router.snapshot()))
    assert max(sizes[100:]) <= max(sizes[:100]) + 40  # ids and times get a few digits longer, nothing else
