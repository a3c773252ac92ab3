"""Connected components: which is kept, its holes, and where growth was cut off."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from petnet.segmentation.field import Field
from petnet.segmentation.start import NotSegmented

__all__ = ["Connectivity", "Keep", "cut_off", "fill_holes", "kept", "structure", "touches_edge"]

Connectivity = Literal[6, 18, 26]
Keep = Literal["hottest", "overlap", "seed"]


def structure(connectivity: int) -> NDArray[np.bool_]:
    """Return the (3, 3, 3) neighbourhood of voxels that share a face (6), edge (18) or corner."""
    steps = get_args(Connectivity).index(connectivity) + 1
    near: NDArray[np.bool_] = np.abs(np.indices((3, 3, 3)) - 1).sum(axis=0) <= steps
    return near


def kept(
    field: Field, candidates: NDArray[np.bool_], keep: Keep, connectivity: int
) -> NDArray[np.bool_]:
    """Return the components of some voxels that belong to the lesion.

    Parameters
    ----------
    candidates : (x, y, z) bool
        On the field's grid, inside its limit.
    keep : {"hottest", "overlap", "seed"}
        The component that holds the hottest voxel of the start; all that hold a voxel of the
        start; that which holds the seed.

    Raises
    ------
    NotSegmented
        There is none.
    """
    from scipy.ndimage import label

    if keep == "seed" and field.seed is None:
        raise NotSegmented("keep=seed needs a seed, but the start has none")
    labels, _ = label(candidates, structure(connectivity))
    if keep == "overlap":
        wanted = np.unique(labels[field.search])
        found = np.isin(labels, wanted[wanted > 0])
    else:
        at = field.hottest if keep == "hottest" or field.seed is None else field.seed
        found = (labels == labels[at]) & candidates if labels[at] else np.zeros_like(candidates)
    if not found.any():
        where = "the seed is not" if keep == "seed" else "no voxel of the start is"
        raise NotSegmented(f"{where} above the threshold")
    mask: NDArray[np.bool_] = found
    return mask


def fill_holes(
    mask: NDArray[np.bool_], limit: NDArray[np.bool_], connectivity: int
) -> NDArray[np.bool_]:
    """Fill the cavities of a mask that lie within the limit.

    A cavity is background that is closed off from the outside; background connects by faces where
    the mask connects by edges or corners, and by corners where the mask does by faces.
    """
    from scipy.ndimage import binary_fill_holes

    padded = np.pad(mask, 1)
    outside = structure(26 if connectivity == 6 else 6)
    filled: NDArray[np.bool_] = binary_fill_holes(padded, outside)[1:-1, 1:-1, 1:-1] & limit | mask
    return filled


def cut_off(
    field: Field, mask: NDArray[np.bool_], beyond: NDArray[np.bool_], connectivity: int
) -> int:
    """Count the voxels outside of the limit into which the mask would have grown.

    Parameters
    ----------
    beyond : (x, y, z) bool
        Voxels that would belong but for the limit.
    """
    from scipy.ndimage import binary_dilation

    grown = binary_dilation(mask, structure(connectivity))
    return int((grown & beyond & ~field.limit).sum())


def touches_edge(field: Field, mask: NDArray[np.bool_]) -> bool:
    """Tell whether a mask has a voxel at the edge of the image; of axes longer than one."""
    for axis, (corner, n) in enumerate(zip(field.corner, field.shape, strict=True)):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) + corner
        if n > 1 and (there[0] == 0 or there[-1] == n - 1):
            return True
    return False
