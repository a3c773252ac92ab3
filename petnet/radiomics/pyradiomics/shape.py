"""PyRadiomics' shape class: its mesh, diameters and axes."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.enclosing import diameter, hull_of_mesh
from petnet.radiomics.kernels.cpu_shape import coordinate_moments
from petnet.radiomics.marching import polygons_of, triangulations

__all__ = ["shape_features"]

NAN = float("nan")
#: Corner (x, y, z) = (0, 1, 1) of a cell. PyRadiomics' table knows only patterns in which it is
#: empty; where it is full, the pattern is inverted and its surface turned.
TURNING_CORNER = 3
#: How PyRadiomics 3.0 cuts the polygons of the 127 patterns with a full turning corner: for every
#: pattern a word, for each of its polygons (by their first corner) a digit, its number among
#: `triangulations`. Lorensen and Cline leave it open.
WAYS = (
    "0 4 1 2 0 1 2 0 00 s s b i b 04 4 9 05 0 5 n 02 b 2 d 04 2 4 10 00 00 0 7 50 k 04 0 5 b "
    "4 F 20 01 01 2 2 01 1 30 0000 10 000 10 000 10 00 00 000 00 00 10 00 00 0 0 d 4 2 3 b 3 "
    "1 n 01 20 10 40 00 000 00 1 03 1 3 2 00 4 0 2 01 2 1 10 00 00 0 3 20 b 01 0 0 3 1 b 00 "
    "00 00 4 0 00 0 3 000 1 00 1 00 1 0 0 00 0 0 1 0 0"
)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
#: In which widths of planes are taken: they bound a diameter within 2 %.
DIRECTIONS = 8


def shape_features(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> dict[str, float]:
    """Compute the shape features of a mask, those that PyRadiomics calls deprecated included.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        Cropped to its bounding box, with one voxel at least. The box matters: PyRadiomics' mesh is
        not closed where voxels touch by edges or corners alone, so that its volume depends on where
        the origin lies.

    Returns
    -------
    dict of str to float
        By PyRadiomics' names, in mm, mm² and mm³. Elongation and flatness of a single voxel are
        NaN (0 / 0).
    """
    spacing = np.array(spacing_mm, dtype=np.float64)
    area, volume = _area_and_volume(mask, spacing)
    sphere_area = (36 * math.pi * volume**2) ** (1 / 3)
    found = {
        "MeshVolume": volume,
        "VoxelVolume": float(np.count_nonzero(mask) * np.prod(spacing)),
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "Sphericity": sphere_area / area,
        "Compactness1": volume / (area**1.5 * math.sqrt(math.pi)),
        "Compactness2": 36 * math.pi * volume**2 / area**3,
        "SphericalDisproportion": area / sphere_area,
    }
    # C order and writable: the one kind that kernels are compiled for
    voxels = np.require(mask, dtype=np.bool_, requirements=["C", "W"]).view(np.uint8)
    found["Maximum3DDiameter"] = diameter(hull_of_mesh(voxels, spacing))
    names = ("Maximum2DDiameterRow", "Maximum2DDiameterColumn", "Maximum2DDiameterSlice")
    found |= dict(zip(names, _plane_diameters(mask, spacing), strict=True))
    return found | _axes(voxels, spacing)


def _patterns(padded: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the pattern of every cell: bit 4x + 2y + z is the voxel at its corner (x, y, z)."""
    voxels = padded.view(np.uint8)
    pattern = np.zeros([n - 1 for n in padded.shape], dtype=np.uint8)
    for corner in range(8):
        x, y, z = (slice(s, s - 1 or None) for s in (corner >> 2 & 1, corner >> 1 & 1, corner & 1))
        pattern |= voxels[x, y, z] << corner
    return pattern


