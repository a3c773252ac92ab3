"""Cross-validation: resumes after a finished fold, and its summary against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from cases import factory, samples
from sklearn.metrics import brier_score_loss, roc_auc_score

from petnet.cohort import make_splits
from petnet.errors import InputError
from petnet.evaluation.crossval import Procedure, cross_validate
from petnet.evaluation.summary import baseline_scores, summarise


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


def test_summary_equals_scikit_learn(trained):
    data, splits, _, _, table = trained
    baselines = baseline_scores(data, splits, {"SUVmax": "higher"})
    model, suvmax = summarise(table, baselines)
    per_repeat = []
    for _, rows in table.groupby("repeat"):
        aucs, pairs = [], []
        for _, fold in rows.groupby("fold"):
            aucs.append(roc_auc_score(fold["truth"], fold["probability"]))
            pairs.append(fold["truth"].sum() * (1 - fold["truth"]).sum())
        per_repeat.append(np.average(aucs, weights=pairs))
    assert model["auc_per_repeat"] == pytest.approx(per_repeat)
    assert model["auc"]["value"] == pytest.approx(np.mean(per_repeat))
    assert model["auc"]["low"] < model["auc"]["value"] < model["auc"]["high"]
    mean = table.groupby("unit").agg({"probability": "mean", "truth": "first"})
    assert model["auc_conditional"]["value"] == pytest.approx(
        roc_auc_score(mean["truth"], mean["probability"])
    )
    assert model["brier"] == pytest.approx(brier_score_loss(mean["truth"], mean["probability"]))
    assert (model["n"], model["positive"]) == (72, 24)
    assert suvmax["auc_conditional"]["value"] == pytest.approx(
        roc_auc_score(data.target, data.radiomics["measure__SUVmax"])
    )


def test_the_direction_of_a_single_parameter_is_not_learned(trained):
    data, splits, *_ = trained
    up = summarise(trained[4], baseline_scores(data, splits, {"SUVmax": "higher"}))[1]
    down = summarise(trained[4], baseline_scores(data, splits, {"SUVmax": "lower"}))[1]
    assert up["auc"]["value"] + down["auc"]["value"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="SUVpeak"):
        baseline_scores(data, splits, {"SUVpeak": "higher"})
