"""One simulated study as the files that a scanner and its readers would have sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from petnet.simulation.dicom.ct import CT_LABEL, write_ct
from petnet.simulation.dicom.enhanced import write_enhanced_pet
from petnet.simulation.dicom.extras import write_capture, write_dose_report, write_mip
from petnet.simulation.dicom.files import Storage, oriented
from petnet.simulation.dicom.manners import MANNERS, Manner
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.records import (
    SCANNERS,
    TRACERS,
    Examination,
    Injection,
    Person,
    SeriesLabel,
    Written,
)
from petnet.simulation.dicom.rtstruct import write_rtstruct
from petnet.simulation.dicom.segments import write_seg
from petnet.volume import Volume, read_mask, read_volume

__all__ = ["StudyFiles"]

Row = Mapping[str, Any]
FIRST_DAY = datetime(2024, 1, 8)
DAYS_BETWEEN_PATIENTS, DAYS_BETWEEN_ARMS, DAYS_BETWEEN_TIMEPOINTS = 2, 3, 60
PET = SeriesLabel("PET", 3, "PET AC")
NAC = SeriesLabel("NAC", 4, "PET NAC")
REGIONS = SeriesLabel("regions", 10, "Regions")
MIP = SeriesLabel("MIP", 20, "MIP")
CAPTURE = SeriesLabel("capture", 21, "Key images")
REPORT = SeriesLabel("report", 22, "Dose Report")
NOT_CORRECTED = 0.6  # of the activity, roughly, where attenuation is not corrected


@dataclass(frozen=True)
class StudyFiles:
    """A study of a simulated cohort, on its way to files.

    Attributes
    ----------
    index, number : int
        Of the patient, from 0, and of the study among the patient's, from 1.
    row : mapping
        Of the studies table.
    studies, rois : sequence of mappings
        All the patient's rows of the tables.
    """

    index: int
    number: int
    row: Row
    studies: Sequence[Row]
    rois: Sequence[Row]

    def write(self, made: Path, folder: Path) -> Iterator[dict[str, Any]]:
        """Write all series of the study, and yield what must become of each.

        Parameters
        ----------
        made : Path
            Folder of the simulated NIfTI files.
        folder : Path
            That of the cohort; the files lie in its dicom/.
        """
        pet = oriented(read_volume(made / self.row["pet"], "SUVbw", "PT"), "axial")
        ct = oriented(read_volume(made / self.row["ct"], "HU", "CT"), "axial")
        manner, visit = self.manner, self.examination()
        write = write_enhanced_pet if manner.enhanced else write_pet
        image = write(self._at(folder, PET), pet, visit, manner.style, PET, manner.pet)
        usable = manner.style.weighed
        yield self._truth(
            PET, "PT", image, "pet" if usable else "PatientWeight (0010,1030) is empty"
        )
        scan = write_ct(self._at(folder, CT_LABEL), ct, visit, CT_LABEL, manner.ct)
        yield self._truth(
            CT_LABEL, "CT", scan, "ct" if usable else "there is no usable PET with it"
        )
        drawn = self._write_regions(made, folder, image)
        fate = "regions" if usable else "the PET that it is drawn on is excluded"
        yield self._truth(REGIONS, manner.regions, drawn, fate)
        yield from self._write_extras(folder, pet)

    @property
    def manner(self) -> Manner:
        """How this patient's files are made."""
        return MANNERS[self.index % len(MANNERS)]

    @property
    def patient_id(self) -> str:
        """PatientID; sorted, they are in the order of the patients."""
        return f"SIM{self.index + 1:05d}"

    def examination(self) -> Examination:
        """Return who was examined, when, where and with what."""
        row = self.row
        days = DAYS_BETWEEN_PATIENTS * self.index + self._days_after_first()
        start = FIRST_DAY + timedelta(days=days, hours=self.manner.hour)
        person = Person(
            self.patient_id, f"Simulated^Patient {self.index + 1}", f"{1940 + self.index % 40}0615",
            str(row["sex"]), row["weight_kg"], row["height_m"],
        )  # fmt: skip
        injected = start - timedelta(minutes=row["uptake_min"])
        return Examination(
            person,
            str(row["study"]),
            start,
            SCANNERS[self.manner.vendor],
            Injection(TRACERS[row["tracer"]], injected, float(row["dose_bq"])),
            institution=f"{str(row['center']).title()} Hospital",
            description=f"PET/CT {row['tracer']}",
        )

    def _days_after_first(self) -> int:
        """Return the days since the patient's first study: tracers close by, time points apart."""
        points = list(dict.fromkeys(study["timepoint"] for study in self.studies))
        same = [s["study"] for s in self.studies if s["timepoint"] == self.row["timepoint"]]
        return DAYS_BETWEEN_TIMEPOINTS * points.index(
            self.row["timepoint"]
        ) + DAYS_BETWEEN_ARMS * same.index(self.row["study"])

    def _place(self, label: SeriesLabel) -> str:
        folders = self.manner.folders.format(
            patient=self.index + 1, study=self.number, id=self.patient_id, number=label.number
        )
        return f"dicom/{folders}"

    def _at(self, folder: Path, label: SeriesLabel) -> Path:
        return folder / self._place(label)

    def _write_regions(self, made: Path, folder: Path, image: Written) -> str:
        regions: dict[str, Volume] = {}
        own = [row for row in self.rois if row["study"] == self.row["study"]]
        for number, row in enumerate(own, 1):
            mask = read_mask(made / row["path"], int(row["label"]))
            regions[_region_name(row, number)] = oriented(mask, "axial")
        at, visit = self._at(folder, REGIONS), self.examination()
        if self.manner.regions == "SEG":
            path = at / f"segments {self.number}.dcm"
            return write_seg(path, regions, visit, image, label=REGIONS)
        return write_rtstruct(at / f"RS.{self.number}", regions, visit, image, label=REGIONS)

    def _write_extras(self, folder: Path, pet: Volume) -> Iterator[dict[str, Any]]:
        """Write what a scanner sends beside its images, none of which is to be used."""
        visit, extras = self.examination(), self.manner.extras
        if "NAC" in extras:
            style = replace(self.manner.style, attenuation_corrected=False)
            dimmed = pet.with_array(pet.array * NOT_CORRECTED)
            names = Storage("NAC_{number:04d}")
            series = write_pet(self._at(folder, NAC), dimmed, visit, style, NAC, names).series_uid
            yield self._truth(NAC, "PT", series, "its attenuation is not corrected")
        if "MIP" in extras:
            series = write_mip(self._at(folder, MIP), pet, visit, MIP)
            yield self._truth(MIP, "PT", series, "a reprojection")
        if "capture" in extras:
            series = write_capture(self._at(folder, CAPTURE) / "SC_1", pet, visit, CAPTURE)
            yield self._truth(CAPTURE, "OT", series, "a picture of a screen")
        if "report" in extras:
            series = write_dose_report(self._at(folder, REPORT) / "SR_1", visit, REPORT)
            yield self._truth(REPORT, "SR", series, "a dose report")

    def _truth(
        self, label: SeriesLabel, modality: str, series: Written | str, fate: str
    ) -> dict[str, Any]:
        """Return a row of truth.csv; `fate` is what a series is used as, or why it is not."""
        uid, factors = (
            (series, ()) if isinstance(series, str) else (series.series_uid, series.factors)
        )
        used = fate in ("pet", "ct", "regions")
        first, last = (factors[0], factors[-1]) if fate == "pet" else (None, None)
        return {
            "patient": self.row["patient"], "patient_id": self.patient_id,
            "study": self.row["study"], "folder": self._place(label), "series_uid": uid,
            "modality": modality, "description": label.description,
            "manufacturer": SCANNERS[self.manner.vendor].manufacturer,
            "becomes": fate if used else "excluded", "reason": None if used else fate,
            "suv_factor_first": first, "suv_factor_last": last,
        }  # fmt: skip


def _region_name(row: Row, number: int) -> str:
    """Return a name as readers give them; configs/regions/default.yaml tells the role from it."""
    region = str(row["region"])
    names = {
        "primary": "GTV",
        "reference": region.replace("_", " ").title(),
        "node": f"LN_{region}",
        "region": f"Deposit {region}",
    }
    return names.get(str(row["role"]), f"Lesion {number}")
