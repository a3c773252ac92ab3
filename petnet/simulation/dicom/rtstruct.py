"""RT Structure Sets (PS3.3 A.19) of masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import RTStructureSetStorage

from petnet.simulation.dicom.files import LPS, base_header, geometric, save, uid
from petnet.simulation.dicom.outlines import keyholed, outlines
from petnet.simulation.dicom.records import Examination, SeriesLabel, Written
from petnet.volume import Volume

__all__ = ["write_rtstruct"]

LABEL = SeriesLabel("RTSTRUCT", 10, "Contours")
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as planning systems write


def write_rtstruct(
    path: Path,
    regions: Mapping[str, Volume],
    examination: Examination,
    image: Written,
    holes: Literal["nested", "keyhole"] = "nested",
    label: SeriesLabel = LABEL,
) -> str:
    """Write masks as contours along the edges of voxels.

    A region is the voxels whose centres lie inside its contours, by the even-odd rule.

    Parameters
    ----------
    regions : mapping of str to Volume
        Name of each structure, and its mask on the grid of `image`: x along columns, y along rows,
        z over slices.
    image : Written
        The series on which the contours are drawn.
    holes : {"nested", "keyhole"}
        As contours of their own, or reached through a channel of no width.

    Returns
    -------
    str
        SeriesInstanceUID.
    """
    file = base_header(examination, label, "RTSTRUCT")
    file.SOPClassUID = RTStructureSetStorage
    file.SOPInstanceUID = uid(file.SeriesInstanceUID, "file")
    file.StructureSetLabel, file.InstanceNumber = label.description[:16], 1
    file.StructureSetDate, file.StructureSetTime = file.SeriesDate, file.SeriesTime
    file.ReferencedFrameOfReferenceSequence = [_referenced(file, image)]
    file.StructureSetROISequence, file.ROIContourSequence = [], []
    file.RTROIObservationsSequence = []
    for number, (name, mask) in enumerate(regions.items(), 1):
        file.StructureSetROISequence.append(_structure(file, number, name))
        file.ROIContourSequence.append(_contours(mask, number, image, holes))
        file.RTROIObservationsSequence.append(_observation(number))
    del file.FrameOfReferenceUID, file.PositionReferenceIndicator, file.PatientPosition
    save(file, path)
    return str(file.SeriesInstanceUID)


def _referenced(file: Dataset, image: Written) -> Dataset:
    """Return the frame of reference, the study and the series that contours belong to."""
    series = Dataset()
    series.SeriesInstanceUID = image.series_uid
    series.ContourImageSequence = [_image(image, k) for k in range(len(image.sop_uids))]
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_CLASS
    study.ReferencedSOPInstanceUID = file.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = file.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _image(image: Written, k: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.sop_class
    item.ReferencedSOPInstanceUID = image.sop_uids[k]
    return item


def _structure(file: Dataset, number: int, name: str) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ROIName = number, name
    item.ReferencedFrameOfReferenceUID = file.FrameOfReferenceUID
    item.ROIGenerationAlgorithm = "MANUAL"
    return item


def _observation(number: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber, item.ReferencedROINumber = number, number
    item.RTROIInterpretedType, item.ROIInterpreter = "GTV", "Reader^Simulated"
    return item


def _contours(mask: Volume, number: int, image: Written, holes: str) -> Dataset:
    inside = mask.array > 0
    item = Dataset()
    item.ReferencedROINumber, item.ROIDisplayColor = number, [255, 0, 64 * (number % 4)]
    item.ContourSequence = []
    for k in np.flatnonzero(inside.any(axis=(0, 1))).tolist():
        for part in outlines(inside[:, :, k]):
            for loop in [keyholed(part)] if holes == "keyhole" else part:
                item.ContourSequence.append(_contour(mask, loop, k, image))
    return item


def _contour(mask: Volume, loop: NDArray[np.float64], k: int, image: Written) -> Dataset:
    """Return an outline of slice `k` in mm along the axes of DICOM."""
    item = Dataset()
    indices = np.column_stack([loop, np.full(len(loop), k), np.ones(len(loop))])
    points = indices @ (LPS @ mask.affine).T[:, :3]
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourData = geometric(points.ravel())
    item.ContourImageSequence = [_image(image, k)]
    return item
