"""The scikit-learn transformer: scikit-learn's own checks of its conventions, and a pipeline."""

import pickle

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from petnet.errors import InputError
from petnet.radiomics import FeatureSet, RadiomicsTransformer, extract
from petnet.volume import Volume

SET = FeatureSet("s", "PT", ("stat", "glcm"), "fixed_bin_number", bins=8)
MORE = FeatureSet("m", "PT", ("stat",))
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def pair(seed, high=1.0):
    rng = np.random.default_rng(seed)
    mask = np.zeros((8, 7, 6), bool)
    mask[1:6, 1:6, 1 : 4 + seed % 2] = True
    return rng.gamma(3.0, high, mask.shape).astype(np.float32), mask


@pytest.fixture
def step():
    return RadiomicsTransformer([SET, MORE], spacing_mm=(2, 2, 3), device="cpu")


@pytest.mark.parametrize(
    "check",
    [
        "check_get_params_invariance",
        "check_set_params",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_estimator_repr",
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
    ],
)
def test_scikit_learns_own_checks(check, step):
    getattr(estimator_checks, check)("RadiomicsTransformer", step)


def test_rows_are_those_of_extract(step):
    pairs = [pair(seed) for seed in range(4)]
    found = step.fit(pairs).transform(pairs)
    alone = [extract(*p, [SET, MORE], spacing_mm=(2, 2, 3), device="cpu") for p in pairs]
    expected = pd.concat(alone)
    np.testing.assert_array_equal(found, expected.to_numpy())
    assert step.get_feature_names_out().tolist() == list(expected)
    assert step.n_features_out_ == found.shape[1] == expected.shape[1]
    # a row is the same whichever others it is computed with
    np.testing.assert_array_equal(step.transform(pairs[2:3]), found[2:3])
    assert step.transform([]).shape == (0, found.shape[1])


def test_paths_volumes_and_tables_of_paths(step, tmp_path):
    pairs = [pair(seed) for seed in range(2)]
    paths = []
    for k, (image, mask) in enumerate(pairs):
        names = tmp_path / f"{k}i.nii", tmp_path / f"{k}m.nii.gz"
        nib.save(nib.Nifti1Image(image, AFFINE), names[0])
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), AFFINE), names[1])
        paths.append(tuple(map(str, names)))
    expected = step.fit_transform(pairs)
    volumes = [
        (Volume(i, AFFINE, "SUVbw", "PT"), Volume(m, AFFINE, "label", "MASK")) for i, m in pairs
    ]
    frame = pd.DataFrame(paths, columns=["pet", "mask"])
    for given in (paths, np.array(paths), frame, volumes, iter(paths)):
        np.testing.assert_array_equal(step.transform(given), expected)


def test_set_output_gives_a_named_table(step):
    table = step.set_output(transform="pandas").fit_transform([pair(1), pair(2)])
    assert isinstance(table, pd.DataFrame)
    assert list(table) == step.get_feature_names_out().tolist()


def test_a_clone_and_a_pickle_are_the_same_step(step):
    pairs = [pair(3)]
    expected = step.fit_transform(pairs)
    for other in (clone(step), pickle.loads(pickle.dumps(step))):  # noqa: S301
        assert other.get_params() == step.get_params()
        np.testing.assert_array_equal(other.fit_transform(pairs), expected)
    assert not hasattr(clone(step), "feature_sets_")


def test_it_needs_no_fit_but_says_what_it_computes(step):
    check_is_fitted(step)
    np.testing.assert_array_equal(step.transform([pair(1)]), clone(step).fit_transform([pair(1)]))
    assert step.fit([]).feature_sets_ == (SET, MORE)


def test_within_a_cross_validated_pipeline_and_a_search(step):
    """Images of twice the uptake: a linear model on the features tells them from the others."""
    answer = np.arange(16) % 2
    pairs = [pair(k, 1.0 + 3.0 * y) for k, y in enumerate(answer)]
    model = make_pipeline(step, SimpleImputer(), StandardScaler(), LogisticRegression())
    assert (cross_val_predict(model, pairs, answer, cv=2) == answer).all()
    grid = {"radiomicstransformer__features": [[SET], [MORE]]}
    search = GridSearchCV(model, grid, cv=2).fit(pairs, answer)
    assert search.best_score_ == 1.0
    names = search.best_estimator_[0].get_feature_names_out()
    assert len(names) in (18, 68)


def test_mistakes_are_named(step):
    with pytest.raises(InputError, match=r"one of .*core, ct, .*'corre'"):
        RadiomicsTransformer("corre").fit([])
    with pytest.raises(InputError, match="those of one modality"):
        RadiomicsTransformer("core").fit([])
    assert RadiomicsTransformer("core", modality="CT").fit([]).feature_sets_[0].name == "ct_bw25"
    with pytest.raises(InputError, match="pair 1: length: expected an image and a mask"):
        step.transform([pair(1), pair(1)[:1]])
    image, mask = pair(1)
    with pytest.raises(InputError, match="region 1: mask: expected at least one voxel"):
        step.transform([(image, mask), (image, mask & False)])
    with pytest.raises(InputError, match="pair 1: shape of the mask: expected"):
        step.transform([(image, mask), (image, mask[:1])])
    with pytest.raises(InputError, match="pair 0: spacing_mm: expected three voxel edges"):
        clone(step).set_params(spacing_mm=None).transform([(image, mask)])
