"""Who is who in a tree of DICOM files: names for patients, series and files, and one job each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from petnet.files import path_text
from petnet.ingest.conversion.job import ConvertOptions, PatientJob
from petnet.ingest.conversion.patients import Patient, alike, doubts, group_patients
from petnet.ingest.conversion.pseudonyms import KEY_TABLES, assign, read_key, write_key
from petnet.ingest.conversion.scrub import Scrubber
from petnet.ingest.conversion.selection import Exclusion
from petnet.ingest.dicom.series_header import READER, SeriesHeader
from petnet.ingest.records import Tree
from petnet.ingest.regions.rules import safe_name

__all__ = ["Plan", "plan"]

Row = dict[str, str]
Identity = tuple[str, ...]
Owners = dict[Path, Identity | None]
INSTITUTION = "InstitutionName"
NO_PATIENT = Exclusion(
    "PatientID (0010,0020)",
    "expected an id, but got none, neither in the series nor in others of its study",
)
NO_ONE = Exclusion(
    "folder",
    "expected a mask in a folder with the DICOM files of one patient, but got no or several",
)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be converted, and what cannot be.

    Attributes
    ----------
    jobs : tuple of PatientJob
        In the order of the tables.
    left_over : tuple of dict
        Rows of the series table for series without a patient, masks that are no one's, and files
        that cannot be read.
    key : mapping of str to rows
        Files of the key; to be written before anything else.
    """

    jobs: tuple[PatientJob, ...]
    left_over: tuple[dict[str, object], ...]
    key: Mapping[str, Sequence[Row]]

    def write_key(self, folder: Path) -> None:
        """Write the key, so that no image is ever without the way back to its patient."""
        for table, rows in self.key.items():
            write_key(folder, table, rows)


def plan(
    tree: Tree, headers: Sequence[SeriesHeader], out: Path, key: Path, options: ConvertOptions
) -> Plan:
    """Name patients, centres, readers, series and files, and part the tree by patient.

    Pseudonyms that the key holds already stay; the key itself is not written here.
    """
    patients = group_patients(headers)
    rows = _patient_rows(patients, key)
    pseudonyms: dict[Identity, str] = {
        (r["PatientID"], r["IssuerOfPatientID"]): r["patient"] for r in rows
    }
    files = _named_files(tree, key)
    centers = _names(headers, INSTITUTION, "institutions", "C{:d}", key)
    readers = _names(headers, READER, "readers", "R{:d}", key)
    series = _named_series(tree, patients, headers, pseudonyms, key)
    owners = _owners(tree, patients)
    labels = _labels(patients, pseudonyms, options.keep_identifiers)
    said = _said(patients, labels)
    jobs = []
    for patient in sorted(patients, key=lambda p: labels[p.identity]):
        label, stem = labels[patient.identity]
        mine = {series[id(h)]["series"]: h for h in patient.series}
        masks = {
            files[path]["file"]: path for path in tree.masks if owners[path] == patient.identity
        }
        keep = options.keep_identifiers
        jobs.append(
            PatientJob(
                patient=label,
                stem=stem,
                root=tree.root,
                out=out,
                key=key,
                options=options,
                series=dict(sorted(mine.items())),
                masks=dict(sorted(masks.items())),
                centers=_of_patient(patient, INSTITUTION, centers, keep),
                readers=_of_patient(patient, READER, readers, keep),
                secrets=frozenset() if keep else patient.secrets(),
                doubts=said[patient.identity],
            )
        )
    return Plan(
        jobs=tuple(jobs),
        left_over=tuple(_left_over(tree, headers, series, files, owners)),
        key={
            "patients": rows,
            "institutions": [{"center": c, INSTITUTION: n} for n, c in centers.items()],
            "readers": [{"reader": r, "name": n} for n, r in readers.items()],
            "series": list(series.values()),
            "files": list(files.values()),
        },
    )


def _patient_rows(patients: Sequence[Patient], key: Path) -> list[Row]:
    known = {identity: row["patient"] for identity, row in read_key(key, "patients").items()}
    names = assign(known, [patient.identity for patient in patients], "P{:04d}")
    return [
        {
            "patient": names[patient.identity],
            "PatientID": patient.patient_id,
            "IssuerOfPatientID": patient.issuer,
            **{k: patient.first(k) for k in KEY_TABLES["patients"].notes},
        }
        for patient in patients
    ]


def _labels(
    patients: Sequence[Patient], pseudonyms: Mapping[Identity, str], keep: bool
) -> dict[Identity, tuple[str, str]]:
    """Return what stands in the tables, and in names of files, for each patient."""
    labels: dict[Identity, tuple[str, str]] = {}
    stems: list[str] = []
    for patient in patients:
        name = pseudonyms[patient.identity]
        label, stem = name, name
        if keep:
            label = (
                f"{patient.patient_id} ({patient.issuer})" if patient.issuer else patient.patient_id
            )
            stem = safe_name(label, stems, default=name)
        stems.append(stem)
        labels[patient.identity] = (label, stem)
    return labels


