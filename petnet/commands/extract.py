"""`petnet extract`: radiomics and lesion quantities of a cohort, with their provenance."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from petnet.commands.common import build, feature_sets, open_cohort, with_suffix
from petnet.errors import InputError
from petnet.files import atomic_path, json_text
from petnet.measure.tabulate import feature_table
from petnet.radiomics.extractor import provenance
from petnet.units import select_units

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write table, provenance and status; returns the number of units that failed."""
    out = Path(config.out)
    if out.suffix not in (".parquet", ".csv"):
        raise InputError("settings", "out", "a name ending in .parquet or .csv", str(out))
    task = build(config.task, "task")
    sets = feature_sets(config.features)
    units = select_units(open_cohort(config), task, labelled=False, clinical_needed=False)
    table, status = feature_table(
        units.units, task, sets, config.device, Path(config.data.cache), config.data.workers
    )
    excluded = units.status[units.status["status"] == "excluded"].assign(stage="selection")
    columns = ["unit", "patient", "stage", "status", "reason"]
    rows = pd.concat([pd.DataFrame(status, columns=columns), excluded[columns]])
    _write(out, table, [provenance(s) for s in sets], rows)
    missed = rows[rows["status"] != "ok"]
    for row in missed.to_dict("records"):
        log.error("%s %s: %s", row["unit"] or row["patient"], row["status"], row["reason"])
    log.info("%d units, %d columns in %s", len(table), table.shape[1], out)
    return len(missed)


def _write(out: Path, table: pd.DataFrame, described: list[Any], status: pd.DataFrame) -> None:
    """Write the three files, all of them or none."""
    beside = atomic_path(with_suffix(out, ".provenance.json"))
    with (
        atomic_path(with_suffix(out, ".status.csv")) as rows,
        beside as text,
        atomic_path(out) as t,
    ):
        text.write_text(json_text(described), encoding="utf-8")
        status.to_csv(rows, index=False)
        if out.suffix == ".csv":
            table.to_csv(t)
        else:
            table.to_parquet(t)
