"""Reading one table: CSV as spreadsheets write it, or Parquet."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from petnet.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

DECIMAL_COMMA = r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?"
REMEDY = "Save it as CSV UTF-8"
FOREIGN = {  # first bytes of what is given a CSV's name by mistake
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the old kind",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PAR1": "Parquet",
    b"\x1f\x8b": "a gzip archive",
}
EMPTY = ("", "NA", "N/A", "NaN", "nan", "null")


def read_table(path: Path) -> pd.DataFrame:
    """Read CSV (comma, semicolon or tab; UTF-8 with or without mark) or Parquet.

    CSV columns come as text with None where empty; decimal commas of semicolon-separated files
    become points when the column is read as numbers.

    Raises
    ------
    InputError
        It is no table of its kind, no UTF-8, or its rows are not of equal length.
    """
    import pandas as pd

    if path.suffix == ".parquet":
        return _parquet(path)
    text = _text(path)
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    table = pd.DataFrame(_rows(path, text, separator), dtype=object)
    table.columns = [str(c).strip() for c in table.columns]
    table = table.map(lambda v: None if v is None or str(v).strip() in EMPTY else str(v).strip())
    table = table.astype(object).where(table.notna(), None)
    if separator == ";":
        for column in table:
            values = table[column].dropna()
            if len(values) and values.str.fullmatch(DECIMAL_COMMA).all():
                table[column] = table[column].str.replace(",", ".").where(table[column].notna())
    return table


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path).reset_index(drop=True)
    except pa.ArrowException as error:
        raise InputError(str(path), "format", "a Parquet table", str(error)) from error


def _text(path: Path) -> str:
    """Read text, with or without the mark that Windows puts before UTF-8."""
    data = path.read_bytes()
    for start, kind in FOREIGN.items():
        if data.startswith(start):
            raise InputError(str(path), "format", "CSV text", kind, REMEDY)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"other text, at byte {data[error.start]:#04x}"
        raise InputError(str(path), f"line {line}", "UTF-8", found, REMEDY) from error


def _rows(path: Path, text: str, separator: str) -> dict[str, list[str]]:
    """Split CSV text into columns; a row of another length than the header is an error."""
    reader = csv.reader(
        StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    try:
        lines = [(reader.line_num, row) for row in reader if any(value.strip() for value in row)]
    except csv.Error as error:
        where = f"line {reader.line_num}"
        raise InputError(str(path), where, "well-formed CSV", str(error)) from error
    if not lines:
        raise InputError(str(path), "table", "a header and rows", "an empty file")
    header = [name.strip() for name in lines[0][1]]
    while header and not header[-1]:
        header.pop()
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise InputError(str(path), "columns", "each name once", f"{doubled} twice")
    for number, row in lines[1:]:
        surplus = [value for value in row[len(header) :] if value.strip()]
        if surplus or len(row) < len(header):
            raise InputError(
                str(path),
                f"row {number}",
                f"{len(header)} fields, as in the header (rows of equal length)",
                f"{len(row)}",
            )
    return {name: [row[k] for _, row in lines[1:]] for k, name in enumerate(header)}
