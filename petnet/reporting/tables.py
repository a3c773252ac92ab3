"""CSV and JSON of a run folder, read as text first, so that no identifier loses its zeros."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError

__all__ = ["Table", "number_or_nan", "read_any_json", "read_json", "read_table", "read_text"]

UNFINISHED = "Is the run finished, and is this a run folder?"


def number_or_nan(text: str) -> float:
    """Return the number that `text` says, NaN for an empty cell and for anything else."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a CSV file, as text.

    Attributes
    ----------
    path : Path
    columns : mapping of str to tuple of str
        In the file's order; empty cells are empty strings.
    rows : int
    """

    path: Path
    columns: Mapping[str, tuple[str, ...]]
    rows: int

    def text(self, name: str) -> tuple[str, ...]:
        """Return a column as it stands in the file."""
        return self.columns[name]

    def numbers(self, name: str, missing: bool = False) -> NDArray[np.float64]:
        """Return a column as float64; with `missing`, empty cells become NaN.

        Raises
        ------
        InputError
            A cell that is no finite number; names the row as a text editor counts it.
        """
        values = self.columns[name]
        array = np.array([number_or_nan(v) for v in values], dtype=np.float64)
        for row in np.flatnonzero(~np.isfinite(array)):
            if missing and values[row].strip().lower() in ("", "nan"):
                continue
            raise InputError(str(self.path), f"{name}, line {row + 2}", "a number", values[row])
        return array


def read_text(path: Path) -> str:
    """Read a required UTF-8 file.

    Raises
    ------
    InputError
        The file is absent or is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(str(path), "file", "a file", "none", UNFINISHED) from None
    except UnicodeDecodeError as error:
        raise InputError(str(path), "encoding", "UTF-8", str(error)) from None


def read_table(path: Path, required: Sequence[str]) -> Table:
    """Read a CSV file with a header that holds at least the required columns.

    Raises
    ------
    InputError
        The file or a column is absent, or a row has another number of cells than the header.
    """
    lines = list(csv.reader(io.StringIO(read_text(path), newline="")))
    if not lines:
        raise InputError(str(path), "header", ", ".join(required), "an empty file")
    header, body = lines[0], [row for row in lines[1:] if row]
    absent = [name for name in required if name not in header]
    if absent:
        raise InputError(str(path), "columns", ", ".join(required), f"no {', '.join(absent)}")
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise InputError(
                str(path), f"line {number}", f"{len(header)} cells", f"{len(row)} cells"
            )
    columns = {name: tuple(row[k] for row in body) for k, name in enumerate(header)}
    return Table(path, columns, len(body))


def read_any_json(path: Path) -> Any:
    """Read a required JSON file of any content.

    Raises
    ------
    InputError
        The file is absent or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(str(path), "content", "JSON", str(error)) from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a required JSON file that holds one object.

    Raises
    ------
    InputError
        The file is absent, is not JSON or holds something else.
    """
    value = read_any_json(path)
    if not isinstance(value, dict):
        raise InputError(str(path), "content", "an object", type(value).__name__)
    return value
