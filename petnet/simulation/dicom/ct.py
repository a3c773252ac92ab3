"""Classic CT series (PS3.3 A.3) of a simulated image in Hounsfield units."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from petnet.simulation.dicom.files import (
    Storage,
    base_header,
    grey_levels,
    planes_of,
    save,
    set_moment,
    slice_uid,
)
from petnet.simulation.dicom.records import Examination, SeriesLabel, Written
from petnet.volume import Volume

__all__ = ["write_ct"]

AIR = -1024  # HU of a stored 0
BEFORE_PET = timedelta(minutes=2)
CT_LABEL = SeriesLabel("CT", 2, "CT WB 5.0 Br38")
CT_STORAGE = Storage("CT.{uid}")


def write_ct(
    folder: Path,
    volume: Volume,
    examination: Examination,
    label: SeriesLabel = CT_LABEL,
    storage: Storage = CT_STORAGE,
) -> Written:
    """Write an image of whole HU, -1024 or more, as a CT series, one file a slice.

    Parameters
    ----------
    volume : Volume
        HU; x runs along columns, y along rows, z over slices.
    """
    planes, slices = planes_of(volume), volume.array.shape[2]
    header = base_header(examination, label, "CT")
    header.SOPClassUID = CTImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    for what in ("Series", "Acquisition", "Content"):
        set_moment(header, what, examination.start - BEFORE_PET)
    grey_levels(header, volume.array.shape, signed=False)
    planes.describe(header)
    header.KVP, header.XRayTubeCurrent, header.ConvolutionKernel = "120", "80", "Br38"
    header.AcquisitionNumber, header.GantryDetectorTilt = "1", "0"
    header.RescaleSlope, header.RescaleIntercept, header.RescaleType = "1", str(AIR), "HU"
    stored = (np.rint(volume.array).astype(np.int32) - AIR).astype("<u2")
    paths = []
    for k, number in enumerate(storage.numbers(slices)):
        item = Dataset()
        item.update(header)
        planes.place(item, k)
        item.InstanceNumber = number
        item.SOPInstanceUID = slice_uid(header.SeriesInstanceUID, k)
        item.PixelData = np.ascontiguousarray(stored[:, :, k].T).tobytes()
        name = storage.names.format(number=number, uid=item.SOPInstanceUID)
        paths.append(save(item, folder / name, storage.syntax))
    uids = tuple(slice_uid(header.SeriesInstanceUID, k) for k in range(slices))
    return Written(header.SeriesInstanceUID, header.SOPClassUID, uids, tuple(paths))
