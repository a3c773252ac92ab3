"""One patient from DICOM files to images, label maps and table rows, or from an earlier run."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from petnet import __version__
from petnet.errors import PetnetError
from petnet.files import content_hash, hash_of, read_json, write_json, write_text
from petnet.ingest.conversion.account import Account
from petnet.ingest.conversion.images import convert_images
from petnet.ingest.conversion.job import STAGE, PatientJob
from petnet.ingest.conversion.region_sources import read_sources
from petnet.ingest.conversion.regions import convert_regions
from petnet.ingest.conversion.scrub import Scrubber
from petnet.ingest.conversion.selection import Exclusion, classify
from petnet.ingest.dicom.dicom_file import lenient

__all__ = ["RECORDS", "Record", "convert_patient", "failed_record", "fingerprint"]

# Rows by table, and the files that they name
Record = dict[str, Any]
RECORDS = ".convert"
OURS = r"{stem}_(baseline|followup\d+)_\w+_(pet|ct)(_regions(_\d+)?)?\.(nii\.gz|json)"


def convert_patient(job: PatientJob, overwrite: bool = False) -> Record:
    """Convert one patient, unless an earlier run did so from the same files and settings.

    The record is written last, so that what it names is whole. A defect of petnet gives a record
    that says so, and its traceback goes to the key.

    Parameters
    ----------
    job : PatientJob
    overwrite : bool
        Convert again in any case.

    Returns
    -------
    dict
        Rows of each table, `files` (name to size), `fingerprint`, and `made` ("now" or "before").

    Raises
    ------
    PetnetError
        An output cannot be written.
    """
    try:
        mark = fingerprint(job)
        before = _before(job, mark)
        if before is not None and not overwrite:
            sweep(job, before["files"])
            return before | {"made": "before"}
        # from here on images are written over: what an earlier run says of them holds no more
        _record_path(job).unlink(missing_ok=True)
        with lenient():
            record = _convert(job)
    except PetnetError:
        raise
    except OSError as error:  # a file that went away, a disk that does not answer
        return failed_record(job, f"a file cannot be read ({error.strerror or 'input/output'})")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        write_text(job.key / "defects" / f"{job.stem}.txt", traceback.format_exc())
        place = f"{Path(where.filename).name}, line {where.lineno}"
        return failed_record(job, f"a defect of petnet: {type(error).__name__} in {place}")
    record["fingerprint"] = mark
    (job.key / "defects" / f"{job.stem}.txt").unlink(missing_ok=True)
    write_json(_record_path(job), record)
    sweep(job, record["files"])
    return record | {"made": "now"}


def failed_record(job: PatientJob, reason: str) -> Record:
    """Return the record of a patient whose conversion broke off: all series are excluded."""
    account = Account(job.patient, Scrubber(job.secrets, job.options.keep_identifiers))
    for name in (*job.series, *job.masks):
        account.exclude(name, Exclusion("conversion", reason))
    account.status.append(
        {"patient": job.patient, "study": "", "status": "failed", "reason": reason}
    )
    return _record(job, account) | {"made": "failed"}


def fingerprint(job: PatientJob) -> str:
    """Hash everything that a patient's rows and files are made from."""
    files = {
        name: [(_below(job, f.path), content_hash(f.path)) for f in header.files]
        for name, header in job.series.items()
    }
    masks = {
        name: [(_below(job, path), content_hash(path)) for path in _with_tables(mask)]
        for name, mask in job.masks.items()
    }
    names = [job.patient, job.stem, job.centers, job.readers, sorted(job.secrets), job.doubts]
    return hash_of(__version__, STAGE, job.options.record(), names, files, masks)


def _below(job: PatientJob, path: Path) -> str:
    return path.relative_to(job.root).as_posix()


def _with_tables(mask: Path) -> list[Path]:
    """Return a mask and the files beside it that begin like it: data of a header, label names."""
    stem = mask.name.split(".")[0]
    beside = (path for path in mask.parent.iterdir() if path.name.startswith(f"{stem}."))
    return sorted({mask, *(path for path in beside if path.is_file())})


def _convert(job: PatientJob) -> Record:
    account = Account(job.patient, Scrubber(job.secrets, job.options.keep_identifiers))
    uses = {name: classify(header) for name, header in job.series.items()}
    for name, use in uses.items():
        if isinstance(use, Exclusion):
            account.exclude(name, use)
    for doubt in job.doubts:
        account.warn(doubt)
    sources = read_sources(job, uses, account)
    delineated = {uid for source in sources for uid in source.refers_to}
    images = convert_images(job, uses, delineated, account)
    convert_regions(job, sources, images, account)
    for name in (*(n for n, use in uses.items() if use in ("rtstruct", "seg")), *job.masks):
        account.close(name)
    return _record(job, account)


def _record(job: PatientJob, account: Account) -> Record:
    series = [
        _series_row(job, account, name, "series", header.text("Modality"), len(header.files))
        for name, header in job.series.items()
    ]
    unsettled = [n for n in (*job.series, *job.masks) if not account.is_settled(n)]
    if unsettled:
        raise RuntimeError(f"nothing is said of {unsettled}")
    masks = [_series_row(job, account, name, "mask", "", 1) for name in job.masks]
    return {
        "patient": job.patient,
        "studies": account.studies,
        "rois": account.rois,
        "series": series + masks,
        "excluded": account.excluded,
        "warnings": account.warnings,
        "status": account.status,
        "files": {name: (job.out / name).stat().st_size for name in account.files},
    }


def _series_row(
    job: PatientJob, account: Account, name: str, kind: str, modality: str, files: int
) -> dict[str, Any]:
    known = modality if re.fullmatch(r"[A-Z0-9_]{1,16}", modality) else ""
    row = {"series": name, "patient": job.patient, "kind": kind}
    return row | {"modality": account.scrubber.text(known), "files": files} | account.fate(name)


def _record_path(job: PatientJob) -> Path:
    return job.out / RECORDS / f"{job.stem}.json"


def _before(job: PatientJob, mark: str) -> Record | None:
    """Return the record of an earlier run if it still holds: same inputs, outputs there."""
    path = _record_path(job)
    if not path.is_file():
        return None
    try:
        record: Record = read_json(path)
        whole = record["fingerprint"] == mark and all(
            (job.out / name).stat().st_size == size for name, size in record["files"].items()
        )
    except (PetnetError, OSError, KeyError, TypeError, AttributeError):
        return None  # damaged, or a file of it was taken away: it is made again
    return record if whole else None


def sweep(job: PatientJob, keep: Iterable[str]) -> None:
    """Remove what an earlier conversion of the patient left: files of ours that no row names."""
    names = {Path(name).name for name in keep}
    ours = re.compile(OURS.format(stem=re.escape(job.stem)))
    folder = job.out / "images" / job.stem
    for path in folder.iterdir() if folder.is_dir() else ():
        stale = ours.fullmatch(path.name) and path.name not in names
        if stale or path.name.startswith(".tmp-"):
            path.unlink(missing_ok=True)
