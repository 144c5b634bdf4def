"""Features of stage 2: augmented views and the features at rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.fakes.action_units import TINY, UNITS, fake_unit_faces
from training.action_units.features import TrainingFaces
from training.action_units.graph import GraphTask, expected_intensities, resting_features, view_features
from training.action_units.loss import intensity_loss, mask_divergence
from training.action_units.model import UGN
from training.data.action_unit_faces import UnitSplit, split_people

CPU = torch.device("cpu")
ROWS = torch.arange(8)


@pytest.fixture
def split() -> UnitSplit:
    return split_people(fake_unit_faces(), 1)


def _model(**changes: object) -> UGN:
    torch.manual_seed(0)
    return UGN(replace(TINY.model, units=len(UNITS), **changes)).eval()


def test_rest_is_the_mean_over_views_of_faces_known_not_to_show_the_unit() -> None:
    features = torch.randn(2, 300, 2, 4).half()
    absent = torch.rand(300, 2) < 0.3
    absent[:, 1] = False  # no face is labelled as not showing it: all count
    rest = resting_features(features, absent)
    torch.testing.assert_close(rest[0], features.float()[:, absent[:, 0], 0].mean((0, 1)), atol=1e-5, rtol=0)
    torch.testing.assert_close(rest[1], features.float()[:, :, 1].mean((0, 1)), atol=1e-5, rtol=0)


def test_head_gets_the_rest_features_only_if_centred(split: UnitSplit) -> None:
    for centred in (True, False):
        model = _model(centred=centred)
        config = replace(TINY, model=model.config)
        GraphTask(split, config, model, CPU)
        assert bool(model.head.rest.any()) == centred


def test_views_depend_on_the_seed(split: UnitSplit) -> None:
    model, train = _model(), TrainingFaces(split.training, TINY.augment, CPU)
    first, again = (view_features(model, train, TINY, CPU) for _ in range(2))
    assert torch.equal(first, again)
    other = view_features(model, train, replace(TINY, stage2=replace(TINY.stage2, seed=1)), CPU)
    assert not torch.equal(first, other)


def _loss(split: UnitSplit, prior: float, variant: str = "ugn", **changes: object) -> torch.Tensor:
    model = _model(**changes)
    config = replace(TINY, model=model.config, variant=variant, mask_prior=prior)
    return GraphTask(split, config, model, CPU).loss(ROWS, 0.0, torch.Generator().manual_seed(0))


def test_mask_prior_is_added_with_its_weight(split: UnitSplit) -> None:
    model = _model()
    task = GraphTask(split, replace(TINY, model=model.config, variant="ugn"), model, CPU)
    generator = torch.Generator().manual_seed(0)
    views = torch.randint(TINY.views, ROWS.shape, generator=generator)
    noise = torch.randn(len(ROWS), 1, 2, len(UNITS), len(UNITS), generator=generator)
    train = TrainingFaces(split.training, TINY.augment, CPU)
    features = view_features(model, train, replace(TINY, model=model.config), CPU)[views, ROWS].float()
    output = task.model(features, noise)
    divergence = sum(mask_divergence(layer.mu, layer.sigma) for layer in output.layers)
    torch.testing.assert_close(_loss(split, 0.5) - _loss(split, 0.0), 0.5 * divergence)


def test_model_without_masks_has_a_finite_loss_and_no_prior(split: UnitSplit) -> None:
    fixed = _loss(split, 0.5, "gn-d", mask="none")
    assert bool(fixed.isfinite())
    torch.testing.assert_close(fixed, _loss(split, 0.0, "gn-d", mask="none"))


def test_adaptive_weights_raise_the_loss_of_ugn_b_only(split: UnitSplit) -> None:
    plain, adaptive = _loss(split, 0.0, "ugn"), _loss(split, 0.0, "ugn-b")
    assert plain < adaptive < 2 * plain  # weights lie in 1 to 2


def test_validation_reports_average_precision_auroc_and_epistemic(split: UnitSplit) -> None:
    model = _model()
    figures = GraphTask(split, replace(TINY, model=model.config), model, CPU).evaluate(model.head)
    assert set(figures) == {"average_precision", "auroc", "epistemic"}
    assert figures["epistemic"] > 0


def test_a_face_with_occurrence_alone_has_an_expected_intensity() -> None:
    unknown = float("nan")
    graded = torch.tensor([[0.2, 0.0], [0.6, 0.0], [0.0, 0.0], [unknown, unknown], [unknown, unknown]])
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    known = torch.tensor([[True, True]] * 4 + [[False, False]])
    found = expected_intensities(graded, targets, known)
    mean = (0.2 + 0.6) / 2  # of the first unit; no graded face shows the second one
    assert found[:3].tolist() == graded[:3].tolist()
    assert found[3, 0].item() == pytest.approx(0.5 * mean)
    assert found[3, 1].isnan()
    assert found[4].isnan().all()
    logits = torch.zeros(5, 2, requires_grad=True)
    intensity_loss(logits, found).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[3, 1] == logits.grad[4, 0] == 0
