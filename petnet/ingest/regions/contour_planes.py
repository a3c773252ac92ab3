"""Planar contours as layers of a solid: their common normal, their planes, how far each reaches.

Everything is expressed in the coordinates of the image's grid, so that deciding which voxel centres
lie inside (`petnet.ingest.regions.contours`) is counting along its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.refusal import Refused

__all__ = ["COPLANAR_MM", "GAP", "LARGEST_DISTANCE_MM", "Layers", "layers_of"]

Array = NDArray[np.float64]

COPLANAR_MM = 0.1  # points this near a plane lie in it; ContourData has two or three decimals
LARGEST_DISTANCE_MM = 10.0  # contours farther apart are parts of their own, however many they are
GAP = 1.5  # in plane distances; a wider step between two planes is a gap in the structure
ON_SLICE = 0.1  # slices; a plane this near a slice was drawn on it
WIDTH_MM = 1e-4  # a contour narrower than this encloses nothing
ROUNDING = 1e-9  # of slopes and shifts, in voxels


@dataclass(frozen=True, eq=False)
class Layers:
    """A solid made of contours extruded along their normal, in the coordinates of a grid.

    A point is origin + alpha·a + beta·b + a multiple of the normal, where a and b are the steps
    from voxel to voxel along the first two of `axes`. gamma measures along the normal, in steps of
    the third. The centre of voxel (i, j, k), counted along `axes`, has

        alpha = i + shift[0]·k,  beta = j + shift[1]·k,  gamma = k + slope[0]·i + slope[1]·j.

    Attributes
    ----------
    axes : tuple of int
        Array axes in the order ray, row, sheet; sheets, those of constant k, are the slices most
        nearly parallel to the contours.
    shift, slope : (2,) float64 array
        Zero where sheets are parallel to the contours.
    lower, upper : (M,) float64 array
        gamma at which the layer of each plane begins and ends, ascending, without overlap.
    edges : (E, 2, 2) float64 array
        From and to of each contour's edges, (alpha, beta), sorted by plane.
    offsets : (M + 1,) int64 array
        The edges of plane m are edges[offsets[m]:offsets[m + 1]].
    notes : tuple of str
    """

    axes: tuple[int, int, int]
    shift: Array
    slope: Array
    lower: Array
    upper: Array
    edges: Array
    offsets: NDArray[np.int64]
    notes: tuple[str, ...]


def layers_of(contours: Sequence[Array], affine: Array) -> Layers:
    """Sort contours into planes, and give each plane the layer for which it stands.

    Contours whose positions along the normal differ by less than 0.1 mm share a plane. A layer ends
    half-way to the next plane; or half a plane distance away, where the next plane is more than 1.5
    plane distances off: that is a gap in the structure and stays one. The plane distance is

    * of planes that lie on the image's own slices, the distance of these; unless the smallest step
      between planes is larger and comes twice or more: then contours were drawn on every n-th
      slice, and that step is the distance;
    * of other planes, the median step (of two middle ones the smaller);
    * of a single plane, the image's slice distance along the normal.

    Steps of more than 10 mm are gaps and count for none of these.

    Parameters
    ----------
    contours : sequence of (N, 3) float64 array
        Closed polygons, RAS+ mm.
    affine : (4, 4) float64 array
        Voxel index to RAS+ mm.

    Raises
    ------
    Refused
        No contour encloses an area, the points of one do not lie in a plane, or the planes are not
        parallel.
    """
    usable, notes = _usable(contours)
    normal, axes = _oriented(_common_normal(usable, affine), affine)
    a, b, c = (affine[:3, axis] for axis in axes)
    slice_mm = float(normal @ c)
    in_plane = np.linalg.inv(np.column_stack([a, b, normal]))[:2]
    relative = [contour - affine[:3, 3] for contour in usable]
    heights = np.array([(points @ normal).mean() for points in relative]) / slice_mm
    order = np.argsort(heights, kind="stable")
    first = _first_of_planes(heights[order], slice_mm)
    planes = np.array([part.mean() for part in np.split(heights[order], first[1:])])
    slope = _without_rounding(np.array([normal @ a, normal @ b]) / slice_mm)
    on_slices = not slope.any() and bool((np.abs(planes - np.rint(planes)) <= ON_SLICE).all())
    distance = _plane_distance(np.diff(planes) * slice_mm, slice_mm, on_slices)
    lower, upper = _reach(planes, distance / slice_mm)
    edges = [_edges(relative[index] @ in_plane.T) for index in order]
    ends = np.concatenate([[0], np.cumsum([len(part) for part in edges])])
    return Layers(
        axes=axes,
        shift=_without_rounding(in_plane @ c),
        slope=slope,
        lower=lower,
        upper=upper,
        edges=np.concatenate(edges),
        offsets=ends[np.append(first, len(order))],
        notes=notes + _distance_notes(np.diff(planes) * slice_mm, slice_mm, distance),
    )


def _usable(contours: Sequence[Array]) -> tuple[list[Array], tuple[str, ...]]:
    """Leave out contours without area, and copies, which would cancel what they repeat."""
    with_area = [contour for contour in contours if _width(contour) > WIDTH_MM]
    if not with_area:
        found = f"{len(contours)} contours, all with fewer than 3 points or in a line"
        raise Refused("contours", "at least one that encloses an area", found)
    distinct = list({contour.tobytes(): contour for contour in with_area}.values())
    flat, copies = len(contours) - len(with_area), len(with_area) - len(distinct)
    notes = [f"{flat} contours without area left out"] if flat else []
    notes += [f"{copies} contours that repeat another left out"] if copies else []
    return distinct, tuple(notes)


def _width(contour: Array) -> float:
    """Return the root mean square distance, in mm, of points from the line nearest to them."""
    if len(contour) < 3:
        return 0.0
    centred = contour - contour.mean(axis=0)
    second = np.linalg.eigvalsh(centred.T @ centred)[1]
    return float(np.sqrt(max(second, 0.0) / len(contour)))


def _common_normal(contours: list[Array], affine: Array) -> Array:
    """Return the first direction along which no contour extends: (3,), length 1.

    Exact directions are tried before a fitted one, so that rounding of the points does not tilt
    the planes: those of the image, then those of the patient.
    """
    centred = [contour - contour.mean(axis=0) for contour in contours]
    for normal in _directions(centred, affine):
        if max(np.abs(points @ normal).max() for points in centred) <= COPLANAR_MM:
            return normal
    off = max(np.abs(points @ _fitted([points])).max() for points in centred)
    if off > COPLANAR_MM:
        found = f"a contour with points up to {off:.2f} mm off"
        raise Refused("contours", f"points within {COPLANAR_MM} mm of a plane", found)
    raise Refused("contours", "parallel planes", "contours in planes at an angle to each other")


def _directions(centred: list[Array], affine: Array) -> Iterator[Array]:
    axes = affine[:3, :3].T
    for p, q in ((0, 1), (2, 0), (1, 2)):
        normal = np.cross(axes[p], axes[q])
        yield normal / np.linalg.norm(normal)
    yield from np.eye(3)[::-1]
    yield _fitted(centred)


def _fitted(centred: list[Array]) -> Array:
    """Return the direction of least extent, by least squares over all points: (3,)."""
    scatter = np.sum([points.T @ points for points in centred], axis=0)
    smallest: Array = np.linalg.eigh(scatter)[1][:, 0]
    return smallest


def _oriented(normal: Array, affine: Array) -> tuple[Array, tuple[int, int, int]]:
    """Return the normal, pointing along the grid's axis nearest to it, and the order of axes."""
    steps = affine[:3, :3]
    cosines = normal @ (steps / np.linalg.norm(steps, axis=0))
    sheet = int(np.argmax(np.abs(cosines)))
    ray, row = (axis for axis in range(3) if axis != sheet)
    return (normal if cosines[sheet] > 0 else -normal), (ray, row, sheet)


