"""Analytic shapes, the grids they are sampled on, and the brush that paints them.

Shapes live in RAS+ millimetres and know a bounding box and an (approximately) signed distance,
so that a grid of any spacing and orientation is painted without resampling anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axes", "Clipped", "Ellipsoid", "Grid", "Rod", "Shape", "Tube", "crop", "paint"]

Array = NDArray[np.float32]
Vector = Sequence[float] | NDArray[np.float64]
Point = tuple[float, float, float]
Box = tuple[Point, Point]


@dataclass(frozen=True, eq=False)
class Axes:
    """Coordinates in mm of the voxel centres along the three axes of a grid.

    The axes may run either way; `z` need not be evenly spaced (breathing bends it).
    """

    x: Array
    y: Array
    z: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along the axes."""
        return self.x.size, self.y.size, self.z.size

    def open(self) -> tuple[Array, Array, Array]:
        """Return the axes as (X, 1, 1), (1, Y, 1) and (1, 1, Z) arrays."""
        return self.x[:, None, None], self.y[None, :, None], self.z[None, None, :]

    def take(self, window: tuple[slice, slice, slice]) -> Axes:
        """Return the axes of a window of the grid."""
        return Axes(self.x[window[0]], self.y[window[1]], self.z[window[2]])

    def scaled(self, factors: Sequence[float]) -> Axes:
        """Return coordinates divided by one factor per axis."""
        fx, fy, fz = (np.float32(f) for f in factors)
        return Axes(self.x / fx, self.y / fy, self.z / fz)


@dataclass(frozen=True, eq=False)
class Grid:
    """An axis-aligned voxel grid: shape and RAS+ affine."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def covering(cls, low: Vector, high: Vector, spacing_mm: Vector, signs: str) -> Grid:
        """Cover the box from `low` to `high` (mm).

        Parameters
        ----------
        signs : str
            One of + and - per axis, as "--+": whether the index runs with or against RAS+.
        """
        spacing = np.asarray(spacing_mm, dtype=np.float64)
        extent = np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64)
        counts = np.ceil(extent / spacing).astype(int)
        sign = np.array([1.0 if s == "+" else -1.0 for s in signs])
        affine = np.diag([*(sign * spacing), 1.0])
        affine[:3, 3] = np.where(sign > 0, low, np.asarray(low) + (counts - 1) * spacing)
        return cls((int(counts[0]), int(counts[1]), int(counts[2])), affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel edge lengths."""
        x, y, z = np.abs(np.diag(self.affine)[:3])
        return float(x), float(y), float(z)

    def axes(self) -> Axes:
        """Return the coordinates of the voxel centres."""
        step, origin = np.diag(self.affine), self.affine[:3, 3]
        x, y, z = (
            (origin[i] + step[i] * np.arange(self.shape[i])).astype(np.float32) for i in range(3)
        )
        return Axes(x, y, z)


