"""From a cohort to rows that are not units: each region, each named part, or all of a study."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from petnet.cohort import Cohort
from petnet.errors import InputError
from petnet.task import Task
from petnet.units.select import Region, Series, references_of, regions_of, series_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ROW_COLUMNS", "RowKind", "Study", "StudyRow", "select_studies"]

RowKind = Literal["lesion", "region", "study"]
STUDY_COLUMNS = ("patient", "study", "timepoint", "arm")
#: What names a row of each kind, in the order of the table.
ROW_COLUMNS: dict[RowKind, tuple[str, ...]] = {
    "lesion": (*STUDY_COLUMNS, "roi", "role", "region", "lesion_uid", "label"),
    "region": (*STUDY_COLUMNS, "region"),
    "study": STUDY_COLUMNS,
}
REFERENCE = "reference"


@dataclass(frozen=True)
class StudyRow:
    """A row of a table: what it is called in its study, and the regions that it unites."""

    name: str
    columns: dict[str, Any]
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Study:
    """A study and its rows.

    Attributes
    ----------
    patient : str
    series : Series
        Its images and reference regions, and all regions of its rows.
    rows : tuple of StudyRow
        Empty where nothing was delineated.
    skipped : str
        Why the study is not looked at at all; else empty.
    unnamed : tuple of str
        Regions of interest that belong to no row, as they do not say where they lie.
    """

    patient: str
    series: Series
    rows: tuple[StudyRow, ...]
    skipped: str = ""
    unnamed: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, str]:
        """What names the study."""
        of = self.series
        values = (self.patient, of.study, of.timepoint, of.arm)
        return dict(zip(STUDY_COLUMNS, values, strict=True))


def select_studies(
    cohort: Cohort, kind: RowKind, task: Task | None = None, roles: Sequence[str] | None = None
) -> list[Study]:
    """Return every study of a cohort with its rows, in the order of the studies table.

    Parameters
    ----------
    kind : {"lesion", "region", "study"}
        One row for every row of the rois table, for the union of those of one region of the body,
        or for the union of all.
    task : Task, optional
        Studies of other arms or time points are skipped, other roles and regions left out; its
        reference regions are those of the study.
    roles : sequence of str, optional
        Of the regions that are looked at. By default those of the task; without one all but
        "reference".

    Raises
    ------
    InputError
        `kind` is "region" and the rois table has no such column, or no region has one of `roles`.
    """
    rois = _wanted(cohort, task, roles)
    if kind == "region" and "region" not in rois:
        source = f"{cohort.root}: table rois"
        raise InputError(source, "columns", "'region', for rows=region", f"{list(rois)}")
    by_study = {str(study): group for study, group in rois.groupby("study")}
    references = references_of(cohort, task) if task is not None else {}
    made = []
    for study in cohort.studies.to_dict("records"):
        name, group = study["study"], by_study.get(study["study"])
        regions = () if group is None else regions_of(cohort, group)
        series = series_of(cohort, study, regions, references.get(name, ()))
        other = task is not None and (series.arm, series.timepoint) not in task.series
        if task is not None and other:
            why = f"arm {series.arm}, timepoint {series.timepoint}: not of task {task.name}"
            made.append(Study(study["patient"], series, (), why))
            continue
        rows = tuple(_rows(study, regions, kind))
        unnamed = [r.roi for r in regions if kind == "region" and r.region is None]
        made.append(Study(study["patient"], series, rows, unnamed=tuple(unnamed)))
    return made


def _wanted(cohort: Cohort, task: Task | None, roles: Sequence[str] | None) -> pd.DataFrame:
    """Return the rows of the rois table that are looked at."""
    rois = cohort.rois
    if roles is None and task is None:
        return rois[rois["role"] != REFERENCE]
    wanted = roles if roles is not None or task is None else task.roles
    chosen = rois[rois["role"].isin(list(wanted or ()))]
    if chosen.empty and not rois.empty:
        source = f"{cohort.root}: table rois"
        known = f"{sorted(rois['role'].unique())}"
        raise InputError(source, "role", f"some of {list(wanted or ())}", known)
    if task is not None and task.regions and "region" in chosen:
        return chosen[chosen["region"].isin(task.regions)]
    return chosen


def _rows(
    study: dict[Hashable, Any], regions: Sequence[Region], kind: RowKind
) -> Iterator[StudyRow]:
    """Yield the rows of one study; regions of the body in the order of the rois table."""
    own = {column: study[column] for column in STUDY_COLUMNS}
    if kind == "study" and regions:
        yield StudyRow("", own, tuple(regions))
    if kind == "region":
        for name in dict.fromkeys(r.region for r in regions if r.region is not None):
            parts = tuple(r for r in regions if r.region == name)
            yield StudyRow(name, own | {"region": name}, parts)
    if kind == "lesion":
        seen: dict[str, int] = {}
        for region in regions:
            seen[region.roi] = seen.get(region.roi, 0) + 1
            again = f" ({seen[region.roi]})" if seen[region.roi] > 1 else ""  # another reader's
            more = {c: getattr(region, c) for c in ROW_COLUMNS["lesion"][len(STUDY_COLUMNS) :]}
            yield StudyRow(region.roi + again, own | more, (region,))
