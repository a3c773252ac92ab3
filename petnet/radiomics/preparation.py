"""From images and masks to the regions and grey levels that one feature set computes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from petnet.errors import InputError
from petnet.radiomics.featureset import ORIGINAL, FeatureSet
from petnet.radiomics.preprocess import (
    LabelBox,
    Levels,
    Region,
    crop,
    discretise_fixed_bin_number,
    discretise_fixed_bin_size,
    prepare_region,
    resample_region,
    resample_whole,
    resegment,
)
from petnet.radiomics.region import SPHERE_RADIUS_MM
from petnet.volume import Volume

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
        reach_mm(feature_set),
    )


def prepare(image: Volume, mask: Volume | LabelBox, feature_set: FeatureSet, what: str) -> Region:
    """Crop, resample and re-segment one region of the unfiltered image as the feature set says."""
    _check_modality(image, feature_set, what)
    if feature_set.spacing_mm is None:
        region = prepare_region(image, mask, what, reach_mm=reach_mm(feature_set))
    else:
        settings = feature_set.spacing_mm, feature_set.interpolation, feature_set.round_hu
        tail = feature_set.mask_threshold, reach_mm(feature_set)
        region = resample_region(image, mask, *settings, what, *tail)
    return _resegmented(region, feature_set)


def prepare_images(
    images: Sequence[Volume],
    masks: Sequence[Volume | LabelBox],
    feature_set: FeatureSet,
    names: Sequence[str],
) -> dict[str, list[Region]]:
    """Return the regions of many pairs on the original and on every filtered image.

    Filters see the whole image on its new grid, not rounded off at the mask; their responses are
    computed once per image, however many masks it has. Re-segmentation looks at the unfiltered
    image alone (IBSI-2, doi:10.1148/radiol.231319).
    """
    if not feature_set.filters:
        pairs = zip(images, masks, names, strict=True)
        return {ORIGINAL: [prepare(i, m, feature_set, name) for i, m, name in pairs]}
    made: dict[str, list[Region | None]] = {
        name: [None] * len(images) for name in feature_set.images
    }
    for rows in _same_image(images):
        for row, name, region in _filtered(images[rows[0]], masks, rows, feature_set, names):
            made[name][row] = region
    return {name: [r for r in regions if r is not None] for name, regions in made.items()}


def _same_image(images: Sequence[Volume]) -> Iterator[list[int]]:
    rows: dict[int, list[int]] = {}
    for row, image in enumerate(images):
        rows.setdefault(id(image), []).append(row)
    yield from rows.values()


def _filtered(
    image: Volume,
    masks: Sequence[Volume | LabelBox],
    rows: Sequence[int],
    feature_set: FeatureSet,
    names: Sequence[str],
) -> Iterator[tuple[int, str, Region]]:
    """Yield row, image name and region of every mask of one image."""
    from petnet.radiomics.filters import apply_filter

    _check_modality(image, feature_set, names[rows[0]])
    wholes = {}
    for row in rows:
        settings = feature_set.spacing_mm, feature_set.interpolation, feature_set.round_hu
        whole = resample_whole(image, masks[row], *settings, names[row], feature_set.mask_threshold)
        wholes[row] = _resegmented(whole, feature_set)
        if feature_set.original:
            yield row, ORIGINAL, crop(wholes[row], reach_mm=reach_mm(feature_set))
    first = wholes[rows[0]]
    for one in feature_set.filters:
        response = apply_filter(first.values, first.spacing_mm, one)
        for row in rows:
            yield row, one.name, crop(wholes[row], response, reach_mm=0.0)


def reach_mm(feature_set: FeatureSet) -> float:
    """Return how far the features of a set look beyond the region."""
    return SPHERE_RADIUS_MM if "local" in feature_set.families else 0.0


def _resegmented(region: Region, feature_set: FeatureSet) -> Region:
    bounds = feature_set.resegment_range
    range_ = (bounds[0], bounds[1]) if bounds is not None else None
    return resegment(region, range_, feature_set.resegment_sigma)


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
