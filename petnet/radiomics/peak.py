"""Local and global intensity peak (IBSI 9ST6): means in spheres of 1 cm³."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.region import SPHERE_RADIUS_MM, Region, Surroundings

__all__ = ["peak_features"]

NAN = float("nan")
SUMS_PER_THREAD = 4_000_000  # differences of running sums that are worth a thread


def peak_features(region: Region) -> dict[str, float]:
    """Compute the 2 IBSI local intensity features of a region.

    Parameters
    ----------
    region : Region
        With surroundings, as far as the image reaches; without, the image ends at its box.

    Returns
    -------
    dict of str to float
        In the unit of the intensities. NaN where no voxel is left in the intensity mask.

    Notes
    -----
    The peak of a voxel is the mean over all voxels whose centre is within 6.2 mm of its own, in or
    out of the masks; what is not finite, or beyond the image, is left out of the mean. The global
    peak is the highest of the intensity mask, the local one that of its most intense voxel; of
    several such the highest. Always in 3D. Source: doi:10.1148/radiol.2020191145.
    """
    from petnet.radiomics.kernels.spheres import peaks_of_slab
    from petnet.radiomics.kernels.threads import run_all

    around = region.surroundings or Surroundings(region.values, (0, 0, 0))
    reach = [math.floor(SPHERE_RADIUS_MM / s) for s in region.spacing_mm]
    rows = _sphere_rows(region.spacing_mm, reach)
    sums, weights, image = _running_sums(region, around, reach)
    values, mask = np.ascontiguousarray(region.values), np.ascontiguousarray(region.intensity)

    def peaks(slab: tuple[int, int]) -> tuple[float, float, float]:
        found: tuple[float, float, float] = peaks_of_slab(
            sums, weights, image, values, mask, rows, slab[0], slab[1]
        )
        return found

    found = run_all(peaks, _slabs(mask.shape, rows.shape[0]))
    highest = max(intensity for _, intensity, _ in found)
    if highest == -math.inf:
        return {"local_intensity_peak": NAN, "global_intensity_peak": NAN}
    return {
        "local_intensity_peak": max(peak for _, top, peak in found if top == highest),
        "global_intensity_peak": max(peak for peak, _, _ in found),
    }


def _slabs(shape: tuple[int, ...], n_rows: int) -> Iterator[tuple[int, int]]:
    """Cut the first axis into slabs worth a thread."""
    thick = max(1, math.ceil(SUMS_PER_THREAD / (n_rows * shape[1] * shape[2])))
    for start in range(0, shape[0], thick):
        yield start, min(start + thick, shape[0])


def _sphere_rows(spacing_mm: tuple[float, float, float], reach: list[int]) -> NDArray[np.int64]:
    """Return (M, 3): the greatest |dx|, dy and dz of each line of voxels of the sphere along x."""
    dy, dz = (np.arange(-r, r + 1) for r in reach[1:])
    sx, sy, sz = spacing_mm
    left = SPHERE_RADIUS_MM**2 - ((dy * sy) ** 2)[:, None] - (dz * sz) ** 2
    y, z = np.nonzero(left >= 0)
    half = np.floor(np.sqrt(left[y, z]) / sx)
    return np.stack([half.astype(np.int64), dy[y], dz[z]], axis=1)


def _running_sums(
    region: Region, around: Surroundings, reach: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Sum along x what spheres about the region's voxels can hold.

    Returns
    -------
    sums : (X + 2 rx + 1, Y + 2 ry, Z + 2 rz) float64
        Plane k is the sum of the planes before k; zero stands for what is no image.
    weights : the same of ones where there is image, or (0, 0, 0)
        Empty where the image is a box without holes.
    image : (3, 2) int64
        First voxel of the image and the one after the last, along each axis of the sums' voxels.
    """
    shape = [n + 2 * r for n, r in zip(region.values.shape, reach, strict=True)]
    image, source = [], []
    for n, corner, r, size in zip(shape, around.corner, reach, around.values.shape, strict=True):
        shift = r - corner  # from a voxel of the surroundings to one of the sums
        first, stop = max(0, shift), min(n, size + shift)
        image.append((first, stop))
        source.append(slice(first - shift, stop - shift))
    values = np.ascontiguousarray(around.values[source[0], source[1], source[2]], dtype=np.float64)
    known, weights = np.isfinite(values), np.zeros((0, 0, 0))
    if not known.all():
        values, weights = np.where(known, values, 0), _summed_planes(known, image, shape)
    return _summed_planes(values, image, shape), weights, np.array(image)


def _summed_planes(
    values: NDArray[Any], target: list[tuple[int, int]], shape: list[int]
) -> NDArray[np.float64]:
    """Lay values into zeros and sum along the first axis, beginning with 0.

    Plane after plane: NumPy's cumulative sum takes twice as long.
    """
    sums = np.zeros((shape[0] + 1, shape[1], shape[2]))
    x, y, z = (slice(*ends) for ends in target)
    for k, plane in enumerate(values, start=x.start):
        np.add(sums[k, y, z], plane, out=sums[k + 1, y, z])
    sums[x.stop + 1 :] = sums[x.stop]
    return sums
