"""Parallel planes of a segmentation, looked up at the voxel centres of another grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.refusal import Refused, tag_name

__all__ = ["PlaneStack", "drawn_at", "plane_depths_mm", "smallest_gap_mm", "stack"]

Array = NDArray[np.float64]
SAME_DIRECTION = 1e-4  # mm per pixel by which the steps of planes may differ
SAME_PLACE_MM = 1e-2
NOISE = 6  # decimals of an index or of mm that count; ties fall the same way everywhere
SLAB_VOXELS = 2**20  # looked up at a time


@dataclass(frozen=True, eq=False)
class PlaneStack:
    """Drawn planes of one segment, one behind the other.

    Attributes
    ----------
    drawn : (K, R, C) bool array
    to_plane : (3, 4) float64 array
        RAS+ mm to (column, row) in pixels and the depth in mm, seen from the first plane.
    depths_mm : (K,) float64 array
        Of the planes, increasing.
    shifts : (K, 2) float64 array
        Column and row at which each plane's own first pixel lies.
    """

    drawn: NDArray[np.bool_]
    to_plane: Array
    depths_mm: Array
    shifts: Array


def plane_depths_mm(affines: Sequence[Array]) -> Array:
    """Return how far each plane lies along the normal of the first.

    Raises
    ------
    Refused
        Planes are turned against each other, or their pixels differ in size.
    """
    origins = np.array([affine[:3, 2] for affine in affines])
    steps = np.array([affine[:3, :2] for affine in affines])
    if np.abs(steps - steps[0]).max() > SAME_DIRECTION:
        tag = tag_name("ImageOrientationPatient")
        raise Refused(tag, "one orientation and pixel size for all frames", "several")
    depths: Array = (origins - origins[0]) @ _normal(steps[0])
    return depths


def smallest_gap_mm(depths_mm: Array) -> float | None:
    """Return the smallest distance between different planes; None where there is one alone."""
    gaps = np.diff(np.sort(depths_mm))
    gaps = gaps[gaps > SAME_PLACE_MM]
    return float(gaps.min()) if gaps.size else None


def stack(affines: Sequence[Array], drawn: NDArray[np.bool_]) -> PlaneStack:
    """Put planes in order; several frames of one plane become their union.

    Parameters
    ----------
    affines : sequence of (4, 3) float64 array
        (column, row, 1) to RAS+ mm.
    drawn : (K, R, C) bool array

    Raises
    ------
    Refused
        As `plane_depths_mm`; or frames of one plane are shifted against each other.
    """
    depths = plane_depths_mm(affines)
    columns = affines[0][:3, :2]
    turn = np.linalg.inv(np.column_stack([columns, _normal(columns)]))
    shifts = np.array([(turn @ (a[:3, 2] - affines[0][:3, 2]))[:2] for a in affines])
    order = np.argsort(depths, kind="stable")
    kept: list[int] = []
    united = drawn.copy()
    for k in order:
        if not kept or depths[k] - depths[kept[-1]] > SAME_PLACE_MM:
            kept.append(int(k))
        elif np.abs(shifts[k] - shifts[kept[-1]]).max() > SAME_DIRECTION * max(drawn.shape):
            raise Refused(tag_name("ImagePositionPatient"), "one frame a plane", "several, shifted")
        else:
            united[kept[-1]] |= drawn[k]
    to_plane = np.column_stack([turn, -turn @ affines[0][:3, 2]])
    return PlaneStack(united[kept], to_plane, depths[kept], shifts[kept])


def drawn_at(
    planes: PlaneStack, gap_mm: float, shape: tuple[int, int, int], affine: Array
) -> NDArray[np.bool_]:
    """Tell of each voxel of a grid whether its centre lies in a voxel that was drawn.

    A drawn voxel reaches half a pixel around its centre, and half of `gap_mm` before and behind its
    plane; of its borders the lower belong to it.

    Returns
    -------
    (X, Y, Z) bool array
    """
    mask = np.zeros(shape, dtype=bool, order="F")
    box = _box(planes, gap_mm, shape, affine)
    area = max(1, (box[1].stop - box[1].start) * (box[2].stop - box[2].start))
    step = max(1, SLAB_VOXELS // area)
    to_plane = np.vstack([planes.to_plane, [0, 0, 0, 1]]) @ affine
    for first in range(box[0].start, box[0].stop, step):
        part = (slice(first, min(first + step, box[0].stop)), box[1], box[2])
        index = np.meshgrid(*[np.arange(s.start, s.stop) for s in part], indexing="ij", sparse=True)
        column, row, depth = (
            sum(to_plane[a, b] * index[b] for b in range(3)) + to_plane[a, 3] for a in range(3)
        )
        mask[part] = _look_up(planes, gap_mm, column, row, depth)
    return mask


def _look_up(
    planes: PlaneStack, gap_mm: float, column: Array, row: Array, depth: Array
) -> NDArray[np.bool_]:
    depths = planes.depths_mm.round(NOISE)
    k = np.searchsorted(depths, (depth + gap_mm / 2).round(NOISE), side="right") - 1
    inside = (k >= 0) & ((depth - gap_mm / 2).round(NOISE) < depths[k])
    c = np.floor((column - planes.shifts[k, 0] + 0.5).round(NOISE))
    r = np.floor((row - planes.shifts[k, 1] + 0.5).round(NOISE))
    _, rows, columns = planes.drawn.shape
    inside &= (c >= 0) & (c < columns) & (r >= 0) & (r < rows)
    found = np.zeros(inside.shape, dtype=bool)
    found[inside] = planes.drawn[k[inside], r[inside].astype(int), c[inside].astype(int)]
    return found


def _box(
    planes: PlaneStack, gap_mm: float, shape: tuple[int, int, int], affine: Array
) -> tuple[slice, slice, slice]:
    """Return the part of the grid outside of which nothing can belong."""
    used = np.flatnonzero(planes.drawn.any(axis=(1, 2)))
    if not used.size:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    any_row, any_column = planes.drawn.any(axis=(0, 2)), planes.drawn.any(axis=(0, 1))
    rows, columns = np.flatnonzero(any_row)[[0, -1]], np.flatnonzero(any_column)[[0, -1]]
    half = np.array([-0.5, 0.5])
    corners: list[tuple[float, ...]] = []
    for k in used:
        ends = (
            columns + half + planes.shifts[k, 0],
            rows + half + planes.shifts[k, 1],
            planes.depths_mm[k] + half * gap_mm,
        )
        corners.extend(product(*ends))
    to_index = np.linalg.inv(np.vstack([planes.to_plane, [0, 0, 0, 1]]) @ affine)
    index = np.array(corners) @ to_index[:3, :3].T + to_index[:3, 3]
    low = np.clip(np.floor(index.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(index.max(axis=0)) + 1, low, shape).astype(int)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return x, y, z


def _normal(columns: Array) -> Array:
    normal = np.cross(columns[:, 0], columns[:, 1])
    return normal / np.linalg.norm(normal)
