"""Made faces with action-unit labels, for tests of training, export and measuring."""

from __future__ import annotations

import numpy as np

from training.action_units.features import ActionUnitsConfig
from training.action_units.model import UGNConfig
from training.data.action_unit_faces import UnitFaces, fold_of
from training.data.augment import AugmentConfig
from training.loop.trainer import TrainerConfig

UNITS = (1, 12, 25)
STAGE = TrainerConfig(epochs=1, batch_size=16, bf16=False)
#: A run of seconds.
TINY = ActionUnitsConfig(
    model=UGNConfig(stem=4, widths=(4, 8), blocks=(1, 1), graph_width=8, projection=4),
    stage1=STAGE,
    stage2=STAGE,
    augment=AugmentConfig(landmark_noise=0.0),
    weighting_samples=2,
    views=2,
)


def fake_unit_faces(people: int = 60, source: str = "faces128", units: tuple[int, ...] = UNITS) -> UnitFaces:
    """Three pictures per person; a unit occurs on the bright ones, and everything is known."""
    random = np.random.default_rng(0)
    level = np.tile([30, 128, 220], people).astype(np.uint8)
    noise = random.integers(0, 20, (len(level), 96, 96), dtype=np.uint8)
    names = np.repeat([f"person {number}" for number in range(people)], 3)
    targets = np.repeat(level[:, np.newaxis] / 255, len(units), axis=1).astype(np.float32)
    return UnitFaces(
        units=units,
        crops=level[:, np.newaxis, np.newaxis] + noise,
        occurs=targets > 0.6,
        known=np.ones(targets.shape, bool),
        targets=targets,
        people=names,
        folds=np.array([fold_of(str(name)) for name in names], np.int64),
        sources=np.full(len(names), source),
    )
