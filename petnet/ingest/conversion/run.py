"""From a tree of DICOM files to a cohort: every series in the tables, or excluded by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petnet.errors import InputError
from petnet.files import check_writable_folder, read_json, write_json
from petnet.ingest.conversion.folder_lock import folder_lock
from petnet.ingest.conversion.job import ConvertOptions, PatientJob
from petnet.ingest.conversion.patient import RECORDS, Record, convert_patient, failed_record
from petnet.ingest.conversion.patients import group_files
from petnet.ingest.conversion.plan import Plan, plan
from petnet.ingest.conversion.tables import COLUMNS, read_user_tables, write_tables
from petnet.ingest.dicom.scan import check_is_folder, scan_tree
from petnet.ingest.dicom.series_header import read_series_header
from petnet.processes import fresh_pool
from petnet.progress import track

__all__ = ["Converted", "check_folders", "convert"]

MANY_SERIES = 400  # from here on, processes are worth starting to read a header of each
NAMING = "_naming.json"  # no patient's record: their names begin with a letter or digit
CRASHED = "its process was ended by the system: out of memory?"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Converted:
    """What a conversion came to.

    Attributes
    ----------
    tables : dict of str to list of rows
        As they were written.
    failed : int
        Patients whose conversion broke off.
    before : int
        Patients taken over from an earlier run.
    gone : int
        Patients of an earlier run that the tree no longer holds; their images stay where they are,
        and no table names them.
    """

    tables: dict[str, list[dict[str, Any]]]
    failed: int
    before: int
    gone: int


def convert(
    root: Path,
    out: Path,
    key: Path | None,
    options: ConvertOptions,
    workers: int = 1,
    overwrite: bool = False,
) -> Converted:
    """Convert a tree of DICOM files into a cohort folder.

    A patient is converted anew when the content of a file, a setting that matters or petnet itself
    has changed; the others are taken over. The tables hold what the tree holds now.

    Parameters
    ----------
    root, out : Path
        The tree, and the cohort's folder.
    key : Path or None
        Folder of the key; None puts it beside `out`, as "OUT-key".
    options : ConvertOptions
    workers : int
        Processes; one patient each.
    overwrite : bool
        Convert all patients anew.

    Raises
    ------
    InputError
        The folders lie in one another, `out` holds another cohort, cannot be written, or another
        run is writing into it.
    """
    root, out = Path(root), Path(out)
    key = _beside(out) if key is None else Path(key)
    check_folders(root, out, key)
    with folder_lock(out / RECORDS, "out"), folder_lock(key, "key"):
        return _convert(root, out, key, options, workers, overwrite)


def _convert(
    root: Path, out: Path, key: Path, options: ConvertOptions, workers: int, overwrite: bool
) -> Converted:
    _check_naming(out, options.keep_identifiers)
    before = read_user_tables(out)
    _sweep(out, key)
    tree = scan_tree(root, workers, lambda found, total: track(found, "files", total))
    groups = group_files(tree.files)
    with _pool(workers if len(groups) >= MANY_SERIES else 1) as pool:
        read: Iterable[Any] = (pool.map if pool else map)(read_series_header, groups)
        headers = list(track(read, "series", len(groups)))
    made = plan(tree, headers, out, key, options)
    made.write_key(key)
    write_json(out / RECORDS / NAMING, {"keep_identifiers": options.keep_identifiers})
    records = _run(made.jobs, workers, overwrite)
    tables = _tables(made, records)
    write_tables(out, tables, before)
    return Converted(
        tables=tables,
        failed=sum(record["made"] == "failed" for record in records),
        before=sum(record["made"] == "before" for record in records),
        gone=_gone(out, made),
    )


def check_folders(root: Path, out: Path, key: Path) -> None:
    """Refuse what is no folder, folders in one another, and a folder of someone else's tables.

    Raises
    ------
    InputError
    """
    check_is_folder(root)
    folders = {"input": root, "out": out, "key": key}
    for inner, outer in (("out", "input"), ("key", "out"), ("key", "input"), ("out", "key")):
        if folders[inner].resolve().is_relative_to(folders[outer].resolve()):
            expected = f"a folder outside that of {outer} ({folders[outer]})"
            raise InputError("settings", inner, expected, str(folders[inner]))
    if (out / "studies.csv").exists() and not (out / RECORDS).is_dir():
        expected = "a new folder, or one that petnet convert wrote"
        raise InputError(str(out), "out", expected, "another cohort", "Choose another folder")
    check_writable_folder(out)
    check_writable_folder(key, "key")


def _check_naming(out: Path, keep_identifiers: bool) -> None:
    """Refuse to write pseudonyms beside names: the images of an earlier run would give them away.

    Raises
    ------
    InputError
    """
    path = out / RECORDS / NAMING
    if path.is_file() and read_json(path)["keep_identifiers"] != keep_identifiers:
        expected = f"{str(not keep_identifiers).lower()}, as in the earlier run into {out}"
        found = str(keep_identifiers).lower()
        remedy = "Choose another folder"
        raise InputError("settings", "keep_identifiers", expected, found, remedy)


def _beside(out: Path) -> Path:
    """Return the folder of the key beside the cohort's; the name of "." is that of the folder."""
    named = out if out.name not in ("", "..") else out.resolve()
    if not named.name:
        raise InputError("settings", "out", "a folder", str(out))
    return named.with_name(f"{named.name}-key")


def _sweep(out: Path, key: Path) -> None:
    """Remove what runs that were killed left half-written."""
    ours = (out, out / RECORDS, *out.glob("images/*"), key, key / "lesions", key / "defects")
    for folder in ours:
        for path in folder.glob(".tmp-*"):
            path.unlink(missing_ok=True)


def _pool(workers: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    return fresh_pool(workers) if workers > 1 else nullcontext()


def _run(jobs: Sequence[PatientJob], workers: int, overwrite: bool) -> list[Record]:
    """Convert each patient; the records are in the order of the jobs."""
    records: dict[str, Record] = {}
    for record in track(_records(jobs, workers, overwrite), "patients", len(jobs)):
        records[record["patient"]] = record
        for row in record["status"]:
            if row["status"] == "failed":
                log.error("%s: %s", row["patient"], row["reason"])
    return [records[job.patient] for job in jobs]


def _records(jobs: Sequence[PatientJob], workers: int, overwrite: bool) -> Iterator[Record]:
    """Yield records as they come; a process that dies takes down only its own patient."""
    if workers <= 1 or len(jobs) <= 1:
        yield from (convert_patient(job, overwrite) for job in jobs)
        return
    lost = []
    with _pool(workers) as pool:
        assert pool is not None
        waiting = {pool.submit(convert_patient, job, overwrite): job for job in jobs}
        try:
            for done in as_completed(waiting):
                try:
                    yield done.result()
                except BrokenProcessPool:
                    lost.append(waiting[done])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for job in lost:  # one by one, to find out which it was
        with _pool(2) as alone:
            assert alone is not None
            try:
                yield alone.submit(convert_patient, job, overwrite).result()
            except BrokenProcessPool:
                yield failed_record(job, CRASHED)


def _tables(made: Plan, records: Sequence[Record]) -> dict[str, list[dict[str, Any]]]:
    tables = {name: [row for record in records for row in record[name]] for name in COLUMNS}
    for row in made.left_over:
        tables["series"].append(dict(row))
        tables["excluded"].append({**row, "region": ""})
    return tables


def _gone(out: Path, made: Plan) -> int:
    stems = {job.stem for job in made.jobs}
    records = [path for path in (out / RECORDS).glob("*.json") if path.name != NAMING]
    return sum(path.stem not in stems for path in records)
