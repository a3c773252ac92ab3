"""DICOM SEG (PS3.3 A.51) of masks, written by highdicom."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydicom import Dataset, dcmread

from petnet.simulation.dicom.files import base_header, save, set_moment, uid
from petnet.simulation.dicom.records import Examination, SeriesLabel, Written
from petnet.volume import Volume

__all__ = ["write_seg"]

LABEL = SeriesLabel("SEG", 11, "Segmentation")
NEOPLASM = ("108369006", "SCT", "Neoplasm")
ABNORMALITY = ("49755003", "SCT", "Morphologically Abnormal Structure")
LEVELS = 200  # of a fractional segmentation


def write_seg(
    path: Path,
    regions: Mapping[str, Volume],
    examination: Examination,
    image: Written,
    kind: Literal["binary", "fractional", "labelmap"] = "binary",
    label: SeriesLabel = LABEL,
) -> str:
    """Write masks as segments.

    Parameters
    ----------
    regions : mapping of str to Volume
        Name of each segment, and its mask on the grid of `image`: x along columns, y along rows,
        z over slices.
    kind : {"binary", "fractional", "labelmap"}
        A voxel of a fractional segment is 0.75 occupied; of masks that overlap, a label map keeps
        the last.

    Returns
    -------
    str
        SeriesInstanceUID.
    """
    import highdicom as hd

    series_uid = str(base_header(examination, label, "SEG").SeriesInstanceUID)
    sources = [dcmread(file) for file in dict.fromkeys(image.paths)]
    masks = np.stack([mask.array > 0 for mask in regions.values()], axis=-1)
    voxels: Any = np.ascontiguousarray(masks.transpose(2, 1, 0, 3)).astype(np.uint8)
    if kind == "fractional":
        voxels = voxels.astype(np.float64) * 0.75
    if kind == "labelmap":
        voxels = (voxels * np.arange(1, len(regions) + 1, dtype=np.uint8)).max(axis=-1)
    file = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=voxels,
        segmentation_type=kind.upper(),
        segment_descriptions=[_segment(n, name) for n, name in enumerate(regions, 1)],
        series_instance_uid=series_uid,
        series_number=label.number,
        sop_instance_uid=uid(series_uid, "file"),
        instance_number=1,
        manufacturer="petnet",
        manufacturer_model_name="simulation",
        software_versions="1",
        device_serial_number="1",
        series_description=label.description,
        content_creator_name="Reader^Simulated",
        max_fractional_value=LEVELS,
    )
    _repeatable(file, examination)
    save(file, path)
    return series_uid


def _segment(number: int, name: str) -> Any:
    import highdicom as hd

    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=hd.sr.CodedConcept(*ABNORMALITY),
        segmented_property_type=hd.sr.CodedConcept(*NEOPLASM),
        algorithm_type="MANUAL",
    )


def _repeatable(file: Dataset, examination: Examination) -> None:
    """Replace what highdicom takes from the clock and from chance."""
    for what in ("Content", "Series", "InstanceCreation"):
        set_moment(file, what, examination.start)
    del file.ContributingEquipmentSequence
    dimensions = uid(file.SeriesInstanceUID, "dimensions")
    for item in (*file.DimensionOrganizationSequence, *file.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