def _first(polygon: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(polygon[0].tolist())


def _rolled(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Let a polygon begin with its least corner."""
    corners = polygon.tolist()
    return np.roll(polygon, -corners.index(min(corners)), axis=0)


@cache
def _table() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all triangles of all patterns in unit cells: pattern (T,) and corners (T, 3, 3)."""
    patterns: list[int] = []
    triangles: list[NDArray[np.float64]] = []
    full = [p for p in range(1, 255) if p >> TURNING_CORNER & 1]
    for pattern, word in zip(full, WAYS.split(), strict=True):
        polygons = sorted((_rolled(p) for p in polygons_of(pattern)), key=_first)
        for polygon, digit in zip(polygons, word, strict=True):
            way = list(triangulations(range(len(polygon))))[DIGITS.index(digit)]
            for triangle in way:
                corners = polygon[list(triangle)]
                patterns += [pattern, 255 - pattern]
                triangles += [corners, corners[::-1]]
    return np.array(patterns), np.array(triangles)


def _area_and_volume(
    mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the area of PyRadiomics' mesh and the volume of the cones from the origin to it."""
    pattern = _patterns(np.pad(mask, 1))
    cells = np.nonzero(pattern % 255)
    which = pattern[cells].astype(np.int64)
    number = np.bincount(which, minlength=256)
    places = np.stack([np.bincount(which, x, minlength=256) for x in cells], axis=-1)
    of, corners = _table()
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    x, y, z = spacing_mm
    area = number[of] @ np.linalg.norm(normal * [y * z, x * z, x * y], axis=-1) / 2
    # a cone over a triangle of the cell at r: det(a + r, b + r, c + r) = det(a, b, c) + r · normal
    cones = np.einsum("ti,ti->t", a, np.cross(b, c))
    volume = (number[of] @ cones + (places[of] * normal).sum()) / 6 * np.prod(spacing_mm)
    return float(area), float(volume)


def _plane_diameters(
    mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the longest distance of mesh vertices in planes across each axis."""
    padded = np.pad(mask, 1)
    vertices = []
    for axis in range(3):
        found = np.stack(np.nonzero(np.diff(padded, axis=axis)), axis=-1) * 2  # half voxels
        found[:, axis] += 1
        vertices.append(found)
    points = np.concatenate(vertices)
    points -= points.min(axis=0)
    x, y, z = (
        _longest_in_planes(np.roll(points, -axis, axis=1), np.roll(spacing_mm, -axis) / 2)
        for axis in range(3)
    )
    return x, y, z


def _longest_in_planes(points: NDArray[np.int64], step_mm: NDArray[np.float64]) -> float:
    """Return the longest distance of points whose first coordinate is the same.

    The ends of a longest distance are first or last in their row.
    """
    n_planes, n_rows, _ = points.max(axis=0) + 1
    cell = points[:, 0] * n_rows + points[:, 1]
    first = np.full(n_planes * n_rows, np.inf)
    last = np.full(n_planes * n_rows, -np.inf)
    np.minimum.at(first, cell, points[:, 2] * step_mm[2])
    np.maximum.at(last, cell, points[:, 2] * step_mm[2])
    first, last = first.reshape(n_planes, n_rows), last.reshape(n_planes, n_rows)
    place = np.arange(n_rows) * step_mm[1]
    bounds = _greatest_widths(first, last, place)
    longest = 0.0
    for plane in np.argsort(-bounds):
        if bounds[plane] <= longest:
            break
        taken = np.isfinite(first[plane])
        f, t, p = first[plane, taken], last[plane, taken], place[taken]
        squares = (t[:, None] - f) ** 2 + (p[:, None] - p) ** 2
        longest = max(longest, math.sqrt(squares.max()))
    return longest


def _greatest_widths(
    first: NDArray[np.float64], last: NDArray[np.float64], place: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bound the diameters of planes (P,) by their width in some directions.

    A diameter lies within half a step of one of them, and is at most that width over its cosine.
    """
    angle = (np.arange(DIRECTIONS)[:, None, None] + 0.5) * (math.pi / DIRECTIONS)
    along, across = place * np.cos(angle), np.sin(angle)
    # the sine is above 0: the far end of a row is its last point, the near end its first
    widths = (along + across * last).max(axis=2) - (along + across * first).min(axis=2)
    return np.asarray(widths.max(axis=0) / math.cos(math.pi / (2 * DIRECTIONS)))


def _axes(mask: NDArray[np.uint8], spacing_mm: NDArray[np.float64]) -> dict[str, float]:
    """Return lengths of the principal axes by the population's covariance of voxel centres.

    N Σxy - Σx Σy is taken in whole numbers of any size, so that centring loses no digits.
    """
    shape = np.array([mask.shape], dtype=np.int32)
    (sums,) = coordinate_moments(mask.ravel(), np.zeros(1, dtype=np.int64), shape).astype(object)
    n, (x, y, z), (xx, yy, zz, xy, xz, yz) = sums[0], sums[1:4], sums[4:]
    first, second = np.array([x, y, z]), np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    centred = (n * second - np.outer(first, first)).astype(np.float64) / float(n * n)
    eigenvalues = np.linalg.eigvalsh(centred * np.outer(spacing_mm, spacing_mm))
    # rounding leaves about 1e-16 of the largest where a plane or a line has none
    eigenvalues = np.where(eigenvalues > 1e-12 * eigenvalues[-1], eigenvalues, 0.0)
    least, minor, major = (4 * np.sqrt(eigenvalues)).tolist()
    return {
        "MajorAxisLength": major,
        "MinorAxisLength": minor,
        "LeastAxisLength": least,
        "Elongation": minor / major if major > 0 else NAN,
        "Flatness": least / major if major > 0 else NAN,
    }
