"""What a conversion may be told, and what one patient's part of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from petnet.ingest.dicom.series import Tilt
from petnet.ingest.dicom.series_header import SeriesHeader
from petnet.ingest.regions.rules import RegionRules
from petnet.ingest.suv.scale import SuvOptions

__all__ = ["STAGE", "ConvertOptions", "PatientJob"]

STAGE = 1  # raised whenever the same files and options would give other outputs


@dataclass(frozen=True)
class ConvertOptions:
    """Settings that change what is written.

    Attributes
    ----------
    rules : RegionRules
        Which regions are taken, and what they are.
    suv : SuvOptions
    tilt : {"refuse", "correct"}
        CT of a tilted gantry.
    keep_identifiers : bool
        Patients, centres and readers by their own names, and dates as they are.
    same_timepoint_days : int
        Scans of other tracers within so many days are one time point.
    threshold : float
        From which share a voxel of a fractional segmentation belongs.
    split_components : bool
        Each connected component of a lesion is a lesion.
    """

    rules: RegionRules
    suv: SuvOptions = field(default_factory=SuvOptions)
    tilt: Tilt = "refuse"
    keep_identifiers: bool = False
    same_timepoint_days: int = 21
    threshold: float = 0.5
    split_components: bool = False

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON values, to compare with those of another run."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PatientJob:
    """One patient's series and masks by the names that they have in the tables.

    Attributes
    ----------
    patient : str
        In the column `patient`.
    stem : str
        In the names of files, studies and lesions.
    root, out, key : Path
        Folder of the DICOM files, of the cohort, and of the key.
    options : ConvertOptions
    series : mapping of str to SeriesHeader
        In the order of their names.
    masks : mapping of str to Path
        NIfTI and NRRD files that are taken for this patient's.
    centers, readers : mapping of str to str
        Names in the headers to those in the tables.
    secrets : frozenset of str
        What identifies the patient, the centre and its staff; empty where identifiers are kept.
    doubts : tuple of str
        What is odd about the patient as a whole.
    """

    patient: str
    stem: str
    root: Path
    out: Path
    key: Path
    options: ConvertOptions
    series: Mapping[str, SeriesHeader]
    masks: Mapping[str, Path]
    centers: Mapping[str, str]
    readers: Mapping[str, str]
    secrets: frozenset[str]
    doubts: tuple[str, ...] = ()
