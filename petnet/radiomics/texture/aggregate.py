"""From counts to texture features: which matrices are merged, and which features are averaged.

IBSI's aggregations. Families with a matrix per direction have six, the others three:

=========  ====  ===============================================================
2D_avg     BTW3  per slice and direction, averaged
2D_comb    SUJT  directions of a slice merged, averaged over slices
2_5D_avg   JJUI  slices merged per direction, averaged over directions
2_5D_comb  ZW7Z  slices and directions merged
3D_avg     ITBB  per direction, averaged
3D_comb    IAZD  directions merged
2D         8QNN  per slice, averaged
2_5D       62GR  slices merged
3D         KOBO  one matrix
=========  ====  ===============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from array_api_compat import array_namespace, device

from petnet.radiomics.catalogue import DIRECTIONAL_FAMILIES, TEXTURE_FAMILIES, Family, features_of
from petnet.radiomics.kernels.counts import TextureCounts, ZoneCells
from petnet.radiomics.texture.cells import (
    Cells,
    from_zones,
    mean_of_defined,
    mean_of_directions,
    merged,
    occupied,
)
from petnet.radiomics.texture.glcm import cooccurrence_features, pair_sums
from petnet.radiomics.texture.sizes import size_features, size_sums
from petnet.radiomics.texture.tones import merged_tones, tone_features, tones

__all__ = ["Aggregation", "Column", "aggregations_of", "texture_features", "texture_table"]

Aggregation = Literal["2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"]
#: Names of a family's features, in the order of its columns.
NAMES: dict[Family, tuple[str, ...]] = {
    family: tuple(feature.name for feature in features_of(family)) for family in TEXTURE_FAMILIES
}
#: Family, name of the feature, aggregation.
Column = tuple[Family, str, str]


@dataclass(frozen=True, eq=False)
class _Block:
    """Matrices of one family: the average of their features over each region.

    Attributes
    ----------
    family : str
    aggregations : tuple of str
        Those to which the matrices belong. Two blocks make 3D_avg: directions in and out of plane.
    matrices : Cells or array
        Counts (..., L, N), of M matrices; of the tone family, the array (M, L, 2) of `tones`.
    region : (M,) int64
    voxels : (M,) float64
        Of each matrix, once per direction that was merged into it.
    """

    family: Family
    aggregations: tuple[str, ...]
    matrices: Any
    region: Any
    voxels: Any


@dataclass(frozen=True, eq=False)
class _Layout:
    """Which region each row of planes belongs to, and the voxels of rows and regions (float64)."""

    by_slice: bool
    n_regions: int
    n_planes: int
    regions: Any
    region_of_plane: Any
    voxels: Any
    plane_voxels: Any


def aggregations_of(family: Family, aggregations: Sequence[str]) -> tuple[str, ...]:
    """Return the family's own names of aggregations: "2D" for "2D_avg" and "2D_comb", once."""
    if family in DIRECTIONAL_FAMILIES:
        return tuple(aggregations)
    return tuple(dict.fromkeys(name.rsplit("_", 1)[0] for name in aggregations))


def _layout(counts: TextureCounts, slice_starts: Any, aggregations: Sequence[str]) -> _Layout:
    xp = array_namespace(counts.histogram)
    there = device(counts.histogram)
    n_regions = counts.histogram.shape[0]
    voxels = xp.astype(xp.sum(counts.histogram, axis=-1), xp.float64)
    regions = xp.arange(n_regions, dtype=xp.int64, device=there)
    n_planes = n_regions if counts.plane_histogram is None else counts.plane_histogram.shape[0]
    plane_voxels = voxels
    if counts.plane_histogram is not None:
        plane_voxels = xp.astype(xp.sum(counts.plane_histogram, axis=-1), xp.float64)
    by_slice = any(name.startswith("2D") for name in aggregations)
    n_slices = int(slice_starts[-1])
    if by_slice and n_planes != n_slices:
        raise ValueError(f"2D features: expected a row for each of {n_slices} slices: {n_planes}")
    region_of_plane = regions
    if by_slice or n_planes != n_regions:
        index = xp.arange(n_planes, dtype=slice_starts.dtype, device=there)
        found = xp.searchsorted(slice_starts, index, side="right")
        region_of_plane = xp.astype(found, xp.int64) - 1
    return _Layout(
        n_planes != n_regions or by_slice,
        n_regions,
        n_planes,
        regions,
        region_of_plane,
        voxels,
        plane_voxels,
    )


