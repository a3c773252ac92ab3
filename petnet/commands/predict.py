"""`petnet predict`: apply the fold ensemble of a finished run to a cohort."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from petnet.commands.common import (
    build,
    feature_sets,
    open_cohort,
    resolve_device,
    with_suffix,
)
from petnet.errors import InputError
from petnet.evaluation.inputs import Inputs, load_inputs
from petnet.evaluation.run_folder import RunFolder, finished_run
from petnet.files import atomic_path
from petnet.models.registry import load_model
from petnet.progress import track
from petnet.units import UnitTable, select_units

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write predictions and status; returns the number of studies without a prediction."""
    from omegaconf import OmegaConf

    folder = finished_run(Path(config.run))
    trained: Any = OmegaConf.load(folder.path / "config.yaml")
    known = json.loads((folder.path / "provenance.json").read_text(encoding="utf-8"))
    task = build(trained.task, "task")
    candidates = select_units(open_cohort(config), task, labelled=False)
    table, refused = _in_scope(candidates, known["tracers"])
    inputs = load_inputs(
        table,
        task,
        feature_sets(trained.features),
        build(trained.imaging, "imaging"),
        build(trained.model, "model").inputs,
        resolve_device(config.device),
        config.device,
        Path(config.data.cache),
        config.data.workers,
    )
    out = Path(config.out)
    status = _study_status(candidates, inputs, refused)
    _write(_ensemble(folder, inputs), out)
    _write(status, with_suffix(out, ".status.csv"))
    missed = status[status["status"] != "ok"]
    for row in missed.to_dict("records"):
        log.error("%s %s: %s", row["study"], row["status"], row["reason"])
    log.info("%d of %d studies predicted: %s", len(status) - len(missed), len(status), out)
    return len(missed)


def _in_scope(table: UnitTable, tracers: list[str]) -> tuple[UnitTable, dict[str, str]]:
    """Refuse units of a tracer that the run was not trained on."""
    refused: dict[str, str] = {}
    for unit in table.units:
        foreign = {s.tracer for s in unit.series} - set(tracers)
        if foreign:
            refused[unit.id] = f"tracer {sorted(foreign)}: the run was trained on {tracers}"
    keep = [i for i, unit in enumerate(table.units) if unit.id not in refused]
    if not keep:
        raise InputError("cohort", "tracer", f"one of {tracers}", next(iter(refused.values())))
    return table.take(keep), refused


def _ensemble(folder: RunFolder, inputs: Inputs) -> pd.DataFrame:
    """Average the probabilities of all fold models."""
    samples = inputs.samples
    models = sorted(folder.path.glob("folds/*/model"))
    made = np.stack(
        [load_model(m).predict(samples)[:, 0] for m in track(models, "models", len(models))]
    )
    seen = set(pd.read_csv(folder.path / "units.csv", dtype={"unit": str})["unit"])
    return pd.DataFrame(
        {
            "unit": samples.ids,
            "patient": samples.groups,
            "probability": made.mean(axis=0),
            "spread": made.std(axis=0, ddof=1) if len(made) > 1 else np.nan,
            "models": len(made),
            "truth": samples.target,
            "id_in_training": [unit in seen for unit in samples.ids],
        }
    )


def _study_status(candidates: UnitTable, inputs: Inputs, refused: dict[str, str]) -> pd.DataFrame:
    found = {row["unit"]: row for row in inputs.status.to_dict("records")}
    rows = []
    for unit in candidates.units:
        row = found[unit.id]
        state, reason = row["status"], row["reason"]
        if unit.id in refused:
            state, reason = "refused", refused[unit.id]
        rows += [
            {"study": s.study, "patient": unit.patient, "unit": unit.id, "status": state,
             "reason": reason}
            for s in unit.series
        ]  # fmt: skip
    without = candidates.status[candidates.status["status"] == "excluded"]
    rows += [
        {"study": "", "patient": r["patient"], "unit": r["unit"], "status": "excluded",
         "reason": r["reason"]}
        for r in without.to_dict("records")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _write(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
