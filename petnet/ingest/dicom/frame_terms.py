"""What Enhanced multi-frame files name otherwise than classic ones: times, corrections, dose."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom.elements import items_of
from petnet.ingest.dicom.frame_values import number, tag_of, text
from petnet.ingest.suv.moments import parse_offset

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["frame_times", "isotope", "series_terms"]

# YES or NO of Enhanced PET (PS3.3 C.8.22.1) -> defined term of CorrectedImage (PS3.3 C.8.9.1)
CORRECTIONS = {
    "DecayCorrected": "DECY", "AttenuationCorrected": "ATTN", "ScatterCorrected": "SCAT",
    "DeadTimeCorrected": "DTIM", "GantryMotionCorrected": "MOTN", "PatientMotionCorrected": "PMOT",
    "CountLossNormalizationCorrected": "CLN", "RandomsCorrected": "RAN",
    "NonUniformRadialSamplingCorrected": "RADL", "SensitivityCalibrated": "DCAL",
    "DetectorNormalizationCorrection": "NORM",
}  # fmt: skip
ISOTOPE = "RadiopharmaceuticalInformationSequence"
BQ_PER_MBQ = 1e6
# A dose that a patient was given lies below 100 GBq and above 0.1 MBq: from this number on it is
# written in Bq, though the standard asks for MBq
LEAST_BQ = 1e5


def frame_times(header: Dataset) -> dict[str, Any]:
    """Return the times of a frame under the names of classic files, as far as they are written."""
    made: dict[str, Any] = {}
    acquired = text(header, "FrameAcquisitionDateTime")
    if acquired:
        made["AcquisitionDateTime"] = acquired
        local = _local(acquired, parse_offset(text(header, "TimezoneOffsetFromUTC")))
        made["AcquisitionDate"], made["AcquisitionTime"] = local[:8], local[8:]
    if text(header, "FrameAcquisitionDuration"):
        made["ActualFrameDuration"] = number(header, "FrameAcquisitionDuration")
    seen = _moment(text(header, "FrameReferenceDateTime"))
    start = _moment(
        text(header, "DecayCorrectionDateTime")
        or text(header, "SeriesDate") + text(header, "SeriesTime")
    )
    if seen and start and (seen.tzinfo is None) == (start.tzinfo is None):
        made["FrameReferenceTime"] = (seen - start).total_seconds() * 1e3
    return made


def _local(value: str, home_s: int | None) -> str:
    """Return a DT as local time, without an offset; as written where there is no zone to go by."""
    plain = re.split(r"[+-]", value)[0]
    moment = _moment(value)
    if moment is None or moment.tzinfo is None or home_s is None:
        return plain
    fraction = plain[14:]
    return f"{moment + timedelta(seconds=home_s):%Y%m%d%H%M%S}{fraction}"


def _moment(value: str) -> datetime | None:
    """Return a date and time to the second or finer; None for what is coarser or malformed."""
    found = re.fullmatch(r"(\d{14})(?:\.(\d{1,6}))?([+-]\d{4})?", value)
    if found is None:
        return None
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.strptime(f"{seconds}{fraction or '0':0<6}", "%Y%m%d%H%M%S%f")
        zoned = datetime.strptime(zone, "%z").tzinfo if zone else None
    except ValueError:
        return None
    return moment.replace(tzinfo=zoned).astimezone(UTC) if zoned else moment


def series_terms(header: Dataset) -> dict[str, Any]:
    """Return DecayCorrection, CorrectedImage and the like where only Enhanced names say them.

    Where every correction is NO, CorrectedImage is "NONE": it must not look as if nothing were
    known.
    """
    said = {keyword: text(header, keyword).upper() for keyword in CORRECTIONS}
    made: dict[str, Any] = {}
    decay = {"YES": _corrected_to(header), "NO": "NONE"}.get(said["DecayCorrected"])
    if decay and not text(header, "DecayCorrection"):
        made["DecayCorrection"] = decay
    if any(said.values()) and not text(header, "CorrectedImage"):
        done = [CORRECTIONS[keyword] for keyword, value in said.items() if value == "YES"]
        made["CorrectedImage"] = done or ["NONE"]
    if said["AttenuationCorrected"] == "NO" and not text(header, "AttenuationCorrectionMethod"):
        made["AttenuationCorrectionMethod"] = "NONE"
    return made


def _corrected_to(header: Dataset) -> str:
    """Return ADMIN where the moment of decay correction is that of the injection, else START."""
    moment = _moment(text(header, "DecayCorrectionDateTime"))
    injected = {
        _moment(text(item, "RadiopharmaceuticalStartDateTime"))
        for item in items_of(header, tag_of(ISOTOPE))
    }
    return "ADMIN" if moment is not None and injected == {moment} else "START"


def isotope(header: Dataset) -> dict[str, Any]:
    """Return the agent that the frames show, its dose in Bq.

    Of several agents (RadiopharmaceuticalAgentNumber (0018,9729)) the one that
    RadiopharmaceuticalUsageSequence names, where all frames share it; else all are left.
    """
    made = [_in_bq(item) for item in items_of(header, tag_of(ISOTOPE))]
    used = text(header, "RadiopharmaceuticalAgentNumber")
    own = [item for item in made if text(item, "RadiopharmaceuticalAgentNumber") == used]
    return {ISOTOPE: own if used and len(own) == 1 else made} if made else {}


def _in_bq(item: Dataset) -> Dataset:
    """Return an item of Enhanced PET with its dose in Bq; a malformed dose stays as it is."""
    try:
        dose = float(text(item, "RadionuclideTotalDose"))
    except ValueError:
        return item
    if not 0 < dose < LEAST_BQ:
        return item
    made = type(item)(dict(item.items()))
    made.RadionuclideTotalDose = f"{dose * BQ_PER_MBQ:.10g}"
    return made
