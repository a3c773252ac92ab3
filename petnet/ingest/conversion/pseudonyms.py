"""Pseudonyms of patients, centres, series and files, and the key that leads back from them.

The key is a folder of CSV files, kept apart from the cohort. What stands in it keeps its pseudonym;
what is new gets the next number, in an order that the tree alone decides. So the same tree gets the
same pseudonyms, and a tree that grows does not rename what was there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from petnet.errors import InputError
from petnet.files import intact, write_text

__all__ = ["KEY_TABLES", "KeyTable", "assign", "read_key", "write_key"]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """One file of the key: its columns, and which of them tell the rows apart.

    Attributes
    ----------
    name : str
        The first column: the pseudonym.
    identity : tuple of str
        Columns that together belong to one pseudonym.
    notes : tuple of str
        Columns for whoever reads the key; they are written anew each time.
    """

    name: str
    identity: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the file."""
        return (self.name, *self.identity, *self.notes)


KEY_TABLES = {
    "patients": KeyTable(
        "patient",
        ("PatientID", "IssuerOfPatientID"),
        ("PatientName", "PatientBirthDate", "PatientSex"),
    ),
    "institutions": KeyTable("center", ("InstitutionName",)),
    "series": KeyTable(
        "series",
        ("patient", "SeriesInstanceUID"),
        ("StudyInstanceUID", "StudyDate", "Modality", "SeriesDescription", "folder"),
    ),
    "files": KeyTable("file", ("path",), ("kind",)),
    "readers": KeyTable("reader", ("name",)),
}
Rows = dict[tuple[str, ...], dict[str, str]]  # identity -> row


def read_key(folder: Path, table: str) -> Rows:
    """Return the rows of one file of the key by their identity; none where there is no file.

    Raises
    ------
    InputError
        The file is no such table, or gives one pseudonym to two.
    """
    rule, path = KEY_TABLES[table], Path(folder) / f"{table}.csv"
    if not path.is_file():
        return {}
    needed = (rule.name, *rule.identity)
    with intact(path, "a table that petnet wrote"):
        text = path.read_bytes().decode("utf-8-sig")
    rows: Rows = {}
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for number, row in enumerate(reader, 2):
        whole = {column: row.get(column) or "" for column in rule.columns}
        lacking = [c for c in needed if row.get(c) is None] or [rule.name] * (not whole[rule.name])
        if lacking:
            where = f"row {number}, column {lacking[0]}"
            raise InputError(str(path), where, "a value", "none", "Restore the key from a copy")
        rows[tuple(whole[column] for column in rule.identity)] = whole
    names = [row[rule.name] for row in rows.values()]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled:
        raise InputError(str(path), f"column {rule.name}", "each name once", f"{doubled!r} twice")
    return rows


def assign(
    known: Mapping[tuple[str, ...], str], wanted: Iterable[tuple[str, ...]], form: str
) -> dict[tuple[str, ...], str]:
    """Give a pseudonym to each identity: the known one, or the next number, in the order wanted.

    Parameters
    ----------
    known : mapping of identity to pseudonym
        A superset of what is wanted is allowed; no number of it is given again.
    wanted : iterable of identity
    form : str
        "P{:04d}".
    """
    start, end = form.split("{")[0], form.split("}")[1]
    numbers = [
        int(name[len(start) : len(name) - len(end)])
        for name in known.values()
        if name.startswith(start) and name[len(start) : len(name) - len(end)].isdigit()
    ]
    following = max(numbers, default=0) + 1
    made: dict[tuple[str, ...], str] = {}
    for identity in dict.fromkeys(wanted):
        if identity in known:
            made[identity] = known[identity]
        else:
            made[identity], following = form.format(following), following + 1
    return made


def write_key(folder: Path, table: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Write one file of the key, whole or not at all, keeping what it held beside `rows`."""
    rule = KEY_TABLES[table]
    merged = read_key(folder, table)
    for row in rows:
        merged[tuple(row[column] for column in rule.identity)] = dict(row)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, rule.columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(sorted(merged.values(), key=lambda row: row[rule.name]))
    path = Path(folder) / f"{table}.csv"
    text = stream.getvalue()
    if not path.is_file() or path.read_bytes() != text.encode("utf-8"):
        write_text(path, text)
