"""Bodies around a set of points: convex hull, oriented bounding box, enclosing ellipsoid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.cpu_enclosing import (
    boxes_around,
    ellipsoid_weights,
    greatest_distance,
)
from petnet.radiomics.kernels.cpu_hull import convex_hull, extreme_points
from petnet.radiomics.kernels.cpu_shape import line_extents

__all__ = ["Hull", "diameter", "enclosing_ellipsoid", "hull_of_mesh", "oriented_box"]

#: Directions that the oriented box is tried on besides the array's axes: facets, the largest first,
N_DIRECTIONS = 64
#: and where there are fewer, at most so many over half a sphere.
N_SPREAD = 32
#: Boxes that are turned until none is smaller.
N_TURNED = 4
ELLIPSOID_TOLERANCE = 1e-7
ELLIPSOID_STEPS = 10_000


@dataclass(frozen=True, eq=False)
class Hull:
    """A convex polyhedron.

    Attributes
    ----------
    points : (V, 3) float64
        Its corners in mm.
    normals : (F, 3) float64
        Outward unit normal of each facet.
    areas : (F,) float64
        In mm².
    incident : (I, 2) int64
        Pairs of facet and corner, in ascending order of facet.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    areas: NDArray[np.float64]
    incident: NDArray[np.int64]

    @property
    def area(self) -> float:
        """Surface area in mm²."""
        return float(self.areas.sum())

    @property
    def volume(self) -> float:
        """Volume in mm³: a third of the flux of (x, y, z), measured from the middle."""
        first = np.searchsorted(self.incident[:, 0], np.arange(len(self.areas)))
        on_facet = self.points[self.incident[first, 1]] - self.points.mean(axis=0)
        return float(((on_facet * self.normals).sum(axis=1) * self.areas).sum()) / 3


def hull_of_mesh(mask: NDArray[np.uint8], spacing_mm: NDArray[np.float64]) -> Hull:
    """Return the convex hull of a mask's marching-cubes mesh (`petnet.radiomics.marching`).

    Parameters
    ----------
    mask : (X, Y, Z) uint8
        With one voxel at least, so that its mesh is never flat.
    spacing_mm : (3,) float64
        The voxel with index (0, 0, 0) has its centre at the origin.
    """
    points = extreme_points(line_extents(mask))
    vertices, normals, incident = convex_hull(points)
    # points are twice the index, and normals twice the area long
    x, y, z = spacing_mm
    scaled = normals * (np.array([y * z, x * z, x * y]) / 8)
    areas = np.sqrt((scaled**2).sum(axis=1))
    return Hull(points[vertices] * (spacing_mm / 2), scaled / areas[:, None], areas, incident)


def diameter(hull: Hull) -> float:
    """Return the greatest distance between two points of the hull in mm."""
    centre = (hull.points.min(axis=0) + hull.points.max(axis=0)) / 2
    radii = np.sqrt(((hull.points - centre) ** 2).sum(axis=1))
    inwards = np.argsort(-radii)
    return float(greatest_distance(hull.points[inwards], radii[inwards]))


@cache
def _spread_directions(n: int) -> NDArray[np.float64]:
    """Return n unit vectors, spread evenly over half a sphere along a spiral."""
    z = (np.arange(n) + 0.5) / n
    turn = np.arange(n) * math.pi * (3 - math.sqrt(5))
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), z], axis=1)


def _facet_directions(hull: Hull) -> NDArray[np.float64]:
    """Return the normals of the largest facets, one of each opposite pair."""
    # no direction has more than two facets
    normals = hull.normals[np.argsort(-hull.areas, kind="stable")[: 2 * N_DIRECTIONS]]
    # one number tells directions apart; if ever it did not, one direction would not be tried
    keys = np.abs(normals @ [1.0, math.pi, math.e**2]).round(9).tolist()
    first = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
    return normals[sorted(first.values())[:N_DIRECTIONS]]


def oriented_box(hull: Hull) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return axes (3, 3) as rows and edges (3,) in mm of an oriented minimum bounding box.

    The smallest box around a convex body need not lie on one of its facets (a regular
    tetrahedron's, a cube, does not), and the exact search takes time with the cube of the number of
    corners (O'Rourke, doi:10.1007/BF00991005). Here the smallest box of given axis is found exactly
    (a side of it lies on one of the outline) for the array's axes and 64 directions: the normals
    of the hull's largest facets and, where there are fewer, up to 32 spread over the sphere; the
    four smallest are turned about each of their own axes in turn until none gets smaller. What is
    returned is a box that encloses all points, at most as large as the best that lies on such a
    facet, and that no turn about one of its axes makes smaller. On random hulls it is within 1.5 %
    of the smallest box known, and mostly that box itself.
    """
    facets = _facet_directions(hull)
    spread = _spread_directions(min(N_SPREAD, N_DIRECTIONS - len(facets)))
    directions = np.concatenate([facets, np.eye(3), spread])
    axes = boxes_around(hull.points, hull.normals, hull.incident, directions, N_TURNED)
    return axes, np.ptp(hull.points @ axes.T, axis=0)


def _weights_to_begin_with(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh the ends of (V, 3) points along three directions, each across what joins those before.

    The three joining lines span space, so that the ends are not in one plane (Kumar and Yildirim,
    doi:10.1007/s10957-005-2653-6).
    """
    ends: list[int] = []
    direction, other = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    for k in range(3):
        along = points @ direction
        ends += [int(along.argmin()), int(along.argmax())]
        join = tuple((points[ends[-1]] - points[ends[-2]]).tolist())
        if k == 0 and abs(join[1]) > abs(join[2]):
            other = (0.0, 0.0, 1.0)
        direction, other = _cross(join, other), join
    weights: NDArray[np.float64] = np.bincount(ends, minlength=len(points)) / 6
    return weights


def _cross(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Cross product; NumPy's own takes longer than all else about a small hull."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def enclosing_ellipsoid(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return centre (3,), axes (3, 3) as rows and semi-axes (3,) of the smallest ellipsoid around.

    Parameters
    ----------
    points : (V, 3) float64
        The corners of the hull are enough.

    Returns
    -------
    centre, axes, semi_axes
        The semi-axes ascend. All points lie inside or on it; its volume is within 2e-7 of the
        smallest. NaN, all of them, where the points lie in one plane.
    """
    middle = points.mean(axis=0)
    centred = points - middle
    squares, axes = np.linalg.eigh(centred.T @ centred / len(points))
    if len(points) < 4 or squares[0] <= 1e-14 * squares[2]:
        return np.full(3, np.nan), np.full((3, 3), np.nan), np.full(3, np.nan)
    # as if spread were the same all round: the smallest ellipsoid goes along with affine maps
    whitened = centred @ (axes / np.sqrt(squares))
    weights = _weights_to_begin_with(whitened)
    error = ellipsoid_weights(whitened, weights, ELLIPSOID_TOLERANCE, ELLIPSOID_STEPS)
    if error > ELLIPSOID_TOLERANCE:
        raise RuntimeError(f"the enclosing ellipsoid is off by {error:.1g} after all steps")
    shift = weights @ centred
    offset = centred - shift
    squares, axes = np.linalg.eigh((offset * weights[:, None]).T @ offset)
    reach = ((offset @ axes) ** 2 / squares).sum(axis=1).max()
    return middle + shift, axes.T, np.sqrt(squares * reach)
