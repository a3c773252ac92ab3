"""From an image and a mask to what PyRadiomics computes features on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.labels import Box, LabelBox, bounding_box, grown, locate
from petnet.radiomics.pyradiomics.image_types import filtered
from petnet.radiomics.pyradiomics.settings import PyRadiomicsSet
from petnet.volume import Volume, check_same_grid

__all__ = ["Refused", "View", "prepare"]


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


def prepare(image: Volume, mask: Volume | LabelBox, settings: PyRadiomicsSet, what: str) -> View:
    """Normalise, resample, crop, re-segment and filter as PyRadiomics does.

    Raises
    ------
    InputError
        Another modality than the set's, different grids, an empty mask, or a value that is no
        finite number where one is needed: inside the mask, or anywhere for a filter.
    Refused
        PyRadiomics refuses the region: too small, too flat, or lost on the way.
    """
    if image.modality != settings.modality:
        expected = f"{settings.modality} for {settings.name}"
        raise InputError(what, "modality", expected, image.modality)
    place = locate(mask, what)
    check_same_grid(image, place.volume, f"{what}: mask and image")
    array, inside, spacing = _on_grid(_as_stored(image, settings), place, image, settings)
    box = _checked(inside, settings)
    kept = inside
    if settings.resegment is not None:
        kept = _resegmented(array, inside, settings)
        box = _checked(kept, settings)
    if not np.isfinite(array[inside] if settings.image_type == "Original" else array).all():
        where = "inside the mask" if settings.image_type == "Original" else "around the mask"
        raise InputError(what, f"intensities {where}", "finite numbers", "NaN or infinity")
    images = {
        name: np.ascontiguousarray(made[box])
        for name, made in filtered(array, spacing, settings, what)
    }
    shape = kept if settings.resegment_shape else inside
    # PyRadiomics crops the whole mask, too, to the box of what re-segmentation left
    return View(images, np.ascontiguousarray(kept[box]), np.ascontiguousarray(shape[box]), spacing)


def _as_stored(image: Volume, settings: PyRadiomicsSet) -> NDArray[Any]:
    """Return the array in the type that PyRadiomics would read from the file.

    petnet keeps images as float32. A CT of whole numbers was a file of integers, which PyRadiomics
    keeps; that matters where values in between are rounded or edges of bins are.
    """
    array = image.array
    if array.dtype == np.float16 or array.dtype.kind == "b":
        return array.astype(np.float32)
    rounds = settings.spacing_mm is not None or settings.bins is not None
    rounds |= settings.image_type == "Wavelet"
    if image.modality == "CT" and array.dtype.kind == "f" and rounds:
        some = array.ravel(order="K")[:: max(array.size // 1000, 1)]
        if bool((np.rint(some) == some).all()) and bool((np.rint(array) == array).all()):
            return array.astype(np.int32)
    return array


def _on_grid(
    array: NDArray[Any], place: LabelBox, image: Volume, settings: PyRadiomicsSet
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[float, float, float]]:
    """Normalise the image, bring it to its grid and cut it to what is looked at."""
    spacing = image.spacing_mm
    if settings.normalise:
        array = _normalised(array, settings)
    if settings.spacing_mm is not None:
        from petnet.radiomics.pyradiomics.resampling import resample

        whole = place.within((slice(None),) * 3)
        wanted = settings.spacing_mm, settings.interpolation, settings.pad_distance
        return resample(array, whole, place.box, spacing, *wanted)
    kept: Box = (slice(None),) * 3
    if settings.image_type == "Original":
        kept = place.box
    elif settings.pre_crop:
        kept = grown(place.box, (settings.pad_distance,) * 3, array.shape)
    return array[kept], place.within(kept), spacing


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
