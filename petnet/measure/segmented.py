"""A study's lesions segmented by a method: label maps, volumes, and what became of each lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError, PetnetError
from petnet.files import content_hash, hash_of, read_json, write_json
from petnet.measure.pet import read_pet, suv_unit
from petnet.measure.regions import Reader, lesion_masks, once, union
from petnet.segmentation import Method, NotSegmented, Segmented, Start
from petnet.segmentation.cases import Case
from petnet.segmentation.label_maps import common_voxels, pack
from petnet.segmentation.peak import SPHERE_RADIUS_MM, sphere_means
from petnet.units import Region
from petnet.volume import Volume, write_volume

__all__ = ["ROI_COLUMNS", "STATUS_COLUMNS", "VOLUME_COLUMNS", "StudyJob", "segment_study"]

VERSION = 1  # raised whenever the same settings begin to give other files
ROI_COLUMNS = (
    "study", "roi", "lesion_uid", "role", "region", "path", "label", "grid", "reader", "method",
)  # fmt: skip
VOLUME_COLUMNS = (
    "study", "roi", "lesion_uid", "role", "region", "reader", "method", "unit", "threshold",
    "basis", "volume_ml", "voxels", "SUVmax", "SUVmean", "SUVpeak", "notes",
)  # fmt: skip
STATUS_COLUMNS = ("study", "roi", "lesion_uid", "reader", "status", "reason")
Record = dict[str, Any]


@dataclass(frozen=True)
class StudyJob:
    """What is to be segmented in one study, and where it goes.

    Attributes
    ----------
    study, file : str
        Its id, and that as the name of its files.
    pet : Path or None
    cases : tuple of Case
    references : tuple of Region
        Regions of reference, by their column region.
    method : Method
    folder : Path
        Cohort folder in which `masks/{file}.nii.gz` is written.
    search_mm, reach_mm : float
        As `petnet.segmentation.seed_start`.
    """

    study: str
    file: str
    pet: Path | None
    cases: tuple[Case, ...]
    references: tuple[Region, ...]
    method: Method
    folder: Path
    search_mm: float = 10.0
    reach_mm: float = 50.0


def segment_study(job: StudyJob) -> Record:
    """Segment the lesions of a study and write its label maps.

    Beside them lies `{file}.json`: method, settings, and the rows. Where that is there for the same
    settings and the same content of the files, nothing is done again.

    Returns
    -------
    dict
        Rows of the tables "rois", "volumes" and "status" (`ROI_COLUMNS`, ...). A lesion that fails
        has a row of status only. Where the PET cannot be read, all of the study's do.
    """
    record = job.folder / "masks" / f"{job.file}.json"
    try:
        key = _key(job)
        before = _before(record, key)
        if before is not None and all(_there(job, row) for row in before["rois"]):
            return before
        made = _made(job)
    except PetnetError as error:
        status = [_status(job, case, str(error)) for case in job.cases]
        return {"rois": [], "volumes": [], "status": status}
    described = {"key": key, "method": job.method.name, "settings": asdict(job.method)}
    write_json(record, described | made)
    return described | made


def _before(record: Path, key: str) -> Record | None:
    """Return what an earlier run recorded of the same work; None where there is nothing whole."""
    try:
        before = read_json(record) if record.is_file() else None
    except InputError:  # not as petnet wrote it: the work is done again
        return None
    if not isinstance(before, dict) or not {"rois", "volumes", "status"} <= before.keys():
        return None
    return before if before.get("key") == key else None


def _there(job: StudyJob, row: Mapping[str, Any]) -> bool:
    return (job.folder / str(row["path"])).is_file()


def _key(job: StudyJob) -> str:
    """Hash everything that the masks of a study depend on; a file that is absent is found later."""
    seen: dict[Path, str] = {}

    def content(path: Path | None) -> str | None:
        if path is not None and path not in seen and path.is_file():
            seen[path] = content_hash(path)
        return None if path is None else seen.get(path)

    def drawn(region: Region) -> tuple[object, ...]:
        return region.region, region.label, region.grid, content(region.path)

    settings = (type(job.method).__name__, asdict(job.method), job.search_mm, job.reach_mm)
    cases = [
        (c.roi, c.columns, drawn(c.where) if isinstance(c.where, Region) else asdict(c.where))
        for c in job.cases
    ]
    references = [drawn(r) for r in job.references if r.region in job.method.needs]
    pet = None if job.pet is None else (content(job.pet), suv_unit(job.pet))
    return hash_of(VERSION, job.study, job.file, settings, pet, cases, references)


def _made(job: StudyJob) -> Record:
    pet, read = _read_pet(job.pet), once()
    references = _references(job, pet, read)
    found: list[tuple[Case, Segmented]] = []
    failed: dict[int, str] = {}
    for number, case in enumerate(job.cases):
        try:
            start = _start(job, case, pet, read)
            found.append((case, job.method.segment(pet, start, references)))
        except PetnetError as error:
            failed[number] = str(error)
    notes = _notes([(case.roi, one) for case, one in found])
    volumes = [
        _volume(job, case, one, pet, said) for (case, one), said in zip(found, notes, strict=True)
    ]
    status = [_status(job, case, failed.get(n, "")) for n, case in enumerate(job.cases)]
    return {"rois": _write(job, pet, found), "volumes": volumes, "status": status}


def _read_pet(path: Path | None) -> Volume:
    if path is None:
        raise NotSegmented("the study has no PET")
    return read_pet(path)


def _references(job: StudyJob, pet: Volume, read: Reader) -> dict[str, NDArray[np.bool_]]:
    """Return the masks of the regions of reference that the method needs and the study has."""
    made: dict[str, NDArray[np.bool_]] = {}
    for name in job.method.needs:
        regions = [r for r in job.references if r.region == name]
        if regions:
            boxed = union(lesion_masks(regions, pet, "pet", read))
            made[name] = np.zeros(pet.array.shape, dtype=bool)
            made[name][boxed.box] = boxed.array
    return made


def _start(job: StudyJob, case: Case, pet: Volume, read: Reader) -> Start:
    if not isinstance(case.where, Region):
        return case.where.start(pet, job.search_mm, job.reach_mm)
    (boxed,) = lesion_masks([case.where], pet, "pet", read)
    return Start(boxed.array, boxed.array, (boxed.start[0], boxed.start[1], boxed.start[2]))


def _notes(found: Sequence[tuple[str, Segmented]]) -> list[tuple[str, ...]]:
    """Return the notes of each lesion, with the others that it has voxels in common with."""
    made = []
    for _, one in found:
        shared = [(name, common_voxels(one, two)) for name, two in found if two is not one]
        made.append((*one.notes, *(f"{n} voxels in common with {name}" for name, n in shared if n)))
    return made


def _volume(job: StudyJob, case: Case, one: Segmented, pet: Volume, notes: Sequence[str]) -> Record:
    """Return the row of a lesion in the table of volumes."""
    suv = pet.array[one.box][one.part].astype(np.float64)
    return {
        "study": job.study,
        "roi": case.roi,
        **case.columns,
        "method": one.method,
        "unit": pet.unit,
        "threshold": one.threshold,
        "basis": "; ".join(f"{name} {value:.6g}" for name, value in one.basis.items()),
        "volume_ml": float(suv.size * pet.voxel_volume_ml),
        "voxels": int(suv.size),
        "SUVmax": float(suv.max()),
        "SUVmean": float(suv.mean()),
        "SUVpeak": _peak(pet, one),
        "notes": "; ".join(notes),
    }


def _peak(pet: Volume, one: Segmented) -> float:
    """Return SUVpeak of a lesion: the highest mean in a sphere of 1 cm³ about one of its voxels."""
    reach = np.ceil(SPHERE_RADIUS_MM / np.array(pet.spacing_mm)).astype(int)
    low = np.clip(one.corner - reach, 0, None)
    high = np.minimum(np.add(one.corner, one.part.shape) + reach, pet.array.shape)
    suv = pet.array[tuple(map(slice, low, high))].astype(np.float64)
    where = np.zeros(suv.shape, dtype=bool)
    inner = np.subtract(one.corner, low)
    where[tuple(map(slice, inner, inner + one.part.shape))] = one.part
    return float(sphere_means(suv, np.isfinite(suv), pet.spacing_mm, where).max())


def _write(job: StudyJob, pet: Volume, found: Sequence[tuple[Case, Segmented]]) -> list[Record]:
    """Write the label maps; return the rows of the rois table."""
    packed = pack([one for _, one in found])
    names = [f"masks/{job.file}{f'.{k + 1}' if k else ''}.nii.gz" for k in range(len(packed.maps))]
    for name, labels in zip(names, packed.maps, strict=True):
        volume = Volume(labels, pet.affine, "label", "MASK")
        write_volume(job.folder / name, volume, labels.dtype)
    return [
        {
            "study": job.study,
            "roi": case.roi,
            **case.columns,
            "path": names[place],
            "label": label,
            "grid": "pet",
            "method": one.method,
        }
        for (case, one), (place, label) in zip(found, packed.places, strict=True)
    ]


def _status(job: StudyJob, case: Case, reason: str) -> Record:
    named = {name: case.columns[name] for name in ("lesion_uid", "reader")}
    status = "failed" if reason else "ok"
    return {"study": job.study, "roi": case.roi, **named, "status": status, "reason": reason}
