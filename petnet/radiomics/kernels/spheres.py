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
    z: int,
    found: NDArray[np.float64],
) -> None:
    """Fill `found` with the sphere's sums about (x, y, z) of `sums` and the voxels after it."""
    found[:] = 0.0
    for k in range(rows.shape[0]):
        after = sums[x + rows[k, 0] + 1, y + rows[k, 1], z + rows[k, 2] :]
        before = sums[x - rows[k, 0], y + rows[k, 1], z + rows[k, 2] :]
        for i in range(found.size):
            found[i] += after[i] - before[i]


@numba.njit(cache=True, nogil=True)
def _count_rows(
    image: NDArray[np.int64],
    rows: NDArray[np.int64],
    x: int,
    y: int,
    z: int,
    counts: NDArray[np.float64],
) -> None:
    """Fill `counts` with the voxels of the image in the sphere about (x, y, z) and those after."""
    counts[:] = 0.0
    for k in range(rows.shape[0]):
        if image[1, 0] <= y + rows[k, 1] < image[1, 1]:
            first = max(x - rows[k, 0], image[0, 0])
            n = max(min(x + rows[k, 0] + 1, image[0, 1]) - first, 0)
            shift = z + rows[k, 2]
            for i in range(max(image[2, 0] - shift, 0), min(image[2, 1] - shift, counts.size)):
                counts[i] += n


@numba.njit(cache=True, nogil=True)
def peaks_of_slab(
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    image: NDArray[np.int64],
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
        the sphere before `values`; `weights` is empty where the image is a box without holes.
    image : (3, 2) int64
        First voxel and the one after the last of that box.
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
    whole = (2 * rows[:, 0] + 1).sum()
    reach_x, reach_y, reach_z = rows[:, 0].max(), rows[:, 1].max(), rows[:, 2].max()
    found, counts = np.zeros(mask.shape[2]), np.zeros(mask.shape[2])
    for x in range(start, stop):
        for y in range(mask.shape[1]):
            line = np.flatnonzero(mask[x, y])
            if line.size == 0:
                continue
            first, length = line[0], line[-1] + 1 - line[0]
            there = x + reach_x, y + reach_y, first + reach_z
            _add_rows(sums, rows, *there, found[:length])
            if weights.size > 0:
                _add_rows(weights, rows, *there, counts[:length])
            elif (
                there[0] - reach_x >= image[0, 0]
                and there[0] + reach_x < image[0, 1]
                and there[1] - reach_y >= image[1, 0]
                and there[1] + reach_y < image[1, 1]
                and first >= image[2, 0]
                and first + length + 2 * reach_z <= image[2, 1]
            ):
                counts[:length] = whole
            else:
                _count_rows(image, rows, *there, counts[:length])
            for z in line:
                mean = found[z - first] / counts[z - first]
                highest = max(highest, mean)
                if values[x, y, z] > top:
                    top, local = values[x, y, z], mean
                elif values[x, y, z] == top:
                    local = max(local, mean)
    return highest, top, local
