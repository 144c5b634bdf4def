"""Short versions of the runs in `tests.fuzz.files`."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig, TrackingConfig
from engine.routing import Router
from engine.tracking.track_book import TrackBook
from tests.fakes.faces import fake_frame
from tests.fuzz.files import fuzz_journals, fuzz_models, fuzz_texts
from tests.fuzz.mutations import changed, json_bytes

CALIBRATION = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.1), "fake faces")


def test_damaged_models_are_refused_or_opened_in_a_child(tmp_path: Path) -> None:
    tally = fuzz_models(60, 7, tmp_path)
    assert tally.total() == 60
    assert tally["refused by the reader"] > 5


def test_damaged_contracts_settings_and_metadata_are_refused_or_read(tmp_path: Path) -> None:
    tally = fuzz_texts(300, 7, tmp_path)
    assert tally.total() == 300
    assert all(tally[f"{name} refused"] for name in ("contract", "settings", "metadata"))
    assert not tally["preferences refused"]  # never an error: damaged ones are replaced by defaults


def test_damaged_journals_are_refused_or_read(tmp_path: Path) -> None:
    tally = fuzz_journals(60, 7, tmp_path)
    assert tally.total() == 3 * 60
    assert all(tally[f"{name} refused"] > 20 for name in ("review", "tables", "resume"))
    assert all(tally[f"{name} read"] > 2 for name in ("tables", "resume"))


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_state_of_the_router_or_the_tracks_is_refused_or_usable(seed: int) -> None:
    chance = random.Random(seed)
    router_state = {
        "1": {
            "time_s": 1.0,
            "seen_s": 1.0,
            "average": "",
            "shown": ["clear", [0]],
            "waiting": None,
            "waiting_for_s": 0.0,
            "left_for_s": 0.1,
        }
    }
    book_state = {"next_id": 3, "updated_s": 1.0, "memories": []}
    kept = 0
    for _ in range(100):
        router, book = Router(CALIBRATION, RoutingConfig()), TrackBook(TrackingConfig())
        try:
            router.restore(json_bytes(changed(router_state, chance)).decode("utf-8", "replace"))
            router.forget(2.0, 10.0)
            json.loads(router.snapshot())
            book.restore(json_bytes(changed(book_state, chance)).decode("utf-8", "replace"))
            book.update(fake_frame(1), [])
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            continue  # what Pipeline.restore turns into an OutputError
        kept += 1
    assert 0 < kept < 100
