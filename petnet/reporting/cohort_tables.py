"""The cohort in tables: characteristics by group, centres, and what became of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.outcome import Outcome
from petnet.reporting.run_files import Run
from petnet.reporting.score_files import target_of
from petnet.reporting.tables import number_or_nan
from petnet.reporting.wording import Words

__all__ = ["Characteristic", "Cohort", "Flow", "Group", "cohort_of", "flow_of"]

FIXED = ("unit", "patient", "center")
FEW_VALUES = 5


@dataclass(frozen=True)
class Characteristic:
    """One line of the table: a column, or one value of a column (`level`)."""

    label: str
    cells: tuple[str, ...]
    missing: str
    level: bool = False


@dataclass(frozen=True)
class Group:
    """Units of one answer: a class, the event, or unknown."""

    name: str
    count: int


@dataclass(frozen=True)
class Cohort:
    """Counts of units.

    Attributes
    ----------
    rows, known : int
        All units, and those with a known answer.
    groups : tuple of Group
        By answer, without the unknown; none for multilabel tasks, whose units have many answers.
    unknown : Group or None
    characteristics : tuple of Characteristic
        Cells for all units, then for every group and, if any, the unknown.
    centres : tuple of (name, counts)
        Counts in the same order.
    """

    rows: int
    known: int
    groups: tuple[Group, ...]
    unknown: Group | None
    characteristics: tuple[Characteristic, ...]
    centres: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def columns(self) -> tuple[Group, ...]:
        """The groups, and the unknown where there are any."""
        return (*self.groups, self.unknown) if self.unknown else self.groups


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


def cohort_of(run: Run, t: Words) -> Cohort:
    """Count the units of a run by their answer."""
    target = target_of(run.units, run.outcome)
    known = run.outcome.known(target)
    masks = _groups(run.outcome, target, t)
    groups = tuple(Group(name, int(mask.sum())) for name, mask in masks)
    parts = [np.ones(known.size, dtype=bool), *(mask for _, mask in masks)]
    unknown = None
    if not known.all():
        unknown = Group(t("unknown"), int((~known).sum()))
        parts.append(~known)
    rows: list[Characteristic] = []
    order = _levels(run.task)
    for name, values in run.units.columns.items():
        if name not in (*FIXED, *run.outcome.truth_columns):
            rows += _characteristic(name, values, parts, order.get(name))
    centres = np.array(run.units.text("center"), dtype=np.str_)
    return Cohort(
        rows=known.size,
        known=int(known.sum()),
        groups=groups,
        unknown=unknown,
        characteristics=tuple(rows),
        centres=tuple(
            (name, tuple(int((part & (centres == name)).sum()) for part in parts))
            for name in np.unique(centres).tolist()
        ),
    )


def _groups(
    outcome: Outcome, target: NDArray[np.float64], t: Words
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return the name and the units of every answer."""
    if outcome.kind == "binary":
        return [(t("positive"), target == 1), (t("negative"), target == 0)]
    if outcome.kind == "survival":
        event = np.where(outcome.known(target), target[:, 1], np.nan)
        return [(t("with_event"), event == 1), (t("censored"), event == 0)]
    if outcome.kind == "multilabel":
        return []
    return [(label, target == k) for k, label in enumerate(outcome.labels)]


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
