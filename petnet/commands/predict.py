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
from petnet.files import write_csv
from petnet.models.registry import load_model
from petnet.progress import track
from petnet.units import UnitTable, select_units

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from petnet.cohort import Cohort
    from petnet.task import Task

log = logging.getLogger(__name__)
STORED = (
    "petnet.task.Task",
    "petnet.imaging.config.ImagingConfig",
    "petnet.radiomics.extractor.FeatureSet",
)  # what the settings of a run folder may name: it can come from anywhere


def run(config: DictConfig) -> int:
    """Write predictions and status; returns the number of studies without a prediction."""
    from omegaconf import OmegaConf

    folder = finished_run(Path(config.run))
    trained: Any = OmegaConf.load(folder.path / "config.yaml")
    known = json.loads((folder.path / "provenance.json").read_text(encoding="utf-8"))
    cohort = open_cohort(config)
    task = build(trained.task, "task", STORED)
    models = sorted(folder.path.glob("folds/*/model"))
    if not models:
        raise InputError(str(folder.path), "folds/*/model", "the models of its folds", "none")
    needs = load_model(models[0]).inputs
    candidates = select_units(cohort, task, labelled=False, clinical_needed="clinical" in needs)
    table, refused = _in_scope(candidates, known["tracers"])
    inputs = load_inputs(
        table,
        task,
        feature_sets(trained.features, STORED),
        build(trained.imaging, "imaging", STORED),
        needs,
        resolve_device(config.device),
        config.device,
        Path(config.data.cache),
        config.data.workers,
    )
    out = Path(config.out)
    status = _study_status(cohort, candidates, inputs, refused, task)
    write_csv(out, _ensemble(models, folder, inputs))
    write_csv(with_suffix(out, ".status.csv"), status)
    missed = status[~status["status"].isin(["ok", "skipped"])]
    for row in missed.to_dict("records"):
        log.error("%s %s: %s", row["study"], row["status"], row["reason"])
    predicted = int((status["status"] == "ok").sum())
    log.info(
        "%d predicted, %d not, %d skipped: %s",
        predicted,
        len(missed),
        len(status) - predicted - len(missed),
        out,
    )
    return len(missed)


def _in_scope(table: UnitTable, tracers: list[str]) -> tuple[UnitTable, dict[str, str]]:
    """Refuse units of a tracer that the run was not trained on."""
    refused: dict[str, str] = {}
    for unit in table.units:
        foreign = {s.tracer for s in unit.series} - set(tracers)
        if foreign:
            refused[unit.id] = f"tracer {sorted(foreign)}: the run was trained on {tracers}"
    keep = [i for i, unit in enumerate(table.units) if unit.id not in refused]
    return table.take(keep), refused


def _ensemble(models: list[Path], folder: RunFolder, inputs: Inputs) -> pd.DataFrame:
    """Average the probabilities of all fold models."""
    samples = inputs.samples
    made = np.zeros((len(models), len(samples)))
    if len(samples):
        for row, path in enumerate(track(models, "models", len(models))):
            made[row] = load_model(path).predict(samples)[:, 0]
    seen = set(pd.read_csv(folder.path / "units.csv", dtype={"unit": str})["unit"])
    return pd.DataFrame(
        {
            "unit": samples.ids,
            "patient": samples.patients,
            "probability": made.mean(axis=0),
            "spread": made.std(axis=0, ddof=1) if len(made) > 1 else np.nan,
            "models": len(made),
            "truth": samples.target,
            "id_in_training": [unit in seen for unit in samples.ids],
        }
    )


def _study_status(
    cohort: Cohort, candidates: UnitTable, inputs: Inputs, refused: dict[str, str], task: Task
) -> pd.DataFrame:
    """One row per study and unit, also of those that were left out; no study is without a row."""
    stages = {row["unit"]: row for row in inputs.status.to_dict("records")}
    rows = []
    for candidate in candidates.status.to_dict("records"):
        unit = candidate["unit"]
        found = candidate
        if unit in refused:
            found = {"status": "refused", "reason": refused[unit]}
        elif candidate["status"] == "ok":
            found = stages[unit]
        rows += [
            {
                "study": study,
                "patient": candidate["patient"],
                "unit": unit,
                "status": found["status"],
                "reason": found["reason"],
            }
            for study in candidate["studies"]
        ]
    seen = {row["study"] for row in rows}
    for study in cohort.studies.to_dict("records"):
        if study["study"] not in seen:
            what = f"arm {study['arm']}, timepoint {study['timepoint']}"
            reason = f"{what}: not of task {task.name}"
            rows.append(
                {
                    "study": study["study"],
                    "patient": study["patient"],
                    "unit": "",
                    "status": "skipped",
                    "reason": reason,
                }
            )
    return pd.DataFrame(rows)
