"""What SUV depends on, as the header of a PET series says it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Attribute", "PetFrame", "PetHeader"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One header value as written; what it means is decided by the rule that needs it.

    Attributes
    ----------
    tag : str
        "PatientWeight (0010,1030)".
    text : str or None
        None where absent or empty.
    """

    tag: str
    text: str | None


@dataclass(frozen=True, slots=True)
class PetFrame:
    """What differs from slice to slice."""

    slope: Attribute
    intercept: Attribute
    acquisition_date: Attribute
    acquisition_time: Attribute
    acquisition_datetime: Attribute
    frame_reference_ms: Attribute
    frame_duration_ms: Attribute


@dataclass(frozen=True, slots=True)
class PetHeader:
    """What a whole PET series shares; values that differ between its slices are refused before.

    `timezone` is TimezoneOffsetFromUTC; `tracer` and `tracer_code` are Radiopharmaceutical and the
    code of RadiopharmaceuticalCodeSequence; `nuclide` is the code of RadionuclideCodeSequence,
    `nuclide_meaning` its CodeMeaning; `decay_correction_datetime` is (0018,9701), written by
    Enhanced PET; `ge_scan` is the private (0009,100D) of GEMS_PETD_01, `philips_suv` and
    `philips_activity` are (7053,1000) and (7053,1009).
    """

    units: Attribute
    suv_type: Attribute
    decay_correction: Attribute
    decay_correction_datetime: Attribute
    corrected_image: Attribute
    manufacturer: Attribute
    series_date: Attribute
    series_time: Attribute
    timezone: Attribute
    ge_scan: Attribute
    philips_suv: Attribute
    philips_activity: Attribute
    injection_datetime: Attribute
    injection_time: Attribute
    dose: Attribute
    half_life: Attribute
    nuclide: Attribute
    nuclide_meaning: Attribute
    tracer: Attribute
    tracer_code: Attribute
    weight: Attribute
    height: Attribute
    sex: Attribute
    frames: tuple[PetFrame, ...]
