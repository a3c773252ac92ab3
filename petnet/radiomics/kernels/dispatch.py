"""Where the kernels run, and how many regions go into one launch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.devices import Device, choose_device
from petnet.errors import InputError

__all__ = [
    "DIRECTIONS_3D",
    "MAX_LEVELS",
    "GlcmBatch",
    "Packed",
    "glcm_batches",
    "pack",
    "plan_chunks",
    "resolve_device",
    "returning_memory",
]

log = logging.getLogger(__name__)
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
MAX_LEVELS = 1024  # one region then needs 104 MiB of counts
CPU_CHUNK_BYTES = 32 << 20
MAX_CHUNK_REGIONS = 4096


@dataclass(frozen=True, eq=False)
class Packed:
    """Regions in one flat array: levels (V,) int32, offsets (R,) int64, shapes (R, 3) int32."""

    levels: NDArray[np.int32]
    offsets: NDArray[np.int64]
    shapes: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class GlcmBatch:
    """Counts of some of the regions.

    Attributes
    ----------
    index : (r,) int64
        Which regions of the call.
    counts : (r, D, L, L) int64, NumPy or CuPy
        Symmetric co-occurrence counts; L is the greatest number of levels in the batch.
    """

    index: NDArray[np.int64]
    counts: Any


def resolve_device(choice: str) -> Device:
    """Turn auto, cpu or cuda into the device the kernels will use; never silently."""
    if choice == "cpu":
        return choose_device(choice, False)
    from petnet.radiomics.kernels.cuda import unusable_reason

    reason = unusable_reason()
    if choice == "auto" and reason:
        log.info("CUDA is not used for radiomics: %s", reason)
    return choose_device(choice, reason is None, reason or "", "texture counting")


def pack(regions: Sequence[NDArray[Any]]) -> Packed:
    """Lay (X, Y, Z) arrays of levels one after the other."""
    shapes = np.array([r.shape for r in regions], dtype=np.int32).reshape(-1, 3)
    sizes = np.array([r.size for r in regions], dtype=np.int64)
    levels = np.concatenate([np.ravel(r) for r in regions]) if regions else np.zeros(0)
    return Packed(levels.astype(np.int32, copy=False), np.cumsum(sizes) - sizes, shapes)


def plan_chunks(
    n_levels: Sequence[int] | NDArray[np.int64], n_directions: int, chunk_bytes: int
) -> Iterator[NDArray[np.int64]]:
    """Yield indices of regions to count together, fewest levels first.

    The dense counts of a chunk stay within `chunk_bytes`, unless one region alone needs more.
    """
    order = np.argsort(np.asarray(n_levels, dtype=np.int64), kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        full = stop - start >= MAX_CHUNK_REGIONS
        if stop < len(order):
            widest = int(n_levels[order[stop]])
            full |= (stop + 1 - start) * n_directions * widest**2 * 8 > chunk_bytes
        if full or stop == len(order):
            yield order[start:stop]
            start = stop


def returning_memory(device: Device) -> AbstractContextManager[None]:
    """Return a context that leaves no memory of `device` in a pool at its end."""
    if device == "cpu":
        return nullcontext()
    from petnet.radiomics.kernels import cuda

    return cuda.returning_memory()


def _glcm_kernel(device: Device) -> tuple[Callable[..., Any], int]:
    """Return the kernel, and how many bytes of dense counts to make at once."""
    if device == "cuda":
        from petnet.radiomics.kernels import cuda

        return cuda.glcm_counts, cuda.chunk_bytes()
    from petnet.radiomics.kernels import cpu

    return cpu.glcm_counts, CPU_CHUNK_BYTES


def glcm_batches(
    regions: Sequence[NDArray[Any]],
    n_levels: Sequence[int] | NDArray[np.int64],
    device: Device,
    directions: NDArray[np.int32] = DIRECTIONS_3D,
    chunk_bytes: int | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[GlcmBatch]:
    """Count co-occurrences of many regions within bounded memory.

    Parameters
    ----------
    regions : sequence of (X, Y, Z) integer arrays
        Discretised levels, 0 outside the mask.
    n_levels : sequence of int
        Number of grey levels of each region.
    device : {"cpu", "cuda"}
        As `resolve_device` gave it.
    directions : (D, 3) int32
    chunk_bytes : int, optional
        Bound on the dense counts that exist at once; by default 32 MiB on the CPU, and on CUDA
        what the free memory allows.
    names : sequence of str, optional
        What to call the regions in messages.

    Raises
    ------
    InputError
        A region has more than MAX_LEVELS levels, or a level outside 0..its number of levels.
    """
    for k, (region, levels) in enumerate(zip(regions, n_levels, strict=True)):
        _check_levels(names[k] if names else f"region {k}", region, int(levels))
    kernel, bound = _glcm_kernel(device)
    bound = bound if chunk_bytes is None else chunk_bytes
    for index in plan_chunks(n_levels, len(directions), bound):
        packed = pack([regions[k] for k in index])
        widest = int(n_levels[index[-1]])
        counts = kernel(packed.levels, packed.offsets, packed.shapes, directions, widest)
        yield GlcmBatch(index, counts)


def _check_levels(name: str, region: NDArray[Any], levels: int) -> None:
    if not 1 <= levels <= MAX_LEVELS:
        raise InputError(
            name,
            "grey levels",
            f"1 to {MAX_LEVELS}",
            str(levels),
            "Choose wider or fewer bins, or resegment to a range",
        )
    low, high = (int(region.min()), int(region.max())) if region.size else (0, 0)
    if low < 0 or high > levels:
        raise InputError(name, "levels", f"0 to {levels}", f"{low} to {high}")
