"""`petnet predict`: apply the fold ensemble of a finished run to a cohort."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
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
from petnet.evaluation.input_hashes import (
    changed_units,
    input_hashes,
    read_input_hashes,
    same_cohort,
)
from petnet.evaluation.inputs import Inputs, load_inputs
from petnet.evaluation.prediction_table import decided, scored, truths
from petnet.evaluation.run_folder import RunFolder, finished_run
from petnet.files import atomic_path, intact, read_json
from petnet.ingest.quality.acquisition_facts import read_sidecar, stated_unit
from petnet.models.registry import load_model
from petnet.progress import track
from petnet.radiomics.presets import TARGETS
from petnet.units import UnitTable, select_units

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from petnet.cohort import Cohort
    from petnet.task import Task

log = logging.getLogger(__name__)
STORED = (
    "petnet.task.Task",
    "petnet.imaging.config.ImagingConfig",
    *TARGETS,
)  # what the settings of a run folder may name: it can come from anywhere


def _models(folder: RunFolder) -> list[Path]:
    """Return the saved model of every fold; an ensemble of some of them would be another model."""
    splits = folder.path / "splits.csv"
    with intact(splits, "the folds of a run"):
        table = pd.read_csv(splits)[["repeat", "fold"]].drop_duplicates()
    names = sorted(f"r{r}f{f}" for r, f in table.itertuples(index=False))
    models = [folder.path / "folds" / name / "model" for name in names]
    missing = [name for name, path in zip(names, models, strict=True) if not path.is_dir()]
    if missing or not models:
        expected = f"the models of its {len(models)} folds"
        found = f"{len(models) - len(missing)} of them; without {', '.join(missing)}"
        raise InputError(str(folder.path), "folds/*/model", expected, found)
    return models


def run(config: DictConfig) -> int:
    """Write predictions and status; returns the number of studies without a prediction."""
    from omegaconf import OmegaConf

    folder = finished_run(Path(config.run))
    settings = folder.path / "config.yaml"
    with intact(settings, "the settings of a run"):
        trained: Any = OmegaConf.load(settings)
    known = read_json(folder.path / "provenance.json")
    cohort = open_cohort(config)
    task = build(trained.task, "task", STORED)
    models = _models(folder)
    needs = load_model(models[0]).inputs
    candidates = select_units(cohort, task, labelled=False, clinical_needed="clinical" in needs)
    changed = _changed(config, folder, known["cohort"], cohort, task)
    table, foreign = _in_scope(candidates, known["tracers"], known.get("suv", "SUVbw"), changed)
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
    left_out = {unit: ("failed", reason) for unit, reason in changed.items()} | foreign
    status = _study_status(cohort, candidates, inputs, left_out, task)
    scores = _ensemble(models, folder, inputs)
    with atomic_path(with_suffix(out, ".status.csv")) as rows, atomic_path(out) as predictions:
        status.to_csv(rows, index=False)  # both files or none
        scores.to_csv(predictions, index=False)
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


def _changed(
    config: DictConfig, folder: RunFolder, trained_on: str, cohort: Cohort, task: Task
) -> dict[str, str]:
    """Say which units are not as they were when the run was trained on this very cohort."""
    if not same_cohort(trained_on, str(config.cohort)):
        return {}
    known = read_input_hashes(folder.path / "inputs.csv")
    table = select_units(cohort, task, labelled=False)
    seen = set(known["unit"])
    old = table.take([k for k, unit in enumerate(table.ids) if unit in seen])
    return changed_units(cohort, known, input_hashes(cohort, old))


def _in_scope(
    table: UnitTable, tracers: list[str], suv: str, changed: Collection[str]
) -> tuple[UnitTable, dict[str, tuple[str, str]]]:
    """Leave out changed units; refuse a tracer or kind of SUV that the run was not trained on."""
    refused: dict[str, tuple[str, str]] = {}
    for unit in table.units:
        foreign = {s.tracer for s in unit.series} - set(tracers)
        if foreign:
            reason = f"tracer {sorted(foreign)}: the run was trained on {tracers}"
            refused[unit.id] = ("refused", reason)
        kinds = {stated_unit(read_sidecar(s.pet)) for s in unit.series if s.pet is not None} - {suv}
        if kinds:
            reason = f"PET in {', '.join(sorted(kinds))}: the run was trained on {suv}"
            refused[unit.id] = ("refused", reason)
    out = {*refused, *changed}
    keep = [i for i, unit in enumerate(table.units) if unit.id not in out]
    return table.take(keep), refused


def _ensemble(models: list[Path], folder: RunFolder, inputs: Inputs) -> pd.DataFrame:
    """Average the predictions of all fold models, and decide by the mean of their base rates.

    Log hazards are averaged as they are: each fold's are centred on its training part.
    """
    samples = inputs.samples
    outcome = samples.outcome
    made = np.zeros((len(models), len(samples), outcome.outputs))
    if len(samples):
        for row, path in enumerate(track(models, "models", len(models))):
            made[row] = load_model(path).predict(samples)
    mean = made.mean(axis=0)
    spread = made.std(axis=0, ddof=1) if len(made) > 1 else np.full_like(mean, np.nan)
    units = folder.path / "units.csv"
    with intact(units, "the units of a run"):
        seen = set(pd.read_csv(units, dtype=str, keep_default_na=False)["unit"])
    return pd.DataFrame(
        {
            "unit": samples.ids,
            "patient": samples.patients,
            **scored(outcome, mean),
            **{_spread(c): spread[:, k] for k, c in enumerate(outcome.score_columns)},
            "models": len(made),
            **decided(outcome, mean, _base(models)),
            **truths(outcome, samples.target),
            "id_in_training": [unit in seen for unit in samples.ids],
        }
    )


def _spread(column: str) -> str:
    """Return the column of the standard deviation over fold models: probability_CR → spread_CR."""
    return re.sub("^(probability|risk)", "spread", column)


def _base(models: list[Path]) -> list[float]:
    """Return the shares that decisions compare with: their mean over the folds' training parts."""
    folds = [path.parent / "fold.json" for path in models]
    shares = []
    for path in folds:
        with intact(path, "the base rates of a fold"):
            shares.append(read_json(path)["base"])
    return [float(share) for share in np.mean(shares, axis=0)]


def _study_status(
    cohort: Cohort,
    candidates: UnitTable,
    inputs: Inputs,
    left_out: dict[str, tuple[str, str]],
    task: Task,
) -> pd.DataFrame:
    """One row per study and unit, also of those that were left out; no study is without a row."""
    stages = {row["unit"]: row for row in inputs.status.to_dict("records")}
    rows = []
    for candidate in candidates.status.to_dict("records"):
        unit = candidate["unit"]
        found = candidate
        if candidate["status"] == "ok" and unit in left_out:
            found = dict(zip(("status", "reason"), left_out[unit], strict=True))
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
