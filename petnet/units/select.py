"""From a cohort and a task to the units of prediction: their images, regions, labels, columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from petnet.cohort import Cohort
from petnet.errors import InputError
from petnet.task import Task
from petnet.units.columns import Columns, read_columns, status_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "Region",
    "Series",
    "Unit",
    "UnitTable",
    "references_of",
    "regions_of",
    "select_units",
    "series_of",
]


@dataclass(frozen=True)
class Region:
    """One delineated region: a label map file and the label in it (None: all above zero).

    `region` is where in the body it lies, as the rois table names it.
    """

    roi: str
    role: str
    path: Path
    label: int | None
    grid: Literal["pet", "ct"]
    lesion_uid: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class Series:
    """The images of one study (arm × timepoint) that a unit is predicted from.

    `regions` may be empty: the study is there, and nothing of the unit was delineated in it.
    `references` are the task's reference regions (role "reference"): what lesions are set against.
    """

    study: str
    arm: str
    timepoint: str
    tracer: str
    pet: Path | None
    ct: Path | None
    regions: tuple[Region, ...]
    references: tuple[Region, ...] = ()


@dataclass(frozen=True)
class Unit:
    """One thing that is predicted: a patient, a lesion or a region of a patient.

    `group` never stands on both sides of a split: the patient, or a column of the studies table.
    """

    id: str
    patient: str
    group: str
    center: str
    series: tuple[Series, ...]


@dataclass(frozen=True, eq=False)
class UnitTable:
    """The units of a task in a cohort.

    Attributes
    ----------
    units : tuple of Unit
    target : float64 array
        One row per unit, as `petnet.outcome` says; NaN where it is missing.
    clinical : pandas.DataFrame
        (n, K), indexed by unit id: numbers as float64; ordinal columns as ordered, categorical
        ones as unordered Categorical with the levels of the task.
    status : pandas.DataFrame
        One row per candidate unit: unit, patient, status ("ok", "excluded"), reason, studies
        (tuple of str). A region that belongs to no unit has a row with an empty unit.
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


def select_units(
    cohort: Cohort, task: Task, labelled: bool, clinical_needed: bool = True
) -> UnitTable:
    """Find every unit of `task` in `cohort`.

    A unit has a series for every study of its patient, also where none of its regions was
    delineated: a lesion that only the other tracer shows, or that is gone at follow-up.

    Parameters
    ----------
    labelled : bool
        True for training: a missing target excludes a unit, a bad value anywhere is an error.
        False for prediction: targets may be absent, and a bad value excludes its unit alone.
    clinical_needed : bool
        False leaves the clinical columns unread, for models that do not look at them.

    Raises
    ------
    InputError
        A column of the task is absent, a value is not of its kind (training), or there is no unit.
    """
    import numpy as np

    source = f"{cohort.root}: table targets"
    for column in task.target_columns if labelled else ():
        if column not in cohort.targets:
            raise InputError(source, "columns", f"the target {column!r}", f"{list(cohort.targets)}")
    candidates, excluded = _candidates(cohort, task)
    rows = _target_rows(source, cohort.targets, task)
    columns = read_columns(source, cohort.targets, task, clinical_needed)
    if labelled and columns.faults:
        raise columns.faults[min(columns.faults)]
    kept: list[Unit] = []
    positions: list[int] = []
    status = [{**row, "status": "excluded"} for row in excluded]
    for unit in candidates:
        row = rows.get(unit.id)
        reason = _reason(unit, task, row, columns, labelled)
        status.append(
            {
                "unit": unit.id,
                "patient": unit.patient,
                "status": "excluded" if reason else "ok",
                "reason": reason,
                "studies": tuple(s.study for s in unit.series),
            }
        )
        if not reason:
            kept.append(unit)
            positions.append(-1 if row is None else row)
    if not status or (labelled and not kept):
        raise InputError(
            str(cohort.root),
            f"task {task.name}",
            "at least one usable unit",
            f"none of {len(status)} ({status[0]['reason'] if status else 'no study matches'})",
        )
    return UnitTable(
        tuple(kept),
        np.concatenate([columns.target, task.outcome.empty(1)])[positions],
        columns.clinical_of(positions, [u.id for u in kept]),
        status_table(status),
    )


def _key(task: Task, patient: str, part: str | None) -> str:
    return patient if task.unit == "patient" else f"{patient}/{part}"


Part = tuple[str | None, tuple[Region, ...]]
PART = {"patient": None, "lesion": "lesion_uid", "region": "region"}


def _target_rows(source: str, targets: pd.DataFrame, task: Task) -> dict[str, int]:
    """Row of each unit: those of the task's own level, so that levels may share the table.

    A row with a lesion is about that lesion, whose region may stand beside it; one with a region
    alone is about the region, one with neither about the patient.
    """
    own = PART[task.unit]
    rows: dict[str, int] = {}
    for row, record in enumerate(targets.to_dict("records")):
        level = next((c for c in ("lesion_uid", "region") if isinstance(record.get(c), str)), None)
        if level != own:
            continue
        key = _key(task, record["patient"], record.get(own) if own else None)
        if key in rows:
            raise InputError(source, f"row {row + 2}", f"one row per {task.unit}", f"{key!r} twice")
        rows[key] = row
    return rows


