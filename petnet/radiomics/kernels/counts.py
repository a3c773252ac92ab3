"""What is counted and how counts look: the common language of dispatcher, kernels and formulas.

Slices are the planes of the third axis (z). Counts that IBSI aggregates over slices come in rows of
planes: one row per slice where 2D features are asked for, else one row per region, in which the
slices of a region are summed. 2.5D matrices are sums of the rows of a region; the in-plane
directions of 3D matrices are those sums too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DIRECTIONS_3D",
    "IN_PLANE",
    "MAX_LEVELS",
    "THROUGH_PLANE",
    "Packed",
    "Request",
    "TextureCounts",
    "ZoneCells",
    "pack",
]

#: More grey levels than any discretisation in use gives; their pairs are counted densely.
MAX_LEVELS = 1024
#: The 13 unique directions at Chebyshev distance 1, in the order of the IBSI manual.
DIRECTIONS_3D: NDArray[np.int32] = np.array(
    [
        (x, y, z)
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
        for z in (-1, 0, 1)
        if (x, y, z) > (0, 0, 0)
    ],
    dtype=np.int32,
)
#: Positions in DIRECTIONS_3D of the 4 directions within a slice, and of the 9 that leave it.
IN_PLANE: NDArray[np.int64] = np.flatnonzero(DIRECTIONS_3D[:, 2] == 0)
THROUGH_PLANE: NDArray[np.int64] = np.flatnonzero(DIRECTIONS_3D[:, 2] != 0)


@dataclass(frozen=True, eq=False)
class Packed:
    """Many regions in flat arrays.

    Attributes
    ----------
    levels : (V,) int32
        Regions one after the other, each (X, Y, Z) in C order; 0 outside the intensity mask.
    inside : (V,) uint8
        1 in the morphological mask, of which re-segmentation may have taken voxels.
    offsets : (R,) int64
        First voxel of each region in `levels`.
    shapes : (R, 3) int32
    """

    levels: NDArray[np.int32]
    inside: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    shapes: NDArray[np.int32]

    @property
    def slice_starts(self) -> NDArray[np.int64]:
        """(R + 1,) int64: slice z of region r is number slice_starts[r] + z of the batch."""
        return np.concatenate([[0], np.cumsum(self.shapes[:, 2], dtype=np.int64)])


@dataclass(frozen=True)
class Request:
    """What to count.

    Attributes
    ----------
    families : frozenset of {"glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"}
    planes : bool
        Counts within slices: 2D and 2.5D features.
    volume : bool
        Counts in three dimensions.
    by_slice : bool
        A row of planes per slice (2D features) rather than per region. Only with `planes`.
    n_levels : int
        L, at least the greatest level.
    alpha : int
        Coarseness of NGLDM: neighbours within so many levels depend on the centre.
    """

    families: frozenset[str]
    planes: bool
    volume: bool
    by_slice: bool
    n_levels: int
    alpha: int = 0


@dataclass(frozen=True, eq=False)
class ZoneCells:
    """Occupied cells of size-zone matrices, sorted by (row, level, size).

    Attributes
    ----------
    starts : (M + 1,) int64
        Cells of row m are starts[m] to starts[m + 1].
    level, size, count : (K,) int64
        `count` zones of `size` voxels at grey level `level` (1..L).
    """

    starts: Any
    level: Any
    size: Any
    count: Any


@dataclass(frozen=True, eq=False)
class TextureCounts:
    """Counts of a batch of R regions; NumPy or CuPy arrays; None where not asked for.

    P rows of planes (slices of the batch, or R), L levels, N the longest run that any region of the
    batch could hold (its greatest axis), D the greatest distance to an edge plus one at most.

    Attributes
    ----------
    histogram : (R, L) int64
        Voxels per grey level.
    plane_histogram : (P, L) int64
        With `planes`.
    glcm_planes : (P, 4, L, L) int64
        Symmetric, the directions DIRECTIONS_3D[IN_PLANE]; also without `planes` if `volume`.
    glcm_through : (R, 9, L, L) int64
        The directions DIRECTIONS_3D[THROUGH_PLANE].
    glrlm_planes : (P, 4, L, N) int64
        Runs of length n at index n - 1; also without `planes` if `volume`.
    glrlm_through : (R, 9, L, N) int64
    ngtdm_planes : (P, L, 9, 2) int64
        Of voxels of a level with k neighbours in the mask (k at index k, 0..8): their number, and
        the sum of |level·k - Σ neighbours|.
    ngtdm_volume : (R, L, 27, 2) int64
        The same with 26 neighbours.
    ngldm_planes : (P, L, 9) int64
        Voxels with k dependent neighbours at index k.
    ngldm_volume : (R, L, 27) int64
    glszm_planes : ZoneCells
        Zones of 8-connected voxels of one level within a slice.
    glszm_volume : ZoneCells
        Zones of 26-connected voxels.
    gldzm_planes : (P, L, D) int64
        The same zones by their least distance (city block, within the slice) to the edge of the
        morphological mask; distance d at index d - 1. A voxel with a face on the outside has 1.
    gldzm_volume : (R, L, D) int64
        City block distance in three dimensions.
    """

    histogram: Any
    plane_histogram: Any = None
    glcm_planes: Any = None
    glcm_through: Any = None
    glrlm_planes: Any = None
    glrlm_through: Any = None
    ngtdm_planes: Any = None
    ngtdm_volume: Any = None
    ngldm_planes: Any = None
    ngldm_volume: Any = None
    glszm_planes: ZoneCells | None = None
    glszm_volume: ZoneCells | None = None
    gldzm_planes: Any = None
    gldzm_volume: Any = None


def _in_a_row(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Flatten arrays in C order into one; a single one need not be copied for that."""
    if len(arrays) == 1:
        return np.ravel(arrays[0])
    return np.concatenate([np.ravel(one) for one in arrays]) if arrays else np.zeros(0)


def pack(levels: Sequence[NDArray[Any]], inside: Sequence[NDArray[Any]] | None = None) -> Packed:
    """Lay (X, Y, Z) arrays of levels one after the other; `inside` defaults to levels > 0."""
    shapes = np.array([r.shape for r in levels], dtype=np.int32).reshape(-1, 3)
    sizes = np.array([r.size for r in levels], dtype=np.int64)
    masks = [level > 0 for level in levels] if inside is None else inside
    return Packed(
        _in_a_row(levels).astype(np.int32, copy=False),
        _in_a_row(masks).astype(np.uint8, copy=False),
        np.cumsum(sizes) - sizes,
        shapes,
    )
