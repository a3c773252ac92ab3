"""Cross-validation: every unit held out once per repeat, and resumed after a finished fold."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import KINDS, OUTCOMES, factory, samples
from scipy.stats import spearmanr

from petnet.cohort import make_splits
from petnet.cohort.splits import Fold
from petnet.errors import InputError
from petnet.evaluation.crossval import Procedure, cross_validate
from petnet.evaluation.discrimination import check_comparable
from petnet.evaluation.summary import summarise
from petnet.outcome import Outcome

PAIRS = [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    data = samples(n=72)
    splits = make_splits(data.ids, data.groups, data.target, 3, 2, 1)
    run = tmp_path_factory.mktemp("run")
    procedure = Procedure(factory("lr"), seed=1, inner=3)
    return data, splits, run, procedure, cross_validate(procedure, data, splits, run)


def test_each_unit_is_predicted_once_per_repeat_by_models_that_did_not_see_it(trained):
    data, splits, _, _, table = trained
    assert (table.groupby(["unit", "repeat"]).size() == 1).all()
    assert len(table) == 2 * len(data)
    held_out = splits.table.merge(table, on=["repeat", "fold", "unit"])
    assert len(held_out) == len(table)


class Interrupted(Exception):
    pass


def test_an_interrupted_run_ends_with_the_same_predictions(trained, tmp_path):
    data, splits, _, procedure, whole = trained
    made = []

    def fails_at_the_third():
        made.append(1)
        if len(made) == 3:
            raise Interrupted
        return procedure.factory()

    broken = Procedure(fails_at_the_third, procedure.seed, procedure.inner)
    with pytest.raises(Interrupted):
        cross_validate(broken, data, splits, tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("folds/*/predictions.csv")}
    assert len(stamps) == 2
    pd.testing.assert_frame_equal(cross_validate(procedure, data, splits, tmp_path), whole)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_splits_of_other_units_are_refused(trained, tmp_path):
    data, splits, _, procedure, _ = trained
    with pytest.raises(InputError, match="splits"):
        cross_validate(procedure, data.take(range(40)), splits, tmp_path)


def test_a_class_and_a_unit_may_be_called_none(tmp_path):
    data = samples(n=30, kind="multiclass")
    ids = ("None", "null", *data.ids[2:])
    radiomics, clinical = data.radiomics.set_axis(list(ids)), data.clinical.set_axis(list(ids))
    named = Outcome("multiclass", ("None", "n/a", "c"))
    data = replace(data, ids=ids, radiomics=radiomics, clinical=clinical, outcome=named)
    splits = make_splits(ids, data.groups, data.target, 2, 1, 1)
    table = cross_validate(Procedure(factory("lr"), seed=1, inner=2), data, splits, tmp_path)
    row = {unit: k for k, unit in enumerate(ids)}
    assert set(table["unit"]) == set(ids)
    expected = [named.labels[int(data.target[row[unit]])] for unit in table["unit"]]
    assert table["truth"].tolist() == expected
    assert table["decision"].isin(named.labels).all()
    (entry,) = summarise(named, table, pd.DataFrame(columns=["model", "score", "direction"]))
    assert entry["n"] == 30


def test_folds_that_nothing_could_be_judged_in_are_refused_beforehand():
    # each held-out part has an event, but at the last of its times: no order is known
    target = np.array([[1.0, 0], [9, 1], [2, 0], [8, 1], [3, 0], [7, 1]])
    fold = [Fold(0, k, np.setdiff1d(np.arange(6), pair), np.array(pair)) for k, pair in PAIRS]
    with pytest.raises(InputError, match=r"repeat 0.*an event before another"):
        check_comparable(OUTCOMES["survival"], target, fold)
    target[0, 0] = 10
    check_comparable(OUTCOMES["survival"], target, fold)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_judged(kind):
    data = samples(n=30, kind=kind)
    splits = make_splits(data.ids, data.groups, data.outcome.strata(data.target), 3, 2, 1)
    check_comparable(data.outcome, data.target, list(splits.folds()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_predicted_per_lesion_and_divided_by_patient(kind, tmp_path):
    data = samples(n=72, kind=kind, per_patient=3)
    outcome = data.outcome
    splits = make_splits(data.ids, data.groups, outcome.strata(data.target), 3, 1, 1)
    table = cross_validate(Procedure(factory("lr"), seed=1, inner=2), data, splits, tmp_path)
    assert len(table.groupby(["patient", "fold"])) == len(set(data.patients))
    assert (table.groupby("patient").size() == 3).all()
    again = table.set_index("unit").loc[list(data.ids)]
    truth = again[list(outcome.truth_columns)]
    if outcome.by_class:
        truth = truth.replace({label: k for k, label in enumerate(outcome.labels)})
    columns = data.target.reshape(len(data), -1)
    np.testing.assert_array_equal(truth.to_numpy(dtype=float), columns)
    scores = again[list(outcome.score_columns)].to_numpy()
    assert np.isfinite(scores).all()
    if outcome.by_class:
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-9)
    stored = [json.loads(path.read_text()) for path in tmp_path.glob("folds/*/fold.json")]
    assert len(stored) == 3
    assert all(0.5 < fold["training"] <= 1 for fold in stored)


@pytest.mark.parametrize("kind", KINDS)
def test_a_strong_signal_is_found_out_of_fold_in_every_kind(kind, tmp_path):
    """Scores rank the held-out units by what the first column tells, by scipy's Spearman."""
    data = samples(n=90, kind=kind, signal=6.0)
    outcome = data.outcome
    splits = make_splits(data.ids, data.groups, outcome.strata(data.target), 3, 1, 1)
    table = cross_validate(Procedure(factory("lr"), seed=1, inner=2), data, splits, tmp_path)
    scores = table[list(outcome.score_columns)].to_numpy()
    score = scores @ np.arange(scores.shape[1]) if outcome.by_class else scores[:, 0]
    shown = data.radiomics.loc[table["unit"], "f0"].to_numpy()
    for fold in range(3):
        held_out = (table["fold"] == fold).to_numpy()
        assert spearmanr(score[held_out], shown[held_out]).statistic > 0.5
