"""Small image series written with pydicom, for the tests of reading."""

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from petnet.ingest.dicom.scan import scan_tree

CT, PET = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
ORIENTATIONS = {
    "axial": [1, 0, 0, 0, 1, 0],
    "sagittal": [0, 1, 0, 0, 0, -1],
    "coronal": [1, 0, 0, 0, 0, -1],
    "feet_first": [-1, 0, 0, 0, 1, 0],
    "prone": [-1, 0, 0, 0, -1, 0],
    "oblique": [*(np.array([0.8, 0.6, 0.0])), *(np.array([-0.36, 0.48, 0.8]))],
}


def vectors(orientation):
    """Return the unit vectors along a row, along a column and of the normal."""
    along_row, along_column = np.array(orientation, float).reshape(2, 3)
    return along_row, along_column, np.cross(along_row, along_column)


def ramp(columns=7, rows=5, slices=4, seed=3, low=-900, high=2000):
    """Return random whole numbers: (slices, rows, columns) int16."""
    generator = np.random.default_rng(seed)
    return generator.integers(low, high, (slices, rows, columns)).astype(np.int16)


def slice_dataset(stored, k, position, orientation, spacing, modality="CT", **changes):
    """Return slice `k` with what reading needs; keywords override attributes, None deletes."""
    ds = FileDataset(None, {}, preamble=b"\0" * 128)
    ds.SOPClassUID = CT if modality == "CT" else PET
    ds.SOPInstanceUID = f"1.2.3.4.{k + 1}"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality = modality
    ds.PatientID = "made"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    ds.FrameOfReferenceUID = "1.2.3.3"
    ds.InstanceNumber = 1  # of no use to anyone
    ds.ImagePositionPatient = [f"{x:.10g}" for x in position]
    ds.ImageOrientationPatient = [f"{x:.10g}" for x in orientation]
    ds.PixelSpacing = [spacing[1], spacing[0]]
    ds.SliceThickness = spacing[2]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated = ds.BitsStored = 8 * stored.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.RescaleSlope, ds.RescaleIntercept = 1, -24
    ds["PixelData"] = pydicom.DataElement(0x7FE00010, "OW", stored.tobytes())
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def datasets(
    stored, orientation=ORIENTATIONS["axial"], origin=(-30.5, 12.25, 40.0), spacing=(1.5, 2.0, 3.0),
    shear=(0.0, 0.0), **changes,
):  # fmt: skip
    """Return a series; `shear` is the shift (mm) along row and column from slice to slice."""
    along_row, along_column, normal = vectors(orientation)
    step = normal * spacing[2] + along_row * shear[0] + along_column * shear[1]
    return [
        slice_dataset(plane, k, np.array(origin) + k * step, orientation, spacing, **changes)
        for k, plane in enumerate(stored)
    ]


def save(ds, path, syntax=ExplicitVRLittleEndian):
    """Write one file; uncompressed pixels are little endian in memory."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CT)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    path.parent.mkdir(parents=True, exist_ok=True)
    little = syntax != ExplicitVRBigEndian
    if not little and ds["PixelData"].VR == "OW":  # bytes are written as words of two (PS3.5 8.1.1)
        width = max(ds.BitsAllocated // 8, 2)
        data = ds.PixelData + bytes(len(ds.PixelData) % 2)
        ds["PixelData"].value = np.frombuffer(data, f"<u{width}").byteswap().tobytes()
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(path, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return path


def write(folder, series, names=None, syntax=ExplicitVRLittleEndian):
    """Write datasets as files and return what scanning finds of them."""
    for k, ds in enumerate(series):
        save(ds, folder / (names[k] if names else f"{k:03d}.dcm"), syntax)
    return found(folder)


def found(folder):
    """Return the DICOM files below a folder."""
    return scan_tree(folder).files
