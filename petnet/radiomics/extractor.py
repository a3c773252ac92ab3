"""From images and masks to a table of features, many regions at a time.

The same preparation serves every feature set that asks for it. All regions, filtered images and
discretisations of a call are counted together, while shape and intensities are computed beside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.catalogue import FAMILIES, TEXTURE_FAMILIES, Family
from petnet.radiomics.columns import columns, layout_of, provenance, titles_of
from petnet.radiomics.featureset import ORIGINAL, FeatureSet
from petnet.radiomics.histogram import histogram_features
from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.ivh import ivh_features
from petnet.radiomics.kernels.cuda import to_host
from petnet.radiomics.kernels.dispatch import (
    LevelRegions,
    TextureBatch,
    resolve_device,
    returning_memory,
    texture_batches,
)
from petnet.radiomics.morphology import ShapeSums, morphology_batch, shape_sums
from petnet.radiomics.peak import peak_features
from petnet.radiomics.preparation import discretise, preparation_key, prepare, prepare_images
from petnet.radiomics.preprocess import LabelBox, Levels, Region, split_labels
from petnet.radiomics.texture import Aggregation, texture_table
from petnet.radiomics.warm import compile_kernels
from petnet.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

    from petnet.devices import Device

__all__ = [
    "Extraction",
    "FeatureSet",
    "columns",
    "discretise",
    "extract",
    "extract_batch",
    "extract_labels",
    "extract_regions",
    "prepare",
    "provenance",
]

Prepared = dict[str, list[Region]]  # by image, a region per row
WORTH_A_THREAD = 100_000  # voxels of a box
IVH_BINS = 1000  # IBSI's choice for intensities in arbitrary units


@dataclass(frozen=True, eq=False)
class Extraction:
    """Features of many regions.

    Attributes
    ----------
    table : DataFrame
        (R, F) float64, one row per region.
    flagged : DataFrame
        (R, F) bool: the region has fewer voxels or occupied grey levels than the feature needs to
        mean anything (`Feature.least_voxels`, `Feature.least_levels`). The value is given all the
        same.
    """

    table: pd.DataFrame
    flagged: pd.DataFrame


class _Table:
    """The values and flags of one set while they are made."""

    def __init__(self, feature_set: FeatureSet, rows: int) -> None:
        self.set = feature_set
        self.layout = layout_of(feature_set)
        self.values = np.full((rows, len(self.layout.columns)), np.nan)
        self.voxels = np.zeros((rows, 2), dtype=np.int64)  # intensity mask, morphological mask
        self.levels = np.zeros((rows, len(feature_set.images)), dtype=np.int64)

    def put(self, row: int, image: str, family: Family, found: Mapping[str, float]) -> None:
        """Lay the features of a family without aggregations into a row."""
        place = self.layout.place
        for name, value in found.items():
            k = place.get((image, family, name, None))
            if k is not None:  # not asked for
                self.values[row, k] = value

    def places(self, image: str, wanted: Sequence[tuple[Family, str, str]]) -> NDArray[np.int64]:
        """Return the columns of texture features of an image."""
        place = self.layout.place
        return np.array([place[image, *column] for column in wanted], dtype=np.int64)

    def put_levels(self, row: int, image: str, occupied: int) -> None:
        """Note how many grey levels occur in a region."""
        self.levels[row, self.set.images.index(image)] = occupied

    def flagged(self) -> NDArray[np.bool_]:
        """Return which values lie below the gate of their feature."""
        layout = self.layout
        voxels = np.where(layout.of_shape, self.voxels[:, 1:], self.voxels[:, :1])
        few = voxels < layout.least_voxels
        flagged: NDArray[np.bool_] = few | (self.levels[:, layout.image] < layout.least_levels)
        return flagged


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
    masks: Sequence[Volume | LabelBox],
    feature_set: FeatureSet | Sequence[FeatureSet],
    device: str = "auto",
    ids: Sequence[Any] | None = None,
) -> pd.DataFrame:
    """Return the table of `extract_regions`."""
    return extract_regions(images, masks, feature_set, device, ids).table


def extract_regions(
    images: Sequence[Volume],
    masks: Sequence[Volume | LabelBox],
    feature_sets: FeatureSet | Sequence[FeatureSet],
    device: str = "auto",
    ids: Sequence[Any] | None = None,
) -> Extraction:
    """Compute the features of many regions, counted together.

    Parameters
    ----------
    images, masks : sequences of Volume, of equal length
        One pair per region; the same image may stand in many pairs.
    feature_sets : FeatureSet or sequence of FeatureSet
        All of the modality of the images.
    device : {"auto", "cpu", "cuda"}
        Where the counting and the texture formulas run.
    ids : sequence, optional
        Index of the table and name of each region in messages; 0, 1, ... by default.

    Returns
    -------
    Extraction
        One row per region, in the order given, and the columns of each set one after the other.
        Undefined is NaN: see the families; texture and statistics of a region of which
        re-segmentation leaves nothing.

    Raises
    ------
    InputError
        Sets of one name, another modality than the set's, different grids, an empty mask or NaN in
        it, NaN or infinity inside it, a region lost in resampling, more than 1024 grey levels, CUDA
        asked for in vain, or too little free memory on the CUDA device.
    """
    import pandas as pd

    if not len(images) == len(masks) == len(masks if ids is None else ids):
        lengths = f"{len(images)}, {len(masks)}, {'-' if ids is None else len(ids)}"
        raise InputError("extraction", "images, masks, ids", "the same number of each", lengths)
    sets = (feature_sets,) if isinstance(feature_sets, FeatureSet) else tuple(feature_sets)
    titles = titles_of(sets)
    if not titles.is_unique:
        found = ", ".join(one.name for one in sets)
        raise InputError("extraction", "feature sets", "a name of its own for each", found)
    index = list(range(len(images)) if ids is None else ids)
    names = [f"region {one}" for one in index]
    chosen = resolve_device(device)
    compile_kernels()
    values, flagged = compute(images, masks, sets, chosen, names)
    rows = pd.Index(index, name="id")
    return Extraction(
        pd.DataFrame(values, index=rows, columns=titles.view()),
        pd.DataFrame(flagged, index=rows, columns=titles.view()),
    )


def extract_labels(
    image: Volume,
    label_map: Volume,
    feature_sets: FeatureSet | Sequence[FeatureSet],
    device: str = "auto",
    labels: Sequence[int] | None = None,
) -> Extraction:
    """Compute the features of every label of a map, counted together.

    Parameters
    ----------
    label_map : Volume
        On the grid of the image; whole numbers, 0 is background.
    labels : sequence of int, optional
        Those wanted, in this order; by default all that occur, ascending.

    Returns
    -------
    Extraction
        Indexed by label. A map of hundreds of labels needs no more memory than its boxes.

    Raises
    ------
    InputError
        As `extract_regions`; a label that does not occur.
    """
    found = split_labels(label_map, labels)
    images = [image] * len(found)
    return extract_regions(images, list(found.values()), feature_sets, device, list(found))


def compute(
    images: Sequence[Volume],
    masks: Sequence[Volume | LabelBox],
    sets: Sequence[FeatureSet],
    device: Device,
    names: Sequence[str] = (),
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return values and flags, (R, F) each; as `extract_regions`, without its table."""
    names = names or [f"region {k}" for k in range(len(images))]
    ours = [one for one in sets if one.naming == "ibsi"]
    tables = {id(one): _Table(one, len(images)) for one in ours}
    regions: dict[tuple[Any, ...], Prepared] = {}
    for one in ours:
        key = preparation_key(one)
        if key not in regions:
            regions[key] = prepare_images(images, masks, one, names)
    prepared = [(tables[id(one)], regions[preparation_key(one)]) for one in ours]
    with returning_memory(device):
        sums = _shape_on_cuda(prepared) if device == "cuda" else {}
        _side_by_side(
            partial(_region_families, prepared, sums, names),
            partial(_level_families, prepared, device, names),
            device == "cuda" or _voxels(prepared) > WORTH_A_THREAD,
        )
    parts = []
    for one in sets:
        if one.naming == "ibsi":
            parts.append((tables[id(one)].values, tables[id(one)].flagged()))
        else:
            from petnet.radiomics import pyradiomics

            with returning_memory(device):
                parts.append(pyradiomics.compute(images, masks, one, device, names))
    if not parts:
        return np.zeros((len(images), 0)), np.zeros((len(images), 0), dtype=bool)
    if len(parts) == 1:
        return parts[0]
    return np.hstack([v for v, _ in parts]), np.hstack([f for _, f in parts])


