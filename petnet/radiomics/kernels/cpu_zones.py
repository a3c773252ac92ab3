"""Connected zones and their distance to the edge on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.counts import ZoneCells
from petnet.radiomics.kernels.cpu_layout import Framed, Rows, at

__all__ = ["count_zones", "list_cells"]

#: Above any distance; one more is still an int16.
FAR = 32_000


class _Zones(NamedTuple):
    """Labels of one slice or region, each a part of a zone; the first one of a zone is its root.

    Attributes
    ----------
    parent : (V,) int32
        A lower label of the same zone, or the label itself.
    size : (V,) int32
        Voxels that were given this label.
    nearest : (V,) int16
        Their least distance to the edge of the morphological mask.
    level : (V,) int16
    """

    parent: NDArray[np.int32]
    size: NDArray[np.int32]
    nearest: NDArray[np.int16]
    level: NDArray[np.int16]


@numba.njit(cache=True, nogil=True)
def count_zones(
    batch: Framed,
    inside: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    regions: NDArray[np.int64],
    through: bool,
    rows: Rows,
    gldzm: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Label the zones of all grey levels at once; count their distances and list their sizes.

    Parameters
    ----------
    inside : (V,) uint8
        The packed morphological masks.
    offsets : (R,) int64
        First voxel of each region in `inside`.
    regions : (r,) int64
        Which of the batch.
    through : bool
        Zones of 26-connected voxels, with one row per region; else those of 8-connected voxels
        within slices.
    rows : Rows
    gldzm : (rows, L, D) or (0, 0, 0) int64
        Zones per level and least distance to the edge, added to, unless empty.

    Returns
    -------
    (zones,) int64
        (row · (L + 1) + level) · batch.stride + size of every zone.
    """
    most, plane, total = 0, 0, 0
    for r in regions:
        voxels = batch.shapes[r, 0] * batch.shapes[r, 1] * batch.shapes[r, 2]
        most, total = max(most, voxels), total + voxels
        plane = max(plane, batch.shapes[r, 1] * batch.shapes[r, 2])
    zones = _Zones(
        np.empty(most, dtype=np.int32),
        np.empty(most, dtype=np.int32),
        np.empty(most, dtype=np.int16),
        np.empty(most, dtype=np.int16),
    )
    labels = np.empty(2 * plane, dtype=np.int32)
    distance = np.zeros(most, dtype=np.int16)
    keys = np.empty(total, dtype=np.int64)
    found = 0
    for r in regions:
        depth, height, width = batch.shapes[r]
        if gldzm.size:
            distance[: depth * height * width] = 0
            _measure_distance(inside, offsets[r], batch.shapes[r], through, distance)
        back = _neighbours_before(height, width, through)
        n = 0
        for z in range(depth - 2):
            n = _label_slice(batch, r, z, back, distance, labels, zones, n)
            if not through or z == depth - 3:
                row = rows.first[r] + rows.step * z
                found = _list_zones(zones, n, row, batch.stride, gldzm, rows, keys, found)
                n = 0
    return keys[:found]


@numba.njit(cache=True, nogil=True)
def _neighbours_before(height: int, width: int, through: bool) -> NDArray[np.int64]:
    """Return how far back the 13 or 4 neighbours lie that come before a voxel.

    The first of them is a neighbour of all the others.
    """
    row = np.array([width, width + 1, width - 1, 1])
    if not through:
        return row
    plane = height * width
    return np.concatenate((np.array([plane]), plane - row, plane + row, row))


