"""Which columns a single parameter means, and its rows for every kind of outcome."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import samples

from petnet.cohort import make_splits
from petnet.errors import InputError
from petnet.evaluation.baselines import baseline_scores, check_baselines, matching
from petnet.outcome import Outcome

ONE = ["shape__original_glcm_SUVmax_avg", "measure__SUVmax", "measure__SUVmean"]
ROLES = ["primary__measure__SUVmax", "node__measure__SUVmax", "node__measure__TBR_blood_pool"]
TIMES = [
    "fdg_baseline__measure__SUVmax",
    "fdg_interim__measure__SUVmax",
    "delta__fdg_interim__measure__SUVmax",
]
ARMS = [f"{arm}_baseline__r{k}__measure__SUVmax" for arm in ("fdg", "fapi") for k in (1, 10)]
ODD = ["node_baseline__measure__SUVmax", "node__measure__SUVmax"]

MEANT = [
    ("SUVmax", ONE, [1]),
    ("SUVma", ONE, []),
    ("max", ONE, []),
    ("SUVmax", ROLES, [0, 1]),
    ("node__SUVmax", ROLES, [1]),
    ("node__TBR_blood_pool", ROLES, [2]),
    ("other__SUVmax", ROLES, []),
    ("SUVmax", TIMES, [0, 1]),
    ("delta__SUVmax", TIMES, [2]),
    ("delta__fdg__SUVmax", TIMES, [2]),
    ("interim__SUVmax", TIMES, [1]),
    ("fdg_interim__SUVmax", TIMES, [1]),
    ("fdg__SUVmax", ARMS, [0, 1]),
    ("r1__SUVmax", ARMS, [0, 2]),
    ("fapi__r10__SUVmax", ARMS, [3]),
    ("r10__fapi__SUVmax", ARMS, [3]),
    ("node__SUVmax", ODD, [1]),
]


@pytest.mark.parametrize(("parameter", "columns", "expected"), MEANT)
def test_columns_that_a_parameter_means(parameter, columns, expected):
    assert matching(parameter, columns) == [columns[k] for k in expected]


def scored(data, baselines, repeats=2):
    splits = make_splits(data.ids, data.groups, data.outcome.strata(data.target), 3, repeats, 1)
    return baseline_scores(data, splits, baselines), splits


def test_of_several_columns_the_largest_counts_and_units_without_have_no_row():
    data = samples(n=24)
    values = np.random.default_rng(0).normal(size=(24, 2))
    values[3, 0], values[5], values[7, 1] = np.nan, np.nan, np.inf
    columns = ["node__measure__SUVmax", "primary__measure__SUVmax"]
    data = replace(data, radiomics=pd.DataFrame(values, data.ids, columns))
    table, splits = scored(data, {"SUVmax": "higher", "node__SUVmax": "lower"})
    assert list(table) == [
        *("unit", "patient", "model", "repeat", "fold", "score", "truth", "direction")
    ]
    assert table.groupby("model").size().to_dict() == {"SUVmax": 2 * 22, "node__SUVmax": 2 * 22}
    found = table[(table["model"] == "SUVmax") & (table["repeat"] == 1)].set_index("unit")
    assert found["score"]["u003"] == values[3, 1]
    assert found["score"]["u000"] == values[0].max()
    truth = dict(zip(data.ids, data.target, strict=True))
    assert all(truth[unit] == value for unit, value in found["truth"].items())
    fold_of = splits.table.set_index(["unit", "repeat"])["fold"]
    assert all(fold_of[unit, 1] == fold for unit, fold in found["fold"].items())
    assert set(table["direction"]) == {"higher", "lower"}


def test_no_baseline_is_an_empty_table_of_the_same_columns():
    table, _ = scored(samples(n=24), {})
    assert table.empty
    assert "score" in table
    check_baselines(Outcome(), table)
    with pytest.raises(InputError, match="SUVpeak"):
        scored(samples(n=24), {"SUVpeak": "higher"})


def test_truths_are_those_of_the_predictions():
    data = samples(n=30, kind="survival")
    table, _ = scored(data, {"SUVmax": "higher"}, repeats=1)
    row = dict(zip(data.ids, data.target.tolist(), strict=True))
    for r in table.to_dict("records"):
        assert [r["time"], r["event"]] == row[r["unit"]]
    table, _ = scored(samples(n=30, kind="ordinal"), {"SUVmax": "higher"})
    assert set(table["truth"]) == {"PD", "SD", "PR", "CR"}


def test_each_label_looks_at_its_own_compartment():
    data = samples(n=30, kind="multilabel")
    rng = np.random.default_rng(1)
    columns = [f"{arm}_baseline__r{k}__measure__SUVmax" for arm in ("fdg", "fapi") for k in (0, 1)]
    values = rng.normal(size=(30, 4))
    data = replace(data, radiomics=pd.DataFrame(values, data.ids, columns))
    table, _ = scored(data, {"fapi__SUVmax": "higher", "SUVmax": "higher"}, repeats=1)
    assert list(table)[5:7] == ["label", "score"]
    by = table.set_index(["model", "label", "unit"])["score"]
    for i, unit in enumerate(data.ids):
        assert by["fapi__SUVmax", "r0", unit] == values[i, 2]
        assert by["SUVmax", "r1", unit] == values[i, [1, 3]].max()
        assert by["SUVmax", "r2", unit] == values[i].max()  # no compartment of its name
    assert {f"truth_r{k}" for k in range(3)} <= set(table)


def test_parameters_that_cannot_be_judged_are_refused_before_training():
    for kind, message in (("binary", "one class only"), ("survival", "none before another")):
        data = samples(n=24, kind=kind)
        values = data.radiomics.copy()
        shows = data.target == 1 if kind == "binary" else data.target[:, 1] == 0
        values.loc[~shows, "measure__SUVmax"] = np.nan
        table, _ = scored(replace(data, radiomics=values), {"SUVmax": "higher"})
        with pytest.raises(InputError, match=message):
            check_baselines(data.outcome, table)
        check_baselines(data.outcome, scored(data, {"SUVmax": "higher"})[0])
