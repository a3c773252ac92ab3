"""The tables of a converted cohort, put together from the records of its patients.

What a user adds is kept: further columns of studies and rois, every column and row of targets. What
was added to a study, region or patient that is not in the tables now waits in studies_unused.csv,
rois_unused.csv or targets_unused.csv (a cohort has no targets without a study) and comes back with
it. A run that is killed loses none of it: rows are in the one file before they leave the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petnet.files import write_text

__all__ = ["COLUMNS", "UserTable", "UserTables", "read_user_tables", "write_tables"]

Row = Mapping[str, Any]
COLUMNS: dict[str, tuple[str, ...]] = {
    "studies": (
        "patient", "study", "timepoint", "arm", "tracer", "modality", "pet", "ct", "weight_kg",
        "height_m", "sex", "dose_bq", "uptake_min", "scanner", "reconstruction", "center",
    ),
    "rois": (
        "study", "roi", "lesion_uid", "role", "region", "path", "label", "grid", "reader",
        "method", "series",
    ),
    "series": (
        "series", "patient", "kind", "modality", "files", "used_as", "study", "tag", "reason",
    ),
    "excluded": ("series", "patient", "study", "region", "tag", "reason"),
    "warnings": ("patient", "study", "series", "region", "warning"),
    "status": ("patient", "study", "status", "reason"),
}  # fmt: skip
KEYS = {"studies": ("study",), "rois": ("study", "roi"), "targets": ("patient",)}


@dataclass(frozen=True, eq=False)
class UserTable:
    """What a user has added to one table of an earlier conversion.

    Attributes
    ----------
    columns : tuple of str
        Names of the added columns.
    rows : tuple of dict
        Values of the table's key and of the added columns, without those that are empty.
    waiting : tuple of dict
        Those of `rows` that lie in the table's file of what is not used.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[dict[str, str], ...] = ()
    waiting: tuple[dict[str, str], ...] = ()


UserTables = Mapping[str, UserTable]


def read_user_tables(folder: Path) -> UserTables:
    """Read what a user has added to an earlier conversion.

    Raises
    ------
    InputError
        A table is no CSV, which would be lost if it were written anew.
    """
    return {table: _user_table(folder, table) for table in KEYS}


def _user_table(folder: Path, table: str) -> UserTable:
    columns, used = _read(folder / f"{table}.csv")
    more, waiting = _read(_unused(folder, table))
    key, ours = KEYS[table], COLUMNS.get(table, ())
    added = tuple(c for c in dict.fromkeys([*columns, *more]) if c not in (*key, *ours))
    rows = _said(used, key, added)
    unused = _said(waiting, key, added)
    return UserTable(added, (*rows, *(r for r in unused if r not in rows)), unused)


def _said(
    rows: Sequence[Mapping[str, str]], key: Sequence[str], added: Sequence[str]
) -> tuple[dict[str, str], ...]:
    """Return key and added values of the rows that have any of the latter."""
    said = ({c: row[c] for c in (*key, *added) if row.get(c)} for row in rows)
    return tuple(row for row in said if any(c in row for c in added))


def _unused(folder: Path, table: str) -> Path:
    return folder / f"{table}_unused.csv"


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    from petnet.cohort.reading import read_table

    if not path.is_file():
        return [], []
    table = read_table(path)
    columns = [str(column) for column in table.columns]
    rows = table.to_dict("records")
    known = [
        {c: row[c] for c in columns if row[c] is not None and row[c] == row[c]} for row in rows
    ]
    return columns, [{c: str(row.get(c, "")) for c in columns} for row in known]


def write_tables(folder: Path, tables: Mapping[str, Sequence[Row]], before: UserTables) -> None:
    """Write every table, each whole or not at all; those that are as they were stay untouched.

    Parameters
    ----------
    tables : mapping of str to rows
        As `COLUMNS`, in the order in which they are to stand.
    before : mapping of str to UserTable
    """
    for table, columns in COLUMNS.items():
        rows = list(tables[table])
        if table not in KEYS:
            _write(folder / f"{table}.csv", columns, rows)
            continue
        # what the table itself says comes last: it may have been edited after a run was killed
        added = {_key(table, row): row for row in reversed(before[table].rows)}
        rows = [{**added.get(_key(table, row), {}), **row} for row in rows]
        _write_keeping(folder, table, (*columns, *before[table].columns), rows, before[table])
    patients = list(dict.fromkeys(str(row["patient"]) for row in tables["studies"]))
    _write_targets(folder, patients, before["targets"])


def _key(table: str, row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(column, "")) for column in KEYS[table])


def _write_targets(folder: Path, patients: Sequence[str], before: UserTable) -> None:
    """Write a row for each patient, those of the user as they were and in their order."""
    there = [row for row in before.rows if row.get("patient") in patients]
    known = {row["patient"] for row in there}
    rows = [*there, *({"patient": patient} for patient in patients if patient not in known)]
    if not before.rows:
        rows.sort(key=lambda row: patients.index(row["patient"]))
    _write_keeping(folder, "targets", ("patient", *before.columns), rows, before)


def _write_keeping(
    folder: Path, table: str, columns: Sequence[str], rows: Sequence[Row], before: UserTable
) -> None:
    """Write a table, and beside it what a user said of rows that it does not have now."""
    unused, kept = _unused(folder, table), (*KEYS[table], *before.columns)
    keys = {_key(table, row) for row in rows}
    waiting = [row for row in before.rows if _key(table, row) not in keys]
    leaving = [row for row in waiting if row not in before.waiting]
    if leaving:
        _write(unused, kept, [*before.waiting, *leaving])
    _write(folder / f"{table}.csv", columns, rows)
    if waiting:
        _write(unused, kept, waiting)
    else:
        unused.unlink(missing_ok=True)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(
        stream, list(columns), restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    text = stream.getvalue()
    if not path.is_file() or path.read_bytes() != text.encode("utf-8"):
        write_text(path, text)
