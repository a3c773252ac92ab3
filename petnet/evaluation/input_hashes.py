"""What a run was trained on, unit by unit, so that a cohort that changed since is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from petnet.cohort import Cohort
from petnet.errors import InputError
from petnet.files import content_hash, hash_of, intact
from petnet.units import Series, Unit, UnitTable

__all__ = ["COLUMNS", "changed_units", "input_hashes", "read_input_hashes", "same_cohort"]

COLUMNS = ("unit", "file", "hash")
ABSENT = "no such file"
REMEDY = (
    "The cohort changed since the run was made: train again, or predict from another folder if"
    " the change is meant"
)


def input_hashes(cohort: Cohort, table: UnitTable) -> pd.DataFrame:
    """Hash every file of every unit, and what the tables say of it.

    Parameters
    ----------
    cohort : Cohort
    table : UnitTable
        Its targets are those of the cohort (not permuted).

    Returns
    -------
    pandas.DataFrame
        unit, file, hash: one row per file, relative to the cohort's folder, and one for each of
        `table studies`, `table rois` and `table targets`, which hold of the unit's rows what the
        task reads. Files are read once, however many units share them.
    """
    seen: dict[Path, str] = {}
    rows = [
        (unit.id, *row)
        for k, unit in enumerate(table.units)
        for row in (*_files(cohort.root, unit, seen), *_rows(cohort.root, unit, table, k))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _files(root: Path, unit: Unit, seen: dict[Path, str]) -> Iterator[tuple[str, str]]:
    for path in dict.fromkeys(path for s in unit.series for path in _paths(s)):
        if path not in seen:
            seen[path] = content_hash(path) if path.is_file() else ABSENT
        yield _relative(root, path), seen[path]


def _paths(series: Series) -> Iterator[Path]:
    yield from (path for path in (series.pet, series.ct) if path is not None)
    yield from (region.path for region in (*series.regions, *series.references))


def _relative(root: Path, path: Path | None) -> str:
    if path is None:
        return ""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _rows(root: Path, unit: Unit, table: UnitTable, position: int) -> Iterator[tuple[str, str]]:
    studies = [
        (s.study, s.arm, s.timepoint, s.tracer, _relative(root, s.pet), _relative(root, s.ct))
        for s in unit.series
    ]
    yield "table studies", hash_of(unit.patient, unit.group, unit.center, studies)
    rois = [
        (s.study, r.roi, r.role, _relative(root, r.path), r.label, r.grid, r.lesion_uid, r.region)
        for s in unit.series
        for r in (*s.regions, *s.references)
    ]
    yield "table rois", hash_of(rois)
    target = [_plain(v) for v in np.ravel(table.target[position])]
    clinical = {str(c): _plain(v) for c, v in table.clinical.iloc[position].items()}
    yield "table targets", hash_of(target, clinical)


def _plain(value: Any) -> str:
    """Return a cell as text; a logarithm's last digits may differ between machines."""
    if value is None or value != value:
        return ""
    return f"{value:.10g}" if isinstance(value, (float, np.floating)) else str(value)


def same_cohort(known: str, given: str) -> bool:
    """Say whether two paths are one cohort."""
    return Path(known).resolve() == Path(given).resolve()


def read_input_hashes(path: Path) -> pd.DataFrame:
    """Read the `inputs.csv` of a run folder.

    Raises
    ------
    InputError
        It is absent, or has other columns.
    """
    if not path.is_file():
        raise InputError(str(path), "file", "the hashes of the run's inputs", ABSENT)
    with intact(path, f"a table with the columns {', '.join(COLUMNS)}"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table) != list(COLUMNS):
        raise InputError(str(path), "columns", ", ".join(COLUMNS), ", ".join(map(str, table)))
    return table


def changed_units(cohort: Cohort, known: pd.DataFrame, found: pd.DataFrame) -> dict[str, str]:
    """Say of each unit of both tables what is not as it was; the first difference speaks.

    Returns
    -------
    dict of str to str
        Unit to one message that names file, expected hash, found hash and remedy.
    """
    before, after = _by_file(known), _by_file(found)
    changed: dict[str, str] = {}
    # files that came or went have a changed row of the tables, which every unit has
    for key in (key for key in before if key in after and before[key] != after[key]):
        unit, file = key
        of_table = file.startswith("table ")
        source = f"{cohort.root}: {file}" if of_table else str(cohort.root / file)
        what = f"rows of unit {unit}" if of_table else "content"
        error = InputError(source, what, _said(before[key]), _said(after[key]), REMEDY)
        changed.setdefault(unit, str(error))
    return changed


def _by_file(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    columns = (table[name].astype(str).tolist() for name in COLUMNS)
    return {(unit, file): found for unit, file, found in zip(*columns, strict=True)}


def _said(found: str) -> str:
    return found if found == ABSENT else f"hash {found}"
