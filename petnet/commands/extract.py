"""`petnet extract`: radiomics and lesion quantities of a cohort, with their provenance."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from petnet.commands.common import build, feature_sets, open_cohort, with_suffix
from petnet.errors import InputError
from petnet.files import atomic_path, write_csv, write_json
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
        raise InputError("setting", "out", "a name ending in .parquet or .csv", str(out))
    task = build(config.task, "task")
    sets = feature_sets(config.features)
    units = select_units(open_cohort(config), task, labelled=False, clinical_needed=False)
    table, status = feature_table(
        units.units, task, sets, config.device, Path(config.data.cache), config.data.workers
    )
    excluded = units.status[units.status["status"] == "excluded"].assign(stage="selection")
    if out.suffix == ".csv":
        write_csv(out, table, index=True)
    else:
        with atomic_path(out) as temporary:
            table.to_parquet(temporary)
    write_json(with_suffix(out, ".provenance.json"), [provenance(s) for s in sets])
    columns = ["unit", "patient", "stage", "status", "reason"]
    rows = pd.concat([pd.DataFrame(status, columns=columns), excluded[columns]])
    write_csv(with_suffix(out, ".status.csv"), rows)
    failed = [row for row in status if row["status"] == "failed"]
    for row in failed:
        log.error("%s: %s", row["unit"], row["reason"])
    log.info("%d units, %d columns in %s", len(table), table.shape[1], out)
    return len(failed) + len(excluded)
