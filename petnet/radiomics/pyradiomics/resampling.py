"""Resampling on PyRadiomics' grid, which is neither IBSI's nor centred on the image.

The new grid begins with the first voxel's corner, not with the image's middle, and is cut to the
region. Points up to half a voxel beyond the outermost centres still belong to the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from petnet.radiomics.labels import Box
from petnet.radiomics.resample import Interpolation
from petnet.volume import Volume

__all__ = ["new_spacing", "places_of_grid", "resample", "resample_mask"]

Places = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
#: Voxels beyond the new grid whose spline coefficients are made, too: the influence of an edge is
#: divided by 3.7 with every voxel.
MARGIN = 32


def new_spacing(
    box: Box, spacing_mm: Sequence[float], wanted_mm: Sequence[float | None]
) -> tuple[float, float, float] | None:
    """Return the edges of the new voxels, or None where they are the old ones'.

    None keeps an axis, and so does an axis along which the region, of bounding box `box`, has one
    voxel.
    """
    x, y, z = (
        new if new and part.stop - part.start > 1 else old
        for old, new, part in zip(spacing_mm, wanted_mm, box, strict=True)
    )
    return None if np.allclose(spacing_mm, (x, y, z)) else (x, y, z)


def places_of_grid(
    box: Box, image: Volume, new_spacing_mm: Sequence[float], pad_distance: int
) -> Places:
    """Return the old index, in fractions, of every new voxel along each axis.

    The new grid reaches `pad_distance` of its voxels beyond the bounding box of the region, as far
    as the image does.

    Notes
    -----
    New voxels often lie half-way between old ones (2 mm from 3 mm), and rounding decides which of
    the two is nearest. Places are therefore computed with SimpleITK's operations, by way of
    millimetres and, along the first axis, from both ends of a row. On grids askew to the axes of
    the patient its rounding is not reproduced.
    """
    spacing, affine = image.spacing_mm, image.affine
    directions = affine[:3, :3] / spacing
    grids = []
    for axis in range(3):
        along = int(np.abs(directions[:, axis]).argmax())
        origin = float(affine[along, 3] * np.sign(directions[along, axis]))
        old, new = spacing[axis], new_spacing_mm[axis]
        first, n = _extent(box[axis], image.array.shape[axis], old, new, pad_distance)
        begin = old * first + origin
        # indices, to millimetres, and back
        places = ((new * np.arange(n + 1) + begin) - origin) * (1 / old)
        if axis == 0:
            places = places[0] + np.arange(n) / n * (places[n] - places[0])
        grids.append(places[:n].astype(np.float64, copy=False))
    x, y, z = grids
    return x, y, z


def _extent(part: slice, n: int, old: float, new: float, pad_distance: int) -> tuple[float, int]:
    """Return the old index of the first new voxel along an axis, and the number of new voxels."""
    ratio = old / new
    lower = max(math.floor((part.start - 0.5) * ratio - pad_distance), 0)
    upper = math.ceil((part.stop - 0.5) * ratio + pad_distance)
    upper = min(upper, math.ceil(n * ratio) - 1)
    return 0.5 * (new - old) / old + lower / ratio, upper - lower + 1


def resample_mask(inside: NDArray[np.bool_], box: Box, places: Places) -> NDArray[np.bool_]:
    """Take the nearest voxel of a mask that is cut to its bounding box; the upper one of two."""
    index = [
        np.floor(place + 0.5).astype(np.int64) - part.start
        for place, part in zip(places, box, strict=True)
    ]
    x, y, z = ((i >= 0) & (i < n) for i, n in zip(index, inside.shape, strict=True))
    taken = inside[
        np.ix_(*(np.clip(i, 0, n - 1) for i, n in zip(index, inside.shape, strict=True)))
    ]
    return np.asarray(taken & x[:, None, None] & y[:, None] & z)


def resample(array: NDArray[Any], places: Places, interpolation: Interpolation) -> NDArray[Any]:
    """Interpolate an image as SimpleITK does; zero beyond it, in the image's own type.

    Integers stay integers: what is interpolated loses its fraction, towards zero.
    """
    box = tuple(
        slice(max(math.floor(p[0]) - MARGIN, 0), min(math.ceil(p[-1]) + MARGIN + 1, n))
        for p, n in zip(places, array.shape, strict=True)
    )
    values = array[box].astype(np.float64)
    x, y, z = (p - part.start for p, part in zip(places, box, strict=True))
    made = METHODS[interpolation](values, (x, y, z))
    made = np.where(_within(places, array.shape), made, 0.0)
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype.name)
        made = np.clip(np.trunc(made), limits.min, limits.max)
    resampled: NDArray[Any] = made.astype(array.dtype)
    return resampled


def _within(places: Places, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which points of a grid lie in the image."""
    x, y, z = ((place >= -0.5) & (place < n - 0.5) for place, n in zip(places, shape, strict=True))
    return x[:, None, None] & y[:, None] & z


def _nearest(values: NDArray[np.float64], places: Places) -> NDArray[np.float64]:
    """Take the nearest voxel, the upper of two."""
    index = [
        np.clip(np.floor(place + 0.5).astype(np.int64), 0, n - 1)
        for place, n in zip(places, values.shape, strict=True)
    ]
    return values[np.ix_(*index)]


def _linear(values: NDArray[np.float64], places: Places) -> NDArray[np.float64]:
    """Interpolate axis by axis, x first; beyond the edge the outermost voxel goes on."""
    for axis, place in enumerate(places):
        last = values.shape[axis] - 1
        inside = np.clip(place, 0, last)
        below = np.floor(inside).astype(np.int64)
        first = values.take(below, axis)
        step = values.take(np.minimum(below + 1, last), axis) - first
        values = first + step * np.expand_dims(inside - below, [a for a in range(3) if a != axis])
    return values


def _cubic(values: NDArray[np.float64], places: Places) -> NDArray[np.float64]:
    """Interpolate by cubic splines of the image mirrored at its outermost voxels."""
    grid = np.meshgrid(*places, indexing="ij", copy=False)
    made: NDArray[np.float64] = ndimage.map_coordinates(values, grid, order=3, mode="mirror")
    return made


METHODS: dict[Interpolation, Callable[[NDArray[np.float64], Places], NDArray[np.float64]]] = {
    "nearest": _nearest,
    "linear": _linear,
    "cubic": _cubic,
}
