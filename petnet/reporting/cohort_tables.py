"""The cohort in tables: characteristics by class, centres, and what became of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.reporting.run_files import Run
from petnet.reporting.tables import number_or_nan

__all__ = ["Characteristic", "Cohort", "Flow", "cohort_of", "flow_of"]

FIXED = ("unit", "patient", "center", "target")
FEW_VALUES = 5


@dataclass(frozen=True)
class Characteristic:
    """One line of the table: a column, or one value of a column (`level`)."""

    label: str
    cells: tuple[str, ...]
    missing: str
    level: bool = False


@dataclass(frozen=True)
class Cohort:
    """Counts of units.

    Attributes
    ----------
    rows, positive, negative, unknown : int
    characteristics : tuple of Characteristic
        Cells for all, positive, negative and, if any, unknown units.
    centres : tuple of (name, all, positive, negative, unknown)
    """

    rows: int
    positive: int
    negative: int
    unknown: int
    characteristics: tuple[Characteristic, ...]
    centres: tuple[tuple[str, int, int, int, int], ...]

    @property
    def known(self) -> int:
        """Units with a known answer."""
        return self.positive + self.negative


@dataclass(frozen=True)
class Flow:
    """Rows of status.csv.

    Attributes
    ----------
    counts : tuple of (stage, ok, excluded, failed)
        In the file's order of stages.
    reasons : tuple of (stage, status, reason, count)
        Most frequent first.
    rows : tuple of (unit, stage, status, reason)
        Everything that is not ok; the patient stands for a unit that was never made.
    """

    counts: tuple[tuple[str, int, int, int], ...]
    reasons: tuple[tuple[str, str, str, int], ...]
    rows: tuple[tuple[str, str, str, str], ...]


def cohort_of(run: Run) -> Cohort:
    """Count the units of a run by class."""
    target = run.units.numbers("target", missing=True)
    parts = [np.ones(target.size, dtype=bool), target == 1, target == 0]
    unknown = np.isnan(target)
    if unknown.any():
        parts.append(unknown)
    rows: list[Characteristic] = []
    order = _levels(run.task)
    for name, values in run.units.columns.items():
        if name not in FIXED:
            rows += _characteristic(name, values, parts, order.get(name))
    return Cohort(
        rows=target.size,
        positive=int(parts[1].sum()),
        negative=int(parts[2].sum()),
        unknown=int(unknown.sum()),
        characteristics=tuple(rows),
        centres=_centres(run.units.text("center"), target),
    )


def flow_of(run: Run) -> Flow:
    """Count what became of every row of status.csv."""
    table = run.status
    columns = (table.text(name) for name in ("stage", "status", "reason"))
    rows = list(zip(*columns, strict=True))
    counts = Counter((stage, status) for stage, status, _ in rows)
    names = [u or p for u, p in zip(table.text("unit"), table.text("patient"), strict=True)]
    lost = [(name, *row) for name, row in zip(names, rows, strict=True) if row[1] != "ok"]
    reasons = Counter(row[1:] for row in lost)
    return Flow(
        tuple(
            (stage, *(counts[stage, status] for status in ("ok", "excluded", "failed")))
            for stage in dict.fromkeys(row[0] for row in rows)
        ),
        tuple((*row, count) for row, count in reasons.most_common()),
        tuple(lost),
    )


def _levels(task: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the values of the task's ordinal and categorical columns, in the task's order."""
    clinical = task.get("clinical")
    if not isinstance(clinical, dict):
        return {}
    found: dict[str, Sequence[str]] = {}
    for kind in ("ordinal", "categorical"):
        found.update(clinical.get(kind) or {})
    return found


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.0f} %)" if total else "0"


def _plain(value: float) -> str:
    """Return a number with three significant digits, or whole if it is large."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _spread(numbers: NDArray[np.float64]) -> str:
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return "–"
    low, first, middle, third, high = map(_plain, np.percentile(numbers, [0, 25, 50, 75, 100]))
    return f"{middle} ({first}–{third}), {low}–{high}"


def _characteristic(
    name: str,
    values: Sequence[str],
    parts: Sequence[NDArray[np.bool_]],
    levels: Sequence[str] | None,
) -> list[Characteristic]:
    cells = np.array([v.strip() for v in values], dtype=np.str_)
    absent = (cells == "") | (np.char.lower(cells) == "nan")
    missing = _share(int(absent.sum()), cells.size) if absent.any() else "0"
    known = np.unique(cells[~absent])
    numbers = np.array([number_or_nan(v) for v in cells], dtype=np.float64)
    if levels is None and not np.isnan(numbers[~absent]).any() and known.size > FEW_VALUES:
        return [Characteristic(name, tuple(_spread(numbers[part]) for part in parts), missing)]
    ordered = [str(v) for v in levels or ()]
    ordered += [v for v in known.tolist() if v not in ordered]
    rows = [Characteristic(name, ("",) * len(parts), missing)]
    for level in ordered:
        counts = [
            _share(int((cells[part] == level).sum()), int((~absent[part]).sum())) for part in parts
        ]
        rows.append(Characteristic(level, tuple(counts), "", level=True))
    return rows


def _centres(
    names: Sequence[str], target: NDArray[np.float64]
) -> tuple[tuple[str, int, int, int, int], ...]:
    cells = np.array(names, dtype=np.str_)
    rows = []
    for name in np.unique(cells).tolist():
        t = target[cells == name]
        rows.append(
            (name, t.size, int((t == 1).sum()), int((t == 0).sum()), int(np.isnan(t).sum()))
        )
    return tuple(rows)
