"""What a model or a single parameter says of held-out units, read from the tables of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.evaluation.prediction_table import truth_of
from petnet.outcome import Outcome
from petnet.stats.headline import ranked

__all__ = ["Scored", "of_baselines", "of_predictions"]

SIGNS = {"higher": 1.0, "lower": -1.0}
WHERE = ["repeat", "fold", "unit", "patient"]


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of held-out units: one row per unit and repeat.

    Attributes
    ----------
    name : str
    outcome : Outcome
    unit, patient : (rows,) arrays of str
    repeat, fold : (rows,) int arrays
    target : float64 array
        One row each, as `petnet.outcome` says; NaN where unknown (or not scored, by label).
    score : (rows, C) float64 array
        What is ranked, see `petnet.stats.headline.ranked`.
    prediction : (rows, K) float64 array or None
        None for single parameters, which are no probabilities.
    decision : (rows,) or (rows, L) float64 array, or None
    """

    name: str
    outcome: Outcome
    unit: NDArray[np.object_]
    patient: NDArray[np.object_]
    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    target: NDArray[np.float64]
    score: NDArray[np.float64]
    prediction: NDArray[np.float64] | None = None
    decision: NDArray[np.float64] | None = None

    @cached_property
    def repeats(self) -> int:
        """How many repeats there are."""
        return len(np.unique(self.repeat))

    @cached_property
    def single(self) -> bool:
        """Whether all units were held out together: one fixed division."""
        return len(np.unique(np.stack([self.repeat, self.fold]), axis=1).T) == 1

    @cached_property
    def clustered(self) -> bool:
        """Whether units outnumber patients."""
        return len(set(self.unit)) > len(set(self.patient))

    def take(self, rows: NDArray) -> Scored:
        """Return some rows."""
        return replace(
            self,
            unit=self.unit[rows],
            patient=self.patient[rows],
            repeat=self.repeat[rows],
            fold=self.fold[rows],
            target=self.target[rows],
            score=self.score[rows],
            prediction=None if self.prediction is None else self.prediction[rows],
            decision=None if self.decision is None else self.decision[rows],
        )

    def averaged(self) -> Scored:
        """Return one row per unit, sorted: its mean score over repeats, without decision.

        It is that of a small ensemble, whose figures can exceed those of one model.
        """
        _, first, code = np.unique(self.unit, return_index=True, return_inverse=True)
        count = np.bincount(code)

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack([np.bincount(code, column) / count for column in values.T])

        one = replace(self, prediction=None, decision=None).take(first)
        prediction = None if self.prediction is None else mean(self.prediction)
        return replace(one, score=mean(self.score), prediction=prediction)

    def label(self, k: int) -> Scored:
        """Return one label of a multilabel task as a binary task of the units known for it."""
        known = ~np.isnan(self.target[:, k])
        rows = self.take(known)
        return replace(
            rows,
            outcome=Outcome("binary", (self.outcome.labels[k],)),
            target=rows.target[:, k],
            score=rows.score[:, [k]],
            prediction=None if rows.prediction is None else rows.prediction[:, [k]],
            decision=None if rows.decision is None else rows.decision[:, k],
        )


def of_predictions(
    outcome: Outcome, table: pd.DataFrame, source: str = "predictions"
) -> list[Scored]:
    """Read a table of predictions: one for each model in it.

    Raises
    ------
    InputError
        A column is absent, or a class is not one of the outcome's.
    """
    made = []
    for name, rows in table.groupby("model", sort=False):
        prediction = rows[list(outcome.score_columns)].to_numpy(dtype=np.float64)
        made.append(
            Scored(
                name=str(name),
                outcome=outcome,
                **_places(rows),
                target=truth_of(outcome, rows, source),
                score=ranked(outcome, prediction),
                prediction=prediction,
                decision=_decision(outcome, rows, source),
            )
        )
    return made


def of_baselines(outcome: Outcome, table: pd.DataFrame, source: str = "baselines") -> list[Scored]:
    """Read a table of single parameters: one for each, turned so that higher means more likely."""
    signed = table.assign(score=table["score"] * table["direction"].map(SIGNS))
    made = []
    for name, found in signed.groupby("model", sort=False):
        rows = found if outcome.kind != "multilabel" else _by_label(outcome, found)
        columns = list(outcome.labels) if outcome.kind == "multilabel" else ["score"]
        score, target = rows[columns].to_numpy(np.float64), truth_of(outcome, rows, source)
        if outcome.kind == "multilabel":
            target = np.where(np.isnan(score), np.nan, target)
            score = np.nan_to_num(score)
        made.append(Scored(str(name), outcome, **_places(rows), target=target, score=score))
    return made


def _places(rows: pd.DataFrame) -> dict[str, NDArray]:
    kinds = {"unit": object, "patient": object, "repeat": np.int64, "fold": np.int64}
    return {name: rows[name].to_numpy(kind) for name, kind in kinds.items()}


def _by_label(outcome: Outcome, rows: pd.DataFrame) -> pd.DataFrame:
    """Bring the rows of one parameter, one per label, to one row with a column per label."""
    score = rows.pivot_table(index=WHERE, columns="label", values="score")
    score = score.reindex(columns=list(outcome.labels))
    truth = rows.groupby(WHERE)[list(outcome.truth_columns)].first()
    return score.join(truth).reset_index()


def _decision(outcome: Outcome, rows: pd.DataFrame, source: str) -> NDArray[np.float64]:
    names = list(outcome.decision_columns)
    if outcome.by_class:
        return truth_of(outcome, rows.assign(truth=rows[names[0]]), f"{source}: decision")
    values = rows[names].to_numpy(dtype=np.float64)
    return values if len(names) > 1 else values[:, 0]
