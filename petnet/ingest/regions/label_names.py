"""Names of a label map's labels, from the table that programs leave beside it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["names_beside"]

MOST_BYTES = 2**20  # a table of names is small; what is larger is something else
NUMBER_COLUMNS = ("label", "labelvalue", "label_value", "value", "index", "id", "number")
NAME_COLUMNS = ("name", "labelname", "label_name", "structure", "segment", "region", "label")
#: A label of ITK-SNAP: index, red, green, blue, opacity, visibility, mesh visibility, "name".
ITK_SNAP = re.compile(r'\s*(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+\d+\s+\d+\s+"(.*)"\s*')


def names_beside(path: Path) -> tuple[dict[int, str], tuple[str, ...]]:
    """Read the names of labels from a file of the same name with another ending.

    The first that is there counts of:

    - `.json`: `{"1": "tumour"}` or `{"tumour": 1}`, by itself or as `labels` (so nnU-Net has it);
    - `.csv`: with a column for the number (label, value, index, id) and one for the name (name,
      structure, segment, region);
    - `.txt`: ITK-SNAP's label descriptions.

    Parameters
    ----------
    path : Path
        Of the mask; nothing needs to lie beside it.

    Returns
    -------
    names : dict of int to str
        Label to name, those above 0; empty where there is no table.
    notes : tuple of str
        Which files of that name are no tables of names.
    """
    stem = re.sub(r"(\.seg)?(\.nii(\.gz)?|\.nrrd|\.nhdr)$", "", path.name, flags=re.IGNORECASE)
    notes = []
    for ending, read in ((".json", _json), (".csv", _csv), (".txt", _itk_snap)):
        beside = path.with_name(stem + ending)
        if not beside.is_file():
            continue
        names = {n: name for n, name in read(_text(beside)).items() if n > 0}
        if names:
            return names, ()
        notes.append(f"the {ending} file of its name holds no names of labels")
    return {}, tuple(notes)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def _json(text: str) -> dict[int, str]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and isinstance(found.get("labels"), dict):
        found = found["labels"]
    if not isinstance(found, dict) or not found:
        return {}
    either = (_pairs(found.items()), _pairs((label, name) for name, label in found.items()))
    return next((names for names in either if len(names) == len(found)), {})


def _csv(text: str) -> dict[int, str]:
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text else ","))
    except csv.Error:
        return {}
    if not rows:
        return {}
    heads = [head.strip().casefold() for head in rows[0]]
    number = next((heads.index(head) for head in NUMBER_COLUMNS if head in heads), None)
    named = (heads.index(head) for head in NAME_COLUMNS if head in heads)
    name = next((column for column in named if column != number), None)
    if number is None or name is None:
        return {}
    full = [row for row in rows[1:] if len(row) > max(number, name)]
    names = _pairs((row[number], row[name]) for row in full)
    return names if len(names) == len(full) else {}


def _itk_snap(text: str) -> dict[int, str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = [ITK_SNAP.fullmatch(line) for line in lines]
    return _pairs((match[1], match[2]) for match in found if match) if all(found) else {}


def _pairs(found: Any) -> dict[int, str]:
    return dict(_valid(found))


def _valid(found: Any) -> Iterator[tuple[int, str]]:
    """Yield the pairs of a label and a name that are such."""
    for label, name in found:
        if isinstance(name, str) and name.strip() and not isinstance(label, bool | float):
            try:
                number = int(label)
            except (TypeError, ValueError):
                continue
            yield number, " ".join("".join(c if c.isprintable() else " " for c in name).split())
