"""Classic PET series (PS3.3 A.21) of a simulated SUV image, in the ways of three vendors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage

from petnet.simulation.dicom.files import (
    Storage,
    base_header,
    coded,
    decimal,
    grey_levels,
    planes_of,
    save,
    set_moment,
    slice_uid,
)
from petnet.simulation.dicom.pet_values import (
    BQML_PER_COUNT,
    Bed,
    PetStyle,
    beds_of,
    decay_factor,
    suv_factor,
)
from petnet.simulation.dicom.records import Examination, Injection, SeriesLabel, Written
from petnet.volume import Volume

__all__ = ["injection_item", "needed_injection", "quantised", "write_pet"]

LARGEST = 32767  # of 16 bits with a sign
CORRECTIONS = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "DCAL", "NORM"]
REPROCESSED_AFTER = timedelta(hours=3)
PLAIN = PetStyle()
PET_LABEL = SeriesLabel("PET", 3, "PET WB")
PET_STORAGE = Storage()


def write_pet(
    folder: Path,
    volume: Volume,
    examination: Examination,
    style: PetStyle = PLAIN,
    label: SeriesLabel = PET_LABEL,
    storage: Storage = PET_STORAGE,
) -> Written:
    """Write an SUVbw image as a PET series, one file a slice.

    Parameters
    ----------
    volume : Volume
        SUVbw; x runs along columns, y along rows, z over slices (see `files.oriented`).

    Returns
    -------
    Written
        Reading gives SUVbw back within half a step of the stored 16-bit values:
        |read − volume| ≤ RescaleSlope · factor / 2.
    """
    injection = needed_injection(examination)
    planes, slices = planes_of(volume), volume.array.shape[2]
    beds = beds_of(style, examination.start, injection.tracer.nuclide.half_life_s, slices)
    factors = [
        suv_factor(style, bed, examination.start, injection, examination.person) for bed in beds
    ]
    header = _series_header(examination, injection, style, label)
    grey_levels(header, volume.array.shape, signed=True)
    planes.describe(header)
    header.NumberOfSlices = slices
    stored, slopes = quantised(volume.array / np.array(factors), style.one_slope)
    paths = []
    for k, number in enumerate(storage.numbers(slices)):
        item = Dataset()
        item.update(header)
        _describe_slice(item, beds[k], examination, injection, style)
        planes.place(item, k)
        item.InstanceNumber, item.ImageIndex = number, number
        item.SOPInstanceUID = slice_uid(header.SeriesInstanceUID, k)
        item.RescaleSlope, item.RescaleIntercept = slopes[k], "0"
        item.PixelData = np.ascontiguousarray(stored[:, :, k].T).astype("<i2").tobytes()
        name = storage.names.format(number=number, uid=item.SOPInstanceUID)
        paths.append(save(item, folder / name, storage.syntax))
    uids = tuple(slice_uid(header.SeriesInstanceUID, k) for k in range(slices))
    return Written(header.SeriesInstanceUID, header.SOPClassUID, uids, tuple(paths), tuple(factors))


def needed_injection(examination: Examination) -> Injection:
    """Return the injection, without which there is no PET."""
    if examination.injection is None:
        raise ValueError("a PET needs an injection")
    return examination.injection


def quantised(
    values: NDArray[np.floating], one_slope: bool = False
) -> tuple[NDArray[np.int16], list[str]]:
    """Return 16-bit values of shape (X, Y, Z), and the slope of each slice as it is written.

    Values are divided by the slope as its text says it, so that nothing is lost but the rounding.
    """
    peaks = np.abs(values).max(axis=(0, 1))
    peaks = np.full_like(peaks, peaks.max()) if one_slope else peaks
    slopes = [decimal(peak / LARGEST) if peak > 0 else "1" for peak in peaks]
    steps = np.array([float(slope) for slope in slopes])
    stored = np.clip(np.rint(values / steps), -LARGEST, LARGEST).astype(np.int16)
    return stored, slopes


def injection_item(injection: Injection, style: PetStyle) -> Dataset:
    """Return the item of RadiopharmaceuticalInformationSequence."""
    item, tracer = Dataset(), injection.tracer
    item.Radiopharmaceutical = tracer.text
    if style.injected != "datetime":
        item.RadiopharmaceuticalStartTime = injection.start.strftime("%H%M%S.%f")
    if style.injected != "time":
        item.RadiopharmaceuticalStartDateTime = injection.start.strftime("%Y%m%d%H%M%S.%f")
    dose = injection.dose_bq * (1e-6 if style.mbq else 1.0)
    item.RadionuclideTotalDose = decimal(dose)
    item.RadionuclideHalfLife = decimal(tracer.nuclide.half_life_s)
    item.RadionuclidePositronFraction = decimal(tracer.nuclide.positrons)
    item.RadionuclideCodeSequence = [coded(tracer.nuclide.code)]
    if tracer.code is not None:
        item.RadiopharmaceuticalCodeSequence = [coded(tracer.code)]
    return item


def _series_header(
    examination: Examination, injection: Injection, style: PetStyle, label: SeriesLabel
) -> Dataset:
    header = base_header(examination, label, "PT")
    header.SOPClassUID = PositronEmissionTomographyImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.SeriesType = ["WHOLE BODY" if style.beds > 1 else "STATIC", "IMAGE"]
    header.Units, header.CountsSource = style.units, "EMISSION"
    if style.suv_type:
        header.SUVType = style.suv_type
    done = set(CORRECTIONS)
    done -= set() if style.attenuation_corrected else {"ATTN", "SCAT"}
    done -= {"DECY"} if style.decay == "NONE" else set()
    header.CorrectedImage = [term for term in CORRECTIONS if term in done]
    header.AttenuationCorrectionMethod = "CTAC, measured" if style.attenuation_corrected else "NONE"
    header.DecayCorrection, header.RandomsCorrectionMethod = style.decay, "DLYD"
    header.ReconstructionMethod = examination.scanner.reconstruction
    header.CollimatorType = "NONE"
    header.RadiopharmaceuticalInformationSequence = [injection_item(injection, style)]
    if not style.weighed:
        header.PatientWeight = None
    if style.reprocessed:
        set_moment(header, "Series", examination.start + REPROCESSED_AFTER)
    if examination.scanner.vendor == "GE":
        block = header.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", examination.start.strftime("%Y%m%d%H%M%S.%f"))
    return header


def _describe_slice(
    item: Dataset, bed: Bed, examination: Examination, injection: Injection, style: PetStyle
) -> None:
    """Write when a slice was acquired and what its values were corrected by."""
    set_moment(item, "Acquisition", bed.acquired)
    item.FrameReferenceTime = decimal(bed.mean_s * 1e3)
    item.ActualFrameDuration = str(round(bed.frame_s * 1e3))
    if style.decay != "NONE":
        item.DecayFactor = decimal(decay_factor(style, bed, examination.start, injection))
    if style.units == "CNTS":
        _describe_counts(item, bed, examination, injection, style)


def _describe_counts(
    item: Dataset, bed: Bed, examination: Examination, injection: Injection, style: PetStyle
) -> None:
    """Write the factors of Philips from counts to SUVbw and to Bq/ml."""
    suv = suv_factor(style, bed, examination.start, injection, examination.person)
    block = item.private_block(0x7053, "Philips PET Private Group", create=True)
    if style.philips != "activity":
        block.add_new(0x00, "DS", decimal(suv))
    if style.philips != "suv":
        block.add_new(0x09, "DS", decimal(BQML_PER_COUNT))
