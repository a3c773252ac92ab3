"""The manners in which simulated patients' files were written, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from petnet.simulation.dicom.files import Storage
from petnet.simulation.dicom.pet_values import PetStyle
from petnet.simulation.dicom.records import Vendor

__all__ = ["MANNERS", "Manner"]


@dataclass(frozen=True)
class Manner:
    """How a patient's files were made, and how they were laid down.

    Attributes
    ----------
    hour : float
        When a PET begins; shortly after midnight, the injection was the day before.
    regions : {"RTSTRUCT", "SEG"}
    folders : str
        Pattern of a series' folder below that of all, with `patient` and `study` from 1, the
        patient's `id` and the series' `number`.
    enhanced : bool
        PET as one multi-frame file.
    extras : tuple of str
        Further series: "NAC", "MIP", "capture", "report".
    """

    vendor: Vendor
    style: PetStyle
    hour: float
    regions: Literal["RTSTRUCT", "SEG"]
    folders: str
    pet: Storage
    ct: Storage
    enhanced: bool = False
    extras: tuple[str, ...] = ()


GE_FOLDERS = "export {patient}/e{study}/s{number}"
SIEMENS_FOLDERS = "{id}_PETCT (study {study})"  # one folder for all series
PHILIPS_FOLDERS = "DICOM/PA{patient:06d}/ST{study:06d}/SE{number:06d}"
GE_FILES = Storage("i{number}.PTDC.{number}", from_last=True)
GE_CT_FILES = Storage("i{number}.CTDC.{number}", from_last=True)
SIEMENS_FILES = Storage("{uid}.IMA")
PHILIPS_FILES = Storage("IM{number:06d}")
IMPLICIT_FILES = Storage("IM{number:06d}", "implicit")

MANNERS = (
    Manner(
        "GE", PetStyle(beds=5), 10.5, "RTSTRUCT", GE_FOLDERS, GE_FILES, GE_CT_FILES,
        extras=("NAC", "report"),
    ),
    Manner(
        "Siemens", PetStyle(beds=4, injected="datetime"), 14.25, "SEG", SIEMENS_FOLDERS,
        SIEMENS_FILES, SIEMENS_FILES, extras=("MIP",),
    ),
    Manner(
        "Philips", PetStyle(units="CNTS", beds=6), 9.0, "RTSTRUCT", PHILIPS_FOLDERS, PHILIPS_FILES,
        Storage("IM{number:06d}", "jpeg-ls"), extras=("capture",),
    ),
    Manner(
        "Siemens", PetStyle(), 11.0, "SEG", SIEMENS_FOLDERS, SIEMENS_FILES, SIEMENS_FILES,
        enhanced=True,
    ),
    Manner(
        "GE", PetStyle(beds=5, reprocessed=True, injected="time"), 0.3, "SEG", GE_FOLDERS, GE_FILES,
        GE_CT_FILES, extras=("MIP", "NAC"),
    ),
    Manner(
        "Siemens", PetStyle(decay="NONE", beds=4), 15.0, "RTSTRUCT", SIEMENS_FOLDERS,
        Storage("{uid}.IMA", "jpeg-ls"), SIEMENS_FILES,
    ),
    Manner(
        "Philips", PetStyle(units="CNTS", philips="activity", beds=3), 8.75, "SEG", PHILIPS_FOLDERS,
        IMPLICIT_FILES, IMPLICIT_FILES, extras=("MIP",),
    ),
    Manner(
        "GE", PetStyle(units="GML", suv_type="BW", one_slope=True), 13.0, "RTSTRUCT", GE_FOLDERS,
        GE_FILES, GE_CT_FILES,
    ),
    Manner(
        "Siemens", PetStyle(decay="ADMIN", mbq=True), 16.5, "SEG", SIEMENS_FOLDERS, SIEMENS_FILES,
        SIEMENS_FILES, extras=("report", "capture"),
    ),
    Manner(
        "Philips", PetStyle(beds=3, weighed=False), 12.0, "RTSTRUCT", PHILIPS_FOLDERS,
        PHILIPS_FILES, PHILIPS_FILES,
    ),
)  # fmt: skip
