"""`petnet train`: cross-validate a model on a task and keep everything in a run folder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from petnet.cohort import Splits, make_splits, splits_from_column
from petnet.commands.common import (
    build,
    feature_sets,
    lay_in_parameters,
    open_cohort,
    resolve_device,
)
from petnet.commands.run_gallery import write_gallery
from petnet.errors import InputError
from petnet.evaluation.baselines import baseline_scores, check_baselines
from petnet.evaluation.crossval import Procedure, cross_validate
from petnet.evaluation.discrimination import check_comparable
from petnet.evaluation.input_hashes import input_hashes
from petnet.evaluation.inputs import Inputs, load_inputs
from petnet.evaluation.prediction_table import truths
from petnet.evaluation.run_folder import RunFolder, provenance, run_name
from petnet.evaluation.summary import summarise
from petnet.files import atomic_path, write_csv, write_json
from petnet.measure.described import describe_table
from petnet.measure.pet import common_suv_unit
from petnet.radiomics.extractor import FeatureSet
from petnet.units import UnitTable, select_units

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from petnet.cohort import Cohort
    from petnet.devices import Device
    from petnet.task import Task

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Train; returns the number of units that could not be read."""
    from omegaconf import OmegaConf

    start = time.monotonic()
    lay_in_parameters(config)
    task: Task = build(config.task, "task")
    device = resolve_device(config.device)
    cohort = open_cohort(config)
    fingerprint = cohort.fingerprint()
    settings: Any = OmegaConf.to_container(config, resolve=True)
    settings["device"] = device
    folder = RunFolder(Path(config.out) / run_name(settings, fingerprint))
    with folder.locked():
        if folder.finished:
            failures = folder.failures()
            log.info("finished before, %d units left out: %s", failures, folder.path)
            return failures
        folder.start(OmegaConf.to_yaml(config, resolve=True))
        with _logged(folder.path / "log.txt"):
            log.info("run folder: %s", folder.path)
            return _train(config, settings, task, cohort, fingerprint, folder, start)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Also write the log to a file while inside."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        with suppress(OSError):  # no room for its last line: that is said already
            handler.close()


def _train(
    config: DictConfig,
    settings: dict[str, Any],
    task: Task,
    cohort: Cohort,
    fingerprint: str,
    folder: RunFolder,
    start: float,
) -> int:
    sets = feature_sets(config.features)
    table = _labelled_units(config, task, cohort)
    suv = common_suv_unit(series.pet for unit in table.units for series in unit.series)
    splits = _splits(config, task, cohort, table)
    inputs = _inputs(config, settings["device"], task, table, sets)
    readable = splits.restrict(inputs.samples.ids)
    baselines = baseline_scores(inputs.samples, readable, task.baselines)
    _check_folds(inputs, readable)
    check_baselines(task.outcome, baselines)
    _write_inputs(folder.path, task, inputs, splits, describe_table(sets, task, suv=suv))
    write_csv(folder.path / "inputs.csv", _hashes(cohort, task, inputs))
    procedure = Procedure(
        lambda: build(config.model, "model"), config.seed, config.cv.inner_folds, settings["device"]
    )
    predictions = cross_validate(procedure, inputs.samples, readable, folder.path)
    write_csv(folder.path / "predictions.csv", predictions)
    write_csv(folder.path / "baselines.csv", baselines)
    models = summarise(task.outcome, predictions, baselines)
    models[0]["training"] = _training(folder.path)
    write_json(folder.path / "metrics.json", {"models": models})
    imaging = build(config.imaging, "imaging")
    write_gallery(folder, task.outcome, inputs.table, predictions, imaging)
    seconds = time.monotonic() - start
    tracers = sorted({s.tracer for u in inputs.table.units for s in u.series})
    more = {"tracers": tracers, "suv": suv, "units": len(inputs.samples)}
    write_json(
        folder.path / "provenance.json",
        provenance(settings, fingerprint, splits.hash, seconds, **more),
    )
    folder.finish(inputs.failures)
    for model in models:
        found = model["headline"]
        bounds = map(_three, (found["low"], found["high"]))
        log.info("%s: %s %.3f (%s–%s)", model["name"], model["measure"], found["value"], *bounds)
    log.info("done in %.0f s: %s", seconds, folder.path)
    for row in inputs.status[inputs.status["status"] == "failed"].to_dict("records"):
        log.error("left out: %s: %s", row["unit"], row["reason"])
    return inputs.failures


