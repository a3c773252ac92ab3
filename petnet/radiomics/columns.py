"""The columns of a feature set: their names and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.catalogue import (
    AUTOCORRELATION,
    FAMILY_CODES,
    TEXTURE_FAMILIES,
    Family,
    Feature,
    features_of,
)
from petnet.radiomics.featureset import ORIGINAL, UNFILTERED_FAMILIES, VERSION, FeatureSet
from petnet.radiomics.texture import aggregations_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "Layout", "columns", "columns_of", "layout_of", "provenance", "titles_of"]

INTENSITY_UNIT = {"PT": "SUV", "CT": "HU"}
LIBRARIES = ("numpy", "scipy", "numba", "array-api-compat")


@dataclass(frozen=True)
class Column:
    """A column: the feature, the image it is computed on, and how it is aggregated."""

    name: str
    feature: Feature
    image: str
    aggregation: str | None


def columns_of(feature_set: FeatureSet) -> Iterator[Column]:
    """Yield the columns of a set in the order of the table.

    Named {set}__{image}_{family}_{feature}_{aggregation}, the last part for texture alone.
    """
    for image in feature_set.images:
        for family in feature_set.families:
            if image != ORIGINAL and family in UNFILTERED_FAMILIES:
                continue
            for aggregation in _aggregations(family, feature_set):
                for feature in features_of(family):
                    if feature.name in AUTOCORRELATION and not feature_set.autocorrelation:
                        continue
                    name = f"{feature_set.name}__{image}_{family}_{feature.name}"
                    suffix = f"_{aggregation}" if aggregation else ""
                    yield Column(name + suffix, feature, image, aggregation)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the features of a set stand in its table, and their gates.

    Attributes
    ----------
    columns : tuple of Column
    place : dict
        Number of the column by image, family, name and aggregation.
    image : (F,) int64
        Number of the column's image in `FeatureSet.images`.
    of_shape : (F,) bool
        Whether the voxels of the morphological mask count, rather than those of the intensity mask.
    least_voxels, least_levels : (F,) int64
        Levels are 0 where there are none to count.
    """

    columns: tuple[Column, ...]
    place: dict[tuple[str, Family, str, str | None], int]
    image: NDArray[np.int64]
    of_shape: NDArray[np.bool_]
    least_voxels: NDArray[np.int64]
    least_levels: NDArray[np.int64]


@lru_cache(maxsize=256)
def layout_of(feature_set: FeatureSet) -> Layout:
    """Return the layout of a set; kept, since small regions take less time than it does."""
    listed = tuple(columns_of(feature_set))
    features = [column.feature for column in listed]
    images = feature_set.images
    return Layout(
        listed,
        {
            (c.image, c.feature.family, c.feature.name, c.aggregation): k
            for k, c in enumerate(listed)
        },
        np.array([images.index(column.image) for column in listed], dtype=np.int64),
        np.array([feature.family == "morph" for feature in features], dtype=bool),
        np.array([feature.least_voxels for feature in features], dtype=np.int64),
        np.array(
            [f.least_levels if f.family in TEXTURE_FAMILIES else 0 for f in features],
            dtype=np.int64,
        ),
    )


def _aggregations(family: Family, feature_set: FeatureSet) -> tuple[str | None, ...]:
    if family not in TEXTURE_FAMILIES:
        return (None,)
    return aggregations_of(family, feature_set.aggregations)


def columns(feature_set: FeatureSet) -> list[str]:
    """Return the names of the columns of a set."""
    if feature_set.naming == "pyradiomics":
        from petnet.radiomics.pyradiomics import names

        return names(feature_set)
    return [column.name for column in layout_of(feature_set).columns]


@lru_cache(maxsize=256)
def titles_of(feature_sets: tuple[FeatureSet, ...]) -> pd.Index:
    """Return the columns of sets one after the other; kept as `layout_of` is. Hand out views."""
    import pandas as pd

    return pd.Index([name for one in feature_sets for name in columns(one)])


def provenance(feature_set: FeatureSet) -> dict[str, Any]:
    """Describe every column: IBSI codes, unit and aggregation; the settings, hash and versions."""
    from importlib.metadata import version

    import petnet

    return {
        "feature_set": asdict(feature_set)
        | {"filters": [{"kind": type(one).__name__} | asdict(one) for one in feature_set.filters]},
        "hash": feature_set.hash,
        "versions": {
            "petnet": petnet.__version__,
            "calculation": VERSION,
            **{name: version(name) for name in LIBRARIES},
        },
        "columns": _described(feature_set),
    }


def _described(feature_set: FeatureSet) -> dict[str, dict[str, Any]]:
    if feature_set.naming == "pyradiomics":
        from petnet.radiomics.pyradiomics import described

        return described(feature_set)
    return {
        column.name: {
            "feature": column.feature.name,
            "ibsi_code": column.feature.code,
            "ibsi_family_code": FAMILY_CODES[column.feature.family],
            "family": column.feature.family,
            "image": column.image,
            "aggregation": column.aggregation,
            "unit": unit_of(column, feature_set),
            "least_voxels": column.feature.least_voxels,
            "least_levels": column.feature.least_levels,
        }
        for column in columns_of(feature_set)
    }


def unit_of(column: Column, feature_set: FeatureSet) -> str:
    """Return the unit of a column; a filter's response has none that its name could say."""
    intensity = INTENSITY_UNIT[feature_set.modality]
    if column.image != ORIGINAL:
        intensity = "response"
    # IBSI gives intensities of a histogram with a fixed number of bins as those bins; responses
    # always have one
    binned = feature_set.ivh_bins is not None or column.image != ORIGINAL
    ivh = "bin" if binned else intensity
    return column.feature.unit.format(intensity=intensity, ivh=ivh)
