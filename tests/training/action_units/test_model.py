"""UGN: the graph head, its uncertainty and its losses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from training.action_units.loss import (
    adaptive_loss,
    adaptive_weights,
    label_terms,
    marginal_terms,
    mask_divergence,
    unit_rates,
    unit_weights,
    weighted_unit_loss,
)
from training.action_units.model import UGN, UGNConfig, UGNExport, UncertainGraphHead, decompose

SMALL = UGNConfig(units=3, side_px=32, stem=4, widths=(4, 8), blocks=(1, 1), graph_width=6, projection=5)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _noise(samples: int, units: int = 3) -> torch.Tensor:
    return torch.randn(samples, 2, units, units)


@pytest.mark.parametrize("pooling", ["attention", "linear"])
def test_shapes_from_image_to_logits(pooling: str) -> None:
    model = UGN(replace(SMALL, pooling=pooling)).eval()
    images = torch.randn(2, 1, 32, 32)
    assert model.features(images).shape == (2, 3, 8)
    assert model.classifier(model.features(images)).shape == (2, 3)
    output = model(images, _noise(4))
    assert output.logits.shape == (2, 4, 3)
    assert [layer.mask.shape for layer in output.layers] == [(2, 4, 3, 3)] * 2


def test_edge_model_stays_within_its_parameter_budget() -> None:
    model = UGN(UGNConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) <= 1_200_000


def test_invalid_shape_is_rejected() -> None:
    with pytest.raises(ValueError, match="'mean'"):
        UGNConfig(pooling="mean")
    with pytest.raises(ValueError, match="'soft'"):
        UGNConfig(mask="soft")
    with pytest.raises(ValueError, match="same length"):
        UGNConfig(widths=(4, 8), blocks=(1,))


def test_masks_are_strictly_between_0_and_1() -> None:
    output = UGN(SMALL).eval()(torch.randn(2, 1, 32, 32), _noise(8))
    for layer in output.layers:
        low, high = layer.mask.detach().aminmax()
        assert 0 < low < high < 1


def test_adjacency_is_symmetric_and_normalised_by_its_row_sums() -> None:
    layer = UncertainGraphHead(SMALL).first
    with torch.no_grad():
        layer.edges.copy_(torch.tensor([[0.0, 1.0, -9.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.5]]))
    # B + B^T: edge 0-1 is 3, edge 0-2 is negative and so cut, 2 has a loop of 1; plus the identity
    loops = torch.tensor([[1.0, 3.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    rows = torch.tensor([4.0, 4.0, 2.0])
    expected = loops / torch.sqrt(rows[:, None] * rows[None, :])
    torch.testing.assert_close(layer.adjacency(), expected)
    assert torch.equal(layer.adjacency(), layer.adjacency().T)


def test_mask_parameters_equal_the_dot_product_with_concatenated_nodes() -> None:
    layer = UncertainGraphHead(SMALL).first
    nodes = torch.randn(3, 8)
    mu, sigma = layer.mask_parameters(nodes)
    g = layer.project(nodes)
    joined = torch.cat([g[0], g[2]])  # i = 0, j = 2
    a_mu = torch.cat([layer.mean.weight[0], layer.mean.weight[1]])
    a_sg = torch.cat([layer.spread.weight[0], layer.spread.weight[1]])
    torch.testing.assert_close(mu[0, 2], a_mu @ joined)
    torch.testing.assert_close(sigma[0, 2], torch.log1p(torch.exp(a_sg @ joined + layer.spread_bias)))


def test_mask_multiplies_the_adjacency_before_the_features() -> None:
    layer = UncertainGraphHead(SMALL).first
    nodes = torch.rand(1, 1, 3, 8)
    hidden, sample = layer(nodes, torch.zeros(1, 3, 3))
    masked = sample.mask[0, 0] * layer.adjacency()
    torch.testing.assert_close(hidden[0, 0], torch.relu(masked @ nodes[0, 0] @ layer.weight.weight.T))


def test_layer_without_a_mask_is_a_plain_graph_convolution() -> None:
    layer = UncertainGraphHead(replace(SMALL, mask="none")).first
    nodes = torch.rand(1, 1, 3, 8)
    hidden, sample = layer(nodes, torch.randn(4, 3, 3))
    plain = torch.relu(layer.adjacency() @ nodes[0, 0] @ layer.weight.weight.T)
    torch.testing.assert_close(hidden[0], plain.expand(4, 3, 6))
    assert torch.equal(sample.mask, torch.ones(1, 4, 3, 3))


@torch.no_grad()
def test_features_at_rest_give_the_same_logits_under_any_mask() -> None:
    head = UncertainGraphHead(SMALL)
    features = torch.rand(1, 3, 8)
    assert float(head(features, _noise(9)).logits.std(1).max()) > 0
    head.set_rest(features[0])
    torch.testing.assert_close(head(features, _noise(9)).logits.std(1), torch.zeros(1, 3))


def test_published_form_has_neither_rest_features_nor_bias() -> None:
    head = UncertainGraphHead(replace(SMALL, centred=False))
    assert not head.rest.any()
    for layer in (head.first, head.second):
        assert not layer.bias.requires_grad
        assert not layer.bias.any()


def test_epistemic_uncertainty_vanishes_with_the_spread_of_the_mask() -> None:
    head = UncertainGraphHead(SMALL).eval()
    features = torch.rand(4, 3, 8) * 5
    spread = decompose(head(features, _noise(20)).logits).epistemic.detach()
    with torch.no_grad():
        for layer in (head.first, head.second):
            layer.spread.weight.zero_()
            layer.spread_bias.fill_(-40.0)
    still = decompose(head(features, _noise(20)).logits).epistemic.detach()
    assert float(spread.max()) > 1e-7
    assert float(still.max()) < 1e-6


def test_logits_of_a_face_do_not_depend_on_its_batch() -> None:
    model = UGN(SMALL).eval()
    images, noise = torch.randn(5, 1, 32, 32), _noise(4)
    torch.testing.assert_close(model(images[2:3], noise).logits, model(images, noise).logits[2:3])


def test_shared_noise_bank_equals_the_same_bank_per_face() -> None:
    head, features, noise = UncertainGraphHead(SMALL), torch.rand(2, 3, 8), _noise(4)
    each = noise.expand(2, *noise.shape)
    torch.testing.assert_close(head(features, noise).logits, head(features, each).logits)


def test_gradient_reaches_the_edges_and_both_parts_of_the_mask() -> None:
    head = UncertainGraphHead(SMALL)
    logits = head(torch.rand(4, 3, 8), torch.randn(4, 1, 2, 3, 3)).logits[:, 0]
    adaptive_loss(label_terms(logits, torch.ones(4, 3), torch.ones(4, 3) > 0), torch.ones(4)).backward()
    for layer in (head.first, head.second):
        for parameter in (layer.edges, layer.mean.weight, layer.spread.weight, layer.spread_bias):
            assert parameter.grad is not None
            assert float(parameter.grad.abs().max()) > 0


def test_decomposition_of_two_opposite_samples() -> None:
    sure = 30.0
    uncertainty = decompose(torch.tensor([[[sure, 0.0], [-sure, 0.0]]]))  # one face, two samples, two units
    torch.testing.assert_close(uncertainty.occurrence, torch.tensor([[0.5, 0.5]]))
    # unit 0: the samples disagree, each sure; unit 1: they agree that it is open
    torch.testing.assert_close(uncertainty.epistemic, torch.tensor([[math.log(2), 0.0]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(uncertainty.aleatoric, torch.tensor([[0.0, math.log(2)]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(uncertainty.occurrence_std, torch.tensor([[0.5, 0.0]]))
    torch.testing.assert_close(uncertainty.total, torch.tensor([[math.log(2), math.log(2)]]))


def test_export_wrapper_reports_the_mask_over_samples_and_layers() -> None:
    model = UGN(SMALL).eval()
    images, noise = torch.randn(2, 1, 32, 32), _noise(6)
    logits, mean, std, adjacency = UGNExport(model)(images, noise)
    masks = [layer.mask for layer in model(images, noise).layers]
    torch.testing.assert_close(logits, model(images, noise).logits)
    torch.testing.assert_close(mean, (masks[0].mean(1) + masks[1].mean(1)) / 2)
    torch.testing.assert_close(std, (masks[0].std(1, correction=0) + masks[1].std(1, correction=0)) / 2)
    torch.testing.assert_close(adjacency, (model.head.first.adjacency() + model.head.second.adjacency()) / 2)


def test_unit_weights_are_inverse_occurrence_rates_with_mean_1() -> None:
    tau = unit_weights(torch.tensor([0.5, 0.25, 0.05]))
    total = 1 / 0.5 + 1 / 0.25 + 1 / 0.05
    torch.testing.assert_close(tau, torch.tensor([3 * 2 / total, 3 * 4 / total, 3 * 20 / total]))


def test_unit_that_never_occurs_has_weight_0_and_leaves_the_others_unchanged() -> None:
    torch.testing.assert_close(unit_weights(torch.tensor([0.25, 0.0, 0.75])), torch.tensor([1.5, 0.0, 0.5]))
    with pytest.raises(ValueError, match="no training face shows any unit"):
        unit_weights(torch.zeros(3))


def test_occurrence_rates_are_over_known_labels() -> None:
    occurs = torch.tensor([[True, True, True], [False, True, False], [True, False, False]])
    known = torch.tensor([[True, False, False], [True, True, False], [True, True, False]])
    torch.testing.assert_close(unit_rates(occurs, known), torch.tensor([2 / 3, 1 / 2, 0.0]))


def test_weighted_unit_loss_equals_the_value_by_hand() -> None:
    known = torch.tensor([[True, True], [True, False]])
    terms = label_terms(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [0.5, 1.0]]), known)
    loss = weighted_unit_loss(terms, torch.tensor([1.5, 0.5]))
    # every term of a logit of 0 is ln 2; the last is not known
    assert float(loss) == pytest.approx(((1.5 + 0.5) + 1.5) / 2 * math.log(2))


def test_marginal_terms_use_the_mean_probability() -> None:
    p = torch.tensor([[[0.9], [0.2], [0.4]]])  # one face, three samples, one unit
    known = torch.tensor([[True]])
    for target in (0.0, 0.3, 1.0):
        found = marginal_terms(torch.logit(p), torch.tensor([[target]]), known)
        expected = -(target * math.log((0.9 + 0.2 + 0.4) / 3) + (1 - target) * math.log((0.1 + 0.8 + 0.6) / 3))
        assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(marginal_terms(torch.logit(p), torch.ones(1, 1), ~known)) == 0


def test_marginal_terms_of_one_sample_equal_the_plain_terms() -> None:
    logits, targets, known = torch.randn(5, 1, 3), torch.rand(5, 3), torch.rand(5, 3) < 0.7
    torch.testing.assert_close(marginal_terms(logits, targets, known), label_terms(logits[:, 0], targets, known))


def test_marginal_terms_are_stable_at_extreme_logits() -> None:
    logits = torch.tensor([[[1e4], [-1e4]], [[-1e4], [-1e4]]], requires_grad=True)
    terms = marginal_terms(logits, torch.ones(2, 1), torch.ones(2, 1) > 0)
    assert terms[:, 0].tolist() == pytest.approx([math.log(2), 1e4])
    terms.sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_adaptive_weights_are_a_softmax_within_each_group() -> None:
    epistemic = torch.tensor([[0.1, 0.2], [0.0, 0.0], [0.4, 0.1]], requires_grad=True)
    weights = adaptive_weights(epistemic, group=2)
    first = math.exp(0.3) / (math.exp(0.3) + 1)
    torch.testing.assert_close(weights, torch.tensor([1 + first, 2 - first, 2.0]))  # the third is alone in its group
    assert not weights.requires_grad


def test_adaptive_weights_depend_on_the_temperature() -> None:
    epistemic = torch.tensor([[0.1], [0.0], [0.4]])
    weights = adaptive_weights(epistemic, group=2, temperature=0.1)
    first = math.e / (math.e + 1)
    torch.testing.assert_close(weights, torch.tensor([1 + 2 * first, 1 + 2 * (1 - first), 2.0]))


def test_adaptive_loss_equals_the_value_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    terms = label_terms(logits, torch.ones(2, 2), torch.ones(2, 2) > 0)
    loss = adaptive_loss(terms, torch.tensor([1.0, 2.0]))
    first, second = 2 * math.log(2), math.log(4 / 3) + math.log(2)  # sigmoid(ln 3) = 3/4
    assert float(loss) == pytest.approx((1.0 * first + 2.0 * second) / 2)


def test_mask_divergence_equals_the_value_by_hand() -> None:
    mu, sigma = torch.full((2, 1, 2, 2), 3.0), torch.full((2, 1, 2, 2), 0.5)
    one = (9 + 0.25 - 1) / 2 - math.log(0.5)
    assert float(mask_divergence(mu, sigma)) == pytest.approx(4 * one)
