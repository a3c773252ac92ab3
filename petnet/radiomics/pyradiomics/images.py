"""From an image and a mask to what PyRadiomics computes features on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.labels import Box, LabelBox, bounding_box, grown, locate
from petnet.radiomics.pyradiomics.image_types import filtered
from petnet.radiomics.pyradiomics.resampling import (
    new_spacing,
    places_of_grid,
    resample,
    resample_mask,
)
from petnet.radiomics.pyradiomics.settings import PyRadiomicsSet
from petnet.volume import Volume, check_same_grid

__all__ = ["Refused", "View", "Whole", "prepare", "whole_image"]


class Refused(Exception):
    """PyRadiomics computes nothing for such a region; the message says why."""


@dataclass(frozen=True, eq=False)
class View:
    """A region as PyRadiomics' feature classes see it, cropped to its bounding box.

    Attributes
    ----------
    images : dict of str to (X, Y, Z) array
        By the name PyRadiomics gives the image, in the type that it would have there: the edges of
        a fixed number of bins are rounded to it.
    inside : (X, Y, Z) bool
        What is left after re-segmentation.
    shape : (X, Y, Z) bool
        The mask whose shape is taken.
    spacing_mm : three floats
    """

    images: dict[str, NDArray[Any]]
    inside: NDArray[np.bool_]
    shape: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Whole:
    """What the regions of one image share.

    Attributes
    ----------
    array : (X, Y, Z) array
        The image, normalised if asked for.
    images : dict of str to (X, Y, Z) array
        By name, what filters make of it; empty where each region is filtered in its own frame.
    """

    array: NDArray[Any]
    images: dict[str, NDArray[Any]]


def whole_image(image: Volume, settings: PyRadiomicsSet, what: str) -> Whole | None:
    """Prepare what regions share; None where every region needs its own voxels alone.

    Raises
    ------
    InputError
        A value of an image to be filtered is no finite number.
    """
    if not settings.needs_whole:
        return None
    array = _as_stored(image.array, settings)
    if settings.normalise:
        array = _normalised(array, settings)
    if not settings.filters_whole:
        return Whole(array, {})
    _check_finite(array, "intensities", what)
    return Whole(array, dict(filtered(array, image.spacing_mm, settings, what)))


def prepare(
    image: Volume,
    mask: Volume | LabelBox,
    settings: PyRadiomicsSet,
    what: str,
    whole: Whole | None = None,
) -> View:
    """Resample, crop, re-segment and filter as PyRadiomics does.

    Parameters
    ----------
    whole : Whole, optional
        `whole_image` of the image.

    Raises
    ------
    InputError
        Another modality than the set's, different grids, an empty mask, or a value that is no
        finite number where one is needed: inside the mask, or around it for a filter.
    Refused
        PyRadiomics refuses the region: too small, too flat, or lost on the way.
    """
    if image.modality != settings.modality:
        expected = f"{settings.modality} for {settings.name}"
        raise InputError(what, "modality", expected, image.modality)
    place = locate(mask, what)
    check_same_grid(image, place.volume, f"{what}: mask and image")
    array, inside, spacing = _on_grid(image, place, settings, whole)
    box = _checked(inside, settings)
    kept = inside
    if settings.resegment is not None:
        kept = _resegmented(array, inside, settings)
        box = _checked(kept, settings)
    if whole is not None and whole.images:
        images = {name: made[place.box][box] for name, made in whole.images.items()}
    else:
        in_frame = settings.image_type != "Original"
        _check_finite(array if in_frame else array[inside], "intensities in the mask", what)
        images = {name: made[box] for name, made in filtered(array, spacing, settings, what)}
    # PyRadiomics crops the mask that shape is taken from, too, to what re-segmentation left
    shape = kept if settings.resegment_shape else inside
    return View(images, kept[box], shape[box], spacing)


def _check_finite(values: NDArray[Any], field: str, what: str) -> None:
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values))
        found = f"NaN or infinity in {bad} of {values.size} voxels"
        raise InputError(what, field, "finite numbers", found)


def _as_stored(array: NDArray[Any], settings: PyRadiomicsSet) -> NDArray[Any]:
    """Return the array in the type that PyRadiomics would read from the file.

    petnet keeps images as float32, PyRadiomics as they were stored.
    """
    if array.dtype == np.float16 or array.dtype.kind == "b":
        return array.astype(np.float32)
    if settings.modality == "CT" and settings.integer_ct and array.dtype.kind == "f":
        some = array[:: max(array.shape[0] // 8, 1)]
        if bool((np.rint(some) == some).all()) and bool((np.rint(array) == array).all()):
            return array.astype(np.int32)
    return array


def _on_grid(
    image: Volume, place: LabelBox, settings: PyRadiomicsSet, whole: Whole | None
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[float, float, float]]:
    """Return image and mask on the grid that is looked at, cut to what is."""
    box, spacing = place.box, image.spacing_mm
    if whole is None:
        return _as_stored(image.array[box], settings), place.within(box), spacing
    kept = box
    if settings.spacing_mm is not None:
        wanted = new_spacing(box, spacing, settings.spacing_mm)
        if wanted is not None:
            places = places_of_grid(box, image, wanted, settings.pad_distance)
            resampled = resample(whole.array, places, settings.interpolation)
            return resampled, resample_mask(place.within(box), box, places), wanted
        kept = grown(box, (settings.pad_distance,) * 3, whole.array.shape)
    elif settings.pre_crop and settings.image_type != "Original":
        kept = grown(box, (settings.pad_distance,) * 3, whole.array.shape)
    return whole.array[kept], place.within(kept), spacing


def _normalised(array: NDArray[Any], settings: PyRadiomicsSet) -> NDArray[np.float64]:
    values = array.astype(np.float64)
    values = (values - values.mean()) / values.std(ddof=1)
    if settings.remove_outliers is not None:
        np.clip(values, -settings.remove_outliers, settings.remove_outliers, out=values)
    scaled: NDArray[np.float64] = values * settings.normalise_scale
    return scaled


def _checked(inside: NDArray[np.bool_], settings: PyRadiomicsSet) -> Box:
    """Return the bounding box of a region that PyRadiomics accepts."""
    box = bounding_box(inside)
    if box is None:
        raise Refused("no voxel is left")
    dimensions = sum(part.stop - part.start > 1 for part in box)
    if dimensions == 0:
        raise Refused("one voxel")
    if dimensions < settings.minimum_dimensions:
        raise Refused(
            f"it extends along {dimensions} of the {settings.minimum_dimensions} axes that "
            "minimumROIDimensions asks for"
        )
    voxels = int(np.count_nonzero(inside))
    if settings.minimum_voxels is not None and voxels <= settings.minimum_voxels:
        raise Refused(f"{voxels} voxels, of which minimumROISize asks for more")
    return box


def _resegmented(
    array: NDArray[Any], inside: NDArray[np.bool_], settings: PyRadiomicsSet
) -> NDArray[np.bool_]:
    limits = sorted(settings.resegment or ())
    values = array[inside]
    if settings.resegment_mode == "relative":
        limits = [values.max() * limit for limit in limits]
    elif settings.resegment_mode == "sigma":
        mean, deviation = values.mean(), values.std()
        limits = [mean + deviation * limit for limit in limits]
    kept = inside & (array >= limits[0])
    if len(limits) == 2:
        kept &= array <= limits[1]
    if np.count_nonzero(kept) <= 1:
        raise Refused("re-segmentation leaves at most one voxel")
    return kept
