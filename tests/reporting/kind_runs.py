"""Run folders of every kind of task, their figures by petnet's own summary of the predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from petnet.evaluation.prediction_table import decided, scored, truths
from petnet.evaluation.summary import summarise
from petnet.outcome import Outcome

REPEATS, FOLDS, N = 2, 3, 60
OUTCOMES = {
    "multiclass": Outcome("multiclass", ("<adeno>", "squamous", "small cell")),
    "ordinal": Outcome("ordinal", ("PD", "SD", "PR", "CR")),
    "multilabel": Outcome("multilabel", ("r0", "r1", "r2")),
    "survival": Outcome("survival", ("risk",)),
}
TASKS = {
    "multiclass": {"target": "histology", "classes": list(OUTCOMES["multiclass"].labels)},
    "ordinal": {"target": "response", "classes": list(OUTCOMES["ordinal"].labels)},
    "multilabel": {"target": ["r0", "r1", "r2"]},
    "survival": {"target": "os_months", "event": "os_event"},
}


def targets_and_latent(kind, rng, n):
    """A target, and what a model could know of it: (n,), or (n, L) for labels."""
    outcome = OUTCOMES[kind]
    if kind == "survival":
        latent = rng.normal(size=n)
        time = rng.exponential(20 * np.exp(-latent)).clip(0.5)
        censoring = rng.exponential(40, n).clip(0.5)
        event = (time <= censoring).astype(float)
        return np.column_stack([np.minimum(time, censoring).round(1), event]), latent
    if kind == "multilabel":
        latent = rng.normal(size=(n, 3))
        target = (latent + rng.normal(size=(n, 3)) > 0.4).astype(float)
        target[rng.random((n, 3)) < 0.1] = np.nan
        return target, latent
    classes = np.arange(n) % outcome.outputs
    return classes.astype(float), classes + rng.normal(size=n)


def predictions_of(kind, latent, rng):
    outcome, n = OUTCOMES[kind], len(latent)
    noisy = latent + rng.normal(size=latent.shape) * 0.3
    if kind == "survival":
        return noisy[:, None]
    if kind == "multilabel":
        return 1 / (1 + np.exp(-noisy))
    centres = np.arange(outcome.outputs)
    weight = np.exp(-((noisy[:, None] - centres) ** 2) / 2) + rng.random((n, 1)) * 0.1
    return weight / weight.sum(axis=1, keepdims=True)


def make_kind_run(folder: Path, kind: str, model="lr", seed=0, n=N, unit="patient"):
    """Write a run folder; units of one cohort and one division whatever the model and seed."""
    folder.mkdir(parents=True)
    outcome, data = OUTCOMES[kind], np.random.default_rng(5)
    rng = np.random.default_rng([seed, 17])
    target, latent = targets_and_latent(kind, data, n)
    names = [f"Q-{k:03d}" for k in range(n)]
    patients = names if unit == "patient" else [f"P-{k // 2:02d}" for k in range(n)]
    fold = np.stack([data.permutation(n) % FOLDS for _ in range(REPEATS)])
    rows = [(r, fold[r, k], names[k]) for r in range(REPEATS) for k in range(n)]
    splits = pd.DataFrame(rows, columns=["repeat", "fold", "unit"])
    splits.to_csv(folder / "splits.csv", index=False)
    base = outcome.base(target)
    parts = []
    for repeat in range(REPEATS):
        prediction = predictions_of(kind, latent, rng)
        parts.append(pd.DataFrame({
            "unit": names, "patient": patients, "model": model, "repeat": repeat,
            "fold": fold[repeat], **scored(outcome, prediction),
            **decided(outcome, prediction, base), **truths(outcome, target),
        }))  # fmt: skip
    predictions = pd.concat(parts, ignore_index=True)
    predictions.to_csv(folder / "predictions.csv", index=False)
    baselines = baselines_of(outcome, predictions, latent)
    baselines.to_csv(folder / "baselines.csv", index=False)
    models = summarise(outcome, predictions, baselines)
    models[0]["training"] = 0.9321
    (folder / "metrics.json").write_text(json.dumps({"models": models}))
    write_rest(folder, kind, model, names, patients, target, unit)
    return folder


def baselines_of(outcome, predictions, latent):
    """One parameter, whose low values speak for the event; none for multiclass."""
    first = ["unit", "patient", "repeat", "fold"]
    if outcome.kind == "multiclass":
        columns = [*first, "model", "score", *outcome.truth_columns, "direction"]
        return pd.DataFrame(columns=columns)
    base = predictions[[*first, *outcome.truth_columns]]
    known = {"model": "SUVmax", "direction": "lower"}
    noise = np.random.default_rng(3).normal(size=len(base)) * 2
    latent = np.concatenate([latent] * REPEATS)
    if outcome.kind != "multilabel":
        return base.assign(**known, score=noise - latent)
    return pd.concat([
        base.assign(**known, label=label, score=noise - latent[:, k])
        for k, label in enumerate(outcome.labels)
    ])  # fmt: skip


def write_rest(folder, kind, model, names, patients, target, unit):
    outcome, n = OUTCOMES[kind], len(names)
    units = pd.DataFrame({
        "unit": names, "patient": patients, "center": ["A", "B"] * (n // 2),
        **truths(outcome, target), "age": np.arange(n) + 30, "sex": ["F", "M"] * (n // 2),
    })  # fmt: skip
    units.to_csv(folder / "units.csv", index=False)
    status = pd.DataFrame({"unit": names, "patient": patients, "stage": "selection",
                           "status": "ok", "reason": ""})  # fmt: skip
    status.to_csv(folder / "status.csv", index=False)
    (folder / "config.yaml").write_text("seed: 7\n")
    task = {"_target_": "petnet.task.Task", "name": kind, "kind": kind, "unit": unit}
    provenance = {
        "created": "2025-01-02T03:04:05+00:00", "petnet": "0.2.0", "cohort": "a cohort",
        "data_fingerprint": "d" * 32, "splits_hash": "s", "task": task | TASKS[kind],
        "model": model, "versions": {},
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(provenance))
