"""Scenarios of streams: irregular frame times, dropped frames, and several faces."""

from __future__ import annotations

import itertools
import random

import pytest

FRAME_S = 1 / 25


def _switch_s(scene, steps_s):
    """Seconds from a change of expression to the change of the shown label, for frames at these intervals."""
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
    """Create further streams like the first."""
    return type(scene)


def test_the_reaction_time_does_not_depend_on_the_frame_rate(new_scene):
    """At 60, 25 or 10 frames per second and at random intervals, a change takes the same time to within two frames."""
    regular_s = _switch_s(new_scene(), itertools.repeat(1 / 200, 2000))
    noise = random.Random(8)
    for step_s in (1 / 60, 1 / 25, 1 / 10):
        assert regular_s <= _switch_s(new_scene(), itertools.repeat(step_s, 500)) + 1e-9
        assert _switch_s(new_scene(), itertools.repeat(step_s, 500)) <= regular_s + 2 * step_s
    steps_s = [noise.uniform(0.005, 0.12) for _ in range(500)]
    assert _switch_s(new_scene(), steps_s) <= regular_s + 2 * 0.12


def test_dropped_frames_do_not_slow_the_reaction(new_scene):
    """After a gap the new frame is weighted by the elapsed time."""
    scene = new_scene()
    scene.play(2.0, neutral=0.8)
    scene.frame(step_s=3 * scene.config.smoothing_s, happiness=0.8)
    decision = scene.frame(step_s=scene.config.hold_s * 1.01, happiness=0.8)
    assert decision.labels == ("happiness",)


def test_two_frames_with_the_same_time_are_harmless(scene, changes):
    decisions = [scene.frame(step_s=0.0 if place % 2 else FRAME_S, neutral=0.8) for place in range(50)]
    assert changes(decisions) == ["accept neutral"]


def test_two_faces_do_not_affect_each_other(new_scene, summary):
    """Each of two faces in a stream gets exactly the decisions it would get alone."""
    noise = random.Random(3)
    labels = ("happiness", "sadness", "anger")
    streams = {
        track: [
            {
                labels[noise.randrange(3) if place % 9 == 0 else track]: 0.7,
                "aleatoric": noise.uniform(0.2, 1.6),
                "epistemic": noise.uniform(0.1, 1.3),
                "bad": "dark" if noise.random() < 0.1 else None,
            }
            for place in range(200)
        ]
        for track in (1, 2)
    }
    together = new_scene()
    shown = {1: [], 2: []}
    for first, second in zip(streams[1], streams[2], strict=True):
        shown[1].append(together.frame(track=1, **first))
        shown[2].append(together.frame(track=2, step_s=0.0, **second))
    for track, frames in streams.items():
        alone = new_scene()
        expected = [alone.frame(track=track, **frame) for frame in frames]
        assert [summary(decision) for decision in shown[track]] == [summary(decision) for decision in expected]
        assert [decision.shares for decision in shown[track]] == [decision.shares for decision in expected]


def test_memory_is_bounded_while_faces_come_and_go(scene):
    sizes = []
    for track in range(1, 200):
        scene.frame(track=track, step_s=scene.keep_lost_s / 4, neutral=0.8)
        sizes.append(len(scene.router.snapshot()))
    assert max(sizes[100:]) <= max(sizes[:100]) + 40  # ids and times become a few digits longer
