"""The summary of every kind against libraries, from made-up predictions of three repeats."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import somersd
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    log_loss,
    recall_score,
    roc_auc_score,
)
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from petnet.evaluation.prediction_table import decided, scored, truths
from petnet.evaluation.summary import summarise
from petnet.outcome import Outcome
from petnet.stats.intervals import wilson

REPEATS, FOLDS, N = 3, 4, 72
OUTCOMES = {
    "binary": Outcome("binary", ("her2",)),
    "multiclass": Outcome("multiclass", ("a", "b", "c")),
    "ordinal": Outcome("ordinal", ("PD", "SD", "PR", "CR")),
    "multilabel": Outcome("multilabel", ("r0", "r1", "r2")),
    "survival": Outcome("survival", ("risk",)),
}
BASE = {"ordinal": [0.25] * 4, "multiclass": [1 / 3] * 3, "multilabel": [0.5, 0.4, 0.3]}


def drawn_target(kind, rng):
    if kind == "survival":
        return np.column_stack([np.ceil(rng.exponential(9, N)), rng.random(N) < 0.7]).astype(float)
    if kind == "multilabel":
        target = (rng.random((N, 3)) < [0.5, 0.4, 0.3]).astype(float)
        target[rng.random((N, 3)) < 0.15] = np.nan
        return target
    if kind == "binary":
        return rng.permutation(np.arange(N) % 3 == 0).astype(float)
    return rng.permutation(np.arange(N) % OUTCOMES[kind].outputs).astype(float)


def drawn_prediction(kind, target, rng):
    if kind == "survival":
        return (2 - np.log(target[:, :1]) + rng.normal(size=(N, 1))).round(1)
    if kind == "multilabel":
        return 1 / (1 + np.exp(-rng.normal(size=(N, 3)) - np.nan_to_num(target) + 0.5))
    if kind == "binary":
        return 1 / (1 + np.exp(-rng.normal(size=(N, 1)) - target[:, None] + 0.8))
    classes = OUTCOMES[kind].outputs
    p = rng.dirichlet(np.ones(classes), N) + 0.4 * np.eye(classes)[target.astype(int)]
    return p / p.sum(axis=1, keepdims=True)


def run(kind, seed=0, per_patient=1, repeats=REPEATS):
    """Return target, prediction by repeat, fold by repeat, and the two tables of a run."""
    rng, outcome = np.random.default_rng(seed), OUTCOMES[kind]
    target = drawn_target(kind, rng)
    ids = [f"u{i:02d}" for i in range(N)]
    patients = [f"p{i // per_patient:02d}" for i in range(N)]
    parameter = rng.normal(size=N) + 0.1 * np.nan_to_num(target.reshape(N, -1)[:, 0])
    predictions, folds, tables, singles = [], [], [], []
    for r in range(repeats):
        predictions.append(drawn_prediction(kind, target, rng))
        folds.append(rng.permutation(np.repeat(np.arange(N // per_patient) % FOLDS, per_patient)))
        places = {"unit": ids, "patient": patients, "repeat": r, "fold": folds[-1]}
        truth = truths(outcome, target)
        tables.append(
            pd.DataFrame(
                {
                    **places,
                    "model": "made up",
                    **scored(outcome, predictions[-1]),
                    **decided(outcome, predictions[-1], BASE.get(kind, [0.3])),
                    **truth,
                }
            )
        )
        for label in outcome.labels if kind == "multilabel" else [None]:
            own = pd.DataFrame({**places, "model": "MTV", "score": parameter, **truth})
            named = {} if label is None else {"label": label}
            singles.append(own.assign(direction="lower", **named))
    baselines = pd.concat(singles[: 0 if kind == "multiclass" else None] or [EMPTY])
    return target, predictions, folds, parameter, shuffled(pd.concat(tables)), shuffled(baselines)


EMPTY = pd.DataFrame(columns=["unit", "patient", "model", "repeat", "fold", "score", "direction"])


def shuffled(table):
    """As read back from a file, in another order: text is text, missing is missing."""
    text = {"unit": str, "patient": str, "truth": object, "decision": object}
    if set(table.get("truth", [])) <= {0, 1}:
        text = {"unit": str, "patient": str}
    read = pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=text)
    return read.sample(frac=1, random_state=1)


def within_folds(figure, folds):
    """Average a figure (value, pairs) over folds by pairs, then over repeats."""
    repeats = []
    for r, fold in enumerate(folds):
        found = [figure(r, np.flatnonzero(fold == f)) for f in range(FOLDS)]
        found = [(value, pairs) for value, pairs in found if pairs]
        repeats.append(np.average([v for v, _ in found], weights=[p for _, p in found]))
    return repeats


def harrell(time, event, score):
    pairs = [
        (i, j)
        for i in range(len(time))
        for j in range(len(time))
        if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j]))
    ]
    right = [(score[i] > score[j]) + 0.5 * (score[i] == score[j]) for i, j in pairs]
    return (np.mean(right), len(pairs)) if pairs else (np.nan, 0)


def ordinal(truth, score):
    table = [
        [((truth == a) & (score == b)).sum() for b in np.unique(score)] for a in np.unique(truth)
    ]
    pairs = sum((truth > value).sum() for value in truth)
    return ((somersd(np.array(table)).statistic + 1) / 2, pairs) if pairs else (np.nan, 0)


# ---------------------------------------------------------------- what every entry has


@pytest.mark.parametrize("kind", OUTCOMES)
def test_every_entry_has_what_is_promised(kind):
    target, *_, predictions, baselines = run(kind)
    entries = summarise(OUTCOMES[kind], predictions, baselines)
    assert [e["name"] for e in entries] == ["made up", "MTV"][: 1 + (kind != "multiclass")]
    for entry in entries:
        assert "NaN" not in json.dumps(entry)
        assert entry["n"] == (~np.isnan(target.reshape(N, -1))).any(axis=1).sum()
        assert len(entry["per_repeat"]) == REPEATS
        head, pooled = entry["headline"], entry["conditional"]
        assert set(head) == {"value", "low", "high", "level", "method"}
        assert set(pooled) == {*head, "label"}
        assert head["low"] < head["value"] < head["high"]
        assert pooled["low"] < pooled["value"] < pooled["high"]
        assert "includes refitting" in head["method"]
        assert "conditional" in pooled["method"]
        assert np.mean(entry["per_repeat"]) == pytest.approx(head["value"])
    assert "biased low" in entries[0]["conditional"]["label"]
    counts = entries[0]["counts"]
    if kind in ("multiclass", "ordinal"):
        assert counts == {k: int((target == i).sum()) for i, k in enumerate(OUTCOMES[kind].labels)}
    elif kind == "survival":
        assert counts == {"event": target[:, 1].sum(), "censored": N - target[:, 1].sum()}
    else:
        columns = target.reshape(N, -1)
        expected = {k: np.nansum(columns[:, i]) for i, k in enumerate(OUTCOMES[kind].labels)}
        assert counts == expected


@pytest.mark.parametrize("kind", OUTCOMES)
def test_one_division_has_the_conditional_figure_alone(kind):
    *_, predictions, baselines = run(kind)
    tables = [t[(t["repeat"] == 0) & (t["fold"] == 0)] for t in (predictions, baselines)]
    for entry in summarise(OUTCOMES[kind], *tables):
        assert {k: entry["conditional"][k] for k in entry["headline"]} == entry["headline"]
        assert "one fixed division" in entry["conditional"]["label"]
        assert "pooled" not in json.dumps(entry)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_interval_that_is_conditional_takes_patients_not_lesions(kind):
    """Three copies of every unit, as lesions of one patient, say no more than one."""
    *_, predictions, baselines = run(kind)
    copies = [
        pd.concat([t.assign(unit=t["unit"] + f"/{k}") for k in range(3)])
        for t in (predictions, baselines)
    ]
    for once, thrice in zip(
        summarise(OUTCOMES[kind], predictions, baselines),
        summarise(OUTCOMES[kind], *copies),
        strict=True,
    ):
        alone, more = once["conditional"], thrice["conditional"]
        assert thrice["n"] == 3 * once["n"]
        # copies add ties within a class only where they tie anyway: the same figure
        assert more["value"] == pytest.approx(alone["value"], abs=1e-6)
        ratio = (more["high"] - more["low"]) / (alone["high"] - alone["low"])
        assert 0.85 < ratio < 1.15
        assert "bootstrap of patients" in more["method"]


# ---------------------------------------------------------------- ordinal and survival


def test_scipy_ordinal_headline_of_the_expected_class():
    target, predictions, folds, parameter, *tables = run("ordinal")
    model, single = summarise(OUTCOMES["ordinal"], *tables)
    expected = [p @ np.arange(4) for p in predictions]
    found = within_folds(lambda r, rows: ordinal(target[rows], expected[r][rows]), folds)
    assert model["measure"] == "C-index"
    assert model["per_repeat"] == pytest.approx(found, abs=1e-12)
    mean = np.mean(expected, axis=0)
    assert model["conditional"]["value"] == pytest.approx(ordinal(target, mean)[0], abs=1e-12)
    found = within_folds(lambda _, rows: ordinal(target[rows], -parameter[rows]), folds)
    assert single["per_repeat"] == pytest.approx(found, abs=1e-12)
    found = ordinal(target, -parameter)[0]
    assert single["conditional"]["value"] == pytest.approx(found, abs=1e-12)


def test_brute_force_survival_headline_and_groups_of_statsmodels():
    target, predictions, folds, parameter, *tables = run("survival")
    model, single = summarise(OUTCOMES["survival"], *tables)
    time, event = target.T
    found = within_folds(
        lambda r, rows: harrell(time[rows], event[rows], predictions[r][rows, 0]), folds
    )
    assert model["per_repeat"] == pytest.approx(found, abs=1e-12)
    found = harrell(time, event, np.mean(predictions, axis=0)[:, 0])[0]
    assert model["conditional"]["value"] == pytest.approx(found, abs=1e-12)
    found = harrell(time, event, -parameter)[0]  # lower means earlier
    assert single["conditional"]["value"] == pytest.approx(found, abs=1e-12)
    assert model["events"] == event.sum()
    reverse = SurvfuncRight(time, 1 - event)
    assert model["median_follow_up"] == reverse.surv_times[reverse.surv_prob <= 0.5][0]
    high = np.sum([p[:, 0] > 0.3 for p in predictions], axis=0) >= 2
    groups = model["risk_groups"]
    assert "in at least half of 3 repeats" in groups["rule"]
    assert groups["logrank_p"] == pytest.approx(survdiff(time, event, high)[1], rel=1e-9)
    fitted = PHReg(time, high[:, None].astype(float), event, ties="efron").fit(disp=0)
    ratio = groups["hazard_ratio"]
    assert ratio["value"] == pytest.approx(np.exp(fitted.params[0]), rel=1e-6)
    assert [ratio["low"], ratio["high"]] == pytest.approx(np.exp(fitted.conf_int()[0]), rel=1e-5)
    for group, part in zip(groups["groups"], (~high, high), strict=True):
        assert (group["n"], group["events"]) == (part.sum(), event[part].sum())
        median = SurvfuncRight(time[part], event[part]).quantile(0.5)
        assert group["median"]["value"] == median


def test_a_group_without_units_has_no_median():
    *_, predictions, baselines = run("survival")
    model = summarise(OUTCOMES["survival"], predictions.assign(decision=0), baselines)[0]
    low, high = model["risk_groups"]["groups"]
    assert (low["n"], high["n"], high["median"]) == (N, 0, None)
    assert model["risk_groups"]["logrank_p"] is None
    assert model["risk_groups"]["hazard_ratio"]["value"] is None


# ---------------------------------------------------------------- classes


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_sklearn_figures_of_classes(kind):
    outcome = OUTCOMES[kind]
    target, predictions, folds, _, *tables = run(kind)
    model = summarise(outcome, *tables)[0]
    base, classes = np.array(BASE[kind]), outcome.outputs
    decisions = [outcome.decide(p, list(base)) for p in predictions]
    tables = [confusion_matrix(target, d, labels=range(classes)) for d in decisions]
    assert model["labels"] == list(outcome.labels)
    assert np.array(model["confusion"]) == pytest.approx(np.mean(tables, axis=0))
    assert np.sum(model["confusion"]) == pytest.approx(N)
    hits = np.mean([np.trace(t) for t in tables])
    assert model["accuracy"]["value"] == pytest.approx(hits / N)
    floor, roof = wilson(int(np.floor(hits)), N), wilson(int(np.ceil(hits)), N)
    assert floor.low <= model["accuracy"]["low"] <= roof.low
    assert floor.high <= model["accuracy"]["high"] <= roof.high
    balanced = np.mean([balanced_accuracy_score(target, d) for d in decisions])
    assert model["balanced_accuracy"]["value"] == pytest.approx(balanced)
    # the spread of a mean of recalls, each a mean over repeats, by its variance formula
    hit = np.mean([d == target for d in decisions], axis=0)
    parts = [hit[target == k] for k in range(classes)]
    error = np.sqrt(sum(part.var() / part.size for part in parts)) / classes
    width = model["balanced_accuracy"]["high"] - model["balanced_accuracy"]["low"]
    assert width == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert model["log_loss"] == pytest.approx(np.mean([log_loss(target, p) for p in predictions]))
    squared = [((p - np.eye(classes)[target.astype(int)]) ** 2).sum(axis=1) for p in predictions]
    assert model["brier"] == pytest.approx(np.mean(squared))
    if kind == "ordinal":
        kappas = [cohen_kappa_score(target, d, weights="quadratic") for d in decisions]
        kappa = model["kappa_quadratic"]
        assert kappa["value"] == pytest.approx(np.mean(kappas))
        assert kappa["low"] < kappa["value"] < kappa["high"]
    else:
        assert "kappa_quadratic" not in model
    for k, row in enumerate(model["per_class"]):

        def area(r, rows, k=k):
            truth = target[rows] == k
            pairs = truth.sum() * (~truth).sum()
            return (roc_auc_score(truth, predictions[r][rows, k]) if pairs else 0), pairs

        assert (row["label"], row["n"]) == (outcome.labels[k], (target == k).sum())
        assert row["auc"]["value"] == pytest.approx(np.mean(within_folds(area, folds)), abs=1e-12)
        assert row["auc"]["low"] < row["auc"]["value"] < row["auc"]["high"]


def test_sklearn_m_pooled_and_within_folds():
    target, predictions, folds, _, *tables = run("multiclass")
    model = summarise(OUTCOMES["multiclass"], *tables)[0]
    assert model["measure"] == "M (Hand & Till)"
    mean = np.mean(predictions, axis=0)
    expected = roc_auc_score(target, mean, multi_class="ovo")
    assert model["conditional"]["value"] == pytest.approx(expected, abs=1e-12)
    pairs = []
    for a, b in ((0, 1), (0, 2), (1, 2)):

        def separation(r, rows, a=a, b=b):
            rows = rows[np.isin(target[rows], (a, b))]
            first = target[rows] == a
            count = first.sum() * (~first).sum()
            if not count:
                return 0, 0
            p = predictions[r][rows]
            return (roc_auc_score(first, p[:, a]) + roc_auc_score(~first, p[:, b])) / 2, count

        pairs.append(np.mean(within_folds(separation, folds)))
    assert model["headline"]["value"] == pytest.approx(np.mean(pairs), abs=1e-12)


def test_a_class_absent_from_a_fold_is_left_out_there_and_said():
    target, _, folds, _, predictions, baselines = run("multiclass")
    units = [f"u{i:02d}" for i in np.flatnonzero((target == 2) & (folds[0] == 1))]
    moved = predictions["unit"].isin(units) & (predictions["repeat"] == 0)
    predictions.loc[moved, "fold"] = 2
    model = summarise(OUTCOMES["multiclass"], predictions, baselines)[0]
    assert "1 of 12 folds lack a class or label" in model["headline"]["method"]
    assert 0 < model["headline"]["low"] < model["headline"]["high"] < 1


# ---------------------------------------------------------------- binary decisions and labels


def test_sklearn_decision_is_averaged_over_repeats():
    target, predictions, *_, table, baselines = run("binary")
    decision = summarise(OUTCOMES["binary"], table, baselines)[0]["decision"]
    called = [(p[:, 0] > 0.3).astype(float) for p in predictions]
    recall = np.mean([recall_score(target, c) for c in called])
    assert decision["sensitivity"]["value"] == pytest.approx(recall)
    specificity = np.mean([recall_score(target, c, pos_label=0) for c in called])
    assert decision["specificity"]["value"] == pytest.approx(specificity)
    hits, calls = (np.mean([c @ of for c in called]) for of in (target, np.ones(N)))
    assert decision["ppv"]["value"] == pytest.approx(hits / calls)
    right = np.mean([c == target for c in called])
    assert decision["accuracy"]["value"] == pytest.approx(right)
    p, n, z = recall, target.sum(), 1.959963984540054
    for bound in (decision["sensitivity"]["low"], decision["sensitivity"]["high"]):
        # Wilson's bounds at the positives of one repeat, not of three
        assert abs(p - bound) == pytest.approx(z * np.sqrt(bound * (1 - bound) / n), rel=1e-9)
    assert "means over 3 repeats" in decision["rule"]
    assert "share of positives in the training part" in decision["rule"]


def test_decisions_of_lesions_have_the_interval_of_patients():
    *_, table, baselines = run("binary")
    once = summarise(OUTCOMES["binary"], table, baselines)[0]["decision"]
    copies = pd.concat([table.assign(unit=table["unit"] + f"/{k}") for k in range(4)])
    more = summarise(OUTCOMES["binary"], copies, baselines)[0]["decision"]
    for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy"):
        assert more[name]["value"] == pytest.approx(once[name]["value"])
        width = more[name]["high"] - more[name]["low"]
        # the variance has G / (G - 1); as independent units the copies would give 0.5
        assert 1 <= width / (once[name]["high"] - once[name]["low"]) < 1.05
        assert "effective number" in more[name]["method"]


def test_each_label_is_summarised_like_a_binary_task():
    outcome = OUTCOMES["multilabel"]
    target, _, _, parameter, table, baselines = run("multilabel")
    model, single = summarise(outcome, table, baselines)
    assert model["measure"] == "macro AUC"
    values = []
    for k, row in enumerate(model["per_label"]):
        known = ~np.isnan(target[:, k])
        own = table[table[f"truth_r{k}"].notna()].rename(
            columns={f"{name}_r{k}": name for name in ("probability", "decision", "truth")}
        )
        binary = summarise(Outcome("binary", (f"r{k}",)), own, EMPTY)[0]
        assert row["label"] == f"r{k}"
        assert (row["n"], row["positive"]) == (known.sum(), target[known, k].sum())
        assert row["conditional"] == binary["conditional"]
        assert row["brier"] == pytest.approx(binary["brier"])
        # the sizes of the folds are those with units whose label is missing
        for key in ("value", "low", "high"):
            tolerance = 1e-12 if key == "value" else 5e-3
            found, expected = row["headline"][key], binary["headline"][key]
            assert found == pytest.approx(expected, abs=tolerance)
        assert row["decision"] == binary["decision"]
        values.append(row["headline"]["value"])
    assert model["headline"]["value"] == pytest.approx(np.mean(values), abs=1e-12)
    areas = [
        roc_auc_score(target[known, k], -parameter[known])
        for k, known in enumerate(~np.isnan(target.T))
    ]
    assert single["conditional"]["value"] == pytest.approx(np.mean(areas), abs=1e-12)


def test_a_label_that_a_parameter_cannot_judge_is_left_out_and_said():
    *_, table, baselines = run("multilabel")
    single = summarise(OUTCOMES["multilabel"], table, baselines[baselines["label"] != "r1"])[1]
    assert "1 of 3 parts never comparable" in single["headline"]["method"]
    table["truth_r2"] = table["truth_r2"].where(table["truth_r2"].isna(), 1)
    model = summarise(OUTCOMES["multilabel"], table, baselines)[0]
    row = model["per_label"][2]
    assert (row["headline"], row["conditional"]) == (None, None)
    assert row["decision"]["specificity"]["value"] is None
    json.dumps(model, allow_nan=False)
