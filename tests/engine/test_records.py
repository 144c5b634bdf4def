"""Strict reading of JSON and TOML values: what becomes a record, and how a mismatch is reported."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import json_text, load_json, read_record, read_value


class Colour(str, Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0

    def __post_init__(self) -> None:
        if self.y < 0:
            raise ValueError(f"y is {self.y}, below 0")


@dataclass(frozen=True)
class Shape:
    name: str
    points: tuple[Point, ...]
    closed: bool = True
    colour: Colour = Colour.RED
    size: Literal["small", "large"] = "small"
    corner: tuple[int, int] = (0, 0)
    axes: tuple[int | str, ...] = ()
    center: Point | None = None
    file: Path | None = None
    notes: dict[str, int] = field(default_factory=dict)
    extra: Any = None


FULL = {
    "name": "triangle",
    "points": [{"x": 1, "y": 2.5}, {"x": 3.0, "y": 0}],
    "closed": False,
    "colour": "green",
    "size": "large",
    "corner": [1, 2],
    "axes": ["N", 3],
    "center": {"x": 0.5, "y": 0.5},
    "file": "shapes/a.png",
    "notes": {"a": 1},
    "extra": [{"anything": None}],
}


def test_every_supported_type_is_read() -> None:
    shape = read_record(Shape, FULL)
    assert shape.points == (Point(1.0, 2.5), Point(3.0, 0.0))
    assert type(shape.points[0].x) is float
    assert (shape.closed, shape.colour, shape.size) == (False, Colour.GREEN, "large")
    assert (shape.corner, shape.axes, shape.center) == ((1, 2), ("N", 3), Point(0.5, 0.5))
    assert (shape.file, shape.notes, shape.extra) == (Path("shapes/a.png"), {"a": 1}, [{"anything": None}])


def test_what_is_written_is_read_back() -> None:
    shape = read_record(Shape, FULL)
    assert read_record(Shape, json.loads(json_text(shape))) == shape


def test_missing_fields_keep_their_defaults_unless_all_are_required() -> None:
    raw = {"name": "none", "points": []}
    assert read_record(Shape, raw) == Shape("none", ())
    with pytest.raises(ValueError, match=r"^closed is missing$"):
        read_record(Shape, raw, require_all=True)


def test_unknown_keys_are_an_error_unless_ignored() -> None:
    raw = {"x": 1, "z": 2}
    with pytest.raises(ValueError, match="^unknown key 'z'; known are x, y$"):
        read_record(Point, raw)
    assert read_record(Point, raw, ignore_unknown=True) == Point(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "name must be text, not 3"),
        ({"name": None}, "name must be text, not null"),
        ({"points": {}}, "points must be a list, not an object"),
        ({"points": [{"x": 1}, {"x": "1"}]}, "points[1].x must be a number, not '1'"),
        ({"points": [{}]}, "points[0].x is missing"),
        ({"points": [[]]}, "points[0] must be an object, not a list of 0"),
        ({"points": [{"x": 1, "z": 1}]}, "unknown key 'points[0].z'; known are x, y"),
        ({"points": [{"x": 1, "y": -1}]}, "points[0]: y is -1.0, below 0"),
        ({"points": [{"x": float("inf")}]}, "points[0].x must be finite, not inf"),
        ({"points": [{"x": 10**400}]}, "points[0].x must be finite, not 10000"),
        ({"closed": 1}, "closed must be true or false, not 1"),
        ({"colour": "blue"}, "colour must be one of red, green, not 'blue'"),
        ({"size": True}, "size must be one of small, large, not true"),
        ({"corner": [1]}, "corner must be a list of 2, not a list of 1"),
        ({"corner": [1, 2.0]}, "corner[1] must be a whole number, not 2.0"),
        ({"corner": [1, True]}, "corner[1] must be a whole number, not true"),
        ({"axes": [1.5]}, "axes[0] must be a whole number or text, not 1.5"),
        ({"center": {"x": None}}, "center.x must be a number, not null"),
        ({"file": ""}, "file must be a path, not ''"),
        ({"file": "a\0b"}, "file must be a path, not "),
        ({"notes": {"a": "b"}}, "notes.a must be a whole number, not 'b'"),
    ],
)
def test_a_mismatch_names_the_field_the_expected_and_the_actual_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (compared below)
        read_record(Shape, FULL | change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_caller_chooses_the_exception_and_the_name_of_the_object() -> None:
    with pytest.raises(LookupError, match=r"shapes.json: items\[3\].x is missing"):
        read_record(Point, {}, lambda problem: LookupError(f"shapes.json: {problem}"), field="items[3]")
    with pytest.raises(LookupError, match="it must be an object, not 7"):
        read_record(Point, 7, LookupError)


def test_a_single_value_is_read_like_a_field() -> None:
    assert read_value(tuple[float, ...], [1, 2.5]) == (1.0, 2.5)
    with pytest.raises(ValueError, match=r"scores\[1\] must be a number, not 'x'"):
        read_value(tuple[float, ...], [1, "x"], field="scores")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([item.name for item in dataclasses.fields(Shape)]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_any_json_value_gives_a_record_or_the_chosen_error(raw: object) -> None:
    try:
        outcome: object = read_record(Shape, raw, LookupError)
    except LookupError as error:
        outcome = str(error)
    assert isinstance(outcome, (Shape, str))


@pytest.mark.parametrize("text", ["", "{", "[1,]", "NaN", '{"a": -Infinity}', "[" * 100_000, "9" * 5000])
def test_a_file_that_is_not_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LookupError, match=r"a\.json is not valid JSON"):
        load_json(tmp_path / "a.json", LookupError)


def test_json_that_cannot_be_read_is_named_and_a_missing_file_is_left_to_the_caller(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(LookupError, match=r"bytes\.json is not valid JSON"):
        load_json(tmp_path / "bytes.json", LookupError)
    with pytest.raises(LookupError, match="cannot be read"):
        load_json(tmp_path, LookupError)
    with pytest.raises(FileNotFoundError):
        load_json(tmp_path / "absent.json", LookupError)


def test_numbers_that_are_not_finite_are_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"a": float("nan")})
