"""The part of an image that a method looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.segmentation.start import Index, NotSegmented, Start, as_index
from petnet.volume import Volume

__all__ = ["Field", "cut_field", "within_mm"]


@dataclass(frozen=True, eq=False)
class Field:
    """A box of the image: the lesion's limit and what lies around it.

    Attributes
    ----------
    suv : (x, y, z) float64
        -inf where the image has no finite value: no threshold is reached there.
    known : (x, y, z) bool
        Where it has one.
    search, limit : (x, y, z) bool
        As in `Start`; `limit` with the margin.
    corner : (3,) tuple of int
        Voxel of the image at which the box begins.
    shape : (3,) tuple of int
        Of the image.
    spacing_mm : (3,) tuple of float
    hottest : (3,) tuple of int
        Of the voxels of `search` the one of highest SUV; of several the first in C order.
    seed : (3,) tuple of int or None
    """

    suv: NDArray[np.float64]
    known: NDArray[np.bool_]
    search: NDArray[np.bool_]
    limit: NDArray[np.bool_]
    corner: Index
    shape: tuple[int, ...]
    spacing_mm: tuple[float, float, float]
    hottest: Index
    seed: Index | None

    @property
    def suv_max(self) -> float:
        """SUVmax of the lesion."""
        return float(self.suv[self.hottest])


def cut_field(volume: Volume, start: Start, margin_mm: float, around_mm: float) -> Field:
    """Cut out what a method needs to see.

    Parameters
    ----------
    margin_mm : float
        The limit grows by the voxels whose centre is within this distance of one of its voxels.
    around_mm : float
        How far beyond that the image is looked at; a voxel more is.

    Raises
    ------
    NotSegmented
        No voxel of the start has a finite value.
    """
    shape, spacing = volume.array.shape, volume.spacing_mm
    reach = np.ceil((margin_mm + around_mm) / np.array(spacing)).astype(int) + 1
    low = np.clip(start.corner - reach, 0, None)
    high = np.minimum(np.add(start.corner, start.limit.shape) + reach, shape)
    values = volume.array[tuple(map(slice, low, high))].astype(np.float64)
    known = np.isfinite(values)
    suv = np.where(known, values, -np.inf)
    placed = np.zeros((2, *values.shape), dtype=bool)
    inner = np.subtract(start.corner, low)
    search, limit = placed
    there = tuple(map(slice, inner, inner + start.limit.shape))
    search[there], limit[there] = start.search, start.limit
    if not (search & known).any():
        raise NotSegmented("no voxel of the start has a finite value")
    hottest = np.unravel_index(int(np.argmax(np.where(search, suv, -np.inf))), suv.shape)
    seed = None if start.seed is None else as_index(np.subtract(start.seed, low))
    grown = limit if margin_mm == 0 else within_mm(limit, spacing, margin_mm)
    return Field(suv, known, search, grown, as_index(low), shape, spacing, as_index(hottest), seed)


def within_mm(
    mask: NDArray[np.bool_], spacing_mm: Sequence[float], distance_mm: float
) -> NDArray[np.bool_]:
    """Return the voxels whose centre is within a distance of that of a voxel of a mask."""
    from scipy.ndimage import distance_transform_edt

    distances = distance_transform_edt(~mask, sampling=spacing_mm)
    inside: NDArray[np.bool_] = distances <= distance_mm * (1 + 1e-9)
    return inside
