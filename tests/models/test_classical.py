"""The classical model against scikit-learn and imbalanced-learn used by hand."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE, SMOTENC
from sklearn.linear_model import LogisticRegression

from petnet.cohort import inner_folds
from petnet.errors import InputError
from petnet.learn.resampling import Smote
from petnet.learn.tabular import TableEncoder
from petnet.models.classical import ClassicalModel
from petnet.models.protocol import FitContext, Samples
from petnet.models.registry import load_model, save_model

LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression", "max_iter": 5000}


def samples(n=120, seed=0, clinical=True):
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(float)
    ids = tuple(f"p{i}" for i in range(n))
    radiomics = pd.DataFrame(rng.normal(size=(n, 8)), index=ids, columns=list("abcdefgh"))
    radiomics["a"] += 1.5 * target
    table = pd.DataFrame({"age": rng.normal(60, 9, n)}, index=ids)
    if clinical:
        table["site"] = pd.Categorical(rng.choice(["u", "v", "w"], n), categories=["u", "v", "w"])
    return Samples(ids, ids, ids, ("c",) * n, target, table, radiomics)


def model(**changes):
    settings = {"name": "lr", "inputs": ["radiomics"], "estimator": {**LOGISTIC, "C": 0.3}}
    return ClassicalModel(**{**settings, "max_correlation": None, **changes})


def test_without_resampling_equals_scikit_learn():
    data = samples()
    made = model().fit(data, [], FitContext(7)).predict(data)[:, 0]
    values = TableEncoder().fit(data.radiomics).transform(data.radiomics)
    oracle = LogisticRegression(C=0.3, max_iter=5000).fit(values, data.target)
    np.testing.assert_allclose(made, oracle.predict_proba(values)[:, 1], atol=1e-12)


def test_smote_equals_imbalanced_learn_with_the_prior_put_back():
    data = samples()
    made = model(resampler=Smote(5)).fit(data, [], FitContext(7)).predict(data)[:, 0]
    values = TableEncoder().fit(data.radiomics).transform(data.radiomics)
    balanced = SMOTE(k_neighbors=5, random_state=7).fit_resample(values, data.target)
    raw = LogisticRegression(C=0.3, max_iter=5000).fit(*balanced).predict_proba(values)[:, 1]
    odds = raw / (1 - raw) * data.target.mean() / (1 - data.target.mean())
    np.testing.assert_allclose(made, odds / (1 + odds), atol=1e-12)
    assert made.mean() == pytest.approx(data.target.mean(), abs=0.05)


def test_mixed_columns_go_through_smotenc_and_stay_categories():
    data = samples()
    encoder = TableEncoder(one_hot=False).fit(data.clinical.join(data.radiomics))
    values = encoder.transform(data.clinical.join(data.radiomics))
    target = data.target.astype(int)
    made, labels = Smote(5).resample(values, target, encoder.discrete, seed=3)
    oracle = SMOTENC(encoder.discrete, k_neighbors=5, random_state=3).fit_resample(values, target)
    np.testing.assert_array_equal(made, oracle[0])
    assert set(made[:, encoder.discrete[0]]) <= {0.0, 1.0, 2.0}
    assert labels.mean() == 0.5


def test_neighbours_are_capped_by_the_minority():
    rng = np.random.default_rng(0)
    for minority in (1, 2, 3):
        target = np.array([1] * minority + [0] * 20)
        made, labels = Smote(5).resample(rng.normal(size=(len(target), 3)), target, [], seed=0)
        assert labels.sum() == 20
        assert len(made) == 40


def test_the_inner_folds_choose_by_mean_auc():
    from sklearn.metrics import roc_auc_score

    data = samples(seed=5)
    grid = {"C": [1e-6, 0.01, 1.0]}
    inner = inner_folds(data.groups, data.target, 4, 0)
    chosen = model(estimator=LOGISTIC, grid=grid).fit(data, inner, FitContext(1)).chosen["C"]
    scores = []
    for c in grid["C"]:
        per_fold = []
        for fold in inner:
            train, test = data.radiomics.iloc[fold.train], data.radiomics.iloc[fold.test]
            encoder = TableEncoder().fit(train)
            fitted = LogisticRegression(C=c, max_iter=5000)
            fitted.fit(encoder.transform(train), data.target[fold.train])
            score = fitted.predict_proba(encoder.transform(test))[:, 1]
            per_fold.append(roc_auc_score(data.target[fold.test], score))
        scores.append(np.mean(per_fold))
    assert chosen == grid["C"][int(np.argmax(scores))]


def test_save_and_load_give_the_same_probabilities(tmp_path):
    data = samples()
    fitted = model(inputs=["radiomics", "clinical"], resampler=Smote()).fit(data, [], FitContext(1))
    save_model(fitted, tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(data), fitted.predict(data))


SCRIPT = """
import sys; from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_classical import *
data = samples()
fitted = model(inputs=["radiomics", "clinical"], resampler=Smote())
save_model(fitted.fit(data, [], FitContext(1)), Path(sys.argv[1]))
"""


def test_two_processes_write_the_same_bytes(tmp_path):
    from pathlib import Path

    from petnet.evaluation.audit import artefacts

    for name in ("a", "b"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / name), str(Path(__file__).parent)]
        subprocess.run(command, check=True, timeout=120)
    found = artefacts(tmp_path / "a")
    assert len(found) == 3
    assert found == artefacts(tmp_path / "b")


def test_a_foreign_type_in_a_stored_model_is_refused(tmp_path):
    import skops.io as sio

    data = samples()
    save_model(model().fit(data, [], FitContext(1)), tmp_path / "m")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sio.dump(subprocess.Popen, tmp_path / "m" / "estimator.skops")
    with pytest.raises(InputError, match="types"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    "target",
    ["os.system", "sklearn.linear_model.os.system", "sklearn.svm.l1_min_c", "petnet.errors.Path"],
)
def test_a_foreign_estimator_is_refused(target):
    with pytest.raises(InputError, match="_target_"):
        model(estimator={"_target_": target}).fit(samples(), [], FitContext(1))


def test_an_unknown_class_is_refused(tmp_path):
    save_model(model().fit(samples(), [], FitContext(1)), tmp_path / "m")
    (tmp_path / "m" / "class.json").write_text(json.dumps({"class": "os:system"}))
    with pytest.raises(InputError, match="class"):
        load_model(tmp_path / "m")


def test_a_missing_label_at_fit_is_refused():
    data = samples()
    data.target[3] = np.nan
    with pytest.raises(InputError, match="p3"):
        model().fit(data, [], FitContext(1))
