"""Columns of PyRadiomics and their values, for many regions at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.catalogue import FAMILY_CODES, TEXTURE_FAMILIES
from petnet.radiomics.featureset import ORIGINAL, FeatureSet
from petnet.radiomics.kernels.dispatch import LevelRegions, texture_batches
from petnet.radiomics.kernels.threads import run_all
from petnet.radiomics.preprocess import LabelBox, Levels
from petnet.radiomics.pyradiomics.definitions import discretise, first_order, texture_values
from petnet.radiomics.pyradiomics.image_types import image_names
from petnet.radiomics.pyradiomics.images import Refused, View, Whole, prepare, whole_image
from petnet.radiomics.pyradiomics.names import CLASS_OF_FAMILY, FAMILY_OF_CLASS, Definition
from petnet.radiomics.pyradiomics.settings import PyRadiomicsSet, settings_of
from petnet.radiomics.pyradiomics.shape import shape_features
from petnet.volume import Volume

if TYPE_CHECKING:
    from petnet.devices import Device

__all__ = ["compute", "described", "names"]

log = logging.getLogger(__name__)
INTENSITY_UNIT = {"PT": "SUV", "CT": "HU"}
BINS = {
    True: "bins counted from that of the region's minimum, edges at multiples of the width",
    False: "edges of bins as numpy.histogram makes them; a flat region lies in the middle bin",
}


@dataclass(frozen=True)
class _Column:
    """A column: its name, the image and the definition."""

    name: str
    image: str
    definition: Definition


def _columns(settings: PyRadiomicsSet) -> Iterator[_Column]:
    """Yield the columns of a set: the shape first, then image by image."""
    rows = settings.definitions
    if settings.image_type == "Original" or settings.families == ("morph",):
        for row in rows:
            if row.radiomics_class == "shape":
                yield _Column(f"{settings.name}__original_{row.key}", ORIGINAL, row)
    if settings.families == ("morph",):
        return
    for image in image_names(settings):
        for row in rows:
            if row.radiomics_class != "shape":
                yield _Column(f"{settings.name}__{image}_{row.key}", image, row)


def names(feature_set: FeatureSet) -> list[str]:
    """Return the names of the columns: PyRadiomics' behind the set's.

    Raises
    ------
    InputError
        The set has settings that PyRadiomics does not know.
    """
    return [column.name for column in _columns(settings_of(feature_set))]


def described(feature_set: FeatureSet) -> dict[str, dict[str, Any]]:
    """Describe every column: PyRadiomics' class and feature, IBSI code, difference and unit."""
    settings = settings_of(feature_set)
    return {
        column.name: {
            "feature": column.definition.name,
            "pyradiomics_class": column.definition.radiomics_class,
            "family": FAMILY_OF_CLASS[column.definition.radiomics_class],
            "ibsi_code": column.definition.ibsi.code if column.definition.ibsi else None,
            "ibsi_family_code": (
                FAMILY_CODES[column.definition.ibsi.family] if column.definition.ibsi else None
            ),
            "image": column.image,
            "aggregation": _aggregation(column.definition, settings),
            "differs_from_ibsi": _difference(column.definition, settings),
            "unit": _unit(column, settings),
            "least_voxels": column.definition.least_voxels,
            "least_levels": column.definition.least_levels,
        }
        for column in _columns(settings)
    }


def _aggregation(row: Definition, settings: PyRadiomicsSet) -> str | None:
    if row.radiomics_class in ("shape", "firstorder"):
        return None
    whole: str = settings.aggregations[0]
    return whole if row.radiomics_class in ("glcm", "glrlm") else whole.rsplit("_", 1)[0]


def _difference(row: Definition, settings: PyRadiomicsSet) -> str | None:
    """Say how the feature differs from IBSI's, its bins included."""
    parts = [row.differs] if row.differs else []
    on_levels = row.radiomics_class not in ("shape", "firstorder")
    if on_levels or row.name in ("Entropy", "Uniformity"):
        parts.append(BINS[settings.bins is None])
    return "; ".join(parts) or None


def _unit(column: _Column, settings: PyRadiomicsSet) -> str:
    plain = column.image == ORIGINAL and not settings.normalise
    intensity = INTENSITY_UNIT[settings.modality] if plain else "response"
    return column.definition.unit.format(intensity=intensity)


