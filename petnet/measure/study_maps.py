"""Feature maps of a cohort, written as NIfTI with a description of each study's beside."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from petnet.errors import InputError, PetnetError
from petnet.files import hash_of, intact, read_json, write_json
from petnet.ingest.regions.rules import safe_name
from petnet.measure.described import with_suv
from petnet.measure.pet import common_suv_unit
from petnet.measure.reading import read_study
from petnet.measure.rows import Job, key_of
from petnet.measure.study_status import settled, status_row
from petnet.radiomics.kernels.dispatch import resolve_device
from petnet.radiomics.maps import MapSpec, feature_maps
from petnet.units import ROW_COLUMNS, RowKind, Study
from petnet.volume import Volume, write_volume

__all__ = ["DESCRIPTION", "MAP_COLUMNS", "STATUS_COLUMNS", "StudyMaps", "study_maps"]

VERSION = 1  # raised whenever the same settings begin to give other files
DESCRIPTION = "maps.json"
STATUS_COLUMNS = ("study", "patient", "status", "maps", "failed", "reason")
MAP_COLUMNS = {
    "map": "str",
    "file": "str",
    "voxels": "int64",
    "defined": "int64",
    "least": "float64",
    "mean": "float64",
    "greatest": "float64",
}
Record = dict[str, Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StudyMaps:
    """What became of every study.

    Attributes
    ----------
    table : DataFrame
        A row per map: what names its region (`ROW_COLUMNS`); its title and its file, relative to
        the folder; voxels of the mask and how many of them have a value; the least, mean and
        greatest value.
    status : DataFrame
        A row per study: study, patient, status, the number of maps made and of regions failed,
        reason. The status is "ok"; "partial", where some regions failed; "failed"; "excluded",
        where nothing is delineated or there is no image; "skipped", where the study is not the
        task's. A study that is "ok" has a reason where one of the images is not there.
    """

    table: pd.DataFrame
    status: pd.DataFrame

    @property
    def failures(self) -> int:
        """The number of studies of which a map is missing."""
        return int(self.status["status"].isin(["partial", "failed"]).sum())


@dataclass(frozen=True, eq=False)
class _Done:
    """The maps of a study, why regions have none, and why the study could not be read."""

    records: list[Record] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    fault: str = ""


def study_maps(
    studies: Sequence[Study],
    kind: RowKind,
    specs: Sequence[MapSpec],
    folder: Path,
    device: str = "auto",
) -> StudyMaps:
    """Write the feature maps of every row of every study.

    Files are {folder}/{study}/{row}__{title}.nii.gz, without the row where it is the whole study,
    and on the grid of their image; `maps.json` beside them says settings, versions and IBSI codes.
    A study whose files are there, of the same content and settings, is not computed again.

    Parameters
    ----------
    studies : sequence of Study
        Of `select_studies` with the same `kind`.
    specs : sequence of MapSpec
        Each for the images of its modality.
    folder : Path
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    InputError
        Two maps of the same title. What is wrong with a study is said in its status.
    """
    titles = [spec.title(feature) for spec in specs for feature in spec.features]
    for title in titles:
        if titles.count(title) > 1:
            remedy = "Give the feature sets names of their own"
            raise InputError("feature maps", "features", "each once", f"two of {title}", remedy)
    chosen = resolve_device(device)
    modalities = {spec.modality for spec in specs}
    rows: list[Record] = []
    status = []
    for number, study in enumerate(studies, 1):
        done = _Done()
        if not any(settled(study, modalities)):
            log.info("maps of study %s (%d of %d)", study.series.study, number, len(studies))
            done = _study(study, kind, specs, folder, chosen)
        columns = {row.name: row.columns for row in study.rows}
        rows += [columns[one["row"]] | one for one in done.records]
        own = status_row(study, modalities, len(done.records), done.failed, done.fault)
        status.append(own | {"maps": len(done.records)})
    types = {name: "Int64" if name == "label" else "str" for name in ROW_COLUMNS[kind]}
    types |= MAP_COLUMNS
    table = pd.DataFrame(rows, columns=list(types)).astype(types)
    return StudyMaps(table, pd.DataFrame(status, columns=list(STATUS_COLUMNS)))


def _study(
    study: Study, kind: RowKind, specs: Sequence[MapSpec], folder: Path, device: str
) -> _Done:
    """Return the maps of a study: those that are there, or else made and written now."""
    name = study.series.study
    own = Path(folder) / _file_name(name)
    parts = [(row.name, [r.roi for r in row.regions]) for row in study.rows]
    modalities = {spec.modality for spec in specs}
    try:
        suv = common_suv_unit([study.series.pet])
        layout = ("maps", VERSION, kind, parts, [spec.hash for spec in specs], suv)
        key = key_of(layout, (), [study.series], modalities)
        before = read_json(own / DESCRIPTION) if (own / DESCRIPTION).is_file() else {"maps": []}
        with intact(own / DESCRIPTION, "a description that petnet wrote"):
            files = {Path(one["file"]).name for one in before["maps"]}
        if before.get("key") == key and all((own / file).is_file() for file in files):
            return _Done([_numbers(one) for one in before["maps"]])
        reading = read_study(study, (), modalities, quantities=False)
    except PetnetError as error:
        return _Done(fault=str(error))
    records: list[Record] = []
    failed = dict(reading.failed)
    for job in reading.jobs:
        what = f"{name} {job.row}".strip()
        try:
            for spec in (s for s in specs if s.modality == job.image.modality):
                maps = feature_maps(job.image, job.mask.on(job.image), spec, device, what)
                records += [_write(own, job, spec, f, found) for f, found in maps.items()]
        except PetnetError as error:
            failed.setdefault(job.row, str(error))
    kept = {Path(one["file"]).name for one in records}
    described = {
        "study": name,
        "key": "" if failed or study.unnamed else key,  # what failed is tried again
        "maps": records,
        "settings": with_suv([spec.provenance() for spec in specs], suv),
    }
    write_json(own / DESCRIPTION, described)
    # of other settings, which nothing describes any more, and of runs that were killed
    for path in [*(own / file for file in files - kept), *own.glob(".tmp-*")]:
        path.unlink(missing_ok=True)
    return _Done([_numbers(one) for one in records], failed)


def _write(own: Path, job: Job, spec: MapSpec, feature: str, found: Volume) -> Record:
    """Write a map; return what the table says of it, as JSON can hold it."""
    title = spec.title(feature)
    file = f"{f'{_file_name(job.row)}__' if job.row else ''}{title}.nii.gz"
    write_volume(own / file, found)
    values = found.array[job.mask.box][job.mask.array].astype(np.float64)
    defined = values[~np.isnan(values)]
    extent = (defined.min(), defined.mean(), defined.max()) if defined.size else (None,) * 3
    least, mean, greatest = (None if one is None else float(one) for one in extent)
    return {
        "row": job.row,
        "map": title,
        "file": f"{own.name}/{file}",
        "voxels": int(values.size),
        "defined": int(defined.size),
        "least": least,
        "mean": mean,
        "greatest": greatest,
    }


def _numbers(record: Record) -> Record:
    return {name: math.nan if value is None else value for name, value in record.items()}


def _file_name(name: str) -> str:
    """Return a name that any file system takes, and that no other name gives."""
    plain = safe_name(name)
    return plain if plain == name else f"{plain}-{hash_of(name)[:6]}"
