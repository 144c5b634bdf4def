"""The noise bank against many samples, on a network trained for a moment."""

from __future__ import annotations

import pytest
import torch

from tests.training.fakes.action_units import TINY, UNITS, fake_unit_faces
from tests.training.fakes.expression import quiet
from training.action_units.export import export_action_units
from training.action_units.exported import ExportedActionUnits
from training.action_units.fit import fit_action_units
from training.data.action_unit_faces import split_people
from training.evaluation import mask_noise
from training.evaluation.mask_noise import measure_mask_noise


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedActionUnits:
    torch.set_num_threads(1)
    folder, split = tmp_path_factory.mktemp("noise"), split_people(fake_unit_faces(), 1)
    fit_action_units(split, TINY, folder / "run", report=quiet)
    export_action_units(folder / "run", split, folder / "units.onnx", quiet)
    return ExportedActionUnits(folder / "units.onnx")


def test_twenty_samples_in_opposite_pairs_have_nearly_the_means_of_many(
    network: ExportedActionUnits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_noise, "TRUE_SAMPLES", 400)
    monkeypatch.setattr(mask_noise, "_PART_SAMPLES", 40)
    found = measure_mask_noise(network, fake_unit_faces(8).crops, resamples=20)
    assert (found.faces, found.samples) == (24, 20)
    assert 0 <= found.occurrence_error.value < 0.01
    assert found.decisions_that_differ.value <= 1 / (24 * len(UNITS))
    assert found.epistemic_edges_nats > 0
    assert found.epistemic_self_nats > 0
    share = found.epistemic_edges_nats / (found.epistemic_edges_nats + found.epistemic_self_nats)
    assert found.epistemic_share_of_edges.value == pytest.approx(share)
