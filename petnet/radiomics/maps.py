"""Feature maps: features of a moving window, for every voxel of a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from petnet.devices import Device
from petnet.progress import track
from petnet.radiomics.catalogue import FAMILIES, TEXTURE_FAMILIES, Family
from petnet.radiomics.columns import Column
from petnet.radiomics.featureset import FeatureSet
from petnet.radiomics.histogram import histogram_features
from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.kernels.cuda import to_host
from petnet.radiomics.kernels.dispatch import (
    LevelRegions,
    TextureBatch,
    resolve_device,
    returning_memory,
    texture_batches,
)
from petnet.radiomics.labels import LabelBox, grown, locate
from petnet.radiomics.map_spec import MapSpec
from petnet.radiomics.preparation import discretise, prepare_images
from petnet.radiomics.preprocess import Levels, Region
from petnet.radiomics.texture import Aggregation, texture_table
from petnet.radiomics.warm import compile_kernels
from petnet.volume import Volume, check_same_grid

__all__ = ["MapSpec", "feature_maps"]

#: Voxels of the windows that exist at once.
BLOCK_VOXELS = 1 << 18
#: Which windows of a block; family, feature and aggregation; values.
_Found = tuple[slice | NDArray[np.int64], tuple[Any, ...], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class _Scene:
    """One image of a region, with room for the windows at its rim.

    Attributes
    ----------
    values, inside, kept, levels : (X + 2r, Y + 2r, Z + 2r) arrays
        Intensities, morphological mask, intensity mask and grey levels (0 outside the latter).
    n_levels : int
        Grey levels of the whole region; 0 where each window has its own.
    footprint : (2r + 1, ...) bool
    spacing_mm : three floats
    feature_set : FeatureSet
        Families, aggregations and discretisation.
    columns : sequence of Column
        Features wanted of this image.
    what : str
        The region in messages.
    """

    values: NDArray[np.float64]
    inside: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    levels: NDArray[np.int32]
    n_levels: int
    footprint: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    feature_set: FeatureSet
    columns: Sequence[Column]
    what: str

    def around(self, array: NDArray[Any], centres: NDArray[np.int64]) -> NDArray[Any]:
        """Return copies of the boxes of the windows around voxels (B, 3): (B, x, y, z)."""
        boxes = np.lib.stride_tricks.sliding_window_view(array, self.footprint.shape)
        taken: NDArray[Any] = boxes[tuple(centres.T)]
        return taken


@dataclass(frozen=True, eq=False)
class _Windows:
    """Windows around voxels `centres` (B, 3) and their intensity masks `kept` (B, x, y, z)."""

    scene: _Scene
    centres: NDArray[np.int64]
    kept: NDArray[np.bool_]

    def values(self) -> NDArray[np.float64]:
        """Return intensities, of the whole box."""
        return self.scene.around(self.scene.values, self.centres)

    def inside(self) -> NDArray[np.bool_]:
        """Return morphological masks."""
        return self.scene.around(self.scene.inside, self.centres) & self.scene.footprint

    def levels(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return grey levels, 0 outside the intensity mask, and how many each window has."""
        scene = self.scene
        if scene.n_levels:
            levels = scene.around(scene.levels, self.centres) * scene.footprint
            return levels, np.full(len(levels), scene.n_levels, dtype=np.int64)
        found = [
            discretise(Region(values, kept, kept, scene.spacing_mm), scene.feature_set)
            for values, kept in zip(self.values(), self.kept, strict=True)
        ]
        n_levels = np.array([one.n_levels for one in found], dtype=np.int64)
        return np.stack([one.array for one in found]), n_levels


