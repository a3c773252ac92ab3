"""The feature table of a task: radiomics and lesion quantities, one row per unit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from petnet.measure.layout import table_columns, with_changes
from petnet.measure.reading import read_unit
from petnet.measure.rows import Item, Rows, compute_rows, key_of
from petnet.radiomics.extractor import FeatureSet
from petnet.radiomics.kernels.dispatch import resolve_device
from petnet.task import Task
from petnet.units import Unit

__all__ = ["feature_table"]

log = logging.getLogger(__name__)


def feature_table(
    units: Sequence[Unit],
    task: Task,
    sets: Sequence[FeatureSet] = (),
    device: str = "auto",
    cache: Path | None = None,
    workers: int = 2,
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Compute every feature of every unit.

    Parameters
    ----------
    units : sequence of Unit
    task : Task
        Its series, compartments, references and time points make the columns.
    sets : sequence of FeatureSet
        None gives the lesion quantities alone.
    device : {"auto", "cpu", "cuda"}
        Where texture is counted.
    cache : Path, optional
        Folder of rows already computed, keyed by the content of the files, the feature sets, what
        of the task makes columns, and the version of this stage.
    workers : int
        Threads that read and decompress.

    Returns
    -------
    table : pandas.DataFrame
        (units without failure, F) float64, indexed by unit id; columns
        `[{arm}_{timepoint}__][{compartment}__]measure__{quantity}` and those of the feature sets,
        with the first part where the task has several series and the second where it keeps
        compartments separate; then `delta__...` (`with_changes`). A study or a CT that is not
        there has NaN; a compartment in which nothing is delineated has count and volumes of 0
        (`nothing_delineated`).
    status : list of dict
        unit, patient, stage, status, reason, flagged (which sets and families lie below the gate,
        `petnet.radiomics.gate`): one row per unit. A unit whose row would lack a compartment for a
        fault fails as a whole: no model is to learn from half of it.
    """
    folder = None if cache is None else Path(cache) / "features"
    chosen = resolve_device(device)
    _warn_of_references(units, task)
    items = [_item(unit, task, tuple(sets)) for unit in units]
    made = compute_rows(items, sets, chosen, folder, workers)
    found = {u.id: made[u.id].values[u.id] for u in units if u.id in made[u.id].values}
    table = pd.DataFrame.from_dict(found, orient="index", dtype="float64")
    table = with_changes(table.reindex(columns=table_columns(task, sets)), task)
    table.index.name = "unit"
    return table, [_status(unit, made[unit.id]) for unit in units]


def _item(unit: Unit, task: Task, sets: tuple[FeatureSet, ...]) -> Item:
    layout = ("unit", unit.id, task.series, task.separate, task.compartments, task.references)
    modalities = {one.modality for one in sets}
    return Item(
        unit.id,
        # a run keeps the hash of all images that the tables name, wanted or not: they must be there
        lambda: key_of(layout, sets, unit.series, {"PT", "CT"}),
        lambda: read_unit(unit, task, modalities),
    )


def _status(unit: Unit, rows: Rows) -> dict[str, str]:
    reason = rows.fault or rows.failed.get(unit.id, "")
    return {
        "unit": unit.id,
        "patient": unit.patient,
        "stage": "features",
        "status": "failed" if reason else "ok",
        "reason": reason,
        "flagged": rows.flagged.get(unit.id, ""),
    }


def _warn_of_references(units: Sequence[Unit], task: Task) -> None:
    found = {r.region for unit in units for series in unit.series for r in series.references}
    for region in (r for r in task.references if r not in found):
        log.warning("no reference region %s in any study: TBR_%s stays empty", region, region)
