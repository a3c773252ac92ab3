"""From images and masks to a table of features, many regions at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from petnet.errors import InputError
from petnet.radiomics.catalogue import FAMILY_CODES, Feature, features_of
from petnet.radiomics.featureset import VERSION, FeatureSet
from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.kernels.dispatch import glcm_batches, resolve_device, returning_memory
from petnet.radiomics.morphology import morphology_features
from petnet.radiomics.preprocess import (
    Levels,
    Region,
    discretise_fixed_bin_number,
    discretise_fixed_bin_size,
    prepare_region,
    resample_region,
    resegment,
)
from petnet.radiomics.texture import glcm_features
from petnet.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

    from petnet.devices import Device

__all__ = ["FeatureSet", "columns", "extract", "extract_batch", "provenance"]

IMAGE = "original"
INTENSITY_UNIT = {"PT": "SUV", "CT": "HU"}


def _columns(feature_set: FeatureSet) -> Iterator[tuple[str, Feature, str | None]]:
    """Yield column, feature and aggregation in the order of the table."""
    for family in feature_set.families:
        stem = f"{feature_set.name}__{IMAGE}_{family}"
        aggregations = feature_set.aggregations if family == "glcm" else (None,)
        for aggregation in aggregations:
            for feature in features_of(family):
                column = f"{stem}_{feature.name}"
                yield f"{column}_{aggregation}" if aggregation else column, feature, aggregation


def columns(feature_set: FeatureSet) -> list[str]:
    """Return the columns `extract_batch` gives: {set}__{image}_{family}_{feature}_{aggregation}."""
    return [column for column, _, _ in _columns(feature_set)]


def provenance(feature_set: FeatureSet) -> dict[str, Any]:
    """Describe every column: IBSI codes, unit and aggregation; the settings, hash and versions."""
    from dataclasses import asdict
    from importlib.metadata import version

    import petnet

    unit = INTENSITY_UNIT[feature_set.modality]
    libraries = ("numpy", "scipy", "numba", "array-api-compat")
    return {
        "feature_set": asdict(feature_set),
        "hash": feature_set.hash,
        "versions": {
            "petnet": petnet.__version__,
            "calculation": VERSION,
            **{name: version(name) for name in libraries},
        },
        "columns": {
            column: {
                "feature": feature.name,
                "ibsi_code": feature.code,
                "ibsi_family_code": FAMILY_CODES[feature.family],
                "family": feature.family,
                "aggregation": aggregation,
                "unit": feature.unit.format(intensity=unit),
            }
            for column, feature, aggregation in _columns(feature_set)
        },
    }


def extract(
    image: Volume, mask: Volume, feature_set: FeatureSet, device: str = "auto"
) -> dict[str, float]:
    """Compute the features of one region; `extract_batch` of a single pair.

    Parameters
    ----------
    image, mask : Volume
        On the same grid; the region is where the mask is not zero.

    Returns
    -------
    dict of column to value
    """
    row = extract_batch([image], [mask], feature_set, device).iloc[0]
    return {str(column): float(value) for column, value in row.items()}


def extract_batch(
    images: Sequence[Volume],
    masks: Sequence[Volume],
    feature_set: FeatureSet,
    device: str = "auto",
    ids: Sequence[Any] | None = None,
) -> pd.DataFrame:
    """Compute the features of many regions, counted together.

    Parameters
    ----------
    images, masks : sequences of Volume, of equal length
        One pair per region; the same image may stand in many pairs.
    device : {"auto", "cpu", "cuda"}
        Where the counting and the texture formulas run.
    ids : sequence, optional
        Index of the table and name of each region in messages; 0, 1, ... by default.

    Returns
    -------
    DataFrame
        One row per region, in the order given, and the columns of `columns(feature_set)`. Undefined
        is NaN: see `glcm_features`, `intensity_statistics` and `morphology_features`; texture and
        statistics of a region of which re-segmentation leaves nothing.

    Raises
    ------
    InputError
        Another modality than the set's, different grids, an empty mask, NaN or infinity inside it,
        a region lost in resampling, more than 1024 grey levels, CUDA asked for in vain, or too
        little free memory on the CUDA device.
    """
    import pandas as pd

    if not len(images) == len(masks) == len(masks if ids is None else ids):
        lengths = f"{len(images)}, {len(masks)}, {'-' if ids is None else len(ids)}"
        raise InputError("extraction", "images, masks, ids", "the same number of each", lengths)
    chosen = resolve_device(device)
    index = list(range(len(images)) if ids is None else ids)
    names = columns(feature_set)
    table = np.full((len(index), len(names)), np.nan)
    place = {name: k for k, name in enumerate(names)}
    levels: list[Levels] = []
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        region = prepare(image, mask, feature_set, f"region {index[row]}")
        for name, value in _region_features(region, feature_set).items():
            table[row, place[name]] = value
        if feature_set.has_levels:
            levels.append(discretise(region, feature_set))
    with returning_memory(chosen):
        for rows, name, values in _texture_features(levels, feature_set, chosen, index):
            table[rows, place[name]] = values
    return pd.DataFrame(table, index=pd.Index(index, name="id"), columns=names)


def prepare(image: Volume, mask: Volume, feature_set: FeatureSet, what: str) -> Region:
    """Crop, resample and re-segment one region as the feature set says."""
    if image.modality != feature_set.modality:
        raise InputError(
            what, "modality", f"{feature_set.modality} for {feature_set.name}", image.modality
        )
    if feature_set.spacing_mm is None:
        region = prepare_region(image, mask, what)
    else:
        settings = feature_set.spacing_mm, feature_set.interpolation, feature_set.round_hu
        region = resample_region(image, mask, *settings, what)
    bounds = feature_set.resegment_range
    return resegment(
        region, (bounds[0], bounds[1]) if bounds is not None else None, feature_set.resegment_sigma
    )


def discretise(region: Region, feature_set: FeatureSet) -> Levels:
    """Turn intensities into grey levels as the feature set says."""
    if feature_set.bins is not None:
        return discretise_fixed_bin_number(region, feature_set.bins)
    if feature_set.bin_width is None or feature_set.lower_bound is None:
        raise InputError(feature_set.name, "discretisation", "a bin number or size", "none")
    return discretise_fixed_bin_size(region, feature_set.bin_width, feature_set.lower_bound)


def _region_features(region: Region, feature_set: FeatureSet) -> dict[str, float]:
    """Families that are computed region by region."""
    stem = f"{feature_set.name}__{IMAGE}"
    found: dict[str, float] = {}
    if "stat" in feature_set.families:
        values = intensity_statistics(region.values[region.intensity])
        found |= {f"{stem}_stat_{name}": value for name, value in values.items()}
    if "morph" in feature_set.families:
        found |= {f"{stem}_morph_{n}": v for n, v in morphology_features(region).items()}
    return found


def _texture_features(
    levels: Sequence[Levels], feature_set: FeatureSet, device: Device, ids: Sequence[Any]
) -> Iterator[tuple[Any, str, Any]]:
    """Families that are counted for many regions at once: rows, column and values."""
    if not levels or "glcm" not in feature_set.families:
        return
    from array_api_compat import array_namespace

    from petnet.radiomics.kernels.cuda import to_host

    n_levels = np.array([level.n_levels for level in levels], dtype=np.int64)
    names = [f"region {name}" for name in ids]
    for batch in glcm_batches([level.array for level in levels], n_levels, device, names=names):
        of_batch = array_namespace(batch.counts).asarray(n_levels[batch.index])
        for aggregation in feature_set.aggregations:
            for name, values in glcm_features(batch.counts, of_batch, aggregation).items():
                column = f"{feature_set.name}__{IMAGE}_glcm_{name}_{aggregation}"
                yield batch.index, column, to_host(values)
