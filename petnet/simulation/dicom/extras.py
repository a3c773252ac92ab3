"""What else a scanner sends and is no image to use: MIPs, captures, dose reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    XRayRadiationDoseSRStorage,
)

from petnet.simulation.dicom.files import (
    LPS,
    base_header,
    coded,
    decimal,
    geometric,
    grey_levels,
    save,
    slice_uid,
    uid,
)
from petnet.simulation.dicom.pet import LARGEST
from petnet.simulation.dicom.records import Examination, SeriesLabel
from petnet.volume import Volume

__all__ = ["write_capture", "write_dose_report", "write_mip"]

MIP_LABEL = SeriesLabel("MIP", 20, "MIP")
CAPTURE_LABEL = SeriesLabel("capture", 21, "Key images")
REPORT_LABEL = SeriesLabel("dose report", 22, "Dose Report")


def write_mip(
    folder: Path, volume: Volume, examination: Examination, label: SeriesLabel = MIP_LABEL
) -> str:
    """Write the maximum-intensity projections of a PET from the front and from the side.

    Returns
    -------
    str
        SeriesInstanceUID.
    """
    lps = LPS @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    for k, (along, across) in enumerate(((1, 0), (0, 1))):
        picture = volume.array.max(axis=along)[:, ::-1]  # head first
        corner = lps[:3, 3] + (volume.array.shape[2] - 1) * lps[:3, 2]
        file = base_header(examination, label, "PT")
        file.SOPClassUID = PositronEmissionTomographyImageStorage
        file.SOPInstanceUID = slice_uid(file.SeriesInstanceUID, k)
        file.ImageType = ["DERIVED", "SECONDARY", "MIP"]
        file.SeriesType, file.Units = ["WHOLE BODY", "REPROJECTION"], "PROPCPS"
        file.InstanceNumber = k + 1
        grey_levels(file, picture.shape, signed=True)
        directions = [lps[:3, across] / spacing[across], -lps[:3, 2] / spacing[2]]
        file.ImageOrientationPatient = geometric(np.concatenate(directions))
        file.ImagePositionPatient = geometric(corner)
        file.PixelSpacing = geometric([spacing[2], spacing[across]])
        slope = max(float(picture.max()), 1.0) / LARGEST
        file.RescaleSlope, file.RescaleIntercept = decimal(slope), "0"
        file.PixelData = np.rint(picture.T / slope).astype("<i2").tobytes()
        save(file, folder / f"MIP_{k + 1}.dcm")
    return str(file.SeriesInstanceUID)


def write_capture(
    path: Path, volume: Volume, examination: Examination, label: SeriesLabel = CAPTURE_LABEL
) -> str:
    """Write a screenshot of a PET, as sent to an archive; returns SeriesInstanceUID."""
    picture = volume.array.max(axis=1)[:, ::-1]
    file = base_header(examination, label, "OT")
    file.SOPClassUID = SecondaryCaptureImageStorage
    file.SOPInstanceUID, file.InstanceNumber = uid(file.SeriesInstanceUID, 0), 1
    file.ConversionType, file.ImageType = "WSD", ["DERIVED", "SECONDARY"]
    grey_levels(file, picture.shape, signed=False)
    file.BitsAllocated, file.BitsStored, file.HighBit = 8, 8, 7
    shades = np.rint(255 * np.clip(picture.T / max(float(picture.max()), 1.0), 0, 1))
    shown = shades.astype(np.uint8).tobytes()
    file.PixelData = shown + bytes(len(shown) % 2)
    del file.FrameOfReferenceUID, file.PositionReferenceIndicator
    save(file, path)
    return str(file.SeriesInstanceUID)


def write_dose_report(
    path: Path, examination: Examination, label: SeriesLabel = REPORT_LABEL
) -> str:
    """Write an X-ray radiation dose report without entries; returns SeriesInstanceUID."""
    file = base_header(examination, label, "SR")
    file.SOPClassUID = XRayRadiationDoseSRStorage
    file.SOPInstanceUID, file.InstanceNumber = uid(file.SeriesInstanceUID, 0), 1
    file.ValueType, file.ContinuityOfContent = "CONTAINER", "SEPARATE"
    file.CompletionFlag, file.VerificationFlag = "COMPLETE", "UNVERIFIED"
    file.ConceptNameCodeSequence = [coded(("113701", "DCM", "X-Ray Radiation Dose Report"))]
    entry = Dataset()
    entry.RelationshipType, entry.ValueType = "HAS CONCEPT MOD", "CODE"
    entry.ConceptNameCodeSequence = [coded(("121058", "DCM", "Procedure reported"))]
    entry.ConceptCodeSequence = [coded(("77477000", "SCT", "Computed Tomography X-Ray"))]
    file.ContentSequence = [entry]
    del file.FrameOfReferenceUID, file.PositionReferenceIndicator, file.PatientPosition
    save(file, path)
    return str(file.SeriesInstanceUID)