def _said(
    patients: Sequence[Patient], labels: Mapping[Identity, tuple[str, str]]
) -> dict[Identity, tuple[str, ...]]:
    """Return what is odd about each patient: looks like two, or like another one."""
    said = {patient.identity: list(doubts(patient)) for patient in patients}
    for group in alike(patients):
        for one in group:
            others = ", ".join(sorted(labels[other][0] for other in group if other != one))
            same = "name and birth date, id or series"
            said[one].append(f"duplicate patient? {others} has the same {same}")
    return {identity: tuple(texts) for identity, texts in said.items()}


def _names(
    headers: Sequence[SeriesHeader], keyword: str, table: str, form: str, key: Path
) -> dict[str, str]:
    """Return pseudonyms of centres or readers by their names, as they are compared."""
    found = {(plain,) for h in headers for part in _parts(h, keyword) if (plain := _plain(part))}
    column = KEY_TABLES[table].name
    known = {identity: row[column] for identity, row in read_key(key, table).items()}
    return {name: made for (name,), made in assign(known, sorted(found), form).items()}


def _of_patient(
    patient: Patient, keyword: str, names: Mapping[str, str], keep: bool
) -> dict[str, str]:
    """Return what stands in the tables for each name in the patient's headers."""
    parts = {part for header in patient.series for part in _parts(header, keyword)}
    return {part: part if keep else names[_plain(part)] for part in sorted(parts) if _plain(part)}


def _parts(header: SeriesHeader, keyword: str) -> list[str]:
    return [part.strip() for part in header.text(keyword).split("\\")]


def _plain(name: str) -> str:
    """Return a name as it is compared: case and blanks do not matter."""
    return " ".join(name.casefold().split())


def _named_series(
    tree: Tree,
    patients: Sequence[Patient],
    headers: Sequence[SeriesHeader],
    pseudonyms: Mapping[Identity, str],
    key: Path,
) -> dict[int, Row]:
    """Return the key's row of each series, by the identity of its header."""
    owner = {id(h): pseudonyms[p.identity] for p in patients for h in p.series}
    known: dict[str, dict[Identity, str]] = defaultdict(dict)
    for (patient, uid), row in read_key(key, "series").items():
        known[patient][uid,] = row["series"]
    rows = {}
    wanted: dict[str, list[SeriesHeader]] = defaultdict(list)
    for header in headers:
        wanted[owner.get(id(header), "")].append(header)
    for patient, mine in wanted.items():
        form = f"{patient or 'nobody'}_S{{:03d}}"
        names = assign(known[patient], [(h.uid,) for h in mine], form)
        for header in mine:
            rows[id(header)] = {
                "series": names[header.uid,],
                "patient": patient,
                "SeriesInstanceUID": header.uid,
                "StudyInstanceUID": header.study_uid,
                "StudyDate": header.text("StudyDate"),
                "Modality": header.text("Modality"),
                "SeriesDescription": header.text("SeriesDescription"),
                "folder": path_text(header.files[0].path.parent.relative_to(tree.root)),
            }
    return rows


def _named_files(tree: Tree, key: Path) -> dict[Path, Row]:
    """Return the key's row of each mask and each file that cannot be read."""
    kinds = dict.fromkeys(tree.masks, "mask")
    kinds |= {one.path: "unreadable" for one in tree.unreadable}
    at = {path: path_text(path.relative_to(tree.root)) for path in kinds}
    known = {identity: row["file"] for identity, row in read_key(key, "files").items()}
    names = assign(known, sorted((place,) for place in at.values()), "F{:04d}")
    return {
        path: {"file": names[at[path],], "path": at[path], "kind": kind}
        for path, kind in kinds.items()
    }


def _owners(tree: Tree, patients: Sequence[Patient]) -> Owners:
    """Return whose each mask is: the one patient with DICOM files in the nearest folder above."""
    below: dict[Path, set[Identity]] = defaultdict(set)
    for patient in patients:
        for folder in {file.path.parent for h in patient.series for file in h.files}:
            for above in (folder, *folder.parents):
                below[above].add(patient.identity)
                if above == tree.root:
                    break
    owners: Owners = {}
    for mask in tree.masks:
        near = next((below[folder] for folder in mask.parents if folder in below), set())
        owners[mask] = next(iter(near)) if len(near) == 1 else None
    return owners


def _left_over(
    tree: Tree,
    headers: Sequence[SeriesHeader],
    series: Mapping[int, Row],
    files: Mapping[Path, Row],
    owners: Owners,
) -> Iterable[dict[str, object]]:
    """Yield rows of the series table for what belongs to no patient."""
    scrub = Scrubber(frozenset()).text
    for header in headers:
        row = series[id(header)]
        if not row["patient"]:
            said = {"kind": "series", "files": len(header.files)}
            yield {"series": row["series"], **said, **_why(NO_PATIENT.tag, NO_PATIENT.reason)}
    for mask in tree.masks:
        if owners[mask] is None:
            said = {"kind": "mask", "files": 1}
            yield {"series": files[mask]["file"], **said, **_why(NO_ONE.tag, NO_ONE.reason)}
    for one in tree.unreadable:
        said = {"kind": "file", "files": 1}
        yield {"series": files[one.path]["file"], **said, **_why(scrub(one.tag), scrub(one.reason))}


def _why(tag: str, reason: str) -> Row:
    return {"patient": "", "modality": "", "used_as": "", "study": "", "tag": tag, "reason": reason}