def _side_by_side(
    beside: Callable[[], None], here: Callable[[], None], worth_a_thread: bool
) -> None:
    """Do both; in two threads where they are mostly outside of the interpreter."""
    if not worth_a_thread:
        beside()
        here()
        return
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(beside)
        here()
        other.result()


def _voxels(prepared: Sequence[tuple[_Table, Prepared]]) -> int:
    """Return the size of the largest region: small ones are Python's work, one thread at a time."""
    sizes = [
        r.values.size for _, images in prepared for regions in images.values() for r in regions
    ]
    return max(sizes, default=0)


def _shape_on_cuda(prepared: Sequence[tuple[_Table, Prepared]]) -> dict[int, ShapeSums]:
    """Sum over voxels for morphology, by the regions' identity; sets may share their regions.

    Here and not beside, since device and plans of transforms are those of a thread.
    """
    found: dict[int, ShapeSums] = {}
    wanted = [
        (table.set.autocorrelation, of_image.get(ORIGINAL, []))
        for table, of_image in prepared
        if "morph" in table.set.families
    ]
    for autocorrelation, regions in sorted(wanted, key=lambda one: not one[0]):
        if regions and id(regions) not in found:
            found[id(regions)] = shape_sums(regions, autocorrelation, "cuda")
    return found


