"""The cohort folder of a method of segmentation: room for it, its tables, and its images."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from petnet.cohort import Cohort
from petnet.errors import InputError
from petnet.files import hash_of, read_json, write_csv, write_json
from petnet.measure.segmented import ROI_COLUMNS, STATUS_COLUMNS, VOLUME_COLUMNS
from petnet.segmentation.cases import REFERENCE

__all__ = ["make_room", "write_segmented"]

RECORD = "segmentation.json"
MASKS, OTHERS = "masks", "originals"
TABLES = ("studies", "rois", "targets", "volumes", "status")
Record = dict[str, Any]


def make_room(folder: Path, settings: Mapping[str, Any], overwrite: bool) -> None:
    """Prepare a folder, in which an earlier run of the same settings is gone on with.

    Parameters
    ----------
    settings : mapping
        JSON values that tell methods apart, "method" among them; kept in segmentation.json.
    overwrite : bool
        Whether what other settings wrote is replaced.

    Raises
    ------
    InputError
        The folder holds something else, or was made with other settings.
    """
    record, identity = folder / RECORD, hash_of(settings)
    if folder.exists() and any(folder.iterdir()):
        if not record.is_file():
            expected = "a new folder, or one that petnet segment wrote"
            raise InputError(str(folder), "out", expected, "other files in it")
        before = read_json(record)
        if before.get("identity") != identity and not overwrite:
            found = f"{before.get('method')}, other settings"
            remedy = "Choose another folder or set overwrite=true"
            raise InputError(str(folder), "method", str(settings["method"]), found, remedy)
        if before.get("identity") != identity:
            shutil.rmtree(folder / MASKS, ignore_errors=True)
        for stale in folder.rglob(".tmp-*"):  # left by a run that was killed
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    for name in TABLES:  # half an account is none
        (folder / f"{name}.csv").unlink(missing_ok=True)
    write_json(record, {**settings, "identity": identity})


def write_segmented(cohort: Cohort, folder: Path, made: Sequence[Record]) -> None:
    """Write the tables of a segmented cohort beside its masks, and bring its images there.

    Studies and targets are those of the cohort. The rois table has the lesions found, and the
    cohort's regions of reference as they are. Images are hard links, or copies where there can be
    none: the folder is whole by itself.

    Parameters
    ----------
    folder : Path
        In which `segment_study` has written.
    made : sequence of dict
        What it returned, for each study.
    """
    rois = [row for one in made for row in one["rois"]]
    kept = cohort.rois[cohort.rois["role"] == REFERENCE].to_dict("records")
    rois += [row | {"path": _brought(cohort, row["path"], folder)} for row in kept]
    studies = cohort.studies.copy()
    for name in ("pet", "ct"):
        studies[name] = [_brought(cohort, path, folder) for path in studies[name]]
    for path in cohort.studies["pet"]:  # what petnet convert says of it: its unit, the header
        _brought(cohort, _sidecar(path), folder)
    table = pd.DataFrame(rois, columns=list(ROI_COLUMNS), dtype=object)
    table["label"] = pd.to_numeric(table["label"]).astype("Int64")
    volumes = [row for one in made for row in one["volumes"]]
    status = [row for one in made for row in one["status"]]
    tables = {
        "volumes": pd.DataFrame(volumes, columns=list(VOLUME_COLUMNS)),
        "status": pd.DataFrame(status, columns=list(STATUS_COLUMNS)),
        "targets": cohort.targets,
        "rois": table,
        "studies": studies,
    }
    for name, one in tables.items():
        write_csv(folder / f"{name}.csv", one)


def _brought(cohort: Cohort, path: object, folder: Path) -> str | None:
    """Bring a file of a cohort into a folder; return its path there.

    It is the path that it had, unless that leads out of the cohort or to the new masks. A file that
    is absent stays absent, and named.
    """
    if not isinstance(path, str):
        return None
    name = Path(path)
    if name.is_absolute() or ".." in name.parts or name.parts[0] == MASKS:
        name = Path(OTHERS) / hash_of(path)[:8] / name.name
    source, target = cohort.path(path), folder / name
    if source.is_file() and not (target.exists() and target.samefile(source)):
        _link(source, target)
    return name.as_posix()


def _sidecar(path: object) -> str | None:
    """Return the name of what `petnet convert` writes beside a PET."""
    return re.sub(r"\.nii(\.gz)?$", "", path) + ".json" if isinstance(path, str) else None


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the file system has no hard links.

    petnet replaces files and never writes into one, so that neither changes with the other.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=target.parent) as room:
        made = Path(room) / target.name
        try:
            os.link(source.resolve(), made)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, made)
        made.replace(target)
