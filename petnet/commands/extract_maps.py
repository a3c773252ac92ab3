"""`petnet extract features=maps`: feature maps of a cohort as NIfTI, with a table of what is where.

Beside `out` (.csv or .parquet) lies a folder of the same name without its ending.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.commands.common import build, open_cohort, with_suffix
from petnet.errors import InputError
from petnet.files import atomic_path, check_writable_folder, json_text
from petnet.measure.described import with_suv
from petnet.measure.pet import common_suv_unit
from petnet.measure.study_maps import StudyMaps, study_maps
from petnet.radiomics.maps import MapSpec
from petnet.units import select_studies

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from petnet.task import Task
    from petnet.units import RowKind

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write maps, table, provenance and status; returns the number of studies that failed."""
    out = Path(config.out)
    folder = out.with_suffix("")
    check_writable_folder(folder)
    specs = map_specs(config.features)
    task: Task | None = build(config.task, "task") if config.get("task") else None
    roles = None if config.roles is None else list(config.roles)
    kind: RowKind = "study" if config.rows == "unit" else config.rows
    studies = select_studies(open_cohort(config), kind, task, roles)
    suv = common_suv_unit(study.series.pet for study in studies)
    made = study_maps(studies, kind, specs, folder, config.device)
    made.table["file"] = [f"{folder.name}/{file}" for file in made.table["file"]]
    _write(out, made, with_suv([spec.provenance() for spec in specs], suv))
    for row in made.status.to_dict("records"):
        if row["status"] not in ("ok", "skipped"):
            log.error("%s %s: %s", row["study"], row["status"], row["reason"])
    log.info("%d maps in %s, listed in %s", len(made.table), folder, out)
    return made.failures


def map_specs(config: DictConfig) -> list[MapSpec]:
    """Build the map specifications of a `features` config."""
    made = [build(part, f"features.maps.{name}") for name, part in config.maps.items()]
    for one in made:
        if not isinstance(one, MapSpec):
            raise InputError("settings", "features.maps", "a MapSpec each", repr(one))
    return made


def _write(out: Path, made: StudyMaps, described: list[dict[str, Any]]) -> None:
    """Write the three tables, all of them or none."""
    with (
        atomic_path(with_suffix(out, ".status.csv")) as status,
        atomic_path(with_suffix(out, ".provenance.json")) as text,
        atomic_path(out) as table,
    ):
        made.status.to_csv(status, index=False)
        text.write_text(json_text(described), encoding="utf-8")
        if out.suffix == ".csv":
            made.table.to_csv(table, index=False)
        else:
            made.table.to_parquet(table, index=False)
