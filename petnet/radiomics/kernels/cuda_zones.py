"""Size zones and distance zones of many regions on a CUDA device (IBSI 9SAK and VMDZ).

The kernels label the zones of all grey levels at once and leave each zone's size and least distance
to the edge at its first voxel; what is left to do with a record per zone is sorting and counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels import cuda
from petnet.radiomics.kernels.counts import Packed, Request, ZoneCells

__all__ = ["edge_distances", "zone_counts"]

#: One pass of the block's threads per tile: a small lesion still fills several blocks.
VOXELS_PER_THREAD = 4


@dataclass(frozen=True, eq=False)
class _Batch:
    """Regions on the device; `shapes_host` and `slice_starts` tell the host how many there are."""

    levels: Any
    inside: Any
    offsets: Any
    shapes: Any
    shapes_host: NDArray[np.int32]
    slice_starts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Zones:
    """Z zones in the order of their first voxels; device arrays (Z,) int64."""

    row: Any
    level: Any
    size: Any
    distance: Any


def zone_counts(packed: Packed, request: Request) -> dict[str, Any]:
    """Count the zones that `request` asks for.

    Parameters
    ----------
    packed : Packed
        Its arrays may lie on the host or on the device.
    request : Request

    Returns
    -------
    dict
        Those of the fields `glszm_planes`, `gldzm_planes`, `glszm_volume` and `gldzm_volume` of
        `petnet.radiomics.kernels.counts.TextureCounts` that are asked for; CuPy arrays. Distances
        are laid out up to the greatest one that a region of the batch has room for.
    """
    if not request.families & {"glszm", "gldzm"}:
        return {}
    batch = _batch(packed)
    distance = _distances_within_slices(batch) if "gldzm" in request.families else None
    found: dict[str, Any] = {}
    if request.planes:
        rows = batch.slice_starts[-1] if request.by_slice else len(batch.shapes_host)
        zones = _zones(batch, distance, through=False, by_slice=request.by_slice)
        room = _greatest_distance(batch.shapes_host[:, :2])
        found |= _counts("planes", zones, request, int(rows), batch, room)
    if request.volume:
        if distance is not None:
            _sweep(batch, distance, axis=2, first=False)
        zones = _zones(batch, distance, through=True, by_slice=False)
        room = _greatest_distance(batch.shapes_host)
        found |= _counts("volume", zones, request, len(batch.shapes_host), batch, room)
    return found


def edge_distances(packed: Packed, through: bool) -> Any:
    """Measure how far voxels lie from the outside of their morphological mask, in voxels.

    Parameters
    ----------
    packed : Packed
    through : bool
        City-block distance in three dimensions rather than within the slice (IBSI VMDZ).

    Returns
    -------
    (V,) int32 CuPy array
        1 for a voxel with a face on the outside, of which all beyond the box is part; 0 outside.
    """
    batch = _batch(packed)
    distance = _distances_within_slices(batch)
    if through:
        _sweep(batch, distance, axis=2, first=False)
    return distance


def _batch(packed: Packed) -> _Batch:
    shapes = cuda.to_host(packed.shapes)
    starts = np.concatenate([[0], np.cumsum(shapes[:, 2], dtype=np.int64)])
    arrays = (packed.levels, packed.inside, packed.offsets, packed.shapes)
    levels, inside, offsets, shapes_on_device = map(cuda.to_device, arrays)
    return _Batch(levels, inside, offsets, shapes_on_device, shapes, starts)


def _greatest_distance(shapes: NDArray[np.int32]) -> int:
    """Return the distance of the innermost voxel of the batch's roomiest box, at least 1."""
    return int((shapes.min(axis=1, initial=2**30).max(initial=1) + 1) // 2)


# ---------------------------------------------------------------- labelling


def _distances_within_slices(batch: _Batch) -> Any:
    distance = cuda.library().empty(batch.inside.shape, np.int32)
    _sweep(batch, distance, axis=1, first=True)
    _sweep(batch, distance, axis=0, first=False)
    return distance


def _sweep(batch: _Batch, distance: Any, axis: int, first: bool) -> None:
    """Carry distances along the lines of one axis, in place; one thread per line."""
    lines = batch.shapes_host.copy()
    lines[:, axis] = np.minimum(lines[:, axis], 1)
    region, start = cuda.tiles(lines, cuda.BLOCK_THREADS)
    arrays = (batch.inside, batch.offsets, batch.shapes, *map(cuda.to_device, (region, start)))
    settings = (cuda.BLOCK_THREADS, axis, first, distance)
    cuda.launch("distance", "distance_sweep", region.size, (*arrays, *settings))


def _zones(batch: _Batch, distance: Any | None, through: bool, by_slice: bool) -> _Zones:
    """Label the zones and gather a record of each; `through` the slices, or within them."""
    cupy = cuda.library()
    arrays = (batch.levels, batch.offsets, batch.shapes)
    parent = cupy.empty(batch.levels.shape, np.int32)
    size = cupy.zeros(batch.levels.shape, np.int32)
    tile_size = cuda.BLOCK_THREADS * VOXELS_PER_THREAD
    region, start = cuda.tiles(batch.shapes_host, tile_size)
    where = (*map(cuda.to_device, (region, start)), tile_size)

    def launch(name: str, *outputs: Any) -> None:
        arguments = (*arrays, *where, through, parent, *outputs)
        cuda.launch("zones", name, region.size, arguments)

    launch("zone_runs")
    launch("zone_links")
    launch("zone_sizes", size)
    first_voxel = cupy.flatnonzero(size)
    nearest = None
    if distance is not None:
        least = cupy.full(batch.levels.shape, np.iinfo(np.int32).max, np.int32)
        launch("zone_distances", distance, least)
        nearest = least[first_voxel].astype(np.int64)
    row = cupy.searchsorted(batch.offsets, first_voxel, side="right") - 1
    level = batch.levels[first_voxel].astype(np.int64)
    if by_slice:
        z = (first_voxel - batch.offsets[row]) % batch.shapes[row, 2]
        row = cuda.to_device(batch.slice_starts)[row] + z
    return _Zones(row, level, size[first_voxel].astype(np.int64), nearest)


# ---------------------------------------------------------------- counting


def _counts(
    part: str, zones: _Zones, request: Request, n_rows: int, batch: _Batch, greatest: int
) -> dict[str, Any]:
    """Fill the fields of one part: `planes` or `volume`."""
    cell = zones.row * request.n_levels + zones.level - 1
    found: dict[str, Any] = {}
    if "glszm" in request.families:
        largest = int(np.prod(batch.shapes_host, axis=1, dtype=np.int64).max(initial=0))
        found[f"glszm_{part}"] = _size_cells(cell, zones.size, n_rows, request.n_levels, largest)
    if "gldzm" in request.families:
        n_cells = n_rows * request.n_levels * greatest
        flat = _histogram(cell * greatest + zones.distance - 1, n_cells)
        found[f"gldzm_{part}"] = flat.reshape(n_rows, request.n_levels, greatest)
    return found


def _histogram(cell: Any, n_cells: int) -> Any:
    """Count how often each of the numbers 0 to n_cells - 1 occurs: (n_cells,) int64."""
    if cell.size == 0:  # CuPy's bincount would look for its greatest
        return cuda.library().zeros(n_cells, np.int64)
    return cuda.library().bincount(cell, minlength=n_cells)


def _size_cells(cell: Any, size: Any, n_rows: int, n_levels: int, largest: int) -> ZoneCells:
    """Sort zones by (row, level, size), in one number, and count those that are alike."""
    cupy = cuda.library()
    sizes = largest + 1
    key, count = cupy.unique(cell * sizes + size, return_counts=True)
    first_key = cuda.to_device(np.arange(n_rows + 1, dtype=np.int64) * (n_levels * sizes))
    return ZoneCells(
        cupy.searchsorted(key, first_key).astype(np.int64),
        key // sizes % n_levels + 1,
        key % sizes,
        count.astype(np.int64),
    )