def _region_families(
    prepared: Sequence[tuple[_Table, Prepared]],
    sums: Mapping[int, ShapeSums],
    names: Sequence[str],
) -> None:
    """Compute what is computed region by region, without grey levels."""
    for table, of_image in prepared:
        for image, regions in of_image.items():
            for row, region in enumerate(regions):
                counts = region.intensity, region.morphological
                table.voxels[row] = [np.count_nonzero(mask) for mask in counts]
                _intensity_families(table, image, row, region, names[row])
            if image == ORIGINAL and "morph" in table.set.families:
                of_these = sums.get(id(regions))
                found = morphology_batch(regions, table.set.autocorrelation, of_these)
                for row, values in enumerate(found):
                    table.put(row, image, "morph", values)


def _intensity_families(table: _Table, image: str, row: int, region: Region, what: str) -> None:
    families = table.set.families
    inside = region.values[region.intensity]
    if "stat" in families:
        table.put(row, image, "stat", intensity_statistics(inside))
    if "ivh" in families:
        settings = _ivh_settings(table.set, image)
        table.put(row, image, "ivh", ivh_features(inside, **settings, what=what))
    if "local" in families and image == ORIGINAL:
        table.put(row, image, "local", peak_features(region))


def _ivh_settings(feature_set: FeatureSet, image: str) -> dict[str, Any]:
    """Return what `ivh_features` is told: filters give arbitrary units, HU are whole numbers."""
    if feature_set.ivh_bins is not None or image != ORIGINAL:
        return {"discretisation": "fixed_bin_number", "bins": feature_set.ivh_bins or IVH_BINS}
    range_ = {"range_": feature_set.kept_range}
    if feature_set.ivh_bin_width is not None:
        return {"discretisation": "fixed_bin_size", "bin_width": feature_set.ivh_bin_width} | range_
    return {
        "discretisation": "none",
        "step": 1.0 if feature_set.modality == "CT" else None,
    } | range_