def _directional_blocks(
    family: Family, planes: Any, through: Any, layout: _Layout, wanted: Sequence[str]
) -> Iterator[_Block]:
    """Blocks of co-occurrence or run length: `planes` (P, 4, L, N), `through` (R, 9, L, N)."""
    xp, upper, n_in = array_namespace(planes), family == "glcm", planes.shape[1]
    regions, n_regions = layout.regions, layout.n_regions
    inside: Any = planes
    if layout.by_slice:
        cells = occupied(xp, planes, upper)
        region, voxels = layout.region_of_plane, layout.plane_voxels
        if "2D_avg" in wanted:
            repeated = xp.repeat(region, n_in), xp.repeat(voxels, n_in)
            yield _Block(family, ("2D_avg",), cells, *repeated)
        if "2D_comb" in wanted:
            yield _Block(family, ("2D_comb",), xp.sum(planes, axis=1), region, n_in * voxels)
        direction = xp.arange(n_in, dtype=xp.int64, device=device(region))
        target = xp.reshape(region[:, None] * n_in + direction, (-1,))
        inside = merged([(cells, target)], n_regions * n_in)
    region = xp.repeat(regions, n_in)
    averages = tuple(name for name in ("2_5D_avg", "3D_avg") if name in wanted)
    if averages:
        yield _Block(family, averages, inside, region, xp.repeat(layout.voxels, n_in))
    if "2_5D_comb" in wanted:
        together = (
            merged([(inside, region)], n_regions) if layout.by_slice else xp.sum(planes, axis=1)
        )
        yield _Block(family, ("2_5D_comb",), together, regions, n_in * layout.voxels)
    if through is None or not {"3D_avg", "3D_comb"} & set(wanted):
        return
    n_out = through.shape[1]
    region_out = xp.repeat(regions, n_out)
    if "3D_avg" in wanted:
        yield _Block(family, ("3D_avg",), through, region_out, xp.repeat(layout.voxels, n_out))
    if "3D_comb" in wanted:
        if layout.by_slice:
            both = merged([(inside, region), (occupied(xp, through, upper), region_out)], n_regions)
        else:
            both = xp.sum(planes, axis=1) + xp.sum(through, axis=1)
        yield _Block(family, ("3D_comb",), both, regions, (n_in + n_out) * layout.voxels)


def _plain_blocks(
    family: Family,
    read: Callable[[Any], Any],
    merge: Callable[[Sequence[tuple[Any, Any]], int], Any],
    counts: tuple[Any, Any],
    layout: _Layout,
    wanted: Sequence[str],
) -> Iterator[_Block]:
    """Blocks of a family with one matrix per slice or region: counts of planes and of volumes."""
    planes, volume = counts
    if {"2D", "2_5D"} & set(wanted):
        matrices = read(planes)
        if "2D" in wanted:
            yield _Block(family, ("2D",), matrices, layout.region_of_plane, layout.plane_voxels)
        if "2_5D" in wanted:
            if layout.by_slice:
                matrices = merge([(matrices, layout.region_of_plane)], layout.n_regions)
            yield _Block(family, ("2_5D",), matrices, layout.regions, layout.voxels)
    if "3D" in wanted:
        yield _Block(family, ("3D",), read(volume), layout.regions, layout.voxels)


def _blocks(
    family: Family, counts: TextureCounts, layout: _Layout, aggregations: Sequence[str]
) -> Iterator[_Block]:
    """All matrices of a family that the aggregations need."""
    own = aggregations_of(family, aggregations)
    if family in DIRECTIONAL_FAMILIES:
        glcm = family == "glcm"
        planes = counts.glcm_planes if glcm else counts.glrlm_planes
        through = counts.glcm_through if glcm else counts.glrlm_through
        yield from _directional_blocks(family, planes, through, layout, own)
        return
    pair = {
        "glszm": (counts.glszm_planes, counts.glszm_volume),
        "gldzm": (counts.gldzm_planes, counts.gldzm_volume),
        "ngtdm": (counts.ngtdm_planes, counts.ngtdm_volume),
        "ngldm": (counts.ngldm_planes, counts.ngldm_volume),
    }[family]
    if family == "ngtdm":
        yield from _plain_blocks(family, tones, merged_tones, pair, layout, own)
        return
    xp, n_levels = array_namespace(counts.histogram), counts.histogram.shape[-1]

    def read(matrices: Any) -> Cells:
        if isinstance(matrices, ZoneCells):
            return from_zones(matrices, n_levels)
        return occupied(xp, matrices)

    yield from _plain_blocks(family, read, merged, pair, layout, own)


