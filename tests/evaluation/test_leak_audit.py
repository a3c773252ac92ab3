"""The leak audit passes for petnet's models and fails for pipelines with a planted leak."""

import numpy as np
import pytest
from cases import factory, samples
from imblearn.over_sampling import SMOTE

from petnet.cohort import make_splits
from petnet.evaluation.audit import leak_audit, with_noise
from petnet.evaluation.crossval import Procedure
from petnet.files import write_json
from petnet.learn.tabular import TableEncoder


def folds_of(data, folds=3):
    return list(make_splits(data.ids, data.groups, data.target, folds, 1, 1).folds())


@pytest.mark.parametrize("model", ["lr", "cnn", "fusion"])
def test_passes_for(model, tmp_path):
    data = samples()
    procedure = Procedure(factory(model), seed=1, inner=3)
    audits = leak_audit(procedure.fit, data, folds_of(data)[:2], tmp_path)
    assert all(audit.passed for audit in audits), audits
    assert all(audit.files >= 2 for audit in audits)


def fit_plain(values, target, folder):
    """Save a centroid classifier: the simplest thing that learns."""
    centroids = [values[target == label].mean(axis=0).tolist() for label in (0, 1)]
    write_json(folder / "centroids.json", centroids)


def sound(data, fold, folder):
    train = data.take(fold.train)
    encoder = TableEncoder().fit(train.radiomics)
    fit_plain(encoder.transform(train.radiomics), train.target, folder)


def scaling_before_the_split(data, fold, folder):
    values = TableEncoder().fit(data.radiomics).transform(data.radiomics)
    fit_plain(values[fold.train], data.target[fold.train], folder)


def selection_before_the_split(data, fold, folder):
    filled = data.radiomics.fillna(0.0)
    score = filled.corrwith(data.radiomics["f0"] * 0 + data.target).abs()
    chosen = list(score.sort_values().index[-3:])
    write_json(folder / "chosen.json", chosen)
    train = data.take(fold.train)
    fit_plain(train.radiomics[chosen].fillna(0.0).to_numpy(), train.target, folder)


def smote_before_the_split(data, fold, folder):
    values, target = SMOTE(random_state=0).fit_resample(
        data.radiomics.fillna(0.0), data.target.astype(int)
    )
    keep = np.setdiff1d(np.arange(len(target)), fold.test)
    fit_plain(values.to_numpy()[keep], target[keep], folder)


def threshold_on_the_test_labels(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "threshold.json", float(data.target[fold.test].mean()))


def image_statistics_of_everyone(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "mean.json", float(data.images.crops(data.ids).mean()))


def centres_of_everyone(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "centres.json", sorted(set(data.centers)))


def clinical_levels_of_everyone(data, fold, folder):
    sound(data, fold, folder)
    write_json(folder / "age.json", float(data.clinical["age"].mean()))


def test_passes_for_a_sound_pipeline(tmp_path):
    data = samples()
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
def test_fails_for(leaky, tmp_path):
    data = samples()
    audits = leak_audit(leaky, data, folds_of(data), tmp_path)
    assert not any(audit.passed for audit in audits)


def test_nothing_written_is_no_pass(tmp_path):
    data = samples()
    audits = leak_audit(lambda *_: None, data, folds_of(data), tmp_path)
    assert not any(audit.passed for audit in audits)


def test_noise_touches_the_held_out_part_only():
    data = samples()
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
