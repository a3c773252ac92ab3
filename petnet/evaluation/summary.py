"""How good the predictions of a run are, and single parameters on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.evaluation.decisions import INDEPENDENT, binary_decision, class_decision, risk_groups
from petnet.evaluation.discrimination import as_json, discrimination, folds_of, number
from petnet.evaluation.scored import Scored, of_baselines, of_predictions
from petnet.outcome import Kind, Outcome
from petnet.stats.calibration import brier, repeated_calibration
from petnet.stats.crossvalidated import FoldFigures, fold_figures
from petnet.stats.discrimination import delong_test
from petnet.stats.headline import MEASURES
from petnet.stats.intervals import CONDITIONAL, Estimate
from petnet.stats.multiclass import brier_multiclass, log_loss, one_against_rest
from petnet.stats.survival import median_follow_up

__all__ = ["summarise"]

VERSUS = f"paired DeLong; {{pooled}}{CONDITIONAL}; not adjusted for the number of comparisons"
VERSUS_SKIPPED = (
    "not compared: several units per patient, which the paired test would take as independent"
)


def summarise(
    outcome: Outcome, predictions: pd.DataFrame, baselines: pd.DataFrame, level: float = 0.95
) -> list[dict[str, Any]]:
    """Return one entry per model and per single parameter, the model first.

    Every entry has the measure of the kind (`petnet.stats.headline`): `headline`, counted within
    folds and averaged over repeats, with an interval that includes the refitting; `conditional`,
    that of each unit's mean score pooled over folds; `per_repeat`. A model's entry also has what
    its kind asks for: calibration and decisions of binary tasks and of every label, the confusion
    of classes, the risk groups of survival. Figures other than `conditional` are those of single
    models, averaged over repeats: mean predictions would be those of an ensemble.

    A model of a binary task is also compared with every single parameter (`versus`) by DeLong's
    paired test on the pooled scores of the units that have both; not where units outnumber
    patients, since the test takes units as independent.

    Parameters
    ----------
    outcome : Outcome
    predictions, baselines : pandas.DataFrame
        As `crossval.cross_validate` and `baselines.baseline_scores` return them.
    level : float
        Of all intervals.
    """
    models, parameters = of_predictions(outcome, predictions), of_baselines(outcome, baselines)
    made = []
    for scored in models:
        folds = folds_of(scored)
        entry = {**_entry(scored, folds, level), **OWN[outcome.kind](scored, folds, level)}
        if outcome.kind == "binary":
            entry |= _versus(scored, parameters, level)
        made.append(entry)
    return made + [_entry(scored, folds_of(scored), level) for scored in parameters]


def _entry(scored: Scored, folds: FoldFigures, level: float) -> dict[str, Any]:
    """Return what every entry has."""
    outcome, target = scored.outcome, scored.averaged().target
    target = target[outcome.known(target)]
    made = {
        "name": scored.name,
        "measure": MEASURES[outcome.kind],
        **discrimination(scored, folds, level),
        "n": len(target),
        "counts": _counts(outcome, target),
    }
    if outcome.kind == "binary":
        made["positive"] = int(target.sum())
    return made


def _counts(outcome: Outcome, target: NDArray[np.float64]) -> dict[str, int]:
    """Count units of each class, positives of each label, or units with the event and without."""
    if outcome.kind == "survival":
        events = int(target[:, 1].sum())
        return {"event": events, "censored": len(target) - events}
    if outcome.by_class:
        return {label: int((target == k).sum()) for k, label in enumerate(outcome.labels)}
    columns = target[:, None] if target.ndim == 1 else target
    return {label: int((columns[:, k] == 1).sum()) for k, label in enumerate(outcome.labels)}


def _binary(scored: Scored, _: FoldFigures, level: float) -> dict[str, Any]:
    """Return calibration and decision.

    The calibration is that of single models: the mean of probabilities is that of an ensemble.
    """
    found = repeated_calibration(scored.target, scored.score[:, 0], scored.repeat, level)
    more = f"; {INDEPENDENT}" if scored.clustered else ""

    def labelled(estimate: Estimate) -> dict[str, Any]:
        return as_json(replace(estimate, method=estimate.method + more))

    return {
        "brier": found.brier,
        "calibration_slope": labelled(found.slope),
        "calibration_intercept_joint": labelled(found.intercept),
        "calibration_in_the_large": labelled(found.in_the_large),
        "decision": binary_decision(scored, level),
    }


def _classes(scored: Scored, _: FoldFigures, level: float) -> dict[str, Any]:
    """Return confusion, loss, and the AUC of each class against the others."""
    target, labels = scored.target, scored.outcome.labels
    assert scored.prediction is not None
    prediction = scored.prediction
    codes = np.arange(len(labels))

    def judge(rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        count = (target[rows, None] == codes).sum(axis=0)
        pairs = count * (rows.size - count)
        return one_against_rest(target[rows], prediction[rows]), pairs

    folds = fold_figures(judge, scored.fold, scored.repeat)
    rows = []
    for k, label in enumerate(labels):
        own = replace(
            scored,
            outcome=Outcome("binary", (label,)),
            target=(target == k).astype(np.float64),
            score=prediction[:, [k]],
        )
        count = int(own.averaged().target.sum())
        area = discrimination(own, folds.only(k), level)["headline"]
        rows.append({"label": label, "n": count, "auc": area})
    return {
        "labels": list(labels),
        **class_decision(scored, level),
        "per_class": rows,
        "brier": _over_repeats(scored, brier_multiclass),
        "log_loss": _over_repeats(scored, log_loss),
    }


def _multilabel(scored: Scored, folds: FoldFigures, level: float) -> dict[str, Any]:
    """Return every label as a binary task of its own, of the units known for it."""
    rows = []
    for k, label in enumerate(scored.outcome.labels):
        own, judged = scored.label(k), folds.only(k)
        found = discrimination(own, judged, level)
        target = own.averaged().target if len(own.target) else own.target
        rows.append(
            {
                "label": label,
                "n": len(target),
                "positive": int(target.sum()),
                "headline": found["headline"],
                "conditional": found["conditional"],
                "brier": _over_repeats(own, lambda truth, p: brier(truth, p[:, 0])),
                "decision": binary_decision(own, level) if len(target) else None,
            }
        )
    return {"per_label": rows}


def _survival(scored: Scored, _: FoldFigures, level: float) -> dict[str, Any]:
    """Return events, follow-up and the risk groups."""
    time, event = scored.averaged().target.T
    return {
        "events": int(event.sum()),
        "median_follow_up": number(median_follow_up(time, event)),
        "risk_groups": risk_groups(scored, level),
    }


OWN: Mapping[Kind, Callable[[Scored, FoldFigures, float], dict[str, Any]]] = {
    "binary": _binary,
    "multiclass": _classes,
    "ordinal": _classes,
    "multilabel": _multilabel,
    "survival": _survival,
}


def _over_repeats(
    scored: Scored, loss: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
) -> float | None:
    """Return a loss of the predictions of each repeat, averaged over repeats; null without any."""
    assert scored.prediction is not None
    parts = [scored.repeat == r for r in np.unique(scored.repeat)]
    found = [loss(scored.target[part], scored.prediction[part]) for part in parts]
    return float(np.mean(found)) if found else None


def _versus(scored: Scored, parameters: Sequence[Scored], level: float) -> dict[str, Any]:
    """Return the differences of AUC from each single parameter, model minus parameter."""
    if scored.clustered:
        return {"versus": [], "versus_label": VERSUS_SKIPPED}
    pairs, units = [], scored.averaged()
    for parameter in parameters:
        other = parameter.averaged()
        _, i, j = np.intersect1d(units.unit, other.unit, return_indices=True)
        test = delong_test(units.target[i], units.score[i, 0], other.score[j, 0], level)
        found = as_json(test.difference)
        pairs.append(
            {
                "name": parameter.name,
                "n": len(i),
                "difference": found["value"],
                **{key: found[key] for key in ("low", "high", "level")},
                "p": number(test.p),
            }
        )
    pooled = "" if scored.single else "pooled over folds; "
    return {"versus": pairs, "versus_label": VERSUS.format(pooled=pooled)}
