"""Messages for ROS 2 without ROS: the classes here have the fields of hri_msgs 2.x and refuse any other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packaging" / "ros2" / "mien_ros"
sys.path.insert(0, str(PACKAGE))

from mien_ros.mapping import EXPRESSIONS, RosMapping, RosTypes  # noqa: E402
from mien_ros.output import RosOutput  # noqa: E402

from engine import facs  # noqa: E402
from engine.types import FaceQuality, QualityReason, Reason, Route  # noqa: E402
from tests.app.serve.conftest import fake_service, maker, running  # noqa: E402
from tests.fakes.faces import fake_face, fake_frame, fake_result  # noqa: E402
from tests.fakes.sessions import fake_header  # noqa: E402

#: Constants of hri_msgs/Expression.
ROS_EXPRESSIONS = {
    *("neutral", "angry", "sad", "happy", "surprised", "disgusted", "scared", "pleading", "vulnerable", "despaired"),
    *("guilty", "disappointed", "embarrassed", "horrified", "skeptical", "annoyed", "furious", "suspicious"),
    *("rejected", "bored", "tired", "asleep", "confused", "amazed", "excited"),
}


class Part:
    """A message whose fields have the given types; like those of ROS it refuses others."""

    FIELDS: dict[str, Any] = {}

    def __init__(self) -> None:
        for name, kind in self.FIELDS.items():
            object.__setattr__(self, name, kind())

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self.FIELDS[name]
        if kind is np.ndarray:
            assert isinstance(value, np.ndarray)
            assert value.shape == (99,)
            assert value.dtype == np.float32
        else:
            assert isinstance(value, kind), f"{type(self).__name__}.{name} must be {kind.__name__}, not {value!r}"
        object.__setattr__(self, name, value)


def part(kind: str, /, **fields: Any) -> Any:
    return type(kind, (Part,), {"FIELDS": fields})


Stamp = part("Stamp", sec=int, nanosec=int)
Header = part("Header", stamp=Stamp, frame_id=str)


class Facs(Part):
    FIELDS = {"header": Header, "intensity": np.ndarray, "confidence": np.ndarray}

    def __init__(self) -> None:
        object.__setattr__(self, "header", Header())


TYPES = RosTypes(
    part("IdsList", header=Header, ids=list),
    part("NormalizedRegionOfInterest2D", header=Header, xmin=float, ymin=float, xmax=float, ymax=float, c=float),
    part("Expression", header=Header, expression=str, valence=float, arousal=float, confidence=float),
    Facs,
    part("Image", header=Header, height=int, width=int, encoding=str, is_bigendian=int, step=int, data=bytes),
    part("Classification", header=Header, results=list),
    part("ObjectHypothesis", class_id=str, score=float),
    part("DiagnosticArray", header=Header, status=list),
    part("DiagnosticStatus", level=bytes, name=str, message=str, hardware_id=str, values=list),
    part("KeyValue", key=str, value=str),
)


class FakeNode:
    """Publishers of a node, and what was published by topic."""

    def __init__(self) -> None:
        self.published: dict[str, list[Any]] = {}
        self.open: set[str] = set()

    def create_publisher(self, kind: Any, topic: str, qos: Any) -> Any:
        assert topic not in self.open
        self.open.add(topic)
        node = self

        class Publisher:
            name = topic

            def publish(self, message: Any) -> None:
                assert type(message) is kind
                node.published.setdefault(topic, []).append(message)

        return Publisher()

    def destroy_publisher(self, publisher: Any) -> None:
        self.open.remove(publisher.name)


def published(*faces: Any, crops: bool = False, frames: int = 1) -> dict[str, Any]:
    """Last message of each topic below the face, after some frames with these faces."""
    node = FakeNode()
    output = RosOutput(node, TYPES, "camera", 10, crops)
    output.open()
    make = maker(fake_header())
    for index in range(frames):
        output.send(make.frame(fake_result(fake_frame(index), *faces)))
    output.close()
    assert not node.open
    return {topic.rsplit("/", 1)[-1]: messages[-1] for topic, messages in node.published.items()}


REJECTED = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())
HIDDEN = fake_face(Route.REJECT, Reason.LOW_QUALITY, (), (), quality=FaceQuality(0.2, (QualityReason.DARK,)))


def test_an_accepted_face_has_roi_expression_distribution_and_units() -> None:
    topics = published(fake_face())
    assert set(topics) == {"tracked", "roi", "expression", "expression_distribution", "facs"}
    assert topics["expression"].expression == "happy"
    assert topics["expression"].confidence == 0.82
    assert np.isnan(topics["expression"].valence)
    roi = topics["roi"]
    assert (roi.xmin, roi.ymin, roi.xmax, roi.ymax) == (0.25, 0.25, 0.625, 0.83333)
    assert roi.c == 0.9
    scores = {result.class_id: result.score for result in topics["expression_distribution"].results}
    assert set(scores) == set(facs.EXPRESSIONS)
    assert sum(scores.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("face", [REJECTED, HIDDEN], ids=["reject", "low_quality"])
def test_a_face_that_is_not_assessed_has_nothing_but_its_box(face: Any) -> None:
    topics = published(face)
    assert set(topics) == {"tracked", "roi"}
    assert topics["tracked"].ids[0].startswith("f")


def test_an_ambiguous_face_has_its_likeliest_label_and_the_distribution() -> None:
    topics = published(fake_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("fear", "surprise"), (0.5, 0.4)))
    assert topics["expression"].expression == "scared"
    assert topics["expression"].confidence == 0.5
    assert "expression_distribution" in topics


def test_every_label_but_contempt_is_a_constant_of_hri_msgs() -> None:
    assert set(EXPRESSIONS) == set(facs.EXPRESSIONS) - {"contempt"}
    assert set(EXPRESSIONS.values()) <= ROS_EXPRESSIONS - {"rejected"}
    topics = published(fake_face(labels=("contempt",)))
    assert "expression" not in topics
    assert "expression_distribution" in topics


def test_units_are_indexed_by_their_number_and_others_have_no_confidence() -> None:
    message = published(fake_face())["facs"]
    make = maker(fake_header())
    (face,) = make.frame(fake_result(fake_frame(), fake_face())).messages
    occurrence, deviation = face.au["AU12"]
    assert message.intensity[12] == np.float32(occurrence)
    assert message.confidence[12] == pytest.approx(1 - deviation / 0.5)
    measured = {int(code[2:]) for code in face.au}
    assert {int(number) for number in np.flatnonzero(message.confidence)} == measured
    graded = published(fake_face(graded=True))["facs"]
    (face,) = make.frame(fake_result(fake_frame(), fake_face(graded=True))).messages
    assert graded.intensity[12] == np.float32(face.au_i["AU12"] / 5) != message.intensity[12]
    assert graded.confidence.tolist() == message.confidence.tolist()


def test_stamps_are_capture_times() -> None:
    make = maker(fake_header())
    frame = make.frame(fake_result(fake_frame(), fake_face()))
    message = RosMapping(TYPES, "camera").tracked(frame)
    stamp = message.header.stamp
    assert stamp.sec + stamp.nanosec * 1e-9 == pytest.approx(frame.messages[0].t, abs=2e-6)
    assert 0 <= stamp.nanosec < 1_000_000_000
    assert message.header.frame_id == "camera"


def test_no_image_is_published_unless_asked_for() -> None:
    assert "cropped" not in published(fake_face())
    crop = published(fake_face(), crops=True)["cropped"]
    assert (crop.width, crop.height, crop.encoding, crop.step) == (60, 70, "rgb8", 180)  # box 40..100, 30..100
    assert len(crop.data) == 60 * 70 * 3


def test_a_service_publishes_its_state_and_leaves_no_publisher() -> None:
    node = FakeNode()
    output = RosOutput(node, TYPES, "camera", 10)
    with running(fake_service(), output) as collector:
        collector.wait_for(lambda: len(collector.frames) > 5 and "running" in collector.states)
    assert node.open == set()
    levels = [message.status[0].level for message in node.published["/diagnostics"]]
    assert b"\x00" in levels
    assert levels[-1] == b"\x02"
    assert len(node.published["/humans/faces/tracked"]) > 5


def test_the_node_imports_ros_only_when_it_starts() -> None:
    code = "import mien_ros.node as node; node.main()"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.modules['rclpy'] = None; sys.path.insert(0, {str(PACKAGE)!r}); {code}",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ROS 2 is missing (")
    assert "Traceback" not in done.stderr


def test_the_manifest_names_every_package_that_is_imported() -> None:
    tree = ast.parse((PACKAGE / "mien_ros" / "node.py").read_text(encoding="utf-8"))
    imported = {
        node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    needed = {name for name in imported if name.endswith("_msgs")} | {"rclpy"}
    manifest = ElementTree.parse(PACKAGE / "package.xml").getroot()
    assert needed <= {str(item.text) for item in manifest.iter("exec_depend")}
    assert manifest.findtext("name") == "mien_ros"
