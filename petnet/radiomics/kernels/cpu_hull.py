"""The convex hull of a mask's mesh, exactly, in integers.

Vertices of the marching-cubes mesh at 0.5 lie half a voxel from a voxel's centre along one axis, so
that twice their index is whole. Which side of a plane a point lies on is then decided without
rounding: coplanar points, of which a mask has many, need neither tolerance nor merging. The hull in
millimetres is the same up to a scale per axis.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["convex_hull", "extreme_points"]

FAR = 1 << 40
#: Faces of the first tetrahedron beyond each edge of each face.
NEIGHBOURS = ((1, 2, 3), (3, 2, 0), (1, 3, 0), (2, 1, 0))


@numba.njit(cache=True, nogil=True)
def _mesh_slice(extents: NDArray[np.int32], slice_: int, lines: NDArray[np.int64]) -> None:
    """Fill lines (2Y + 1, 2) with the least and greatest z of mesh vertices at x = slice_.

    Twice the index throughout; row k is at y = k - 1. An empty line has its least above its
    greatest. Even slices hold vertices beside voxels along y and z, odd ones those along x.
    """
    nx, ny = extents.shape[:2]
    for row in range(lines.shape[0]):
        lines[row, 0], lines[row, 1] = FAR, -2
    for x in range(slice_ // 2, (slice_ + 1) // 2 + 1):
        if not 0 <= x < nx:
            continue
        for y in range(ny):
            first, last = 2 * np.int64(extents[x, y, 0]), 2 * np.int64(extents[x, y, 1])
            if last < 0:
                continue
            here = 2 * y + 1
            beside = 1 - slice_ % 2
            lines[here, 0] = min(lines[here, 0], first - beside)
            lines[here, 1] = max(lines[here, 1], last + beside)
            for row in (here - 1, here + 1):
                if beside:
                    lines[row, 0] = min(lines[row, 0], first)
                    lines[row, 1] = max(lines[row, 1], last)


@numba.njit(cache=True, nogil=True)
def _chain(lines: NDArray[np.int64], side: int, stack: NDArray[np.int64]) -> int:
    """Put the rows of the lower (side 0) or upper (side 1) convex chain on the stack."""
    sign = 1 - 2 * side
    size = 0
    for row in range(lines.shape[0]):
        if lines[row, 0] > lines[row, 1]:
            continue
        z = lines[row, side]
        while size > 1:
            a, b = stack[size - 2], stack[size - 1]
            rise, step = lines[b, side] - lines[a, side], z - lines[a, side]
            if sign * ((b - a) * step - rise * (row - a)) > 0:
                break
            size -= 1
        stack[size] = row
        size += 1
    return size


@numba.njit(cache=True, nogil=True)
def extreme_points(extents: NDArray[np.int32]) -> NDArray[np.int64]:
    """List the mesh vertices of a mask that are corners of their slice's convex hull.

    Parameters
    ----------
    extents : (X, Y, 2) int32
        As `line_extents` gives them, of a mask with a voxel at least.

    Returns
    -------
    (K, 3) int64
        Twice the index of each vertex, in ascending order of x, then y, then z. The convex hull of
        the mesh is theirs.
    """
    nx, ny = extents.shape[:2]
    lines = np.empty((2 * ny + 1, 2), dtype=np.int64)
    stack = np.empty(2 * ny + 1, dtype=np.int64)
    kept = np.zeros((2 * ny + 1, 2), dtype=np.uint8)
    points = np.empty((1024, 3), dtype=np.int64)
    n = 0
    for slice_ in range(-1, 2 * nx):
        _mesh_slice(extents, slice_, lines)
        for side in range(2):
            for k in range(_chain(lines, side, stack)):
                kept[stack[k], side] = 1
        if n + 2 * lines.shape[0] > points.shape[0]:
            points = np.concatenate(
                (points, np.empty_like(points), np.empty((lines.size, 3), np.int64))
            )
        for row in range(lines.shape[0]):
            for side in range(2):
                again = side == 1 and kept[row, 0] and lines[row, 0] == lines[row, 1]
                if kept[row, side] and not again:
                    points[n, 0], points[n, 1], points[n, 2] = slice_, row - 1, lines[row, side]
                    n += 1
            # wiped for the next slice
            kept[row, 0], kept[row, 1] = 0, 0
    return points[:n].copy()


@numba.njit(cache=True, nogil=True)
def _set_face(
    points: NDArray[np.int64],
    a: int,
    b: int,
    c: int,
    face: int,
    corners: NDArray[np.int64],
    planes: NDArray[np.int64],
) -> None:
    """Write a face's corners and its plane: the normal (b - a) × (c - a), and normal · a."""
    corners[face, 0], corners[face, 1], corners[face, 2] = a, b, c
    x, y, z = points[a, 0], points[a, 1], points[a, 2]
    ux, uy, uz = points[b, 0] - x, points[b, 1] - y, points[b, 2] - z
    vx, vy, vz = points[c, 0] - x, points[c, 1] - y, points[c, 2] - z
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    planes[face, 0], planes[face, 1], planes[face, 2] = nx, ny, nz
    planes[face, 3] = nx * x + ny * y + nz * z


