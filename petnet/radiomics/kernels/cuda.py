"""The counting kernels on a CUDA device: the `.cu` files compiled by NVRTC through CuPy.

The only module of petnet that imports CuPy, and only inside its functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.kernels.counts import Packed, Request, TextureCounts, pack

__all__ = [
    "BLOCK_THREADS",
    "MAX_REGION_VOXELS",
    "NVRTC_OPTIONS",
    "SHARED_BYTES",
    "TILE_VOXELS",
    "chunk_bytes",
    "kernel",
    "launch",
    "library",
    "returning_memory",
    "source",
    "texture_counts",
    "tiles",
    "to_device",
    "to_host",
    "unusable_reason",
    "upload",
]

NVRTC_OPTIONS = ("--std=c++17", "--fmad=false")
BLOCK_THREADS = 256
TILE_VOXELS = 4096
SHARED_BYTES = 48 * 1024
# Kernels number the voxels of a region by 32 bits.
MAX_REGION_VOXELS = 2**31 - 1
MAX_CHUNK_BYTES = 512 << 20
# Counts and formulas together take up to 3.7 times the dense counts (3D_avg of co-occurrence; less
# for the other families), and half of what is free is left to others in the process, e.g. torch.
FREE_PER_CHUNK_BYTE = 8
# What CuPy's pool may keep between batches, as a share of the device's memory: to get a hundred
# arrays from the driver anew takes longer than to count what is to be counted in them.
KEPT_SHARE = 1 / 32


def library() -> Any:
    """Return CuPy, for modules that may not import it."""
    import cupy

    return cupy


@cache
def unusable_reason() -> str | None:
    """Tell why CUDA cannot be used here, and what to do about it; None when it can.

    A kernel is compiled and run, its counts are summed by one of CuPy's own kernels, and cuBLAS and
    cuFFT are asked for a little: a driver that answers says nothing of headers, architecture, cache
    folder, libraries or free memory. The answer is
    kept for the life of the process.
    """
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported: {_first_line(error)}"
    try:
        if cupy.cuda.runtime.getDeviceCount() < 1:
            return "no CUDA device is visible"
        return _trial()
    except cupy.cuda.compiler.CompileException as error:
        return (
            f"CuPy cannot compile for this device: {_first_line(error)}; "
            "the extra must fit the driver and the device"
        )
    except MemoryError as error:
        return f"the device is full: {_first_line(error)}; end what else runs on it"
    except OSError as error:
        return (
            f"CuPy cannot keep what it compiles: {_first_line(error)}; "
            "let CUPY_CACHE_DIR name a folder that can be written"
        )
    except (ImportError, RuntimeError) as error:  # CuPy's own errors are RuntimeErrors
        return f"CUDA's driver, runtime or compiler does not answer: {_first_line(error)}"


def _trial() -> str | None:
    """Count the one pair of a region of two voxels, and add up the counts on the device.

    Then a product and a transform, whose libraries are loaded when they are first needed.
    """
    cupy = library()
    request = Request(frozenset({"glcm"}), planes=False, volume=True, by_slice=False, n_levels=2)
    counts = texture_counts(pack([np.array([[[1, 2]]])]), request)
    found = int(counts.glcm_through.sum())
    if found != 2:
        return f"the device counts {found} neighbours where there are 2"
    transformed = cupy.fft.rfft(cupy.ones((2, 2)) @ cupy.ones(2)).real.sum()
    found = int(transformed)
    return None if found == 4 else f"the device's transform of 2, 2 begins with {found}, not with 4"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def chunk_bytes() -> int:
    """Return how many bytes of dense counts to make at once, by the memory that is free now."""
    import cupy

    free, _ = cupy.cuda.runtime.memGetInfo()
    free += cupy.get_default_memory_pool().free_bytes()
    return min(MAX_CHUNK_BYTES, int(free) // FREE_PER_CHUNK_BYTE)


@contextmanager
def returning_memory() -> Iterator[None]:
    """Give back at the end most of what CuPy would keep: torch may live in the same process.

    KEPT_SHARE of the device's memory may stay in the pool for the next batch; nothing after a
    failure.

    Raises
    ------
    InputError
        The device's memory did not suffice.
    """
    import cupy

    kept_share = 0.0
    try:
        yield
        kept_share = KEPT_SHARE
    except cupy.cuda.memory.OutOfMemoryError as error:
        raise InputError(
            "CUDA device",
            "free memory",
            "enough for the counts of one region",
            _first_line(error),
            "End what else runs on the device, use fewer grey levels, or choose device=cpu",
        ) from error
    finally:
        _give_back(kept_share)


def _give_back(kept_share: float) -> None:
    """Free what is not in use, if that and the plans of transforms are more than may be kept."""
    import cupy

    _, total = cupy.cuda.runtime.memGetInfo()
    pool, plans = cupy.get_default_memory_pool(), cupy.fft.config.get_plan_cache()
    if pool.free_bytes() + max(plans.get_curr_memsize(), 0) > kept_share * total:
        plans.clear()  # they hold memory of the pool
        pool.free_all_blocks()


def source(family: str) -> str:
    """Return the CUDA source of a family, e.g. "glcm", with the text of regions.cuh in its place.

    NVRTC has no folder to include from, and CuPy's cache on disk knows only the text it is given.
    """
    folder = Path(__file__).parent
    text = (folder / f"{family}.cu").read_text(encoding="utf-8")
    shared = (folder / "regions.cuh").read_text(encoding="utf-8")
    return text.replace('#include "regions.cuh"\n', shared)


def kernel(family: str, name: str) -> Any:
    """Return a kernel of a family's source, compiled for the current device."""
    return _kernel(family, name, library().cuda.Device().id)


