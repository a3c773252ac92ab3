"""Means in spheres about the voxels of a region (Numba), from sums that run along x."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["peaks_of_slab"]


@numba.njit(cache=True, nogil=True)
def _add_rows(
    sums: NDArray[np.float64],
    rows: NDArray[np.int64],
    x: int,
    y: int,
    first: int,
    stop: int,
    found: NDArray[np.float64],
) -> None:
    """Fill found[:stop - first] with the sphere's sums about the voxels (x, y, first..stop - 1)."""
    reach_x, reach_y, reach_z = rows[:, 0].max(), rows[:, 1].max(), rows[:, 2].max()
    length = stop - first
    found[:length] = 0.0
    for k in range(rows.shape[0]):
        there, begin = y + reach_y + rows[k, 1], first + reach_z + rows[k, 2]
        after = sums[x + reach_x + rows[k, 0] + 1, there, begin:]
        before = sums[x + reach_x - rows[k, 0], there, begin:]
        for z in range(length):  # from 0, or a test for negative indices keeps it from SIMD
            found[z] += after[z] - before[z]


@numba.njit(cache=True, nogil=True)
def peaks_of_slab(
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    inner: NDArray[np.int64],
    values: NDArray[np.float64],
    mask: NDArray[np.bool_],
    rows: NDArray[np.int64],
    start: int,
    stop: int,
) -> tuple[float, float, float]:
    """Find the peaks of the voxels start <= x < stop of a mask.

    Parameters
    ----------
    sums, weights : (X + 2 rx + 1, Y + 2 ry, Z + 2 rz) float64
        Running sums along x of the image and of the voxels there are, which begin by the reach of
        the sphere before `values`.
    inner : (3, 2) int64
        First voxel and the one after the last whose sphere is whole; `weights` is not looked at
        within, and may be empty.
    values, mask : (X, Y, Z) float64 and bool
    rows : (M, 3) int64
        Lines of the sphere along x: the greatest |dx|, dy and dz.

    Returns
    -------
    three floats
        The highest mean; the highest intensity; the highest mean about a voxel of that intensity.
        -inf where the mask is empty.
    """
    highest, top, local = -np.inf, -np.inf, -np.inf
    length, whole = mask.shape[2], (2 * rows[:, 0] + 1).sum()
    found, counts = np.zeros(length), np.zeros(length)
    for x in range(start, stop):
        for y in range(mask.shape[1]):
            line = np.flatnonzero(mask[x, y])
            if line.size == 0:
                continue
            _add_rows(sums, rows, x, y, line[0], line[-1] + 1, found)
            if (
                inner[0, 0] <= x < inner[0, 1]
                and inner[1, 0] <= y < inner[1, 1]
                and inner[2, 0] <= line[0]
                and line[-1] < inner[2, 1]
            ):
                counts[:] = whole
            else:
                _add_rows(weights, rows, x, y, line[0], line[-1] + 1, counts)
            for z in line:
                mean = found[z - line[0]] / counts[z - line[0]]
                highest = max(highest, mean)
                if values[x, y, z] > top:
                    top, local = values[x, y, z], mean
                elif values[x, y, z] == top:
                    local = max(local, mean)
    return highest, top, local
