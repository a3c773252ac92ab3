"""Where a lesion is looked for: a seed, a box or a rough mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError, PetnetError
from petnet.volume import Volume

__all__ = [
    "Index",
    "NotSegmented",
    "Start",
    "as_index",
    "ball",
    "bounding_box",
    "box_start",
    "mask_start",
    "seed_start",
    "voxel_of",
]

Index = tuple[int, int, int]
Box = tuple[slice, slice, slice]


class NotSegmented(PetnetError):
    """A start from which a method finds no lesion; the text says why."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where the hottest voxel of a lesion is sought, and how far the lesion may reach.

    Attributes
    ----------
    search : (x, y, z) bool
        The hottest voxel here is the lesion's; SUVmax and SUVpeak of the lesion are those of here.
    limit : (x, y, z) bool
        Growth stays in here, or within the method's margin of it. Holds `search`.
    corner : (3,) tuple of int
        Voxel of the image at which both arrays begin.
    seed : (3,) tuple of int or None
        Voxel of the image that was pointed at.
    """

    search: NDArray[np.bool_]
    limit: NDArray[np.bool_]
    corner: Index
    seed: Index | None = None


def mask_start(mask: NDArray[np.bool_], seed: Sequence[int] | None = None) -> Start:
    """Start from a rough mask: the lesion's hottest voxel lies in it, and it limits growth.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        On the grid of the image.
    seed : (3,) ints, optional
        Needed by `keep="seed"` only.

    Raises
    ------
    NotSegmented
        The mask is empty, or the seed lies outside of it.
    """
    box = bounding_box(mask)
    if box is None:
        raise NotSegmented("the rough mask is empty")
    part = np.ascontiguousarray(mask[box])
    at = None if seed is None else _inside(mask.shape, seed)
    if at is not None and not mask[at]:
        raise NotSegmented(f"the seed {_text(at)} lies outside of its mask")
    return Start(part, part, (box[0].start, box[1].start, box[2].start), at)


def box_start(
    volume: Volume, lower: Sequence[int], upper: Sequence[int], seed: Sequence[int] | None = None,
    search_mm: float = 10.0,
) -> Start:  # fmt: skip
    """Start from a box of voxels, clipped to the image.

    Parameters
    ----------
    lower, upper : (3,) ints
        First and last voxel; both belong to the box.
    seed : (3,) ints, optional
        The hottest voxel is sought within `search_mm` of it; without one, in the whole box.

    Raises
    ------
    NotSegmented
        No voxel of the image lies in the box, or the seed not in both.
    """
    shape = volume.array.shape
    low = np.clip(np.asarray(lower), 0, None)
    high = np.minimum(np.asarray(upper) + 1, shape)
    if (low >= high).any():
        found = f"{_text(lower)} to {_text(upper)}, the image has {_text(shape)} voxels"
        raise NotSegmented(f"the box holds no voxel of the image: {found}")
    limit = np.ones(high - low, dtype=bool)
    corner = as_index(low)
    if seed is None:
        return Start(limit, limit, corner)
    at = _inside(shape, seed)
    local = np.subtract(at, corner)
    if (local < 0).any() or (local >= limit.shape).any():
        raise NotSegmented(f"the seed {_text(at)} lies outside of its box")
    return Start(ball(limit.shape, volume.spacing_mm, local, search_mm), limit, corner, at)


def seed_start(
    volume: Volume, seed: Sequence[int], search_mm: float = 10.0, reach_mm: float = 50.0
) -> Start:
    """Start from a voxel.

    Parameters
    ----------
    seed : (3,) ints
        Voxel of the image.
    search_mm : float
        The lesion's hottest voxel is sought within this distance of the seed.
    reach_mm : float
        The lesion lies within this distance of the seed.

    Raises
    ------
    NotSegmented
        The seed lies outside of the image.
    """
    shape, spacing = volume.array.shape, volume.spacing_mm
    at = _inside(shape, seed)
    reach_mm = max(reach_mm, search_mm)
    steps = np.ceil(reach_mm / np.array(spacing)).astype(int)
    low, high = np.clip(at - steps, 0, None), np.minimum(np.add(at, steps) + 1, shape)
    local = np.subtract(at, low)
    search, limit = (ball(high - low, spacing, local, radius) for radius in (search_mm, reach_mm))
    return Start(search, limit, as_index(low), at)


def voxel_of(volume: Volume, point_mm: Sequence[float]) -> Index:
    """Return the voxel whose centre is nearest to a point in RAS+ mm; perhaps outside."""
    index = np.linalg.solve(volume.affine, np.append(np.asarray(point_mm, dtype=float), 1.0))[:3]
    return as_index(np.floor(index + 0.5))


def ball(
    shape: Sequence[int] | NDArray[Any],
    spacing_mm: Sequence[float],
    centre: Sequence[int] | NDArray[Any],
    radius_mm: float,
) -> NDArray[np.bool_]:
    """Return which voxels of a grid have their centre within a distance of that of another."""
    if not radius_mm >= 0:
        raise InputError("start", "radius", "a distance of 0 mm or more", f"{radius_mm}")
    axes = np.ogrid[tuple(slice(0, int(n)) for n in shape)]
    x, y, z = (((a - c) * s) ** 2 for a, c, s in zip(axes, centre, spacing_mm, strict=True))
    inside: NDArray[np.bool_] = x + y + z <= radius_mm**2 * (1 + 1e-9)
    return inside


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around what is True, or None where nothing is."""
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        there = np.flatnonzero(mask.any(axis=others))
        if there.size == 0:
            return None
        box.append(slice(int(there[0]), int(there[-1]) + 1))
    return box[0], box[1], box[2]


def _inside(shape: Sequence[int], seed: Sequence[int]) -> Index:
    at = as_index(seed)
    if any(not 0 <= i < n for i, n in zip(at, shape, strict=True)):
        found = f"the image has {_text(shape)} voxels"
        raise NotSegmented(f"the seed {_text(at)} lies outside of the image: {found}")
    return at


def as_index(values: Sequence[Any] | NDArray[Any]) -> Index:
    """Return three whole numbers as a tuple of ints."""
    x, y, z = (int(v) for v in values)
    return x, y, z


def _text(values: Sequence[int]) -> str:
    return "(" + ", ".join(str(int(v)) for v in values) + ")"
