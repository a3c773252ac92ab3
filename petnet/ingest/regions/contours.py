"""Closed planar contours to voxels.

The convention
--------------
A voxel belongs to a region when its centre lies inside.

* In a plane, the contours of a region combine by the even-odd rule: a point is inside when a ray
  from it crosses their edges an odd number of times. Holes may be nested contours, keyholes
  (a channel of no width) or CLOSEDPLANAR_XOR.
* A centre on an edge is judged as if it lay an infinitesimal step on towards growing indices, first
  along the row of voxels, then across it: intervals are half-open, [from, to). Of regions that
  share an edge, exactly one has the voxel.
* Along the normal, each voxel takes the nearest plane of contours, if it is within half the plane
  distance: the region is the solid of its contours extruded half-way to their neighbours. A centre
  half-way between two planes takes the one after it. How the plane distance is found, and what is
  a gap: `petnet.ingest.regions.contour_planes.layers_of`.

The rule is the same whatever the grid: slices between, thinner or thicker than the planes of
contours, or oblique to them. Points are rounded to 2^-16 voxel (0.08 µm for voxels of 5 mm);
everything after that is decided in whole numbers, hence exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.refusal import Refused
from petnet.ingest.regions.contour_planes import Layers, layers_of

__all__ = ["contour_mask"]

BITS = 16
QUANTUM = 1 << BITS  # whole numbers per voxel
FARTHEST = 1 << 14  # voxels from the first one; (2 · FARTHEST · QUANTUM)² stays below 2^63

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def contour_mask(
    contours: Sequence[Array], shape: tuple[int, int, int], affine: Array
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return the voxels whose centres lie inside closed planar contours.

    Parameters
    ----------
    contours : sequence of (N, 3) float64 array
        Polygons in RAS+ mm, each in a plane, all planes parallel; the last point is joined to the
        first.
    shape : tuple of int
        (X, Y, Z) of the image.
    affine : (4, 4) float64 array
        Voxel index to RAS+ mm.

    Returns
    -------
    mask : (X, Y, Z) bool array
        Slices are contiguous (Fortran order).
    notes : tuple of str
        Contours that were left out, and plane distances that a user should know.

    Raises
    ------
    Refused
        No contour encloses an area or holds a voxel centre, they are not flat and parallel, or
        reach thousands of voxels beyond the image.
    """
    layers = layers_of(contours, affine)
    _check_near(layers, shape)
    mask = np.zeros(shape, dtype=np.bool_, order="F")
    view = mask.transpose(layers.axes)
    for k in range(view.shape[2]):
        _fill(view[:, :, k], k, layers)
    if not mask.any():
        raise Refused("contours", "at least one voxel centre inside", "no voxel centre inside")
    return mask, layers.notes


def _check_near(layers: Layers, shape: tuple[int, int, int]) -> None:
    """Refuse what is so far away that whole numbers of 64 bits could overflow."""
    sheets = shape[layers.axes[2]]
    reach = np.abs(layers.edges).max() + np.abs(layers.shift).max() * sheets
    if not max(reach, *shape) < FARTHEST:
        found = f"points {reach:.3g} voxels from its first voxel"
        raise Refused("contours", f"points within {FARTHEST} voxels of the image", found)


