"""How good the predictions of a run are, and single parameters on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from petnet.cohort.splits import Splits
from petnet.errors import InputError
from petnet.models.protocol import Samples
from petnet.stats.calibration import brier, recalibration
from petnet.stats.discrimination import (
    delong_interval,
    fold_aucs,
    repeated_auc_interval,
)

__all__ = ["baseline_scores", "summarise"]

CONDITIONAL = "conditional on the fitted models"


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
                    "patient": samples.groups[i],
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
    resampled t interval, which includes the refitting; with one fold only it is DeLong's. The
    interval called conditional is DeLong's on each unit's mean score over repeats.
    """
    made = []
    for name, rows in predictions.groupby("model", sort=False):
        made.append(
            {**_discrimination(str(name), rows, "probability", level), **_calibration(rows)}
        )
    for name, rows in baselines.groupby("model", sort=False):
        sign = -1.0 if rows["direction"].iloc[0] == "lower" else 1.0
        scored = rows.assign(score=sign * rows["score"])
        made.append(_discrimination(str(name), scored, "score", level))
    return made


def _discrimination(name: str, rows: pd.DataFrame, score: str, level: float) -> dict[str, Any]:
    averaged = _unit_means(rows, score)
    conditional = delong_interval(averaged["truth"], averaged[score], level)
    columns = (rows["truth"], rows[score], rows["fold"], rows["repeat"])
    one_division = len(rows[["repeat", "fold"]].drop_duplicates()) == 1
    headline = conditional if one_division else repeated_auc_interval(*columns, level=level)
    folds = fold_aucs(*columns)
    per_repeat = [
        float(np.average(folds.auc[folds.repeat == r], weights=folds.pairs[folds.repeat == r]))
        for r in np.unique(folds.repeat)
    ]
    return {
        "name": name,
        "auc": _json(headline),
        "auc_conditional": {**_json(conditional), "label": CONDITIONAL},
        "auc_per_repeat": per_repeat,
        "n": len(averaged),
        "positive": int(averaged["truth"].sum()),
    }


def _unit_means(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """Average a unit's scores over repeats; one row per unit."""
    return rows.groupby("unit", as_index=False).agg({score: "mean", "truth": "first"})


def _calibration(rows: pd.DataFrame) -> dict[str, Any]:
    averaged = _unit_means(rows, "probability")
    truth, probability = averaged["truth"], averaged["probability"]
    line = recalibration(truth, probability)
    return {
        "brier": brier(truth, probability),
        "calibration_slope": _json(line.slope),
        "calibration_intercept": _json(line.intercept),
        "calibration_in_the_large": _json(line.in_the_large),
    }


def _json(estimate: Any) -> dict[str, Any]:
    """JSON has no NaN: an undefined number becomes null."""
    values = asdict(estimate)
    return {k: None if isinstance(v, float) and v != v else v for k, v in values.items()}
