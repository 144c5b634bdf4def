"""Data sets with action-unit labels by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import SourceError
from tests.training.fakes.action_units import fake_unit_faces
from tests.training.fakes.sequences import use_fake_networks, write_bp4d
from training.data import action_unit_sources as unit_sources
from training.data.action_unit_faces import UnitFaces
from training.data.action_unit_sources import UnitData, UnitSource, parse_unit_data, read_all_units, read_units


@pytest.fixture
def fake_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that give two people under the name of the source and the folder, and report what they were given."""

    def reader(source: UnitSource):  # noqa: ANN202
        def read(folder: Path, cache: Path, workers: int, report: Callable[[str], None]) -> UnitFaces:
            units = (12,) if source is UnitSource.DISFA else (1, 12, 25)
            report(f"{source.value} by {workers}")
            return fake_unit_faces(people=2, source=f"{source.value} of {folder} with {cache}", units=units)

        return read

    monkeypatch.setattr(unit_sources, "_READERS", {source: reader(source) for source in UnitSource})


def test_every_source_has_a_reader() -> None:
    assert set(unit_sources._READERS) == set(UnitSource)


@pytest.mark.parametrize("name", ["open", "faces128", "bp4d", "disfa"])
def test_every_reader_refuses_a_folder_without_its_data(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=str(tmp_path)):
        read_units(name, tmp_path, tmp_path / "cache")


@pytest.mark.usefixtures("fake_readers")
def test_a_name_asks_its_own_reader() -> None:
    for name in ("open", "faces128", "bp4d", "disfa"):
        lines: list[str] = []
        assert set(read_units(name, Path("data"), Path("cache"), 5, lines.append).sources) == {
            f"{name} of data with cache"
        }
        assert lines == [f"{name} by 5"]


def test_progress_of_a_reader_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fake_networks(monkeypatch)
    write_bp4d(tmp_path / "BP4D")
    lines: list[str] = []
    faces = read_all_units([UnitData("bp4d", tmp_path / "BP4D")], tmp_path / "cache", 1, lines.append)
    assert len(faces.people) == 4
    assert lines[:3] == [
        f"bp4d: {name} cropped, {n} of 3 sequences" for n, name in enumerate(("F001_T1", "F001_T2", "M015_T8"), 1)
    ]
    assert "1 without a reliable face are left out" in lines[3]
    assert "39 of 41 people are missing" in lines[4]


def test_a_name_and_a_folder_are_parted_at_the_first_sign() -> None:
    assert parse_unit_data("bp4d=sets/a=b") == UnitData("bp4d", Path("sets/a=b"))


@pytest.mark.parametrize("text", ["bp4d", "bp4d=", "=sets", "fer2013=sets", ""])
def test_what_is_not_name_and_folder_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="NAME=FOLDER with NAME one of open, faces128, bp4d, disfa"):
        parse_unit_data(text)


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'BP4D': use one of open, faces128"):
        read_units("BP4D", tmp_path, tmp_path)


@pytest.mark.usefixtures("fake_readers")
def test_several_sets_are_joined_in_order() -> None:
    faces = read_all_units([parse_unit_data("open=a"), parse_unit_data("faces128=b")], Path("c"))
    assert list(dict.fromkeys(faces.sources)) == ["open of a with c", "faces128 of b with c"]


@pytest.mark.usefixtures("fake_readers")
def test_sets_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(SourceError, match="open is given twice"):
        read_all_units([parse_unit_data("open=a"), parse_unit_data("open=b")], Path("c"))
    with pytest.raises(ValueError, match="different units"):
        read_all_units([parse_unit_data("open=a"), parse_unit_data("disfa=b")], Path("c"))
