"""DICOM RT structure sets: regions delineated by contours.

A structure that cannot be used stays in the list with the reason, so that what comes after can give
an account of each. Source: DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour), C.8.8.8 (RT
ROI Observations).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.dicom_file import BROKEN, lenient, read_header
from petnet.ingest.dicom.header_values import text, whole
from petnet.ingest.records import Region
from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.regions.contours import contour_mask

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Structure", "StructureSet", "read_rtstruct", "structure_region"]

Array = NDArray[np.float64]

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
NOT_CLOSED = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")  # enclose nothing
FARTHEST_MM = 10_000.0  # no scanner's frame of reference is wider
TO_RAS = np.array([-1.0, -1.0, 1.0])  # DICOM counts towards left and posterior


@dataclass(frozen=True, eq=False)
class Structure:
    """One region of interest of a structure set.

    Attributes
    ----------
    name : str
        ROIName, or "ROI 3" where there is none.
    number : int
        ROINumber; -1 where the file has none (then it is refused).
    frame_of_reference : str
        UID of the frame of reference of its contours; empty where the file does not say it.
    method : str
        ROIGenerationAlgorithm: "MANUAL", "SEMIAUTOMATIC", "AUTOMATIC" or empty.
    reader : str
        ROIInterpreter; a person's name.
    kinds : tuple of str
        ContourGeometricType of its contours, each once, sorted.
    contours : tuple of (N, 3) float64 array
        Closed planar contours in RAS+ mm.
    sop_uids : tuple of str
        Images on which its contours were drawn, where the file says so.
    notes : tuple of str
        What was left out of it.
    refusal : Refused or None
        Why it cannot be used.
    """

    name: str
    number: int
    frame_of_reference: str = ""
    method: str = ""
    reader: str = ""
    kinds: tuple[str, ...] = ()
    contours: tuple[Array, ...] = ()
    sop_uids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: Refused | None = None


@dataclass(frozen=True, eq=False)
class StructureSet:
    """What an RTSTRUCT file delineates, and on which images.

    Attributes
    ----------
    frame_of_reference : str
        UID that all structures share; empty where there is none, or several (see each structure's).
    series_uids : tuple of str
        Series that the file says it refers to; empty where it names images alone.
    sop_uids : tuple of str
        All images that it names.
    structures : tuple of Structure
        In the order of the file, the unusable ones included.
    """

    frame_of_reference: str
    series_uids: tuple[str, ...]
    sop_uids: tuple[str, ...]
    structures: tuple[Structure, ...]


def read_rtstruct(path: Path) -> StructureSet:
    """Read an RTSTRUCT file.

    Raises
    ------
    Refused
        The file cannot be read, is no structure set, or has no structures; or an attribute that
        concerns all of them cannot be read.
    """
    dataset, _ = read_header(path)
    with lenient():
        sop_class = text(dataset, "SOPClassUID")
        if sop_class != RT_STRUCTURE_SET:
            found = "another class" if sop_class else "none"
            raise Refused(tag_name("SOPClassUID"), "RT Structure Set Storage", found)
        return _structure_set(dataset)


def structure_region(
    structure: Structure, shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> Region:
    """Put a structure on an image's grid; `petnet.ingest.regions.contours` states the convention.

    Parameters
    ----------
    structure : Structure
    shape : tuple of int
        (X, Y, Z) of the image.
    affine : (4, 4) float64 array
        Voxel index to RAS+ mm.

    Raises
    ------
    Refused
        The structure's own `refusal`, or as `petnet.ingest.regions.contours.contour_mask`.
    """
    if structure.refusal is not None:
        raise structure.refusal
    mask, notes = contour_mask(structure.contours, shape, affine)
    return replace(
        Region.of(structure.name, structure.number, mask, "RTSTRUCT"),
        method=structure.method,
        reader=structure.reader,
        notes=structure.notes + notes,
    )


@dataclass(slots=True)
class _Drawn:
    """What the contour sequences of one ROI say, gathered."""

    kinds: Counter[str] = field(default_factory=Counter)
    contours: list[Array] = field(default_factory=list)
    sop_uids: list[str] = field(default_factory=list)
    refusal: Refused | None = None

    def notes(self) -> tuple[str, ...]:
        counts = [(kind, self.kinds[kind]) for kind in NOT_CLOSED if self.kinds[kind]]
        return tuple(f"{n} contours of type {kind} left out" for kind, n in counts)

    def problem(self) -> Refused | None:
        """Return why this encloses nothing that could be used."""
        if self.refusal is not None or self.contours:
            return self.refusal
        if not self.kinds:
            return Refused(tag_name("ContourSequence"), "at least one contour", "none")
        found = "only " + ", ".join(sorted(self.kinds))
        return Refused(tag_name("ContourGeometricType"), " or ".join(CLOSED), found)


def _structure_set(dataset: Dataset) -> StructureSet:
    listed = _items(dataset, "StructureSetROISequence")
    drawn = _drawn_by_number(_items(dataset, "ROIContourSequence"))
    if not listed and not drawn:
        raise Refused(tag_name("StructureSetROISequence"), "at least one structure", "none")
    frames, series, images = _references(dataset)
    frame = frames[0] if len(frames) == 1 else text(dataset, "FrameOfReferenceUID")
    structures = _structures(listed, drawn, _observations(dataset), frame)
    shared = {structure.frame_of_reference for structure in structures}
    images += [uid for structure in structures for uid in structure.sop_uids]
    return StructureSet(
        frame_of_reference=shared.pop() if len(shared) == 1 else "",
        series_uids=_distinct(series),
        sop_uids=_distinct(images),
        structures=structures,
    )


def _structures(
    listed: Sequence[Dataset],
    drawn: dict[int, _Drawn],
    observations: dict[int, Dataset],
    frame: str,
) -> tuple[Structure, ...]:
    """Bring together what three sequences say of each ROI number.

    `frame` is the frame of reference of those that name none.
    """
    numbers = [_roi_number(item, "ROINumber") for item in listed]
    count = Counter(number for number in numbers if isinstance(number, int))
    structures = []
    for item, number in zip(listed, numbers, strict=True):
        if isinstance(number, Refused):
            found, number = _Drawn(refusal=number), -1
        elif count[number] > 1:
            refusal = Refused(tag_name("ROINumber"), "a number of its own", "one of several ROIs")
            found = _Drawn(refusal=refusal)
        else:
            found = drawn.get(number, _Drawn())
        structures.append(_structure(item, number, found, observations.get(number), frame))
    for number in drawn:
        if number not in count:
            expected = f"the number of a structure in {tag_name('StructureSetROISequence')}"
            refusal = Refused(tag_name("ReferencedROINumber"), expected, "one that is not there")
            observation = observations.get(number)
            structures.append(_structure(None, number, _Drawn(refusal=refusal), observation, frame))
    return tuple(structures)


def _structure(
    item: Dataset | None, number: int, drawn: _Drawn, observation: Dataset | None, frame: str
) -> Structure:
    """Make a structure of what the file lists, draws and observes under one number."""
    name, own_frame, method = (
        "" if item is None else text(item, keyword)
        for keyword in ("ROIName", "ReferencedFrameOfReferenceUID", "ROIGenerationAlgorithm")
    )
    return Structure(
        name=name or f"ROI {number}",
        number=number,
        frame_of_reference=own_frame or frame,
        method=method,
        reader="" if observation is None else text(observation, "ROIInterpreter"),
        kinds=tuple(sorted(drawn.kinds)),
        contours=tuple(drawn.contours),
        sop_uids=_distinct(drawn.sop_uids),
        notes=(() if name else ("the file gives it no name",)) + drawn.notes(),
        refusal=drawn.problem(),
    )


def _drawn_by_number(sequence: Sequence[Dataset]) -> dict[int, _Drawn]:
    """Return the contours of each ROI number; an ROI may have several items."""
    drawn: dict[int, _Drawn] = {}
    for item in sequence:
        number = _roi_number(item, "ReferencedROINumber")
        if isinstance(number, Refused):
            raise number  # any of the structures may lack these contours
        gathered = drawn.setdefault(number, _Drawn())
        try:
            for contour in _items(item, "ContourSequence"):
                _add_contour(contour, gathered)
        except Refused as refusal:  # without one of its contours a region is another region
            gathered.refusal = refusal
    return drawn


def _add_contour(item: Dataset, drawn: _Drawn) -> None:
    kind = text(item, "ContourGeometricType").upper()
    if kind not in (*CLOSED, *NOT_CLOSED):
        expected = "one of " + ", ".join((*CLOSED, *NOT_CLOSED))
        found = "another value" if kind else "none"
        raise Refused(tag_name("ContourGeometricType"), expected, found)
    drawn.kinds[kind] += 1
    if kind in CLOSED:
        drawn.contours.append(_points(item))
        drawn.sop_uids += _images(item)


def _points(item: Dataset) -> Array:
    """Return the points of a contour: (N, 3), RAS+ mm."""
    tag = tag_name("ContourData")
    values = _contour_data(item)
    if not values.size or values.size % 3:
        raise Refused(tag, "three numbers for each point", f"{values.size} numbers")
    if not (np.abs(values) <= FARTHEST_MM).all():  # NaN is not, either
        raise Refused(tag, f"coordinates within {FARTHEST_MM:.0f} mm", "others")
    points = values.size // 3
    if "NumberOfContourPoints" in item:
        stated = whole(item, "NumberOfContourPoints", 0, 2**31)
        if stated != points:
            raise Refused(tag, f"{stated} points, as NumberOfContourPoints says", str(points))
    ras: Array = values.reshape(-1, 3) * TO_RAS
    return ras


def _contour_data(item: Dataset) -> Array:
    """Return the numbers of ContourData.

    They are parsed from the text of the file: pydicom would make an object of each.
    """
    tag = tag_name("ContourData")
    if "ContourData" not in item:
        raise Refused(tag, "the points of the contour", "none")
    try:
        value: Any = item.get_item("ContourData").value
        if isinstance(value, bytes):
            written = value.decode("ascii").strip("\0 ").replace("_", "?")  # float takes 1_0
            value = written.split("\\")
        return np.array([float(number) for number in value or ()], dtype=np.float64)
    except BROKEN as error:
        raise Refused(tag, "numbers separated by backslashes", "something else") from error


def _roi_number(item: Dataset, keyword: str) -> int | Refused:
    try:
        return whole(item, keyword, -(2**31), 2**31 - 1)
    except Refused as refusal:
        return refusal


def _observations(dataset: Dataset) -> dict[int, Dataset]:
    """Return what was observed of each ROI number."""
    observed = _items(dataset, "RTROIObservationsSequence")
    numbers = [_roi_number(item, "ReferencedROINumber") for item in observed]
    pairs = zip(numbers, observed, strict=True)
    return {number: item for number, item in pairs if isinstance(number, int)}


def _references(dataset: Dataset) -> tuple[list[str], list[str], list[str]]:
    """Return UIDs of the frames of reference, series and images that the file as a whole names."""
    frames, series, images = [], [], []
    for frame in _items(dataset, "ReferencedFrameOfReferenceSequence"):
        frames.append(text(frame, "FrameOfReferenceUID"))
        for study in _items(frame, "RTReferencedStudySequence"):
            for one in _items(study, "RTReferencedSeriesSequence"):
                series.append(text(one, "SeriesInstanceUID"))
                images += _images(one)
    return list(_distinct(frames)), series, images


def _images(item: Dataset) -> list[str]:
    """Return the UIDs of the images in an item's ContourImageSequence."""
    return [
        text(image, "ReferencedSOPInstanceUID") for image in _items(item, "ContourImageSequence")
    ]


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence; none where it is absent or empty."""
    from pydicom import Sequence

    try:
        value: Any = dataset.get(keyword)
    except BROKEN as error:
        raise Refused(tag_name(keyword), "a sequence of items", "something else") from error
    if isinstance(value, Sequence):
        return value
    if value:
        raise Refused(tag_name(keyword), "a sequence of items", "another value")
    return ()


def _distinct(uids: Iterable[str]) -> tuple[str, ...]:
    """Return each UID once, in order, without empty ones."""
    return tuple(uid for uid in dict.fromkeys(uids) if uid)
