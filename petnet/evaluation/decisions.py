"""What the decisions of a model get right: shares, confusion, risk groups.

The decisions of each repeat are those of models that had not seen the unit. Figures are means over
repeats; as all repeats decide on the same units, an interval is that of one repeat's number of
units, not of their sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.evaluation.discrimination import as_json, number
from petnet.evaluation.scored import Scored
from petnet.stats.agreement import (
    balanced_accuracy,
    confusion_matrix,
    quadratic_kappa,
)
from petnet.stats.bootstrap import percentile_interval
from petnet.stats.clustered import effective_number
from petnet.stats.intervals import CONDITIONAL, Estimate, wilson_bounds
from petnet.stats.survival import hazard_ratio, kaplan_meier, log_rank, median_survival

__all__ = ["binary_decision", "class_decision", "majority", "risk_groups"]

ABOVE = (
    "positive where the probability is above the share of positives in the training part of the "
    "fold{repeats}"
)
OVER_REPEATS = "; means over {n} repeats, with intervals for the units of one"
RISK = (
    "high risk where the hazard is above that of the average unit of the training part of the "
    "fold{repeats}; groups are made by models that had not seen the unit; test and hazard ratio "
    "take them as given"
)
IN_REPEATS = ", in at least half of {n} repeats"
INDEPENDENT = "units treated as independent"


def binary_decision(scored: Scored, level: float) -> dict[str, Any]:
    """Return sensitivity, specificity, predictive values and accuracy, with the rule in words."""
    truth, called = scored.target == 1, scored.decision == 1
    right = truth == called
    asked = {
        "sensitivity": truth,
        "specificity": ~truth,
        "ppv": called,
        "npv": ~called,
        "accuracy": np.ones_like(truth),
    }
    return {
        "rule": ABOVE.format(repeats=_repeats(scored, OVER_REPEATS)),
        **{name: as_json(_share(scored, right, among, level)) for name, among in asked.items()},
    }


def class_decision(scored: Scored, level: float) -> dict[str, Any]:
    """Return confusion matrix, accuracy and balanced accuracy; of ordered classes also kappa.

    The matrix counts units, averaged over repeats, so that its cells may be fractions.
    """
    assert scored.decision is not None
    outcome, right = scored.outcome, scored.target == scored.decision
    classes = outcome.outputs
    confusion = confusion_matrix(scored.target, scored.decision, classes) / scored.repeats
    made = {
        "confusion": confusion.tolist(),
        "accuracy": as_json(_share(scored, right, np.ones_like(right), level)),
        "balanced_accuracy": as_json(_of_confusion(scored, balanced_accuracy, level)),
    }
    if outcome.kind == "ordinal":
        made["kappa_quadratic"] = as_json(_of_confusion(scored, quadratic_kappa, level))
    return made


def risk_groups(scored: Scored, level: float) -> dict[str, Any]:
    """Return what becomes of the units called low and high risk by most repeats.

    Out-of-fold groups are not independent of one another, so that p value and interval are
    approximate (Simon et al., doi 10.1093/bib/bbr001); the C-index is what a model is judged by.
    """
    units = scored.averaged()
    high = majority(scored)
    time, event = units.target.T
    groups = []
    for name, part in (("low risk", ~high), ("high risk", high)):
        median = None
        if part.any():
            median = as_json(median_survival(kaplan_meier(time[part], event[part], level)))
        row = {"name": name, "n": int(part.sum()), "events": int(event[part].sum())}
        groups.append({**row, "median": median})
    ratio = hazard_ratio(time, event, high, level)
    if scored.clustered:
        ratio = replace(ratio, method=f"{ratio.method}; {INDEPENDENT}")
    return {
        "rule": RISK.format(repeats=_repeats(scored, IN_REPEATS)),
        "groups": groups,
        "logrank_p": number(log_rank(time, event, high)),
        "hazard_ratio": as_json(ratio),
    }


def majority(scored: Scored) -> NDArray[np.bool_]:
    """Return for each unit, sorted, whether at least half of its decisions are 1."""
    _, code = np.unique(scored.unit, return_inverse=True)
    ones = np.bincount(code, weights=scored.decision)
    return np.asarray(2 * ones >= np.bincount(code))


def _repeats(scored: Scored, text: str) -> str:
    return text.format(n=scored.repeats) if scored.repeats > 1 else ""


def _share(
    scored: Scored, right: NDArray[np.bool_], among: NDArray[np.bool_], level: float
) -> Estimate:
    """Return the share of rows that are right among some: a ratio of means over repeats.

    The number of units behind the interval is that of one repeat, where units outnumber patients
    the effective one, averaged over repeats.
    """
    k, n = float((right & among).sum()) / scored.repeats, float(among.sum()) / scored.repeats
    value, units, method = k / n if n else np.nan, n, "Wilson"
    if scored.clustered:
        parts = [among & (scored.repeat == r) for r in np.unique(scored.repeat)]
        found = [effective_number(right[part], scored.patient[part]) for part in parts]
        units, method = float(np.mean(found)), "Wilson, effective number of units"
    low, high = map(float, wilson_bounds(value * units if n else 0, units, level))
    return Estimate(value, low, high, level, f"{method}; {CONDITIONAL}")


def _of_confusion(
    scored: Scored, figure: Callable[[NDArray[np.float64]], float], level: float
) -> Estimate:
    """Return a figure of each repeat's confusion matrix, averaged; a bootstrap of patients."""
    assert scored.decision is not None
    unit, repeat = (np.unique(of, return_inverse=True)[1] for of in (scored.unit, scored.repeat))
    classes = scored.outcome.outputs
    cells = np.zeros((unit.max() + 1, scored.repeats, classes, classes))
    cells[unit, repeat, scored.target.astype(int), scored.decision.astype(int)] = 1

    def mean(times: NDArray[np.float64]) -> float:
        return float(np.mean([figure(table) for table in np.tensordot(times, cells, axes=1)]))

    return percentile_interval(mean, scored.averaged().patient, level)
