"""Landmark features from the tracker's mesh: heat maps of point groups (SPEC 2.6 a).

ARBEx and POSTER++ take landmark features from a pretrained MobileFaceNet. The engine has a mesh for each face anyway,
so its points, drawn as soft maps, give the queries of the cross-attention; no extra network is needed.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_RIGHT_BROW: Final = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
_LEFT_BROW: Final = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
_RIGHT_EYE: Final = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
_LEFT_EYE: Final = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
_NOSE: Final = (168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278, 64, 294)
_NOSE_MIRROR: Final = (168, 6, 197, 195, 5, 4, 1, 2, 327, 98, 278, 48, 294, 64)
_LIPS_OUTER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_LIPS_INNER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_JAW: Final = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)


def _ring_mirror(ring: tuple[int, ...]) -> tuple[int, ...]:
    """Mirror image of a lip ring that starts at the right corner and has the left one in its middle."""
    half = len(ring) // 2
    return tuple(ring[(half - step) % len(ring)] for step in range(len(ring)))


#: Mesh points of each group; each group gives one map.
GROUPS: Final = (_RIGHT_BROW, _LEFT_BROW, _RIGHT_EYE, _LEFT_EYE, _NOSE, _LIPS_OUTER, _LIPS_INNER, _JAW)
_MIRRORED: Final = (
    _LEFT_BROW,
    _RIGHT_BROW,
    _LEFT_EYE,
    _RIGHT_EYE,
    _NOSE_MIRROR,
    _ring_mirror(_LIPS_OUTER),
    _ring_mirror(_LIPS_INNER),
    _JAW[::-1],
)
#: The points that the model reads, group after group (P,).
LANDMARK_POINTS: Final = tuple(point for group in GROUPS for point in group)
#: For each of them the position, in LANDMARK_POINTS, of the point that replaces it in a mirrored image.
MIRROR: Final = tuple(LANDMARK_POINTS.index(point) for group in _MIRRORED for point in group)


class LandmarkMaps(nn.Module):
    """Soft maps of the groups on a square grid: the mean over a group's points of a Gaussian of one cell.

    A mean cannot saturate: it is 1 only where all points of a group lie in the middle of one cell. A sum that is
    clipped at 1, used up to version 0.1.0, was 1 in every cell of the coarsest level, whatever the face.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("cells", (torch.arange(grid) + 0.5) / grid, persistent=False)
        owner = torch.tensor([index for index, group in enumerate(GROUPS) for _ in group])
        sizes = torch.tensor([len(group) for group in GROUPS])
        member_of = functional.one_hot(owner, len(GROUPS)) / sizes
        self.register_buffer("member_of", member_of, persistent=False)  # (P, G), columns sum to 1
        self.cells: Tensor
        self.member_of: Tensor

    def forward(self, points: Tensor) -> Tensor:
        """Points (N, P, 2), x y in 0-1 of the crop, order of LANDMARK_POINTS, to maps (N, H, W, G)."""
        across = self._bumps(points[..., 0])  # (N, P, W)
        down = self._bumps(points[..., 1])  # (N, P, H)
        groups = len(GROUPS)
        grouped = (across[..., None] * self.member_of[:, None]).reshape(-1, len(LANDMARK_POINTS), self.grid * groups)
        maps = down.transpose(1, 2) @ grouped  # (N, H, W*G)
        return maps.reshape(-1, self.grid, self.grid, groups)

    def _bumps(self, place: Tensor) -> Tensor:
        distance = (place[..., None] - self.cells) * self.grid
        return torch.exp(-0.5 * distance * distance)
