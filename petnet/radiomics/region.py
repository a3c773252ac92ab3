"""A region: its voxels, its two masks, and as much of the image around it as features look at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.arrays import in_c_order
from petnet.radiomics.labels import Box, LabelBox, bounding_box, grown, locate
from petnet.volume import Volume, check_same_grid

__all__ = [
    "SPHERE_RADIUS_MM",
    "Region",
    "Surroundings",
    "checked_values",
    "crop",
    "prepare_region",
]

#: Radius of a sphere of 1 cm³, the neighbourhood of the intensity peaks.
SPHERE_RADIUS_MM = 10 * (3 / (4 * math.pi)) ** (1 / 3)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The image around a region, cut off where the image ends.

    Attributes
    ----------
    values : (X', Y', Z') real array
        Often a view of the image. What is not finite there is no part of the image.
    corner : three ints
        Voxel of `values` at which the box of the region begins.
    """

    values: NDArray[Any]
    corner: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Region:
    """A region, cropped to its bounding box unless said otherwise.

    Attributes
    ----------
    values : (X, Y, Z) float64
        Intensities; finite.
    morphological : (X, Y, Z) bool
        The region's shape.
    intensity : (X, Y, Z) bool
        What is left of it after re-segmentation.
    spacing_mm : three floats
    surroundings : Surroundings, optional
        What the intensity peaks see; None where nobody asked for it.
    """

    values: NDArray[np.float64]
    morphological: NDArray[np.bool_]
    intensity: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    surroundings: Surroundings | None = None


def prepare_region(
    image: Volume,
    mask: Volume | LabelBox,
    what: str = "region",
    margin: int = 0,
    reach_mm: float = SPHERE_RADIUS_MM,
) -> Region:
    """Crop image and mask to the mask's bounding box plus `margin` voxels.

    Parameters
    ----------
    mask : Volume or LabelBox
        On the grid of the image; not zero where the region is. Of `split_labels`: one label.
    reach_mm : float
        How far the surroundings go beyond the box; 0 leaves them out.

    Raises
    ------
    InputError
        Different grids, an empty mask, or a value that is no finite number inside the mask.
        Outside the mask such values are set to the mean of the region; in the surroundings they
        stay what they are.
    """
    place = locate(mask, what)
    check_same_grid(image, place.volume, f"{what}: mask and image")
    box = grown(place.box, (margin,) * 3, image.array.shape)
    inside = place.within(box)
    values = checked_values(image.array[box], inside, what)
    spacing = image.spacing_mm
    around = _surroundings(image.array, box, spacing, reach_mm)
    return Region(values, inside, inside, spacing, around)


def checked_values(
    array: NDArray[Any], inside: NDArray[np.bool_], what: str
) -> NDArray[np.float64]:
    """Return intensities as float64 in C order; what is not finite outside as the mean inside.

    Always writable, the one kind that kernels are compiled for, but nothing writes to it.

    Raises
    ------
    InputError
        A value inside is not finite.
    """
    values = np.require(in_c_order(array, np.float64), requirements=["C", "W"])
    finite = np.isfinite(values)
    if finite.all():
        return values
    bad = int(np.count_nonzero(inside & ~finite))
    if bad:
        raise InputError(
            what,
            "intensities inside the mask",
            "finite numbers",
            f"NaN or infinity in {bad} of {np.count_nonzero(inside)} voxels",
        )
    return np.where(finite, values, values[inside].mean())


def crop(
    region: Region,
    values: NDArray[np.float64] | None = None,
    reach_mm: float = SPHERE_RADIUS_MM,
) -> Region:
    """Trim a region on a larger grid to the bounding box of its morphological mask.

    Parameters
    ----------
    region : Region
        For instance of `resample_whole`, re-segmented.
    values : (X, Y, Z) float64, optional
        Take the place of the intensities: the response of a filter, on the grid of `region`.
    reach_mm : float
        How far the surroundings go beyond the box; 0 leaves them out.

    Raises
    ------
    InputError
        Other values that are not of the region's shape, or not finite inside its mask.
    """
    if values is None:
        values = region.values
    elif values.shape != region.values.shape:
        expected, found = str(region.values.shape), str(values.shape)
        raise InputError("values for a region", "shape", expected, found)
    box = bounding_box(region.morphological)
    if box is None:
        return region
    inside = np.ascontiguousarray(region.morphological[box])
    kept = (
        inside
        if region.intensity is region.morphological
        else np.ascontiguousarray(region.intensity[box])
    )
    return Region(
        checked_values(values[box], inside, "values for a region"),
        inside,
        kept,
        region.spacing_mm,
        _surroundings(values, box, region.spacing_mm, reach_mm),
    )


def _surroundings(
    array: NDArray[Any], box: Box, spacing_mm: tuple[float, float, float], reach_mm: float
) -> Surroundings | None:
    """Take a view of what lies within `reach_mm` of the box."""
    if reach_mm <= 0:
        return None
    wide = grown(box, [math.floor(reach_mm / s + 1e-9) for s in spacing_mm], array.shape)
    x, y, z = (tight.start - part.start for tight, part in zip(box, wide, strict=True))
    return Surroundings(array[wide], (x, y, z))
