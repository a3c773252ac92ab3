"""The counting kernels on the CPU: the Numba twins of the `.cu` files.

Same names, arguments and counts as `petnet.radiomics.kernels.cuda`, by another method, so that
each checks the other. Threads take whole regions, and of each region whole families, so that no
two of them write to the same counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.counts import (
    DIRECTIONS_3D,
    IN_PLANE,
    THROUGH_PLANE,
    Packed,
    Request,
    TextureCounts,
)
from petnet.radiomics.kernels.cpu_layout import (
    Framed,
    Rows,
    frame,
    framed,
    rows_of_planes,
    rows_of_regions,
)
from petnet.radiomics.kernels.cpu_neighbours import count_neighbourhoods, count_pairs
from petnet.radiomics.kernels.cpu_zones import count_zones, list_cells
from petnet.radiomics.kernels.threads import run_all

__all__ = ["glcm_counts", "texture_counts"]

Task = Callable[[], Any]
Cells = tuple[NDArray[np.int64], NDArray[np.int64]]

PIECE_VOXELS = 200_000
#: Work, in framed voxels, of a group of regions that one thread counts one family of. Less than
#: that in all is counted without threads, whose start would cost more than they save.
GROUP_VOXELS = 40_000


@dataclass(frozen=True, eq=False)
class _Job:
    """A batch with all that its tasks read, and the dense counts that they add to."""

    packed: Packed
    request: Request
    batch: Framed
    planes: Rows
    regions: Rows
    dense: dict[str, NDArray[np.int64]]

    def counts(self, name: str, axes: int) -> NDArray[np.int64]:
        """Return the named counts, or an empty array of as many axes if nobody asked for them."""
        return self.dense.get(name, np.zeros((0,) * axes, dtype=np.int64))


def texture_counts(packed: Packed, request: Request) -> TextureCounts:
    """Count the families of a request in many regions at once.

    Parameters
    ----------
    packed : Packed
        Levels of at most `request.n_levels`, 0 wherever the morphological mask is 0; fewer than
        2^31 voxels in a region.
    request : Request

    Returns
    -------
    TextureCounts
        NumPy arrays. N is the greatest axis of the batch. D is (n + 1) // 2 for the greatest n
        of the batch, n being the least axis of a region (for planes, of its slices): no voxel is
        farther from the edge.
    """
    batch = framed(packed)
    groups = _groups(batch, request.n_levels)
    planes, regions = _count_levels(packed, request, batch, groups)
    dense = _allocate(packed, request, planes)
    job = _Job(packed, request, batch, planes, regions, dense)
    kinds = _kinds(request)
    results = iter(_run([partial(TASKS[kind], job, group) for kind in kinds for group in groups]))
    zones = {kind: [next(results) for _ in groups] for kind in kinds}
    found: dict[str, Any] = {"histogram": regions.histogram, **dense}
    if request.planes:
        found["plane_histogram"] = planes.histogram
    if "glszm" in request.families:
        if request.planes:
            found["glszm_planes"] = list_cells(zones["zones_of_planes"], planes, batch.stride)
        if request.volume:
            found["glszm_volume"] = list_cells(zones["zones_of_volume"], regions, batch.stride)
    return TextureCounts(**found)


def _count_levels(
    packed: Packed, request: Request, batch: Framed, groups: list[NDArray[np.int64]]
) -> tuple[Rows, Rows]:
    """Copy the regions into their frames; return rows of planes and of regions with histograms."""
    planes = rows_of_planes(packed, request)
    _run([partial(frame, packed.levels, packed.offsets, g, batch, planes) for g in groups])
    if not planes.step:
        return planes, planes
    regions = rows_of_regions(packed.shapes.shape[0], request.n_levels)
    for r, (start, depth) in enumerate(zip(planes.first, packed.shapes[:, 2], strict=True)):
        planes.histogram[start : start + depth].sum(axis=0, out=regions.histogram[r])
    return planes, regions


def _allocate(packed: Packed, request: Request, planes: Rows) -> dict[str, NDArray[np.int64]]:
    """Return zeros for all counts of the request but size zones, whose number is not known."""
    p, levels = planes.histogram.shape
    r = packed.shapes.shape[0]
    longest = int(packed.shapes.max(initial=1))
    shapes: dict[str, tuple[int, ...]] = {}
    if request.planes or request.volume:
        shapes |= {"glcm_planes": (p, 4, levels, levels), "glrlm_planes": (p, 4, levels, longest)}
    if request.planes:
        far = _greatest_distance(packed.shapes[:, :2])
        shapes |= {"ngtdm_planes": (p, levels, 9, 2), "ngldm_planes": (p, levels, 9)}
        shapes |= {"gldzm_planes": (p, levels, far)}
    if request.volume:
        far = _greatest_distance(packed.shapes)
        shapes |= {"glcm_through": (r, 9, levels, levels), "glrlm_through": (r, 9, levels, longest)}
        shapes |= {"ngtdm_volume": (r, levels, 27, 2), "ngldm_volume": (r, levels, 27)}
        shapes |= {"gldzm_volume": (r, levels, far)}
    return {
        name: np.zeros(shape, dtype=np.int64)
        for name, shape in shapes.items()
        if name.split("_")[0] in request.families
    }


def _greatest_distance(shapes: NDArray[np.int32]) -> int:
    return int(shapes.min(axis=1).max(initial=1) + 1) // 2


def _kinds(request: Request) -> list[str]:
    """Return which of TASKS the request needs, the costliest first, so that no thread waits."""
    pairs, neighbours, zones = (
        bool(request.families & pair)
        for pair in ({"glcm", "glrlm"}, {"ngtdm", "ngldm"}, {"glszm", "gldzm"})
    )
    either = request.planes or request.volume
    needed = {
        "zones_of_volume": zones and request.volume,
        "pairs_through": pairs and request.volume,
        "zones_of_planes": zones and request.planes,
        "neighbourhoods": neighbours and either,
        "pairs_of_planes": pairs and either,
    }
    return [kind for kind in needed if needed[kind]]


def _pairs_of_planes(job: _Job, group: NDArray[np.int64]) -> None:
    counts = job.counts("glcm_planes", 4), job.counts("glrlm_planes", 4)
    count_pairs(job.batch, group, DIRECTIONS_3D[IN_PLANE], job.planes, *counts)


def _pairs_through(job: _Job, group: NDArray[np.int64]) -> None:
    counts = job.counts("glcm_through", 4), job.counts("glrlm_through", 4)
    count_pairs(job.batch, group, DIRECTIONS_3D[THROUGH_PLANE], job.regions, *counts)


def _neighbourhoods(job: _Job, group: NDArray[np.int64]) -> None:
    planes = job.counts("ngtdm_planes", 4), job.counts("ngldm_planes", 3)
    volume = job.counts("ngtdm_volume", 4), job.counts("ngldm_volume", 3)
    count_neighbourhoods(job.batch, group, job.request.alpha, job.planes, planes, volume)


def _zones_of_planes(job: _Job, group: NDArray[np.int64]) -> Cells:
    return _zones(job, group, False, job.planes, job.counts("gldzm_planes", 3))


def _zones_of_volume(job: _Job, group: NDArray[np.int64]) -> Cells:
    return _zones(job, group, True, job.regions, job.counts("gldzm_volume", 3))


def _zones(
    job: _Job, group: NDArray[np.int64], through: bool, rows: Rows, gldzm: NDArray[np.int64]
) -> Cells:
    """Return the sorted keys of the group's size zones, and how many zones have each."""
    packed, batch = job.packed, job.batch
    keys = count_zones(batch, packed.inside, packed.offsets, group, through, rows, gldzm)
    if "glszm" not in job.request.families:
        keys = keys[:0]
    return np.unique(keys, return_counts=True)


TASKS: dict[str, Callable[[_Job, NDArray[np.int64]], Any]] = {
    "pairs_of_planes": _pairs_of_planes,
    "pairs_through": _pairs_through,
    "neighbourhoods": _neighbourhoods,
    "zones_of_planes": _zones_of_planes,
    "zones_of_volume": _zones_of_volume,
}


def _groups(batch: Framed, n_levels: int) -> list[NDArray[np.int64]]:
    """Cut the regions 0..R-1 into runs of about GROUP_VOXELS of work each.

    Dense counts have to be cleared and summed up, which for small regions is most of the work.
    """
    work = np.prod(batch.shapes, axis=1) + n_levels**2 // 4
    run = np.cumsum(work) // GROUP_VOXELS
    return np.split(np.arange(work.size), np.flatnonzero(np.diff(run)) + 1)


def _run(tasks: list[Task]) -> list[Any]:
    return run_all(lambda task: task(), tasks)


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

    def count(tasks: NDArray[np.int64]) -> None:
        _glcm_tasks(levels, offsets, shapes, directions, tasks, counts)

    run_all(count, _pieces(np.repeat(volume, n_directions)))
    return counts
