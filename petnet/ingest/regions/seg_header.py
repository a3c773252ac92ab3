"""Header of a DICOM segmentation: its segments, and where in space each of its frames lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.dicom_file import BROKEN, lenient, read_header
from petnet.ingest.dicom.geometry import MOST_PIXELS
from petnet.ingest.dicom.header_values import number, numbers, text, whole
from petnet.ingest.records import StoredPixels
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Segment", "SegmentFrame", "Segmentation", "read_segmentation"]

Kind = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
PERPENDICULAR = 1e-3  # largest cosine between rows and columns, and error of their length
LARGEST_MM = 1e6
MOST = 2**16 - 1  # numbers of segments, and pixel values
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segmentation says of one of its segments.

    Attributes
    ----------
    number : int
        SegmentNumber.
    label : str
        SegmentLabel, or "Segment 3" where there is none.
    method : str
        SegmentAlgorithmType and SegmentAlgorithmName, "AUTOMATIC: nnU-Net"; "" where absent.
    category, kind : str
        CodeMeaning of the property's category ("Morphologically Altered Structure") and type
        ("Neoplasm"); "" where absent.
    tracking_id : str
        TrackingID, the name of the same lesion in other segmentations; "" where absent.
    """

    number: int
    label: str
    method: str = ""
    category: str = ""
    kind: str = ""
    tracking_id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFrame:
    """Where a frame lies and what it shows.

    Attributes
    ----------
    number : int or None
        Its segment; None in label maps, which show all.
    affine : (4, 3) float64 array
        (column, row, 1) to RAS+ millimetres.
    """

    number: int | None
    affine: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A DICOM segmentation, its pixels not yet decoded.

    Attributes
    ----------
    frame_of_reference : str
        UID; empty where absent.
    series_uids, sop_uids : tuple of str
        Series and images that it refers to.
    kind : {"BINARY", "FRACTIONAL", "LABELMAP"}
    rows, columns : int
    maximum : int
        Value of a FRACTIONAL pixel that wholly belongs; else 1.
    fractional_type : str
        "PROBABILITY" or "OCCUPANCY"; "" where not fractional, or not said.
    background : int
        Value of a LABELMAP's pixels that belong to no segment.
    segments : tuple of Segment
        Sorted by number.
    frames : tuple of SegmentFrame
        In the order of the pixel data.
    plane_mm : tuple of float
        Distance between planes as the header says it: SpacingBetweenSlices and SliceThickness,
        those that are there.
    creator : str
        ContentCreatorName, a person's name; "" where absent.
    path : Path
    header : pydicom.Dataset
        Without pixels.
    pixels : StoredPixels
        Where they lie in the file.
    """

    frame_of_reference: str
    series_uids: tuple[str, ...]
    sop_uids: tuple[str, ...]
    kind: Kind
    rows: int
    columns: int
    maximum: int
    fractional_type: str
    background: int
    segments: tuple[Segment, ...]
    frames: tuple[SegmentFrame, ...]
    plane_mm: tuple[float, ...]
    creator: str
    path: Path
    header: Dataset
    pixels: StoredPixels


def read_segmentation(path: Path) -> Segmentation:
    """Read a DICOM segmentation (PS3.3 A.51) or label map segmentation as far as its pixels.

    What a frame lacks among its own functional groups is taken from the shared ones, and from the
    top level, where some writers put the geometry.

    Raises
    ------
    Refused
        Not a segmentation; or an attribute that is needed is missing, malformed, or at odds with
        another. Names the attribute.
    """
    header, pixels = read_header(path)
    with lenient():
        return _segmentation(path, header, pixels)


def _segmentation(path: Path, dataset: Dataset, pixels: StoredPixels | None) -> Segmentation:
    kind = _kind(dataset)
    if pixels is None:
        raise Refused(tag_name("PixelData"), "pixels", "none")
    background = 0
    if kind == "LABELMAP" and "PixelPaddingValue" in dataset:
        background = whole(dataset, "PixelPaddingValue", 0, MOST)
    segments = _segments(dataset, {background} if kind == "LABELMAP" else set())
    frames = _frames(dataset, kind, {segment.number for segment in segments})
    fractional = kind == "FRACTIONAL"
    series = _items(dataset, "ReferencedSeriesSequence")
    measures = _macro(_groups(dataset, 0), "PixelMeasuresSequence", "PixelSpacing")
    return Segmentation(
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        series_uids=_unique(text(item, "SeriesInstanceUID") for item in series),
        sop_uids=_unique(_sop_uids(dataset, series)),
        kind=kind,
        rows=whole(dataset, "Rows", 1, MOST_PIXELS),
        columns=whole(dataset, "Columns", 1, MOST_PIXELS),
        maximum=whole(dataset, "MaximumFractionalValue", 1, MOST) if fractional else 1,
        fractional_type=_line(dataset, "SegmentationFractionalType").upper() if fractional else "",
        background=background,
        segments=segments,
        frames=frames,
        plane_mm=_plane_mm(measures),
        creator=_line(dataset, "ContentCreatorName"),
        path=path,
        header=dataset,
        pixels=replace(pixels, frames=len(frames)),
    )


def _kind(dataset: Dataset) -> Kind:
    sop_class = text(dataset, "SOPClassUID")
    if sop_class not in (SEGMENTATION, LABEL_MAP):
        raise Refused(tag_name("SOPClassUID"), "that of a segmentation", "another or none")
    found = _line(dataset, "SegmentationType").upper()
    if not found and sop_class == LABEL_MAP:
        found = "LABELMAP"
    if not found and text(dataset, "BitsAllocated") == "1":
        found = "BINARY"  # nothing else has single bits
    if found not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        expected = "BINARY, FRACTIONAL or LABELMAP"
        raise Refused(tag_name("SegmentationType"), expected, repr(found) if found else "nothing")
    return cast(Kind, found)


def _segments(dataset: Dataset, without: set[int]) -> tuple[Segment, ...]:
    found = [_segment(item) for item in _items(dataset, "SegmentSequence")]
    numbers_found = [segment.number for segment in found]
    if len(set(numbers_found)) < len(found):
        raise Refused(tag_name("SegmentNumber"), "a number for each segment", "a number twice")
    segments = sorted((s for s in found if s.number not in without), key=lambda s: s.number)
    if not segments:
        raise Refused(tag_name("SegmentSequence"), "at least one segment", "none")
    return tuple(segments)


def _segment(item: Dataset) -> Segment:
    number = whole(item, "SegmentNumber", 0, MOST)
    algorithm = (_line(item, "SegmentAlgorithmType"), _line(item, "SegmentAlgorithmName"))
    return Segment(
        number=number,
        label=_line(item, "SegmentLabel") or f"Segment {number}",
        method=": ".join(part for part in algorithm if part),
        category=_meaning(item, "SegmentedPropertyCategoryCodeSequence"),
        kind=_meaning(item, "SegmentedPropertyTypeCodeSequence"),
        tracking_id=_line(item, "TrackingID"),
    )


def _meaning(item: Dataset, keyword: str) -> str:
    return next((_line(code, "CodeMeaning") for code in _items(item, keyword)), "")


def _frames(dataset: Dataset, kind: Kind, known: set[int]) -> tuple[SegmentFrame, ...]:
    own = _items(dataset, "PerFrameFunctionalGroupsSequence")
    if not own:
        tag = tag_name("PerFrameFunctionalGroupsSequence")
        raise Refused(tag, "an item for each frame", "none")
    if number(dataset, "NumberOfFrames") != len(own):
        expected = f"{len(own)}, as many as PerFrameFunctionalGroupsSequence has items"
        raise Refused(tag_name("NumberOfFrames"), expected, "another number")
    shared = _items(dataset, "SharedFunctionalGroupsSequence")[:1]
    frames = []
    for item in own:
        groups = (item, *shared, dataset)
        shown = None if kind == "LABELMAP" else _number(groups, known)
        frames.append(SegmentFrame(shown, _affine(groups)))
    return tuple(frames)


def _groups(dataset: Dataset, frame: int) -> tuple[Dataset, ...]:
    own = _items(dataset, "PerFrameFunctionalGroupsSequence")[frame]
    return (own, *_items(dataset, "SharedFunctionalGroupsSequence")[:1], dataset)


def _macro(groups: Sequence[Dataset], sequence: str, keyword: str) -> Dataset:
    """Return the item that holds an attribute: of the frame, shared, or the top level itself."""
    *functional, top = groups
    for group in functional:
        for item in _items(group, sequence)[:1]:
            if keyword in item:
                return item
    if keyword in top:
        return top
    raise Refused(tag_name(sequence), f"{keyword} for each frame", "none for one of them")


def _number(groups: Sequence[Dataset], known: set[int]) -> int:
    keyword = "ReferencedSegmentNumber"
    shown = whole(_macro(groups, "SegmentIdentificationSequence", keyword), keyword, 0, MOST)
    if shown not in known:
        raise Refused(tag_name(keyword), "a number of SegmentSequence", str(shown))
    return shown


def _affine(groups: Sequence[Dataset]) -> NDArray[np.float64]:
    """Return (column, row, 1) to RAS+ mm (PS3.3 C.7.6.2.1.1, x and y turned from LPS)."""
    keyword = "ImagePositionPatient"
    position = np.array(numbers(_macro(groups, "PlanePositionSequence", keyword), keyword, 3))
    keyword = "ImageOrientationPatient"
    cosines = numbers(_macro(groups, "PlaneOrientationSequence", keyword), keyword, 6)
    along_row, along_column = directions = np.array(cosines).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    skew = abs(float(along_row @ along_column))
    if not (np.abs(lengths - 1).max() <= PERPENDICULAR and skew <= PERPENDICULAR):
        expected = "two perpendicular directions of length 1"
        raise Refused(tag_name(keyword), expected, str(directions.round(6).tolist()))
    keyword = "PixelSpacing"
    spacing = numbers(_macro(groups, "PixelMeasuresSequence", keyword), keyword, 2)
    if not 0 < min(spacing) <= max(spacing) <= LARGEST_MM:
        raise Refused(tag_name(keyword), "two positive numbers in mm", str(spacing))
    if np.abs(position).max() > LARGEST_MM:
        raise Refused(tag_name("ImagePositionPatient"), "a place in a scanner", "one far away")
    between_rows, between_columns = spacing
    columns = (along_row * between_columns, along_column * between_rows, position)
    return np.vstack([np.stack(columns, axis=1) * LPS_TO_RAS[:, None], [0.0, 0.0, 1.0]])


def _plane_mm(measures: Dataset) -> tuple[float, ...]:
    stated = [
        abs(number(measures, keyword))  # negative where slices run backwards
        for keyword in ("SpacingBetweenSlices", "SliceThickness")
        if text(measures, keyword)
    ]
    return tuple(distance for distance in stated if 0 < distance <= LARGEST_MM)


def _sop_uids(dataset: Dataset, series: Sequence[Dataset]) -> Iterable[str]:
    """Images that are named as references of the whole, or as sources of a frame."""
    for item in series:
        for instance in _items(item, "ReferencedInstanceSequence"):
            yield text(instance, "ReferencedSOPInstanceUID")
    groups = [
        *_items(dataset, "SharedFunctionalGroupsSequence")[:1],
        *_items(dataset, "PerFrameFunctionalGroupsSequence"),
    ]
    for group in groups:
        for derivation in _items(group, "DerivationImageSequence"):
            for instance in _items(derivation, "SourceImageSequence"):
                yield text(instance, "ReferencedSOPInstanceUID")


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent."""
    from pydicom import Sequence as Items

    try:
        found = dataset.get(keyword)
    except BROKEN as error:
        raise Refused(tag_name(keyword), "a sequence of items", "something else") from error
    if found is None or isinstance(found, Items):
        return list(found or ())
    raise Refused(tag_name(keyword), "a sequence of items", "something else")


def _line(dataset: Dataset, keyword: str) -> str:
    """Return text on one line: control characters and runs of blanks become one blank."""
    found = text(dataset, keyword)
    return " ".join("".join(c if c.isprintable() else " " for c in found).split())


def _unique(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in found if value))
