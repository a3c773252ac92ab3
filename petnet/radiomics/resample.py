"""Image and mask on another grid (IBSI VTM2): nearest, linear, or cubic spline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.radiomics.labels import Box, LabelBox, bounding_box, grown, locate
from petnet.radiomics.region import SPHERE_RADIUS_MM, Region, checked_values, crop
from petnet.volume import Volume, check_same_grid

__all__ = ["Interpolation", "resample_region", "resample_whole", "resampled_box"]

Interpolation = Literal["nearest", "linear", "cubic"]
Positions = list[NDArray[np.float64]]
SPLINE_ORDER: dict[str, int] = {"nearest": 0, "linear": 1, "cubic": 3}
#: Voxels kept around what is sampled. The cubic spline's prefilter forgets by 0.27 per voxel, so
#: that 24 voxels make the cropped and the whole image equal to float64 rounding.
SAMPLING_MARGIN = {"nearest": 1, "linear": 1, "cubic": 24}
EDGE_REPEATS = 12  # of the border voxel before the prefilter, for the same reason
#: Interpolated mask values are raised by this before the comparison with the threshold, so that a
#: spacing stored in single precision does not decide ties.
TIE = 1e-6


def resample_region(
    image: Volume,
    mask: Volume | LabelBox,
    spacing_mm: Sequence[float | None],
    interpolation: Interpolation,
    round_hu: bool,
    what: str = "region",
    mask_threshold: float = 0.5,
    reach_mm: float = SPHERE_RADIUS_MM,
) -> Region:
    """Resample image and mask to new voxel edges; the whole image's grid centres stay aligned.

    Parameters
    ----------
    mask : Volume or LabelBox
        On the grid of the image; not zero where the region is. Of `split_labels`: one label.
    spacing_mm : three floats or None
        New voxel edges along the array's axes; None keeps the native edge of that axis, so that
        [2, 2, None] resamples within slices.
    interpolation : {"nearest", "linear", "cubic"}
        Of the image, edges repeated. The mask is interpolated linearly (nearest: nearest).
    round_hu : bool
        Round interpolated intensities to whole numbers, as Hounsfield units are.
    mask_threshold : float
        Interpolated mask values from here on belong to the region; above 0, at most 1.
    reach_mm : float
        How far the surroundings go beyond the box; 0 leaves them out.

    Returns
    -------
    Region
        Cropped to its bounding box. Only the image around the region is touched.

    Raises
    ------
    InputError
        As `prepare_region`, or nothing of the mask is left on the new grid, or the threshold is
        out of its range. What is not finite outside the mask is set to the mean of the region
        before it is interpolated.
    """
    place = locate(mask, what)
    new_mm, positions = _new_grid(image, spacing_mm)
    near = []
    for part, old, axis in zip(place.box, image.spacing_mm, positions, strict=True):
        reach = reach_mm / old + 1  # a mask spreads by less than one old voxel
        near.append(axis[(axis >= part.start - reach) & (axis <= part.stop - 1 + reach)])
    sampled = _sample(image, place, near, new_mm, interpolation, round_hu, what, mask_threshold)
    return crop(sampled, reach_mm=reach_mm)


def resample_whole(
    image: Volume,
    mask: Volume | LabelBox,
    spacing_mm: Sequence[float | None] | None = None,
    interpolation: Interpolation = "linear",
    round_hu: bool = False,
    what: str = "region",
    mask_threshold: float = 0.5,
) -> Region:
    """Resample the whole image, for filters that look far beyond the region; `crop` trims it.

    Parameters
    ----------
    spacing_mm : three floats or None, optional
        None keeps the native grid.

    Returns
    -------
    Region
        Masks and values on the full grid; no surroundings.

    Raises
    ------
    InputError
        As `resample_region`.
    """
    place = locate(mask, what)
    new_mm, positions = _new_grid(image, spacing_mm or (None, None, None))
    return _sample(image, place, positions, new_mm, interpolation, round_hu, what, mask_threshold)


def resampled_box(
    image: Volume,
    mask: Volume | LabelBox,
    spacing_mm: Sequence[float | None] | None = None,
    interpolation: Interpolation = "linear",
    what: str = "region",
    mask_threshold: float = 0.5,
) -> Box:
    """Return where the region of `resample_region` lies on the grid of `resample_whole`.

    Raises
    ------
    InputError
        The mask is empty, or nothing of it is left on the new grid.
    """
    place = locate(mask, what)
    new_mm, positions = _new_grid(image, spacing_mm or (None, None, None))
    near = _near(place, positions)
    close = [axis[kept] for axis, kept in zip(positions, near, strict=True)]
    box = bounding_box(
        _sample_mask(place, close, min(SPLINE_ORDER[interpolation], 1), mask_threshold)
    )
    if box is None:
        raise _lost(what, new_mm)
    x, y, z = (
        slice(int(kept[0]) + part.start, int(kept[0]) + part.stop)
        for kept, part in zip(near, box, strict=True)
    )
    return x, y, z


def _lost(what: str, new_mm: tuple[float, float, float]) -> InputError:
    return InputError(
        what,
        "mask",
        f"at least one voxel of {tuple(round(s, 4) for s in new_mm)} mm after resampling",
        "none",
        "Choose a finer spacing_mm or leave this region out",
    )


def _new_grid(
    image: Volume, spacing_mm: Sequence[float | None]
) -> tuple[tuple[float, float, float], Positions]:
    """Return the new voxel edges, and positions, in old voxels, of the whole new grid."""
    old_mm = image.spacing_mm
    x, y, z = (
        old if new is None else float(new) for old, new in zip(old_mm, spacing_mm, strict=True)
    )
    sizes = zip(image.array.shape, old_mm, (x, y, z), strict=True)
    return (x, y, z), [_target_positions(n, old, new) for n, old, new in sizes]


def _target_positions(n: int, old_mm: float, new_mm: float) -> NDArray[np.float64]:
    """Positions, in old voxels, of a new axis with the centre of the old one."""
    size = max(1, math.ceil(round(n * old_mm / new_mm, 6)))
    steps = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return (n - 1) / 2 + steps * (new_mm / old_mm)


def _sample(
    image: Volume,
    place: LabelBox,
    positions: Positions,
    new_mm: tuple[float, float, float],
    interpolation: Interpolation,
    round_hu: bool,
    what: str,
    mask_threshold: float,
) -> Region:
    """Sample image and mask on the grid spanned by three axes of positions."""
    check_same_grid(image, place.volume, f"{what}: mask and image")
    if not 0 < mask_threshold <= 1:
        expected = "a number above 0 and at most 1"
        raise InputError(what, "mask_threshold", expected, str(mask_threshold))
    order = SPLINE_ORDER[interpolation]
    morphological = _sample_mask(place, positions, min(order, 1), mask_threshold)
    if not morphological.any():
        raise _lost(what, new_mm)
    margin = SAMPLING_MARGIN[interpolation]
    source = grown(_span(positions, place.box), (margin,) * 3, image.array.shape)
    native = checked_values(image.array[source], place.within(source), what)
    values = _interpolate(native, _shifted(positions, source), order)
    if round_hu:
        values = np.rint(values)
    return Region(values, morphological, morphological, new_mm)


def _sample_mask(
    place: LabelBox, positions: Positions, order: int, threshold: float
) -> NDArray[np.bool_]:
    """Interpolate a mask where it is not all zeros: within a voxel of its box."""
    masked = np.zeros([axis.size for axis in positions], dtype=np.bool_)
    near = _near(place, positions)
    if not all(axis.size for axis in near):
        return masked
    source = grown(place.box, (1, 1, 1), place.volume.array.shape)
    close = [axis[kept] for axis, kept in zip(positions, near, strict=True)]
    soft = _interpolate(place.within(source).astype(np.float64), _shifted(close, source), order)
    masked[np.ix_(*near)] = soft >= threshold - TIE
    return masked


def _near(place: LabelBox, positions: Positions) -> list[NDArray[np.int64]]:
    """Return which positions of each axis lie within a voxel of the mask's box."""
    return [
        np.flatnonzero((axis > part.start - 1) & (axis < part.stop))
        for axis, part in zip(positions, place.box, strict=True)
    ]


