"""Whose series are whose: grouping by patient, and what looks like two patients or one twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from petnet.ingest.conversion.scrub import secrets_of
from petnet.ingest.dicom.series_header import IDENTIFYING, SeriesHeader
from petnet.ingest.records import FoundFile

__all__ = ["Patient", "alike", "doubts", "group_files", "group_patients"]

DIFFERING = {"PatientName": "names", "PatientBirthDate": "birth dates", "PatientSex": "sexes"}


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient's series.

    Attributes
    ----------
    patient_id, issuer : str
        PatientID; IssuerOfPatientID only where it sets patients of one id apart.
    series : tuple of SeriesHeader
        In the order of their first files.
    """

    patient_id: str
    issuer: str
    series: tuple[SeriesHeader, ...]

    @property
    def identity(self) -> tuple[str, str]:
        """What tells patients apart."""
        return (self.patient_id, self.issuer)

    def first(self, keyword: str) -> str:
        """Return the first text of an attribute among the series."""
        return next((s.text(keyword) for s in self.series if s.text(keyword)), "")

    def secrets(self) -> frozenset[str]:
        """Return every text in the headers that identifies the patient, staff or centre."""
        found = {self.patient_id, self.issuer}
        for header in self.series:
            named = {k: v for k, v in header.values.items() if k in IDENTIFYING}
            found |= secrets_of(named)
        return frozenset(found - {""})


def group_files(files: Iterable[FoundFile]) -> list[tuple[FoundFile, ...]]:
    """Put files together by patient and series, in the order of their first paths.

    A file without PatientID takes that of its study, if the study has but one.
    """
    files = list(files)
    ids: dict[str, set[str]] = defaultdict(set)
    for file in files:
        if file.patient_id and file.study_uid:
            ids[file.study_uid].add(file.patient_id)
    groups: dict[tuple[str, str], list[FoundFile]] = defaultdict(list)
    for file in files:
        known = ids.get(file.study_uid, set())
        if not file.patient_id and len(known) == 1:
            file = replace(file, patient_id=next(iter(known)))
        groups[file.patient_id, file.series_uid].append(file)
    made = [tuple(sorted(group, key=lambda f: f.path)) for group in groups.values()]
    return sorted(made, key=lambda group: group[0].path)


def group_patients(headers: Sequence[SeriesHeader]) -> list[Patient]:
    """Put series together by PatientID, sorted by it; those without an id are left out.

    IssuerOfPatientID sets patients apart where one id has several; a series that does not name its
    issuer then belongs to the patient of its study, or stays by itself.
    """
    by_id: dict[str, list[SeriesHeader]] = defaultdict(list)
    for header in headers:
        if header.files[0].patient_id:
            by_id[header.files[0].patient_id].append(header)
    patients = []
    for patient_id, mine in sorted(by_id.items()):
        issuers = {h.text("IssuerOfPatientID") for h in mine} - {""}
        if len(issuers) < 2:
            patients.append(Patient(patient_id, "", tuple(mine)))
            continue
        of_study = {
            h.study_uid: h.text("IssuerOfPatientID") for h in mine if h.text("IssuerOfPatientID")
        }
        parts: dict[str, list[SeriesHeader]] = defaultdict(list)
        for header in mine:
            issuer = header.text("IssuerOfPatientID") or of_study.get(header.study_uid, "")
            parts[issuer].append(header)
        patients += [Patient(patient_id, i, tuple(part)) for i, part in sorted(parts.items())]
    return patients


def doubts(patient: Patient) -> tuple[str, ...]:
    """Say what makes one patient look like two: several names, birth dates or sexes."""
    said = []
    for keyword, plural in DIFFERING.items():
        values = {_plain(header.text(keyword)) for header in patient.series} - {""}
        if len(values) > 1:
            said.append(f"{len(values)} {plural} under one PatientID: two patients?")
    return tuple(said)


def alike(patients: Sequence[Patient]) -> list[tuple[tuple[str, str], ...]]:
    """Return groups of identities that may be one patient, who then is on both sides of a split.

    They share name and birth date, or a series, or their ids differ in case and blanks alone.
    """
    by_person: dict[tuple[str, ...], set[tuple[str, str]]] = defaultdict(set)
    for patient in patients:
        by_person["id", "".join(patient.patient_id.casefold().split())].add(patient.identity)
        for header in patient.series:
            by_person["series", header.uid].add(patient.identity)
        name, born = patient.first("PatientName"), patient.first("PatientBirthDate")
        if name and born:
            by_person["name", _plain(name), born].add(patient.identity)
    groups = {tuple(sorted(group)) for group in by_person.values() if len(group) > 1}
    return sorted(groups)


def _plain(text: str) -> str:
    """Return a name as it is compared: case, blanks and empty components do not matter."""
    return " ".join(text.replace("^", " ").casefold().split())
