"""Segmentations that highdicom writes, on grids of any orientation, and others' readings."""

import warnings

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from petnet.ingest.regions.segments import read_segmentation, segment_regions

ORIENTATIONS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "oblique": (0.8, 0.6, 0.0, -0.36, 0.48, 0.8),
}
PLANES, ROWS, COLUMNS = 6, 9, 11
SHAPE = (COLUMNS, ROWS, PLANES)
SPACING = (2.0, 1.5, 3.0)  # between rows, columns, slices
ORIGIN = (-31.5, 12.25, 40.0)
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid(orientation="axial", spacing=SPACING, origin=ORIGIN):
    """Return the affine of (column, row, slice) to RAS mm, straight from PS3.3 C.7.6.2.1.1."""
    row, column = np.array(ORIENTATIONS[orientation], float).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * spacing[1], column * spacing[0]
    affine[:3, 2], affine[:3, 3] = np.cross(row, column) * spacing[2], origin
    return RAS @ affine


def truth(segments=3, seed=0, planes=PLANES, rows=ROWS, columns=COLUMNS, overlap=True):
    """Return planted masks, the last one on two slices only: (segments, planes, rows, columns)."""
    drawn = np.random.default_rng(seed).random((segments, planes, rows, columns)) < 0.3
    drawn[-1, :2] = drawn[-1, 4:] = False
    if not overlap:
        drawn &= np.cumsum(drawn, axis=0) == 1
    return drawn


def sources(orientation="axial", planes=PLANES, rows=ROWS, columns=COLUMNS, modality="PT"):
    """Return the headers of the image that is segmented."""
    row, column = np.array(ORIENTATIONS[orientation], float).reshape(2, 3)
    found = []
    for k in range(planes):
        ds = pydicom.Dataset()
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
        ds.SOPInstanceUID, ds.SeriesInstanceUID = f"1.2.826.9.{k + 1}", "1.2.826.8"
        ds.StudyInstanceUID, ds.FrameOfReferenceUID = "1.2.826.7", "1.2.826.6"
        ds.Modality, ds.PatientID, ds.PatientName = modality, "P", "Q"
        ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ""
        ds.StudyDate, ds.StudyTime = "20200101", "120000"
        ds.ReferringPhysicianName = ""
        ds.SeriesNumber, ds.InstanceNumber = 1, k + 1
        ds.ImageOrientationPatient = list(ORIENTATIONS[orientation])
        position = np.array(ORIGIN) + k * SPACING[2] * np.cross(row, column)
        ds.ImagePositionPatient = [f"{x:.10g}" for x in position]
        ds.PixelSpacing, ds.SliceThickness = list(SPACING[:2]), SPACING[2]
        ds.Rows, ds.Columns = rows, columns
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        found.append(ds)
    return found


def description(number, label, method="AUTOMATIC"):
    algorithm = hd.AlgorithmIdentificationSequence(
        "made", codes.DCM.ArtificialIntelligence, version="1"
    )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=method,
        algorithm_identification=None if method == "MANUAL" else algorithm,
        tracking_uid=generate_uid(entropy_srcs=[label]),
        tracking_id=f"track {label}",
    )


def write(path, pixels, kind="BINARY", orientation="axial", names=None, **options):
    """Write a segmentation: pixels (planes, rows, columns[, segments]) as highdicom takes them."""
    count = pixels.shape[-1] if pixels.ndim == 4 else int(pixels.max())
    names = names or [f"lesion {n}" for n in range(1, count + 1)]
    planes, rows, columns = pixels.shape[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = hd.seg.Segmentation(
            source_images=options.pop("images", None)
            or sources(orientation, planes, rows, columns),
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=[description(n, name) for n, name in enumerate(names, 1)],
            series_instance_uid="1.2.826.5",
            series_number=2,
            sop_instance_uid="1.2.826.4",
            instance_number=1,
            manufacturer="made",
            manufacturer_model_name="made",
            software_versions="1",
            device_serial_number="1",
            content_creator_name="Doe^Jane",
            **options,
        )
        made.save_as(path)
    return path


def as_pixels(drawn):
    """Return masks (segments, planes, rows, columns) as highdicom takes them."""
    return np.moveaxis(drawn, 0, -1).astype(np.uint8)


def brute_force(path, shape, affine, least=1):
    """Read with pydicom alone: every pixel of every frame by its place in space, one by one."""
    ds = pydicom.dcmread(path)
    values = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    shared = ds.SharedFunctionalGroupsSequence[0]
    to_index = np.linalg.inv(affine)
    masks = {}
    for k, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        plane = group.PlanePositionSequence[0].ImagePositionPatient
        holder = group if "PlaneOrientationSequence" in group else shared
        cosines = np.array(holder.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        holder = group if "PixelMeasuresSequence" in group else shared
        between_rows, between_columns = holder.PixelMeasuresSequence[0].PixelSpacing
        for r, c in np.argwhere(values[k] > 0):
            place = np.array(plane, float) + cosines[:3] * c * between_columns
            place = place + cosines[3:] * r * between_rows
            index = to_index @ RAS @ [*place, 1.0]
            voxel = tuple(int(n) for n in np.rint(index[:3]))
            assert np.abs(index[:3] - voxel).max() < 1e-3
            value = int(values[k, r, c])
            if ds.SegmentationType == "LABELMAP":
                number, belongs = value, True
            else:
                number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
                belongs = value >= least
            masks.setdefault(number, np.zeros(shape, bool))
            if belongs:
                masks[number][voxel] = True
    return masks


def by_highdicom(path, shape, affine, least=1):
    """Read with highdicom's get_volume, and carry voxel after voxel over by its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = hd.seg.segread(path).get_volume(
            combine_segments=False, rescale_fractional=False, allow_missing_positions=True
        )
    to_index = np.linalg.inv(affine) @ RAS @ volume.affine
    masks = [np.zeros(shape, bool) for _ in range(volume.array.shape[3])]
    for s, r, c, n in np.argwhere(volume.array >= least):
        index = to_index @ [s, r, c, 1.0]
        masks[n][tuple(int(i) for i in np.rint(index[:3]))] = True
    return masks


def on_grid(drawn):
    """Masks (planes, rows, columns) in the order (x, y, z)."""
    return drawn.transpose(2, 1, 0)


def read(path, shape=SHAPE, affine=None, **options):
    affine = grid() if affine is None else affine
    return segment_regions(read_segmentation(path), shape, affine, **options)


def label_pixels(drawn):
    return (drawn * np.arange(1, len(drawn) + 1)[:, None, None, None]).sum(axis=0).astype(np.uint8)


def edited(path, change):
    """Change a file with pydicom and write it again."""
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path)
    return path


def run_length(ds):
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
