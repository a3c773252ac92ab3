"""Who was scanned, when, where and with what: what the headers of an examination say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

__all__ = [
    "NUCLIDES",
    "SCANNERS",
    "TRACERS",
    "Code",
    "Examination",
    "Injection",
    "Nuclide",
    "Person",
    "Radiotracer",
    "Scanner",
    "SeriesLabel",
    "Vendor",
    "Written",
]

Vendor = Literal["GE", "Siemens", "Philips"]
Code = tuple[str, str, str]  # CodeValue, CodingSchemeDesignator, CodeMeaning


@dataclass(frozen=True)
class Person:
    """A patient as the header says; None leaves the attribute empty.

    Attributes
    ----------
    birth_date : str
        "19600131".
    sex : {"M", "F", "O"}
    """

    patient_id: str
    name: str
    birth_date: str = "19600131"
    sex: str = "O"
    weight_kg: float | None = 70.0
    height_m: float | None = 1.70


@dataclass(frozen=True)
class Scanner:
    """A scanner; what its vendor alone writes is the writer's business."""

    vendor: Vendor
    manufacturer: str
    model: str
    reconstruction: str


SCANNERS: dict[Vendor, Scanner] = {
    "GE": Scanner("GE", "GE MEDICAL SYSTEMS", "Discovery SIM", "VPFX-S"),
    "Siemens": Scanner("Siemens", "SIEMENS", "Biograph SIM", "PSF+TOF 4i5s"),
    "Philips": Scanner("Philips", "Philips Medical Systems", "Ingenuity SIM", "BLOB-OS-TF"),
}


@dataclass(frozen=True)
class Nuclide:
    """A radionuclide: code, half-life in s and positrons per decay (ENSDF)."""

    code: Code
    half_life_s: float
    positrons: float


NUCLIDES = {
    "F-18": Nuclide(("C-111A1", "SRT", "^18^Fluorine"), 6586.2, 0.967),
    "Ga-68": Nuclide(("C-131A3", "SRT", "^68^Gallium"), 4062.6, 0.889),
}


@dataclass(frozen=True)
class Radiotracer:
    """What a header calls a tracer; `code` is None where the standard has none."""

    text: str
    nuclide: Nuclide
    code: Code | None = None


TRACERS = {
    "FDG": Radiotracer(
        "Fluorodeoxyglucose", NUCLIDES["F-18"], ("C-B1031", "SRT", "Fluorodeoxyglucose F^18^")
    ),
    "FAPI": Radiotracer("FAPI-04", NUCLIDES["Ga-68"]),
}


@dataclass(frozen=True)
class Injection:
    """A tracer, when it was injected, and how much of it then."""

    tracer: Radiotracer
    start: datetime
    dose_bq: float


@dataclass(frozen=True)
class Examination:
    """A visit to a scanner: one DICOM study in one frame of reference.

    Attributes
    ----------
    name : str
        What the study's UIDs are made from, with the patient's id.
    start : datetime
        When the acquisition of the first bed position begins.
    injection : Injection or None
        None for a CT alone.
    """

    person: Person
    name: str
    start: datetime
    scanner: Scanner
    injection: Injection | None = None
    institution: str = "Simulated Hospital"
    description: str = "PET/CT"


@dataclass(frozen=True)
class SeriesLabel:
    """What a series is called; its UIDs are made from the study's and `name`."""

    name: str
    number: int
    description: str


@dataclass(frozen=True)
class Written:
    """A series that was written.

    Attributes
    ----------
    sop_class : str
    sop_uids : tuple of str
        SOPInstanceUID of each slice, in the order of the volume's; one file may hold them all.
    paths : tuple of Path
        In the same order.
    factors : tuple of float
        Of PET: SUVbw of a rescaled value of 1, by slice; else none.
    """

    series_uid: str
    sop_class: str
    sop_uids: tuple[str, ...]
    paths: tuple[Path, ...]
    factors: tuple[float, ...] = ()
