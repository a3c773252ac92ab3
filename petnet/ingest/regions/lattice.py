"""Grids whose voxel centres coincide: which whole-voxel shift, flip and permutation leads over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from petnet.volume import GEOMETRY_TOLERANCE_MM

__all__ = ["Steps", "put", "steps_between"]


@dataclass(frozen=True, slots=True)
class Steps:
    """How a grid lies in another whose voxel centres are the same.

    Index i of the one along its axis a is index `start[t] + signs[a] · i` of the other along its
    axis t = `axes[a]`.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    start: tuple[int, int, int]

    def of_part(self, box: Sequence[slice]) -> Steps:
        """Return how a part of the grid lies, counted from its own first voxel."""
        start = list(self.start)
        for source, target in enumerate(self.axes):
            start[target] += self.signs[source] * box[source].start
        x, y, z = start
        return Steps(self.axes, self.signs, (x, y, z))


def steps_between(
    source_shape: Sequence[int],
    source_affine: NDArray[np.float64],
    target_affine: NDArray[np.float64],
    tolerance_mm: float = GEOMETRY_TOLERANCE_MM,
) -> Steps | None:
    """Return how the source's grid lies in the target's, or None where centres do not coincide.

    Parameters
    ----------
    source_shape : sequence of 3 int
    source_affine, target_affine : (4, 4) float64 array
        Voxel index to millimetres, in one frame of reference. The target's is regular.
    tolerance_mm : float
        Largest distance, along any direction of space, between centres that coincide.

    Returns
    -------
    Steps or None
        The source may reach beyond the target.
    """
    relative = np.linalg.solve(target_affine, source_affine)
    whole = np.rint(relative)
    turn = np.abs(whole[:3, :3])
    if not ((turn.sum(axis=0) == 1).all() and (turn.sum(axis=1) == 1).all()):
        return None
    if np.abs(whole).max() > np.iinfo(np.int32).max:  # no image is that far away
        return None
    corners = np.array([[*c, 1.0] for c in product(*[(0, n - 1) for n in source_shape])]).T
    apart = (target_affine @ (relative - whole) @ corners)[:3]
    if not np.abs(apart).max() <= tolerance_mm:
        return None
    a, b, c = (int(t) for t in turn.argmax(axis=0))
    signs = tuple(int(whole[t, k]) for k, t in enumerate((a, b, c)))
    start = tuple(int(n) for n in whole[:3, 3])
    return Steps((a, b, c), signs, start)  # type: ignore[arg-type]


def put(inside: NDArray[np.bool_], steps: Steps, mask: NDArray[np.bool_]) -> int:
    """Add the voxels of one grid to a mask on another; return how many lie outside of it.

    Parameters
    ----------
    inside : (I, J, K) bool array
        On the source's grid.
    steps : Steps
    mask : (X, Y, Z) bool array
        On the target's grid; changed in place.
    """
    turned = inside[tuple(slice(None, None, sign) for sign in steps.signs)]
    turned = turned.transpose(np.argsort(steps.axes))
    taken, filled = [], []
    for axis, source in enumerate(np.argsort(steps.axes)):
        length, first = turned.shape[axis], steps.start[axis]
        if steps.signs[source] < 0:
            first -= length - 1
        low = min(max(first, 0), mask.shape[axis])
        high = max(min(first + length, mask.shape[axis]), low)
        filled.append(slice(low, high))
        taken.append(slice(low - first, high - first))
    part = turned[tuple(taken)]
    mask[tuple(filled)] |= part
    return int(inside.sum()) - int(part.sum())
