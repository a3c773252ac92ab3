"""Pair sums of spatial autocorrelation on a CUDA device (IBSI N365 and NPT7), exactly and ragged.

Work grows with the square of the voxels: for small regions, many at once. 20,000 voxels are
4 · 10⁸ pairs, about the work of a fast Fourier transform of their box and above it beyond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels import cuda

__all__ = ["pair_sums"]


def pair_sums(positions_mm: Any, values: Any, starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over all ordered pairs of voxels of each region, weighted by 1 / distance.

    The same points give the same bits, whatever else is in the batch and however often it is run.

    Parameters
    ----------
    positions_mm : (N, 3) float64
        Centres of voxels in mm, region after region; no two of a region alike. This and `values`
        may lie on the host or on the device.
    values : (N,) float64
        Of each voxel, less the mean of its region: a large offset would cost digits.
    starts : (R + 1,) int64
        Region r has the points starts[r] to starts[r + 1].

    Returns
    -------
    (R, 3) float64
        On the host: the sums over i and j, i ≠ j, of w, of w·v_i·v_j and of w·(v_i - v_j)², with
        w = 1 / distance in 1/mm. Zeros for a region of less than two voxels.
    """
    points = np.diff(cuda.to_host(starts)).astype(np.int32)
    as_shapes = np.stack([points, np.ones_like(points), np.ones_like(points)], axis=-1)
    tile_region, tile_start = cuda.tiles(as_shapes, cuda.BLOCK_THREADS)
    of_tiles = cuda.library().zeros((tile_region.size, 3), np.float64)
    cuda.launch(
        "autocorrelation",
        "pair_sums",
        tile_region.size,
        (
            cuda.to_device(positions_mm, np.float64),
            cuda.to_device(values, np.float64),
            *(cuda.to_device(array) for array in (starts, tile_region, tile_start)),
            of_tiles,
        ),
        shared=cuda.BLOCK_THREADS * 4 * 8,
    )
    sums = np.zeros((len(points), 3))
    np.add.at(sums, tile_region, cuda.to_host(of_tiles))  # one after the other, in their order
    return sums
