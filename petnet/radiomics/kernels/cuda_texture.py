"""Counts of the families that look at voxels and their neighbours, on the current CUDA device.

One launch per family, and one more where slices are counted apart, whatever the number of regions.
For a region of 128³ voxels, 1.05 M of them in the mask, and 64 levels an H100 needs about the
greatest time of each line (an estimate, not a measurement: 3.35 TB/s, 15 T integer operations per
second, one addition per cycle to a cell of shared memory):

==========  ==============  =============================  ==================================
kernel      memory          integer operations             additions in shared memory
==========  ==============  =============================  ==================================
histogram   8.4 MB, 3 µs    10 · 2.1 M = 21 M, 1 µs        1.05 M, up to 5 µs
glcm        8.4 MB, 3 µs    100 · 13 · 1.05 M, 91 µs       13 · 1.05 M, up to 60 µs
glrlm       8.4 MB, 3 µs    130 · 13 · 1.05 M, 118 µs      13 · runs, up to 60 µs
neighbours  8.4 MB, 3 µs    270 · 1.05 M, 19 µs            3 · 1.05 M, up to 14 µs
==========  ==============  =============================  ==================================

The levels (8.4 MB) are read again for each direction, but then lie in the 50 MB of L2 cache.
Additions of a warp to one cell take turns, as in a flat image; to different cells they are 32 times
as fast. To bring the levels to the device takes longer than any of this: 0.15 ms over PCIe 5 at
best, about 1 ms from pageable memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels import cuda
from petnet.radiomics.kernels.counts import (
    DIRECTIONS_3D,
    IN_PLANE,
    THROUGH_PLANE,
    Packed,
    Request,
)

__all__ = ["Tiling", "glcm", "glrlm", "histogram", "neighbourhoods", "tilings", "voxel_counts"]

CELL_BYTES = 4
#: Runs longer than this are rare enough to be counted without shared memory.
SHORT_RUNS = 32


@dataclass(frozen=True, eq=False)
class Tiling:
    """Packed regions on the device, cut into tiles whose counts go to one row each.

    Attributes
    ----------
    rows : int
        Regions of the batch, or its slices if `by_slice`.
    n_tiles : int
    arguments : tuple
        What every kernel takes first: levels, offsets, shapes, tiles, tile_size, by_slice.
    """

    rows: int
    n_tiles: int
    arguments: tuple[Any, ...]


def tilings(packed: Packed, by_slice: bool) -> tuple[Tiling, Tiling]:
    """Tile the regions for counts in three dimensions, and for counts within slices."""
    arrays = (
        packed.levels,
        cuda.to_device(packed.offsets, np.int64),
        cuda.to_device(packed.shapes, np.int32),
    )

    def tiling(rows: int, table: NDArray[np.int64], slices: bool) -> Tiling:
        return Tiling(
            rows,
            len(table),
            (*arrays, cuda.to_device(table), cuda.TILE_VOXELS, slices),
        )

    region, start = cuda.tiles(packed.shapes, cuda.TILE_VOXELS)
    volume = tiling(len(packed.shapes), np.stack([region, region, start], axis=1), False)
    if not by_slice:
        return volume, volume
    return volume, tiling(int(packed.slice_starts[-1]), _tiles_of_slices(packed), True)


def _tiles_of_slices(packed: Packed) -> NDArray[np.int64]:
    """Return (region, slice of the batch, first voxel in the region) of each tile."""
    depth = packed.shapes[:, 2]
    region = np.repeat(np.arange(len(depth)), depth)
    z = np.arange(region.size) - packed.slice_starts[region]
    flat = packed.shapes.copy()
    flat[:, 2] = 1
    row, start = cuda.tiles(flat[region], cuda.TILE_VOXELS)
    return np.stack([region[row], row, z[row] + start * depth[region[row]]], axis=1)


def voxel_counts(packed: Packed, request: Request) -> dict[str, Any]:
    """Return the fields of TextureCounts that need no zones.

    Parameters
    ----------
    packed : Packed
        `levels` on the device; `offsets` and `shapes` on the host.
    request : Request
    """
    volume, planes = tilings(packed, request.by_slice)
    return (
        _histograms(volume, planes, request)
        | _directional(volume, planes, request, longest=int(packed.shapes.max(initial=1)))
        | _neighbourhoods(volume, planes, request)
    )


def _histograms(volume: Tiling, planes: Tiling, request: Request) -> dict[str, Any]:
    whole = histogram(volume, request.n_levels)
    if not request.planes:
        return {"histogram": whole}
    rows = histogram(planes, request.n_levels) if request.by_slice else whole
    return {"histogram": whole, "plane_histogram": rows}


def _directional(volume: Tiling, planes: Tiling, request: Request, longest: int) -> dict[str, Any]:
    """Count along the directions within slices, and (in three dimensions) along the others."""
    parts = {}
    if request.planes or request.volume:
        parts["planes"] = planes, DIRECTIONS_3D[IN_PLANE]
    if request.volume:
        parts["through"] = volume, DIRECTIONS_3D[THROUGH_PLANE]
    fields = {}
    for part, (tiling, directions) in parts.items():
        if "glcm" in request.families:
            fields[f"glcm_{part}"] = glcm(tiling, directions, request.n_levels)
        if "glrlm" in request.families:
            fields[f"glrlm_{part}"] = glrlm(tiling, directions, request.n_levels, longest)
    return fields


def _neighbourhoods(volume: Tiling, planes: Tiling, request: Request) -> dict[str, Any]:
    """Count neighbourhoods within slices and in three dimensions, as asked for."""
    families = [name for name in ("ngtdm", "ngldm") if name in request.families]
    fields: dict[str, Any] = {}
    for part, tiling in (("planes", planes), ("volume", volume)):
        if families and getattr(request, part):
            found = neighbourhoods(tiling, request.n_levels, request.alpha, part == "volume")
            fields |= {f"{name}_{part}": found[name] for name in families}
    return fields


def histogram(tiling: Tiling, n_levels: int) -> Any:
    """Count voxels per grey level: (rows, L) int64."""
    counts = _zeros(tiling.rows, n_levels)
    arguments = (*tiling.arguments, n_levels, counts)
    shared = n_levels * CELL_BYTES
    cuda.launch("histogram", "histogram_counts", tiling.n_tiles, arguments, shared)
    return counts


def glcm(tiling: Tiling, directions: NDArray[np.int32], n_levels: int) -> Any:
    """Count symmetric co-occurrences along each direction: (rows, D, L, L) int64."""
    counts = _zeros(tiling.rows, len(directions), n_levels, n_levels)
    shared = _if_it_fits(n_levels * (n_levels + 1) // 2)
    settings = (cuda.to_device(directions), len(directions), n_levels, shared > 0)
    _launch_by_direction("glcm", tiling, (*settings, counts), len(directions), shared)
    return counts


def glrlm(tiling: Tiling, directions: NDArray[np.int32], n_levels: int, longest: int) -> Any:
    """Count runs of up to `longest` voxels along each direction: (rows, D, L, longest) int64."""
    counts = _zeros(tiling.rows, len(directions), n_levels, longest)
    fitting = cuda.SHARED_BYTES // (n_levels * CELL_BYTES)
    short = min(longest, fitting, SHORT_RUNS)
    settings = (cuda.to_device(directions), len(directions), n_levels, longest, short)
    shared = n_levels * short * CELL_BYTES
    _launch_by_direction("glrlm", tiling, (*settings, counts), len(directions), shared)
    return counts


def neighbourhoods(tiling: Tiling, n_levels: int, alpha: int, volume: bool) -> dict[str, Any]:
    """Count differences to and dependences on the neighbours, 26 or (in slices) 8.

    Returns
    -------
    dict
        ngtdm : (rows, L, K, 2) int64; ngldm : (rows, L, K) int64, with K = 27 or 9.
    """
    n_k = 27 if volume else 9
    ngtdm, ngldm = _zeros(tiling.rows, n_levels, n_k, 2), _zeros(tiling.rows, n_levels, n_k)
    shared = _if_it_fits(3 * n_levels * n_k)
    settings = (volume, n_levels, alpha, shared > 0)
    arguments = (*tiling.arguments, *settings, ngtdm, ngldm)
    cuda.launch("neighbours", "neighbour_counts", tiling.n_tiles, arguments, shared)
    return {"ngtdm": ngtdm, "ngldm": ngldm}


def _zeros(*shape: int) -> Any:
    return cuda.library().zeros(shape, dtype=np.int64)


def _if_it_fits(cells: int) -> int:
    """Return the shared memory of so many cells, or 0 to count without."""
    return cells * CELL_BYTES if cells * CELL_BYTES <= cuda.SHARED_BYTES else 0


def _launch_by_direction(
    family: str, tiling: Tiling, settings: Sequence[Any], n_directions: int, shared: int
) -> None:
    """Start a kernel whose blockIdx.y names the direction."""
    grid = (tiling.n_tiles, n_directions)
    cuda.launch(family, f"{family}_counts", grid, (*tiling.arguments, *settings), shared)
