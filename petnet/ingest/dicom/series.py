"""From the files of one series to slices that make one volume, or the reason why they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.dicom_file import BROKEN, HeaderReader, lenient
from petnet.ingest.dicom.geometry import Plane, Stack, check_alike, places, plane_of, stack_of
from petnet.ingest.dicom.header_values import text
from petnet.ingest.dicom.multiframe import flatten, is_multiframe
from petnet.ingest.dicom.pixels import is_lossy, read_slices
from petnet.ingest.records import FoundFile, Series, Slice
from petnet.ingest.refusal import Refused, tag_name

__all__ = ["Tilt", "read_series"]

Tilt = Literal["refuse", "correct"]
#: What one series has in common; a mixture is no series.
SHARED = ("FrameOfReferenceUID", "Modality", "PatientID", "StudyInstanceUID")
#: Where slices of one place differ when they were taken one after the other, and what that is.
PHASES = {
    "TemporalPositionIndex": "time points",
    "TemporalPositionIdentifier": "time points",
    "TriggerTime": "phases of a cycle",
    "NominalPercentageOfCardiacPhase": "phases of a cycle",
    "NominalPercentageOfRespiratoryPhase": "phases of a cycle",
    "FrameReferenceTime": "time frames",
    "AcquisitionTime": "acquisitions",
    "AcquisitionNumber": "acquisitions",
    "ConvolutionKernel": "reconstructions",
    "ImageType": "kinds of image",
}


def read_series(files: Sequence[FoundFile], tilt: Tilt = "refuse") -> Series:
    """Read the headers of a series, and put its slices in order.

    Slices are sorted by their position along the normal. Of slices at one position with the same
    pixels the first by path is kept. See `geometry.stack_of` for the tolerances.

    Parameters
    ----------
    files : sequence of FoundFile
        Of one SeriesInstanceUID; classic files of one slice each, multi-frame files, or both.
    tilt : {"refuse", "correct"}
        What becomes of CT whose slices are shifted against one another, as with a tilted gantry:
        "correct" describes the perpendicular grid onto which `images.load_ct` resamples them.

    Returns
    -------
    Series

    Raises
    ------
    Refused
        Names the attribute, or "slices", for whatever keeps the files from being one volume.
    """
    with lenient():
        try:
            by_path = sorted(files, key=lambda file: file.path)
            reader = HeaderReader()
            slices = [one for file in by_path for one in _slices(file, reader)]
            if not slices:
                raise Refused("slices", "two or more at different positions", "none")
            _check_images(slices)
            planes = [plane_of(one.header) for one in slices]
            check_alike(planes)
            kept, notes = _one_each(slices, planes)
            slices, planes = [slices[k] for k in kept], [planes[k] for k in kept]
            stack = stack_of(planes)
            if stack.starts is not None:
                notes.append(_corrected(stack, slices[0], tilt))
            notes += _remarks(slices, stack)
        except BROKEN as error:  # a value that only pydicom's conversion finds malformed
            found = f"a malformed one ({type(error).__name__})"
            raise Refused("header", "that of an image", found) from error
    return Series(tuple(slices), stack.shape, stack.affine, tuple(notes), stack.starts)


def _slices(file: FoundFile, reader: HeaderReader) -> Iterator[Slice]:
    header, pixels = reader.read(file.path)
    if pixels is None:
        raise Refused(tag_name("PixelData"), "pixels in every file", "none")
    if is_multiframe(header):
        headers = flatten(header)
        pixels = replace(pixels, frames=len(headers))
        for frame, one in enumerate(headers):
            yield Slice(file.path, frame, one, pixels)
        return
    if text(header, "NumberOfFrames") not in ("", "1"):
        expected = "1 in a file without functional groups"
        raise Refused(tag_name("NumberOfFrames"), expected, "more")
    yield Slice(file.path, None, header, pixels)


def _check_images(slices: Sequence[Slice]) -> None:
    """Refuse localizers, and files that cannot be of one series."""
    for one in slices:
        if "LOCALIZER" in text(one.header, "ImageType").upper().split("\\"):
            raise Refused(tag_name("ImageType"), "slices of a volume", "a localizer")
    for keyword in SHARED:
        found = len({text(one.header, keyword) for one in slices})
        if found > 1:
            raise Refused(tag_name(keyword), "the same in all slices", f"{found} different ones")


def _one_each(slices: Sequence[Slice], planes: Sequence[Plane]) -> tuple[list[int], list[str]]:
    """Return the indices of one slice for each position, in order, and what is to be noted."""
    kept: list[int] = []
    for together in places(planes):
        kept.append(together[0])
        if len(together) > 1:
            _check_copies([slices[k] for k in together], [planes[k] for k in together])
    surplus = len(slices) - len(kept)
    return kept, [f"{surplus} duplicate slices left out"] if surplus else []


def _check_copies(slices: Sequence[Slice], planes: Sequence[Plane]) -> None:
    """Refuse slices of one height unless they are copies of one another."""
    first, *others = zip(slices, planes, read_slices(tuple(slices)), strict=True)
    for other in others:
        if not _are_copies(first, other):
            raise _several(slices)


def _are_copies(a: tuple[Slice, Plane, NDArray[Any]], b: tuple[Slice, Plane, NDArray[Any]]) -> bool:
    scales = [
        [text(one.header, word) for word in ("RescaleSlope", "RescaleIntercept", "Units")]
        for one in (a[0], b[0])
    ]
    near = np.allclose(a[1].position, b[1].position, rtol=0, atol=0.01)
    return bool(near and scales[0] == scales[1] and np.array_equal(a[2], b[2]))


def _several(slices: Sequence[Slice]) -> Refused:
    """Return the reason why several slices lie at one position."""
    expected = "one slice at each position"
    found = f"{len(slices)} slices at one position"
    kind = text(slices[0].header, "SeriesType").upper().split("\\")[0]
    if kind in ("DYNAMIC", "GATED"):
        return Refused(tag_name("SeriesType"), expected, f"{found}: {kind.lower()} images")
    for keyword, what in PHASES.items():
        if len({text(one.header, keyword) for one in slices}) > 1:
            return Refused(tag_name(keyword), expected, f"{found}, of several {what}")
    return Refused("slices", expected, found)


def _corrected(stack: Stack, first: Slice, tilt: Tilt) -> str:
    """Return the note on a tilt that is to be corrected, unless it may not be."""
    degrees = f"{stack.tilt_degrees:.2f} degrees"
    if tilt == "correct" and text(first.header, "Modality") == "CT":
        return f"slices shifted by a tilt of {degrees}; resampled onto a perpendicular grid"
    written = text(first.header, "GantryDetectorTilt").strip("0.-+ ")
    tag = tag_name("GantryDetectorTilt" if written else "ImagePositionPatient")
    remedy = "tilt=correct resamples CT" if tilt == "refuse" else None
    raise Refused(tag, "slices one above the other", f"slices shifted by {degrees}", remedy)


def _remarks(slices: Sequence[Slice], stack: Stack) -> Iterator[str]:
    """Yield what is no reason to refuse, and yet should be known."""
    header = slices[0].header
    stated = text(header, "NumberOfSlices")
    if stated.isdigit() and int(stated) != len(slices):
        yield f"{tag_name('NumberOfSlices')} says {int(stated)}, but there are {len(slices)} slices"
    gap = text(header, "SpacingBetweenSlices")
    spacing_mm = float(np.linalg.norm(stack.affine[:3, 2]))
    try:
        apart_mm = abs(float(gap)) if gap else spacing_mm
    except ValueError:
        apart_mm = spacing_mm
    if not abs(apart_mm - spacing_mm) <= 0.02 * spacing_mm:
        name = tag_name("SpacingBetweenSlices")
        yield f"{name} says {apart_mm:.4g} mm, but slices are {spacing_mm:.4g} mm apart"
    if stack.starts is None and text(header, "GantryDetectorTilt").strip("0.-+ "):
        name = tag_name("GantryDetectorTilt")
        yield f"{name} is not 0, but slices lie one above the other"
    lossy = sum(map(is_lossy, slices))
    if lossy:
        yield f"{lossy} slices were compressed with loss"
