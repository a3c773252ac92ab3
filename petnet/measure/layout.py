"""Columns of the feature table, decided by the task alone; relative changes between time points."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from petnet.measure.lesion import quantities
from petnet.radiomics.extractor import FeatureSet, columns
from petnet.task import Task
from petnet.units import Region, Series

__all__ = ["compartment_prefix", "grouped", "series_prefix", "table_columns", "with_changes"]


def series_prefix(task: Task, arm: str, timepoint: str) -> str:
    """Return `{arm}_{timepoint}__` if the task looks at several series, else nothing."""
    return f"{arm}_{timepoint}__" if len(task.series) > 1 else ""


def compartment_prefix(compartment: str) -> str:
    """Return `{compartment}__`, or nothing where all regions are united."""
    return f"{compartment}__" if compartment else ""


def grouped(task: Task, series: Series) -> dict[str, list[Region]]:
    """Return the regions of interest of a study by compartment, in order; a list may be empty."""
    made: dict[str, list[Region]] = {name: [] for name in task.compartments}
    for roi in series.regions:
        where = {"role": roi.role, "region": roi.region}.get(task.separate, "")
        if where in made:  # a region of interest need not say where it lies
            made[str(where)].append(roi)
    return made


def table_columns(task: Task, sets: Sequence[FeatureSet]) -> list[str]:
    """Name every column but the changes, in an order that neither cache nor units decide."""
    own = [f"measure__{name}" for name in quantities(task.references)]
    own += [column for feature_set in sets for column in columns(feature_set)]
    return [
        series_prefix(task, *series) + compartment_prefix(compartment) + column
        for series in task.series
        for compartment in task.compartments
        for column in own
    ]


def with_changes(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Append the relative change of every lesion quantity since the first time point of its arm.

    The column `delta__{arm}_{timepoint}__...` is (x_t - x_0) / x_0, without unit: -0.3 is a fall of
    30 %, PERCIST's threshold of response (doi:10.2967/jnumed.108.057307). NaN where either is
    missing or x_0 is not above zero. Texture has no such column: many of its features have no
    natural zero, so that a relative change would mean nothing.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns of `table_columns`.
    """
    first, *later = task.timepoints
    names = [
        f"{compartment_prefix(compartment)}measure__{name}"
        for compartment in task.compartments
        for name in quantities(task.references)
    ]
    changes = {}
    for arm in task.arms:
        for timepoint in later:
            now, before = series_prefix(task, arm, timepoint), series_prefix(task, arm, first)
            for name in names:
                base = table[before + name]
                base = base.where(base > 0)
                changes[f"delta__{now}{name}"] = (table[now + name] - base) / base
    return pd.concat([table, pd.DataFrame(changes, index=table.index)], axis=1)
