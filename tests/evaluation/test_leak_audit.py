"""The leak audit passes for petnet's models and fails for pipelines with a planted leak."""

import numpy as np
import pandas as pd
import pytest
from cases import KINDS, OUTCOMES, factory, samples
from imblearn.over_sampling import SMOTE

from petnet.cohort import make_splits
from petnet.cohort.splits import Fold
from petnet.evaluation.audit import leak_audit, with_noise
from petnet.evaluation.crossval import Procedure
from petnet.files import write_json
from petnet.learn.tabular import TableEncoder


def folds_of(data, folds=3):
    strata = data.outcome.strata(data.target)
    return list(make_splits(data.ids, data.groups, strata, folds, 1, 1).folds())


@pytest.mark.parametrize("model", ["lr", "cnn", "fusion"])
def test_passes_for(model, tmp_path):
    data = samples()
    procedure = Procedure(factory(model), seed=1, inner=3)
    audits = leak_audit(procedure.fit, data, folds_of(data)[:2], tmp_path)
    assert all(audit.passed for audit in audits), audits
    assert all(audit.files >= 2 for audit in audits)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_patient", [1, 3])
def test_passes_for_lr_of_every_kind(kind, per_patient, tmp_path):
    data = samples(72, kind=kind, per_patient=per_patient)
    procedure = Procedure(factory("lr"), seed=1, inner=3)
    folds = folds_of(data)[:2]
    assert all(
        not set(data.take(f.train).patients) & set(data.take(f.test).patients) for f in folds
    )
    audits = leak_audit(procedure.fit, data, folds, tmp_path)
    assert all(audit.passed for audit in audits), audits
    assert all(audit.files >= 3 for audit in audits)


@pytest.mark.parametrize("kind", KINDS)
def test_fails_for_lr_with_a_leak(kind, tmp_path):
    """The whole model, tuned and fitted on one held-out unit too many."""
    data = samples(72, kind=kind, per_patient=3)

    def leaky(samples, fold, folder):
        more = Fold(fold.repeat, fold.fold, np.append(fold.train, fold.test[0]), fold.test)
        Procedure(factory("lr"), seed=1, inner=3).fit(samples, more, folder)

    assert not any(audit.passed for audit in leak_audit(leaky, data, folds_of(data)[:2], tmp_path))


def columns_of(target):
    """The target as (n, C) numbers, missing ones as 0.5."""
    return np.nan_to_num(target.reshape(len(target), -1), nan=0.5)


def fit_plain(values, target, folder):
    """Save the covariance with the target: the simplest thing that learns, of any kind."""
    columns = columns_of(target)
    found = (values - values.mean(axis=0)).T @ (columns - columns.mean(axis=0))
    write_json(folder / "covariance.json", found.tolist())


def sound(data, fold, folder):
    train = data.take(fold.train)
    encoder = TableEncoder().fit(train.radiomics)
    fit_plain(encoder.transform(train.radiomics), train.target, folder)


def scaling_before_the_split(data, fold, folder):
    values = TableEncoder().fit(data.radiomics).transform(data.radiomics)
    fit_plain(values[fold.train], data.target[fold.train], folder)


def selection_before_the_split(data, fold, folder):
    filled = data.radiomics.fillna(0.0)
    outcome = pd.Series(columns_of(data.target)[:, 0], index=filled.index)
    score = filled.corrwith(outcome).abs()
    chosen = list(score.sort_values().index[-3:])
    write_json(folder / "chosen.json", chosen)
    train = data.take(fold.train)
    fit_plain(train.radiomics[chosen].fillna(0.0).to_numpy(), train.target, folder)


def smote_before_the_split(data, fold, folder):
    values, target = SMOTE(random_state=0).fit_resample(
        data.radiomics.fillna(0.0), data.outcome.strata(data.target)
    )
    keep = np.setdiff1d(np.arange(len(target)), fold.test)
    fit_plain(values.to_numpy()[keep], target[keep], folder)


def threshold_on_the_test_labels(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "threshold.json", columns_of(data.target[fold.test]).mean(axis=0).tolist())


def image_statistics_of_everyone(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "mean.json", float(data.images.crops(data.ids).mean()))


def centres_of_everyone(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "centres.json", sorted(set(data.centers)))


def clinical_levels_of_everyone(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "age.json", float(data.clinical["age"].mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_passes_for_a_sound_pipeline(kind, tmp_path):
    data = samples(kind=kind)
    assert all(a.passed for a in leak_audit(sound, data, folds_of(data), tmp_path))


@pytest.mark.parametrize(
    "leaky",
    [
        scaling_before_the_split,
        selection_before_the_split,
        smote_before_the_split,
        threshold_on_the_test_labels,
        image_statistics_of_everyone,
        centres_of_everyone,
        clinical_levels_of_everyone,
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_fails_for(leaky, kind, tmp_path):
    data = samples(kind=kind)
    audits = leak_audit(leaky, data, folds_of(data), tmp_path)
    assert not any(audit.passed for audit in audits)


def test_nothing_written_is_no_pass(tmp_path):
    data = samples()
    audits = leak_audit(lambda *_: None, data, folds_of(data), tmp_path)
    assert not any(audit.passed for audit in audits)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_touches_the_held_out_part_only(kind):
    data = samples(kind=kind)
    fold = folds_of(data)[0]
    noisy = with_noise(data, fold.test, seed=1)
    before, after = data.take(fold.train), noisy.take(fold.train)
    assert before.radiomics.equals(after.radiomics)
    assert before.clinical.equals(after.clinical)
    np.testing.assert_array_equal(before.target, after.target)
    assert (before.images.crops(before.ids) == after.images.crops(after.ids)).all()
    test, changed = data.take(fold.test), noisy.take(fold.test)
    assert (test.target != changed.target).all()
    assert (test.images.crops(test.ids) != changed.images.crops(test.ids)).any()
    assert not np.isclose(test.radiomics, changed.radiomics).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_label_becomes_another_valid_one(kind, seed):
    data = samples(kind=kind)
    changed = with_noise(data, np.arange(len(data)), seed).target
    known = ~np.isnan(data.target)
    assert (changed[known] != data.target[known]).all()
    assert np.isfinite(changed).all()
    if kind == "survival":
        assert (changed[:, 0] > 0).all()
        np.testing.assert_array_equal(changed[:, 1], 1 - data.target[:, 1])
    elif OUTCOMES[kind].by_class:
        assert set(changed) == set(range(len(OUTCOMES[kind].labels)))
    else:
        assert set(changed.ravel()) == {0.0, 1.0}
