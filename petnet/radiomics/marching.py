"""Surface of a binary mask by marching cubes at 0.5, without building the mesh.

On a binary mask every mesh vertex lies in the middle of a grid edge, so that a cell of 2×2×2 voxels
has one of 256 patterns. Area and volume of the closed mesh are sums over a table of patterns, and
its outermost vertices are the first and last crossings of the mask along each line of voxels.

The table is made here rather than typed: cut edges are linked face by face into closed polygons,
and each polygon is cut into triangles. On patterns without ambiguous faces the triangles are those
of Lorensen and Cline (doi:10.1145/37402.37422) in area and volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["mesh_area_and_volume", "outermost_vertices"]

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


def _polygons(pattern: int) -> Iterator[NDArray[np.float64]]:
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


def _triangulations(corners: Sequence[int]) -> Iterator[list[Triangle]]:
    """Yield every way to cut a polygon into triangles."""
    if len(corners) < 3:
        yield []
        return
    first, last = corners[0], corners[-1]
    for k in range(1, len(corners) - 1):
        for before in _triangulations(corners[: k + 1]):
            for after in _triangulations(corners[k:]):
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
    ways = polygon[np.array(list(_triangulations(range(len(polygon)))))]
    area = np.linalg.norm(_cross(ways), axis=-1).sum(axis=-1)
    largest: NDArray[np.float64] = ways[area > area.max() - 1e-9]
    return largest


@cache
def _table() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return all triangles in unit cells: pattern (T,), weight (T,) and corners (T, 3, 3)."""
    patterns, weights, triangles = [], [], []
    for pattern in range(1, 255):
        for polygon in _polygons(pattern):
            ways = _cut(polygon)
            n = ways.shape[0] * ways.shape[1]
            patterns.append(np.full(n, pattern))
            weights.append(np.full(n, 1 / ways.shape[0]))
            triangles.append(ways.reshape(n, 3, 3))
    return np.concatenate(patterns), np.concatenate(weights), np.concatenate(triangles)


def mesh_area_and_volume(
    mask: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> tuple[float, float]:
    """Return surface area (mm²) and volume (mm³) of the marching-cubes mesh of a mask.

    Parameters
    ----------
    mask : (X, Y, Z) bool
    spacing_mm : three floats

    Notes
    -----
    The volume is the flux of the field (x, 0, 0) through the closed mesh, which equals it by the
    divergence theorem.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    cells = np.zeros(tuple(n - 1 for n in padded.shape), dtype=np.uint8)
    for corner in range(8):
        x, y, z = corner >> 2 & 1, corner >> 1 & 1, corner & 1
        part = padded[x : padded.shape[0] - 1 + x, y : padded.shape[1] - 1 + y]
        cells |= part[..., z : padded.shape[2] - 1 + z] << corner
    where = np.flatnonzero((cells > 0) & (cells < 255))
    pattern = cells.ravel()[where]
    x_of_cell = where // (cells.shape[1] * cells.shape[2])
    count = np.bincount(pattern, minlength=256)
    x_sum = np.bincount(pattern, weights=x_of_cell, minlength=256)

    of_triangle, weight, triangles = _table()
    n = weight * count[of_triangle]
    area = np.linalg.norm(_cross(triangles * np.asarray(spacing_mm)), axis=-1) / 2
    x_area = _cross(triangles)[..., 0] / 2
    flux = x_area * (weight * x_sum[of_triangle] + triangles[..., 0].mean(axis=-1) * n)
    return float((area * n).sum()), abs(float(flux.sum())) * float(np.prod(spacing_mm))


def outermost_vertices(mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Return (V, 3) mesh vertices in mm: the first and last of each line of voxels.

    Vertices between those two on the same line lie within their convex hull.
    """
    found = []
    for axis in range(3):
        lines = np.moveaxis(mask, axis, -1)
        u, v = np.nonzero(lines.any(axis=-1))
        lines = lines[u, v]
        first = lines.argmax(axis=-1) - 0.5
        last = lines.shape[-1] - 0.5 - lines[:, ::-1].argmax(axis=-1)
        for along in (first, last):
            found.append(np.insert(np.stack([u, v], axis=-1).astype(float), axis, along, axis=-1))
    vertices: NDArray[np.float64] = np.concatenate(found) * np.asarray(spacing_mm)
    return vertices