def _features(blocks: Sequence[_Block], n_levels: Any) -> list[Any]:
    """Features (M, F) of blocks of one kind, of all at once: few large steps, not many small."""
    xp = array_namespace(n_levels)
    matrices = [block.matrices for block in blocks]
    if blocks[0].family == "ngtdm":
        values = tone_features(_concat(xp, matrices))
    elif blocks[0].family == "glcm":
        regions = _concat(xp, [block.region for block in blocks])
        values = cooccurrence_features(pair_sums(matrices), xp.take(n_levels, regions))
    else:
        voxels = _concat(xp, [block.voxels for block in blocks])
        cells = [m if isinstance(m, Cells) else occupied(xp, m) for m in matrices]
        values = size_features(size_sums(cells), voxels)
    found, start = [], 0
    for block in blocks:
        stop = start + block.region.shape[0]
        found.append(values[start:stop, : len(NAMES[block.family])])
        start = stop
    return found


def _concat(xp: Any, parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else xp.concat(parts)


def texture_table(
    counts: TextureCounts,
    n_levels: Any,
    slice_starts: Any,
    aggregations: Sequence[Aggregation],
    families: Sequence[Family],
) -> tuple[list[Column], Any]:
    """Compute texture features as one array: the columns, and (R, columns) float64.

    As `texture_features`, for who copies the values from a device at once. Columns go by family,
    aggregation and feature, in the orders given and that of the catalogue.
    """
    unknown = set(aggregations) - set(get_args(Aggregation)) | (set(families) - TEXTURE_FAMILIES)
    if unknown:
        raise ValueError(f"expected aggregations and texture families, but got {sorted(unknown)}")
    xp = array_namespace(counts.histogram)
    layout = _layout(counts, slice_starts, aggregations)
    levels = xp.astype(n_levels, xp.float64)
    kinds: dict[str, list[_Block]] = {}
    for family in families:
        kind = family if family in ("glcm", "ngtdm") else "sizes"
        kinds.setdefault(kind, []).extend(_blocks(family, counts, layout, aggregations))
    rows: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for blocks in kinds.values():
        for block, values in zip(blocks, _features(blocks, levels), strict=True):
            for aggregation in block.aggregations:
                rows.setdefault((block.family, aggregation), []).append((block.region, values))
    columns: list[Column] = []
    parts = []
    for family in families:
        for aggregation in aggregations_of(family, aggregations):
            columns += [(family, name, aggregation) for name in NAMES[family]]
            regions, values = zip(*rows[family, aggregation], strict=True)
            if aggregation.startswith("2D"):
                joint = _concat(xp, values), _concat(xp, regions)
                parts.append(mean_of_defined(*joint, layout.n_regions))
            elif len(values) == 1 and values[0].shape[0] == layout.n_regions:
                parts.append(values[0])
            else:
                parts.append(mean_of_directions(xp, values, layout.n_regions))
    return columns, xp.concat(parts, axis=-1)


def texture_features(
    counts: TextureCounts,
    n_levels: Any,
    slice_starts: Any,
    aggregations: Sequence[Aggregation],
    families: Sequence[Family],
) -> dict[Column, Any]:
    """Compute the texture features of a batch of R regions in every aggregation asked for.

    Parameters
    ----------
    counts : TextureCounts
        With the planes and volumes that the aggregations need; with a row of planes per slice where
        2D ones are asked for. NumPy, CuPy or any other array library of the array API.
    n_levels : (R,) integer array of the same library and device
        Number of grey levels of each region: bins of a fixed bin number, or the highest occupied
        bin of a fixed bin size. Only the normalised inverse differences look at it.
    slice_starts : (R + 1,) int64 array of the same library and device
        First slice of each region in the batch, as `Packed.slice_starts`.
    aggregations : sequence of Aggregation
        Families without directions know "2D", "2_5D" and "3D": they give "2D" where "2D_avg",
        "2D_comb" or both are asked for.
    families : sequence of texture families

    Returns
    -------
    dict of (family, name, aggregation) to (R,) float64 array
        Undefined is NaN: all features of a region without voxels, and of one without neighbour
        pairs where the family counts pairs; further `cooccurrence_features` and `tone_features`.
        Slices and directions in which a feature is undefined are left out of its average.

    Raises
    ------
    ValueError
        An unknown name, or 2D features of counts that are summed over slices.

    Notes
    -----
    Source: Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145, and the reference manual,
    arXiv:1612.07003. Coarseness of dependence is the `alpha` of the counts.
    """
    columns, values = texture_table(counts, n_levels, slice_starts, aggregations, families)
    return {column: values[:, k] for k, column in enumerate(columns)}
