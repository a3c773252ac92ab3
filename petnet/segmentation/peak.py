"""SUVpeak: the mean in a sphere of 1 cm³."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from petnet.segmentation.field import Field
from petnet.segmentation.start import ball, bounding_box

__all__ = ["SPHERE_RADIUS_MM", "PeakKind", "sphere_means", "suv_peak"]

SPHERE_RADIUS_MM: float = 10 * (3 / (4 * math.pi)) ** (1 / 3)  # 6.2 mm: a volume of 1 cm³
PeakKind = Literal["global", "local"]


def suv_peak(field: Field, kind: PeakKind = "global") -> float:
    """Return SUVpeak of the start.

    The mean over all voxels whose centre is within 6.2 mm of that of a voxel, in or out of the
    start; voxels without a value, or beyond the image, are left out. The global peak is the highest
    of the start's voxels, the local one that of its hottest voxel (of several such the highest).
    IBSI 0F91 and VJGA, doi:10.1148/radiol.2020191145.

    Parameters
    ----------
    field : Field
        That reaches at least `SPHERE_RADIUS_MM` beyond the start, or as far as the image.
    """
    where = field.search & field.known
    if kind == "local":
        where &= field.suv == field.suv_max
    return float(sphere_means(field.suv, field.known, field.spacing_mm, where).max())


def sphere_means(
    suv: NDArray[np.float64],
    known: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    where: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the means in the spheres about some voxels.

    Parameters
    ----------
    suv, known, where : (x, y, z) float64, bool and bool

    Returns
    -------
    (n,) float64
        For the n voxels of `where`, in C order.
    """
    box = bounding_box(where)
    if box is None:
        return np.zeros(0)
    reach = [math.floor(SPHERE_RADIUS_MM / s) for s in spacing_mm]
    sphere = ball([2 * r + 1 for r in reach], spacing_mm, reach, SPHERE_RADIUS_MM)
    values = np.pad(np.where(known, suv, 0.0), [(r, r) for r in reach])
    weights = np.pad(known, [(r, r) for r in reach]).astype(np.float64)
    sums = np.zeros([part.stop - part.start for part in box])
    counts = np.zeros_like(sums)
    for offset in np.argwhere(sphere):
        moved = tuple(
            slice(part.start + o, part.stop + o) for part, o in zip(box, offset, strict=True)
        )
        sums += values[moved]
        counts += weights[moved]
    inside = where[box]
    means: NDArray[np.float64] = sums[inside] / counts[inside]
    return means
