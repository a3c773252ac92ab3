"""The counting kernels on the CPU: the Numba twins of the `.cu` files.

Same names, arguments and counts as `petnet.radiomics.kernels.cuda`, by another method, so that
each checks the other. Threads come from a pool over functions that release the GIL rather than
from Numba's own parallel loops: those compile several times longer, and their OpenMP runtime kills
a process that forks after using it, as data loaders do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["glcm_counts"]

PIECE_VOXELS = 200_000


@numba.njit(cache=True, nogil=True)
def _glcm_tasks(
    levels: NDArray[np.int32],
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    directions: NDArray[np.int32],
    tasks: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Fill counts[r, d] for each task r · D + d: walk lines of z, then add the transpose."""
    n_directions, n_levels = directions.shape[0], counts.shape[2]
    for task in tasks:
        r, d = task // n_directions, task % n_directions
        nx, ny, nz = shapes[r, 0], shapes[r, 1], shapes[r, 2]
        dx, dy, dz = directions[d, 0], directions[d, 1], directions[d, 2]
        matrix = counts[r, d]
        z_start, z_stop = max(0, -dz), min(nz, nz - dz)
        for x in range(max(0, -dx), min(nx, nx - dx)):
            for y in range(max(0, -dy), min(ny, ny - dy)):
                here = offsets[r] + (np.int64(x) * ny + y) * nz
                there = offsets[r] + (np.int64(x + dx) * ny + y + dy) * nz + dz
                for z in range(z_start, z_stop):
                    i = levels[here + z]
                    if i > 0:
                        j = levels[there + z]
                        if j > 0:
                            matrix[i - 1, j - 1] += 1
        for i in range(n_levels):
            matrix[i, i] *= 2
            for j in range(i):
                both = matrix[i, j] + matrix[j, i]
                matrix[i, j] = both
                matrix[j, i] = both


def _pieces(work: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut the tasks 0..n-1 into runs of about PIECE_VOXELS of work each."""
    piece = np.cumsum(work) // PIECE_VOXELS
    yield from np.split(np.arange(work.size), np.flatnonzero(np.diff(piece)) + 1)


def _cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def glcm_counts(
    levels: NDArray[np.int32],
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    directions: NDArray[np.int32],
    n_levels: int,
) -> NDArray[np.int64]:
    """Count symmetric grey-level co-occurrences of many regions (IBSI LFYI).

    Parameters
    ----------
    levels : (V,) int32
        Regions packed one after the other, each in C order; 0 is outside the mask.
    offsets : (R,) int64
        First voxel of each region in `levels`.
    shapes : (R, 3) int32
    directions : (D, 3) int32
        Neighbour offsets in voxels; -direction is counted with +direction.
    n_levels : int
        L, at least the greatest level in `levels`.

    Returns
    -------
    (R, D, L, L) int64
        Number of ordered pairs (i, j) at index [i - 1, j - 1].
    """
    n_regions, n_directions = shapes.shape[0], directions.shape[0]
    counts = np.zeros((n_regions, n_directions, n_levels, n_levels), dtype=np.int64)
    volume = np.prod(shapes, axis=1, dtype=np.int64) + n_levels**2
    pieces = list(_pieces(np.repeat(volume, n_directions)))
    threads = min(len(pieces), _cores())

    def count(tasks: NDArray[np.int64]) -> None:
        _glcm_tasks(levels, offsets, shapes, directions, tasks, counts)

    if threads < 2:
        for tasks in pieces:
            count(tasks)
        return counts
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, pieces))
    return counts
