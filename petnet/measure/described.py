"""Where the columns of a feature table come from: its provenance file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from petnet.measure.layout import compartment_prefix, series_prefix
from petnet.measure.lesion import MTV_FRACTION, quantities
from petnet.radiomics.extractor import FeatureSet, provenance
from petnet.task import Task
from petnet.volume import Unit

__all__ = ["describe_table", "with_suv"]

#: Quantity to unit, IBSI code of what it is in one lesion, and definition.
DEFINED: dict[str, tuple[str, str | None, str]] = {
    "SUVmax": ("SUV", "84IY", "largest SUV"),
    "SUVmean": ("SUV", "Q4LE", "mean SUV; of several lesions weighted by volume"),
    "MTV41": ("ml", None, f"volume from {MTV_FRACTION:.0%} of each lesion's own SUVmax on, summed"),
    "TLG41": ("SUV·ml", None, "mean SUV of MTV41 times MTV41 of each lesion, summed"),
    "volume_ml": ("ml", "YEKZ", "voxels times voxel volume, summed over lesions"),
    "count": ("1", None, "number of lesions"),
    "short_axis_mm": ("mm", None, "across the longest axial diameter (RECIST 1.1), the largest"),
}
SOURCES = ("doi:10.1007/s00259-014-2961-x", "doi:10.1016/j.ejca.2008.10.026")


def describe_table(
    sets: Sequence[FeatureSet],
    task: Task | None = None,
    references: Sequence[str] = (),
    suv: Unit = "SUVbw",
) -> list[dict[str, Any]]:
    """Describe every column: first the lesion quantities, then set by set as `provenance`.

    Parameters
    ----------
    task : Task, optional
        Of a table of units: its references, and `prefixes`, which stand before every column where
        the task has several series or compartments.
    references : sequence of str
        Of a table without a task.
    suv : str
        Kind of SUV of all PETs: what "SUV" is in names of columns, and in place of it in units.
    """
    named = task.references if task is not None else references
    return with_suv([_quantities(named, task), *(provenance(one) for one in sets)], suv)


def with_suv(described: Sequence[dict[str, Any]], suv: Unit) -> list[dict[str, Any]]:
    """Return descriptions of columns or maps with the kind of SUV in place of "SUV" in units."""
    made = []
    for part in described:
        kind = "columns" if "columns" in part else "maps"
        named = {
            name: one | {"unit": re.sub(r"\bSUV\b", suv, one["unit"])}
            for name, one in part[kind].items()
        }
        made.append(part | {kind: named})
    return made


def _quantities(references: Sequence[str], task: Task | None) -> dict[str, Any]:
    import petnet

    columns = {}
    for name in quantities(references):
        unit, code, what = DEFINED.get(name, ("1", None, ""))
        if name not in DEFINED:  # TBR_{region}
            what = f"SUVmax over the mean SUV of the reference region {name.partition('_')[2]}"
        columns[f"measure__{name}"] = {
            "feature": name,
            "ibsi_code": code,
            "unit": unit,
            "definition": what,
        }
    return {
        "feature_set": {"name": "measure", "modality": "PT"},
        "sources": list(SOURCES),
        "versions": {"petnet": petnet.__version__},
        "columns": columns,
        **({} if task is None else _layout(task)),
    }


def _layout(task: Task) -> dict[str, Any]:
    prefixes = [
        series_prefix(task, *series) + compartment_prefix(compartment)
        for series in task.series
        for compartment in task.compartments
    ]
    layout: dict[str, Any] = {"prefixes": prefixes}
    if len(task.timepoints) > 1:
        first = task.timepoints[0]
        layout["delta"] = f"delta__: (value - value at {first}) / value at {first}"
    return layout
