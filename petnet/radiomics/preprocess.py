"""From a native image and mask to the voxels that features are computed on (IBSI processing).

Order of the steps: crop, resample image and mask, round HU, re-segment, discretise. A filter comes
between the last two: it sees the whole resampled image (`resample_whole`), the masks are
re-segmented on the intensities before it, and `crop` puts its response into the region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.labels import LabelBox, split_labels
from petnet.radiomics.region import Region, Surroundings, crop, prepare_region
from petnet.radiomics.resample import (
    Interpolation,
    resample_region,
    resample_whole,
    resampled_box,
)

__all__ = [
    "Interpolation",
    "LabelBox",
    "Levels",
    "Region",
    "Surroundings",
    "crop",
    "discretise_fixed_bin_number",
    "discretise_fixed_bin_size",
    "prepare_region",
    "resample_region",
    "resample_whole",
    "resampled_box",
    "resegment",
    "split_labels",
]

MAX_LEVEL = int(np.iinfo(np.int32).max)


@dataclass(frozen=True, eq=False)
class Levels:
    """Discretised region: `array` (X, Y, Z) int32, 0 outside the intensity mask, and `n_levels`."""

    array: NDArray[np.int32]
    n_levels: int


def resegment(
    region: Region,
    range_: tuple[float, float] | None = None,
    n_sigma: float | None = None,
) -> Region:
    """Drop voxels from the intensity mask by range (IBSI USB3) and as outliers (IBSI 7ACA).

    Parameters
    ----------
    range_ : two floats, optional
        Lowest and highest intensity that stay, both included.
    n_sigma : float, optional
        Keep mean ± n_sigma population standard deviations, both taken from the mask before the
        range is applied.
    """
    if range_ is None and n_sigma is None:
        return region
    low, high = range_ or (-math.inf, math.inf)
    if n_sigma is not None:
        inside = region.values[region.intensity]
        mean = inside.mean() if inside.size else 0.0
        inside -= mean
        reach = n_sigma * math.sqrt(inside @ inside / max(inside.size, 1))
        low, high = max(low, mean - reach), min(high, mean + reach)
    kept = (region.values >= low) & (region.values <= high)
    return replace(region, intensity=np.logical_and(kept, region.intensity, out=kept))


def _levels(
    region: Region, low: float, factor: float, width: float, greatest: int
) -> tuple[NDArray[np.int32], int]:
    """Bin the intensity mask; return the levels on the region's grid and the highest of them."""
    from petnet.radiomics.kernels.intensities import assign_levels

    array = np.empty(region.values.shape, dtype=np.int32)
    highest = assign_levels(
        np.ravel(region.values),
        np.ravel(region.intensity),
        low,
        factor,
        width,
        greatest,
        np.ravel(array),
    )
    return array, highest


def discretise_fixed_bin_number(region: Region, bins: int) -> Levels:
    """Spread the region's intensities over `bins` levels (IBSI K15C).

    level = floor(bins · (x - min) / (max - min)) + 1, and `bins` for x = max; float64. A region of
    one intensity has one level, since its width of bins is undefined.
    """
    from petnet.radiomics.kernels.intensities import masked_extent

    low, high = masked_extent(np.ravel(region.values), np.ravel(region.intensity))
    if not high > low:
        return Levels(region.intensity.astype(np.int32), 1)
    array, _ = _levels(region, low, float(bins), high - low, bins)
    return Levels(array, bins)


def discretise_fixed_bin_size(region: Region, bin_width: float, lower_bound: float) -> Levels:
    """Cut the region's intensities into bins of one width from a fixed lower bound (IBSI Q3RU).

    level = floor((x - lower_bound) / bin_width) + 1; float64. Values below the bound fall into the
    first bin. The number of levels is the highest occupied bin.
    """
    # the largest int32 stands for "far too many": the dispatcher refuses it with its own message
    return Levels(*_levels(region, lower_bound, 1.0, bin_width, MAX_LEVEL))
