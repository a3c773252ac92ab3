"""What all files of an examination share: header, planes, numbers as text, storage."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

from petnet.files import atomic_path
from petnet.simulation.dicom.records import Code, Examination, SeriesLabel
from petnet.volume import Volume

__all__ = [
    "LPS",
    "Planes",
    "Storage",
    "base_header",
    "coded",
    "decimal",
    "geometric",
    "grey_levels",
    "oriented",
    "planes_of",
    "save",
    "set_moment",
    "slice_uid",
    "tilted",
    "uid",
]

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # from RAS+ to the axes of DICOM
IMPLEMENTATION = "PETNET_SIM"
SYNTAXES = {
    "none": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
}
# Towards which side of the patient column, row and slice numbers grow
ORIENTATIONS = {"axial": "LPS", "sagittal": "PIR", "coronal": "LIP"}


@dataclass(frozen=True)
class Storage:
    """How files are laid down.

    Attributes
    ----------
    names : str
        Pattern of the files' names, with `number` from 1 and `uid`.
    syntax : {"none", "implicit", "rle", "jpeg-ls"}
        Explicit or implicit VR little endian, or compressed without loss.
    from_last : bool
        Number the slices from the last one.
    """

    names: str = "IM{number:04d}.dcm"
    syntax: Literal["none", "implicit", "rle", "jpeg-ls"] = "none"
    from_last: bool = False

    def numbers(self, count: int) -> list[int]:
        """Return InstanceNumber of each slice."""
        order = range(count, 0, -1) if self.from_last else range(1, count + 1)
        return list(order)


@dataclass(frozen=True, eq=False)
class Planes:
    """Where slices lie, in the axes of DICOM and mm.

    Attributes
    ----------
    orientation : tuple of float
        ImageOrientationPatient (0020,0037).
    positions : (Z, 3) float64 array
        ImagePositionPatient (0020,0032) of each slice.
    spacing : (float, float)
        PixelSpacing (0028,0030): between rows, between columns.
    thickness : float
    """

    orientation: tuple[float, ...]
    positions: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float

    def describe(self, dataset: Dataset) -> None:
        """Write what all slices share."""
        dataset.ImageOrientationPatient = geometric(self.orientation)
        dataset.PixelSpacing = geometric(self.spacing)
        dataset.SliceThickness = geometric([self.thickness])[0]

    def place(self, dataset: Dataset, k: int) -> None:
        """Write where slice `k` is."""
        dataset.ImagePositionPatient = geometric(self.positions[k])


def uid(*parts: object) -> str:
    """Return a UID made from names: the same for the same names."""
    return str(generate_uid(entropy_srcs=["petnet simulation", *(str(part) for part in parts)]))


def slice_uid(series_uid: str, k: int) -> str:
    """Return SOPInstanceUID of slice `k` of a volume that is written one file a slice."""
    return uid(series_uid, k)


def decimal(value: float) -> str:
    """Return a number as DS: at most 16 characters, hence some ten digits."""
    return str(format_number_as_ds(float(value) + 0.0))  # -0 becomes 0


def geometric(values: Iterable[float]) -> list[str]:
    """Return mm and cosines as DS, to a millionth; NIfTI has kept them as 32 bits."""
    return [decimal(round(float(value), 6)) for value in values]


def coded(code: Code) -> Dataset:
    """Return an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def set_moment(dataset: Dataset, what: str, moment: datetime) -> None:
    """Write a pair of attributes, such as SeriesDate and SeriesTime."""
    setattr(dataset, f"{what}Date", moment.strftime("%Y%m%d"))
    setattr(dataset, f"{what}Time", moment.strftime("%H%M%S.%f"))


def oriented(volume: Volume, orientation: Literal["axial", "sagittal", "coronal"]) -> Volume:
    """Return a volume with its axes as columns, rows and slices of an orientation.

    The axes must run along those of the patient, or nearly.
    """
    of: Any = nib.orientations
    wanted = of.axcodes2ornt(tuple(ORIENTATIONS[orientation]))
    change = of.ornt_transform(of.io_orientation(volume.affine), wanted)
    array = of.apply_orientation(volume.array, change)
    affine = volume.affine @ of.inv_ornt_aff(change, volume.array.shape)
    return Volume(array, affine, volume.unit, volume.modality, volume.tracer)


def tilted(volume: Volume, degrees: float) -> Volume:
    """Return the same voxels in a patient who lies rotated, about two axes: an oblique grid."""
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    about_x = np.array([[1, 0, 0, 0], [0, cos, -sin, 0], [0, sin, cos, 0], [0, 0, 0, 1.0]])
    about_z = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    affine = about_z @ about_x @ volume.affine
    return Volume(volume.array, affine, volume.unit, volume.modality, volume.tracer)


def planes_of(volume: Volume) -> Planes:
    """Return where slices lie: x runs along columns, y along rows, z over slices."""
    lps = LPS @ volume.affine
    across, down, through = (np.linalg.norm(lps[:3, axis]) for axis in range(3))
    directions = (*(lps[:3, 0] / across), *(lps[:3, 1] / down))
    steps = np.arange(volume.array.shape[2])[:, None]
    return Planes(
        tuple(float(v) for v in directions),
        lps[:3, 3] + steps * lps[:3, 2],
        (float(down), float(across)),
        float(through),
    )


def base_header(examination: Examination, label: SeriesLabel, modality: str) -> Dataset:
    """Return the patient, study, series, equipment and frame of reference modules."""
    person, scanner = examination.person, examination.scanner
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName, header.PatientID = person.name, person.patient_id
    header.PatientBirthDate, header.PatientSex = person.birth_date, person.sex
    header.PatientWeight = None if person.weight_kg is None else decimal(person.weight_kg)
    header.PatientSize = None if person.height_m is None else decimal(person.height_m)
    header.StudyInstanceUID = uid(person.patient_id, examination.name)
    header.SeriesInstanceUID = uid(person.patient_id, examination.name, label.name)
    header.FrameOfReferenceUID = uid(person.patient_id, examination.name, "frame of reference")
    header.PositionReferenceIndicator = ""
    header.StudyID, header.AccessionNumber = "1", ""
    header.ReferringPhysicianName = ""
    header.StudyDescription, header.SeriesDescription = examination.description, label.description
    header.SeriesNumber, header.Modality = label.number, modality
    header.Manufacturer, header.ManufacturerModelName = scanner.manufacturer, scanner.model
    header.InstitutionName = examination.institution
    header.PatientPosition = "HFS"
    for what in ("Study", "Series", "Acquisition", "Content"):
        set_moment(header, what, examination.start)
    return header


def grey_levels(header: Dataset, shape: tuple[int, ...], signed: bool) -> None:
    """Write the image pixel module of 16-bit slices of a volume of shape (X, Y, Z)."""
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Columns, header.Rows = shape[0], shape[1]
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation = int(signed)


def save(dataset: Dataset, path: Path, syntax: str = "none") -> Path:
    """Write a file whole, with its meta information; compress its pixels where asked.

    `PixelData` is in little endian, as it is without compression.
    """
    meta: Any = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = IMPLEMENTATION
    meta.TransferSyntaxUID = SYNTAXES[syntax]
    dataset.file_meta = meta
    if meta.TransferSyntaxUID.is_compressed:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(SYNTAXES[syntax], generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path
