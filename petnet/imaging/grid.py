"""Target grids: isotropic, along the RAS+ axes, voxel centres at multiples of the spacing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """A grid whose voxel (i, j, k) has its centre at (first + (i, j, k)) · spacing in RAS+ mm.

    Attributes
    ----------
    first : (3,) tuple of int
        Lattice position of voxel (0, 0, 0).
    shape : (X, Y, Z) tuple of int
    spacing_mm : float
    """

    first: tuple[int, int, int]
    shape: tuple[int, int, int]
    spacing_mm: float

    @classmethod
    def around(
        cls, centre_mm: NDArray[np.float64], shape: Sequence[int], spacing_mm: float
    ) -> Grid:
        """Return the grid of this shape whose middle lies nearest to `centre_mm`."""
        sizes = np.asarray(shape)
        first = np.rint(np.asarray(centre_mm) / spacing_mm - (sizes - 1) / 2.0)
        return cls(_triple(first), _triple(sizes), float(spacing_mm))

    @classmethod
    def covering(cls, affine: NDArray[np.float64], shape: Sequence[int], spacing_mm: float) -> Grid:
        """Return the smallest grid that holds every voxel centre of an image."""
        low, high = _bounds(affine, [(0, n - 1) for n in shape])
        first = np.floor(low / spacing_mm + 1e-6)
        last = np.ceil(high / spacing_mm - 1e-6)
        return cls(_triple(first), _triple(last - first + 1), float(spacing_mm))

    def plane(self, axis: int, index: int) -> Grid:
        """Return the slice of one voxel's thickness at `index` along `axis`."""
        first, shape = list(self.first), list(self.shape)
        first[axis], shape[axis] = first[axis] + index, 1
        return Grid(_triple(first), _triple(shape), self.spacing_mm)

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4): voxel index to RAS+ mm."""
        made = np.diag([self.spacing_mm] * 3 + [1.0])
        made[:3, 3] = np.asarray(self.first) * self.spacing_mm
        return made

    def bounds_in(self, affine: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the lowest and highest voxel index of another grid that this one touches."""
        to_index = np.asarray(np.linalg.solve(affine, self.affine), dtype=np.float64)
        low, high = _bounds(to_index, [(0, n - 1) for n in self.shape])
        return np.floor(low).astype(np.int64), np.ceil(high).astype(np.int64)

    def outer_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the outer faces: lowest and highest coordinate that belong to a voxel."""
        low = (np.asarray(self.first) - 0.5) * self.spacing_mm
        return low, low + np.asarray(self.shape) * self.spacing_mm


def _triple(values: Sequence[float] | NDArray[np.generic]) -> tuple[int, int, int]:
    x, y, z = (int(v) for v in values)
    return x, y, z


def _bounds(
    affine: NDArray[np.float64], limits: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    corners = np.array([(*corner, 1.0) for corner in itertools.product(*limits)])
    points = (affine @ corners.T)[:3]
    return points.min(axis=1), points.max(axis=1)
