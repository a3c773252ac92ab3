"""Where the slices of a series lie, and the grid that they make.

DICOM's patient axes run to the left, back and top (LPS); petnet's to the right, front and top
(RAS+). Slices are put in order along their normal, the cross product of the row and the column
direction, and never by InstanceNumber, which says nothing of place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.header_values import numbers, whole
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Plane", "Stack", "check_alike", "height", "places", "plane_of", "stack_of"]

#: Direction cosines are written with 4 digits or more: lengths and right angles within this.
COSINE_TOLERANCE = 1e-3
#: Cosines of slices of one series: a corner 500 mm away moves by 0.05 mm.
SAME_DIRECTION = 1e-4
SAME_SPACING = 1e-4  # relative
#: Positions are written with 2 digits or more: two slices so near are at one place.
SAME_PLACE_MM = 0.01
#: How far a slice may lie from where equal distances would put it.
UNEVEN_MM = 0.02
UNEVEN_SHARE = 0.02  # of the spacing, where that is more
#: Shear (rad) that the rounding of cosines makes; the affine then follows the positions.
STRAIGHT = 5e-4
MOST_MM = 1e5  # of positions
SPACING_MM = (1e-3, 1e3)
MOST_PIXELS = 2**15  # of a row or column
LISTED = 5  # places that a message names
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Plane:
    """Place of one slice in the patient.

    Attributes
    ----------
    position : (3,) float64 array
        Centre of the first pixel, LPS millimetres: ImagePositionPatient.
    along_row, along_column : (3,) float64 array
        Unit vectors in which the column index and the row index grow: ImageOrientationPatient.
    spacing_mm : tuple of float
        Between columns and between rows; the reverse order of PixelSpacing.
    shape : tuple of int
        Columns, rows.
    """

    position: NDArray[np.float64]
    along_row: NDArray[np.float64]
    along_column: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector along which slices are put in order."""
        return np.cross(self.along_row, self.along_column)


@dataclass(frozen=True, eq=False)
class Stack:
    """The grid that evenly spaced, parallel slices make.

    Attributes
    ----------
    shape : tuple of int
        (X, Y, Z) = (columns, rows, slices).
    affine : (4, 4) float64 array
        Voxel index to RAS+ millimetres; perpendicular also where slices are not.
    starts : (Z, 2) float64 array or None
        Where slices are shifted against one another, voxel index (x, y) of the first pixel of each;
        None where each begins at (0, 0).
    tilt_degrees : float
        Angle between the line of the first pixels and the normal; 0 without `starts`.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    starts: NDArray[np.float64] | None = None
    tilt_degrees: float = 0.0


def plane_of(header: Dataset) -> Plane:
    """Read the place of a slice (PS3.3 C.7.6.2).

    Raises
    ------
    Refused
        ImagePositionPatient, ImageOrientationPatient, PixelSpacing, Rows or Columns missing,
        malformed, not finite or impossible.
    """
    position = np.array(numbers(header, "ImagePositionPatient", 3))
    if np.abs(position).max() > MOST_MM:
        found = f"{np.abs(position).max():g}"
        raise Refused(tag_name("ImagePositionPatient"), f"at most {MOST_MM:g} mm", found)
    along_row, along_column = _directions(numbers(header, "ImageOrientationPatient", 6))
    between_rows, between_columns = numbers(header, "PixelSpacing", 2)
    least, most = SPACING_MM
    if not (least <= between_rows <= most and least <= between_columns <= most):
        found = f"{between_rows:g} and {between_columns:g}"
        raise Refused(tag_name("PixelSpacing"), f"{least:g} to {most:g} mm", found)
    shape = whole(header, "Columns", 1, MOST_PIXELS), whole(header, "Rows", 1, MOST_PIXELS)
    return Plane(position, along_row, along_column, (between_columns, between_rows), shape)


def _directions(
    cosines: tuple[float, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors of a row and a column."""
    along_row, along_column = np.array(cosines).reshape(2, 3)
    with np.errstate(over="ignore"):
        lengths = float(np.linalg.norm(along_row)), float(np.linalg.norm(along_column))
    if max(abs(length - 1.0) for length in lengths) > COSINE_TOLERANCE:
        found = f"lengths of {lengths[0]:g} and {lengths[1]:g}"
        raise Refused(tag_name("ImageOrientationPatient"), "two vectors of length 1", found)
    along_row, along_column = along_row / lengths[0], along_column / lengths[1]
    cosine = float(along_row @ along_column)
    if abs(cosine) > COSINE_TOLERANCE:
        found = f"{math.degrees(math.acos(max(-1.0, min(cosine, 1.0)))):.2f} degrees between them"
        raise Refused(tag_name("ImageOrientationPatient"), "perpendicular vectors", found)
    return along_row, along_column


def check_alike(planes: Sequence[Plane]) -> None:
    """Refuse slices of different orientation, spacing or size: they make no volume.

    Raises
    ------
    Refused
    """
    first = planes[0]
    rows = np.array([np.concatenate([p.along_row, p.along_column]) for p in planes])
    turned = np.abs(rows - rows[0]).max(axis=1) > SAME_DIRECTION
    if turned.any():
        expected = "one orientation of all slices"
        found = f"{turned.sum()} of {len(planes)} slices turned otherwise: localizers?"
        raise Refused(tag_name("ImageOrientationPatient"), expected, found)
    spacing = np.array([p.spacing_mm for p in planes])
    if not np.allclose(spacing, spacing[0], rtol=SAME_SPACING, atol=0):
        found = f"{spacing.min():g} to {spacing.max():g} mm"
        raise Refused(tag_name("PixelSpacing"), "one spacing in all slices", found)
    for keyword, axis in (("Columns", 0), ("Rows", 1)):
        sizes = {p.shape[axis] for p in planes}
        if sizes != {first.shape[axis]}:
            found = f"{min(sizes)} to {max(sizes)}"
            raise Refused(tag_name(keyword), "one number in all slices", found)


