"""The summary of a binary task against scikit-learn, statsmodels and pairs counted one by one."""

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
from petnet.evaluation.baselines import baseline_scores
from petnet.evaluation.crossval import Procedure, cross_validate
from petnet.evaluation.summary import summarise
from petnet.outcome import BINARY


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    data = samples(n=72)
    splits = make_splits(data.ids, data.groups, data.target, 3, 2, 1)
    run = tmp_path_factory.mktemp("run")
    procedure = Procedure(factory("lr"), seed=1, inner=3)
    return data, splits, cross_validate(procedure, data, splits, run)


def test_summary_equals_scikit_learn(trained):
    data, splits, table = trained
    baselines = baseline_scores(data, splits, {"SUVmax": "higher"})
    model, suvmax = summarise(BINARY, table, baselines)
    per_repeat = []
    for _, rows in table.groupby("repeat"):
        aucs, pairs = [], []
        for _, fold in rows.groupby("fold"):
            aucs.append(roc_auc_score(fold["truth"], fold["probability"]))
            pairs.append(fold["truth"].sum() * (1 - fold["truth"]).sum())
        per_repeat.append(np.average(aucs, weights=pairs))
    assert model["per_repeat"] == pytest.approx(per_repeat)
    assert model["headline"]["value"] == pytest.approx(np.mean(per_repeat))
    assert model["headline"]["low"] < model["headline"]["value"] < model["headline"]["high"]
    mean = table.groupby("unit").agg({"probability": "mean", "truth": "first"})
    assert model["conditional"]["value"] == pytest.approx(
        roc_auc_score(mean["truth"], mean["probability"])
    )
    briers = [brier_score_loss(r["truth"], r["probability"]) for _, r in table.groupby("repeat")]
    assert model["brier"] == pytest.approx(np.mean(briers))
    assert model["brier"] > brier_score_loss(mean["truth"], mean["probability"])  # an ensemble's
    assert (model["n"], model["positive"]) == (72, 24)
    assert suvmax["conditional"]["value"] == pytest.approx(
        roc_auc_score(data.target, data.radiomics["measure__SUVmax"])
    )


def test_calibration_of_the_summary_is_that_of_each_repeat_in_statsmodels(trained):
    import statsmodels.api as sm

    data, splits, table = trained
    model = summarise(BINARY, table, baseline_scores(data, splits, {}))[0]
    found = []
    for _, rows in table.groupby("repeat"):
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
    data, splits, table = trained
    model, suvmax = summarise(BINARY, table, baseline_scores(data, splits, {"SUVmax": "higher"}))
    assert model["conditional"]["label"].startswith("pooled over folds; biased low; condit")
    assert "does not bias" in suvmax["conditional"]["label"]
    assert "includes refitting" in model["headline"]["method"]
    assert "DeLong" in model["conditional"]["method"]


def test_one_division_has_one_conditional_interval_and_nothing_pooled(trained):
    data, splits, table = trained
    table, baselines = (
        rows[(rows["repeat"] == 0) & (rows["fold"] == 0)]
        for rows in (table, baseline_scores(data, splits, {"SUVmax": "higher"}))
    )
    for entry in summarise(BINARY, table, baselines):
        assert entry["n"] == len(table)
        assert "conditional on the fitted models" in entry["headline"]["method"]
        assert {k: entry["conditional"][k] for k in entry["headline"]} == entry["headline"]
        assert "pooled" not in json.dumps(entry)
        assert "one fixed division" in entry["conditional"]["label"]


def test_models_are_compared_with_single_parameters_on_the_units_of_both(trained):
    """DeLong's variance of the difference by its definition, pair by pair."""
    data, splits, table = trained
    baselines = baseline_scores(data, splits, {"SUVmax": "lower"})
    absent = sorted(set(baselines["unit"]))[:10]
    baselines = baselines[~baselines["unit"].isin(absent)]
    model, single = summarise(BINARY, table, baselines)
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
    data, splits, table = trained
    tables = (table, baseline_scores(data, splits, {"SUVmax": "higher"}))
    copied = [
        pd.concat([rows.assign(unit=rows["unit"] + f"/L{k}") for k in range(4)]) for rows in tables
    ]
    for once, fourfold in zip(summarise(BINARY, *tables), summarise(BINARY, *copied), strict=True):
        alone, copies = once["conditional"], fourfold["conditional"]
        assert fourfold["n"] == 4 * once["n"]
        assert copies["value"] == pytest.approx(alone["value"], abs=1e-12)
        ratio = (copies["high"] - copies["low"]) / (alone["high"] - alone["low"])
        assert 0.9 < ratio < 1.1
        assert "bootstrap of patients" in copies["method"]
    model = summarise(BINARY, *copied)[0]
    assert model["versus"] == []
    assert "several units per patient" in model["versus_label"]
    assert "units treated as independent" in model["calibration_slope"]["method"]


def test_the_direction_of_a_single_parameter_is_not_learned(trained):
    data, splits, table = trained
    up = summarise(BINARY, table, baseline_scores(data, splits, {"SUVmax": "higher"}))[1]
    down = summarise(BINARY, table, baseline_scores(data, splits, {"SUVmax": "lower"}))[1]
    assert up["headline"]["value"] + down["headline"]["value"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="SUVpeak"):
        baseline_scores(data, splits, {"SUVpeak": "higher"})
