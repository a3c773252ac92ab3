"""The tables of a converted cohort, put together from the records of its patients.

What a user adds is kept: further columns of studies and rois, every column and row of targets. Rows
of targets whose patients are not in the studies table wait in targets_unused.csv, since a cohort
has no targets without a study; they come back with the patient.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from petnet.files import write_text

__all__ = ["COLUMNS", "UserTables", "read_user_tables", "write_tables"]

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
KEYS = {"studies": ("study",), "rois": ("study", "roi")}
TARGETS, UNUSED = "targets.csv", "targets_unused.csv"


class UserTables:
    """What a user has added to the tables of an earlier conversion.

    Attributes
    ----------
    added : mapping
        Table to the added columns, and to their values by the table's key.
    targets : list of dict
        Rows of targets, those that wait included.
    target_columns : list of str
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[str]] = {}
        self.values: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}
        self.targets: list[dict[str, str]] = []
        self.target_columns: list[str] = ["patient"]


def read_user_tables(folder: Path) -> UserTables:
    """Read what a user has added to an earlier conversion.

    Raises
    ------
    InputError
        A table is no CSV, which would be lost if it were written anew.
    """
    found = UserTables()
    for table, key in KEYS.items():
        columns, rows = _read(folder / f"{table}.csv")
        added = [c for c in columns if c not in COLUMNS[table]]
        found.columns[table] = added
        found.values[table] = {
            tuple(row.get(k, "") for k in key): {c: row[c] for c in added} for row in rows
        }
    for name in (TARGETS, UNUSED):
        columns, rows = _read(folder / name)
        found.target_columns += [c for c in columns if c not in found.target_columns]
        found.targets += [row for row in rows if row not in found.targets]
    return found


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
    before : UserTables
    """
    for table, columns in COLUMNS.items():
        rows = list(tables[table])
        added = before.columns.get(table, [])
        if added:
            known = before.values[table]
            keys = [tuple(str(row[k]) for k in KEYS[table]) for row in rows]
            rows = [{**row, **known.get(k, {})} for row, k in zip(rows, keys, strict=True)]
        _write(folder / f"{table}.csv", (*columns, *added), rows)
    patients = dict.fromkeys(str(row["patient"]) for row in tables["studies"])
    _write_targets(folder, list(patients), before)


def _write_targets(folder: Path, patients: Sequence[str], before: UserTables) -> None:
    columns = before.target_columns
    told = [row for row in before.targets if any(row.get(c) for c in columns if c != "patient")]
    there = [row for row in told if row.get("patient") in patients]
    known = {row["patient"] for row in there}
    rows = [*there, *({"patient": patient} for patient in patients if patient not in known)]
    if not told:
        rows.sort(key=lambda row: patients.index(row["patient"]))
    _write(folder / TARGETS, columns, rows)
    waiting = [row for row in told if row.get("patient") not in patients]
    if waiting:
        _write(folder / UNUSED, columns, waiting)
    else:
        (folder / UNUSED).unlink(missing_ok=True)


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