def height(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return where slices lie along the normal of the first: (Z,) in mm, from the origin."""
    return np.array([plane.position for plane in planes]) @ planes[0].normal


def places(planes: Sequence[Plane]) -> Iterator[list[int]]:
    """Yield the indices of the slices at each height, from below; in their own order within."""
    at = height(planes)
    together: list[int] = []
    for index in np.argsort(at, kind="stable"):
        if together and at[index] - at[together[0]] > SAME_PLACE_MM:
            yield sorted(together)
            together = []
        together.append(int(index))
    yield sorted(together)


def stack_of(planes: Sequence[Plane]) -> Stack:
    """Return the grid of slices that are alike, in order along the normal, one at each height.

    Heights may differ from even ones by 0.02 mm or 2 % of the spacing, which is the rounding of
    positions in real files; first pixels may lie as far from a line.

    Raises
    ------
    Refused
        A single slice, missing slices, uneven distances, slices that lie in no line.
    """
    if len(planes) < 2:
        raise Refused("slices", "two or more at different positions", "one")
    first = planes[0]
    at = height(planes)
    step_mm = float(at[-1] - at[0]) / (len(planes) - 1)
    _check_even(at, step_mm)
    offsets = np.array([plane.position for plane in planes]) - first.position
    drift = offsets @ np.array([first.along_row, first.along_column]).T
    slope = drift[-1] / (at[-1] - at[0])
    tolerance = max(UNEVEN_MM, UNEVEN_SHARE * min(first.spacing_mm))
    if np.abs(drift - np.outer(at - at[0], slope)).max() > tolerance:
        expected = "first pixels in one line"
        found = f"some {np.abs(drift).max():.3g} mm aside"
        raise Refused(tag_name("ImagePositionPatient"), expected, found)
    shear = float(np.hypot(*slope))
    if shear > STRAIGHT and np.abs(drift).max() > tolerance:
        return _tilted(first, step_mm, drift, shear)
    step = offsets[-1] / (len(planes) - 1) if shear <= STRAIGHT else first.normal * step_mm
    return Stack((*first.shape, len(planes)), _affine(first, first.position, step))


def _check_even(at: NDArray[np.float64], step_mm: float) -> None:
    """Refuse gaps and uneven distances, saying where; `at` is sorted."""
    aside = np.abs(at - at[0] - step_mm * np.arange(at.size))
    if aside.max() <= max(UNEVEN_MM, UNEVEN_SHARE * step_mm):
        return
    gaps = np.diff(at)
    usual = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    times = np.rint(gaps / usual)
    whole_steps = np.abs(gaps - times * usual) <= np.maximum(UNEVEN_MM, UNEVEN_SHARE * gaps)
    if whole_steps.all() and usual > np.median(gaps) / 4:
        wide = times > 1
        expected = f"a slice every {usual:.4g} mm along the normal"
        found = f"{int((times - 1).sum())} missing: none {_between(at, wide)}"
        raise Refused("slices", expected, found)
    odd = np.abs(gaps - np.median(gaps)) > np.maximum(UNEVEN_MM, UNEVEN_SHARE * np.median(gaps))
    expected = "even distances between slices along the normal"
    found = f"{gaps.min():.4g} to {gaps.max():.4g} mm"
    found += f": uneven {_between(at, odd)}" if odd.any() else ""
    raise Refused("slices", expected, found)


def _between(at: NDArray[np.float64], here: NDArray[np.bool_]) -> str:
    """Name the gaps between heights, the first few of them."""
    gaps = np.flatnonzero(here)
    named = [f"{at[k]:.2f} and {at[k + 1]:.2f}" for k in gaps[:LISTED]]
    more = f", and {gaps.size - LISTED} more" if gaps.size > LISTED else ""
    return "between " + ", ".join(named) + " mm" + more


def _tilted(first: Plane, step_mm: float, drift: NDArray[np.float64], shear: float) -> Stack:
    """Return the smallest perpendicular grid that holds all pixels of a sheared stack."""
    starts = np.round(drift / np.array(first.spacing_mm), 6)  # no pixel is lost to rounding
    low = np.floor(starts.min(axis=0))
    columns, rows = np.ceil(starts.max(axis=0) - low).astype(int) + np.array(first.shape)
    along = np.array([first.along_row, first.along_column]) * np.array([first.spacing_mm]).T
    affine = _affine(first, first.position + low @ along, first.normal * step_mm)
    shape = int(columns), int(rows), len(drift)
    return Stack(shape, affine, starts - low, math.degrees(math.atan(shear)))


def _affine(
    plane: Plane, origin: NDArray[np.float64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the affine of slices like `plane`, the first at `origin`, each a `step` further."""
    affine = np.eye(4)
    across, down = plane.spacing_mm
    affine[:3] = np.array([plane.along_row * across, plane.along_column * down, step, origin]).T
    affine[:3] *= LPS_TO_RAS[:, None]
    return affine + 0.0  # no -0
