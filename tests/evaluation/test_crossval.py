"""Cross-validation: resumes after a finished fold, and its summary against scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from cases import factory, samples
from scipy.special import logit
from scipy.stats import norm
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
    briers = [brier_score_loss(r["truth"], r["probability"]) for _, r in table.groupby("repeat")]
    assert model["brier"] == pytest.approx(np.mean(briers))
    assert model["brier"] > brier_score_loss(mean["truth"], mean["probability"])  # an ensemble's
    assert (model["n"], model["positive"]) == (72, 24)
    assert suvmax["auc_conditional"]["value"] == pytest.approx(
        roc_auc_score(data.target, data.radiomics["measure__SUVmax"])
    )


def test_calibration_of_the_summary_is_that_of_each_repeat_in_statsmodels(trained):
    import statsmodels.api as sm

    model = summarise(trained[4], baseline_scores(*trained[:2], {}))[0]
    found = []
    for _, rows in trained[4].groupby("repeat"):
        lp = logit(rows["probability"].to_numpy())
        y, family = rows["truth"].to_numpy(), sm.families.Binomial()
        joint = sm.GLM(y, sm.add_constant(lp), family=family).fit(tol=1e-14)
        large = sm.GLM(y, np.ones(lp.size), offset=lp, family=family).fit(tol=1e-14)
        found.append((joint.params[1], joint.params[0], large.params[0], large.bse[0]))
    slope, intercept, large, error = np.mean(found, axis=0)
    assert model["calibration_slope"]["value"] == pytest.approx(slope, rel=1e-6)
    assert model["calibration_intercept_joint"]["value"] == pytest.approx(intercept, rel=1e-6)
    in_the_large = model["calibration_in_the_large"]
    assert in_the_large["value"] == pytest.approx(large, rel=1e-6, abs=1e-9)
    assert in_the_large["high"] == pytest.approx(large + 1.959964 * error, rel=1e-5)
    for key in ("calibration_slope", "calibration_in_the_large"):
        assert "mean over 2 repeats" in model[key]["method"]
        assert "conditional" in model[key]["method"]
        assert "independent" not in model[key]["method"]
    assert model["versus"] == []


def test_pooled_figures_are_labelled(trained):
    data, splits, _, _, table = trained
    model, suvmax = summarise(table, baseline_scores(data, splits, {"SUVmax": "higher"}))
    assert model["auc_conditional"]["label"].startswith("pooled over folds; biased low; condit")
    assert "does not bias" in suvmax["auc_conditional"]["label"]
    assert "includes refitting" in model["auc"]["method"]
    assert "DeLong" in model["auc_conditional"]["method"]


def test_one_division_has_one_conditional_interval_and_nothing_pooled(trained):
    data, splits, _, _, table = trained
    table, baselines = (
        rows[(rows["repeat"] == 0) & (rows["fold"] == 0)]
        for rows in (table, baseline_scores(data, splits, {"SUVmax": "higher"}))
    )
    for entry in summarise(table, baselines):
        assert entry["n"] == len(table)
        assert "conditional on the fitted models" in entry["auc"]["method"]
        assert {k: entry["auc_conditional"][k] for k in entry["auc"]} == entry["auc"]
        assert "pooled" not in json.dumps(entry)
        assert "one fixed division" in entry["auc_conditional"]["label"]


def test_models_are_compared_with_single_parameters_on_the_units_of_both(trained):
    """DeLong's variance of the difference by its definition, pair by pair."""
    data, splits, _, _, table = trained
    baselines = baseline_scores(data, splits, {"SUVmax": "lower"})
    absent = sorted(set(baselines["unit"]))[:10]
    baselines = baselines[~baselines["unit"].isin(absent)]
    model, single = summarise(table, baselines)
    assert "versus" not in single
    (found,) = model["versus"]
    mean = table.groupby("unit").agg({"probability": "mean", "truth": "first"})
    kept = mean[~mean.index.isin(absent)]
    suvmax = data.radiomics.loc[kept.index, "measure__SUVmax"]
    truth = kept["truth"].to_numpy() == 1

    def compared(score):
        high, low = score[truth][:, None], score[~truth][None, :]
        return (high > low) + 0.5 * (high == low)

    pairs = compared(kept["probability"].to_numpy()) - compared(-suvmax.to_numpy())
    parts = [pairs.mean(axis=k) for k in (0, 1)]
    error = np.sqrt(sum(part.var(ddof=1) / part.size for part in parts))
    difference = roc_auc_score(truth, kept["probability"]) - roc_auc_score(truth, -suvmax)
    assert (found["name"], found["n"], found["level"]) == ("SUVmax", 62, 0.95)
    assert found["difference"] == pytest.approx(difference, abs=1e-12)
    assert found["low"] == pytest.approx(difference - norm.ppf(0.975) * error, abs=1e-9)
    assert found["high"] == pytest.approx(difference + norm.ppf(0.975) * error, abs=1e-9)
    assert found["p"] == pytest.approx(2 * norm.sf(abs(difference) / error), rel=1e-6)
    for said in ("conditional", "pooled over folds", "not adjusted"):
        assert said in model["versus_label"]


def test_copies_of_every_unit_leave_the_conditional_interval_as_wide(trained):
    data, splits, _, _, table = trained
    tables = (table, baseline_scores(data, splits, {"SUVmax": "higher"}))
    copied = [
        pd.concat([rows.assign(unit=rows["unit"] + f"/L{k}") for k in range(4)]) for rows in tables
    ]
    for once, fourfold in zip(summarise(*tables), summarise(*copied), strict=True):
        alone, copies = once["auc_conditional"], fourfold["auc_conditional"]
        assert fourfold["n"] == 4 * once["n"]
        assert copies["value"] == pytest.approx(alone["value"], abs=1e-12)
        ratio = (copies["high"] - copies["low"]) / (alone["high"] - alone["low"])
        assert 0.9 < ratio < 1.1
        assert "bootstrap of patients" in copies["method"]
    model = summarise(*copied)[0]
    assert model["versus"] == []
    assert "several units per patient" in model["versus_label"]
    assert "units treated as independent" in model["calibration_slope"]["method"]


def test_the_direction_of_a_single_parameter_is_not_learned(trained):
    data, splits, *_ = trained
    up = summarise(trained[4], baseline_scores(data, splits, {"SUVmax": "higher"}))[1]
    down = summarise(trained[4], baseline_scores(data, splits, {"SUVmax": "lower"}))[1]
    assert up["auc"]["value"] + down["auc"]["value"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="SUVpeak"):
        baseline_scores(data, splits, {"SUVpeak": "higher"})
