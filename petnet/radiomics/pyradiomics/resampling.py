"""Resampling on PyRadiomics' grid, which is neither IBSI's nor centred on the image.

The new grid begins with the first voxel's corner, not with the image's middle, and is cut to the
region. Points up to half a voxel beyond the outermost centres still belong to the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from petnet.radiomics.labels import Box, grown
from petnet.radiomics.resample import Interpolation

__all__ = ["resample"]

#: Voxels beyond the new grid whose spline coefficients are made, too: the influence of an edge is
#: divided by 3.7 with every voxel.
MARGIN = 32


def resample(
    array: NDArray[np.generic],
    inside: NDArray[np.bool_],
    box: Box,
    spacing_mm: Sequence[float],
    new_spacing_mm: Sequence[float | None],
    interpolation: Interpolation,
    pad_distance: int,
) -> tuple[NDArray[np.generic], NDArray[np.bool_], tuple[float, float, float]]:
    """Resample an image and a region as PyRadiomics does.

    Parameters
    ----------
    array : (X, Y, Z) array
        Integers stay integers: interpolated values lose their fraction, towards zero.
    inside : (X, Y, Z) bool
        The region; always resampled to the nearest voxel.
    box : three slices
        The bounding box of the region.
    spacing_mm, new_spacing_mm : three floats
        None and 0 keep an axis, and so does an axis along which the region has one voxel.
    interpolation : {"nearest", "linear", "cubic"}
        sitkNearestNeighbor, sitkLinear, sitkBSpline.
    pad_distance : int
        New voxels around the region that are made, too.

    Returns
    -------
    array, inside, spacing_mm
        On the new grid around the region; in the image's own type. Zero beyond the image. Unchanged
        but for their extent where the new spacing is the old one.

    Notes
    -----
    Where voxel centres of the new grid fall half-way between old ones (new edges that are an even
    multiple of the old), SimpleITK decides the nearest voxel by its rounding errors, and petnet
    takes the upper one.
    """
    x, y, z = (
        new if new and part.stop - part.start > 1 else old
        for old, new, part in zip(spacing_mm, new_spacing_mm, box, strict=True)
    )
    if np.allclose(spacing_mm, (x, y, z)):
        kept = grown(box, (pad_distance,) * 3, array.shape)
        return array[kept], inside[kept], (x, y, z)
    places = [
        _places(part, n, old, new, pad_distance)
        for part, n, old, new in zip(box, array.shape, spacing_mm, (x, y, z), strict=True)
    ]
    image = _image(array, places, interpolation)
    return image, _nearest(inside, places), (x, y, z)


def _places(part: slice, n: int, old: float, new: float, pad_distance: int) -> NDArray[np.float64]:
    """Return the old index, in fractions, of every new voxel along one axis."""
    ratio = old / new
    lower = max(math.floor((part.start - 0.5) * ratio - pad_distance), 0)
    upper = math.ceil((part.stop - 0.5) * ratio + pad_distance)
    upper = min(upper, math.ceil(n * ratio) - 1)
    first = 0.5 * (new - old) / old + lower / ratio
    places: NDArray[np.float64] = first + np.arange(upper - lower + 1) * (new / old)
    return places


def _within(places: Sequence[NDArray[np.float64]], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which points of a grid lie in the image."""
    x, y, z = ((place >= -0.5) & (place <= n - 0.5) for place, n in zip(places, shape, strict=True))
    return x[:, None, None] & y[:, None] & z


def _nearest(
    array: NDArray[np.generic], places: Sequence[NDArray[np.float64]]
) -> NDArray[np.generic]:
    """Take the nearest voxel, the upper of two."""
    index = [
        np.clip(np.floor(place + 0.5).astype(np.int64), 0, n - 1)
        for place, n in zip(places, array.shape, strict=True)
    ]
    taken = array[np.ix_(*index)]
    return np.where(_within(places, array.shape), taken, np.zeros_like(taken))


def _image(
    array: NDArray[np.generic],
    places: Sequence[NDArray[np.float64]],
    interpolation: Interpolation,
) -> NDArray[np.generic]:
    if interpolation == "nearest":
        return _nearest(array, places)
    box = tuple(
        slice(max(math.floor(p[0]) - MARGIN, 0), min(math.ceil(p[-1]) + MARGIN + 1, n))
        for p, n in zip(places, array.shape, strict=True)
    )
    values = array[box].astype(np.float64)
    moved = [p - part.start for p, part in zip(places, box, strict=True)]
    if interpolation == "linear":
        moved = [np.clip(p, 0, n - 1) for p, n in zip(moved, values.shape, strict=True)]
    grid = np.meshgrid(*moved, indexing="ij", copy=False)
    order = 1 if interpolation == "linear" else 3
    made = ndimage.map_coordinates(values, grid, order=order, mode="mirror")
    made = np.where(_within(places, array.shape), made, 0.0)
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype.name)
        made = np.clip(np.trunc(made), limits.min, limits.max)
    resampled: NDArray[np.generic] = made.astype(array.dtype)
    return resampled
