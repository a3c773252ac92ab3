"""An irregular lesion in the wall of the stomach: where it sits and which voxels belong to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.shapes import Array, Axes, Point, crop

__all__ = [
    "SITE_RANGE",
    "VOLUME_ML",
    "LesionForm",
    "LesionVoxels",
    "ball_radius_mm",
    "draw_form",
    "form_at",
    "lesion_voxels",
    "paint_lesion",
]

SITE_RANGE = {"cardia": (0.04, 0.14), "body": (0.35, 0.6), "antrum": (0.74, 0.9)}
VOLUME_ML = (15.0, 80.0)  # log-uniform
EDGE_BEYOND_MASK_MM = 2.0  # readers contour where the blurred edge is still bright
AXIS_RATIOS = (1.25, 1.1, 0.75)  # along the stomach, around it, through its wall
REACH_MM = 46.0


@dataclass(frozen=True, eq=False)
class LesionForm:
    """A lesion's position and outline in the reference adult.

    Attributes
    ----------
    center : point in mm
    directions : (3, 3) array
        Rows: along the stomach, around it, through its wall.
    volume_ml : float
        Volume asked of the mask.
    waves : (n, 4) array
        Wave vector (1/mm) and phase of the outline's bumps.
    bump_mm : float
        Amplitude of each.
    """

    center: Point
    directions: NDArray[np.float64] = field(repr=False)
    volume_ml: float
    waves: NDArray[np.float64] = field(repr=False)
    bump_mm: float

    def window(self, axes: Axes) -> tuple[slice, slice, slice]:
        """Return the window of a grid that holds the lesion and its surroundings."""
        x, y, z = self.center
        low = (x - REACH_MM, y - REACH_MM, z - REACH_MM)
        return crop(axes, (low, (x + REACH_MM, y + REACH_MM, z + REACH_MM)))

    def radius(self, axes: Axes) -> Array:
        """Return (X, Y, Z) bumpy elliptic radii in mm; the lesion is where they are small."""
        x, y, z = axes.open()
        offset = (x - self.center[0], y - self.center[1], z - self.center[2])
        squared: Array = np.zeros(axes.shape, dtype=np.float32)
        for direction, ratio in zip(self.directions, AXIS_RATIOS, strict=True):
            along = sum(np.float32(d / ratio) * o for d, o in zip(direction, offset, strict=True))
            squared += np.square(along)
        radius = np.sqrt(squared)
        for wave in self.waves:
            angle = sum(np.float32(k) * o for k, o in zip(wave[:3], offset, strict=True))
            radius += np.float32(self.bump_mm) * np.cos(angle + np.float32(wave[3]))
        return np.asarray(radius, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class LesionVoxels:
    """A lesion on one grid: a window, the mask there, each voxel's share inside the lesion.

    `edge_mm` is the radius (`LesionForm.radius`) of the mask's outline.
    """

    window: tuple[slice, slice, slice]
    mask: NDArray[np.bool_]
    extent: Array
    edge_mm: float


def draw_form(rng: np.random.Generator, stomach: NDArray[np.float64], site: str) -> LesionForm:
    """Draw a lesion of 15 to 80 ml at `site`, blind to its label.

    Parameters
    ----------
    stomach : (n, 4) array
        Centre line and radius, cardia first.
    """
    volume_ml = float(np.exp(rng.uniform(*np.log(VOLUME_ML))))
    at = rng.uniform(*SITE_RANGE[site]) * (len(stomach) - 1)
    index = np.arange(len(stomach))
    here = np.array([np.interp(at, index, column) for column in stomach.T])
    ahead = np.array([np.interp(at + 0.5, index, column) for column in stomach.T[:3]])
    along = (ahead - here[:3]) / np.linalg.norm(ahead - here[:3])
    outward = rng.normal(size=3)
    outward -= along * (outward @ along)
    outward /= np.linalg.norm(outward)
    outward[2] = min(outward[2], 0.3)  # not through the diaphragm into the heart
    outward -= along * (outward @ along)
    outward /= np.linalg.norm(outward)
    center = here[:3] + outward * here[3] * 0.75
    return form_at(rng, center, np.stack([along, np.cross(outward, along), outward]), volume_ml)


def form_at(
    rng: np.random.Generator,
    center: NDArray[np.float64],
    directions: NDArray[np.float64],
    volume_ml: float,
) -> LesionForm:
    """Draw the outline of a lesion of known place and size.

    Parameters
    ----------
    center : (3,) array
        Millimetres in the reference adult.
    directions : (3, 3) array
        Rows: orthonormal; the lesion is longest along the first, thinnest along the last.
    """
    ball_mm = ball_radius_mm(volume_ml)
    vectors = rng.normal(size=(6, 3))
    vectors *= 2 * np.pi / (ball_mm * 1.5) / np.linalg.norm(vectors, axis=1, keepdims=True)
    waves = np.column_stack([vectors, rng.uniform(0, 2 * np.pi, 6)])
    return LesionForm(
        (float(center[0]), float(center[1]), float(center[2])),
        directions,
        volume_ml,
        waves,
        0.055 * ball_mm,
    )


def ball_radius_mm(volume_ml: float) -> float:
    """Return the radius of a ball of this volume."""
    return float((3 * volume_ml * 1000 / (4 * np.pi)) ** (1 / 3))


def lesion_voxels(
    form: LesionForm, axes: Axes, spacing_mm: tuple[float, float, float]
) -> LesionVoxels:
    """Return the lesion's voxels on a grid.

    The mask is the connected core of the voxels of smallest radius, as many as the volume asks;
    the lesion itself reaches 2 mm further.

    Parameters
    ----------
    axes : Axes
        Reference-adult coordinates of the grid (breathing included).
    """
    from scipy.ndimage import label

    window = form.window(axes)
    radius = form.radius(axes.take(window))
    wanted = round(form.volume_ml * 1000 / float(np.prod(spacing_mm)))
    edge_mm = float(np.partition(radius, wanted, axis=None)[wanted])
    parts, count = label(radius < edge_mm)
    if count > 1:
        parts = parts == np.bincount(parts[parts > 0]).argmax()
    extent = _share(radius, edge_mm, max(spacing_mm))
    return LesionVoxels(window, parts.astype(bool), extent, edge_mm)


def paint_lesion(
    image: Array, form: LesionForm, axes: Axes, value: float, edge_mm: float, soft_mm: float
) -> None:
    """Paint the lesion into another grid in place, with the outline found on the PET grid."""
    window = form.window(axes)
    share = _share(form.radius(axes.take(window)), edge_mm, soft_mm)
    image[window] += share * (np.float32(value) - image[window])


def _share(radius: Array, edge_mm: float, soft_mm: float) -> Array:
    """Return each voxel's share inside the lesion's surface, softened over about one voxel."""
    surface = np.float32(edge_mm + EDGE_BEYOND_MASK_MM)
    share = np.float32(0.5) - (radius - surface) / np.float32(soft_mm)
    return np.asarray(share.clip(0, 1), dtype=np.float32)
