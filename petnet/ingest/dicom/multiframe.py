"""Frames of Enhanced and Legacy Converted multi-frame files as headers of classic slices.

What the standard spreads over shared and per-frame functional groups (PS3.3 C.7.6.16) is laid out
as the attributes of a classic file (PS3.3 A.3, A.21), so that only this module knows of frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom.dicom_file import lenient
from petnet.ingest.dicom.elements import items_of
from petnet.ingest.dicom.frame_terms import frame_times, isotope, series_terms
from petnet.ingest.dicom.frame_values import items, number, tag_of, text
from petnet.ingest.dicom.value_mapping import pet_mapping
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydicom import Dataset
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.tag import BaseTag

    Elements = dict[BaseTag, DataElement | RawDataElement]

__all__ = ["first_frame", "flatten", "is_multiframe"]

ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
LEGACY_PET = "1.2.840.10008.5.1.4.1.1.128.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY_CT = "1.2.840.10008.5.1.4.1.1.2.2"
SOP_CLASSES = frozenset((ENHANCED_PET, LEGACY_PET, ENHANCED_CT, LEGACY_CT))

SHARED = "SharedFunctionalGroupsSequence"
PER_FRAME = "PerFrameFunctionalGroupsSequence"
MAPPING = "RealWorldValueMappingSequence"
# Attribute without which a frame is no slice of a volume -> the group that must hold it
REQUIRED = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
}
# Laid out in this order: what has a group of its own prevails over what a conversion from classic
# files found no place for
GROUPS = (
    "UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence",
    "PixelMeasuresSequence", "FrameContentSequence", "PlanePositionSequence",
    "PlaneOrientationSequence", "PixelValueTransformationSequence", "FrameAnatomySequence",
    "PETFrameTypeSequence", "PETFrameAcquisitionSequence", "PETPositionSequence",
    "PETFrameCorrectionFactorsSequence", "PETReconstructionSequence",
    "RadiopharmaceuticalUsageSequence", "CTImageFrameTypeSequence", "CTAcquisitionTypeSequence",
    "CTAcquisitionDetailsSequence", "CTTableDynamicsSequence", "CTPositionSequence",
    "CTGeometrySequence", "CTReconstructionSequence", "CTExposureSequence",
    "CTXRayDetailsSequence",
)  # fmt: skip
SINGLE = frozenset((*REQUIRED.values(), *GROUPS[:2], "FrameContentSequence"))
LEFT_OUT = (SHARED, PER_FRAME, "NumberOfFrames", "PixelData", "FloatPixelData",
            "DoubleFloatPixelData")  # fmt: skip


def is_multiframe(dataset: Dataset) -> bool:
    """Tell whether a file holds Enhanced or Legacy Converted PET or CT, or frames laid out so."""
    with lenient():
        return PER_FRAME in dataset or text(dataset, "SOPClassUID") in SOP_CLASSES


def flatten(dataset: Dataset) -> list[Dataset]:
    """Return one header per frame, laid out as that of a classic slice, without pixels.

    Beside the attributes of the functional groups (PS3.3 C.7.6.16.2):

    - FrameType (0008,9007) is ImageType; the number of the frame, from 1, is InstanceNumber.
    - FrameAcquisitionDateTime (0018,9074) is also AcquisitionDateTime, AcquisitionDate and
      AcquisitionTime, these in the zone of TimezoneOffsetFromUTC where both have one;
      FrameAcquisitionDuration (0018,9220) is ActualFrameDuration, both in ms.
    - FrameReferenceTime is FrameReferenceDateTime (0018,9151) less DecayCorrectionDateTime
      (0018,9701), or less series date and time where that is absent, in ms.
    - DecayCorrected YES is DecayCorrection ADMIN where DecayCorrectionDateTime is that of the
      injection, else START, whose moment DecayCorrectionDateTime says; NO is NONE.
    - AttenuationCorrected (0018,9759) and its like are the terms of CorrectedImage.
    - Units of PET: where they are written (Legacy Converted), they are the unit of
      PixelValueTransformationSequence (0028,9145), as in the classic file. Else they come, with
      RescaleSlope and RescaleIntercept, from RealWorldValueMappingSequence (0040,9096), which maps
      the same stored values and names its unit (see `value_mapping`). CT has its Hounsfield units
      through PixelValueTransformationSequence.
    - RadionuclideTotalDose of Enhanced PET, in MBq (PS3.3 C.8.22.4), is in Bq as in classic files.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With or without PixelData.

    Returns
    -------
    list of pydicom.Dataset
        In the order of the frames. They share elements: not to be changed in place.

    Raises
    ------
    Refused
        Names the sequence or attribute that is missing, empty or malformed.
    """
    return list(_headers(dataset))


def first_frame(dataset: Dataset) -> Dataset:
    """Return the header of the first frame alone; the others are not looked at.

    Raises
    ------
    Refused
        As `flatten`.
    """
    return next(_headers(dataset))


def _headers(dataset: Dataset) -> Iterator[Dataset]:
    with lenient():
        frames = items(dataset, PER_FRAME)
        declared = number(dataset, "NumberOfFrames")
        if declared != len(frames):
            found = f"{len(frames)} items for {declared:g} frames"
            raise Refused(tag_name(PER_FRAME), "an item for every frame", found)
        shared = items(dataset, SHARED) if SHARED in dataset else []
        if len(shared) > 1:
            raise Refused(tag_name(SHARED), "one item", f"{len(shared)} items")
        common = _common(dataset, shared)
    for k, frame in enumerate(frames, 1):
        with lenient():
            header = _header(dataset, common, frame, k)
        yield header


def _common(dataset: Dataset, shared: list[Dataset]) -> Elements:
    """Return what all frames have: attributes of the file, then those of the shared groups."""
    left_out = {tag_of(keyword) for keyword in LEFT_OUT}
    elements: Elements = {tag: e for tag, e in dataset.items() if tag not in left_out}
    for item in shared:
        elements |= _laid_out(item)
    header = _dataset(dataset, elements)
    made = series_terms(header)
    if text(dataset, "SOPClassUID") == ENHANCED_PET:
        made |= isotope(header)
    return elements | _as_elements(made)


def _header(dataset: Dataset, common: Elements, frame: Dataset, k: int) -> Dataset:
    elements = {**common, **_laid_out(frame)}
    header = _dataset(dataset, elements)
    made: dict[str, Any] = {"InstanceNumber": k}
    if text(header, "FrameType"):
        made["ImageType"] = text(header, "FrameType").split("\\")
    made |= frame_times(header)
    if text(dataset, "SOPClassUID") in (ENHANCED_PET, LEGACY_PET) and not text(header, "Units"):
        made |= pet_mapping(items(header, MAPPING))
    header = _dataset(dataset, elements | _as_elements(made))
    for keyword, group in REQUIRED.items():
        if not text(header, keyword):
            raise Refused(tag_name(group), f"{keyword} for every frame", f"none in frame {k}")
    return header


def _laid_out(groups: Dataset) -> Elements:
    """Return the attributes of functional groups, without the groups; other ones as they are.

    Groups that may have several items (of CT with two sources) are laid out if they have one.
    """
    from pydicom.tag import Tag

    left: Elements = dict(groups.items())
    elements: Elements = {}
    for keyword in GROUPS:
        tag = Tag(tag_of(keyword))
        if tag not in left:
            continue
        found = items_of(groups, tag)
        if len(found) == 1:
            elements |= dict(found[0].items())
            del left[tag]
        elif keyword in SINGLE:
            raise Refused(tag_name(keyword), "one item", f"{len(found) or 'none'}")
    return left | elements


def _dataset(source: Dataset, elements: Elements) -> Dataset:
    """Return a dataset of elements that are still as they were read."""
    from pydicom import Dataset

    made = Dataset(dict(elements))
    meta = getattr(source, "file_meta", None)
    if meta is not None:
        made.file_meta = meta
    return made


def _as_elements(values: Mapping[str, Any]) -> Elements:
    """Return values as elements; a float is kept as one, where DS and IS would cut its digits."""
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import DataElement
    from pydicom.tag import Tag

    elements: Elements = {}
    for keyword, value in values.items():
        tag = Tag(tag_of(keyword))
        vr = "FD" if isinstance(value, float) else dictionary_VR(tag)
        elements[tag] = DataElement(tag, vr, value)
    return elements
