"""Plans on disk: keys that differ never share a file, and a damaged or foreign file is a missing plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.backends.plans import PlanError, PlanKey, PlanStore, system_name

KEY = PlanKey(
    "expression", "ab" * 32, "10.3.0", "Orin", "8.7", "Linux-aarch64", "fp16", ("image 1x1 1x1 1x1",), ("tf32",)
)
texts = st.text(max_size=12)
many = st.lists(texts, max_size=3).map(tuple)
keys = st.builds(
    PlanKey,
    st.sampled_from(["expression", "action_units"]), texts, texts, texts, texts, texts,
    st.sampled_from(["fp32", "fp16", "int8"]), many, many,
)  # fmt: skip


@given(keys, keys)
def test_two_keys_share_a_file_only_if_they_are_equal(one: PlanKey, two: PlanKey) -> None:
    assert (one.file_name == two.file_name) == (one == two)


@given(keys, st.data())
def test_a_change_of_any_field_changes_the_file(key: PlanKey, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([field.name for field in dataclasses.fields(PlanKey)]))
    other = dataclasses.replace(key, **{name: getattr(data.draw(keys), name)})
    assume(other != key)
    assert other.file_name != key.file_name


@given(keys)
def test_file_names_are_plain(key: PlanKey) -> None:
    assert key.file_name == Path(key.file_name).name
    assert all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in key.file_name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys, st.binary(max_size=200))
def test_a_plan_is_read_back(tmp_path: Path, key: PlanKey, plan: bytes) -> None:
    store = PlanStore(tmp_path)
    assert store.write(key, plan) == tmp_path / key.file_name
    assert store.read(key) == plan


def test_a_missing_plan_names_gpu_and_version(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"no fp16 engine for Orin and TensorRT 10\.3\.0"):
        PlanStore(tmp_path / "none").read(KEY)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_makes_a_plan_missing(tmp_path: Path, data: st.DataObject) -> None:
    store = PlanStore(tmp_path)
    path = store.write(KEY, bytes(range(200)))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    with pytest.raises(PlanError):
        store.read(KEY)


def test_a_plan_under_the_name_of_another_key_is_refused(tmp_path: Path) -> None:
    store = PlanStore(tmp_path)
    other = dataclasses.replace(KEY, capability="7.2")
    store.write(other, b"plan").rename(tmp_path / KEY.file_name)
    with pytest.raises(PlanError, match="belongs to another model, GPU or version"):
        store.read(KEY)


def test_a_write_that_fails_keeps_the_previous_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PlanStore(tmp_path)
    store.write(KEY, b"first")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(KEY, b"second")
    assert store.read(KEY) == b"first"
    assert [path.name for path in tmp_path.iterdir()] == [KEY.file_name]


def test_timing_caches_belong_to_a_gpu_and_a_version_and_are_checked(tmp_path: Path) -> None:
    store = PlanStore(tmp_path)
    assert store.read_timing(KEY) == b""
    store.write_timing(KEY, b"timings")
    assert store.read_timing(dataclasses.replace(KEY, task="action_units", precision="int8")) == b"timings"
    assert store.read_timing(dataclasses.replace(KEY, tensorrt="11.4.0")) == b""
    (path,) = tmp_path.glob("*.timing")
    path.write_bytes(path.read_bytes()[:-1])
    assert store.read_timing(KEY) == b""


def test_stored_plans_are_listed_and_cleared(tmp_path: Path) -> None:
    store = PlanStore(tmp_path)
    assert (store.stored(), store.clear()) == ([], 0)
    store.write(KEY, b"plan")
    store.write_timing(KEY, b"timings")
    (tmp_path / "expression-fp16-broken.plan").write_bytes(b"nothing")
    assert [plan.key for plan in store.stored()].count(KEY) == 1
    assert [plan.key for plan in store.stored()].count(None) == 1
    assert store.clear() == 3
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_plan_is_gone(tmp_path: Path) -> None:
    store = PlanStore(tmp_path)
    store.write(KEY, b"plan")
    store.discard(KEY)
    store.discard(KEY)
    assert store.stored() == []


def test_the_system_is_named() -> None:
    assert "-" in system_name()