def compute(
    images: Sequence[Volume],
    masks: Sequence[Volume | LabelBox],
    feature_set: FeatureSet,
    device: Device,
    names: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Compute PyRadiomics' features of many regions, counted together.

    Parameters
    ----------
    images, masks : sequences of Volume, of equal length
    feature_set : FeatureSet
        With naming=pyradiomics.
    device : {"cpu", "cuda"}
        Where texture is counted.
    names : sequence of str
        What to call the regions in messages.

    Returns
    -------
    values : (R, F) float64
        In the order of `names`. A region for which PyRadiomics computes nothing (one voxel, or
        below minimumROIDimensions, minimumROISize) has NaN everywhere, and the log says so.
    flagged : (R, F) bool
        The region has fewer voxels or levels than the feature needs to mean anything, or
        PyRadiomics computes nothing for it.

    Raises
    ------
    InputError
        As `prepare`; more than 1024 grey levels; settings that PyRadiomics does not know.
    """
    settings = settings_of(feature_set)
    columns = list(_columns(settings))
    place = {(c.image, c.definition.key): k for k, c in enumerate(columns)}
    values = np.full((len(images), len(columns)), np.nan)
    flagged = np.ones(values.shape, dtype=np.bool_)

    jobs = []
    for rows in _rows_together(images, settings):
        whole = whole_image(images[rows[0]], settings, names[rows[0]])

        def of_pair(k: int, whole: Whole | None = whole) -> _Region | None:
            return _of_pair(images[k], masks[k], names[k], settings, columns, whole)

        for row, one in zip(rows, run_all(of_pair, rows), strict=True):
            if one is not None:
                _put(values[row], place, one.values)
                flagged[row] = one.flagged
                jobs += [(row, image, levels) for image, levels in one.levels.items()]
    for batch, of_batch in _textures(jobs, settings, device, names):
        for k, job in enumerate(batch):
            row, image, _ = jobs[job]
            _put(values[row], place, {(image, key): v[k] for key, v in of_batch.items()})
    return values, flagged


def _rows_together(images: Sequence[Volume], settings: PyRadiomicsSet) -> list[list[int]]:
    """Return the rows of each image where they share something of it, else all rows."""
    if not settings.needs_whole:
        return [list(range(len(images)))] if images else []
    rows: dict[int, list[int]] = {}
    for row, image in enumerate(images):
        rows.setdefault(id(image), []).append(row)
    return list(rows.values())


def _put(
    row: NDArray[np.float64], place: dict[tuple[str, str], int], found: dict[tuple[str, str], float]
) -> None:
    for key, value in found.items():
        if key in place:  # not asked for
            row[place[key]] = value


@dataclass(frozen=True, eq=False)
class _Region:
    """What is computed region by region: values by image and key, levels by image, flags (F,)."""

    values: dict[tuple[str, str], float]
    levels: dict[str, Levels]
    flagged: NDArray[np.bool_]


def _of_pair(
    image: Volume,
    mask: Volume | LabelBox,
    name: str,
    settings: PyRadiomicsSet,
    columns: Sequence[_Column],
    whole: Whole | None,
) -> _Region | None:
    """Compute a region's features but for texture; None where PyRadiomics refuses it."""
    try:
        view = prepare(image, mask, settings, name, whole)
    except Refused as reason:
        log.warning("%s: PyRadiomics computes nothing for it: %s", name, reason)
        return None
    found: dict[tuple[str, str], float] = {}
    if "morph" in settings.families:
        for feature, value in shape_features(view.shape, view.spacing_mm).items():
            found[ORIGINAL, f"shape_{feature}"] = value
    levels: dict[str, Levels] = {}
    on_levels = settings.families != ("morph",)
    for kind, values in view.images.items() if on_levels else ():
        levels[kind] = discretise(values, view.inside, settings)
        if "stat" in settings.families:
            counts = np.bincount(levels[kind].array[view.inside])
            inside = values[view.inside].astype(np.float64)
            volume, shift = math.prod(view.spacing_mm), settings.voxel_array_shift
            features = first_order(inside, counts, volume, shift)
            found |= {(kind, f"firstorder_{key}"): value for key, value in features.items()}
    return _Region(found, levels, _flags(columns, view, levels))


def _flags(columns: Sequence[_Column], view: View, levels: dict[str, Levels]) -> NDArray[np.bool_]:
    """Return which columns lie below the gate of their feature."""
    voxels = np.count_nonzero(view.inside)
    occupied = {
        image: np.count_nonzero(np.bincount(binned.array.ravel())[1:])
        for image, binned in levels.items()
    }

    def below(column: _Column) -> bool:
        row = column.definition
        if row.radiomics_class == "shape":
            return bool(np.count_nonzero(view.shape) < row.least_voxels)
        return bool(voxels < row.least_voxels or occupied.get(column.image, 0) < row.least_levels)

    return np.array([below(column) for column in columns], dtype=np.bool_)


def _turned(array: NDArray[Any], settings: PyRadiomicsSet) -> NDArray[Any]:
    """Bring the axis across which nothing is looked at to the end, where kernels have slices."""
    axis = 2 - settings.force_2d_dimension if settings.force_2d else 2
    return np.ascontiguousarray(np.moveaxis(array, axis, 2))


def _textures(
    jobs: Sequence[tuple[int, str, Levels]],
    settings: PyRadiomicsSet,
    device: Device,
    names: Sequence[str],
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]]:
    """Yield texture features of some jobs at a time: which, and values by key."""
    families = [f for f in CLASS_OF_FAMILY if f in settings.families and f in TEXTURE_FAMILIES]
    if not families:
        return
    levels = [_turned(binned.array, settings) for _, _, binned in jobs]
    regions = LevelRegions(
        levels,
        [array > 0 for array in levels],
        np.array([binned.n_levels for _, _, binned in jobs], dtype=np.int64),
        [names[row] if i == ORIGINAL else f"{names[row]}, {i}" for row, i, _ in jobs],
    )
    for batch in texture_batches(
        regions, families, settings.aggregations, device, alpha=settings.ngldm_alpha
    ):
        counted = [levels[k] for k in batch.index]
        yield (
            batch.index,
            texture_values(
                batch.counts,
                regions.n_levels[batch.index],
                batch.packed.slice_starts,
                counted,
                settings,
            ),
        )