def feature_maps(
    image: Volume,
    mask: Volume | LabelBox,
    spec: MapSpec,
    device: str = "auto",
    what: str = "region",
) -> dict[str, Volume]:
    """Compute features of the window around every voxel of a mask.

    The value at a voxel is that of the region which is left of the mask inside the window. A window
    ends where the image does.

    Parameters
    ----------
    image, mask : Volume
        On the same grid; the region is where the mask is not zero.
    spec : MapSpec
    device : {"auto", "cpu", "cuda"}
        Where the counting and the texture formulas run.
    what : str
        The region in messages and in the progress bar.

    Returns
    -------
    dict of str to Volume
        By the names of `spec.features`: (X, Y, Z) float32 on the grid of the image, of unit
        "feature". Inside the mask undefined is NaN: as in `extract`, above all texture of windows
        without two neighbouring voxels, and of windows of which re-segmentation leaves nothing.

    Raises
    ------
    InputError
        As `extract_regions`. What is not finite outside the mask is no part of any window.

    Notes
    -----
    Windows are counted by the same kernels and formulas as regions, a block of them at a time:
    memory does not grow with the region. With grey levels of the region, the normalised inverse
    differences take its number of levels.
    """
    chosen = resolve_device(device)
    compile_kernels()
    place = locate(mask, what)
    check_same_grid(image, place.volume, f"{what}: mask and image")
    footprint = spec.footprint(image.spacing_mm)
    seen = place if spec.restricted else _widened(image, place, footprint)
    centres = np.argwhere(place.within(seen.box))
    scenes = list(_scenes(image, seen, spec, footprint, what))
    step = max(1, BLOCK_VOXELS // footprint.size)
    blocks = [(scene, k) for scene in scenes for k in range(0, len(centres), step)]
    found = {c.name: np.full(len(centres), np.nan) for s in scenes for c in s.columns}
    with returning_memory(chosen):
        for scene, k in track(blocks, f"maps of {what}", len(blocks)):
            part = _block(scene, centres[k : k + step], chosen)
            for column, values in zip(scene.columns, part.T, strict=True):
                found[column.name][k : k + step] = values
    voxels = tuple((centres + [part.start for part in seen.box]).T)
    return {
        name: _placed(image, voxels, found[column.name], spec)
        for name, column in spec.columns().items()
    }


def _placed(
    image: Volume, voxels: tuple[Any, ...], values: NDArray[np.float64], spec: MapSpec
) -> Volume:
    """Lay the values of voxels into a map."""
    nothing = np.nan if spec.outside == "undefined" else 0.0
    array = np.full(image.array.shape, nothing, dtype=np.float32)
    array[voxels] = values
    return replace(image, array=array, unit="feature")


def _widened(image: Volume, place: LabelBox, footprint: NDArray[np.bool_]) -> LabelBox:
    """Return the region of all that the windows around a region see and that is an intensity."""
    from scipy.ndimage import binary_dilation

    box = grown(place.box, [n // 2 for n in footprint.shape], image.array.shape)
    inside = place.within(box)
    seen = binary_dilation(inside, footprint) & (np.isfinite(image.array[box]) | inside)
    whole = np.zeros(image.array.shape, dtype=bool)
    whole[box] = seen
    return locate(replace(place.volume, array=whole), "windows")


def _scenes(
    image: Volume, seen: LabelBox, spec: MapSpec, footprint: NDArray[np.bool_], what: str
) -> Iterator[_Scene]:
    """Yield the region on each image of which features are wanted."""
    needed = spec.needed()
    wanted = list(spec.columns().values())
    rim = [(n // 2, n // 2) for n in footprint.shape]
    for name, (region,) in prepare_images([image], [seen], needed, [what]).items():
        columns = [column for column in wanted if column.image == name]
        families = {column.feature.family for column in columns}
        ours = replace(needed, families=tuple(f for f in FAMILIES if f in families))
        levels = Levels(np.zeros(region.values.shape, dtype=np.int32), 0)
        if ours.has_levels and spec.bins == "region":
            levels = discretise(region, ours)
        yield _Scene(
            np.pad(region.values, rim),
            np.pad(region.morphological, rim),
            np.pad(region.intensity, rim),
            np.pad(levels.array, rim),
            levels.n_levels,
            footprint,
            region.spacing_mm,
            ours,
            columns,
            what,
        )


def _block(scene: _Scene, centres: NDArray[np.int64], device: Device) -> NDArray[np.float64]:
    """Return the features (B, F) of the windows around some voxels."""
    made = np.full((len(centres), len(scene.columns)), np.nan)
    kept = scene.around(scene.kept, centres) & scene.footprint
    filled = np.flatnonzero(kept.any(axis=(1, 2, 3)))
    if not filled.size:
        return made
    windows = _Windows(scene, centres[filled], kept[filled])
    place = {
        (c.feature.family, c.feature.name, c.aggregation): k for k, c in enumerate(scene.columns)
    }
    for rows, key, values in chain(_statistics(windows), _level_features(windows, device)):
        if key in place:  # families come whole
            made[filled[rows], place[key]] = values
    return made


def _statistics(windows: _Windows) -> Iterator[_Found]:
    """Yield the intensity statistics of windows."""
    if "stat" not in windows.scene.feature_set.families:
        return
    pairs = zip(windows.values(), windows.kept, strict=True)
    table = [intensity_statistics(values[kept]) for values, kept in pairs]
    for name in table[0]:
        yield slice(None), ("stat", name, None), np.array([row[name] for row in table])


def _level_features(windows: _Windows, device: Device) -> Iterator[_Found]:
    """Yield intensity histograms and texture of windows, as the memory for counts allows."""
    settings = windows.scene.feature_set
    if not settings.has_levels:
        return
    texture = tuple(f for f in settings.families if f in TEXTURE_FAMILIES)
    aggregations = settings.aggregations if texture else ()
    levels, n_levels = windows.levels()
    occupied = levels.reshape(len(levels), -1).max(axis=1).astype(np.int64)
    regions = LevelRegions(
        list(levels), list(windows.inside()), occupied, [windows.scene.what] * len(levels)
    )
    for batch in texture_batches(
        regions, texture, aggregations, device, alpha=settings.ngldm_alpha
    ):
        ours = n_levels[batch.index]
        columns, table = _texture(batch, ours, aggregations, texture)
        for column, values in zip(columns, table.T, strict=True):
            yield batch.index, column, values
        if "ih" in settings.families:
            for name, values in _histogram(batch, ours).items():
                yield batch.index, ("ih", name, None), values


def _texture(
    batch: TextureBatch,
    n_levels: NDArray[np.int64],
    aggregations: Sequence[Aggregation],
    families: Sequence[Family],
) -> tuple[Sequence[tuple[Any, ...]], NDArray[np.float64]]:
    """Return the columns and values (B, C) of texture families; none without any."""
    if not families:
        return (), np.empty((len(n_levels), 0))
    xp = array_namespace(batch.counts.histogram)
    starts = xp.asarray(batch.packed.slice_starts)
    columns, values = texture_table(
        batch.counts, xp.asarray(n_levels), starts, aggregations, families
    )
    return columns, to_host(values)


def _histogram(batch: TextureBatch, n_levels: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return histogram features: what was counted, and the empty levels above."""
    counts = batch.counts.histogram
    xp = array_namespace(counts)
    above = int(n_levels.max()) - counts.shape[1]
    if above > 0:
        counts = xp.concat([counts, xp.zeros((counts.shape[0], above), dtype=counts.dtype)], axis=1)
    found = histogram_features(counts, xp.asarray(n_levels))
    return {name: to_host(values) for name, values in found.items()}
