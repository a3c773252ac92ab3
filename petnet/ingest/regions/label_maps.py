"""Regions as label maps: connected components, and as few maps as overlap allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.boxes import Box
from petnet.ingest.records import Region
from petnet.label_maps import lay_out

__all__ = ["LabelMap", "pack", "split_components"]

SPECK_VOXELS = 8  # components smaller than 2 × 2 × 2 voxels are noted


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Regions that do not overlap, as one image.

    Attributes
    ----------
    array : (X, Y, Z) uint8 or uint16 array
        0 outside; `members[k]` has the label k + 1.
    names : tuple of str
        The table of names: `names[k]` is that of label k + 1.
    members : tuple of int
        Which of the regions that were packed they are.
    """

    array: NDArray[np.uint8] | NDArray[np.uint16]
    names: tuple[str, ...]
    members: tuple[int, ...]

    @property
    def table(self) -> dict[int, str]:
        """Name of each label."""
        return dict(enumerate(self.names, 1))


def pack(regions: Sequence[Region]) -> tuple[LabelMap, ...]:
    """Put regions into label maps, in their order, each into the first where it overlaps none.

    Parameters
    ----------
    regions : sequence of Region
        On one grid, none empty.

    Returns
    -------
    tuple of LabelMap
        uint8 where 255 labels are enough, else uint16.

    Raises
    ------
    ValueError
        Shapes differ, or a region is empty.
    """
    shapes = {region.shape for region in regions}
    if len(shapes) > 1:
        raise ValueError(f"regions on one grid expected, but got the shapes {sorted(shapes)}")
    if any(region.is_empty for region in regions):
        raise ValueError("regions with at least one voxel expected, but got an empty one")
    if not regions:
        return ()
    parts = [(region.box, region.inside) for region in regions]
    maps, places = lay_out(parts, regions[0].shape)
    members: list[list[int]] = [[] for _ in maps]
    for k, (place, _) in enumerate(places):
        members[place].append(k)
    return tuple(
        LabelMap(array, tuple(regions[k].name for k in held), tuple(held))
        for array, held in zip(maps, members, strict=True)
    )


def split_components(region: Region, affine: NDArray[np.float64]) -> tuple[Region, ...]:
    """Make each connected component a region of its own: "GTV 1", "GTV 2", ...

    Voxels are connected that share a face, an edge or a corner (26 neighbours). Components are
    ordered from head to feet by their centres (mean of voxel centres, rounded to 0.001 mm), then
    from the patient's left to right, then from front to back. A component of fewer than 8 voxels
    is kept, with a note. A component's number does not tell which lesion of another study it is.

    Parameters
    ----------
    region : Region
        Not empty.
    affine : (4, 4) float64 array
        Voxel index to RAS+ millimetres.

    Returns
    -------
    tuple of Region
        With the number of `region`; names differ.
    """
    from scipy import ndimage

    if region.is_empty:
        raise ValueError("a region with at least one voxel expected, but got an empty one")
    labels, count = ndimage.label(region.inside, structure=np.ones((3, 3, 3), dtype=bool))
    if count == 1:
        return (replace(region, name=f"{region.name} 1"),)
    offset = np.array([part.start for part in region.box])
    index = np.argwhere(labels > 0)
    owner = labels[tuple(index.T)]
    sizes = np.bincount(owner, minlength=count + 1)[1:]
    sums = [np.bincount(owner, weights=axis, minlength=count + 1)[1:] for axis in index.T]
    centres = np.stack(sums, axis=1) / sizes[:, None] + offset
    x, y, z = np.round(centres @ affine[:3, :3].T + affine[:3, 3], 3).T
    order = np.lexsort((-y, x, -z))
    boxes = ndimage.find_objects(labels)
    return tuple(
        _component(region, boxes[label], labels[boxes[label]] == label + 1, number)
        for number, label in enumerate(order, 1)
    )


def _component(region: Region, part: Box, inside: NDArray[np.bool_], number: int) -> Region:
    """Return the component in a part of the region's box."""
    x, y, z = (
        slice(whole.start + own.start, whole.start + own.stop)
        for whole, own in zip(region.box, part, strict=True)
    )
    name, notes = f"{region.name} {number}", region.notes
    voxels = int(inside.sum())
    if voxels < SPECK_VOXELS:
        notes = (*notes, f"{name}: a speck of {voxels} voxel{'s' if voxels > 1 else ''}")
    return replace(region, name=name, box=(x, y, z), inside=inside, notes=notes)