def _first_of_planes(heights: Array, slice_mm: float) -> NDArray[np.int64]:
    """Return the index of the first contour of each plane; heights ascend, in slices."""
    steps_mm = np.diff(heights) * slice_mm
    return np.concatenate([[0], 1 + np.flatnonzero(steps_mm > COPLANAR_MM)])


def _plane_distance(steps_mm: Array, slice_mm: float, on_slices: bool) -> float:
    """Return the plane distance in mm; `layers_of` states the rule."""
    steps = np.sort(steps_mm[steps_mm <= LARGEST_DISTANCE_MM])
    if not steps.size:
        return slice_mm
    if not on_slices:
        return float(steps[(steps.size - 1) // 2])
    regular = (steps <= steps[0] + COPLANAR_MM).sum() > 1
    return float(steps[0]) if regular and steps[0] > GAP * slice_mm else slice_mm


def _distance_notes(steps_mm: Array, slice_mm: float, distance: float) -> tuple[str, ...]:
    """Return what a user should know of how far contours were taken to reach."""
    if distance > GAP * slice_mm:
        return (
            f"contours every {distance:.2f} mm, slices every {slice_mm:.2f} mm: "
            "slices between contours take the nearest",
        )
    if steps_mm.size and (steps_mm > GAP * slice_mm).all():
        return (f"contours {steps_mm.min():.1f} mm or more apart: each stands for its slice alone",)
    return ()


def _reach(planes: Array, distance: float) -> tuple[Array, Array]:
    """Return where the layer of each plane begins and ends; all in slices."""
    lower, upper = planes - distance / 2, planes + distance / 2
    joined = np.diff(planes) <= GAP * distance
    middle = (planes[1:] + planes[:-1]) / 2
    upper[:-1] = np.where(joined, middle, upper[:-1])
    lower[1:] = np.where(joined, middle, lower[1:])
    return lower, upper


def _edges(points: Array) -> Array:
    return np.stack([points, np.roll(points, -1, axis=0)], axis=1)


def _without_rounding(values: Array) -> Array:
    """Return zero for what is zero but for rounding, so that parallel is exactly parallel."""
    return np.where(np.abs(values) < ROUNDING, 0.0, values)
