"""Where regions lie: the tight box of a mask, and those of every label of a map in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.arrays import in_c_order
from petnet.volume import Volume

__all__ = ["Box", "LabelBox", "bounding_box", "grown", "locate", "split_labels"]

Box = tuple[slice, slice, slice]
MAX_LABEL = 1_000_000  # boxes are found in a table with a row for every number up to the greatest


@dataclass(frozen=True, eq=False)
class LabelBox:
    """A region of a label map and where it lies; holds no mask of its own.

    Attributes
    ----------
    volume : Volume
        The map.
    box : three slices
        The smallest box of the map that holds the region.
    label : int or None
        The voxels of `box` that belong; None takes all that are not zero.
    """

    volume: Volume
    box: Box
    label: int | None = None

    def within(self, box: Box) -> NDArray[np.bool_]:
        """Return the mask of the region in any box of the map, in C order."""
        part = self.volume.array[box]
        return in_c_order(part != 0 if self.label is None else part == self.label)


def bounding_box(mask: NDArray[np.generic]) -> Box | None:
    """Return the smallest box around what is not zero, or None where there is nothing.

    Each axis is searched within what the axes before have left, the slowest in memory first.
    """
    box = [slice(0, n) for n in mask.shape]
    for axis in sorted(range(3), key=lambda a: -abs(mask.strides[a])):
        others = tuple(a for a in range(3) if a != axis)
        occupied = np.flatnonzero(mask[box[0], box[1], box[2]].any(axis=others))
        if occupied.size == 0:
            return None
        box[axis] = slice(int(occupied[0]), int(occupied[-1]) + 1)
    return box[0], box[1], box[2]


def grown(box: Box, margins: Sequence[int], shape: Sequence[int]) -> Box:
    """Widen a box by so many voxels at either end of each axis, as far as the array reaches."""
    x, y, z = (
        slice(max(part.start - margin, 0), min(part.stop + margin, n))
        for part, margin, n in zip(box, margins, shape, strict=True)
    )
    return x, y, z


def locate(mask: Volume | LabelBox, what: str) -> LabelBox:
    """Find the box of a mask; that of a label is known already.

    Raises
    ------
    InputError
        The mask is empty, or a value of it is NaN, which is neither in nor out.
    """
    if isinstance(mask, LabelBox):
        return mask
    box = bounding_box(mask.array)
    if box is None:
        raise InputError(what, "mask", "at least one voxel", "an empty mask")
    if mask.array.dtype.kind == "f" and (unknown := np.isnan(mask.array[box])).any():
        raise InputError(what, "mask", "numbers", f"NaN in {np.count_nonzero(unknown)} voxels")
    return LabelBox(mask, box)


def split_labels(
    label_map: Volume, labels: Sequence[int] | None = None, what: str = "label map"
) -> dict[int, LabelBox]:
    """Find the box of every label in one pass over the map.

    Parameters
    ----------
    label_map : Volume
        Whole numbers; what is not above zero is background. Labels need not be connected.
    labels : sequence of int, optional
        Those wanted, in this order; by default all that occur, ascending.

    Returns
    -------
    dict of int to LabelBox
        What `prepare_region` and its like take in the place of a mask. No mask is made yet: the
        map itself is all the memory that hundreds of labels need.

    Raises
    ------
    InputError
        Values are no whole numbers or above one million, or a label does not occur: it is named.
    """
    from scipy import ndimage

    numbers = _whole_numbers(label_map.array, what)
    # NIfTI lies in Fortran order: the search goes through memory in one direction
    turned = abs(numbers.strides[0]) < abs(numbers.strides[2])
    found = ndimage.find_objects(numbers.T if turned else numbers)
    present = {
        label: box[::-1] if turned else box
        for label, box in enumerate(found, start=1)
        if box is not None
    }
    if labels is None:
        return {label: LabelBox(label_map, box, label) for label, box in present.items()}
    for label in labels:
        if label not in present:
            some = ", ".join(map(str, list(present)[:20])) or "no label"
            more = " and others" if len(present) > 20 else ""
            raise InputError(what, "label", f"label {label} in the map", f"{some}{more}")
    return {int(label): LabelBox(label_map, present[label], int(label)) for label in labels}


def _whole_numbers(array: NDArray[Any], what: str) -> NDArray[Any]:
    """Return the map in the smallest signed or unsigned integers that hold it."""
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind == "f" and not bool((np.rint(array) == array).all()):
        raise InputError(what, "values", "whole numbers (labels)", "fractions or NaN")
    greatest, least = array.max(initial=0), array.min(initial=0)
    if greatest > MAX_LABEL:
        raise InputError(what, "values", f"labels up to {MAX_LABEL}", f"{greatest:g}")
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 4:
        return array
    clipped = np.maximum(array, 0) if least < 0 else array
    return clipped.astype(np.min_scalar_type(int(greatest)))
