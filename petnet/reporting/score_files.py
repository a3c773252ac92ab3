"""`predictions.csv` and `baselines.csv`: what models and parameters said of held-out units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.outcome import Outcome
from petnet.reporting.tables import Table, read_table

__all__ = ["Scores", "read_baselines", "read_predictions", "target_of"]

ROW = ("unit", "patient", "repeat", "fold")


@dataclass(frozen=True, eq=False)
class Scores:
    """Out-of-fold rows of one model or of one single parameter.

    Attributes
    ----------
    name : str
    outcome : Outcome
    unit, patient : (n,) str arrays
    repeat, fold : (n,) int arrays
    prediction : (n, K) float64 array
        A model's as `petnet.outcome` says. A parameter's own values, K = 1, or one column per
        label of a multilabel task; NaN where it could not be measured.
    truth : float64 array
        One row each, as `petnet.outcome` says; NaN where unknown.
    decision : (n,) or (n, L) float64 array, or None
        None for single parameters.
    sign : int
        −1 where lower values speak for the positive class, the higher class, the earlier event.
    """

    name: str
    outcome: Outcome
    unit: NDArray[np.str_]
    patient: NDArray[np.str_]
    repeat: NDArray[np.intp]
    fold: NDArray[np.intp]
    prediction: NDArray[np.float64]
    truth: NDArray[np.float64]
    decision: NDArray[np.float64] | None = None
    sign: int = 1


def target_of(table: Table, outcome: Outcome) -> NDArray[np.float64]:
    """Read the target, as `petnet.outcome` says; empty cells are NaN.

    Raises
    ------
    InputError
        A class that is not one of the outcome's, an indicator other than 1 and 0, a time not
        above 0.
    """
    names = outcome.truth_columns
    if outcome.by_class:
        return _indices(table, names[0], outcome.labels)
    columns = [table.numbers(name, missing=True) for name in names]
    if outcome.kind == "survival":
        bad = np.flatnonzero(columns[0] <= 0)
        if bad.size:
            found = f"{columns[0][bad[0]]:.6g} in line {bad[0] + 2}"
            raise InputError(str(table.path), names[0], "a time above 0", found)
    for name, column in zip(names, columns, strict=True):
        if name != "time":
            _check_indicator(table, name, column)
    return columns[0] if outcome.columns == 1 else np.column_stack(columns)


def _indices(table: Table, name: str, labels: Sequence[str]) -> NDArray[np.float64]:
    code = {label: float(k) for k, label in enumerate(labels)} | {"": np.nan}
    for line, cell in enumerate(table.text(name), start=2):
        if cell not in code:
            raise InputError(
                str(table.path), f"{name}, line {line}", f"one of {list(labels)} or empty", cell
            )
    return np.array([code[cell] for cell in table.text(name)], dtype=np.float64)


def _check_indicator(table: Table, name: str, column: NDArray[np.float64]) -> None:
    other = np.setdiff1d(column[np.isfinite(column)], [0.0, 1.0])
    if other.size:
        raise InputError(str(table.path), name, "0, 1 or empty", f"{other[:5].tolist()}")


def read_predictions(path: Path, outcome: Outcome, splits: Table) -> Scores:
    """Read the rows of a run's model.

    Raises
    ------
    InputError
        A column is absent, a probability is none, several models, or a row that is not held out.
    """
    own = (*outcome.score_columns, *outcome.decision_columns, *outcome.truth_columns)
    table = read_table(path, (*ROW, *own))
    if not table.rows:
        raise InputError(str(path), "rows", "at least one prediction", "none")
    names = sorted(set(table.columns.get("model", ("",) * table.rows)))
    if len(names) > 1:
        raise InputError(str(path), "model", "one model", ", ".join(names))
    prediction = np.column_stack([table.numbers(name) for name in outcome.score_columns])
    if outcome.kind != "survival":
        _check_probabilities(table, outcome.score_columns, prediction)
    held_out = set(zip(*(splits.text(c) for c in ("repeat", "fold", "unit")), strict=True))
    for row in zip(*(table.text(c) for c in ("repeat", "fold", "unit")), strict=True):
        if row not in held_out:
            found = f"unit {row[2]} in repeat {row[0]}, fold {row[1]}"
            raise InputError(str(path), "unit", "held-out rows of splits.csv", found)
    rows = np.arange(table.rows)
    truth = target_of(table, outcome)
    return Scores(
        names[0], outcome, *_row(table, rows), prediction, truth, _decision(table, outcome)
    )


def _check_probabilities(
    table: Table, names: Sequence[str], prediction: NDArray[np.float64]
) -> None:
    for row, column in np.argwhere((prediction < 0) | (prediction > 1)):
        found = f"{prediction[row, column]:.6g} in line {row + 2}"
        raise InputError(str(table.path), names[column], "0 to 1", found)


def _row(
    table: Table, rows: NDArray[np.intp]
) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.intp], NDArray[np.intp]]:
    return (
        np.array(table.text("unit"), dtype=np.str_)[rows],
        np.array(table.text("patient"), dtype=np.str_)[rows],
        table.numbers("repeat")[rows].astype(np.intp),
        table.numbers("fold")[rows].astype(np.intp),
    )


def _decision(table: Table, outcome: Outcome) -> NDArray[np.float64]:
    names = outcome.decision_columns
    if outcome.by_class:
        return _indices(table, names[0], outcome.labels)
    columns = [table.numbers(name) for name in names]
    for name, column in zip(names, columns, strict=True):
        _check_indicator(table, name, column)
    return np.column_stack(columns) if outcome.kind == "multilabel" else columns[0]


def read_baselines(path: Path, outcome: Outcome) -> tuple[Scores, ...]:
    """Read the rows of every single parameter; those of several labels are brought together.

    Raises
    ------
    InputError
        A column is absent, or a parameter has two directions.
    """
    more = ("label",) if outcome.kind == "multilabel" else ()
    table = read_table(path, (*ROW, "model", *more, "score", "direction", *outcome.truth_columns))
    models = np.array(table.text("model"), dtype=np.str_)
    truth = target_of(table, outcome)
    score = table.numbers("score", missing=True)
    found = []
    for name in dict.fromkeys(table.text("model")):
        rows = np.flatnonzero(models == name)
        directions = {table.text("direction")[row] for row in rows}
        if directions not in ({"higher"}, {"lower"}):
            raise InputError(
                str(path), f"direction of {name}", "higher or lower throughout", str(directions)
            )
        sign = 1 if directions == {"higher"} else -1
        if outcome.kind == "multilabel":
            rows, prediction = _by_label(table, outcome, rows, score)
        else:
            prediction = score[rows][:, None]
        kept = _row(table, rows)
        found.append(Scores(name, outcome, *kept, prediction, truth[rows], sign=sign))
    return tuple(found)


def _by_label(
    table: Table, outcome: Outcome, rows: NDArray[np.intp], score: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return one row per held-out unit, the first of its own, and its values by label."""
    labels = _indices(table, "label", outcome.labels)[rows]
    if np.isnan(labels).any():
        raise InputError(
            str(table.path), "label", f"one of {list(outcome.labels)}", "an empty cell"
        )
    keys = [table.text(name) for name in ("repeat", "fold", "unit")]
    place: dict[tuple[str, ...], int] = {}
    first: list[int] = []
    for row in rows:
        if place.setdefault(tuple(key[row] for key in keys), len(first)) == len(first):
            first.append(int(row))
    values = np.full((len(first), outcome.outputs), np.nan)
    for row, label in zip(rows, labels.astype(np.intp), strict=True):
        values[place[tuple(key[row] for key in keys)], label] = score[row]
    return np.array(first, dtype=np.intp), values