def _three(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def _labelled_units(config: DictConfig, task: Task, cohort: Cohort) -> UnitTable:
    table = select_units(cohort, task, labelled=True)
    lacking = task.outcome.lacking(table.target)
    if lacking:
        source = f"{cohort.root}: table targets"
        wanted = "two classes or more, an event, each label both ways"
        raise InputError(source, ", ".join(task.target_columns), wanted, lacking)
    if config.permute is None:
        return table
    shuffled = np.random.default_rng(config.permute).permutation(table.target)
    return replace(table, target=shuffled)


def _splits(config: DictConfig, task: Task, cohort: Cohort, table: UnitTable) -> Splits:
    """Divide all labelled units, readable or not, so that every model has the same folds."""
    cv = config.cv
    if not cv.use_split_column:
        groups = [unit.group for unit in table.units]
        strata = task.outcome.strata(table.target)
        names = task.outcome.stratum_names
        return make_splits(table.ids, groups, strata, cv.folds, cv.repeats, config.seed, names)
    if "split" not in cohort.studies:
        raise InputError(str(cohort.root), "table studies", "a column split", "none")
    by_patient = dict(zip(cohort.studies["patient"], cohort.studies["split"], strict=True))
    return splits_from_column(table.ids, [by_patient[unit.patient] for unit in table.units])


def _inputs(
    config: DictConfig, device: Device, task: Task, table: UnitTable, sets: list[FeatureSet]
) -> Inputs:
    return load_inputs(
        table,
        task,
        sets,
        build(config.imaging, "imaging"),
        build(config.model, "model").inputs,
        device,
        config.device,
        Path(config.data.cache),
        config.data.workers,
    )


def _check_folds(inputs: Inputs, splits: Splits) -> None:
    """Refuse before any training what would fail after it: parts that cannot be told apart."""
    outcome, target = inputs.samples.outcome, inputs.samples.target
    if not len(target):
        raise InputError("cohort", "units", "at least one that can be read", _first_reason(inputs))
    for fold in splits.folds():
        for part, positions in (("training", fold.train), ("held-out", fold.test)):
            lacking = outcome.lacking(target[positions], every_label=False)
            if part == "training":
                lacking = lacking or outcome.unknown(target[positions])
            if lacking and (part == "training" or splits.count == 1):
                raise InputError(
                    "splits",
                    f"{part} part of fold {fold.name}",
                    "all classes (an event) among the units that can be read",
                    lacking,
                )
    check_comparable(outcome, target, list(splits.folds()))


def _first_reason(inputs: Inputs) -> str:
    return f"none ({inputs.status['reason'].iloc[0]})"


def _write_inputs(
    path: Path, task: Task, inputs: Inputs, splits: Splits, described: list[dict[str, Any]]
) -> None:
    samples = inputs.samples
    splits.save(path / "splits.csv")
    units = pd.DataFrame(
        {
            "unit": samples.ids,
            "patient": samples.patients,
            "center": samples.centers,
            **truths(samples.outcome, samples.target),
        }
    )
    clinical = samples.clinical.reset_index(drop=True).assign(
        **{c: np.exp(samples.clinical[c].to_numpy()) for c in task.clinical.log}
    )
    write_csv(path / "units.csv", pd.concat([units, clinical], axis=1))
    write_csv(path / "status.csv", inputs.status)
    with atomic_path(path / "features.parquet") as temporary:
        samples.radiomics.to_parquet(temporary)
    write_json(path / "features.provenance.json", described)


def _hashes(cohort: Cohort, task: Task, inputs: Inputs) -> pd.DataFrame:
    """Hash what the cohort holds of each unit; the targets of `inputs` may be permuted."""
    table = select_units(cohort, task, labelled=True)
    row = {unit: k for k, unit in enumerate(table.ids)}
    return input_hashes(cohort, table.take([row[unit] for unit in inputs.samples.ids]))


def _training(path: Path) -> float | None:
    """Mean headline figure on the training parts: the gap to the headline is the optimism."""
    found = [
        json.loads(p.read_text(encoding="utf-8"))["training"]
        for p in sorted(path.glob("folds/*/fold.json"))
    ]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None