def _span(positions: Positions, box: Box) -> Box:
    """Return the smallest box of old voxels that holds all positions and `box`."""
    x, y, z = (
        slice(
            min(part.start, math.floor(axis[0])) if axis.size else part.start,
            max(part.stop, math.ceil(axis[-1]) + 1) if axis.size else part.stop,
        )
        for axis, part in zip(positions, box, strict=True)
    )
    return x, y, z


def _shifted(positions: Positions, box: Box) -> Positions:
    return [axis - part.start for axis, part in zip(positions, box, strict=True)]


def _interpolate(
    array: NDArray[np.float64], positions: Positions, order: int
) -> NDArray[np.float64]:
    """Sample `array` on the grid spanned by three axes of positions; edges are repeated.

    One axis after the other, since splines are separable; the one that shrinks most comes first.
    """
    for axis in sorted(range(3), key=lambda a: positions[a].size / array.shape[a]):
        array = _interpolate_axis(array, positions[axis], axis, order)
    return np.ascontiguousarray(array)


def _interpolate_axis(
    array: NDArray[np.float64], at: NDArray[np.float64], axis: int, order: int
) -> NDArray[np.float64]:
    last = array.shape[axis] - 1
    nearest = np.floor(at + 0.5)
    if order == 0 or np.array_equal(at, nearest):
        return np.take(array, np.clip(nearest, 0, last).astype(np.int64), axis=axis)
    if order == 3:
        array, at, last = (
            _spline_coefficients(array, axis),
            at + EDGE_REPEATS,
            last + 2 * EDGE_REPEATS,
        )
    first, weights = _weights(at, order)
    total = np.zeros(())
    for step, weight in enumerate(weights):
        part = np.take(array, np.clip(first + step, 0, last), axis=axis)
        part *= np.expand_dims(weight, tuple(a for a in range(3) if a != axis))
        total = part if step == 0 else np.add(total, part, out=total)
    return total


def _weights(
    at: NDArray[np.float64], order: int
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    """Return the first voxel that each position draws on, and the weights from there on."""
    first = np.floor(at)
    t = at - first
    if order == 1:
        return first.astype(np.int64), [1 - t, t]
    s = 1 - t
    inner = [2 / 3 - u * u * (2 - u) / 2 for u in (t, s)]
    return first.astype(np.int64) - 1, [s**3 / 6, *inner, t**3 / 6]


def _spline_coefficients(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Prefilter along an axis that is lengthened by EDGE_REPEATS voxels at either end."""
    from scipy import ndimage

    ends = [(EDGE_REPEATS, EDGE_REPEATS) if a == axis else (0, 0) for a in range(3)]
    padded = np.pad(array, ends, mode="edge")
    filtered: NDArray[np.float64] = ndimage.spline_filter1d(
        padded, order=3, axis=axis, mode="nearest"
    )
    return filtered