def _fill(sheet: NDArray[np.bool_], k: int, layers: Layers) -> None:
    """Set the voxels inside in one sheet, a (ray, row) view of the mask at index k.

    Each crossing of an edge with a row flips all voxels from the crossing on; what has been flipped
    an odd number of times is inside.
    """
    planes = _planes_of(sheet.shape, k, layers)
    if not planes:
        return
    edges = layers.edges[layers.offsets[planes.start] : layers.offsets[planes.stop]]
    counts = np.diff(layers.offsets[planes.start : planes.stop + 1])
    row, flip, edge = _crossings(_whole(edges - k * layers.shift), sheet.shape[1])
    if layers.slope.any():
        plane = np.repeat(np.arange(len(planes)), counts)[edge]
        begin, end = _intervals(sheet.shape, k, layers, planes)
        flip = np.clip(flip, begin[plane, row], end[plane, row])
        row, flip = np.tile(row, 2), np.concatenate([flip, end[plane, row]])
    within = flip < sheet.shape[0]
    row, flip = row[within], np.maximum(flip[within], 0)
    if not row.size:
        return
    first_row, first = row.min(), flip.min()
    rows, columns = row.max() - first_row + 1, sheet.shape[0] - first
    cell = (row - first_row) * columns + flip - first
    odd = np.bincount(cell, minlength=rows * columns).reshape(rows, columns) & 1
    inside = np.bitwise_xor.accumulate(odd.astype(np.uint8), axis=1).astype(np.bool_)
    sheet[first:, first_row : first_row + rows] = inside.T


def _planes_of(shape: tuple[int, ...], k: int, layers: Layers) -> range:
    """Return the planes whose layers the sheet at index k may touch."""
    span = layers.slope * (np.array(shape) - 1)
    lowest, highest = k + np.minimum(span, 0).sum(), k + np.maximum(span, 0).sum()
    start = np.searchsorted(_whole(layers.upper), _whole(lowest), side="right")
    stop = np.searchsorted(_whole(layers.lower), _whole(highest), side="right")
    return range(int(start), int(stop))


def _whole(values: Array) -> Whole:
    """Return multiples of 2^-16 voxel."""
    return np.rint(values * QUANTUM).astype(np.int64)


def _crossings(edges: Whole, rows: int) -> tuple[Whole, Whole, Whole]:
    """Return row, first voxel at or after the crossing, and edge, for each edge and row that cross.

    Parameters
    ----------
    edges : (E, 2, 2) int64 array
        From and to, (alpha, beta) in multiples of 2^-16 voxel.
    rows : int
        Rows of the sheet, at beta = 0, 1, ... voxels.
    """
    # lower end first: an edge is cut at the same place whichever region it belongs to
    down = edges[:, 0, 1] > edges[:, 1, 1]
    low = np.where(down[:, None], edges[:, 1], edges[:, 0])
    high = np.where(down[:, None], edges[:, 0], edges[:, 1])
    first = np.clip(_ceil(low[:, 1]), 0, rows)
    count = np.clip(_ceil(high[:, 1]), 0, rows) - first
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(edge.size) + np.repeat(first - np.cumsum(count) + count, count)
    rise = (high - low)[edge]
    # ceil(alpha) of the crossing, in multiples of 2^-16, then in voxels: exact, for ceil(ceil(x)/n)
    # is ceil(x/n)
    climbed = (row * QUANTUM - low[edge, 1]) * rise[:, 0]
    alpha = low[edge, 0] - (-climbed // rise[:, 1])
    return row, _ceil(alpha), edge


def _ceil(values: Whole) -> Whole:
    return (values + QUANTUM - 1) >> BITS


def _intervals(
    shape: tuple[int, ...], k: int, layers: Layers, planes: range
) -> tuple[Whole, Whole]:
    """Return the voxels [begin, end) of each row that lie in each plane's layer: (planes, rows)."""
    along, across = layers.slope
    height = k + across * np.arange(shape[1])
    bounds = np.stack(
        [layers.lower[planes.start : planes.stop], layers.upper[planes.start : planes.stop]]
    )
    gap = bounds[:, :, None] - height
    if along == 0.0:
        inside = (_whole(gap[0]) <= 0) & (_whole(gap[1]) > 0)
        return np.zeros(inside.shape, np.int64), np.where(inside, shape[0], 0)
    crossing = np.clip(gap / along, -1.0, shape[0] + 1.0)
    if along > 0:
        begin, end = np.clip(_ceil(_whole(crossing)), 0, shape[0])
    else:  # heights fall along the row, so the layer's lower end, which belongs to it, comes last
        end, begin = np.clip((_whole(crossing) >> BITS) + 1, 0, shape[0])
    return begin, end