@numba.njit(cache=True, nogil=True)
def _label_slice(
    batch: Framed,
    r: int,
    z: int,
    back: NDArray[np.int64],
    distance: NDArray[np.int16],
    labels: NDArray[np.int32],
    zones: _Zones,
    n: int,
) -> int:
    """Label the voxels of slice z, n labels being taken; return how many are taken then.

    `labels` keeps this slice and the one before, by turns in its two halves. Where the first
    neighbour is of the same level, the others are already joined with it.
    """
    plane = batch.shapes[r, 1] * batch.shapes[r, 2]
    first = (z + 1) * plane
    start = batch.offsets[r] + first
    here = (z & 1) * plane
    before = np.where(back < plane // 2, here, 2 * plane - here) - back
    for p in range(plane):
        level = batch.levels[at(start + p)]
        if level > 0:
            label = -1
            for d in range(back.size):
                if batch.levels[at(start + p - back[d])] == level:
                    other = int(labels[at(p + before[d])])
                    label = other if label < 0 else _join(zones.parent, label, other)
                    if d == 0:
                        break
            if label < 0:
                label = n
                n += 1
                zones.parent[at(label)] = label
                zones.size[at(label)] = 0
                zones.nearest[at(label)] = FAR
                zones.level[at(label)] = level
            labels[at(here + p)] = label
            zones.size[at(label)] += 1
            zones.nearest[at(label)] = min(zones.nearest[at(label)], distance[at(first + p)])
    return n


@numba.njit(cache=True, nogil=True)
def _join(parent: NDArray[np.int32], a: int, b: int) -> int:
    """Make one zone of two labels; return its root, the lower of the two roots."""
    if a == b:
        return a
    a, b = _root(parent, a), _root(parent, b)
    low, high = min(a, b), max(a, b)
    parent[at(high)] = low
    return low


@numba.njit(cache=True, nogil=True)
def _root(parent: NDArray[np.int32], label: int) -> int:
    """Follow parents to the root, halving the path for those who come after."""
    while parent[at(label)] != label:
        parent[at(label)] = parent[at(parent[at(label)])]
        label = int(parent[at(label)])
    return label


@numba.njit(cache=True, nogil=True)
def _list_zones(
    zones: _Zones,
    n: int,
    row: int,
    stride: int,
    gldzm: NDArray[np.int64],
    rows: Rows,
    keys: NDArray[np.int64],
    found: int,
) -> int:
    """Sum up n labels by zone, highest first, and list the zones; return the length of the list."""
    for label in range(n - 1, -1, -1):
        parent = zones.parent[label]
        if parent != label:  # the parent is lower, its turn is yet to come
            zones.size[parent] += zones.size[label]
            zones.nearest[parent] = min(zones.nearest[parent], zones.nearest[label])
            continue
        level = np.int64(zones.level[label])
        if gldzm.size:
            gldzm[row, level - 1, zones.nearest[label] - 1] += 1
        keys[found] = (row * (rows.histogram.shape[1] + 1) + level) * stride + zones.size[label]
        found += 1
    return found


@numba.njit(cache=True, nogil=True)
def _measure_distance(
    inside: NDArray[np.uint8],
    source: int,
    shape: NDArray[np.int64],
    through: bool,
    distance: NDArray[np.int16],
) -> None:
    """Fill in the city-block distance to the outside of the mask, in two sweeps.

    Parameters
    ----------
    inside : (V,) uint8
        Packed masks, this region's from `source` on, (X, Y, Z) in C order.
    shape : (3,) int64
        Z + 2, X + 2, Y + 2.
    through : bool
        In three dimensions; else within slices.
    distance : (V',) int16
        Z + 2, X + 2, Y + 2 flat; zeros.
    """
    depth, height, width = shape
    plane = height * width
    for x in range(height - 2):
        for y in range(width - 2):
            target = plane + (x + 1) * width + y + 1
            for z in range(depth - 2):
                if inside[at(source + z)]:
                    distance[at(target + z * plane)] = FAR
            source += depth - 2
    # a neighbour that is the voxel itself never makes the least of them lower
    step = plane if through else 0
    last = 0
    for p in range(plane, (depth - 1) * plane):
        least = min(last, distance[at(p - width)], distance[at(p - step)]) + 1
        last = least if distance[at(p)] else 0
        distance[at(p)] = last
    last = 0
    for p in range((depth - 1) * plane - 1, plane - 1, -1):
        least = min(last, distance[at(p + width)], distance[at(p + step)]) + 1
        last = min(least, distance[at(p)])
        distance[at(p)] = last


def list_cells(
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]], rows: Rows, stride: int
) -> ZoneCells:
    """Make cells of sorted keys, as `count_zones` returns them, and of their numbers.

    Parameters
    ----------
    parts : list of ((cells,) int64, (cells,) int64)
        One of each group of regions, in order.
    """
    key, count = (np.concatenate(column) for column in zip(*parts, strict=True))
    row_and_level, size = np.divmod(key, stride)
    row, level = np.divmod(row_and_level, rows.histogram.shape[1] + 1)
    starts = np.searchsorted(row, np.arange(rows.histogram.shape[0] + 1)).astype(np.int64)
    return ZoneCells(starts, level, size, count)
