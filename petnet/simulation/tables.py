"""A cohort's folder: tables, finished patients, and the record of the settings that made it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.files import write_json, write_text
from petnet.processes import fresh_pool
from petnet.progress import track

__all__ = ["Rows", "csv_text", "write_cohort"]

# Table name -> rows of one patient.
Rows = dict[str, list[dict[str, Any]]]
RECORD = "cohort.json"
PARTS = ".parts"
# What tells cohorts apart; figures may differ in their last digit from one machine to another.
IDENTITY = ("simulator", "version", "settings")
COLUMNS: dict[str, tuple[str, ...]] = {
    "studies": (
        "patient", "study", "timepoint", "arm", "tracer", "modality", "pet", "ct", "weight_kg",
        "height_m", "sex", "dose_bq", "uptake_min", "scanner", "reconstruction", "center", "split",
    ),
    "rois": (
        "study", "roi", "lesion_uid", "role", "region", "path", "label", "grid", "reader", "method",
    ),
}  # fmt: skip


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return rows as CSV; None is an empty cell. Columns default to those of the first row."""
    stream = io.StringIO()
    names = list(columns or rows[0])
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def write_cohort(
    folder: Path,
    patients: Sequence[str],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    simulate: Callable[[int, Path], Rows],
    workers: int = 2,
    overwrite: bool = False,
) -> Path:
    """Write a simulated cohort, whole; finish it if an earlier run was cut off.

    Parameters
    ----------
    folder : Path
        Empty, new, or an earlier cohort.
    patients : sequence of str
        Their names, in the order of the tables.
    settings : mapping
        Everything the result depends on (JSON values); compared with what an earlier run recorded.
    facts : mapping
        What else belongs in cohort.json: simulator and version, which are compared too, and figures
        such as the ideal observers' AUCs, which are not.
    simulate : callable
        (index, folder) -> rows of that patient, its images written; picklable for `workers` > 1.
    overwrite : bool
        Replace a cohort made with other settings.

    Raises
    ------
    InputError
        The folder holds a cohort of other settings, or something that is not a simulated cohort.
    """
    folder = Path(folder)
    record = {**json.loads(json.dumps(dict(facts))), "settings": json.loads(json.dumps(settings))}
    if _already_there(folder, record, overwrite) and _is_complete(folder):
        return folder
    write_json(folder / RECORD, {**record, "complete": False})
    _run(folder, patients, simulate, workers)
    parts: list[Rows] = [
        json.loads((folder / PARTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in patients
    ]
    for table in parts[0]:
        rows = [row for part in parts for row in part[table]]
        write_text(folder / f"{table}.csv", csv_text(rows, COLUMNS.get(table)))
    files = [*(folder / "images").rglob("*.nii.gz"), *(folder / "dicom").rglob("*")]
    names = sorted(f"{path.relative_to(folder)}" for path in files if path.is_file())
    tables = [f"{table}.csv" for table in parts[0]]
    write_json(folder / RECORD, {**record, "complete": True, "files": [*tables, *names]})
    shutil.rmtree(folder / PARTS)
    return folder


def _already_there(folder: Path, record: Mapping[str, Any], overwrite: bool) -> bool:
    """Tell whether the folder holds (part of) this cohort; make room for it where allowed."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / RECORD).is_file():
        raise InputError(
            str(folder), "folder", "an empty folder or a simulated cohort", "other files in it",
            "Choose another folder",
        )  # fmt: skip
    found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if all(found.get(key) == record.get(key) for key in IDENTITY):
        return True
    if not overwrite:
        before, now = found.get("settings", {}), record["settings"]
        changed = [k for k in sorted({*before, *now}) if before.get(k) != now.get(k)]
        raise InputError(
            str(folder / RECORD),
            "settings",
            ", ".join(f"{k}={now.get(k)}" for k in changed) or "the same simulator",
            ", ".join(f"{k}={before.get(k)}" for k in changed) or "another version of it",
            "Choose another folder or set overwrite=true",
        )
    for name in ("images", "dicom", PARTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (*(f"{t}.csv" for t in ("studies", "rois", "targets", "truth")), RECORD):
        (folder / name).unlink(missing_ok=True)
    return False


def _is_complete(folder: Path) -> bool:
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return bool(record.get("complete")) and all((folder / f).is_file() for f in record["files"])


def _run(
    folder: Path, patients: Sequence[str], simulate: Callable[[int, Path], Rows], workers: int
) -> None:
    for stale in folder.rglob(".tmp-*"):  # left by a run that was killed
        stale.unlink()
    todo = [i for i, name in enumerate(patients) if not (folder / PARTS / f"{name}.json").is_file()]
    one = partial(_simulate_one, folder, tuple(patients), simulate)
    if workers <= 1 or len(todo) <= 1:
        for _ in track(map(one, todo), "simulate", len(todo)):
            pass
        return
    with fresh_pool(workers) as pool:
        for _ in track(pool.map(one, todo), "simulate", len(todo)):
            pass


def _simulate_one(
    folder: Path, patients: tuple[str, ...], simulate: Callable[[int, Path], Rows], index: int
) -> None:
    """Simulate one patient; its part file is written last and says that its images are whole."""
    rows = simulate(index, folder)
    # not write_json: the order of the columns is kept
    write_text(folder / PARTS / f"{patients[index]}.json", json.dumps(rows))
