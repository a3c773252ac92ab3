"""How good the predictions of a run are, and single parameters on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from petnet.cohort.splits import Splits
from petnet.errors import InputError
from petnet.models.protocol import Samples
from petnet.stats.calibration import repeated_calibration
from petnet.stats.clustered import clustered_auc_interval
from petnet.stats.discrimination import (
    delong_interval,
    delong_test,
    fold_aucs,
    repeated_auc_interval,
)
from petnet.stats.intervals import CONDITIONAL, Estimate

__all__ = ["baseline_scores", "summarise"]

POOLED = f"pooled over folds; biased low; {CONDITIONAL}"
POOLED_SINGLE = "pooled over folds; a single parameter is not fitted, so pooling does not bias it"
UNPOOLED = f"one fixed division; {CONDITIONAL}"
INDEPENDENT = "units treated as independent"
VERSUS = f"paired DeLong; {{pooled}}{CONDITIONAL}; not adjusted for the number of comparisons"
VERSUS_SKIPPED = (
    "not compared: several units per patient, which the paired test would take as independent"
)


def baseline_scores(samples: Samples, splits: Splits, baselines: Mapping[str, str]) -> pd.DataFrame:
    """Score every held-out unit by single parameters whose direction is fixed beforehand.

    Parameters
    ----------
    baselines : mapping of parameter to {"higher", "lower"}
        The parameter is a column `measure__{parameter}` of the feature table; with several
        series their largest value counts.

    Returns
    -------
    pandas.DataFrame
        unit, patient, model, repeat, fold, score, truth, direction. A unit without the parameter
        has no row.
    """
    rows: list[dict[str, Any]] = []
    for parameter, direction in baselines.items():
        columns = [c for c in map(str, samples.radiomics) if c.endswith(f"measure__{parameter}")]
        if not columns:
            raise InputError(
                "task", "baselines", "parameters of the feature table", repr(parameter)
            )
        values = samples.radiomics[columns].max(axis=1).to_numpy(dtype=np.float64)
        for fold in splits.folds():
            rows += [
                {
                    "unit": samples.ids[i],
                    "patient": samples.patients[i],
                    "model": parameter,
                    "repeat": fold.repeat,
                    "fold": fold.fold,
                    "score": values[i],
                    "truth": int(samples.target[i]),
                    "direction": direction,
                }
                for i in fold.test
                if np.isfinite(values[i])
            ]
    columns = ["unit", "patient", "model", "repeat", "fold", "score", "truth", "direction"]
    return pd.DataFrame(rows, columns=columns)


def summarise(
    predictions: pd.DataFrame, baselines: pd.DataFrame, level: float = 0.95
) -> list[dict[str, Any]]:
    """Return one entry per model and per single parameter, the model first.

    The headline AUC counts pairs within a fold, averaged over repeats, with the corrected
    resampled t interval, which includes the refitting; with one fixed division it is the
    conditional one. The AUC called conditional is that of each unit's mean score over repeats,
    pooled over folds, with DeLong's interval, or with a bootstrap of patients where units
    outnumber patients. Calibration figures are those of each repeat, averaged.

    A model is also compared with every single parameter (`versus`) by DeLong's paired test on
    these pooled scores of the units that have both; not where units outnumber patients, since the
    test takes units as independent.
    """
    single = len(predictions[["repeat", "fold"]].drop_duplicates()) == 1
    pooled = (UNPOOLED, UNPOOLED) if single else (POOLED, POOLED_SINGLE)
    signs = {"higher": 1.0, "lower": -1.0}
    towards = baselines.assign(score=baselines["score"] * baselines["direction"].map(signs))
    parameters = {
        str(name): rows.rename(columns={"score": "value"})
        for name, rows in towards.groupby("model", sort=False)
    }
    made = []
    for name, rows in predictions.groupby("model", sort=False):
        scored = rows.rename(columns={"probability": "value"})
        made.append(
            {
                **_discrimination(str(name), scored, single, pooled[0], level),
                **_calibration(scored, level),
                **_versus(scored, parameters, single, level),
            }
        )
    for name, rows in parameters.items():
        made.append(_discrimination(name, rows, single, pooled[1], level))
    return made


def _discrimination(
    name: str, rows: pd.DataFrame, single: bool, label: str, level: float
) -> dict[str, Any]:
    units = _unit_means(rows)
    if _clustered(rows):
        conditional = clustered_auc_interval(
            units["truth"], units["value"], units["patient"], level
        )
    else:
        conditional = delong_interval(units["truth"], units["value"], level)
    columns = (rows["truth"], rows["value"], rows["fold"], rows["repeat"])
    headline = conditional if single else repeated_auc_interval(*columns, level=level)
    folds = fold_aucs(*columns)
    per_repeat = [
        float(np.average(folds.auc[folds.repeat == r], weights=folds.pairs[folds.repeat == r]))
        for r in np.unique(folds.repeat)
    ]
    return {
        "name": name,
        "auc": _json(headline),
        "auc_conditional": {**_json(conditional), "label": label},
        "auc_per_repeat": per_repeat,
        "n": len(units),
        "positive": int(units["truth"].sum()),
    }


def _unit_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Average a unit's values over repeats; one row per unit, by unit."""
    how = {"value": "mean", "truth": "first", "patient": "first"}
    return rows.groupby("unit").agg(how)


def _clustered(rows: pd.DataFrame) -> bool:
    """Say whether units outnumber patients."""
    return bool(rows["unit"].nunique() > rows["patient"].nunique())


def _calibration(rows: pd.DataFrame, level: float) -> dict[str, Any]:
    """Return the figures of single models: the mean of probabilities is that of an ensemble."""
    found = repeated_calibration(rows["truth"], rows["value"], rows["repeat"], level)
    more = f"; {INDEPENDENT}" if _clustered(rows) else ""

    def labelled(estimate: Estimate) -> dict[str, Any]:
        return _json(replace(estimate, method=estimate.method + more))

    return {
        "brier": found.brier,
        "calibration_slope": labelled(found.slope),
        "calibration_intercept_joint": labelled(found.intercept),
        "calibration_in_the_large": labelled(found.in_the_large),
    }


def _versus(
    rows: pd.DataFrame, parameters: Mapping[str, pd.DataFrame], single: bool, level: float
) -> dict[str, Any]:
    """Return the differences of AUC from each single parameter, model minus parameter."""
    if _clustered(rows):
        return {"versus": [], "versus_label": VERSUS_SKIPPED}
    pairs = []
    for name, scored in parameters.items():
        both = _unit_means(rows).join(_unit_means(scored)["value"].rename("other"), how="inner")
        test = delong_test(both["truth"], both["value"], both["other"], level)
        found = _json(test.difference)
        pairs.append(
            {
                "name": name,
                "n": len(both),
                "difference": found["value"],
                **{key: found[key] for key in ("low", "high", "level")},
                "p": _number(test.p),
            }
        )
    pooled = "" if single else "pooled over folds; "
    return {"versus": pairs, "versus_label": VERSUS.format(pooled=pooled)}


def _json(estimate: Estimate) -> dict[str, Any]:
    return {key: _number(value) for key, value in asdict(estimate).items()}


def _number(value: Any) -> Any:
    """JSON has no NaN: an undefined number becomes null."""
    return None if isinstance(value, float) and value != value else value
