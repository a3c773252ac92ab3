"""Regions as label maps: connected components, and as few maps as overlap allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.records import Region

__all__ = ["LabelMap", "pack", "split_components"]

SPECK_VOXELS = 8  # components smaller than 2 × 2 × 2 voxels are noted
MOST_LABELS = int(np.iinfo(np.uint16).max)


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
    shapes = {region.mask.shape for region in regions}
    if len(shapes) > 1:
        raise ValueError(f"regions on one grid expected, but got the shapes {sorted(shapes)}")
    maps: list[NDArray[np.uint16]] = []
    members: list[list[int]] = []
    for k, region in enumerate(regions):
        box = bounding_box(region.mask)
        inside = region.mask[box]
        for array, held in zip(maps, members, strict=True):
            if len(held) < MOST_LABELS and not array[box][inside].any():
                break
        else:
            array, held = np.zeros(region.mask.shape, dtype=np.uint16, order="F"), []
            maps.append(array)
            members.append(held)
        held.append(k)
        array[box][inside] = len(held)
    return tuple(
        LabelMap(
            array.astype(np.uint8) if len(held) <= np.iinfo(np.uint8).max else array,
            tuple(regions[k].name for k in held),
            tuple(held),
        )
        for array, held in zip(maps, members, strict=True)
    )


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the slices of the smallest box that holds a mask.

    Raises
    ------
    ValueError
        The mask is empty.
    """
    if not mask.any():
        raise ValueError("a mask with at least one voxel expected, but got an empty one")
    flat: NDArray[np.bool_] = np.any(mask, axis=2)
    along: tuple[NDArray[np.bool_], ...] = (
        np.any(flat, axis=1), np.any(flat, axis=0), np.any(mask, axis=(0, 1))
    )  # fmt: skip
    ends = [(int(used.argmax()), int(used.size - used[::-1].argmax())) for used in along]
    x, y, z = (slice(first, end) for first, end in ends)
    return x, y, z


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

    box = bounding_box(region.mask)
    labels, count = ndimage.label(region.mask[box], structure=np.ones((3, 3, 3), dtype=bool))
    if count == 1:
        return (replace(region, name=f"{region.name} 1"),)
    offset = np.array([part.start for part in box])
    index = np.argwhere(labels > 0)
    owner = labels[tuple(index.T)]
    sizes = np.bincount(owner, minlength=count + 1)[1:]
    sums = [np.bincount(owner, weights=axis, minlength=count + 1)[1:] for axis in index.T]
    centres = np.stack(sums, axis=1) / sizes[:, None] + offset
    x, y, z = np.round(centres @ affine[:3, :3].T + affine[:3, 3], 3).T
    order = np.lexsort((-y, x, -z))
    return tuple(
        _component(region, box, labels == label + 1, number, int(sizes[label]))
        for number, label in enumerate(order, 1)
    )


def _component(
    region: Region,
    box: tuple[slice, slice, slice],
    inside: NDArray[np.bool_],
    number: int,
    voxels: int,
) -> Region:
    mask = np.zeros(region.mask.shape, dtype=bool, order="F")
    mask[box] = inside
    name, notes = f"{region.name} {number}", region.notes
    if voxels < SPECK_VOXELS:
        notes = (*notes, f"{name}: a speck of {voxels} voxel{'s' if voxels > 1 else ''}")
    return replace(region, name=name, mask=mask, notes=notes)
