"""Regions of reference: mean and standard deviation of their SUV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.segmentation.start import NotSegmented, ball, bounding_box
from petnet.volume import Volume

__all__ = ["ReferenceStatistics", "deepest_sphere", "reference_statistics"]


@dataclass(frozen=True)
class ReferenceStatistics:
    """Mean and standard deviation (n − 1) of SUV, the number of voxels, and what to know."""

    mean: float
    sd: float
    voxels: int
    notes: tuple[str, ...] = ()


def reference_statistics(
    volume: Volume, mask: NDArray[np.bool_], sphere_mm: float | None = None
) -> ReferenceStatistics:
    """Look at a region of reference.

    Parameters
    ----------
    volume : Volume
        (X, Y, Z) SUV.
    mask : (X, Y, Z) bool
    sphere_mm : float, optional
        Diameter of the sphere that is looked at, see `deepest_sphere`.

    Raises
    ------
    NotSegmented
        Fewer than two voxels, NaN or infinity among them, or a mean that is not above zero.
    """
    notes: tuple[str, ...] = ()
    box = bounding_box(mask)
    if box is None:
        raise NotSegmented("the reference region is empty")
    inside = mask[box]
    if sphere_mm is not None:
        inside, whole = deepest_sphere(inside, volume.spacing_mm, sphere_mm)
        notes = () if whole else (f"no sphere of {sphere_mm:g} mm fits the reference region",)
    suv = volume.array[box][inside].astype(np.float64)
    if suv.size < 2 or not np.isfinite(suv).all():
        found = f"{suv.size} voxels, {int((~np.isfinite(suv)).sum())} without a finite value"
        raise NotSegmented(f"the reference region needs two voxels with values, but has {found}")
    mean = float(suv.mean())
    if mean <= 0:
        raise NotSegmented(f"the mean SUV of the reference region is {mean:.4g}: not above 0")
    return ReferenceStatistics(mean, float(suv.std(ddof=1)), int(suv.size), notes)


def deepest_sphere(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], diameter_mm: float
) -> tuple[NDArray[np.bool_], bool]:
    """Return the sphere about the voxel of a mask that lies furthest from its outside.

    Of several such voxels the first in C order. Voxels belong whose centre is within half the
    diameter, as far as they are in the mask.

    Returns
    -------
    (x, y, z) bool, bool
        The sphere, and whether all of it lies in the mask.
    """
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(mask, 1)
    depths = distance_transform_edt(padded, sampling=spacing_mm)
    centre = np.unravel_index(int(np.argmax(depths)), padded.shape)
    sphere = ball(padded.shape, spacing_mm, [int(c) for c in centre], diameter_mm / 2)
    inside = (sphere & padded)[1:-1, 1:-1, 1:-1]
    return inside, bool(depths.max() > diameter_mm / 2)
