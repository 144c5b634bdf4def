"""No identity embedding: what the networks give and what is written is a fixed list, with no vector of a person."""

from __future__ import annotations

import json
import math
from pathlib import Path

import onnx

from app.session.folder import SessionFolder
from app.session.table import column_names
from engine.backends.model_file import MODELS_FOLDER, read_model
from engine.facs import EXPRESSIONS
from tests.fakes.sessions import Annotator, fake_header

#: Outputs of the released networks and the values of each that do not depend on the number of faces and samples.
#: ``mask_mean`` and ``mask_std`` say which pairs of action units the network linked; they are not written.
OUTPUTS = {
    ("expression.onnx", "logits"): 4 * 8,
    ("expression.onnx", "covered"): 3,
    ("action_units.onnx", "logits"): 18,
    ("action_units.onnx", "mask_mean"): 18 * 18,
    ("action_units.onnx", "mask_std"): 18 * 18,
    ("action_units.onnx", "adjacency"): 18 * 18,
    ("action_units.onnx", "intensity"): 18,
}
#: Columns of a table besides two per expression and three per action unit: each one number or one word.
COLUMNS = (
    "source_id frame pts_s time_s face_id x y w h det_score quality quality_reasons decision label label2 set "
    "confidence ood_score tau_accept tau_ood aleatoric epistemic yaw pitch roll latency_ms model_sha256 app_version "
    "file cut carried q_ood_score q_aleatoric q_epistemic"
)


def test_the_released_networks_give_no_embedding() -> None:
    given = {}
    for path in sorted(MODELS_FOLDER.glob("*.onnx")):
        names = [output.name for output in onnx.load(path).graph.output]
        outputs = read_model(path).contract.outputs
        assert {output.name for output in outputs} == set(names)
        for output in outputs:
            given[path.name, output.name] = math.prod(size for size in output.shape if isinstance(size, int))
    assert given == OUTPUTS


def test_a_table_has_no_other_columns_than_documented() -> None:
    header = fake_header(au_intensity=True)
    expected = {*COLUMNS.split(), *(f"{letter}_{name}" for letter in "pq" for name in EXPRESSIONS)}
    expected |= {f"au_{code:02d}{end}" for code in header.au_codes for end in ("", "_sd", "_i")}
    assert set(column_names(header)) == expected


def test_rows_of_a_journal_hold_no_longer_list_than_the_action_units(tmp_path: Path) -> None:
    annotator = Annotator(SessionFolder(tmp_path / "session"))
    annotator()
    lines = map(json.loads, annotator.folder.journal.read_text(encoding="utf-8").splitlines())
    values = [value for line in lines for row in line.get("rows", ()) for value in row]
    lengths = {len(value) for value in values if isinstance(value, list)}
    assert max(lengths) == len(fake_header().au_codes)
    assert not any(isinstance(value, dict) or (isinstance(value, str) and len(value) > 40) for value in values)
