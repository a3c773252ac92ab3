"""Delineated regions as the lesions they belong to, on the grid of the image that is measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.labels import Box, LabelBox, bounding_box
from petnet.units import Region
from petnet.volume import (
    StoredImage,
    Volume,
    check_same_grid,
    mask_of,
    read_stored,
    same_grid,
)

__all__ = ["BoxedMask", "Reader", "lesion_masks", "mask_on_grid", "once", "union"]

Reader = Callable[[Path], StoredImage]
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class BoxedMask:
    """A mask cut to its bounding box, so that those of many lesions fit in memory.

    Attributes
    ----------
    start : (3,) tuple of int
        Index of the box's first voxel on the whole grid.
    array : (X, Y, Z) bool
        Inside the box.
    shape : (3,) tuple of int
        Of the whole grid.
    """

    start: tuple[int, ...]
    array: NDArray[np.bool_]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, whole: NDArray[np.bool_]) -> BoxedMask:
        """Cut a mask with at least one voxel.

        Raises
        ------
        InputError
            The mask is empty.
        """
        box = bounding_box(whole)
        if box is None:
            raise InputError("mask", "voxels", "at least one", "none")
        array = np.ascontiguousarray(whole[box])
        x, y, z = (part.start for part in box)
        return cls((x, y, z), array, whole.shape)

    @property
    def box(self) -> Box:
        """Where the box lies on the whole grid."""
        x, y, z = (slice(s, s + n) for s, n in zip(self.start, self.array.shape, strict=True))
        return x, y, z

    def cut(self, image: Volume) -> tuple[Volume, Volume]:
        """Return image and mask inside the box."""
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.array(self.start, dtype=np.float64)
        part = Volume(image.array[self.box], affine, image.unit, image.modality, image.tracer)
        return part, Volume(self.array, affine, "label", "MASK")

    def on(self, image: Volume) -> LabelBox:
        """Return the mask as `extract_regions` takes it: on the grid of `image`, all of it."""
        grid = Volume(np.broadcast_to(np.False_, self.shape), image.affine, "label", "MASK")
        return _Placed(grid, self.box, mask=self)


@dataclass(frozen=True, eq=False)
class _Placed(LabelBox):
    """A boxed mask on a grid of which nothing else is held in memory."""

    mask: BoxedMask = field(kw_only=True)

    def within(self, box: Box) -> NDArray[np.bool_]:
        """Return the mask in any box of the grid, in C order."""
        made = np.zeros([part.stop - part.start for part in box], dtype=bool)
        starts = [max(a.start, b.start) for a, b in zip(box, self.mask.box, strict=True)]
        stops = [min(a.stop, b.stop) for a, b in zip(box, self.mask.box, strict=True)]
        if all(start < stop for start, stop in zip(starts, stops, strict=True)):
            here, there = (
                tuple(
                    slice(start - part.start, stop - part.start)
                    for start, stop, part in zip(starts, stops, of, strict=True)
                )
                for of in (box, self.mask.box)
            )
            made[here] = self.mask.array[there]
        return made


def union(masks: Sequence[BoxedMask]) -> BoxedMask:
    """Return the union of masks on one grid."""
    low = np.min([mask.start for mask in masks], axis=0)
    high = np.max([np.add(mask.start, mask.array.shape) for mask in masks], axis=0)
    array = np.zeros(high - low, dtype=bool)
    for mask in masks:
        first = np.subtract(mask.start, low)
        array[tuple(map(slice, first, first + mask.array.shape))] |= mask.array
    return BoxedMask(tuple(low.tolist()), array, masks[0].shape)


def once() -> Reader:
    """Return a reader that reads each file once: a label map of many regions, above all."""
    return lru_cache(maxsize=None)(read_stored)


def mask_on_grid(mask: Volume, image: Volume) -> Volume:
    """Sample a mask at the voxel centres of another grid.

    A voxel belongs where the trilinearly interpolated indicator is at least one half (IBSI's
    threshold for interpolated masks).

    Returns
    -------
    Volume
        bool array of `image`'s shape.
    """
    from scipy.ndimage import affine_transform

    made = np.zeros(image.array.shape, dtype=bool)
    box = bounding_box(mask.array)
    if box is None:
        return Volume(made, image.affine, "label", "MASK")
    to_mask = np.linalg.solve(mask.affine, image.affine).astype(np.float64)
    near = _reached(box, to_mask, image.array.shape)
    corner = [part.start for part in near]
    start = [part.start for part in box]
    sampled = affine_transform(
        mask.array[box].astype(np.float32),
        to_mask[:3, :3],
        to_mask[:3, :3] @ corner + to_mask[:3, 3] - start,
        output_shape=made[near].shape,
        order=1,
        mode="grid-constant",  # 0 from the next voxel on, as beside any other voxel of the mask
        cval=0.0,
    )
    made[near] = sampled >= 0.5 - 1e-6
    return Volume(made, image.affine, "label", "MASK")


def _reached(box: Box, to_mask: NDArray[np.float64], shape: Sequence[int]) -> Box:
    """Return where a grid meets a box of a mask and one voxel around it; perhaps nowhere."""
    ends = [(part.start - 1.0, float(part.stop)) for part in box]
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*ends, [1.0], indexing="ij")])
    there = np.linalg.solve(to_mask, corners)[:3]
    # a voxel more, as rounding might leave out one that lies on the rim, whose weight is 0
    low = np.clip(np.floor(there.min(axis=1)).astype(int) - 1, 0, shape)
    high = np.clip(np.ceil(there.max(axis=1)).astype(int) + 2, low, shape)
    x, y, z = (slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    return x, y, z


def lesion_masks(
    regions: Sequence[Region], image: Volume, native: str, read: Reader = read_stored
) -> list[BoxedMask]:
    """Return each lesion on the grid of `image`; those that lie outside of it are left out.

    Who leaves out one says so in the log, as counts and volumes are lower by it.

    Regions with the same `lesion_uid` (two readers, two methods) are one lesion: their union. A
    region without one is a lesion of its own.

    Parameters
    ----------
    native : {"pet", "ct"}
        Which grid `image` is; a region drawn on it must share it exactly, a region drawn on the
        other one is sampled by `mask_on_grid`. A region too small for that, a node between the
        voxels of a PET, is the voxel nearest to its centroid: a small lesion is not no lesion.
    read : callable
        Reads a label map, see `once`.

    Raises
    ------
    InputError
        A mask is on another grid than the rois table says, or nothing of any lies on this grid.
    """
    made: dict[str, list[BoxedMask]] = {}
    for number, region in enumerate(regions):
        path = region.path
        mask = mask_of(read(path), region.label, path)
        if region.grid == native:
            check_same_grid(image, mask, str(path))
        elif not same_grid(image, mask):
            mask = _sampled(mask, image)
        if mask.array.any():
            name = region.lesion_uid or f"region {number}"
            made.setdefault(name, []).append(BoxedMask.of(mask.array))
        else:
            seen = "PET" if native == "pet" else "CT"
            log.warning("%s: region %s lies outside of the %s: left out", path, region.roi, seen)
    if not made:
        raise InputError(
            ", ".join(sorted({str(r.path) for r in regions})),
            "mask",
            f"at least one voxel on the {native} grid",
            "none after resampling",
        )
    return [union(masks) for masks in made.values()]


def _sampled(mask: Volume, image: Volume) -> Volume:
    """Sample a mask on another grid; at least one voxel of it, if its centroid lies there."""
    sampled = mask_on_grid(mask, image)
    if not sampled.array.any():
        centroid = np.append(np.argwhere(mask.array).mean(axis=0), 1.0)
        index = np.rint(np.linalg.solve(image.affine, mask.affine @ centroid)[:3]).astype(int)
        if (index >= 0).all() and (index < image.array.shape).all():
            sampled.array[tuple(index)] = True
    return sampled
