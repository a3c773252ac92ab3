"""Where the kernels run, and how many regions go into one launch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.devices import Device, choose_device
from petnet.errors import InputError
from petnet.radiomics.kernels.counts import MAX_LEVELS, Packed, Request, TextureCounts, pack

__all__ = [
    "LevelRegions",
    "TextureBatch",
    "plan_chunks",
    "resolve_device",
    "returning_memory",
    "texture_batches",
]

log = logging.getLogger(__name__)
#: Dense counts that exist at once on the CPU. Formulas need a few times as much for a while.
CPU_CHUNK_BYTES = 32 << 20
#: What the counts of one region may need: they cannot be cut into chunks.
MAX_REGION_BYTES = 2 << 30
MAX_CHUNK_REGIONS = 4096
COUNT_BYTES = 8
#: What the levels themselves and their zones need per voxel of a box, by device.
VOXEL_BYTES: dict[Device, int] = {"cpu": 16, "cuda": 128}


@dataclass(frozen=True, eq=False)
class LevelRegions:
    """Discretised regions to count together.

    Attributes
    ----------
    levels : sequence of (X, Y, Z) int32
        0 outside the intensity mask.
    inside : sequence of (X, Y, Z) bool
        The morphological masks.
    n_levels : (R,) int64
        Number of grey levels of each region.
    names : sequence of str
        What to call the regions in messages.
    """

    levels: Sequence[NDArray[np.int32]]
    inside: Sequence[NDArray[np.bool_]]
    n_levels: NDArray[np.int64]
    names: Sequence[str]


@dataclass(frozen=True, eq=False)
class TextureBatch:
    """Counts of some of the regions of a call: `index` (r,) int64 says which."""

    index: NDArray[np.int64]
    request: Request
    packed: Packed
    counts: TextureCounts


def resolve_device(choice: str) -> Device:
    """Turn auto, cpu or cuda into the device the kernels will use; never silently."""
    if choice == "cpu":
        return choose_device(choice, False)
    from petnet.radiomics.kernels.cuda import unusable_reason

    reason = unusable_reason()
    if choice == "auto" and reason:
        log.info("CUDA is not used for radiomics: %s", reason)
    return choose_device(choice, reason is None, reason or "", "texture counting")


def dense_bytes(
    request: Request, regions: Any, slices: Any, n_levels: Any, longest: Any, narrowest: Any
) -> Any:
    """Return the bytes of the dense counts of so many regions and slices in all.

    Parameters
    ----------
    n_levels, longest, narrowest : int or arrays
        Greatest number of levels, greatest axis, and greatest least axis of a region.
    """
    rows = slices if request.by_slice else regions
    matrices = 4 * rows + (9 * regions if request.volume else 0)
    cells = regions * n_levels
    if "glcm" in request.families:
        cells = cells + matrices * n_levels**2
    if "glrlm" in request.families:
        cells = cells + matrices * n_levels * longest
    if not {"ngtdm", "ngldm"}.isdisjoint(request.families):
        cells = cells + n_levels * (81 * regions + (27 * rows if request.planes else 0))
    if "gldzm" in request.families:
        cells = cells + (rows + regions) * n_levels * (narrowest // 2 + 1)
    return cells * COUNT_BYTES


def plan_chunks(
    shapes: NDArray[np.int64],
    n_levels: NDArray[np.int64],
    request: Request,
    chunk_bytes: int,
    voxel_bytes: int = 0,
) -> Iterator[NDArray[np.int64]]:
    """Yield indices of regions to count together: alike in levels, then in size.

    The dense counts of a chunk, in which every region has the levels and the longest run of the
    greatest, and `voxel_bytes` per voxel stay within `chunk_bytes`, unless one region alone needs
    more.
    """
    longest, narrowest = shapes.max(axis=1, initial=1), shapes.min(axis=1, initial=1 << 30)
    chosen: list[int] = []
    totals = np.zeros(2, dtype=np.int64)  # slices, voxels
    greatest = np.zeros(3, dtype=np.int64)  # levels, longest, narrowest
    for k in np.lexsort((longest, n_levels)):
        more = totals + np.array([shapes[k, 2], shapes[k].prod()])
        wider = np.maximum(greatest, [n_levels[k], longest[k], narrowest[k]])
        needed = dense_bytes(request, len(chosen) + 1, more[0], *wider) + more[1] * voxel_bytes
        if chosen and (needed > chunk_bytes or len(chosen) == MAX_CHUNK_REGIONS):
            yield np.array(chosen, dtype=np.int64)
            chosen = []
            more = np.array([shapes[k, 2], shapes[k].prod()], dtype=np.int64)
            wider = np.array([n_levels[k], longest[k], narrowest[k]], dtype=np.int64)
        chosen.append(int(k))
        totals, greatest = more, wider
    if chosen:
        yield np.array(chosen, dtype=np.int64)


def returning_memory(device: Device) -> AbstractContextManager[None]:
    """Return a context that leaves no memory of `device` in a pool at its end."""
    if device == "cpu":
        return nullcontext()
    from petnet.radiomics.kernels import cuda

    return cuda.returning_memory()


def _kernel(device: Device) -> tuple[Callable[[Packed, Request], TextureCounts], int]:
    """Return the kernel, and how many bytes of dense counts to make at once."""
    if device == "cuda":
        from petnet.radiomics.kernels import cuda

        return cuda.texture_counts, cuda.chunk_bytes()
    from petnet.radiomics.kernels import cpu

    return cpu.texture_counts, CPU_CHUNK_BYTES


def texture_batches(
    regions: LevelRegions,
    families: Sequence[str],
    aggregations: Sequence[str],
    device: Device,
    *,
    alpha: int = 0,
    chunk_bytes: int | None = None,
) -> Iterator[TextureBatch]:
    """Count the texture of many regions within bounded memory.

    Parameters
    ----------
    regions : LevelRegions
    families : sequence of texture families
        None counts the voxels of each level alone.
    aggregations : sequence of Aggregation
        They decide whether slices, volumes or both are counted.
    device : {"cpu", "cuda"}
        As `resolve_device` gave it.
    chunk_bytes : int, optional
        Bound on the dense counts that exist at once; by default 32 MiB on the CPU, and on CUDA
        what the free memory allows.
    alpha : int
        Coarseness of NGLDM.

    Raises
    ------
    InputError
        A region has more than MAX_LEVELS levels, a level outside 0..its number of levels, or more
        levels and slices than memory is meant to hold.
    """
    wanted = _request(families, aggregations, alpha)
    shapes = np.array([r.shape for r in regions.levels], dtype=np.int64).reshape(-1, 3)
    for k, (region, levels) in enumerate(zip(regions.levels, regions.n_levels, strict=True)):
        _check_levels(regions.names[k], region, int(levels))
    extent = shapes.max(axis=1, initial=1), shapes.min(axis=1, initial=1 << 30)
    alone = dense_bytes(wanted, 1, shapes[:, 2], regions.n_levels, *extent)
    for k, needed in enumerate(alone):
        _check_bytes(regions.names[k], int(needed), int(regions.n_levels[k]))
    kernel, bound = _kernel(device)
    bound = bound if chunk_bytes is None else chunk_bytes
    for index in plan_chunks(shapes, regions.n_levels, wanted, bound, VOXEL_BYTES[device]):
        packed = pack([regions.levels[k] for k in index], [regions.inside[k] for k in index])
        widest = int(regions.n_levels[index].max())
        request = replace(wanted, n_levels=widest)
        yield TextureBatch(index, request, packed, kernel(packed, request))


def _request(families: Sequence[str], aggregations: Sequence[str], alpha: int) -> Request:
    by_slice = any(one.startswith("2D") for one in aggregations)
    planes = by_slice or any(one.startswith("2_5D") for one in aggregations)
    volume = any(one.startswith("3D") for one in aggregations)
    return Request(frozenset(families), planes, volume, by_slice, 1, alpha)


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


def _check_bytes(name: str, needed: int, levels: int) -> None:
    if needed > MAX_REGION_BYTES:
        raise InputError(
            name,
            "counts",
            f"at most {MAX_REGION_BYTES >> 20} MiB",
            f"{needed >> 20} MiB for {levels} grey levels",
            "Choose wider or fewer bins, or leave out the 2D aggregations",
        )
