"""From units to samples: features and crops, with one status row for each unit and stage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from petnet.devices import Device
from petnet.imaging.config import ImagingConfig
from petnet.imaging.store import CropStore, prepare_crops
from petnet.measure.tabulate import feature_table
from petnet.models.protocol import InputKind, Samples
from petnet.radiomics.extractor import FeatureSet
from petnet.task import Task
from petnet.units import UnitTable

__all__ = ["Inputs", "load_inputs"]

STATUS_COLUMNS = ("unit", "patient", "stage", "status", "reason", "flagged")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the models of a run see.

    Attributes
    ----------
    table : UnitTable
        The units that every stage could read.
    samples : Samples
        The same units in the same order.
    status : pandas.DataFrame
        unit, patient, stage, status ("ok", "excluded", "failed"), reason, flagged (features that
        the unit is too small or too flat for); one row per candidate.
    """

    table: UnitTable
    samples: Samples
    status: pd.DataFrame

    @property
    def failures(self) -> int:
        """How many candidates a stage failed on (exclusions by rule are none)."""
        return int((self.status["status"] == "failed").sum())


def load_inputs(
    table: UnitTable,
    task: Task,
    sets: Sequence[FeatureSet],
    imaging: ImagingConfig,
    needs: Collection[InputKind],
    device: Device,
    kernel_device: str,
    cache: Path,
    workers: int,
) -> Inputs:
    """Compute or fetch features and, where asked for, crops; leave out what cannot be read.

    Parameters
    ----------
    table : UnitTable
    task : Task
        Its series (arms × timepoints) make the channels; they, its compartments and its references
        make the columns.
    device : {"cpu", "cuda"}
        Where torch works.
    kernel_device : {"auto", "cpu", "cuda"}
        Where texture is counted; "auto" may differ from `device` where CuPy is not installed.

    Notes
    -----
    A table without a single readable unit is returned as such; training refuses it.
    """
    features, feature_status = feature_table(table.units, task, sets, kernel_device, cache, workers)
    rows: list[dict[str, Any]] = list(feature_status)
    images: CropStore | None = None
    if "image" in needs:
        images, image_status = prepare_crops(
            table.units, imaging, cache / "crops", device, series=task.series, threads=workers
        )
        rows += image_status
    failed: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["status"] != "ok":
            failed.setdefault(row["unit"], row)  # the first stage that failed speaks
    keep = [i for i, unit in enumerate(table.units) if unit.id not in failed]
    kept = table.take(keep)
    samples = Samples(
        ids=tuple(kept.ids),
        groups=tuple(u.group for u in kept.units),
        patients=tuple(u.patient for u in kept.units),
        centers=tuple(u.center for u in kept.units),
        target=kept.target,
        clinical=kept.clinical,
        radiomics=features.loc[kept.ids],
        images=images,
        outcome=task.outcome,
    )
    notes = {row["unit"]: row["reason"] for row in rows if row["status"] == "ok" and row["reason"]}
    flagged = {row["unit"]: row["flagged"] for row in feature_status if row["flagged"]}
    return Inputs(kept, samples, _status(table, failed, notes, flagged))


def _status(
    table: UnitTable,
    failed: dict[str, dict[str, Any]],
    notes: dict[str, str],
    flagged: dict[str, str],
) -> pd.DataFrame:
    rows = []
    for row in table.status.to_dict("records"):
        found: dict[Any, Any] = {**row, "stage": "selection"}
        found["flagged"] = flagged.get(row["unit"], "")
        if row["status"] == "ok" and row["unit"] in notes:
            found["reason"] = notes[row["unit"]]
        found |= failed.get(row["unit"], {})
        rows.append({k: found[k] for k in STATUS_COLUMNS})
    return pd.DataFrame(rows, columns=list(STATUS_COLUMNS))
