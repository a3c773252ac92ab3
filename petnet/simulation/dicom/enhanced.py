"""Enhanced PET (PS3.3 A.56): a whole series as the frames of one file, in functional groups."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import EnhancedPETImageStorage

from petnet.simulation.dicom.files import (
    Planes,
    Storage,
    base_header,
    coded,
    grey_levels,
    planes_of,
    save,
    uid,
)
from petnet.simulation.dicom.pet import injection_item, needed_injection, quantised
from petnet.simulation.dicom.pet_values import Bed, PetStyle, beds_of, suv_factor
from petnet.simulation.dicom.records import Code, Examination, Injection, SeriesLabel, Written
from petnet.volume import Volume

__all__ = ["write_enhanced_pet"]

UCUM_UNITS: dict[str, Code] = {
    "BQML": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
    "GML": ("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight"),
    "CM2ML": ("cm2/ml{SUVbsa}", "UCUM", "Standardized Uptake Value body surface area"),
}
CORRECTIONS = (
    "ScatterCorrected", "DeadTimeCorrected", "RandomsCorrected", "SensitivityCalibrated",
    "DetectorNormalizationCorrection", "CountLossNormalizationCorrected",
)  # fmt: skip
NOT_DONE = (
    "GantryMotionCorrected", "PatientMotionCorrected", "NonUniformRadialSamplingCorrected",
)  # fmt: skip
FRAME_TYPE = ["ORIGINAL", "PRIMARY", "WHOLE_BODY", "NONE"]
PLAIN = PetStyle()
LABEL = SeriesLabel("Enhanced PET", 3, "PET WB enhanced")
STORAGE = Storage("PET{number}.dcm")


def write_enhanced_pet(
    folder: Path,
    volume: Volume,
    examination: Examination,
    style: PetStyle = PLAIN,
    label: SeriesLabel = LABEL,
    storage: Storage = STORAGE,
) -> Written:
    """Write an SUVbw image as one Enhanced PET file.

    The unit is coded in RealWorldValueMappingSequence. The rescale slope beside it is that of a
    unit of its own (US), 1: taken for Bq/ml, it would be wrong by orders of magnitude.

    Parameters
    ----------
    volume : Volume
        SUVbw; x runs along columns, y along rows, z over slices.
    style : PetStyle
        Units BQML, GML (body weight) or CM2ML; `mbq` and `injected` do not matter, as the standard
        leaves no choice here.
    """
    injection = needed_injection(examination)
    slices = volume.array.shape[2]
    beds = beds_of(style, examination.start, injection.tracer.nuclide.half_life_s, slices)
    factors = [
        suv_factor(style, bed, examination.start, injection, examination.person) for bed in beds
    ]
    stored, slopes = quantised(volume.array / np.array(factors), style.one_slope)
    planes = planes_of(volume)
    file = _file_header(examination, injection, style, label)
    grey_levels(file, volume.array.shape, signed=True)
    file.NumberOfFrames = slices
    file.SharedFunctionalGroupsSequence = [_shared(planes)]
    order = storage.numbers(slices)
    by_frame = np.argsort(order)
    file.PerFrameFunctionalGroupsSequence = [
        _frame(planes, k, beds[k], float(slopes[k]), style.units, n)
        for n, k in enumerate(by_frame.tolist(), 1)
    ]
    file.PixelData = stored[:, :, by_frame].transpose(2, 1, 0).astype("<i2").tobytes()
    path = save(file, folder / storage.names.format(number=1, uid=file.SOPInstanceUID))
    uids = (file.SOPInstanceUID,) * slices
    return Written(file.SeriesInstanceUID, file.SOPClassUID, uids, (path,) * slices, tuple(factors))


def _file_header(
    examination: Examination, injection: Injection, style: PetStyle, label: SeriesLabel
) -> Dataset:
    header = base_header(examination, label, "PT")
    header.SOPClassUID = EnhancedPETImageStorage
    header.SOPInstanceUID = uid(header.SeriesInstanceUID, "file")
    header.InstanceNumber = 1
    if not style.weighed:
        header.PatientWeight = None
    header.ImageType = FRAME_TYPE
    del header.AcquisitionDate, header.AcquisitionTime
    header.AcquisitionDateTime = _moment(examination.start)
    header.PixelPresentation, header.VolumetricProperties = "MONOCHROME", "VOLUME"
    header.VolumeBasedCalculationTechnique, header.PresentationLUTShape = "NONE", "IDENTITY"
    header.ContentQualification, header.BurnedInAnnotation = "RESEARCH", "NO"
    header.LossyImageCompression = "00"
    for keyword in CORRECTIONS:
        setattr(header, keyword, "YES")
    for keyword in NOT_DONE:
        setattr(header, keyword, "NO")
    header.AttenuationCorrected = "YES" if style.attenuation_corrected else "NO"
    header.DecayCorrected = "NO" if style.decay == "NONE" else "YES"
    if style.decay != "NONE":
        reference = injection.start if style.decay == "ADMIN" else examination.start
        header.DecayCorrectionDateTime = _moment(reference)
    agent = injection_item(injection, PetStyle(mbq=True, injected="datetime"))
    agent.RadiopharmaceuticalAgentNumber = 1
    header.RadiopharmaceuticalInformationSequence = [agent]
    return header


def _shared(planes: Planes) -> Dataset:
    """Return the functional groups that all frames share."""
    groups, described = Dataset(), Dataset()
    planes.describe(described)
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = (
        described.PixelSpacing,
        described.SliceThickness,
    )
    groups.PixelMeasuresSequence = [measures]
    groups.PlaneOrientationSequence = [Dataset()]
    directions = described.ImageOrientationPatient
    groups.PlaneOrientationSequence[0].ImageOrientationPatient = directions
    kind = Dataset()
    kind.FrameType, kind.PixelPresentation = FRAME_TYPE, "MONOCHROME"
    kind.VolumetricProperties, kind.VolumeBasedCalculationTechnique = "VOLUME", "NONE"
    groups.PETFrameTypeSequence = [kind]
    usage = Dataset()
    usage.RadiopharmaceuticalAgentNumber = 1
    groups.RadiopharmaceuticalUsageSequence = [usage]
    groups.PETReconstructionSequence = [_reconstruction()]
    rescale = Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", "0", "US"
    groups.PixelValueTransformationSequence = [rescale]
    return groups


def _reconstruction() -> Dataset:
    made = Dataset()
    made.ReconstructionType, made.ReconstructionAlgorithm = "3D", "OSEM"
    made.IterativeReconstructionMethod = "YES"
    made.NumberOfIterations, made.NumberOfSubsets = 4, 5
    return made


def _frame(planes: Planes, k: int, bed: Bed, slope: float, units: str, number: int) -> Dataset:
    """Return the functional groups of slice `k`, which is frame `number`."""
    groups, content, position, mapping = Dataset(), Dataset(), Dataset(), Dataset()
    content.FrameAcquisitionDateTime = _moment(bed.acquired)
    content.FrameReferenceDateTime = _moment(bed.seen)
    content.FrameAcquisitionDuration = bed.frame_s * 1e3
    content.StackID, content.InStackPositionNumber = "1", number
    content.DimensionIndexValues = number
    groups.FrameContentSequence = [content]
    planes.place(position, k)
    groups.PlanePositionSequence = [position]
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, 0.0
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = -32768, 32767
    mapping.LUTExplanation, mapping.LUTLabel = "Unit of the values", units
    mapping.MeasurementUnitsCodeSequence = [coded(UCUM_UNITS[units])]
    groups.RealWorldValueMappingSequence = [mapping]
    return groups


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S.%f")
