"""What a filter sees beyond the edge of the image (IBSI-2 boundary conditions)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["NDIMAGE_MODES", "Boundary", "crop", "pad"]

#: "mirror" repeats the edge voxel: c b a | a b c.
Boundary = Literal["zero", "nearest", "periodic", "mirror"]
NDIMAGE_MODES: dict[Boundary, str] = {
    "zero": "constant",
    "nearest": "nearest",
    "periodic": "wrap",
    "mirror": "reflect",
}
NUMPY_MODES: dict[Boundary, Literal["constant", "edge", "wrap", "symmetric"]] = {
    "zero": "constant",
    "nearest": "edge",
    "periodic": "wrap",
    "mirror": "symmetric",
}


def pad(
    values: NDArray[np.float64], margins: Sequence[tuple[int, int]], boundary: Boundary
) -> NDArray[np.float64]:
    """Add (before, after) voxels at the ends of each axis."""
    return np.pad(values, margins, mode=NUMPY_MODES[boundary])


def crop(values: NDArray[np.float64], margins: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """Undo `pad`."""
    inner = (slice(a, n - b) for (a, b), n in zip(margins, values.shape, strict=True))
    return np.ascontiguousarray(values[tuple(inner)])
