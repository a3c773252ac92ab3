"""The classical model for every kind of outcome, against the same steps done by hand."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from statsmodels.duration.hazard_regression import PHReg

from petnet.cohort import inner_folds
from petnet.errors import InputError
from petnet.files import content_hash
from petnet.learn.resampling import Smote
from petnet.models.classical import ClassicalModel
from petnet.models.heads import assemble, falling
from petnet.models.protocol import FitContext, Samples
from petnet.models.registry import load_model, save_model
from petnet.outcome import Outcome

LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression", "max_iter": 5000, "tol": 1e-8}
COX = {"_target_": "petnet.models.cox.CoxRegression"}
OUTCOMES = {
    "binary": Outcome(),
    "multiclass": Outcome("multiclass", ("a", "b", "c")),
    "ordinal": Outcome("ordinal", ("PD", "SD", "PR", "CR")),
    "multilabel": Outcome("multilabel", ("r0", "r1", "r2")),
    "survival": Outcome("survival", ("risk",)),
}
KINDS = list(OUTCOMES)


def samples(kind, n=120, seed=0):
    """Six columns, the first two of which tell; classes in unequal shares, some labels missing."""
    rng = np.random.default_rng(seed)
    names = ["r0__a", "r1__a", "r2__a", "r0__b", "r1__b", "age"]
    values = rng.normal(size=(n, len(names)))
    latent = values[:, 0] + values[:, 1] + rng.logistic(size=n)
    target = {
        "binary": lambda: latent > 1.0,
        "multiclass": lambda: np.where(latent > 0.5, 0, np.where(values[:, 2] > 0.6, 1, 2)),
        "ordinal": lambda: np.digitize(latent, [-0.5, 1.0, 2.2]),
        "multilabel": lambda: values[:, :3] + rng.logistic(size=(n, 3)) > [0, 0.8, 1.5],
        "survival": lambda: [np.ceil(8 * rng.exponential(np.exp(-latent))), rng.random(n) < 0.7],
    }[kind]()
    target = np.array(target, dtype=float)
    target = target.T if kind == "survival" else target
    if kind == "multilabel":
        target[5:25, 1] = np.nan
    ids = tuple(f"p{i}" for i in range(n))
    radiomics = pd.DataFrame(values[:, :5], index=ids, columns=names[:5])
    clinical = pd.DataFrame(values[:, 5:], index=ids, columns=names[5:])
    where = ("c",) * n
    return Samples(ids, ids, ids, where, target, clinical, radiomics, None, OUTCOMES[kind])


def model(**changes):
    settings = {
        "name": "lr",
        "inputs": ["radiomics", "clinical"],
        "estimator": {**LOGISTIC, "C": 0.3},
        "survival": {"estimator": {**COX, "alpha": 3.0}},
        "max_correlation": None,
    }
    return ClassicalModel(**{**settings, **changes})


def fitted(data, **changes):
    return model(**changes).fit(data, [], FitContext(7))


def scaled(data):
    return StandardScaler().fit_transform(data.radiomics.join(data.clinical))


def by_hand(values, codes, smote=True):
    """Probabilities of the classes: balance, fit, put the shares back."""
    share = np.bincount(codes) / len(codes)
    learned = values, codes
    if smote:
        learned = SMOTE(k_neighbors=5, random_state=7).fit_resample(values, codes)
    raw = LogisticRegression(C=0.3, max_iter=5000, tol=1e-8).fit(*learned).predict_proba(values)
    weighted = raw * share / (np.bincount(learned[1]) / len(learned[1]))
    return weighted / weighted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("smote", [True, False])
def test_multiclass_equals_scikit_learn(smote):
    data = samples("multiclass")
    made = fitted(data, resampler=Smote(5) if smote else None).predict(data)
    oracle = by_hand(scaled(data), data.target.astype(int), smote)
    np.testing.assert_allclose(made, oracle, atol=1e-9)
    share = np.bincount(data.target.astype(int)) / len(data)
    assert len(set(share.round(2))) == 3
    np.testing.assert_allclose(made.mean(axis=0), share, atol=0.05)


@pytest.mark.parametrize("smote", [True, False])
def test_ordinal_is_one_model_per_threshold_made_monotone(smote):
    data = samples("ordinal")
    made = fitted(data, resampler=Smote(5) if smote else None).predict(data)
    values, codes = scaled(data), data.target.astype(int)
    above = np.column_stack(
        [by_hand(values, (codes > k).astype(int), smote)[:, 1] for k in range(3)]
    )
    isotonic = IsotonicRegression(increasing=False)
    rows = np.array([isotonic.fit_transform(np.arange(3), row) for row in above])
    oracle = np.column_stack([1 - rows[:, 0], rows[:, 0] - rows[:, 1], rows[:, 1] - rows[:, 2],
                              rows[:, 2]])  # fmt: skip
    np.testing.assert_allclose(made, oracle, atol=1e-9)
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(made.mean(axis=0), np.bincount(codes) / len(codes), atol=0.05)


def test_falling_rows_equal_isotonic_regression():
    rows = np.random.default_rng(0).random((200, 5))
    isotonic = IsotonicRegression(increasing=False)
    oracle = [isotonic.fit_transform(np.arange(5), row) for row in rows]
    np.testing.assert_allclose(falling(rows), oracle, atol=1e-12)
    assert np.abs(falling(rows) - rows).max() > 0.1


def test_crossing_thresholds_give_no_negative_probability():
    parts = [np.column_stack([1 - p, p]) for p in np.random.default_rng(0).random((3, 50))]
    made = assemble(OUTCOMES["ordinal"], parts)
    assert made.min() >= 0
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("smote", [True, False])
def test_multilabel_is_one_model_per_label_on_its_known_units(smote):
    data = samples("multilabel")
    made = fitted(data, resampler=Smote(5) if smote else None).predict(data)
    table = data.radiomics.join(data.clinical).to_numpy()
    for k in range(3):
        known = ~np.isnan(data.target[:, k])
        oracle = by_hand(
            StandardScaler().fit_transform(table[known]), data.target[known, k].astype(int), smote
        )
        np.testing.assert_allclose(made[known, k], oracle[:, 1], atol=1e-9)
    assert known.all()
    assert np.isfinite(made).all()


def test_each_label_looks_at_its_own_columns():
    data = samples("multilabel")
    made = fitted(data, include=[["{label}__*"], "age"]).predict(data)
    for k, label in enumerate(OUTCOMES["multilabel"].labels):
        known = ~np.isnan(data.target[:, k])
        table = data.radiomics.join(data.clinical)[known]
        own = table[[c for c in table if c.startswith(label) or c == "age"]]
        oracle = by_hand(StandardScaler().fit_transform(own), data.target[known, k].astype(int), 0)
        np.testing.assert_allclose(made[known, k], oracle[:, 1], atol=1e-9)


def test_survival_is_a_ridge_cox_regression_centred_on_the_training_part():
    data = samples("survival")
    made = fitted(data).predict(data)[:, 0]
    values = scaled(data)
    likelihood = PHReg(data.target[:, 0], values, status=data.target[:, 1], ties="efron")
    found = minimize(
        lambda b: -likelihood.loglike(b) + 1.5 * b @ b,
        np.zeros(6),
        jac=lambda b: -likelihood.score(b) + 3 * b,
        options={"gtol": 1e-8},
    )
    np.testing.assert_allclose(made, values @ found.x, atol=1e-6)
    assert made.mean() == pytest.approx(0, abs=1e-9)


def test_survival_is_not_resampled_and_says_so(caplog):
    data = samples("survival")
    with caplog.at_level(logging.DEBUG, logger="petnet.models.classical"):
        made = fitted(data, resampler=Smote()).predict(data)
    assert "nothing is resampled" in caplog.text
    np.testing.assert_array_equal(made, fitted(data).predict(data))


def concordant(kind, target, prediction):
    """(sum, pairs) of each component of the headline figure, pair by pair."""

    def count(pairs, score):
        right = [(score[i] > score[j]) + 0.5 * (score[i] == score[j]) for i, j in pairs]
        return sum(right), len(right)

    units = range(len(target))
    if kind == "survival":
        pairs = [
            (i, j) for i in units for j in units
            if target[i, 1] == 1
            and (target[i, 0] < target[j, 0] or (target[i, 0] == target[j, 0] and not target[j, 1]))
        ]  # fmt: skip
        return [count(pairs, prediction[:, 0])]
    if kind == "ordinal":
        pairs = [(i, j) for i in units for j in units if target[i] > target[j]]
        return [count(pairs, prediction @ np.arange(4))]
    return [
        count(
            [(i, j) for i in units for j in units if target[i, k] == 1 and target[j, k] == 0],
            prediction[:, k],
        )
        for k in range(target.shape[1])
    ]


@pytest.mark.parametrize("kind", ["ordinal", "multilabel", "survival"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_inner_folds_choose_by_the_headline_figure(kind, seed):
    data = samples(kind, n=60, seed=seed)
    grid = {"C": [1e-4, 0.03, 3.0]}
    cox = {"estimator": COX, "grid": {"alpha": [1000.0, 30.0, 0.3]}}
    inner = inner_folds(data.groups, data.outcome.strata(data.target), 3, 0)
    made = model(estimator=LOGISTIC, grid=grid, survival=cox).fit(data, inner, FitContext(1))
    scores = []
    for choice in range(3):
        settings = {
            "estimator": {**LOGISTIC, "C": grid["C"][choice]},
            "survival": {"estimator": {**COX, "alpha": cox["grid"]["alpha"][choice]}},
        }
        counts = [
            concordant(
                kind,
                data.target[fold.test],
                fitted(data.take(fold.train), **settings).predict(data.take(fold.test)),
            )
            for fold in inner
        ]
        total = np.sum(counts, axis=0)
        scores.append(np.mean(total[:, 0] / total[:, 1]))
    assert len({round(s, 6) for s in scores}) > 1
    (chosen,) = made.chosen.values()
    values = cox["grid"]["alpha"] if kind == "survival" else grid["C"]
    assert chosen == values[int(np.argmax(scores))]


def test_a_class_too_rare_for_inner_folds_leaves_the_first_candidate_and_says_so(caplog):
    data = samples("ordinal")
    data.target[:] = np.where(data.target == 3, 2, data.target)
    data.target[0] = 3
    inner = inner_folds(data.groups, data.outcome.strata(data.target), 3, 0)
    found = model(grid={"C": [0.2, 1.0]}).fit(data, inner, FitContext(1))
    assert found.chosen == {"C": 0.2}
    assert "not tuned" in caplog.text
    assert "'C': 0.2" in caplog.text
    caplog.clear()
    model().fit(data, inner, FitContext(1))
    assert "not tuned" not in caplog.text


def test_a_label_of_one_class_is_answered_by_its_share(caplog):
    data = samples("multilabel")
    data.target[:, 2] = np.where(np.isnan(data.target[:, 2]), np.nan, 0.0)
    found = fitted(data, resampler=Smote())
    assert "r2: only one class" in caplog.text
    np.testing.assert_array_equal(found.predict(data)[:, 2], np.zeros(len(data)))
    others = fitted(samples("multilabel"), resampler=Smote()).predict(data)
    np.testing.assert_array_equal(found.predict(data)[:, :2], others[:, :2])


def test_a_label_that_an_inner_training_part_knows_nothing_of_does_not_end_the_tuning(caplog):
    data = samples("multilabel")
    data.clinical["sex"] = pd.Categorical(np.arange(len(data)) % 2, [0, 1])  # always encoded
    inner = inner_folds(data.groups, data.outcome.strata(data.target), 3, 0)
    data.target[inner[0].train, 2] = np.nan
    data.target[inner[0].test[:4], 2] = [0, 1, 0, 1]
    tuned = model(resampler=Smote(), grid={"C": [0.01, 1.0]}).fit(data, inner, FitContext(1))
    assert np.isfinite(tuned.predict(data)).all()
    part = data.take(inner[0].train)
    unknown = fitted(part, resampler=Smote()).predict(data)[:, 2]
    assert "r2: no unit whose label is known" in caplog.text
    np.testing.assert_array_equal(unknown, np.full(len(data), 0.5))


def test_an_inner_training_part_without_an_event_does_not_end_the_tuning(caplog):
    data = samples("survival")
    inner = inner_folds(data.groups, data.outcome.strata(data.target), 3, 0)
    data.target[inner[0].train, 1] = 0
    cox = {"estimator": COX, "grid": {"alpha": [10.0, 1.0]}}
    tuned = model(survival=cox).fit(data, inner, FitContext(1))
    assert np.ptp(tuned.predict(data)) > 0
    part = data.take(inner[0].train)
    np.testing.assert_array_equal(fitted(part).predict(data), np.zeros((len(data), 1)))
    assert "risk: no event" in caplog.text


def test_a_threshold_that_nothing_exceeds_leaves_the_top_class_empty():
    data = samples("ordinal")
    data.target[data.target == 3] = 2
    made = fitted(data, resampler=Smote()).predict(data)
    np.testing.assert_array_equal(made[:, 3], np.zeros(len(data)))
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-12)


def test_a_class_that_is_absent_has_no_probability():
    data = samples("multiclass")
    data.target[data.target == 1] = 2
    made = fitted(data, resampler=Smote()).predict(data)
    oracle = by_hand(scaled(data), (data.target == 2).astype(int))
    np.testing.assert_allclose(made[:, [0, 2]], oracle, atol=1e-9)
    np.testing.assert_array_equal(made[:, 1], np.zeros(len(data)))


@pytest.mark.parametrize("few", [1, 2, 3])
def test_smote_with_a_class_of_few(few):
    data = samples("multiclass")
    first = np.flatnonzero(data.target == 1)
    data.target[first[few:]] = 2
    made = fitted(data, resampler=Smote(5)).predict(data)
    assert made[:, 1].mean() == pytest.approx(few / len(data), abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_in_which_nothing_varies_is_answered_by_the_shares(kind, caplog):
    data = samples(kind)
    data.radiomics[:] = 1.0
    data.clinical[:] = 1.0
    made = fitted(data, resampler=Smote()).predict(data)
    assert "no column that varies" in caplog.text
    expected = {
        "binary": lambda t: [t.mean()],
        "multilabel": lambda t: np.nanmean(t, axis=0),
        "survival": lambda t: [0.0],
    }.get(kind, lambda t: np.bincount(t.astype(int)) / len(t))
    np.testing.assert_allclose(made, np.tile(expected(data.target), (len(data), 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_target_is_refused(kind):
    data = samples(kind)
    data.target[3] = np.nan
    with pytest.raises(InputError, match=r"target: .* none for \['p3'\]"):
        fitted(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pattern_that_matches_nothing_is_named_with_columns_that_are_there(kind):
    with pytest.raises(InputError, match=r"include.*'r9__\*', which matches none of 6.*r1__"):
        fitted(samples(kind), include=[["r0__*"], ["age", ["r9__*"]]])


def test_survival_needs_an_estimator_of_its_own():
    with pytest.raises(InputError, match="survival: expected an estimator"):
        fitted(samples("survival"), survival=None)
    with pytest.raises(InputError, match="survival: expected estimator and grid"):
        model(survival={"estimators": COX})


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load_give_the_same_prediction(kind, tmp_path):
    data = samples(kind)
    if kind == "multilabel":
        data.target[:, 1] = np.where(np.isnan(data.target[:, 1]), np.nan, 1.0)
    found = fitted(data, resampler=Smote())
    save_model(found, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.outcome == data.outcome
    np.testing.assert_array_equal(again.predict(data), found.predict(data))


def test_another_format_is_refused(tmp_path):
    save_model(fitted(samples("binary")), tmp_path / "m")
    path = tmp_path / "m" / "model.json"
    stored = json.loads(path.read_text())
    del stored["format"]
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"model\.json: format: expected 2, but got 1"):
        load_model(tmp_path / "m")


SCRIPT = """
import sys; from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_classical_kinds import *
for kind in KINDS:
    data = samples(kind)
    inner = inner_folds(data.groups, data.outcome.strata(data.target), 2, 0)
    made = model(resampler=Smote(), survival={"estimator": COX, "grid": {"alpha": [9.0, 1.0]}})
    save_model(made.fit(data, inner, FitContext(1)), Path(sys.argv[1]) / kind)
"""


def test_two_processes_write_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / name), str(Path(__file__).parent)]
        subprocess.run(command, check=True, timeout=120)
    found = [
        {
            str(p.relative_to(tmp_path / name)): content_hash(p)
            for p in (tmp_path / name).rglob("*.*")
        }
        for name in ("a", "b")
    ]
    assert len(found[0]) == 3 * len(KINDS)
    assert found[0] == found[1]