@dataclass(frozen=True, eq=False)
class _Job:
    """Grey levels of one region for one set."""

    table: _Table
    image: str
    row: int
    levels: Levels
    inside: NDArray[np.bool_]


def _level_families(
    prepared: Sequence[tuple[_Table, Prepared]], device: Device, names: Sequence[str]
) -> None:
    """Compute what is counted on grey levels: sets that ask for the same are counted together."""
    groups: dict[tuple[Any, ...], list[_Job]] = defaultdict(list)
    for table, of_image in prepared:
        if not table.set.has_levels:
            continue
        for image, regions in of_image.items():
            for row, region in enumerate(regions):
                binned = discretise(region, table.set)
                job = _Job(table, image, row, binned, region.morphological)
                groups[_what_is_counted(table.set)].append(job)
    for (families, aggregations, alpha), jobs in groups.items():
        levels = LevelRegions(
            [job.levels.array for job in jobs],
            [job.inside for job in jobs],
            np.array([job.levels.n_levels for job in jobs], dtype=np.int64),
            [_what(job, names, len(prepared) > 1) for job in jobs],
        )
        for batch in texture_batches(levels, families, aggregations, device, alpha=alpha):
            _put_batch(batch, families, aggregations, jobs, levels.n_levels)


def _what(job: _Job, names: Sequence[str], several: bool) -> str:
    """Name a region for messages, with its set where there are several and a filtered image."""
    of_set = [job.table.set.name] if several else []
    of_image = [job.image] if job.image != ORIGINAL else []
    return ", ".join([names[job.row], *of_set, *of_image])


def _what_is_counted(feature_set: FeatureSet) -> tuple[Any, ...]:
    """Return texture families in the order of the catalogue, aggregations and alpha."""
    asked = tuple(f for f in FAMILIES if f in feature_set.families and f in TEXTURE_FAMILIES)
    return asked, feature_set.aggregations if asked else (), feature_set.ngldm_alpha


def _put_batch(
    batch: TextureBatch,
    families: Sequence[Family],
    aggregations: Sequence[Aggregation],
    jobs: Sequence[_Job],
    n_levels: NDArray[np.int64],
) -> None:
    """Turn the counts of a batch into features and lay them into their tables."""
    histogram = batch.counts.histogram
    xp = array_namespace(histogram)
    levels = xp.asarray(n_levels[batch.index])
    occupied = to_host(xp.sum(xp.astype(histogram > 0, xp.int64), axis=1))
    wanted: list[tuple[Family, str, str]] = []
    texture = np.zeros((len(batch.index), 0))
    if families:
        starts = xp.asarray(batch.packed.slice_starts)
        wanted, values = texture_table(batch.counts, levels, starts, aggregations, families)
        texture = to_host(values)
    of_levels: dict[str, NDArray[np.float64]] = {}
    if any("ih" in jobs[k].table.set.families for k in batch.index):
        found = histogram_features(histogram, levels)
        together = xp.concat([value[None, :] for value in found.values()])  # one copy to the host
        of_levels = dict(zip(found, to_host(together), strict=True))
    places: dict[tuple[int, str], NDArray[np.int64]] = {}
    for row, k in enumerate(batch.index):
        job = jobs[k]
        job.table.put_levels(job.row, job.image, occupied[row])
        of_image = id(job.table), job.image
        if of_image not in places:
            places[of_image] = job.table.places(job.image, wanted)
        job.table.values[job.row, places[of_image]] = texture[row]
        if "ih" in job.table.set.families:
            job.table.put(job.row, job.image, "ih", {n: v[row] for n, v in of_levels.items()})
