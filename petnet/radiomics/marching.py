"""Surface of a binary mask by marching cubes at 0.5, without building the mesh.

On a binary mask every mesh vertex lies in the middle of a grid edge, so that a cell of 2×2×2 voxels
has one of 256 patterns, and area and volume of the closed mesh are sums over a table of patterns.

The table is made here rather than typed: cut edges are linked face by face into closed polygons,
and each polygon is cut into triangles. On patterns without ambiguous faces the triangles are those
of Lorensen and Cline (doi:10.1145/37402.37422) in area and volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["areas_and_volumes", "polygons_of", "triangulations"]

Edge = tuple[int, int]
Triangle = tuple[int, int, int]
#: Corners of each face of the cell in order around it; corner = 4x + 2y + z. All six run the same
#: way round, seen from outside, so that the polygons of a closed surface turn the same way.
FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def _edge(a: int, b: int) -> Edge:
    return (a, b) if a < b else (b, a)


def _face_links(pattern: int, face: Sequence[int]) -> Iterator[tuple[Edge, Edge]]:
    """Pair the edges where a walk around the face enters the mask with those where it leaves.

    An entry is paired with the last exit before it: the surface cuts off corners outside the mask.
    Diagonal corners inside are so joined across the face, in keeping with the 26-neighbourhood of
    the texture families, and by both cells that share the face, which closes the mesh.
    """
    inside = [bool(pattern >> corner & 1) for corner in face]
    for k in range(4):
        if inside[k] or not inside[(k + 1) % 4]:
            continue
        m = next(m for m in range(k, k - 4, -1) if inside[m - 1])
        yield _edge(face[k], face[(k + 1) % 4]), _edge(face[m - 1], face[m])


def polygons_of(pattern: int) -> Iterator[NDArray[np.float64]]:
    """Yield the closed polygons of a pattern as (K, 3) edge midpoints in the unit cell."""
    links = dict(link for face in FACES for link in _face_links(pattern, face))
    while links:
        first, following = links.popitem()
        polygon = [first]
        while following != first:
            polygon.append(following)
            following = links.pop(following)
        corners = np.array(polygon)[..., None] >> np.array([2, 1, 0]) & 1
        yield corners.mean(axis=1)


def triangulations(corners: Sequence[int]) -> Iterator[list[Triangle]]:
    """Yield every way to cut a polygon into triangles."""
    if len(corners) < 3:
        yield []
        return
    first, last = corners[0], corners[-1]
    for k in range(1, len(corners) - 1):
        for before in triangulations(corners[: k + 1]):
            for after in triangulations(corners[k:]):
                yield [*before, (first, corners[k], last), *after]


def _cross(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = triangles[..., 0, :], triangles[..., 1, :], triangles[..., 2, :]
    return np.cross(b - a, c - a)


def _cut(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a polygon into triangles in all ways of largest area: (ways, T, 3, 3).

    For the bent pentagons and hexagons of unambiguous patterns the largest area is that of Lorensen
    and Cline's table. Mirror images of a way tie with it and enclose another volume; their mean is
    taken, so that turning or mirroring a mask changes nothing.
    """
    ways = polygon[np.array(list(triangulations(range(len(polygon)))))]
    area = np.linalg.norm(_cross(ways), axis=-1).sum(axis=-1)
    largest: NDArray[np.float64] = ways[area > area.max() - 1e-9]
    return largest


@cache
def _table() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return all triangles in unit cells: pattern (T,), area vector (T, 3) and middle's x (T,).

    Where a polygon is cut in several ways, each of them counts for its share of the area vector.
    """
    patterns, vectors, middles = [], [], []
    for pattern in range(1, 255):
        for polygon in polygons_of(pattern):
            ways = _cut(polygon)
            triangles = ways.reshape(-1, 3, 3)
            patterns.append(np.full(len(triangles), pattern))
            vectors.append(_cross(triangles) / (2 * len(ways)))
            middles.append(triangles[..., 0].mean(axis=-1))
    return np.concatenate(patterns), np.concatenate(vectors), np.concatenate(middles)


def areas_and_volumes(
    patterns: NDArray[np.int64], spacing_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return surface area (mm²) and volume (mm³) of the marching-cubes meshes of masks.

    Parameters
    ----------
    patterns : (R, 256, 2) int64
        As `mesh_patterns` counts them.
    spacing_mm : (R, 3) float64

    Returns
    -------
    areas, volumes : (R,) float64

    Notes
    -----
    The volume is the flux of the field (x, 0, 0) through the closed mesh, which equals it by the
    divergence theorem.
    """
    at_zero, per_x = _flux()
    # row by row, so that a region's result knows nothing of its batch
    flux = (patterns[..., 0] * at_zero).sum(axis=-1) + (patterns[..., 1] * per_x).sum(axis=-1)
    each = np.array([_area(tuple(mm)) for mm in spacing_mm.tolist()]).reshape(-1, 256)
    return (patterns[..., 0] * each).sum(axis=-1), np.abs(flux) * np.prod(spacing_mm, axis=1)


def _per_pattern(each: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum (T,) over the triangles of each pattern: (256,)."""
    summed: NDArray[Any] = np.bincount(_table()[0], each, minlength=256)
    return summed


@cache
def _flux() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the flux of (x, 0, 0) through each pattern in the cell at x = 0, and per cell of x."""
    _, vectors, middle = _table()
    # a triangle of the cell at x adds its area across x times (x + its own middle)
    return _per_pattern(vectors[:, 0] * middle), _per_pattern(vectors[:, 0])


@lru_cache(maxsize=256)
def _area(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the area of each pattern in mm²."""
    x, y, z = spacing_mm
    return _per_pattern(np.linalg.norm(_table()[1] * [y * z, x * z, x * y], axis=-1))