@numba.njit(cache=True, nogil=True)
def _height(planes: NDArray[np.int64], face: int, points: NDArray[np.int64], p: int) -> np.int64:
    """Positive for a point beyond the plane of a face, zero on it."""
    height: np.int64 = (
        planes[face, 0] * points[p, 0]
        + planes[face, 1] * points[p, 1]
        + planes[face, 2] * points[p, 2]
        - planes[face, 3]
    )
    return height


@numba.njit(cache=True, nogil=True)
def _first_faces(
    points: NDArray[np.int64],
    corners: NDArray[np.int64],
    across: NDArray[np.int64],
    planes: NDArray[np.int64],
) -> int:
    """Make a tetrahedron of points 0, 1, c and d, c < d; return d, -1 where all are coplanar."""
    n = points.shape[0]
    for c in range(2, n):
        _set_face(points, 0, 1, c, 0, corners, planes)
        if planes[0, 0] == 0 and planes[0, 1] == 0 and planes[0, 2] == 0:
            continue
        for d in range(c + 1, n):
            height = _height(planes, 0, points, d)
            if height == 0:
                continue
            p, q = (1, c) if height < 0 else (c, 1)
            _set_face(points, 0, p, q, 0, corners, planes)
            _set_face(points, 0, d, p, 1, corners, planes)
            _set_face(points, p, d, q, 2, corners, planes)
            _set_face(points, q, d, 0, 3, corners, planes)
            for face in range(4):
                for k in range(3):
                    across[face, k] = NEIGHBOURS[face][k]
            return d
        break
    return -1


@numba.njit(cache=True, nogil=True)
def _first_seen(
    points: NDArray[np.int64],
    new: int,
    planes: NDArray[np.int64],
    dead: NDArray[np.bool_],
    faces: NDArray[np.int64],
    n_faces: int,
) -> int:
    """Return the first of some faces that a point is beyond, -1 if it is beyond none."""
    for k in range(n_faces):
        if not dead[faces[k]] and _height(planes, faces[k], points, new) > 0:
            return int(faces[k])
    return -1


@numba.njit(cache=True, nogil=True)
def _seen_part(
    points: NDArray[np.int64],
    new: int,
    start: int,
    planes: NDArray[np.int64],
    corners: NDArray[np.int64],
    across: NDArray[np.int64],
    dead: NDArray[np.bool_],
    seen: NDArray[np.int64],
    rim: NDArray[np.int64],
) -> tuple[int, int]:
    """Kill the faces that a point sees, from one of them on; list them and the edges around them.

    rim (E, 3) gets from, to and the unseen face of each edge. Returns how many faces and edges.
    """
    n_seen, n_rim, done = 1, 0, 0
    seen[0] = start
    dead[start] = True
    while done < n_seen:
        face = seen[done]
        done += 1
        for k in range(3):
            other = across[face, k]
            if dead[other]:
                continue
            if _height(planes, other, points, new) > 0:
                dead[other] = True
                seen[n_seen] = other
                n_seen += 1
            else:
                rim[n_rim, 0], rim[n_rim, 1] = corners[face, k], corners[face, (k + 1) % 3]
                rim[n_rim, 2] = other
                n_rim += 1
    return n_seen, n_rim


@numba.njit(cache=True, nogil=True)
def _close(
    points: NDArray[np.int64],
    new: int,
    rim: NDArray[np.int64],
    places: NDArray[np.int64],
    planes: NDArray[np.int64],
    corners: NDArray[np.int64],
    across: NDArray[np.int64],
    face_from: NDArray[np.int64],
) -> None:
    """Join a new point to every edge of the rim by a face, at the places given."""
    for e in range(places.size):
        a, b, other = rim[e, 0], rim[e, 1], rim[e, 2]
        face = places[e]
        _set_face(points, a, b, new, face, corners, planes)
        across[face, 0] = other
        for k in range(3):
            if corners[other, k] == b and corners[other, (k + 1) % 3] == a:
                across[other, k] = face
        face_from[a] = face
    for e in range(places.size):
        following = face_from[rim[e, 1]]
        across[places[e], 1] = following
        across[following, 2] = places[e]


