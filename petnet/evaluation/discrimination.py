"""The headline figure of a model or parameter, within folds, and the same pooled over folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.cohort.splits import Fold
from petnet.evaluation.scored import Scored
from petnet.outcome import Outcome
from petnet.stats.bootstrap import percentile_interval
from petnet.stats.clustered import clustered_auc_interval
from petnet.stats.crossvalidated import FoldFigures, corrected_interval, fold_figures
from petnet.stats.discrimination import delong_interval
from petnet.stats.headline import (
    Components,
    components,
    components_of_scores,
    weighted_headline,
)
from petnet.stats.intervals import CONDITIONAL, Estimate

__all__ = [
    "as_json",
    "check_comparable",
    "discrimination",
    "folds_of",
    "label_of",
    "number",
    "parts_of",
    "pooled",
]

POOLED = f"pooled over folds; biased low; {CONDITIONAL}"
POOLED_SINGLE = "pooled over folds; a single parameter is not fitted, so pooling does not bias it"
UNPOOLED = f"one fixed division; {CONDITIONAL}"


def parts_of(scored: Scored) -> Components:
    """Return the components of the headline figure of all rows as they stand."""
    known = scored.outcome.known(scored.target)
    return components_of_scores(scored.outcome, scored.target[known], scored.score[known])


def folds_of(scored: Scored) -> FoldFigures:
    """Judge every fold by the measure of the outcome.

    Raises
    ------
    InputError
        A repeat in which no fold holds a pair to compare.
    """

    def judge(rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        found = parts_of(scored.take(rows))
        return found.value, found.pairs

    return fold_figures(judge, scored.fold, scored.repeat)


def check_comparable(outcome: Outcome, target: NDArray[np.float64], folds: Sequence[Fold]) -> None:
    """Refuse, before any training, folds that no prediction could be judged in.

    Raises
    ------
    InputError
        A repeat in which no fold holds a pair to compare.
    """
    rows = np.concatenate([fold.test for fold in folds])
    sizes = [len(fold.test) for fold in folds]
    anything = np.full((len(rows), outcome.outputs), 1 / outcome.outputs)

    def judge(held_out: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        found = components(outcome, target[rows[held_out]], anything[held_out])
        return found.value, found.pairs

    names, repeats = [fold.fold for fold in folds], [fold.repeat for fold in folds]
    fold_figures(judge, np.repeat(names, sizes), np.repeat(repeats, sizes))


def pooled(scored: Scored, level: float) -> Estimate:
    """Return the figure of each unit's mean score over repeats, pooled over folds.

    Binary: DeLong's interval, or a bootstrap of patients where units outnumber them; all others: a
    percentile interval of the bootstrap of patients. Each is conditional on the fitted models.
    NaN where the units do not allow the figure.
    """
    units = scored.averaged()
    known = units.outcome.known(units.target)
    units = units.take(known)
    found = parts_of(units)
    if not found.pairs.any():
        return Estimate(np.nan, np.nan, np.nan, level, CONDITIONAL)
    if units.outcome.kind != "binary":
        figure = weighted_headline(units.outcome, units.target, units.score)
        made = percentile_interval(figure, units.patient, level)
        return replace(made, value=float(np.mean(found.value[found.pairs > 0])))
    truth, score = units.target, units.score[:, 0]
    if units.clustered:
        return clustered_auc_interval(truth, score, units.patient, level)
    return delong_interval(truth, score, level)


def label_of(scored: Scored) -> str:
    """Say what the pooled figure is, and how it is biased."""
    if scored.single:
        return UNPOOLED
    return POOLED_SINGLE if scored.prediction is None else POOLED


def discrimination(scored: Scored, folds: FoldFigures | None, level: float) -> dict[str, Any]:
    """Return headline and conditional figure, and that of each repeat.

    The headline counts pairs within a fold and is averaged over repeats, with the corrected
    resampled t interval, which includes the refitting; with one fixed division it is the
    conditional figure. Without folds that can be judged both are null.
    """
    if folds is None:
        return {"headline": None, "conditional": None, "per_repeat": []}
    conditional = pooled(scored, level)
    headline = conditional if scored.single else corrected_interval(folds, level)
    return {
        "headline": as_json(headline),
        "conditional": {**as_json(conditional), "label": label_of(scored)},
        "per_repeat": [float(value) for value in folds.per_repeat],
    }


def as_json(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as it stands in `metrics.json`."""
    return {key: number(value) for key, value in asdict(estimate).items()}


def number(value: Any) -> Any:
    """Return a value as JSON has it, which knows no NaN: an undefined number becomes null."""
    return None if isinstance(value, float) and value != value else value
