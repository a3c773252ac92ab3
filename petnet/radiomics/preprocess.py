"""From a native image and mask to the voxels that features are computed on (IBSI processing).

Order of the steps: crop, resample image and mask, round HU, re-segment, discretise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.volume import Volume, check_same_grid

__all__ = [
    "Interpolation",
    "Levels",
    "Region",
    "discretise_fixed_bin_number",
    "discretise_fixed_bin_size",
    "prepare_region",
    "resample_region",
    "resegment",
]

Interpolation = Literal["nearest", "linear", "cubic"]
SPLINE_ORDER: dict[str, int] = {"nearest": 0, "linear": 1, "cubic": 3}
#: Voxels kept around the mask before resampling. The cubic spline's prefilter forgets by 0.27 per
#: voxel, so that 24 voxels make the cropped and the whole image equal to float64 rounding.
RESAMPLING_MARGIN = {"nearest": 2, "linear": 2, "cubic": 24}
#: Interpolated mask values are rounded by this before the comparison with 0.5, so that a spacing
#: stored in single precision does not decide ties.
TIE = 1e-6


@dataclass(frozen=True, eq=False)
class Region:
    """A region cropped to its bounding box.

    Attributes
    ----------
    values : (X, Y, Z) float64
        Intensities; finite within the masks.
    morphological : (X, Y, Z) bool
        The region's shape.
    intensity : (X, Y, Z) bool
        What is left of it after re-segmentation.
    spacing_mm : three floats
    """

    values: NDArray[np.float64]
    morphological: NDArray[np.bool_]
    intensity: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Levels:
    """Discretised region: `array` (X, Y, Z) int32, 0 outside the intensity mask, and `n_levels`."""

    array: NDArray[np.int32]
    n_levels: int


def prepare_region(image: Volume, mask: Volume, what: str = "region", margin: int = 0) -> Region:
    """Crop image and mask to the mask's bounding box plus `margin` voxels.

    Raises
    ------
    InputError
        Different grids, an empty mask, or a value that is no finite number inside the mask.
        Outside the mask such values are set to the mean of the region.
    """
    check_same_grid(image, mask, f"{what}: mask and image")
    inside = np.asarray(mask.array) != 0
    box = _bounding_box(inside, margin)
    if box is None:
        raise InputError(what, "mask", "at least one voxel", "an empty mask")
    inside = inside[box]
    values = np.asarray(image.array[box], dtype=np.float64)
    finite = np.isfinite(values)
    bad = int(np.count_nonzero(inside & ~finite))
    if bad:
        raise InputError(
            what,
            "intensities inside the mask",
            "finite numbers",
            f"NaN or infinity in {bad} of {np.count_nonzero(inside)} voxels",
        )
    if not finite.all():
        values = np.where(finite, values, values[inside].mean())
    return Region(values, inside, inside, image.spacing_mm)


def _bounding_box(mask: NDArray[np.bool_], margin: int = 0) -> tuple[slice, ...] | None:
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        if occupied.size == 0:
            return None
        low, high = int(occupied[0]) - margin, int(occupied[-1]) + 1 + margin
        box.append(slice(max(low, 0), min(high, mask.shape[axis])))
    return tuple(box)


def _trim(region: Region) -> Region:
    """Crop to the bounding box of the morphological mask."""
    box = _bounding_box(region.morphological)
    if box is None:
        return region
    return replace(
        region,
        values=np.ascontiguousarray(region.values[box]),
        morphological=np.ascontiguousarray(region.morphological[box]),
        intensity=np.ascontiguousarray(region.intensity[box]),
    )


def _target_positions(n: int, old_mm: float, new_mm: float) -> NDArray[np.float64]:
    """Positions, in old voxels, of a new axis with the centre of the old one."""
    size = max(1, math.ceil(round(n * old_mm / new_mm, 6)))
    steps = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return (n - 1) / 2 + steps * (new_mm / old_mm)


def resample_region(
    image: Volume,
    mask: Volume,
    spacing_mm: Sequence[float],
    interpolation: Interpolation,
    round_hu: bool,
    what: str = "region",
) -> Region:
    """Resample image and mask to new voxel edges; the whole image's grid centres stay aligned.

    Parameters
    ----------
    spacing_mm : three floats
        New voxel edges along the array's axes.
    interpolation : {"nearest", "linear", "cubic"}
        Of the image. The mask is interpolated linearly (nearest: nearest) and holds from 0.5 on.
    round_hu : bool
        Round interpolated intensities to whole numbers, as Hounsfield units are.

    Raises
    ------
    InputError
        As `prepare_region`, or nothing of the mask is left on the new grid.
    """
    margin = RESAMPLING_MARGIN[interpolation]
    native = prepare_region(image, mask, what, margin)
    box = _bounding_box(np.asarray(mask.array) != 0, margin)
    assert box is not None  # prepare_region has seen the mask
    positions = []
    for axis, part in enumerate(box):
        whole = _target_positions(image.array.shape[axis], image.spacing_mm[axis], spacing_mm[axis])
        # keep a new voxel beyond the mask's own extent on either side
        reach = spacing_mm[axis] / image.spacing_mm[axis] + 1
        first, last = part.start, part.stop - 1
        inner_first = first + (margin if first > 0 else 0) - reach
        inner_last = last - (margin if part.stop < image.array.shape[axis] else 0) + reach
        positions.append(whole[(whole >= inner_first) & (whole <= inner_last)] - part.start)
    order = SPLINE_ORDER[interpolation]
    values = _interpolate(native.values, positions, order)
    soft = _interpolate(native.morphological.astype(np.float64), positions, min(order, 1))
    if round_hu:
        values = np.rint(values)
    morphological = soft >= 0.5 - TIE
    if not morphological.any():
        raise InputError(
            what,
            "mask",
            f"at least one voxel of {tuple(float(s) for s in spacing_mm)} mm after resampling",
            "none",
            "Choose a finer spacing_mm or leave this region out",
        )
    x, y, z = (float(s) for s in spacing_mm)
    return _trim(Region(values, morphological, morphological, (x, y, z)))


def _interpolate(
    array: NDArray[np.float64], positions: Sequence[NDArray[np.float64]], order: int
) -> NDArray[np.float64]:
    """Sample `array` on the grid spanned by three axes of positions; edges are repeated."""
    from scipy import ndimage

    grid = np.meshgrid(*positions, indexing="ij")
    result: NDArray[np.float64] = ndimage.map_coordinates(array, grid, order=order, mode="nearest")
    return result


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
    keep = region.intensity.copy()
    if n_sigma is not None:
        inside = region.values[region.intensity]
        reach = n_sigma * inside.std()
        keep &= np.abs(region.values - inside.mean()) <= reach
    if range_ is not None:
        keep &= (region.values >= range_[0]) & (region.values <= range_[1])
    return replace(region, intensity=keep)


def _as_levels(region: Region, binned: Any, n_levels: int | None) -> Levels:
    """Lay levels of the intensity mask on the region's grid."""
    array = np.zeros(region.values.shape, dtype=np.int32)
    array[region.intensity] = binned
    return Levels(array, max(1, int(array.max(initial=1)) if n_levels is None else n_levels))


