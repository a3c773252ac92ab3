"""Regions laid out for the CPU kernels: slice by slice, each region in a frame of zeros."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.counts import Packed, Request

__all__ = ["Framed", "Rows", "at", "frame", "framed", "rows_of_planes", "rows_of_regions"]


class Framed(NamedTuple):
    """A batch whose voxels have all their neighbours, so that no kernel asks for bounds.

    The axis of slices comes first: kernels finish one slice before the next, as rows of planes
    need, and remember no more than a slice of what they have seen.

    Attributes
    ----------
    levels : (V,) int16
        Regions one after the other, each (Z + 2, X + 2, Y + 2) in C order; 0 is outside.
    offsets : (R,) int64
        First voxel of each region in `levels`.
    shapes : (R, 3) int64
        Z + 2, X + 2, Y + 2.
    greatest : (R,) int64
        Greatest level of each region; 0 of an empty one.
    stride : int
        Above the size of any zone.
    """

    levels: NDArray[np.int16]
    offsets: NDArray[np.int64]
    shapes: NDArray[np.int64]
    greatest: NDArray[np.int64]
    stride: int


class Rows(NamedTuple):
    """Which row of an array of counts a slice adds to: first[r] + step * z.

    Attributes
    ----------
    first : (R,) int64
    step : int
        1 where each slice has a row of its own, 0 where a region has one row.
    histogram : (rows, L) int64
        Voxels per grey level.
    """

    first: NDArray[np.int64]
    step: int
    histogram: NDArray[np.int64]


def rows_of_regions(n_regions: int, n_levels: int) -> Rows:
    """Return one row per region, its histogram yet to be counted."""
    histogram = np.zeros((n_regions, n_levels), dtype=np.int64)
    return Rows(np.arange(n_regions, dtype=np.int64), 0, histogram)


def rows_of_planes(packed: Packed, request: Request) -> Rows:
    """Return one row per slice where the request wants that, else one per region."""
    if not request.by_slice:
        return rows_of_regions(packed.shapes.shape[0], request.n_levels)
    starts = packed.slice_starts
    histogram = np.zeros((int(starts[-1]), request.n_levels), dtype=np.int64)
    return Rows(starts[:-1], 1, histogram)


def framed(packed: Packed) -> Framed:
    """Make room for the regions, which `frame` then copies."""
    shapes = packed.shapes[:, [2, 0, 1]].astype(np.int64) + 2
    voxels = np.prod(shapes, axis=1)
    ends = np.cumsum(voxels)
    levels = np.zeros(int(voxels.sum()), dtype=np.int16)
    greatest = np.zeros(voxels.size, dtype=np.int64)
    return Framed(levels, ends - voxels, shapes, greatest, int(voxels.max(initial=0)) + 1)


@numba.njit(cache=True, nogil=True)
def at(index: int) -> np.uint64:
    """Return an index as one that cannot be negative, so that Numba does not look for that."""
    return np.uint64(index)


@numba.njit(cache=True, nogil=True)
def frame(
    levels: NDArray[np.int32],
    offsets: NDArray[np.int64],
    regions: NDArray[np.int64],
    batch: Framed,
    rows: Rows,
) -> None:
    """Copy `regions` of a packed batch into their frames; count levels into rows.histogram."""
    for r in regions:
        depth, height, width = batch.shapes[r]
        plane = height * width
        source = offsets[r]
        greatest = 0
        for x in range(height - 2):
            for y in range(width - 2):
                target = batch.offsets[r] + plane + (x + 1) * width + y + 1
                for z in range(depth - 2):
                    level = int(levels[at(source + z)])
                    if level > 0:
                        batch.levels[at(target + z * plane)] = level
                        rows.histogram[at(rows.first[r] + rows.step * z), at(level - 1)] += 1
                        greatest = max(greatest, level)
                source += depth - 2
        batch.greatest[r] = greatest
