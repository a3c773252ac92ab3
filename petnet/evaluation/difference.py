"""Which setting, version, input or unit makes two runs differ: causes first, then effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from petnet.errors import InputError
from petnet.evaluation.run_folder import NAMED_BY, finished_run
from petnet.files import intact, read_json

__all__ = ["Difference", "differences"]

Part = Literal[
    "setting", "other setting", "version", "input", "unit", "split", "feature", "prediction",
    "figure",
]  # fmt: skip
# Of the provenance: what may change the numbers.
ORIGIN = ("petnet", "python", "platform", "device", "git_revision")
ABSENT = "absent"
# Only what is empty is missing: a unit may be called None.
EMPTY: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}


@dataclass(frozen=True)
class Difference:
    """One thing in which two runs differ.

    Attributes
    ----------
    part : str
        Causes: "setting" (one that decides the result), "version", "input" (a file or table row),
        "unit" (in one run only, or another truth), "split". Effects: "feature", "prediction",
        "figure". "other setting" changes no number, such as where things are written.
    what : str
        Name of the setting, package, file, unit, column or figure.
    first, second : str
        What the two runs say of it.
    """

    part: Part
    what: str
    first: str
    second: str


def differences(first: Path, second: Path) -> list[Difference]:
    """Compare two finished run folders.

    Numbers are compared as they are: the least difference counts.

    Raises
    ------
    InputError
        One of the folders is not a finished run of this version's format.
    """
    pair = (finished_run(Path(first)).path, finished_run(Path(second)).path)
    return [
        *_settings(*pair),
        *_versions(*pair),
        *_rows("input", *(_table(p, "inputs.csv", ("unit", "file")) for p in pair)),
        *_rows("unit", *(_table(p, "units.csv", ("unit",)) for p in pair)),
        *_splits(*pair),
        *_numbers("feature", *(_features(p) for p in pair)),
        *_numbers("prediction", *(_predictions(p) for p in pair)),
        *_figures(*pair),
    ]


def _settings(first: Path, second: Path) -> Iterator[Difference]:
    """Yield differing settings, those that name the run before the others."""
    from omegaconf import OmegaConf

    flat = []
    for folder in (first, second):
        with intact(folder / "config.yaml", "the settings of a run"):
            config = OmegaConf.load(folder / "config.yaml")
        flat.append(dict(_flat(OmegaConf.to_container(config))))
    found = [
        Difference("setting" if _decides(key) else "other setting", key, a, b)
        for key, a, b in _pairs(*flat)
    ]
    yield from sorted(found, key=lambda d: d.part != "setting")


def _decides(key: str) -> bool:
    return key.split(".")[0] in NAMED_BY


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf of nested settings by its dotted name."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, str(value)


def _pairs(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield what differs between two mappings, in the order of the first."""
    for key in dict.fromkeys([*a, *b]):
        pair = a.get(key, ABSENT), b.get(key, ABSENT)
        if pair[0] != pair[1]:
            yield key, *pair


def _json(folder: Path, name: str) -> Any:
    path = folder / name
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise InputError(str(path), "file", "one, as the run is finished", "none") from error


def _versions(first: Path, second: Path) -> Iterator[Difference]:
    known = []
    for folder in (first, second):
        origin = _json(folder, "provenance.json")
        facts = {key: str(origin.get(key)) for key in ORIGIN}
        known.append(facts | {k: str(v) for k, v in (origin.get("versions") or {}).items()})
    for what, a, b in _pairs(*known):
        yield Difference("version", what, a, b)


def _table(folder: Path, name: str, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read a CSV of the run as text: key to row."""
    path = folder / name
    if not path.is_file():
        raise InputError(str(path), "file", "one, as the run is finished", "none")
    rows = {}
    with intact(path, f"a table with the columns {', '.join(keys)}"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for row in table.to_dict("records"):
            name_of = " ".join(str(row.pop(key)) for key in keys)
            rows[name_of.strip()] = {str(k): str(v) for k, v in row.items()}
    return rows


def _rows(
    part: Part, first: dict[str, dict[str, str]], second: dict[str, dict[str, str]]
) -> Iterator[Difference]:
    for key in dict.fromkeys([*first, *second]):
        if key not in first or key not in second:
            there = ("there", ABSENT) if key in first else (ABSENT, "there")
            yield Difference(part, key, *there)
            continue
        for column, a, b in _pairs(first[key], second[key]):
            yield Difference(part, f"{key}, {column}", a or "empty", b or "empty")


def _splits(first: Path, second: Path) -> Iterator[Difference]:
    """Yield units that are held out in other folds."""
    held: list[dict[str, str]] = []
    for folder in (first, second):
        path = folder / "splits.csv"
        with intact(path, "the columns repeat, fold, unit"):
            table = pd.read_csv(path, dtype={"unit": str}, **EMPTY)
            table = table.sort_values(["repeat", "fold"])
            names = "r" + table["repeat"].astype(str) + "f" + table["fold"].astype(str)
            joined = names.groupby(table["unit"]).agg(" ".join)
        held.append({str(unit): str(folds) for unit, folds in joined.items()})
    for unit, a, b in _pairs(*held):
        yield Difference("split", unit, a, b)


def _features(folder: Path) -> pd.DataFrame:
    with intact(folder / "features.parquet", "a Parquet table"):
        return pd.read_parquet(folder / "features.parquet")


def _predictions(folder: Path) -> pd.DataFrame:
    """Return the mean of each unit's held-out scores over the repeats."""
    with intact(folder / "predictions.csv", "a table with the column unit"):
        table = pd.read_csv(folder / "predictions.csv", dtype={"unit": str}, **EMPTY)
        scores = [c for c in table if c == "risk" or str(c).startswith("probability")]
        means: pd.DataFrame = table.groupby("unit")[scores].mean()
    return means


def _numbers(part: Part, first: pd.DataFrame, second: pd.DataFrame) -> Iterator[Difference]:
    """Yield columns of one run only, then per unit the column that differs most."""
    for column in dict.fromkeys([*first, *second]):
        if column not in first or column not in second:
            there = ("there", ABSENT) if column in first else (ABSENT, "there")
            yield Difference(part, f"column {column}", *there)
    shared = [c for c in first if c in second]
    units = [u for u in first.index if u in second.index]
    a = first.loc[units, shared].to_numpy(dtype=np.float64)
    b = second.loc[units, shared].to_numpy(dtype=np.float64)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    # Relative to the larger of the two; a value that one run lacks differs without bound.
    size = np.maximum(np.abs(a), np.abs(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(equal, 0.0, np.abs(a - b) / np.where(size > 0, size, 1.0))
    apart = np.where(np.isnan(apart), np.inf, apart)
    for row in np.flatnonzero(~equal.all(axis=1)):
        most = int(apart[row].argmax())
        count = int((~equal[row]).sum())
        more = f" (and {count - 1} more columns)" if count > 1 else ""
        what = f"{units[row]}, {shared[most]}{more}"
        yield Difference(part, what, f"{a[row, most]:.9g}", f"{b[row, most]:.9g}")


def _figures(first: Path, second: Path) -> Iterator[Difference]:
    """Yield the headline figures of models and single parameters that differ."""
    known: list[dict[str, str]] = []
    for folder in (first, second):
        entries = _json(folder, "metrics.json")["models"]
        known.append(
            {f"{e['name']}, {e['measure']}": _six(e["headline"]["value"]) for e in entries}
        )
    for what, a, b in _pairs(*known):
        yield Difference("figure", what, a, b)


def _six(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6f}"
