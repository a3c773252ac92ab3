"""Splits: by hypothesis, no group on both sides, each unit held out once per repeat."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petnet.cohort import Splits, inner_folds, make_splits, splits_from_column
from petnet.errors import InputError


@st.composite
def cohorts(draw):
    patients = draw(st.integers(12, 40))
    per_patient = draw(st.lists(st.integers(1, 3), min_size=patients, max_size=patients))
    groups = [f"p{i}" for i, n in enumerate(per_patient) for _ in range(n)]
    target = np.array([float(int(g[1:]) % 2) for g in groups])
    return [f"u{i}" for i in range(len(groups))], groups, target


@settings(max_examples=40, deadline=None)
@given(cohorts(), st.integers(2, 5), st.integers(1, 3), st.integers(0, 10**6))
def test_every_unit_once_and_no_group_twice(cohort, folds, repeats, seed):
    units, groups, target = cohort
    splits = make_splits(units, groups, target, folds, repeats, seed)
    held_out = np.zeros(len(units), int)
    for fold in splits.folds():
        assert sorted([*fold.train, *fold.test]) == list(range(len(units)))
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.test}
        assert set(target[fold.train]) == {0.0, 1.0}
        held_out[fold.test] += 1
    assert (held_out == repeats).all()


def test_stratified_to_one_unit_where_groups_are_single():
    target = np.array([1.0] * 21 + [0.0] * 34)
    units = [f"u{i}" for i in range(55)]
    for fold in make_splits(units, units, target, 5, 4, 3).folds():
        assert target[fold.test].sum() in (4, 5)
        assert len(fold.test) == 11


def test_saved_and_read_back_with_the_same_hash(tmp_path):
    units = [f"u{i}" for i in range(20)]
    target = np.arange(20) % 2.0
    splits = make_splits(units, units, target, 4, 2, 1)
    splits.save(tmp_path / "splits.csv")
    assert Splits.load(tmp_path / "splits.csv", units).hash == splits.hash
    assert make_splits(units, units, target, 4, 2, 1).hash == splits.hash
    assert make_splits(units, units, target, 4, 2, 2).hash != splits.hash
    with pytest.raises(InputError, match="units"):
        Splits.load(tmp_path / "splits.csv", units[:5])


def test_too_few_patients_of_a_class_are_refused():
    units = [f"u{i}" for i in range(20)]
    with pytest.raises(InputError, match=r"at least as many as folds \(5\)"):
        make_splits(units, units, np.array([1.0] * 3 + [0.0] * 17), 5, 1, 1)


def test_one_stratum_is_divided_too():
    """Survival data without a censored unit have a single stratum."""
    units = [f"u{i}" for i in range(20)]
    splits = make_splits(units, units, np.ones(20, dtype=int), 5, 1, 1)
    assert sorted(splits.table["unit"]) == sorted(units)
    assert splits.table.groupby("fold").size().tolist() == [4] * 5


def test_inner_folds_shrink_to_the_smaller_class():
    groups = [f"p{i}" for i in range(10)]
    assert len(inner_folds(groups, np.array([1.0] * 3 + [0.0] * 7), 5, 0)) == 3
    assert inner_folds(groups, np.array([1.0] + [0.0] * 9), 5, 0) == []


def test_fixed_division_from_the_column():
    (fold,) = splits_from_column(["a", "b", "c"], ["train", "test", "train"]).folds()
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 2], [1])
    with pytest.raises(InputError, match="both train and test"):
        splits_from_column(["a", "b"], ["train", None])
