"""Single parameters on the same folds as a model, in a direction that is fixed beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.cohort.splits import Splits
from petnet.errors import InputError
from petnet.evaluation.discrimination import folds_of, parts_of
from petnet.evaluation.prediction_table import truths
from petnet.evaluation.scored import of_baselines
from petnet.models.protocol import Samples
from petnet.outcome import Outcome

__all__ = ["baseline_scores", "check_baselines", "matching"]

DELTA, MEASURE = "delta", "measure"


def baseline_scores(samples: Samples, splits: Splits, baselines: Mapping[str, str]) -> pd.DataFrame:
    """Score every held-out unit by single parameters.

    Parameters
    ----------
    baselines : mapping of parameter to {"higher", "lower"}
        What speaks for the positive class, the higher class or the earlier event. Which columns of
        the feature table a parameter means: see `matching`; of several the largest value counts.
        In multilabel tasks a label looks at the columns of the compartment of its own name, if
        there is one.

    Returns
    -------
    pandas.DataFrame
        unit, patient, model, repeat, fold, score, the columns of the truth, direction; for
        multilabel tasks one row per label, named in `label`. A unit without the parameter has no
        row.

    Raises
    ------
    InputError
        No column is meant by a parameter.
    """
    outcome, columns = samples.outcome, [str(c) for c in samples.radiomics]
    labels = list(outcome.labels) if outcome.kind == "multilabel" else [None]
    made = [pd.DataFrame(columns=_columns(outcome))]
    for parameter, direction in baselines.items():
        meant = matching(parameter, columns)
        if not meant:
            raise InputError(
                "task", "baselines", "parameters of the feature table", repr(parameter)
            )
        for label in labels:
            own = [c for c in meant if label in c.split("__")[:-2]] or meant
            values = samples.radiomics[own].max(axis=1).to_numpy(dtype=np.float64)
            named = {} if label is None else {"label": label}
            rows = _held_out(samples, splits, values)
            made.append(rows.assign(model=parameter, direction=direction, **named))
    filled = [table for table in made if len(table)]
    return pd.concat(filled, ignore_index=True)[_columns(outcome)] if filled else made[0]


def matching(parameter: str, columns: Sequence[str]) -> list[str]:
    """Return the columns of lesion quantities that a parameter of a task means.

    A parameter is a quantity after any number of conditions, such as `SUVmax`, `node__SUVmax` or
    `delta__fdg__SUVmax`; a column is `{series}__{compartment}__measure__{quantity}`. The
    quantities must be equal, and every condition must be one of the column's prefixes, or the arm
    or the timepoint of its series. Changes (`delta`) are meant only where asked for.
    """
    *conditions, quantity = parameter.split("__")
    meant = {}
    for column in columns:
        *prefixes, kind, found = ["", *column.split("__")]  # a name without prefix has no kind
        changed = DELTA in prefixes
        if (kind, found) == (MEASURE, quantity) and changed == (DELTA in conditions):
            meant[column] = prefixes
    for wanted in conditions:
        # a whole prefix before a part of one: the role `node` is not the series `node_baseline`
        whole = [column for column, prefixes in meant.items() if wanted in prefixes]
        chosen = whole or [c for c, prefixes in meant.items() if _in_series(wanted, prefixes)]
        meant = {column: meant[column] for column in chosen}
    return list(meant)


def _in_series(wanted: str, prefixes: Sequence[str]) -> bool:
    """Say whether a prefix is a series `{arm}_{timepoint}` with the arm or timepoint wanted."""
    return any(p.startswith(f"{wanted}_") or p.endswith(f"_{wanted}") for p in prefixes)


def check_baselines(outcome: Outcome, baselines: pd.DataFrame) -> None:
    """Refuse, before any training, parameters that cannot be judged after it.

    Raises
    ------
    InputError
        The units that have a parameter are of one class, or have no event; of a multilabel task,
        for every label.
    """
    for scored in of_baselines(outcome, baselines):
        if not parts_of(scored).pairs.any():
            expected, found = "values in both classes", "values in one class only"
            if outcome.kind == "survival":
                expected, found = "values of units with an event", "none before another's time"
            raise InputError("task", f"baselines.{scored.name}", expected, found)
        folds_of(scored)


def _columns(outcome: Outcome) -> list[str]:
    label = ["label"] if outcome.kind == "multilabel" else []
    first = ["unit", "patient", "model", "repeat", "fold", *label, "score"]
    return [*first, *outcome.truth_columns, "direction"]


def _held_out(samples: Samples, splits: Splits, values: NDArray[np.float64]) -> pd.DataFrame:
    """Return the units of every fold whose value is known, with their truth."""
    made = []
    for fold in splits.folds():
        test = fold.test[np.isfinite(values[fold.test])]
        made.append(
            pd.DataFrame(
                {
                    "unit": [samples.ids[i] for i in test],
                    "patient": [samples.patients[i] for i in test],
                    "repeat": fold.repeat,
                    "fold": fold.fold,
                    "score": values[test],
                    **truths(samples.outcome, samples.target[test]),
                }
            )
        )
    return pd.concat(made, ignore_index=True)
