"""A training that starts from an exported model, grades intensity and keeps its links alive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.action_units import noise_bank
from engine.backends.contract import read_contract
from engine.backends.registry import open_backend
from tests.training.fakes.action_units import TINY, UNITS, fake_unit_faces
from tests.training.fakes.expression import quiet
from tests.training.fakes.trunk import trunk_weights
from training.action_units import start as start_module
from training.action_units.export import export_action_units
from training.action_units.exported import ExportedActionUnits
from training.action_units.features import MEAN, STD, FeatureTask, load_action_units, network_input
from training.action_units.fit import fit_action_units
from training.action_units.loss import intensity_loss
from training.action_units.model import UGNConfig, UGNExport, UncertainGraphHead
from training.action_units.start import start_from_file
from training.data.action_unit_faces import UnitFaces, UnitSplit, split_people
from training.layers.face_trunk import FaceTrunk, load_trunk
from training.layers.residual import ResidualBlock

ON_FACE_TRUNK = replace(TINY, model=UGNConfig(face_trunk=(1,), widths=(32,), blocks=(1,), graph_width=8, projection=4))
GRADED = replace(TINY, model=replace(TINY.model, links="softplus", self_noise=0.0, intensity=True))


def graded_faces() -> UnitFaces:
    faces = fake_unit_faces()
    return replace(faces, intensities=5 * faces.targets)


@pytest.fixture(scope="module")
def split() -> UnitSplit:
    torch.set_num_threads(1)
    return split_people(graded_faces(), 1)


@pytest.fixture(scope="module")
def run(split: UnitSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit_action_units(split, GRADED, folder / "run", report=quiet)
    export_action_units(folder / "run", split, folder / "units.onnx", quiet)
    return folder


def test_a_task_that_starts_from_a_file_has_its_features_and_logits(run: Path, split: UnitSplit) -> None:
    model, _ = load_action_units(run / "run")
    config = replace(GRADED, model=replace(GRADED.model, units=len(UNITS)))
    task = FeatureTask(split, config, True, torch.device("cpu"))
    start_from_file(task, run / "units.onnx")
    images = network_input(split.validation.crops)
    with torch.no_grad():
        started, own = task.model.eval().features(images), model.features(images)
        assert started.numpy() == pytest.approx(own.numpy(), abs=0.02 * own.abs().max().item())
        logits = task.model.classifier(started).numpy()
    wanted = ExportedActionUnits(run / "units.onnx").logits(split.validation.crops).mean(1)
    assert np.corrcoef(logits.ravel(), wanted.ravel())[0, 1] > 0.9


def test_a_file_of_another_shape_is_refused(run: Path, split: UnitSplit) -> None:
    config = replace(GRADED, model=replace(GRADED.model, units=len(UNITS), widths=(4, 16)))
    with pytest.raises(ValueError, match="does not have the shape of this configuration"):
        start_from_file(FeatureTask(split, config, True, torch.device("cpu")), run / "units.onnx")


def test_blocks_that_the_file_lacks_start_as_identity_and_learn(run: Path, split: UnitSplit) -> None:
    more = tuple(count + 1 for count in GRADED.model.blocks)
    config = replace(GRADED, model=replace(GRADED.model, units=len(UNITS), blocks=more))
    task = FeatureTask(split, config, True, torch.device("cpu"))
    start_from_file(task, run / "units.onnx")
    model, _ = load_action_units(run / "run")
    images = network_input(split.validation.crops)
    with torch.no_grad():
        own = model.features(images)
        assert task.model.eval().features(images).numpy() == pytest.approx(
            own.numpy(), abs=0.02 * own.abs().max().item()
        )
    new = [part for part in task.model.features.trunk if isinstance(part, ResidualBlock)][-1]
    task.loss(torch.arange(8), 0.0, torch.Generator().manual_seed(0)).backward()
    assert new.second[1].weight.grad.abs().sum() > 0


def test_training_from_a_file_is_not_resumed_from_another_start(run: Path, split: UnitSplit, tmp_path: Path) -> None:
    fit_action_units(split, GRADED, tmp_path, report=quiet, start=run / "units.onnx")
    other = run / "units.json"  # any other file: its hash differs
    with pytest.raises(ValueError, match="trained with start_sha256"):
        fit_action_units(split, GRADED, tmp_path, report=quiet, start=other)


def test_without_epochs_of_stage_1_only_the_head_is_trained(run: Path, split: UnitSplit, tmp_path: Path) -> None:
    config = replace(GRADED, stage1=replace(GRADED.stage1, epochs=0))
    model = fit_action_units(split, config, tmp_path, report=quiet, start=run / "units.onnx")
    trunk, _ = load_action_units(run / "run")
    images = network_input(split.test.crops[:6])
    with torch.no_grad():
        own, started = trunk.features(images), model.features(images)
    assert started.numpy() == pytest.approx(own.numpy(), abs=0.02 * own.abs().max().item())
    assert not torch.equal(model.head.classifier.weight, trunk.head.classifier.weight)


def test_the_intensity_of_the_file_is_read_by_the_engine(run: Path, split: UnitSplit) -> None:
    contract = read_contract(run / "units.onnx")
    assert contract.outputs[-1].name == "intensity"
    model, _ = load_action_units(run / "run")
    backend = open_backend(run / "units.onnx", ("onnxruntime",), threads=1)
    image, noise = network_input(split.test.crops[:4]).numpy(), noise_bank(20, len(UNITS), 0)
    found = backend.run({"image": image, "noise": noise})["intensity"]
    with torch.no_grad():
        wanted = UGNExport(model)(torch.from_numpy(image), torch.from_numpy(noise))[-1].numpy()
    assert found.shape == (4, len(UNITS))
    assert found == pytest.approx(wanted, abs=0.05)
    assert ((found >= 0) & (found <= 5)).all()


def test_unknown_intensities_add_no_loss() -> None:
    graded = torch.tensor([[0.2, float("nan")], [float("nan"), float("nan")]])
    logits = torch.tensor([[0.3, 9.0], [-9.0, 9.0]], requires_grad=True)
    loss = intensity_loss(logits, graded)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(-(0.2 * np.log(1 / (1 + np.exp(-0.3))) + 0.8 * np.log(1 / (1 + np.exp(0.3)))))
    assert gradient.ravel()[1:].tolist() == [0.0, 0.0, 0.0]
    assert intensity_loss(logits, torch.full((2, 2), float("nan"))).item() == 0.0


def test_softplus_links_have_a_gradient_however_faint() -> None:
    torch.manual_seed(0)
    head = UncertainGraphHead(replace(GRADED.model, units=4))
    with torch.no_grad():
        head.first.edges.fill_(-4.0)
    off = ~torch.eye(4, dtype=torch.bool)
    adjacency = head.first.adjacency()
    assert bool((adjacency[off] > 0).all())
    (gradient,) = torch.autograd.grad(adjacency[off].sum(), head.first.edges)
    assert bool((gradient[off] != 0).all())


def test_links_start_as_strong_whatever_rectifies_them() -> None:
    for links in ("relu", "softplus"):
        torch.manual_seed(0)
        layer = UncertainGraphHead(replace(GRADED.model, units=18, links=links)).first
        rectified = layer.rectify(layer.edges + layer.edges.T)
        assert 0.05 < rectified[~torch.eye(18, dtype=torch.bool)].mean().item() < 0.15


def test_noise_on_a_units_own_loop_has_no_effect_without_self_noise() -> None:
    torch.manual_seed(0)
    head = UncertainGraphHead(replace(GRADED.model, units=4)).eval()
    features, noise = torch.rand(3, 4, 8), torch.randn(5, 2, 4, 4)
    silent = noise * (1 - torch.eye(4))
    with torch.no_grad():
        assert torch.equal(head(features, noise).logits, head(features, silent).logits)
        assert not torch.equal(head(features, noise).logits, head(features, 0 * noise).logits)


def test_a_share_of_the_noise_on_a_units_own_loop_is_that_share() -> None:
    torch.manual_seed(0)
    head = UncertainGraphHead(replace(GRADED.model, units=4, self_noise=0.25)).eval()
    whole = UncertainGraphHead(replace(GRADED.model, units=4, self_noise=1.0)).eval()
    whole.load_state_dict(head.state_dict())
    features, noise = torch.rand(3, 4, 8), torch.randn(5, 2, 4, 4)
    with torch.no_grad():
        assert torch.equal(head(features, noise).logits, whole(features, noise * (1 - 0.75 * torch.eye(4))).logits)
    with pytest.raises(ValueError, match="self_noise must be between 0 and 1"):
        replace(GRADED.model, self_noise=2.0)


def test_a_file_may_have_another_share_of_the_noise_on_own_loops(run: Path, split: UnitSplit, tmp_path: Path) -> None:
    export_action_units(run / "run", split, tmp_path / "units.onnx", quiet, self_noise=0.5)
    loops = noise_bank(4, len(UNITS), 0) * np.eye(len(UNITS), dtype=np.float32)
    crops = split.validation.crops[:4]
    spread = [
        ExportedActionUnits(file).sampled(crops, loops)[0].std(1).max()
        for file in (run / "units.onnx", tmp_path / "units.onnx")
    ]
    assert spread[0] == pytest.approx(0, abs=1e-6)  # trained without noise there
    assert spread[1] > 1e-4
    assert "exported with 0.5 of the noise on own loops" in read_contract(tmp_path / "units.onnx").trained


@pytest.fixture
def dlib(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins of dlib's weights, whatever the path."""
    monkeypatch.setattr(start_module, "read_trunk", lambda path: trunk_weights())
    return Path("trunk.npz")


