"""From images and masks to the regions and grey levels that one feature set computes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.featureset import ORIGINAL, FeatureSet
from petnet.radiomics.preprocess import (
    LabelBox,
    Levels,
    Region,
    Surroundings,
    discretise_fixed_bin_number,
    discretise_fixed_bin_size,
    prepare_region,
    resample_region,
    resample_whole,
    resampled_box,
    resegment,
)
from petnet.radiomics.region import SPHERE_RADIUS_MM, checked_values
from petnet.volume import Volume

if TYPE_CHECKING:
    from petnet.radiomics.filters import Filter

__all__ = ["discretise", "preparation_key", "prepare", "prepare_images"]


def preparation_key(feature_set: FeatureSet) -> tuple[Any, ...]:
    """Return what decides the regions of a set: sets with equal keys share them."""
    return (
        feature_set.modality,
        feature_set.spacing_mm,
        feature_set.interpolation,
        feature_set.mask_threshold,
        feature_set.round_hu,
        feature_set.resegment_range,
        feature_set.resegment_sigma,
        feature_set.filters,
        feature_set.original,
        _reach_of_features(feature_set),
    )


def prepare(
    image: Volume,
    mask: Volume | LabelBox,
    feature_set: FeatureSet,
    what: str,
    reach_mm: float | None = None,
) -> Region:
    """Crop, resample and re-segment one region of the unfiltered image as the feature set says.

    Parameters
    ----------
    reach_mm : float, optional
        How far the surroundings go beyond the box; by default as far as the set's features look.
    """
    _check_modality(image, feature_set, what)
    reach = _reach_of_features(feature_set) if reach_mm is None else reach_mm
    if feature_set.spacing_mm is None:
        region = prepare_region(image, mask, what, reach_mm=reach)
    else:
        settings = feature_set.spacing_mm, feature_set.interpolation, feature_set.round_hu
        tail = feature_set.mask_threshold, reach
        region = resample_region(image, mask, *settings, what, *tail)
    return _resegmented(region, feature_set)


def prepare_images(
    images: Sequence[Volume],
    masks: Sequence[Volume | LabelBox],
    feature_set: FeatureSet,
    names: Sequence[str],
) -> dict[str, list[Region]]:
    """Return the regions of many pairs on the original and on every filtered image.

    A filter sees the resampled image beyond the mask, as far as it reaches, or the whole of it.
    Re-segmentation looks at the unfiltered image alone (IBSI-2, doi:10.1148/radiol.231319).
    """
    made: dict[str, list[Region]] = {name: [] for name in feature_set.images}
    wholes = _WholeImages(feature_set)
    for image, mask, name in zip(images, masks, names, strict=True):
        if feature_set.original:
            made[ORIGINAL].append(prepare(image, mask, feature_set, name))
        for one, region in _filtered(image, mask, feature_set, name, wholes):
            made[one].append(region)
    return made


def _filtered(
    image: Volume, mask: Volume | LabelBox, feature_set: FeatureSet, what: str, wholes: _WholeImages
) -> Iterator[tuple[str, Region]]:
    """Yield name and region of every filter's response."""
    if not feature_set.filters:
        return
    from petnet.radiomics.filters import reach_voxels

    asked = feature_set.spacing_mm or (None, None, None)
    spacing = [
        old if new is None else new for old, new in zip(image.spacing_mm, asked, strict=True)
    ]
    reaches = [reach_voxels(one, spacing) for one in feature_set.filters]
    known = [n * mm for reach in reaches if reach for n, mm in zip(reach, spacing, strict=True)]
    region = prepare(image, mask, feature_set, what, max(known, default=0.0))
    for one, reach in zip(feature_set.filters, reaches, strict=True):
        if reach is None:
            yield one.name, wholes.response(image, mask, region, one, what)
        else:
            yield one.name, _response(region, one, reach)


def _response(region: Region, one: Filter, reach: tuple[int, int, int]) -> Region:
    """Filter as much of the surroundings as the filter reaches; what is no number is the mean."""
    from petnet.radiomics.filters import apply_filter

    around = region.surroundings or Surroundings(region.values, (0, 0, 0))  # of no reach
    box, tight = [], []
    sizes = zip(region.values.shape, around.corner, around.values.shape, reach, strict=True)
    for n, corner, size, far in sizes:
        start = max(corner - far, 0)
        box.append(slice(start, min(corner + n + far, size)))
        tight.append(slice(corner - start, corner - start + n))
    values = np.ascontiguousarray(around.values[tuple(box)], dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, region.values[region.morphological].mean())
    response = apply_filter(values, region.spacing_mm, one)[tuple(tight)]
    return replace(region, values=np.ascontiguousarray(response), surroundings=None)


class _WholeImages:
    """Responses of filters that look at the whole image: once per image, if it is all numbers.

    Those of the last image are kept: one float64 array of the whole grid per such filter.
    """

    def __init__(self, feature_set: FeatureSet) -> None:
        self._set = feature_set
        self._image: Volume | None = None
        self._finite = False
        self._responses: dict[Filter, NDArray[np.float64]] = {}

    def response(
        self, image: Volume, mask: Volume | LabelBox, region: Region, one: Filter, what: str
    ) -> Region:
        """Put what the filter makes of the whole resampled image into the region of the mask."""
        from petnet.radiomics.filters import apply_filter

        if image is not self._image:
            self._image, self._responses = image, {}
            self._finite = bool(np.isfinite(image.array).all())
        grid, threshold = (self._set.spacing_mm, self._set.interpolation), self._set.mask_threshold
        response = self._responses.get(one)
        if response is None:
            whole = resample_whole(image, mask, *grid, self._set.round_hu, what, threshold)
            response = apply_filter(whole.values, whole.spacing_mm, one)
            if self._finite:
                self._responses[one] = response
        box = resampled_box(image, mask, *grid, what, threshold)
        values = checked_values(response[box], region.morphological, what)
        return replace(region, values=values, surroundings=None)


def _reach_of_features(feature_set: FeatureSet) -> float:
    """Return how far the features of a set look beyond the region, in mm."""
    return SPHERE_RADIUS_MM if "local" in feature_set.families else 0.0


def _resegmented(region: Region, feature_set: FeatureSet) -> Region:
    return resegment(region, feature_set.kept_range, feature_set.resegment_sigma)


def _check_modality(image: Volume, feature_set: FeatureSet, what: str) -> None:
    if image.modality != feature_set.modality:
        expected = f"{feature_set.modality} for {feature_set.name}"
        raise InputError(what, "modality", expected, image.modality)


def discretise(region: Region, feature_set: FeatureSet) -> Levels:
    """Turn intensities into grey levels as the feature set says."""
    if feature_set.bins is not None:
        return discretise_fixed_bin_number(region, feature_set.bins)
    if feature_set.bin_width is None or feature_set.lower_bound is None:
        raise InputError(feature_set.name, "discretisation", "a bin number or size", "none")
    return discretise_fixed_bin_size(region, feature_set.bin_width, feature_set.lower_bound)
