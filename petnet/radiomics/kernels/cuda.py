"""The counting kernels on a CUDA device: the `.cu` files compiled by NVRTC through CuPy.

The only module of petnet that imports CuPy, and only inside its functions.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NVRTC_OPTIONS", "glcm_counts", "source", "tiles", "to_host", "unusable_reason"]

NVRTC_OPTIONS = ("--std=c++17", "--fmad=false")
BLOCK_THREADS = 256
TILE_VOXELS = 4096
SHARED_BYTES = 48 * 1024


def unusable_reason() -> str | None:
    """Tell why CUDA cannot be used here; None when it can."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported: {error}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, RuntimeError) as error:  # CuPy's own errors are RuntimeErrors
        return f"CUDA's driver, runtime or compiler does not answer: {error}"
    return None if count > 0 else "no CUDA device is visible"


def source(family: str) -> str:
    """Return the CUDA source of a family, e.g. "glcm"."""
    return Path(__file__).with_name(f"{family}.cu").read_text(encoding="utf-8")


@cache
def _kernel(family: str, name: str, device_id: int) -> Any:
    """Compile once per process and device; CuPy keeps the binary on disk for the next process."""
    import cupy

    return cupy.RawModule(code=source(family), options=NVRTC_OPTIONS).get_function(name)


def tiles(
    shapes: NDArray[np.int32], tile_voxels: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Cut every region into tiles of voxels: region of each tile and its first voxel in it."""
    volume = np.prod(shapes, axis=1, dtype=np.int64)
    per_region = -(-volume // tile_voxels)
    region = np.repeat(np.arange(len(volume), dtype=np.int32), per_region)
    first_tile = np.repeat(np.cumsum(per_region) - per_region, per_region)
    return region, (np.arange(region.size, dtype=np.int64) - first_tile) * tile_voxels


def glcm_counts(
    levels: NDArray[np.int32],
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    directions: NDArray[np.int32],
    n_levels: int,
) -> Any:
    """Count symmetric grey-level co-occurrences of many regions on the current CUDA device.

    Arguments and counts are those of `petnet.radiomics.kernels.cpu.glcm_counts`; `levels` may lie
    on the host or on the device.

    Returns
    -------
    (R, D, L, L) int64 CuPy array
    """
    import cupy

    shape = (shapes.shape[0], directions.shape[0], n_levels, n_levels)
    counts = cupy.zeros(shape, dtype=cupy.int64)
    tile_region, tile_start = tiles(shapes, TILE_VOXELS)
    shared = n_levels**2 * 4
    use_shared = shared <= SHARED_BYTES
    on_device = [
        cupy.ascontiguousarray(cupy.asarray(a))
        for a in (levels, offsets, shapes, directions, tile_region, tile_start)
    ]
    if tile_region.size:
        _kernel("glcm", "glcm_counts", cupy.cuda.Device().id)(
            (tile_region.size, directions.shape[0]),
            (BLOCK_THREADS,),
            (
                *on_device,
                np.int32(TILE_VOXELS),
                np.int32(directions.shape[0]),
                np.int32(n_levels),
                np.int32(use_shared),
                counts,
            ),
            shared_mem=shared if use_shared else 0,
        )
    return counts


def to_host(array: Any) -> NDArray[Any]:
    """Copy a CuPy array to NumPy; a NumPy array is returned as it is."""
    if isinstance(array, np.ndarray):
        return array
    import cupy

    host: NDArray[Any] = cupy.asnumpy(array)
    return host
