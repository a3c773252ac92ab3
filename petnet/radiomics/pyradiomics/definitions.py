"""Where PyRadiomics differs from IBSI: its bins, first order statistics and texture features.

Texture is counted by petnet's kernels, and a feature that means the same as IBSI's comes from
IBSI's formula. What is written here is the rest; `names.DEFINITIONS` says which is which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.kernels.counts import DIRECTIONS_3D, IN_PLANE, THROUGH_PLANE, TextureCounts
from petnet.radiomics.kernels.cuda import to_host
from petnet.radiomics.kernels.threads import run_all
from petnet.radiomics.preprocess import Levels
from petnet.radiomics.pyradiomics.settings import PyRadiomicsSet
from petnet.radiomics.texture import texture_table
from petnet.radiomics.texture.tones import tone_features, tones

__all__ = ["discretise", "first_order", "texture_values"]

#: Direction of each matrix among those in and out of plane.
DIRECTIONS = (DIRECTIONS_3D[IN_PLANE], DIRECTIONS_3D[THROUGH_PLANE])
NGTDM = ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")


def discretise(values: NDArray[Any], inside: NDArray[np.bool_], settings: PyRadiomicsSet) -> Levels:
    """Turn intensities into PyRadiomics' grey levels, of which the least is 1.

    Parameters
    ----------
    values : (X, Y, Z) array
        In the type that PyRadiomics has them in: with a bin number, edges are rounded to it.
    inside : (X, Y, Z) bool

    Notes
    -----
    binWidth: edges at whole multiples of the width, the first at or below the minimum; an intensity
    on an edge belongs to the bin above. binCount: edges evenly from minimum to maximum, which
    belongs to the last bin; a flat region lies in the middle of bins one unit wide in all.
    """
    found = values[inside]
    if settings.bins is not None:
        edges = _even_edges(found, settings.bins)
    else:
        width = float(settings.bin_width or 0)
        low, high = float(found.min()), float(found.max())
        edges = np.arange(low - low % width, high + 2 * width, width)
    levels = np.zeros(values.shape, dtype=np.int32)
    levels[inside] = np.digitize(found, edges)
    return Levels(levels, int(levels.max()))


def _even_edges(values: NDArray[Any], bins: int) -> NDArray[Any]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    if values.dtype.kind == "f":
        edges = edges.astype(values.dtype)
    edges[-1] += 1
    return edges


def first_order(
    values: NDArray[np.float64], counts: NDArray[np.int64], voxel_mm3: float, shift: float
) -> dict[str, float]:
    """Compute the first order features, by PyRadiomics' names.

    Parameters
    ----------
    values : (N,) float64
        Intensities, N >= 1.
    counts : (L,) int64
        Voxels of each grey level.
    voxel_mm3 : float
    shift : float
        voxelArrayShift.

    Returns
    -------
    dict of str to float
        NaN: the robust deviation where no value lies between the percentiles.
    """
    found = intensity_statistics(values)
    share = counts[counts > 0] / counts.sum()
    flat = found["intensity_variance"] == 0
    energy = float(np.square(values + shift).sum()) if shift else found["intensity_energy"]
    return {
        "10Percentile": found["10th_intensity_percentile"],
        "90Percentile": found["90th_intensity_percentile"],
        "Energy": energy,
        "Entropy": float(-(share * np.log2(share)).sum()) + 0.0,
        "InterquartileRange": found["intensity_interquartile_range"],
        "Kurtosis": 0.0 if flat else found["excess_intensity_kurtosis"] + 3,
        "Maximum": found["maximum_intensity"],
        "MeanAbsoluteDeviation": found["intensity_mean_absolute_deviation"],
        "Mean": found["mean_intensity"],
        "Median": found["median_intensity"],
        "Minimum": found["minimum_intensity"],
        "Range": found["intensity_range"],
        "RobustMeanAbsoluteDeviation": found["intensity_robust_mean_absolute_deviation"],
        "RootMeanSquared": math.sqrt(energy / len(values)),
        "Skewness": found["intensity_skewness"],
        "TotalEnergy": energy * voxel_mm3,
        "Uniformity": float(np.square(share).sum()),
        "Variance": found["intensity_variance"],
        "StandardDeviation": math.sqrt(found["intensity_variance"]),
    }


def texture_values(
    counts: TextureCounts,
    n_levels: NDArray[np.int64],
    slice_starts: NDArray[np.int64],
    levels: Sequence[NDArray[np.int32]],
    settings: PyRadiomicsSet,
) -> dict[str, NDArray[np.float64]]:
    """Compute the texture features of a batch of R regions.

    Parameters
    ----------
    counts : TextureCounts
        Of the families of `settings`; where lines of run lengths are to be left out, they are set
        to zero.
    n_levels : (R,) int64
        Highest level of each region.
    slice_starts : (R + 1,) int64
    levels : sequence of R (X, Y, Z) int32
        What was counted.

    Returns
    -------
    dict of str to (R,) float64
        By class and PyRadiomics' name, "glcm_Imc1". NaN: co-occurrence features of a region without
        neighbours (MCC with one level is 1 all the same), run lengths of one without two voxels in
        line.
    """
    families = [f for f in ("glcm", "glrlm", "glszm", "ngldm") if f in settings.families]
    if "glrlm" in families:
        _drop_lone_lines(counts, levels)
    found: dict[str, NDArray[np.float64]] = {}
    if families:
        found |= _ibsi_values(counts, n_levels, slice_starts, families, settings)
    if "glcm" in families:
        _complete_glcm(found, counts, settings)
    if "glrlm" in families and not settings.by_direction:
        found["glrlm_RunPercentage"] = _run_percentage(counts)
    if "ngtdm" in settings.families:
        found |= _tone_values(counts, settings)
    return found


def _ibsi_values(
    counts: TextureCounts,
    n_levels: NDArray[np.int64],
    slice_starts: NDArray[np.int64],
    families: Sequence[Any],
    settings: PyRadiomicsSet,
) -> dict[str, NDArray[np.float64]]:
    """Return IBSI's values under PyRadiomics' names."""
    xp = array_namespace(counts.histogram)
    columns, values = texture_table(
        counts, xp.asarray(n_levels), xp.asarray(slice_starts), settings.aggregations, families
    )
    place = {(family, name): k for k, (family, name, _) in enumerate(columns)}
    on_host = to_host(values)
    return {
        row.key: on_host[:, place[row.ibsi.family, row.ibsi.name]]
        for row in settings.definitions
        if row.ibsi is not None and (row.ibsi.family, row.ibsi.name) in place
    }


def _directions(planes: Any, through: Any) -> list[NDArray[np.int64]]:
    """Return matrices (R, D, L, N) in plane and, with 3D, out of plane."""
    return [to_host(planes)] + ([] if through is None else [to_host(through)])


def _drop_lone_lines(counts: TextureCounts, levels: Sequence[NDArray[np.int32]]) -> None:
    """Empty the run lengths of directions in which every line has one voxel of the region.

    Such a direction leads out of a region that is flat there; PyRadiomics leaves it out.
    """
    for matrices, directions in zip(
        (counts.glrlm_planes, counts.glrlm_through), DIRECTIONS, strict=True
    ):
        if matrices is None:
            continue
        xp = array_namespace(matrices)
        short = to_host(~xp.any(xp.any(matrices[:, :, :, 1:] > 0, axis=-1), axis=-1))
        for region, k in zip(*np.nonzero(short), strict=True):
            if _lone(levels[region], directions[k]):
                matrices[int(region), int(k)] = 0


def _lone(levels: NDArray[np.int32], direction: NDArray[np.int32]) -> bool:
    """Tell whether no two voxels lie on one line of a direction."""
    voxels = np.argwhere(levels > 0)
    pivot = int(np.flatnonzero(direction)[0])
    steps = voxels[:, pivot] * direction[pivot]
    feet = voxels - steps[:, None] * direction
    return len(np.unique(feet, axis=0)) == len(feet)


def _run_percentage(counts: TextureCounts) -> NDArray[np.float64]:
    """Runs per voxel of the directions that were not left out; directions merged."""
    runs = voxels = 0.0
    for matrices in _directions(counts.glrlm_planes, counts.glrlm_through):
        by_length = matrices.sum(axis=(1, 2)).astype(np.float64)
        runs = runs + by_length.sum(axis=-1)
        voxels = voxels + by_length @ np.arange(1, by_length.shape[-1] + 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(runs / voxels)


def _complete_glcm(
    found: dict[str, NDArray[np.float64]], counts: TextureCounts, settings: PyRadiomicsSet
) -> None:
    """Add MCC; let directions with one level count for Correlation and Imc1."""
    matrices = np.concatenate(_directions(counts.glcm_planes, counts.glcm_through), axis=1)
    if not settings.by_direction:
        matrices = matrices.sum(axis=1, keepdims=True)
    occupied = np.count_nonzero(matrices.sum(axis=-1), axis=-1)  # levels of each direction
    directions = np.count_nonzero(occupied, axis=1)
    several = np.count_nonzero(occupied > 1, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = several / directions
    for key, of_one in (("glcm_Correlation", 1.0), ("glcm_Imc1", 0.0)):
        if key in found:
            value = np.where(several > 0, found[key], 0.0)
            found[key] = value * share + of_one * (1 - share)
    levels = to_host(counts.histogram) > 0
    wanted = {row.key for row in settings.definitions}
    if "glcm_MCC" in wanted:
        found["glcm_MCC"] = np.array(
            run_all(lambda k: _mcc(matrices[k], levels[k]), range(len(matrices)))
        )


def _mcc(matrices: NDArray[np.int64], present: NDArray[np.bool_]) -> float:
    """Maximal correlation coefficient, averaged over the directions that have pairs.

    The square root of the second largest eigenvalue of Q(i, j) = Σ_k p(i, k) p(j, k) / (p(i) p(k)).
    With a symmetric p, Q has the eigenvalues of S², S = p(i, j) / √(p(i) p(j)).
    """
    if np.count_nonzero(present) < 2:
        return 1.0
    kept = matrices[matrices.any(axis=(1, 2))][:, present][:, :, present].astype(np.float64)
    if not len(kept):
        return math.nan
    margin = kept.sum(axis=-1)
    root = np.sqrt(np.where(margin > 0, margin, 1))
    eigenvalues = np.linalg.eigvalsh(kept / (root[:, :, None] * root[:, None, :]))
    return float(np.sort(np.abs(eigenvalues), axis=-1)[:, -2].mean())


def _tone_values(counts: TextureCounts, settings: PyRadiomicsSet) -> dict[str, NDArray[np.float64]]:
    """Neighbouring grey tone differences; voxels without neighbours count, with difference 0."""
    of = counts.ngtdm_planes if settings.force_2d else counts.ngtdm_volume
    xp = array_namespace(of)
    n_and_s = tones(of)
    lone = xp.astype(of[:, :, 0, 0], xp.float64)
    values = to_host(tone_features(n_and_s + xp.stack([lone, xp.zeros_like(lone)], axis=-1)))
    found = {f"ngtdm_{name}": values[:, k] for k, name in enumerate(NGTDM)}
    found["ngtdm_Busyness"] = np.nan_to_num(found["ngtdm_Busyness"])
    return found
