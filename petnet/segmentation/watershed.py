"""Watershed from markers (Numba): Meyer's flooding, without lines between the basins."""

from __future__ import annotations

from heapq import heappop, heappush

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["flood"]


@numba.njit(cache=True, nogil=True)
def flood(
    relief: NDArray[np.float64], markers: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Let water rise from markers until every voxel that can be reached belongs to one.

    The voxel of lowest level is taken first, of several the one that came first; its neighbours
    without a label take its own, and lie at their own relief or the present level, whichever is
    higher. Source: Meyer 1994, doi:10.1016/0165-1684(94)90060-4.

    Parameters
    ----------
    relief : (X, Y, Z) float64
        Finite.
    markers : (X, Y, Z) int64
        Labels above zero; 0 where there is none.
    offsets : (M, 3) int64
        Steps to the neighbours; their order decides between equals.

    Returns
    -------
    (X, Y, Z) int64
        Labels; 0 where no marker leads.
    """
    labels = markers.copy()
    nx, ny, nz = labels.shape
    heap = [(0.0, 0, 0, 0, 0)]
    heap.pop()
    order = 0
    for x in range(nx):
        for y in range(ny):
            for z in range(nz):
                if labels[x, y, z] > 0:
                    heappush(heap, (relief[x, y, z], order, x, y, z))
                    order += 1
    while len(heap) > 0:
        level, _, x, y, z = heappop(heap)
        for k in range(offsets.shape[0]):
            i, j, m = x + offsets[k, 0], y + offsets[k, 1], z + offsets[k, 2]
            if 0 <= i < nx and 0 <= j < ny and 0 <= m < nz and labels[i, j, m] == 0:
                labels[i, j, m] = labels[x, y, z]
                heappush(heap, (max(level, relief[i, j, m]), order, i, j, m))
                order += 1
    return labels