@cache
def _kernel(family: str, name: str, device_id: int) -> Any:
    """Compile once per process and device; CuPy keeps the binary on disk for the next process."""
    import cupy

    return cupy.RawModule(code=source(family), options=NVRTC_OPTIONS).get_function(name)


def launch(
    family: str, name: str, grid: int | tuple[int, ...], arguments: Sequence[Any], shared: int = 0
) -> None:
    """Start a kernel with BLOCK_THREADS threads per block; an empty grid is nothing to do.

    Parameters
    ----------
    grid : int or tuple of int
        Blocks along x, y and z; at most 65535 along y and z.
    arguments : sequence
        Device arrays, NumPy scalars, and Python integers, which become `int`: CuPy would pass them
        as 64 bits.
    shared : int
        Bytes of dynamic shared memory.
    """
    blocks = (grid,) if isinstance(grid, int) else grid
    if min(blocks) > 0:
        given = tuple(np.int32(a) if isinstance(a, int) else a for a in arguments)
        kernel(family, name)(blocks, (BLOCK_THREADS,), given, shared_mem=shared)


def to_device(array: Any, dtype: Any = None) -> Any:
    """Return a contiguous array on the current device; no copy where it is one already."""
    return library().ascontiguousarray(library().asarray(array, dtype=dtype))


def tiles(
    shapes: NDArray[np.int32], tile_voxels: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Cut every region into tiles of voxels: region of each tile and its first voxel in it."""
    volume = np.prod(shapes, axis=1, dtype=np.int64)
    per_region = -(-volume // tile_voxels)
    region = np.repeat(np.arange(len(volume), dtype=np.int32), per_region)
    first_tile = np.repeat(np.cumsum(per_region) - per_region, per_region)
    return region, (np.arange(region.size, dtype=np.int64) - first_tile) * tile_voxels


def texture_counts(packed: Packed, request: Request) -> TextureCounts:
    """Count textures of many regions on the current CUDA device.

    Arguments and counts are those of `petnet.radiomics.kernels.cpu.texture_counts`.

    Parameters
    ----------
    packed : Packed
        Of at most MAX_REGION_VOXELS voxels a region. Arrays may lie on the host or the device.
    request : Request

    Returns
    -------
    TextureCounts
        CuPy arrays.

    Raises
    ------
    InputError
        A region's box has too many voxels.
    """
    from petnet.radiomics.kernels import cuda_texture, cuda_zones

    on_device = upload(packed)
    fields = cuda_texture.voxel_counts(on_device, request)
    if request.families & {"glszm", "gldzm"}:
        fields |= cuda_zones.zone_counts(on_device, request)
    return TextureCounts(**fields)


def upload(packed: Packed) -> Packed:
    """Return the regions with `levels` and `inside` on the device, the rest on the host."""
    shapes = to_host(packed.shapes)
    for k, voxels in enumerate(np.prod(shapes, axis=1, dtype=np.int64).tolist()):
        if voxels > MAX_REGION_VOXELS:
            raise InputError(f"region {k}", "voxels", f"at most {MAX_REGION_VOXELS}", str(voxels))
    return Packed(
        to_device(packed.levels, np.int32),
        to_device(packed.inside, np.uint8),
        to_host(packed.offsets),
        shapes,
    )


def to_host(array: Any) -> NDArray[Any]:
    """Copy a CuPy array to NumPy; a NumPy array is returned as it is."""
    host: NDArray[Any] = array.get() if hasattr(array, "get") else array
    return host
