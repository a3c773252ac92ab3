"""The union of a unit's regions, on the grid of the image that is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from petnet.errors import InputError
from petnet.units import Region
from petnet.volume import Volume, check_same_grid, read_mask, same_grid

__all__ = ["lesion_masks", "mask_on_grid", "union"]


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

    to_mask = np.linalg.inv(mask.affine) @ image.affine
    sampled = affine_transform(
        mask.array.astype(np.float32),
        to_mask[:3, :3],
        to_mask[:3, 3],
        output_shape=image.array.shape,
        order=1,
        mode="constant",
        cval=0.0,
    )
    return Volume(sampled >= 0.5 - 1e-6, image.affine, "label", "MASK")


def lesion_masks(regions: Sequence[Region], image: Volume, native: str) -> list[Volume]:
    """Return each lesion on the grid of `image`; those of which nothing lies on it are left out.

    Regions with the same `lesion_uid` (two readers, two methods) are one lesion: their union. A
    region without one is a lesion of its own.

    Parameters
    ----------
    native : {"pet", "ct"}
        Which grid `image` is; a region drawn on it must share it exactly, a region drawn on the
        other one is sampled by `mask_on_grid`.

    Raises
    ------
    InputError
        A mask is on another grid than the rois table says, or nothing of any lies on this grid.
    """
    made: dict[str, list[Volume]] = {}
    for number, region in enumerate(regions):
        mask = read_mask(region.path, region.label)
        if region.grid == native:
            check_same_grid(image, mask, str(region.path))
        elif not same_grid(image, mask):
            mask = mask_on_grid(mask, image)
        if mask.array.any():
            made.setdefault(region.lesion_uid or f"region {number}", []).append(mask)
    if not made:
        raise InputError(
            ", ".join(str(r.path) for r in regions),
            "mask",
            f"at least one voxel on the {native} grid",
            "none after resampling",
        )
    return [union(masks) for masks in made.values()]


def union(masks: Sequence[Volume]) -> Volume:
    """Return the union of masks on one grid."""
    return masks[0].with_array(np.logical_or.reduce([mask.array for mask in masks]))
