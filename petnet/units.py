"""From a cohort and a task to the units of prediction: their images, regions, labels, columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from petnet.cohort import Cohort
from petnet.errors import InputError
from petnet.task import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Region", "Series", "Unit", "UnitTable", "select_units"]


@dataclass(frozen=True)
class Region:
    """One delineated region: a label map file and the label in it (None: all above zero)."""

    roi: str
    role: str
    path: Path
    label: int | None
    grid: Literal["pet", "ct"]


@dataclass(frozen=True)
class Series:
    """The images of one study (arm × timepoint) that a unit is predicted from."""

    study: str
    arm: str
    timepoint: str
    tracer: str
    pet: Path | None
    ct: Path | None
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Unit:
    """One thing that is predicted: a patient, a lesion or a region of a patient."""

    id: str
    patient: str
    center: str
    series: tuple[Series, ...]


@dataclass(frozen=True, eq=False)
class UnitTable:
    """The units of a task in a cohort.

    Attributes
    ----------
    units : tuple of Unit
    target : (n,) float64 array
        1, 0 or NaN where it is missing.
    clinical : pandas.DataFrame
        (n, K), indexed by unit id: numbers as float64; ordinal columns as ordered, categorical
        ones as unordered Categorical with the levels of the task.
    status : pandas.DataFrame
        One row per candidate unit: unit, patient, status ("ok", "excluded"), reason.
    """

    units: tuple[Unit, ...]
    target: NDArray[np.float64]
    clinical: pd.DataFrame
    status: pd.DataFrame

    @property
    def ids(self) -> list[str]:
        """Unit ids in order."""
        return [unit.id for unit in self.units]

    def take(self, keep: Sequence[int]) -> UnitTable:
        """Return the units at the given positions; the status table stays whole."""
        return UnitTable(
            tuple(self.units[i] for i in keep),
            self.target[list(keep)],
            self.clinical.iloc[list(keep)],
            self.status,
        )


def select_units(cohort: Cohort, task: Task, labelled: bool) -> UnitTable:
    """Find every unit of `task` in `cohort`.

    Several regions of one unit (all lesions of the task's roles) are taken as their union.

    Parameters
    ----------
    labelled : bool
        Whether units with a missing target are excluded (training) or kept (prediction).

    Raises
    ------
    InputError
        A column of the task is absent, a value is not of its kind, or no unit is left.
    """
    import numpy as np
    import pandas as pd

    targets = cohort.targets
    source = f"{cohort.root}: table targets"
    if labelled and task.target not in targets:
        raise InputError(source, "columns", f"the target {task.target!r}", f"{list(targets)}")
    candidates = _candidates(cohort, task)
    rows = _target_rows(targets, task)
    target = _targets(source, targets, task)
    clinical = _clinical(source, targets, task)
    kept: list[Unit] = []
    positions: list[int] = []
    status: list[dict[str, Any]] = []
    for unit in candidates:
        row = rows.get(unit.id)
        reason = _reason(unit, task, row, target, labelled)
        status.append(
            {
                "unit": unit.id,
                "patient": unit.patient,
                "status": "excluded" if reason else "ok",
                "reason": reason,
            }
        )
        if not reason:
            kept.append(unit)
            positions.append(-1 if row is None else row)
    if not kept:
        raise InputError(
            str(cohort.root),
            f"task {task.name}",
            "at least one usable unit",
            f"none of {len(candidates)} ({status[0]['reason'] if status else 'no study matches'})",
        )
    padded = np.append(target, np.nan)
    chosen = clinical.reindex(positions)
    chosen.index = pd.Index([u.id for u in kept], name="unit")
    return UnitTable(tuple(kept), padded[positions], chosen, pd.DataFrame(status))


def _key(task: Task, patient: str, part: str | None) -> str:
    return patient if task.unit == "patient" else f"{patient}/{part}"


PART = {"patient": None, "lesion": "lesion_uid", "region": "region"}


def _target_rows(targets: pd.DataFrame, task: Task) -> dict[str, int]:
    part = PART[task.unit]
    parts = targets[part] if part and part in targets else [None] * len(targets)
    return {
        _key(task, patient, piece): row
        for row, (patient, piece) in enumerate(zip(targets["patient"], parts, strict=True))
    }


def _candidates(cohort: Cohort, task: Task) -> list[Unit]:
    wanted = cohort.studies[
        cohort.studies["arm"].isin(task.arms) & cohort.studies["timepoint"].isin(task.timepoints)
    ]
    if wanted.empty:
        found = sorted({(a, t) for a, t in cohort.studies[["arm", "timepoint"]].to_numpy()})
        raise InputError(
            f"{cohort.root}: table studies",
            "arm, timepoint",
            f"one of {list(task.series)} of task {task.name}",
            f"{found}",
        )
    rois = cohort.rois[cohort.rois["role"].isin(task.roles)]
    by_study = {str(study): group for study, group in rois.groupby("study")}
    made: dict[str, Unit] = {}
    for study in wanted.to_dict("records"):
        group = by_study.get(study["study"])
        for part, regions in _parts(cohort, task, group):
            series = Series(
                study["study"],
                study["arm"],
                study["timepoint"],
                study["tracer"],
                cohort.path(study["pet"]) if isinstance(study["pet"], str) else None,
                cohort.path(study["ct"]) if isinstance(study["ct"], str) else None,
                regions,
            )
            key = _key(task, study["patient"], part)
            before = made.get(key)
            made[key] = Unit(
                key,
                study["patient"],
                before.center if before else _text(study.get("center"), "unknown"),
                (*before.series, series) if before else (series,),
            )
    return [made[key] for key in sorted(made)]


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) else default


def _parts(
    cohort: Cohort, task: Task, group: pd.DataFrame | None
) -> list[tuple[str | None, tuple[Region, ...]]]:
    """Regions of one study, by the part of the patient that the task is about."""
    column = PART[task.unit]
    if group is None:
        return [(None, ())] if column is None else []
    if column is None:
        return [(None, _regions(cohort, group))]
    if column not in group:
        raise InputError(
            f"{cohort.root}: table rois",
            "columns",
            f"{column!r}, which task {task.name} is per",
            f"{list(group)}",
        )
    return [(str(part), _regions(cohort, rows)) for part, rows in group.groupby(column)]


def _regions(cohort: Cohort, rows: pd.DataFrame) -> tuple[Region, ...]:
    return tuple(
        Region(
            row["roi"],
            row["role"],
            cohort.path(row["path"]),
            int(row["label"])
            if row.get("label") is not None and row["label"] == row["label"]
            else None,
            row["grid"],
        )
        for row in rows.to_dict("records")
    )


def _reason(
    unit: Unit, task: Task, row: int | None, target: NDArray[np.float64], labelled: bool
) -> str:
    if not any(s.regions for s in unit.series):
        return f"no region of role {', '.join(task.roles)} in the rois table"
    if not any(s.pet for s in unit.series):
        return "no PET in the studies table"
    if labelled and row is None:
        return "no row in the targets table"
    if labelled and row is not None and target[row] != target[row]:
        return f"target {task.target} is missing"
    return ""


def _numbers(source: str, frame: pd.DataFrame, column: str) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    bad = numbers.isna() & frame[column].notna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise InputError(
            source, f"row {row + 2}, column {column}", "a number", repr(frame[column].iloc[row])
        )
    return numbers


def _targets(source: str, targets: pd.DataFrame, task: Task) -> NDArray[np.float64]:
    import numpy as np

    if task.target not in targets:
        return np.full(len(targets), np.nan)
    values = _numbers(source, targets, task.target).to_numpy()
    bad = ~np.isin(values, (0.0, 1.0)) & ~np.isnan(values)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            source,
            f"row {row + 2}, column {task.target}",
            "1 (positive), 0 (negative) or empty (missing)",
            repr(targets[task.target].iloc[row]),
        )
    return values


def _clinical(source: str, targets: pd.DataFrame, task: Task) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    made: dict[str, Any] = {}
    for column in task.clinical.columns:
        if column not in targets:
            raise InputError(
                source, "columns", f"the clinical column {column!r}", f"{list(targets)}"
            )
        levels = {**task.clinical.ordinal, **task.clinical.categorical}.get(column)
        if levels is None:
            numbers = _numbers(source, targets, column)
            if column in task.clinical.log:
                if (numbers <= 0).any():
                    row = int((numbers <= 0).to_numpy().argmax())
                    raise InputError(
                        source,
                        f"row {row + 2}, column {column}",
                        "a number above 0 (its log is used)",
                        repr(targets[column].iloc[row]),
                    )
                numbers = np.log(numbers)
            made[column] = numbers
            continue
        values = targets[column].map(lambda v: None if v is None or v != v else str(v))
        bad = values.notna() & ~values.isin(levels)
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise InputError(
                source,
                f"row {row + 2}, column {column}",
                f"one of {list(levels)}",
                repr(values.iloc[row]),
            )
        made[column] = pd.Categorical(
            values, categories=list(levels), ordered=column in task.clinical.ordinal
        )
    return pd.DataFrame(made, index=range(len(targets)))
