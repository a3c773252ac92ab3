"""The task's columns of the targets table: label and clinical values, checked row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from petnet.errors import InputError
from petnet.task import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Columns", "read_columns", "status_table"]

INDICATOR = "1 (positive), 0 (negative) or empty (missing)"
STATUS = ("unit", "patient", "status", "reason", "studies")


@dataclass(frozen=True, eq=False)
class Columns:
    """Label and clinical columns by row of the targets table.

    Attributes
    ----------
    target : float64 array
        As `petnet.outcome` says; NaN where it is missing.
    known : (rows,) bool array
        Whether the target says anything.
    clinical : pandas.DataFrame
        (rows, K), indexed by position.
    faults : dict of int to InputError
        Rows that hold a value that is not of its column's kind; the value counts as missing.
    """

    target: NDArray[np.float64]
    known: NDArray[np.bool_]
    clinical: pd.DataFrame
    faults: dict[int, InputError]

    def clinical_of(self, positions: Sequence[int], ids: Sequence[str]) -> pd.DataFrame:
        """Return the rows at `positions` (-1: all missing), indexed by unit id."""
        import pandas as pd

        chosen = self.clinical.reindex(list(positions))
        chosen.index = pd.Index(list(ids), name="unit", dtype=object)
        return chosen


def status_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the status rows as a table, also when there are none."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(STATUS))


def read_columns(
    source: str, targets: pd.DataFrame, task: Task, clinical_needed: bool = True
) -> Columns:
    """Read the label and the clinical columns of a task.

    Raises
    ------
    InputError
        A clinical column is absent. Bad values are kept in `faults` instead.
    """
    import numpy as np
    import pandas as pd

    faults: dict[int, InputError] = {}
    target = task.outcome.empty(len(targets))
    if set(task.target_columns) <= set(targets):
        target = _target(source, targets, task, faults)
    made: dict[str, Any] = {}
    for column in task.clinical.columns if clinical_needed else ():
        if column not in targets:
            raise InputError(
                source, "columns", f"the clinical column {column!r}", f"{list(targets)}"
            )
        levels = {**task.clinical.ordinal, **task.clinical.categorical}.get(column)
        if levels is not None:
            ordered = column in task.clinical.ordinal
            made[column] = _levels(source, targets, column, levels, ordered, faults)
            continue
        numbers = _numbers(source, targets, column, faults)
        if column in task.clinical.log:
            _refuse(
                source, targets, column, numbers <= 0, "a number above 0 (its log is used)", faults
            )
            numbers = np.log(np.where(numbers > 0, numbers, np.nan))
        made[column] = numbers
    known = task.outcome.known(target)
    return Columns(target, known, pd.DataFrame(made, index=range(len(targets))), faults)


def _target(
    source: str, frame: pd.DataFrame, task: Task, faults: dict[int, InputError]
) -> NDArray[np.float64]:
    """Read the columns of the target into the numbers of `petnet.outcome`."""
    import numpy as np

    first = task.target_columns[0]
    if task.kind == "survival":
        time = _numbers(source, frame, first, faults)
        _refuse(source, frame, first, time <= 0, "a time above 0", faults)
        event = _indicator(source, frame, task.event, "1 (event), 0 (censored) or empty", faults)
        return np.column_stack([time, event])
    if task.kind == "multilabel":
        return np.column_stack(
            [_indicator(source, frame, c, INDICATOR, faults) for c in task.target_columns]
        )
    levels = task.classes or (*task.negative, *task.positive)
    if not levels:
        return _indicator(source, frame, first, INDICATOR, faults)
    codes = np.array(_levels(source, frame, first, levels, False, faults).codes, dtype=np.float64)
    codes[codes < 0] = np.nan
    if task.kind != "binary":
        return codes
    return np.where(np.isnan(codes), np.nan, codes >= len(task.negative)).astype(np.float64)


def _indicator(
    source: str,
    frame: pd.DataFrame,
    column: str,
    expected: str,
    faults: dict[int, InputError],
) -> NDArray[np.float64]:
    import numpy as np

    numbers = _numbers(source, frame, column, faults)
    _refuse(source, frame, column, np.isin(numbers, (0.0, 1.0), invert=True), expected, faults)
    return numbers


def _refuse(
    source: str,
    frame: pd.DataFrame,
    column: str,
    bad: NDArray[np.bool_],
    expected: str,
    faults: dict[int, InputError],
) -> None:
    """Note the first fault of each row whose filled-in value is bad."""
    import numpy as np

    for row in np.flatnonzero(bad & frame[column].notna().to_numpy()):
        found = repr(frame[column].iloc[row])
        error = InputError(source, f"row {row + 2}, column {column}", expected, found)
        faults.setdefault(int(row), error)


def _numbers(
    source: str, frame: pd.DataFrame, column: str, faults: dict[int, InputError]
) -> NDArray[np.float64]:
    import numpy as np
    import pandas as pd

    numbers = np.array(pd.to_numeric(frame[column], errors="coerce"), dtype=np.float64)
    numbers[np.isinf(numbers)] = np.nan
    _refuse(source, frame, column, np.isnan(numbers), "a number", faults)
    return numbers


def _levels(
    source: str,
    frame: pd.DataFrame,
    column: str,
    levels: Sequence[str],
    ordered: bool,
    faults: dict[int, InputError],
) -> pd.Categorical:
    import pandas as pd

    values = frame[column].map(lambda v: None if v is None or v != v else str(v))
    bad = ~values.isin(levels).to_numpy()
    _refuse(source, frame, column, bad, f"one of {list(levels)}", faults)
    return pd.Categorical(
        values.where(values.isin(levels)), categories=list(levels), ordered=ordered
    )