class Shape(Protocol):
    """Something with a bounding box and a signed distance in mm, negative inside."""

    def box(self) -> Box:
        """Return the lowest and highest corner in mm."""

    def distance(self, axes: Axes) -> Array:
        """Return (X, Y, Z) signed distances to the surface."""


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, turned by `turn_deg` about the z axis."""

    center: Point
    semi: Point
    turn_deg: float = 0.0

    def box(self) -> Box:
        """Return the bounding box."""
        reach_xy = max(self.semi[:2]) if self.turn_deg else None
        reach = (reach_xy or self.semi[0], reach_xy or self.semi[1], self.semi[2])
        return _around(self.center, reach)

    def distance(self, axes: Axes) -> Array:
        """Return (|p| - 1) times the shortest half-axis, exact on the surface."""
        x, y, z = axes.open()
        dx, dy, dz = x - self.center[0], y - self.center[1], z - self.center[2]
        if self.turn_deg:
            cos, sin = np.cos(np.radians(self.turn_deg)), np.sin(np.radians(self.turn_deg))
            dx, dy = (
                np.float32(cos) * dx + np.float32(sin) * dy,
                (np.float32(cos) * dy - np.float32(sin) * dx),
            )
        radius = np.sqrt(
            (dx / self.semi[0]) ** 2 + (dy / self.semi[1]) ** 2 + (dz / self.semi[2]) ** 2
        )
        distance: Array = (radius - 1) * np.float32(min(self.semi))
        return distance

    def grown(self, by_mm: float) -> Ellipsoid:
        """Return the ellipsoid with longer (or shorter) half-axes."""
        a, b, c = (s + by_mm for s in self.semi)
        return replace(self, semi=(a, b, c))


@dataclass(frozen=True)
class Rod:
    """An upright elliptic cylinder from `bottom` to `top` (mm along z)."""

    x: float
    y: float
    semi: tuple[float, float]
    bottom: float
    top: float

    def box(self) -> Box:
        """Return the bounding box."""
        low = (self.x - self.semi[0], self.y - self.semi[1], self.bottom)
        return low, (self.x + self.semi[0], self.y + self.semi[1], self.top)

    def distance(self, axes: Axes) -> Array:
        """Return the larger of the distances to the mantle and to the ends."""
        x, y, z = axes.open()
        radius = np.sqrt(((x - self.x) / self.semi[0]) ** 2 + ((y - self.y) / self.semi[1]) ** 2)
        ends = np.maximum(self.bottom - z, z - self.top)
        distance: Array = np.maximum((radius - 1) * np.float32(min(self.semi)), ends)
        return distance


@dataclass(frozen=True)
class Tube:
    """The union of spheres along a curve: (n, 3) points and n radii, given as tuples."""

    points: tuple[Point, ...]
    radii: tuple[float, ...]

    def box(self) -> Box:
        """Return the bounding box."""
        points, radii = np.array(self.points), np.array(self.radii)[:, None]
        low, high = (points - radii).min(axis=0), (points + radii).max(axis=0)
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def distance(self, axes: Axes) -> Array:
        """Return the distance to the nearest sphere, cut off at 8 mm outside."""
        distance = np.full(axes.shape, 8.0, dtype=np.float32)
        for point, radius in zip(self.points, self.radii, strict=True):
            window = crop(axes, _around(point, (radius + 8.0,) * 3))
            x, y, z = axes.take(window).open()
            gap = np.sqrt((x - point[0]) ** 2 + (y - point[1]) ** 2 + (z - point[2]) ** 2) - radius
            np.minimum(distance[window], gap, out=distance[window])
        return distance

    def grown(self, by_mm: float) -> Tube:
        """Return the tube with wider (or narrower) spheres."""
        return replace(self, radii=tuple(r + by_mm for r in self.radii))


@dataclass(frozen=True)
class Clipped:
    """The part of a shape in front of the plane y = `front_of`: gas rises in a supine patient."""

    shape: Shape
    front_of: float

    def box(self) -> Box:
        """Return the bounding box of the whole shape."""
        return self.shape.box()

    def distance(self, axes: Axes) -> Array:
        """Return the larger of the distances to the shape and to the plane."""
        distance: Array = np.maximum(self.shape.distance(axes), self.front_of - axes.open()[1])
        return distance


def _around(center: Sequence[float], reach: Sequence[float]) -> Box:
    low = (center[0] - reach[0], center[1] - reach[1], center[2] - reach[2])
    return low, (center[0] + reach[0], center[1] + reach[1], center[2] + reach[2])


def crop(axes: Axes, box: Box, margin_mm: float = 0.0) -> tuple[slice, slice, slice]:
    """Return the window of the grid whose voxel centres lie in `box` grown by `margin_mm`."""
    slices = []
    for axis, low, high in zip((axes.x, axes.y, axes.z), box[0], box[1], strict=True):
        inside = np.flatnonzero((axis >= low - margin_mm) & (axis <= high + margin_mm))
        slices.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0))
    return slices[0], slices[1], slices[2]


def paint(image: Array, axes: Axes, shape: Shape, value: float, edge_mm: float) -> None:
    """Paint `value` into `image` in place; edges are shared over `edge_mm` (partial volume).

    Parameters
    ----------
    image : (X, Y, Z) float32 array
    axes : Axes of `image`
    edge_mm : float
        About one voxel, so that a voxel on the surface gets half of each side.
    """
    window = crop(axes, shape.box(), edge_mm)
    part = image[window]
    if part.size == 0:
        return
    share = np.clip(0.5 - shape.distance(axes.take(window)) / np.float32(edge_mm), 0, 1)
    part += share * (np.float32(value) - part)