@numba.njit(cache=True, nogil=True)
def _merge_facet(
    first: int,
    planes: NDArray[np.int64],
    across: NDArray[np.int64],
    dead: NDArray[np.bool_],
    stack: NDArray[np.int64],
) -> int:
    """Kill a face and all coplanar ones joined to it; list them on the stack and count them."""
    ax, ay, az = planes[first, 0], planes[first, 1], planes[first, 2]
    stack[0], size, done = first, 1, 0
    dead[first] = True
    while done < size:
        face = stack[done]
        done += 1
        for k in range(3):
            other = across[face, k]
            if dead[other]:
                continue
            bx, by, bz = planes[other, 0], planes[other, 1], planes[other, 2]
            if ay * bz == az * by and az * bx == ax * bz and ax * by == ay * bx:
                dead[other] = True
                stack[size] = other
                size += 1
    return size


@numba.njit(cache=True, nogil=True)
def _polytope(
    n: int,
    planes: NDArray[np.int64],
    corners: NDArray[np.int64],
    across: NDArray[np.int64],
    dead: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Merge triangles to facets and keep the true corners, which three facets share at least."""
    normals = np.zeros((dead.size, 3), dtype=np.int64)
    incident = np.empty((3 * dead.size, 2), dtype=np.int64)
    stack = np.empty(dead.size, dtype=np.int64)
    sharing = np.zeros(n, dtype=np.int64)
    noted_for = np.full(n, -1, dtype=np.int64)
    n_facets, n_incident = 0, 0
    for first in range(dead.size):
        if dead[first]:
            continue
        for done in range(_merge_facet(first, planes, across, dead, stack)):
            face = stack[done]
            for k in range(3):
                normals[n_facets, k] += planes[face, k]
                vertex = corners[face, k]
                if noted_for[vertex] != n_facets:
                    noted_for[vertex] = n_facets
                    sharing[vertex] += 1
                    incident[n_incident, 0], incident[n_incident, 1] = n_facets, vertex
                    n_incident += 1
        n_facets += 1
    vertices = np.empty(n, dtype=np.int64)
    n_vertices = 0
    for vertex in range(n):
        if sharing[vertex] > 2:
            vertices[n_vertices] = vertex
            sharing[vertex] = n_vertices
            n_vertices += 1
        else:
            sharing[vertex] = -1
    kept = 0
    for k in range(n_incident):
        place = sharing[incident[k, 1]]
        if place >= 0:
            incident[kept, 0], incident[kept, 1] = incident[k, 0], place
            kept += 1
    return vertices[:n_vertices].copy(), normals[:n_facets].copy(), incident[:kept].copy()


@numba.njit(cache=True, nogil=True)
def convex_hull(
    points: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the convex hull of points on a grid, by inserting them in ascending order.

    A point greater than all before it is outside their hull and sees a face at the last of them, so
    that no search is needed (but for the few points that the first tetrahedron jumps over).

    Parameters
    ----------
    points : (K, 3) int64
        Different from each other, in ascending order of x, then y, then z; coordinates below
        20,000, so that no product overflows.

    Returns
    -------
    vertices : (V,) int64
        Which points are corners of the hull; none where all points lie in one plane.
    normals : (F, 3) int64
        Of each facet, however many corners it has: pointing outwards, twice its area long.
    incident : (I, 2) int64
        Facet and position in `vertices` of each of its corners, in ascending order of facet.
    """
    n = points.shape[0]
    corners = np.empty((2 * n, 3), dtype=np.int64)
    across = np.empty((2 * n, 3), dtype=np.int64)
    planes = np.empty((2 * n, 4), dtype=np.int64)
    dead = np.ones(2 * n, dtype=np.bool_)
    d = _first_faces(points, corners, across, planes)
    if d < 0:
        nothing = np.empty((0, 3), dtype=np.int64)
        return np.empty(0, dtype=np.int64), nothing, np.empty((0, 2), dtype=np.int64)
    free = np.empty(2 * n, dtype=np.int64)
    n_free = 2 * n - 4
    for face in range(4):
        dead[face] = False
    for k in range(n_free):
        free[k] = 2 * n - 1 - k
    seen = np.empty(2 * n, dtype=np.int64)
    rim = np.empty((2 * n, 3), dtype=np.int64)
    face_from = np.empty(n, dtype=np.int64)
    # faces to look at: all of them, later those at the point before
    last = np.empty(2 * n, dtype=np.int64)
    n_last = 2 * n
    for face in range(n_last):
        last[face] = face
    for new in range(2, n):
        start = _first_seen(points, new, planes, dead, last, n_last)
        if start < 0:
            continue
        n_seen, n_rim = _seen_part(points, new, start, planes, corners, across, dead, seen, rim)
        for k in range(n_seen):
            free[n_free + k] = seen[k]
        n_free += n_seen - n_rim
        _close(points, new, rim, free[n_free : n_free + n_rim], planes, corners, across, face_from)
        for k in range(n_rim):
            dead[free[n_free + k]] = False
            if new > d:
                last[k] = free[n_free + k]
        n_last = n_rim if new > d else n_last
    return _polytope(n, planes, corners, across, dead)
