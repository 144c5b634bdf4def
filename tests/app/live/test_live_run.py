"""The sink that renders for the window: its newest frame is as wanted, whichever thread is late."""

from __future__ import annotations

import pytest

from app.live.live_run import RenderSink
from app.overlay.overlay import OverlayParts
from engine.types import Reason, Route
from tests.fakes.faces import fake_face, fake_frame, fake_result
from tests.fakes.sessions import fake_header

_VIEW = (160, 120)


@pytest.fixture
def sink() -> RenderSink:
    return RenderSink(fake_header(), OverlayParts(), _VIEW)


def test_what_is_chosen_while_a_frame_is_rendered_applies_to_it(sink, monkeypatch):
    render, used = sink.render, []

    def render_slowly(result):
        used.append(sink.parts.blur)
        rendered = render(result)
        sink.parts = OverlayParts(blur=True)  # as the window does meanwhile
        return rendered

    monkeypatch.setattr(sink, "render", render_slowly)
    sink.write(fake_result(fake_frame(3), fake_face()))
    assert used == [False, True]
    assert sink.newest.thumbnails == {}  # as always with blur


def test_a_frame_rendered_again_does_not_replace_a_newer_one(sink):
    first, second = (fake_result(fake_frame(index), fake_face()) for index in (1, 2))
    sink.write(first)
    shown = sink.newest
    again = sink.render_again(shown, shown.result)
    assert sink.newest is again
    sink.write(second)
    late = sink.render_again(again, again.result)
    assert late.result is first
    assert sink.newest.result is second


def test_a_frame_that_the_window_has_rendered_again_meanwhile_is_not_replaced(sink, monkeypatch):
    result = fake_result(fake_frame(1), fake_face())
    rerouted = fake_result(fake_frame(1), fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ()))
    render, calls = sink.render, []

    def render_late(result):
        rendered = render(result)
        calls.append(result)
        if len(calls) == 1:
            sink.header = fake_header(ood_limit=0.1)  # a limit is moved
        elif len(calls) == 2:
            sink.render_again(sink.newest, rerouted)  # and the window shows what it decides
        return rendered

    monkeypatch.setattr(sink, "render", render_late)
    sink.write(result)
    assert calls == [result, result, rerouted]
    assert sink.newest.result is rerouted