def _candidates(cohort: Cohort, task: Task) -> tuple[list[Unit], list[dict[str, Any]]]:
    """Return units in order of their id, and a row for each region that belongs to none."""
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
    if task.regions:
        rois = _in_regions(cohort, rois, task)
    by_study = {str(study): group for study, group in rois.groupby("study")}
    references = references_of(cohort, task)
    studies = wanted.to_dict("records")
    shown = {s["study"]: _parts(cohort, task, by_study.get(s["study"])) for s in studies}
    made: dict[str, Unit] = {}
    excluded: list[dict[str, Any]] = []
    parts = _parts_of_patients(task, studies, shown)
    for study in studies:
        regions = dict(shown[study["study"]])
        if not parts[study["patient"]] or (PART[task.unit] and None in regions):
            reason = f"a region of study {study['study']} without {PART[task.unit]}, or no region"
            excluded.append(
                {
                    "unit": "",
                    "patient": study["patient"],
                    "reason": reason,
                    "studies": (study["study"],),
                }
            )
        for part in parts[study["patient"]]:
            own = regions.get(part, ())  # none: seen in another study of the patient, not in this
            series = series_of(cohort, study, own, references.get(study["study"], ()))
            _add_series(made, _key(task, study["patient"], part), study, cohort, series, task)
    return [made[key] for key in sorted(made)], excluded


def _parts_of_patients(
    task: Task, studies: Sequence[dict[Hashable, Any]], shown: Mapping[str, Sequence[Part]]
) -> dict[str, list[str | None]]:
    """Return the parts of each patient that any study shows; those without a name are none."""
    made: dict[str, dict[str | None, None]] = {}
    for study in studies:
        named = [p for p, _ in shown[study["study"]] if p is not None or PART[task.unit] is None]
        made.setdefault(study["patient"], {}).update(dict.fromkeys(named))
    return {patient: list(parts) for patient, parts in made.items()}


def _in_regions(cohort: Cohort, rois: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return the rows of the task's regions of the body."""
    if "region" not in rois:
        raise InputError(
            f"{cohort.root}: table rois", "columns", "'region', of which the task names some",
            f"{list(rois)}",
        )  # fmt: skip
    return rois[rois["region"].isin(task.regions)]


def references_of(cohort: Cohort, task: Task) -> dict[str, tuple[Region, ...]]:
    """Return the task's reference regions by study."""
    if not task.references:
        return {}
    rows = cohort.rois[cohort.rois["role"] == "reference"]
    rows = rows[rows["region"].isin(task.references)] if "region" in rows else rows.iloc[:0]
    return {str(study): regions_of(cohort, group) for study, group in rows.groupby("study")}


def series_of(
    cohort: Cohort,
    study: dict[Hashable, Any],
    regions: tuple[Region, ...],
    references: tuple[Region, ...],
) -> Series:
    """Return a row of the studies table with its regions."""
    return Series(
        study["study"],
        study["arm"],
        study["timepoint"],
        study["tracer"],
        cohort.path(study["pet"]) if isinstance(study["pet"], str) else None,
        cohort.path(study["ct"]) if isinstance(study["ct"], str) else None,
        regions,
        references,
    )


def _add_series(
    made: dict[str, Unit],
    key: str,
    study: dict[Hashable, Any],
    cohort: Cohort,
    series: Series,
    task: Task,
) -> None:
    group = study.get(task.group)
    if not isinstance(group, str):
        raise InputError(
            f"{cohort.root}: table studies",
            f"study {study['study']}, column {task.group}",
            "a value, as it is the task's group",
            "none",
        )
    before = made.get(key)
    if before and before.group != group:
        raise InputError(
            f"{cohort.root}: table studies",
            f"patient {study['patient']}, column {task.group}",
            "one group per patient",
            f"{before.group!r} and {group!r}",
        )
    center = before.center if before else _text(study.get("center"), "unknown")
    earlier = before.series if before else ()
    made[key] = Unit(key, study["patient"], group, center, (*earlier, series))


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) else default


def _parts(cohort: Cohort, task: Task, group: pd.DataFrame | None) -> list[Part]:
    """Regions of one study, by the part of the patient that the task is about."""
    column = PART[task.unit]
    if group is None:
        return [(None, ())] if column is None else []
    if column is None:
        return [(None, regions_of(cohort, group))]
    if column not in group:
        raise InputError(
            f"{cohort.root}: table rois",
            "columns",
            f"{column!r}, which task {task.name} is per",
            f"{list(group)}",
        )
    return [
        (part if isinstance(part, str) else None, regions_of(cohort, rows))
        for part, rows in group.groupby(column, dropna=False)
    ]


def regions_of(cohort: Cohort, rows: pd.DataFrame) -> tuple[Region, ...]:
    """Return rows of the rois table, in order."""
    return tuple(
        Region(
            row["roi"],
            row["role"],
            cohort.path(row["path"]),
            int(row["label"])
            if row.get("label") is not None and row["label"] == row["label"]
            else None,
            row["grid"],
            row["lesion_uid"] if isinstance(row.get("lesion_uid"), str) else None,
            row["region"] if isinstance(row.get("region"), str) else None,
        )
        for row in rows.to_dict("records")
    )


def _reason(unit: Unit, task: Task, row: int | None, columns: Columns, labelled: bool) -> str:
    if not any(s.regions for s in unit.series):
        return f"no region of role {', '.join(task.roles)} in the rois table"
    if not any(s.pet and s.regions for s in unit.series):
        return "no PET in the studies table"
    if row in columns.faults:
        return str(columns.faults[row])
    if labelled and row is None:
        return "no row in the targets table"
    if labelled and row is not None and not columns.known[row]:
        return f"target {', '.join(task.target_columns)} is missing"
    return ""
