"""Masks laid into as few label maps as their overlaps allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Part", "lay_out"]

Part = tuple[tuple[slice, slice, slice], NDArray[np.bool_]]
FEW, MOST = int(np.iinfo(np.uint8).max), int(np.iinfo(np.uint16).max)


def lay_out(
    parts: Sequence[Part], shape: Sequence[int]
) -> tuple[list[NDArray[Any]], list[tuple[int, int]]]:
    """Lay masks into label maps, in their order, each into the first where it overlaps none.

    Parameters
    ----------
    parts : sequence of (box, mask)
        Where in the image, and which voxels of that box.
    shape : (X, Y, Z)
        Of the image.

    Returns
    -------
    maps : list of (X, Y, Z) arrays
        0 outside, labels from 1; uint8 where 255 labels are enough, else uint16.
    places : list of (int, int)
        Map and label of each mask.
    """
    dtype = np.uint8 if len(parts) <= FEW else np.uint16
    maps: list[NDArray[Any]] = []
    labels: list[int] = []
    places: list[tuple[int, int]] = []
    for box, inside in parts:
        for place, made in enumerate(maps):
            if labels[place] < MOST and not made[box][inside].any():
                break
        else:
            place = len(maps)
            maps.append(np.zeros(shape, dtype, order="F"))
            labels.append(0)
        labels[place] += 1
        maps[place][box][inside] = labels[place]
        places.append((place, labels[place]))
    maps = [
        made.astype(np.uint8, copy=False) if most <= FEW else made
        for made, most in zip(maps, labels, strict=True)
    ]
    return maps, places