def discretise_fixed_bin_number(region: Region, bins: int) -> Levels:
    """Spread the region's intensities over `bins` levels (IBSI K15C).

    level = floor(bins · (x - min) / (max - min)) + 1, and `bins` for x = max; float64. A region of
    one intensity has one level, since its width of bins is undefined.
    """
    x = region.values[region.intensity]
    low, high = (x.min(), x.max()) if x.size else (0.0, 0.0)
    if not high > low:
        return _as_levels(region, 1, 1)
    binned = np.floor(bins * (x - low) / (high - low)) + 1
    return _as_levels(region, np.minimum(binned, bins).astype(np.int32), bins)


def discretise_fixed_bin_size(region: Region, bin_width: float, lower_bound: float) -> Levels:
    """Cut the region's intensities into bins of one width from a fixed lower bound (IBSI Q3RU).

    level = floor((x - lower_bound) / bin_width) + 1; float64. Values below the bound fall into the
    first bin. The number of levels is the highest occupied bin.
    """
    x = region.values[region.intensity]
    binned = np.floor((x - lower_bound) / bin_width) + 1
    # the largest int32 stands for "far too many": the dispatcher refuses it with its own message
    clipped = np.clip(binned, 1, np.iinfo(np.int32).max)
    return _as_levels(region, clipped.astype(np.int32), None)
