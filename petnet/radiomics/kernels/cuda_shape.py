"""Integer sums over the shapes of many masks on a CUDA device: the twins of `cpu_shape`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels import cuda

__all__ = ["coordinate_moments", "mesh_patterns"]

#: Elements of a tile per thread of its block, which adds to the totals of its region once.
PER_THREAD = 16
N_PATTERNS, N_MOMENTS = 256, 10


def mesh_patterns(inside: Any, offsets: NDArray[np.int64], shapes: NDArray[np.int32]) -> Any:
    """Count the patterns of 2×2×2 voxels that the marching-cubes mesh of each mask is made of.

    Parameters
    ----------
    inside : (V,) uint8
        Masks one after the other, each in C order; on the host or on the device.
    offsets : (R,) int64
        First voxel of each mask.
    shapes : (R, 3) int32

    Returns
    -------
    (R, 256, 2) int64 CuPy array
        Number of cells with each pattern and the sum of their x, in the box padded by one voxel.
        Bit 4x + 2y + z of a pattern is the corner (x, y, z).
    """
    return _sums("mesh_patterns", inside, offsets, shapes, (N_PATTERNS, 2), margin=1)


def coordinate_moments(inside: Any, offsets: NDArray[np.int64], shapes: NDArray[np.int32]) -> Any:
    """Sum 1, x, y, z, xx, yy, zz, xy, xz, yz over the voxels of each mask.

    Parameters are those of `mesh_patterns`; coordinates are in voxels from the corner of the box.

    Returns
    -------
    (R, 10) int64 CuPy array
    """
    return _sums("coordinate_moments", inside, offsets, shapes, (N_MOMENTS,), margin=0)


def _sums(
    name: str,
    inside: Any,
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    per_region: tuple[int, ...],
    margin: int,
) -> Any:
    """Run a kernel of mesh.cu on tiles of the boxes, each axis longer by `margin`."""
    sums = cuda.library().zeros((len(shapes), *per_region), np.int64)
    tile_size = cuda.BLOCK_THREADS * PER_THREAD
    tile_region, tile_start = cuda.tiles(cuda.to_host(shapes) + np.int32(margin), tile_size)
    arrays = (inside, offsets, shapes, tile_region, tile_start)
    cuda.launch(
        "mesh",
        name,
        tile_region.size,
        (*map(cuda.to_device, arrays), tile_size, sums),
        shared=int(np.prod(per_region)) * 8,
    )
    return sums
