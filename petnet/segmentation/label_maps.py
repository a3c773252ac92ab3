"""Lesions into label maps: those that overlap into separate ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.label_maps import lay_out
from petnet.segmentation.method import Segmented

__all__ = ["Packed", "common_voxels", "pack"]


@dataclass(frozen=True, eq=False)
class Packed:
    """Label maps, and where each lesion is.

    Attributes
    ----------
    maps : list of (X, Y, Z) uint8 or uint16
    places : list of (int, int)
        Map and label of each lesion, in order; labels count from 1 in each map.
    """

    maps: list[NDArray[Any]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)


def pack(lesions: Sequence[Segmented]) -> Packed:
    """Lay each lesion into the first map in which none of its voxels is taken."""
    if not lesions:
        return Packed()
    return Packed(*lay_out([(lesion.box, lesion.part) for lesion in lesions], lesions[0].shape))


def common_voxels(a: Segmented, b: Segmented) -> int:
    """Count the voxels that belong to both of two lesions of an image."""
    low = np.maximum(a.corner, b.corner)
    high = np.minimum(np.add(a.corner, a.part.shape), np.add(b.corner, b.part.shape))
    if (low >= high).any():
        return 0
    cut = (one.part[tuple(map(slice, low - one.corner, high - one.corner))] for one in (a, b))
    return int(np.logical_and(*cut).sum())
