"""Short forms of the runs by command: a few damaged videos, a few plug cycles."""

from __future__ import annotations

from tests.faults import camera_cycles, mutated_videos


def test_damaged_videos_give_frames_or_one_clear_error(tmp_path):
    handled, ends, _ = mutated_videos.run(8, 0, tmp_path)
    assert (handled, ends.total()) == (8, 8)


def test_cameras_come_back_after_each_way_of_failing(monkeypatch):
    monkeypatch.setattr("engine.capture.camera.LOST_S", 0.3)
    monkeypatch.setattr(camera_cycles, "LOST_S", 0.3)
    assert len(camera_cycles.run(3)) == 3
