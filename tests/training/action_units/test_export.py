"""UGN and its baselines from training to an exported, calibrated file, at a size that trains in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.action_units import noise_bank
from engine.backends.contract import AUCalibration, read_contract
from engine.errors import ConfigError
from engine.facs import EXPRESSIONS
from engine.tracking.face_models import sha256_of
from tests.training.fakes.action_units import STAGE, TINY, UNITS, fake_labels, fake_unit_faces
from tests.training.fakes.expression import fake_faces, quiet
from training import CONFIGS
from training.action_units.calibration import (
    TIE_CONFIRMS,
    TIE_CONTRADICTS,
    TIED_FACES,
    SourceAuroc,
    WeakLabels,
    calibrate,
    expression_ties,
    fit_temperature,
    fit_thresholds,
    mean_occurrence,
    trusted_units,
    unit_evidence,
)
from training.action_units.export import calibrate_again, export_action_units, held_out_fold, write_model
from training.action_units.exported import ExportedActionUnits, open_session, run_logits
from training.action_units.features import load_action_units, network_input
from training.action_units.fit import (
    describe_faces,
    fit_action_units,
    fit_features,
    fit_head,
    head_features,
    read_action_units_config,
    sampled_logits,
)
from training.action_units.graph import GraphTask
from training.action_units.model import UGN, UGNConfig, UGNExport, Variant, decompose
from training.data.action_unit_faces import UnitFaces, UnitSplit, split_people

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split() -> UnitSplit:
    return split_people(fake_unit_faces(), 1)


@pytest.fixture(scope="module")
def run(split: UnitSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit_action_units(split, TINY, folder, report=quiet)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path, split: UnitSplit) -> Path:
    target = run / "out" / "action_units.onnx"
    export_action_units(run, split, target, report=quiet)
    return target


def test_finished_run_is_loaded_and_not_trained_again(run: Path, split: UnitSplit) -> None:
    stamps = [path.stat().st_mtime_ns for path in sorted(run.rglob("*.safetensors"))]
    again = fit_action_units(split, TINY, run, report=quiet)
    assert [path.stat().st_mtime_ns for path in sorted(run.rglob("*.safetensors"))] == stamps
    model, facts = load_action_units(run)
    assert (facts["units"], facts["test_fold"], facts["variant"]) == (list(UNITS), 1, "ugn-b")
    assert facts["data"] == describe_faces(split.training)
    kept = model.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in again.state_dict().items())


def test_head_is_trained_on_frozen_features(run: Path, split: UnitSplit) -> None:
    facts = {"data": describe_faces(split.training), "test_fold": 1}
    trunk = fit_features(split, TINY, run / "stage1", True, CPU, facts, quiet)
    model, _ = load_action_units(run)
    images = network_input(split.test.crops[:2])
    torch.testing.assert_close(model.features(images), trunk.features(images))


def test_killed_stage_2_resumes_from_its_checkpoint(
    split: UnitSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, stage2=replace(STAGE, epochs=3, save_every_s=0.0))
    torch.manual_seed(0)
    trunk = UGN(replace(config.model, units=len(UNITS))).eval()

    def head(name: str) -> UGN:
        return fit_head(split, config, trunk, Variant.UGN_B, tmp_path / name, CPU, {}, quiet)

    whole = head("whole")
    kept, steps = GraphTask.loss, 0

    def dies(task, rows, progress, generator):  # noqa: ANN202
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        return kept(task, rows, progress, generator)

    with monkeypatch.context() as patched:
        patched.setattr(GraphTask, "loss", dies)
        with pytest.raises(KeyboardInterrupt):
            head("broken")
    resumed = head("broken")
    found = resumed.head.state_dict()
    for name, value in whole.head.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_shared_features_give_the_same_head(split: UnitSplit, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trunk = UGN(replace(TINY.model, units=len(UNITS))).eval()
    shared = head_features(split, TINY, trunk, CPU)
    assert shared.shape == (2, len(split.training.people), len(UNITS), 8)
    assert shared.dtype == torch.float16
    assert not torch.equal(shared[0], shared[1])  # each view is augmented by itself
    first = fit_head(split, TINY, trunk, Variant.UGN, tmp_path / "own", CPU, {}, quiet)
    second = fit_head(split, TINY, trunk, Variant.UGN, tmp_path / "shared", CPU, {}, quiet, shared)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_unknown_labels_do_not_affect_training(split: UnitSplit, tmp_path: Path) -> None:
    def turned(faces: UnitFaces, unknown: np.ndarray) -> UnitFaces:
        known = ~unknown
        return replace(faces, known=known, occurs=faces.occurs ^ unknown, targets=np.abs(unknown - faces.targets))

    unknown = np.random.default_rng(0).random(split.training.known.shape) < 0.5
    plain = replace(split, training=replace(split.training, known=~unknown))
    lied = replace(split, training=turned(split.training, unknown))
    first = fit_action_units(plain, TINY, tmp_path / "plain", report=quiet)
    second = fit_action_units(lied, TINY, tmp_path / "lied", report=quiet)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_unit_without_positive_labels_is_reported_and_the_others_are_trained(split: UnitSplit, tmp_path: Path) -> None:
    known = split.training.known.copy()
    known[:, 1] = False
    lines: list[str] = []
    fit_action_units(
        replace(split, training=replace(split.training, known=known)),
        replace(TINY, variant="resnet-bl"),
        tmp_path,
        report=lines.append,
    )
    assert lines[0] == "no positive training label, so never predicted: AU12"


@pytest.mark.parametrize(("variant", "samples"), [("resnet", 1), ("resnet-bl", 1), ("gn-d", 1), ("ugn", 4)])
def test_each_variant_is_trained_and_sampled(split: UnitSplit, tmp_path: Path, variant: str, samples: int) -> None:
    model = fit_action_units(split, replace(TINY, variant=variant), tmp_path, report=quiet)
    logits = sampled_logits(model, Variant(variant), split.test.crops[:70], samples=4)
    assert logits.shape == (70 if len(split.test.crops) >= 70 else len(split.test.crops), samples, len(UNITS))
    loaded, _ = load_action_units(tmp_path)
    assert sampled_logits(loaded, Variant(variant), split.test.crops[:70], 4) == pytest.approx(logits, abs=1e-5)
    assert (tmp_path / "stage2").exists() == Variant(variant).has_graph


def test_gn_d_gives_one_sample_without_epistemic_uncertainty(split: UnitSplit, tmp_path: Path) -> None:
    model = fit_action_units(split, replace(TINY, variant="gn-d"), tmp_path, report=quiet)
    bank = torch.from_numpy(noise_bank(5, len(UNITS), 0))
    with torch.no_grad():
        logits, mean, std, _ = UGNExport(model)(network_input(split.test.crops[:3]), bank)
    assert torch.equal(logits[:, :1].expand_as(logits), logits)
    assert float(decompose(logits).epistemic.max()) < 1e-6  # rounding
    assert torch.equal(mean, torch.ones_like(mean))
    assert torch.equal(std, torch.zeros_like(std))
    export_action_units(tmp_path, split, tmp_path / "gn_d.onnx", quiet)
    contract = read_contract(tmp_path / "gn_d.onnx")
    assert isinstance(contract.calibration, AUCalibration)
    assert (contract.name, contract.calibration.mask_samples) == ("gn-d-edge", 1)


def test_marginal_loss_trains(split: UnitSplit, tmp_path: Path) -> None:
    config = replace(TINY, marginal_samples=3, weighting_temperature=0.1)
    torch.manual_seed(0)
    trunk = UGN(replace(config.model, units=len(UNITS))).eval()
    before = trunk.head.classifier.weight.clone()
    model = fit_head(split, config, trunk, Variant.UGN_B, tmp_path, CPU, {}, quiet)
    assert not torch.equal(before, model.head.classifier.weight)
    assert all(bool(value.isfinite().all()) for value in model.head.state_dict().values())


def test_run_with_other_settings_or_data_is_rejected(run: Path, split: UnitSplit) -> None:
    with pytest.raises(ValueError, match=r"stage1 was trained with variant 'ugn-b', not 'gn-d': choose another folder"):
        fit_action_units(split, replace(TINY, variant="gn-d"), run, report=quiet)
    other = split_people(fake_unit_faces(), 2)
    with pytest.raises(ValueError, match="trained with data"):
        fit_action_units(other, TINY, run, report=quiet)
    with pytest.raises(ValueError, match="held out fold 1, not 2: give --test-fold 1"):
        export_action_units(run, other, run / "x.onnx", quiet)


def test_run_without_a_graph_cannot_be_exported(split: UnitSplit, tmp_path: Path) -> None:
    fit_action_units(split, replace(TINY, variant="resnet"), tmp_path, report=quiet)
    with pytest.raises(ValueError, match="a run of resnet, which has no graph"):
        export_action_units(tmp_path, split, tmp_path / "x.onnx", quiet)
    with pytest.raises(ValueError, match="resnet has no second stage"):
        fit_head(split, TINY, UGN(TINY.model), Variant.RESNET, tmp_path, CPU, {}, quiet)


def test_exported_file_matches_pytorch(run: Path, exported: Path, split: UnitSplit) -> None:
    model, _ = load_action_units(run)
    expected = sampled_logits(model, Variant.UGN_B, split.test.crops[:3])
    assert ExportedActionUnits(exported).logits(split.test.crops[:3]) == pytest.approx(expected, abs=0.02)


def test_exported_file_accepts_any_number_of_faces_and_samples(exported: Path, split: UnitSplit) -> None:
    session, crops = open_session(exported, 1), np.repeat(split.test.crops[:1], 70, axis=0)
    assert run_logits(session, crops[:1], noise_bank(1, len(UNITS), 0)).shape == (1, 1, len(UNITS))
    assert run_logits(session, crops, noise_bank(3, len(UNITS), 0)).shape == (70, 3, len(UNITS))


def test_published_size_exports_with_any_number_of_samples(tmp_path: Path) -> None:
    config = read_action_units_config(CONFIGS / "action_units_ref.toml").model
    assert (config.widths, config.blocks, config.pooling) == ((64, 128, 256, 512), (2, 2, 2, 2), "linear")
    torch.manual_seed(0)
    model = UGN(replace(config, units=12)).eval()
    # ResNet18 without its last layer and with one channel for three, and 3.1 million for the twelve vectors (SPEC 3.1)
    assert sum(p.numel() for p in model.features.trunk.parameters()) == 11_176_512 - 2 * 7 * 7 * 64
    assert sum(p.numel() for p in model.features.parameters()) - sum(
        p.numel() for p in model.features.trunk.parameters()
    ) == 12 * 512 * (512 + 1)
    assert write_model(model, tmp_path / "ref.onnx") < 0.05
    session = open_session(tmp_path / "ref.onnx", 1)
    crops = np.zeros((2, 96, 96), np.uint8)
    assert [run_logits(session, crops, noise_bank(s, 12, 0)).shape for s in (1, 7)] == [(2, 1, 12), (2, 7, 12)]


def test_contract_describes_the_file(exported: Path, split: UnitSplit) -> None:
    contract = read_contract(exported)
    assert contract.sha256 == sha256_of(exported)
    assert contract.name == "ugn-edge"
    assert contract.labels == ("AU1", "AU12", "AU25")
    calibration = contract.calibration
    assert isinstance(calibration, AUCalibration)
    assert (calibration.mask_samples, calibration.mask_seed) == (20, 0)
    assert (len(calibration.thresholds), len(calibration.trusted)) == (3, 3)
    assert calibration.fitted_on == f"validation people: {describe_faces(split.validation)}"
    assert contract.data[0] == "rendered and machine-labelled faces, not certified FACS coding"
    assert contract.data[1] == describe_faces(split.training)
    assert held_out_fold(contract.data) == 1


def test_only_machine_labelled_sets_are_described_as_such(run: Path, split: UnitSplit, tmp_path: Path) -> None:
    coded = replace(split.training, sources=np.full(len(split.training.people), "bp4d"))
    export_action_units(run, replace(split, training=coded), tmp_path / "a.onnx", quiet)
    contract = read_contract(tmp_path / "a.onnx")
    assert not any("machine-labelled" in line for line in contract.data)
    assert contract.licence.startswith("the agreements of the publishers of bp4d")


def test_temperature_recovers_a_known_scaling_from_known_labels() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 1, 3)).astype(np.float32)
    labels = random.random((4000, 3)) < mean_occurrence(logits, 1.0)
    known = random.random((4000, 3)) < 0.7
    labels[~known] ^= True  # unknown labels may have any value
    assert fit_temperature(logits * np.float32(1.7), labels, known) == pytest.approx(1.7, rel=0.05)


def _judged(sources: list[str], known: list[bool], occurs: list[bool]) -> UnitFaces:
    faces = fake_unit_faces(people=2, units=(12,))
    flags = [np.array(values)[:, np.newaxis] for values in (occurs, known)]
    return replace(faces, sources=np.array(sources), occurs=flags[0], known=flags[1])


SEEN = [True] * 6
#: Four images of one source, two of another.
TWO = ["open"] * 4 + ["faces128"] * 2


@pytest.mark.parametrize(
    ("sources", "known", "p", "trusted"),
    [
        (TWO, SEEN, [0.9, 0.8, 0.1, 0.2, 0.9, 0.1], True),
        (TWO, SEEN, [0.9, 0.8, 0.1, 0.2, 0.1, 0.9], False),  # the natural faces are in the wrong order
        (TWO, SEEN, [0.1, 0.2, 0.9, 0.8, 0.9, 0.1], False),  # the rendered ones are
        (["open"] * 6, SEEN, [0.9, 0.8, 0.1, 0.2, 0.9, 0.1], False),  # no natural face
        (TWO, [True] * 4 + [False] * 2, [0.9, 0.8, 0.1, 0.2, 0.9, 0.1], False),  # no natural face with a known label
        (TWO, [False] * 4 + [True] * 2, [0.1, 0.1, 0.9, 0.9, 0.9, 0.1], True),  # a source without labels for it
        (TWO, [True] * 5 + [False], [0.9, 0.8, 0.1, 0.2, 0.9, 0.1], False),  # all natural faces show the unit
        (["faces128"] * 6, [False] * 6, [0.9] * 6, False),
    ],
)
def test_unit_is_trusted_if_every_source_that_labels_it_agrees(
    sources: list[str], known: list[bool], p: list[float], trusted: bool
) -> None:
    faces = _judged(sources, known, [True, True, False, False, True, False])
    assert trusted_units(faces, np.array(p, np.float32)[:, np.newaxis]) == (trusted,)


@pytest.mark.parametrize(
    ("sources", "tie", "trusted"),
    [
        (["open"] * 6, TIE_CONFIRMS, True),  # faces with an expression replace labelled natural faces
        (["open"] * 6, TIE_CONFIRMS - 0.01, False),
        (TWO, TIE_CONTRADICTS, True),
        (TWO, TIE_CONTRADICTS - 0.01, False),  # labels agree, but expressions contradict
    ],
)
def test_expression_ties_confirm_or_contradict_a_unit(sources: list[str], tie: float, trusted: bool) -> None:
    faces = _judged(sources, SEEN, [True, True, False, False, True, False])
    occurrence = np.array([[0.9], [0.8], [0.1], [0.2], [0.9], [0.1]], np.float32)
    assert trusted_units(faces, occurrence, {faces.units[0]: tie}) == (trusted,)
    other = {faces.units[0] + 1: tie}
    assert trusted_units(faces, occurrence, other) == trusted_units(faces, occurrence)


def test_ties_are_of_single_units_with_enough_faces() -> None:
    happy, others = TIED_FACES, TIED_FACES - 1
    votes = np.zeros((happy + others, 10), np.int64)
    votes[:happy, EXPRESSIONS.index("happiness")] = 10
    votes[happy:, EXPRESSIONS.index("anger")] = 10  # one face too few
    occurrence = np.zeros((len(votes), 3), np.float32)
    occurrence[:happy, 1] = 1.0
    assert expression_ties(occurrence, (4, 12, 25), replace(fake_faces(len(votes)), votes=votes)) == {12: 1.0}


def test_thresholds_use_known_labels_and_are_one_half_without_both_labels() -> None:
    p = np.array([0.9, 0.8, 0.3, 0.2, 0.1, 0.7], np.float32)[:, np.newaxis]
    faces = _judged(TWO, [True, True, True, True, True, False], [True, True, True, False, False, False])
    assert fit_thresholds(faces, p) == (pytest.approx((0.3 + 0.2) / 2),)
    assert fit_thresholds(replace(faces, occurs=np.ones((6, 1), bool)), p) == (0.5,)


def test_the_curve_of_a_threshold_has_the_f1_of_both_kinds_of_labels() -> None:
    faces = fake_labels(np.array([[True], [True], [False], [False]]))
    p = np.array([[0.9], [0.4], [0.6], [0.1]], np.float32)
    weak = WeakLabels(np.array([[0.8], [0.3]], np.float32), np.array([[0.9], [0.2]], np.float32), np.array([True]))
    (curve,) = unit_evidence(faces, p, (0.7,), (True,), {1: 0.75}, weak)
    at = dict(zip(curve.limits, zip(curve.f1, curve.f1_weak, strict=True), strict=True))
    assert at[0.05] == pytest.approx((2 * 2 / (4 + 2), 2 * 1.1 / (2 + 1.1)))
    assert at[0.5] == pytest.approx((2 * 1 / (2 + 2), 2 * 0.9 / (1 + 1.1)))
    assert (curve.unit, curve.threshold, curve.trusted, curve.expression) == ("AU1", 0.7, True, 0.75)
    (without,) = unit_evidence(faces, p, (0.7,), (False,), {})
    assert (without.f1_weak, without.expression, without.trusted) == ((), None, False)
    untold = replace(weak, labelled=np.array([False]))
    assert unit_evidence(faces, p, (0.7,), (True,), {}, untold)[0].f1_weak == ()


def test_evidence_has_the_auroc_of_each_source_that_shows_the_unit_and_its_absence() -> None:
    faces = fake_labels(np.array([[True], [False], [True], [False], [True]]))
    faces = replace(faces, sources=np.array(["open", "open", "open", "faces128", "ferplus"]))
    (found,) = unit_evidence(faces, np.array([[0.9], [0.5], [0.2], [0.1], [0.3]], np.float32), (0.5,), (True,), {})
    assert found.sources == (SourceAuroc("open", 0.5, 3),)


def test_calibration_again_returns_the_curves_and_keeps_the_weights(
    exported: Path, split: UnitSplit, tmp_path: Path
) -> None:
    copy = tmp_path / "action_units.onnx"
    for file in exported.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    curves = calibrate_again(copy, split, quiet)
    calibration = read_contract(copy).calibration
    assert calibration == read_contract(exported).calibration
    assert tuple(curve.threshold for curve in curves) == calibration.thresholds
    assert sha256_of(copy) == sha256_of(exported)


def test_calibration_uses_the_exported_file(exported: Path, split: UnitSplit) -> None:
    assert calibrate(exported, split.validation) == read_contract(exported).calibration


@pytest.mark.parametrize(
    "name",
    ["action_units", "action_units_ref", "action_units_round2", "action_units_round3", "action_units_face_trunk"],
)
def test_shipped_settings_can_be_read(name: str) -> None:
    config = read_action_units_config(CONFIGS / f"{name}.toml")
    assert config.variant == "ugn-b"
    assert (config.model == UGNConfig()) == (name == "action_units")


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ("[stage1]\nepoch = 3\n", r"'stage1\.epoch'"),
        ('variant = "gcn"\n', "variant must be one of"),
        ("views = 0\n", "views"),
    ],
)
def test_invalid_setting_is_rejected(tmp_path: Path, text: str, difference: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises((ConfigError, ValueError), match=difference):
        read_action_units_config(path)
