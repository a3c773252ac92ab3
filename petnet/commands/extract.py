"""`petnet extract`: radiomics and lesion quantities of a cohort, with their provenance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from petnet.commands import extract_maps
from petnet.commands.common import build, feature_sets, lay_in_parameters, open_cohort, with_suffix
from petnet.errors import InputError
from petnet.files import atomic_path, json_text
from petnet.measure.described import describe_table
from petnet.measure.pet import common_suv_unit
from petnet.measure.study_table import study_table
from petnet.measure.tabulate import feature_table
from petnet.units import select_studies, select_units

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from petnet.radiomics.extractor import FeatureSet
    from petnet.task import Task

log = logging.getLogger(__name__)
UNIT_STATUS = ("unit", "patient", "stage", "status", "reason", "flagged")


@dataclass(frozen=True, eq=False)
class _Made:
    """The three files, and how many units or studies are not whole."""

    table: pd.DataFrame
    status: pd.DataFrame
    described: list[dict[str, Any]]
    missed: int
    index: bool


def run(config: DictConfig) -> int:
    """Write table, provenance and status; returns the number of units or studies that failed."""
    out = Path(config.out)
    if out.suffix not in (".parquet", ".csv"):
        raise InputError("settings", "out", "a name ending in .parquet or .csv", str(out))
    if config.features.get("maps"):
        return extract_maps.run(config)
    task: Task | None = build(config.task, "task") if config.get("task") else None
    lay_in_parameters(config)
    sets = feature_sets(config.features)
    made = (_units if config.rows == "unit" else _studies)(config, task, sets)
    _write(out, made)
    _say_missed(made)
    _say_flagged(made)
    log.info("%d rows, %d columns in %s", len(made.table), made.table.shape[1], out)
    return made.missed


def _units(config: DictConfig, task: Task | None, sets: Sequence[FeatureSet]) -> _Made:
    if task is None:
        remedy = "Choose a task, or rows=lesion, region or study"
        raise InputError("settings", "task", "a task, whose units the rows are", "none", remedy)
    if config.roles is not None:
        raise InputError("settings", "roles", "null with rows=unit: the task's", f"{config.roles}")
    units = select_units(open_cohort(config), task, labelled=False, clinical_needed=False)
    suv = common_suv_unit(one.pet for unit in units.units for one in unit.series)
    table, status = feature_table(
        units.units, task, sets, config.device, Path(config.data.cache), config.data.workers
    )
    excluded = units.status[units.status["status"] == "excluded"].assign(
        stage="selection", flagged=""
    )
    rows = pd.concat([pd.DataFrame(status, columns=UNIT_STATUS), excluded[list(UNIT_STATUS)]])
    notes = {row["unit"]: row["flagged"] for row in status}
    table["flagged"] = [notes[unit] for unit in table.index]
    missed = int((rows["status"] != "ok").sum())
    return _Made(table, rows, describe_table(sets, task, suv=suv), missed, index=True)


def _studies(config: DictConfig, task: Task | None, sets: Sequence[FeatureSet]) -> _Made:
    roles = None if config.roles is None else list(config.roles)
    studies = select_studies(open_cohort(config), config.rows, task, roles)
    suv = common_suv_unit(study.series.pet for study in studies)
    references = task.references if task is not None else ()
    made = study_table(
        studies,
        config.rows,
        sets,
        references,
        config.device,
        Path(config.data.cache),
        config.data.workers,
    )
    described = describe_table(sets, references=references, suv=suv)
    return _Made(made.table, made.status, described, made.failures, index=False)


def _say_missed(made: _Made) -> None:
    for row in made.status.to_dict("records"):
        if row["status"] not in ("ok", "skipped"):
            name = row["unit" if made.index else "study"] or row["patient"]
            log.error("%s %s: %s", name, row["status"], row["reason"])


def _say_flagged(made: _Made) -> None:
    flagged = int((made.table["flagged"] != "").sum())
    if flagged:
        what = "are too small or too flat for some features; column flagged says which"
        log.warning("%d of %d rows %s", flagged, len(made.table), what)


def _write(out: Path, made: _Made) -> None:
    """Write the three files, all of them or none."""
    beside = atomic_path(with_suffix(out, ".provenance.json"))
    with (
        atomic_path(with_suffix(out, ".status.csv")) as rows,
        beside as text,
        atomic_path(out) as t,
    ):
        text.write_text(json_text(made.described), encoding="utf-8")
        made.status.to_csv(rows, index=False)
        if out.suffix == ".csv":
            made.table.to_csv(t, index=made.index)
        else:
            made.table.to_parquet(t, index=made.index)
