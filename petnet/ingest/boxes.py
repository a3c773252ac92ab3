"""Boxes of voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "bounding_box"]

Box = tuple[slice, slice, slice]


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Return the slices of the smallest box that holds a mask: of nothing where it is empty."""
    flat: NDArray[np.bool_] = np.any(mask, axis=2)
    if not flat.any():
        return slice(0, 0), slice(0, 0), slice(0, 0)
    along: tuple[NDArray[np.bool_], ...] = (
        np.any(flat, axis=1), np.any(flat, axis=0), np.any(mask, axis=(0, 1))
    )  # fmt: skip
    ends = [(int(used.argmax()), int(used.size - used[::-1].argmax())) for used in along]
    x, y, z = (slice(first, end) for first, end in ends)
    return x, y, z
