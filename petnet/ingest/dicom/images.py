"""Volumes of series: SUV of PET, Hounsfield units of CT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.dicom_file import lenient
from petnet.ingest.dicom.header_values import number, text
from petnet.ingest.dicom.pixels import slice_arrays
from petnet.ingest.records import Series
from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

    from petnet.ingest.suv.pet_header import PetHeader
    from petnet.ingest.suv.scale import SuvOptions, SuvScale

__all__ = ["load_ct", "load_pet", "shifted"]

#: SUV of one step of the stored values: even 32 bits reach no SUV, or the first is beyond any.
FACTORS = (1e-13, 1e4)
LARGEST_SLOPE, LARGEST_INTERCEPT = 1e3, 1e6
INT16 = np.iinfo(np.int16)


def load_pet(
    series: Series, options: SuvOptions, header: PetHeader | None = None
) -> tuple[Volume, SuvScale]:
    """Read the pixels of a PET series as SUV.

    SUV = stored value · RescaleSlope · factor, each with the slice's own slope and factor; in
    float64, rounded once to float32.

    Parameters
    ----------
    series : Series
    options : SuvOptions
    header : PetHeader, optional
        That of `series`, where it has been read already.

    Returns
    -------
    volume : Volume
        (X, Y, Z) float32, its unit as `options` asks for; without a tracer.
    scale : SuvScale

    Raises
    ------
    Refused
        By `suv_scale` or `slice_arrays`.
    """
    from petnet.ingest.suv.scale import suv_scale

    header = header or read_pet_header([one.header for one in series.slices])
    scale = suv_scale(header, options)
    with lenient():
        slopes = [number(one.header, "RescaleSlope") for one in series.slices]
    factors = np.array(slopes) * np.array(scale.factors)
    low, high = FACTORS
    implausible = ~((low < factors) & (factors < high))
    if implausible.any():
        expected = f"one by which a step of the stored values is an SUV of {low:g} to {high:g}"
        found = f"{slopes[int(implausible.argmax())]:g}"
        raise Refused(tag_name("RescaleSlope"), expected, found)
    array = np.empty(series.shape, np.float32, order="F")
    for k, values in enumerate(slice_arrays(series)):
        array[:, :, k] = values.T * factors[k]
    return Volume(array, series.affine, scale.unit, "PT"), scale


def load_ct(series: Series) -> Volume:
    """Read the pixels of a CT series as Hounsfield units.

    HU = stored value · RescaleSlope + RescaleIntercept. Both are required by the standard (PS3.3
    C.8.2.1) and are never assumed. RescaleType may be absent, which means HU, or "HU". Pixels that
    PixelPaddingValue marks as no image are scaled as all others and stay in: most often −2000 HU
    or lower.

    Returns
    -------
    Volume
        (X, Y, Z) int16 where all values are whole numbers that fit, else float32. A series with
        `starts` is resampled within its slices onto the perpendicular grid, linearly and in
        float64; what no slice covers has the lowest value of the series.

    Raises
    ------
    Refused
    """
    array: NDArray[Any] | None = None
    for k, values in enumerate(_hounsfield(series)):
        is_small = (
            values.dtype.kind == "i" and INT16.min <= values.min() <= values.max() <= INT16.max
        )
        if array is None:  # now that there are pixels of that size, there may be room for a volume
            array = np.empty(series.shape, np.int16 if is_small else np.float32, order="F")
        elif array.dtype == np.int16 and not is_small:
            array = array.astype(np.float32, order="F")
        array[:, :, k] = values.T
    assert array is not None  # a series has slices
    if series.starts is not None:
        array[np.isnan(array)] = np.nanmin(array)
    return Volume(array, series.affine, "HU", "CT")


def _hounsfield(series: Series) -> Iterator[NDArray[Any]]:
    """Yield the values of each slice of the volume: (rows, columns), int64 or float64."""
    with lenient():
        scales = [_scale(one.header) for one in series.slices]
    are_whole = all(value.is_integer() for scale in scales for value in scale)
    for k, stored in enumerate(slice_arrays(series)):
        slope, intercept = scales[k]
        if are_whole and series.starts is None:
            yield stored.astype(np.int64) * int(slope) + int(intercept)
            continue
        values = stored * slope + intercept
        if series.starts is None:
            yield values
        else:
            yield shifted(values, series.starts[k], (series.shape[1], series.shape[0]))


def _scale(header: Dataset) -> tuple[float, float]:
    """Return slope and intercept of a slice of CT."""
    kind = text(header, "RescaleType")
    if kind.upper() not in ("", "HU"):
        raise Refused(tag_name("RescaleType"), "HU or none", "another unit")
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
    if not 0 < slope <= LARGEST_SLOPE:
        raise Refused(tag_name("RescaleSlope"), f"above 0, to {LARGEST_SLOPE:g}", f"{slope:g}")
    if abs(intercept) > LARGEST_INTERCEPT:
        expected = f"at most {LARGEST_INTERCEPT:g} HU"
        raise Refused(tag_name("RescaleIntercept"), expected, f"{intercept:g}")
    return slope, intercept


def shifted(
    values: NDArray[np.float64], start: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Resample a slice that begins between the voxels of a larger grid, linearly.

    Parameters
    ----------
    values : (rows, columns) float64 array
    start : (2,) float64 array
        Column and row of the grid, not negative, at which the first pixel lies.
    shape : tuple of int
        Rows and columns of the grid.

    Returns
    -------
    `shape` float64 array
        NaN where the slice has no pixels on both sides.
    """
    along_rows = _shifted_rows(values, float(start[0]), shape[1])
    return _shifted_rows(along_rows.T, float(start[1]), shape[0]).T


def _shifted_rows(values: NDArray[np.float64], start: float, size: int) -> NDArray[np.float64]:
    """Resample every row at whole numbers, the first value lying at `start`."""
    first = int(np.ceil(start))
    weight = first - start  # of the next pixel: the grid's voxel lies so far behind the first one
    made = np.full((values.shape[0], size), np.nan)
    if weight == 0.0:
        made[:, first : first + values.shape[1]] = values
    else:
        between = values[:, :-1] * (1.0 - weight) + values[:, 1:] * weight
        made[:, first : first + between.shape[1]] = between
    return made
