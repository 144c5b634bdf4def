"""Options of the kiosk, and its schedule of retries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.cli import USER_ERROR, app
from app.kiosk import (
    CAMERA_NOTICE,
    GOOD_S,
    MAX_NOTICE,
    MAX_TRIES,
    RECORDING_NOTICE,
    RETRY_S,
    SLOW_S,
    WINDOW_S,
    KioskOptions,
    RecoveryRule,
)
from app.version import app_version
from engine.config import EngineConfig
from engine.errors import ConfigError


@pytest.mark.parametrize("source", ["0", "12", "/dev/video2", "rtsp://host/live"])
def test_a_camera_gets_the_camera_notice(source):
    assert KioskOptions(source).notice_shown == CAMERA_NOTICE


@pytest.mark.parametrize("source", ["demo", "clip.mp4", "pictures/0", "²"])
def test_a_file_gets_the_recording_notice(source):
    assert KioskOptions(source).notice_shown == RECORDING_NOTICE


def test_the_notices_claim_nothing_about_feelings():
    for notice in (CAMERA_NOTICE, RECORDING_NOTICE):
        assert not {"emotion", "feel", "feels", "mood", "detects"} & set(notice.lower().replace(".", "").split())


def test_the_operators_notice_replaces_the_default():
    assert KioskOptions("demo", " Ask at the desk. ").notice_shown == "Ask at the desk."
    assert KioskOptions("demo", " ").notice_shown == RECORDING_NOTICE


def test_labels_are_off_by_default():
    assert not KioskOptions().labels


def test_a_notice_that_is_too_long_is_refused():
    KioskOptions(notice="x" * MAX_NOTICE)
    with pytest.raises(ConfigError, match=f"the notice has {MAX_NOTICE + 1} characters: shorten it to {MAX_NOTICE}"):
        KioskOptions(notice="x" * (MAX_NOTICE + 1))


@pytest.mark.parametrize("hold_s", [0.0, 0.99, 15.5, float("nan")])
def test_a_hold_time_out_of_range_is_refused(hold_s):
    with pytest.raises(ConfigError, match="hold_s is .*: give 1 to 15 seconds"):
        KioskOptions(hold_s=hold_s)


def fail_at_once(rule: RecoveryRule, now_s: float, times: int) -> tuple[list[float], float]:
    """Fail repeatedly after the waits given; return the waits and the time after them."""
    waits = []
    for _ in range(times):
        waits.append(rule.failed(now_s))
        now_s += waits[-1]
    return waits, now_s


def test_the_first_retries_are_soon_and_later_ones_rare():
    rule = RecoveryRule()
    waits, _ = fail_at_once(rule, 0.0, MAX_TRIES + 3)
    assert waits == [RETRY_S] * MAX_TRIES + [SLOW_S] * 3
    assert rule.gave_up


def test_rare_failures_are_always_retried_soon():
    rule = RecoveryRule()
    for step in range(50):
        assert rule.failed(step * (WINDOW_S / MAX_TRIES + RETRY_S)) == RETRY_S
    assert not rule.gave_up


def test_frequent_failures_slow_the_retries_down():
    rule = RecoveryRule()
    waits = [rule.failed(step * (WINDOW_S / MAX_TRIES - 1)) for step in range(MAX_TRIES + 1)]
    assert waits == [RETRY_S] * MAX_TRIES + [SLOW_S]


def test_a_minute_of_frames_resets_the_schedule():
    rule = RecoveryRule()
    _, now_s = fail_at_once(rule, 0.0, MAX_TRIES + 1)
    rule.succeeded(now_s)
    rule.succeeded(now_s + GOOD_S)
    assert not rule.gave_up
    waits, _ = fail_at_once(rule, now_s + GOOD_S, MAX_TRIES + 1)
    assert waits == [RETRY_S] * MAX_TRIES + [SLOW_S]


def test_a_few_frames_do_not_reset_the_schedule():
    rule = RecoveryRule()
    _, now_s = fail_at_once(rule, 0.0, MAX_TRIES + 1)
    for _ in range(5):
        rule.succeeded(now_s)
        rule.succeeded(now_s + GOOD_S - 1)
        now_s += GOOD_S
        assert rule.failed(now_s) == SLOW_S
        now_s += SLOW_S


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=80))
def test_retries_never_exceed_the_limit_within_the_window(pauses_s):
    rule, now_s, tries_s = RecoveryRule(), 0.0, []
    for pause_s in pauses_s:
        now_s += rule.failed(now_s)
        tries_s.append(now_s)
        rule.succeeded(now_s)
        rule.succeeded(now_s + pause_s)
        now_s += pause_s
    for tried_s in tries_s:
        assert sum(tried_s <= other < tried_s + WINDOW_S for other in tries_s) <= MAX_TRIES


def test_the_command_passes_its_options_on(monkeypatch):
    pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6", exc_type=ImportError)
    from app.qt.kiosk import kiosk_window

    run: list[tuple[object, ...]] = []
    monkeypatch.setattr(kiosk_window, "run_kiosk", lambda *given: run.append(given))
    runner = CliRunner()
    assert runner.invoke(app, ["kiosk"]).exit_code == 0
    arguments = ["demo", "--notice", "Ask at the desk.", "--labels", "--hold-s", "1.5", "--tracker", "mediapipe"]
    assert runner.invoke(app, ["kiosk", *arguments, "--backend", "openvino", "--threads", "3"]).exit_code == 0
    plain, full = run
    assert plain == (KioskOptions(), EngineConfig(), "litert", app_version())
    options, config, tracker, _ = full
    assert options == KioskOptions("demo", "Ask at the desk.", labels=True, hold_s=1.5)
    assert isinstance(config, EngineConfig)
    assert (config.backends, config.threads, tracker) == (("openvino",), 3, "mediapipe")


def test_the_command_reports_a_wrong_option_in_one_line():
    done = CliRunner().invoke(app, ["kiosk", "--hold-s", "99"])
    assert done.exit_code == USER_ERROR
    assert done.stderr == "mien: hold_s is 99: give 1 to 15 seconds\n"
