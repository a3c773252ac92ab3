"""The counting kernels on the CPU: the Numba twins of the `.cu` files.

Same names, arguments and counts as `petnet.radiomics.kernels.cuda`, by another method, so that
each checks the other. Threads take whole regions, and of each region whole families, so that no
two of them write to the same counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

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

__all__ = ["texture_counts"]

Task = Callable[[], Any]
Cells = tuple[NDArray[np.int64], NDArray[np.int64]]

#: Work, in framed voxels, of a group of regions of which a thread counts one kind of counts. Less
#: than that in all is counted without threads, whose start would cost more than they save.
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
        At most 32,767 levels.

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
    tasks = [partial(TASKS[kind], job, group) for kind in kinds for group in groups]
    small = len(groups) == 1 and batch.levels.size < GROUP_VOXELS
    results = iter([task() for task in tasks] if small else _run(tasks))
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


def _run(tasks: Sequence[Task]) -> list[Any]:
    return run_all(lambda task: task(), tasks)