def test_a_short_face_trunk_computes_what_the_first_blocks_do(dlib: Path, split: UnitSplit) -> None:
    config = replace(ON_FACE_TRUNK, model=replace(ON_FACE_TRUNK.model, units=len(UNITS)))
    task = FeatureTask(split, config, True, torch.device("cpu"))
    start_from_file(task, dlib)
    whole = FaceTrunk().eval()
    load_trunk(whole, trunk_weights(), MEAN, STD)
    images = network_input(split.validation.crops[:3])
    with torch.no_grad():
        maps = torch.nn.functional.max_pool2d(whole.norm(whole.conv(images)).relu(), 3, 2)
        wanted = whole.blocks[0](maps)
        found = task.model.eval().features.trunk(images)
    assert found.numpy() == pytest.approx(wanted.numpy(), abs=1e-3 * wanted.abs().max().item())


def test_dlib_weights_need_a_face_trunk(dlib: Path, split: UnitSplit) -> None:
    config = replace(GRADED, model=replace(GRADED.model, units=len(UNITS)))
    with pytest.raises(ValueError, match="needs a model with face_trunk"):
        start_from_file(FeatureTask(split, config, True, torch.device("cpu")), dlib)


def test_an_export_on_a_face_trunk_can_be_the_start_of_another(dlib: Path, split: UnitSplit, tmp_path: Path) -> None:
    start = tmp_path / "trunk.npz"
    start.write_bytes(b"")  # only its hash is taken
    model = fit_action_units(split, ON_FACE_TRUNK, tmp_path / "run", report=quiet, start=start)
    export_action_units(tmp_path / "run", split, tmp_path / "units.onnx", quiet)
    config = replace(ON_FACE_TRUNK, model=replace(ON_FACE_TRUNK.model, units=len(UNITS)))
    task = FeatureTask(split, config, True, torch.device("cpu"))
    start_from_file(task, tmp_path / "units.onnx")
    images = network_input(split.validation.crops)
    with torch.no_grad():
        started, own = task.model.eval().features(images), model.features(images)
    assert started.numpy() == pytest.approx(own.numpy(), abs=0.02 * own.abs().max().item())


def test_the_trunk_learns_intensity_where_the_model_grades_it(split: UnitSplit) -> None:
    """The loss of stage 1 moves the trunk even where no label of occurrence is known."""
    shown = int(np.flatnonzero(split.training.occurs.all(1))[0])  # rates need one label of each unit
    known = np.zeros_like(split.training.known)
    known[shown] = True
    unknown = replace(split.training, known=known)
    task = FeatureTask(
        replace(split, training=unknown),
        replace(GRADED, model=replace(GRADED.model, units=len(UNITS))),
        True,
        torch.device("cpu"),
    )
    others = torch.from_numpy(np.flatnonzero(~known[:, 0]))[:8]
    loss = task.loss(others, 0.0, torch.Generator().manual_seed(0))
    torch.autograd.backward(loss)
    convolution = next(part for part in task.model.features.trunk.modules() if isinstance(part, torch.nn.Conv2d))
    assert loss.item() > 0
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.abs().max() > 0
