"""Action-unit labels with a known share turned over, to measure what noise in them costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.data.action_unit_faces import UnitFaces


def flip_labels(faces: UnitFaces, share: float, seed: int = 0) -> UnitFaces:
    """The faces with a share of the known labels of each unit turned over, and their soft targets with them.

    Exactly round(share x known) labels per unit, the same for one seed; those of a smaller share are among those of a
    larger one. Unknown labels stay as they are.

    Raises:
        ValueError: the share does not lie between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of flipped labels must lie between 0 and 1, not {share}")
    turned = np.zeros(faces.known.shape, bool)
    for place, unit in enumerate(faces.units):
        known = np.flatnonzero(faces.known[:, place])
        order = np.random.default_rng((seed, unit)).permutation(known)
        turned[order[: round(share * len(known))], place] = True
    targets = np.where(turned, 1 - faces.targets, faces.targets).astype(np.float32)
    return replace(faces, occurs=faces.occurs ^ turned, targets=targets)
